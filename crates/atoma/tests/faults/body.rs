//! Rows 64–78: the framing of an HTTP/1 body, and its end.

use crate::lab::{
    Gate, Good as _,
    Is::{self, ApiError, MayBeBilled, Retryable, TooLarge, Truncated, Unexpected},
    Script, arrived,
    responses::{
        CHUNKED, DONE, GOOD, LAST_CHUNK, STREAM, WHOLE, chunk, completion, event, events, finish,
        response, streamed, whole,
    },
    serve, within,
};
use atoma_transport::ErrorKind;
use std::time::Duration;

const CUT: [Is; 3] = [Truncated, Retryable, MayBeBilled];
const TOO_LARGE: [Is; 2] = [TooLarge, MayBeBilled];

/// A unary response in chunks, up to the place that a row breaks.
fn whole_in_chunks(text: &str) -> String {
    [&CHUNKED.replacen("text/event-stream", "application/json", 1), &chunk(&completion(text))[..]]
        .concat()
}

/// After `"Hel"`, each ending interrupts the response: the call returns the partial response and
/// one error.
async fn breaks_off<const N: usize>(kind: ErrorKind, is: [Is; N], endings: &[(&str, String)]) {
    for (name, ending) in endings {
        println!("case: {name}");
        let response = [CHUNKED, &chunk(&event("Hel")), ending].concat();
        let unary = [&whole_in_chunks("Hel"), &ending[..]].concat();
        let lab =
            serve([response, unary].map(|bytes| Script::on_request().write(bytes))).start().await;
        let outcome = lab.stream().await;
        outcome.is(is).kind(kind).after("Hel").attempts(1).connections(1).requests(1);
        let outcome = lab.unary().await;
        outcome.is(is).kind(kind).attempts(1).connections(2).requests(2);
        lab.healthy().await;
    }
}

/// Sends `response`, which begins with `"Hel"`, and resets the connection once the client has read
/// it.
async fn reset_after(response: String) {
    let gate = Gate::new();
    let lab = serve([Script::on_request().write(response).pass(&gate).reset()]).start().await;
    let mut stream = lab.open().await.unwrap();
    let first = within(stream.try_next()).await.unwrap().unwrap();
    assert_eq!(first.text(), "Hel");
    gate.open();
    let outcome = lab.rest_of(stream, "Hel").await;
    outcome.is(CUT).kind(ErrorKind::BodyInterrupted).after("Hel").attempts(1).connections(1);
    lab.healthy().await;
}

#[tokio::test]
async fn row_064_well_formed_chunks() {
    let events = events(GOOD);
    let one = chunk(&events);
    let by_event = events.split_inclusive("\n\n").map(chunk).collect();
    let by_byte: String = events.split_inclusive(|_| true).map(chunk).collect();
    let odd = one.replacen("\r\n", " ;name=\"value\"\r\n", 1);
    let padded = format!("000{one}");
    for body in [one, by_event, by_byte, odd, padded] {
        let response = [CHUNKED, &body, LAST_CHUNK].concat();
        let lab = serve([Script::on_request().write(response).then_good()]).start().await;
        lab.stream().await.ok(GOOD).attempts(1).connections(1).requests(1);
        lab.stream().await.ok(GOOD).attempts(1).connections(1).requests(2);
        lab.healthy().await;
    }
}

#[tokio::test]
async fn row_065_reset_inside_a_chunk() {
    reset_after([CHUNKED, &chunk(&event("Hel")), "ff\r\ndata: {\"choices\""].concat()).await;
}

#[tokio::test]
async fn row_066_end_inside_a_chunk() {
    let endings =
        [("in its data", "ff\r\ndata: {\"choices\""), ("in its size", "f"), ("after it", "1\r\n:")];
    breaks_off(
        ErrorKind::BodyInterrupted,
        CUT,
        &endings.map(|(name, ending)| (name, ending.into())),
    )
    .await;
}

#[tokio::test]
async fn row_067_end_before_the_last_chunk() {
    breaks_off(ErrorKind::BodyInterrupted, CUT, &[("no last chunk", String::new())]).await;

    for complete in [events(GOOD), event(GOOD) + &finish(), event(GOOD) + DONE] {
        let response = [CHUNKED, &chunk(&complete)].concat();
        let lab = serve([Script::on_request().write(response)]).start().await;
        lab.stream().await.ok(GOOD).attempts(1).connections(1);
        lab.healthy().await;
    }
}

#[tokio::test]
async fn row_068_malformed_chunks() {
    let good = chunk(": a comment of some length\n\n");
    let endings = [
        ("a size that is not a number", "zz\r\nab\r\n".to_owned()),
        ("no size", "\r\nab\r\n".to_owned()),
        ("a negative size", "-2\r\nab\r\n".to_owned()),
        ("a size of 17 digits", "fffffffffffffffff\r\nab\r\n".to_owned()),
        ("a size that lies", good.replacen(&good[..2], "02", 1)),
        (
            "no line end after the chunk",
            good.trim_end_matches("\r\n").to_owned() + "5\r\n: abc\r\n",
        ),
        ("no line end after the size", good.replacen("\r\n", "\r", 1)),
        ("bare line feeds", good.replace("\r\n", "\n")),
    ];
    breaks_off(ErrorKind::BodyInterrupted, CUT, &endings).await;
}

