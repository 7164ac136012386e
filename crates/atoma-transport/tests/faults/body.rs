//! Rows 64–90: the body over HTTP/1.

use crate::lab::{
    Is::{MayBeBilled, Retryable, Timeout, Truncated},
    Script,
    answers::{CHUNKED, GOOD, LAST_CHUNK, STREAM, chunk, event, events},
    serve,
};
use std::time::Duration;

#[tokio::test]
async fn row_064_good_chunks() {
    let answer = [CHUNKED, &chunk(&events(GOOD)), LAST_CHUNK].concat();
    let lab = serve([Script::on_request().write(answer).then_good()]).start().await;
    let outcome = lab.stream().await;
    outcome.ok(GOOD).attempts(1).connections(1).requests(1);
    lab.healthy().await;
}

#[tokio::test]
async fn row_074_end_inside_an_event() {
    let cut = event("lo");
    let cut = &cut[..cut.len() / 2];
    let answer = [STREAM, &event("Hel"), cut].concat();
    let lab = serve([Script::on_request().write(answer).half_close()]).start().await;
    let outcome = lab.stream().await;
    outcome.is([Truncated, Retryable, MayBeBilled]).after("Hel").attempts(1).connections(1);
    lab.healthy().await;
}

#[tokio::test]
async fn row_079_silence_after_the_first_event() {
    let answer = [CHUNKED, &chunk(&event("Hel"))].concat();
    let lab =
        serve([Script::on_request().write(answer).until_closed()]).manual_clock().start().await;
    let mut stream = lab.open().await.unwrap();
    let first = stream.try_next().await.unwrap().unwrap();
    assert_eq!(first.text(), "Hel");
    let outcome = lab.expires_after(Duration::from_secs(120), lab.rest_of(stream, "Hel")).await;
    outcome.is([Timeout, Retryable, MayBeBilled]).after("Hel").attempts(1).connections(1);
    lab.healthy().await;
}