#[tokio::test]
async fn row_069_a_chunk_of_the_largest_size() {
    let huge = |body: &str| format!("ffffffffffffffff\r\n{body}");
    breaks_off(ErrorKind::BodyInterrupted, CUT, &[("then closed", huge(": nothing more\n"))]).await;

    let response = [CHUNKED, &huge(&event("Hel"))].concat();
    let lab =
        serve([Script::on_request().write(response).until_closed()]).manual_clock().start().await;
    let outcome = lab.expires_after(Duration::from_secs(120), lab.stream()).await;
    outcome.stalled("Hel").attempts(1).connections(1);
    lab.healthy().await;

    let response = whole_in_chunks("") + &huge("");
    let lab = serve([Script::on_request().write(response).flood(" ".repeat(1 << 16), 1 << 40)]);
    let lab = lab.client(|client| client.max_response_size(1 << 20)).start().await;
    lab.unary().await.is(TOO_LARGE).attempts(1).connections(1);
    lab.healthy().await;
}

#[tokio::test]
async fn row_070_chunk_extensions_of_40_kb() {
    let extended =
        chunk(&events("lo")).replacen("\r\n", &format!(";{}\r\n", "x".repeat(40_000)), 1);
    let extended =
        [("one", extended), ("many", "1;xxxxxxxxxxxxxxxxxxxxxxx\r\n:\r\n".repeat(2_000))];
    breaks_off(ErrorKind::TooLarge, TOO_LARGE, &extended).await;
}

#[tokio::test]
async fn row_071_20_000_trailers() {
    let trailers = format!("0\r\n{}\r\n", "x: y\r\n".repeat(20_000));
    breaks_off(ErrorKind::TooLarge, TOO_LARGE, &[("trailers", trailers.clone())]).await;

    let response = [CHUNKED, &chunk(&events(GOOD)), &trailers].concat();
    let lab = serve([Script::on_request().write(response)]).start().await;
    lab.stream().await.ok(GOOD).attempts(1).connections(1);
    lab.healthy().await;
}

#[tokio::test]
async fn row_072_fewer_bytes_than_the_length() {
    let label = ["content-type: text/event-stream"];
    let stream = response("200 OK", &label, &(event("Hel") + &events("lo")));
    let stream = stream[..stream.len() - events("lo").len()].to_owned();
    let unary = whole(GOOD);
    let unary = unary[..unary.len() - 1].to_owned();
    let lab = serve([stream, unary].map(|bytes| Script::on_request().write(bytes))).start().await;
    let outcome = lab.stream().await;
    outcome.is(CUT).kind(ErrorKind::BodyInterrupted).after("Hel").attempts(1).connections(1);
    let outcome = lab.unary().await;
    outcome.is(CUT).kind(ErrorKind::BodyInterrupted).attempts(1).connections(2);
    lab.healthy().await;
}

#[tokio::test]
async fn row_073_more_bytes_than_the_length() {
    for more in ["x".to_owned(), whole("poison")] {
        let response = whole(GOOD) + &more;
        let lab = serve([Script::on_request().write(response).then_good()]).start().await;
        lab.unary().await.ok(GOOD).attempts(1).connections(1);
        arrived().await;
        lab.unary().await.ok(GOOD).attempts(1).connections(2);
        lab.healthy().await;
    }
}

#[tokio::test]
async fn row_074_end_inside_an_event() {
    let next = event("lo");
    for cut in [0, 3, 7, next.len() / 2, next.len() - 4] {
        let response = [STREAM, &event("Hel"), &next[..cut]].concat();
        let lab = serve([Script::on_request().write(response)]).start().await;
        let outcome = lab.stream().await;
        outcome.is(CUT).after("Hel").attempts(1).connections(1);
        lab.healthy().await;
    }
}

#[tokio::test]
async fn row_075_reset_without_any_length() {
    reset_after([STREAM, &event("Hel"), "data: {\"choi"].concat()).await;
}

#[tokio::test]
async fn row_076_a_body_where_none_is_allowed() {
    for status in ["204 No Content", "304 Not Modified"] {
        for response in [whole("poison"), streamed("poison")] {
            let response = response.replacen("200 OK", status, 1);
            let script = Script::on_request().write(response);
            let lab = serve([script.clone(), script]).start().await;
            for outcome in [lab.unary().await, lab.stream().await] {
                match status {
                    "204 No Content" => outcome.is([Unexpected, MayBeBilled]).status(204),
                    _ => outcome.is([ApiError, MayBeBilled]).status(304),
                };
                outcome.attempts(1).requests(2);
            }
            arrived().await;
            lab.healthy().await;
        }
    }
}

#[tokio::test]
async fn row_077_reset_content_with_a_body() {
    for response in [whole("poison"), streamed("poison")] {
        let script =
            Script::on_request().write(response.replacen("200 OK", "205 Reset Content", 1));
        let lab = serve([script.clone(), script]).start().await;
        let outcome = lab.unary().await;
        outcome.is([Unexpected, MayBeBilled]).status(205).attempts(1);
        let outcome = lab.stream().await;
        outcome.is([Unexpected, MayBeBilled]).status(205).attempts(1);
        lab.healthy().await;
    }
}

#[tokio::test]
async fn row_078_an_empty_body() {
    let label = ["content-type: text/event-stream"];
    for empty in [response("200 OK", &label, ""), [CHUNKED, LAST_CHUNK].concat(), STREAM.into()] {
        let lab = serve([Script::on_request().write(empty)]).start().await;
        lab.stream().await.is(CUT).after("").status(200).attempts(1).connections(1);
        lab.healthy().await;
    }
    for empty in [response("200 OK", &[], ""), WHOLE.into(), WHOLE.to_owned() + "\r\n  "] {
        let lab = serve([Script::on_request().write(empty)]).start().await;
        let outcome = lab.unary().await;
        outcome.is([Unexpected, MayBeBilled]).status(200).says("empty").attempts(1).connections(1);
        lab.healthy().await;
    }
}
