//! Rows 91–99 and 103–105: the end of HTTP/2 streams and connections.

use crate::lab::{
    CANARY, Gate,
    Is::{self, MayBeBilled, Retryable, Timeout, Truncated},
    Lab, Outcome, Script, arrived,
    h2::{
        CANCEL, END_HEADERS, END_STREAM, INTERNAL_ERROR, NO_ERROR, PUSH_PROMISE, REFUSED_STREAM,
        begin, data, fields, frame, go_away, on_request, reset, responding, send_good, serve_h2,
        setting, stream_head, streamed,
    },
    responses::{GOOD, event, events, finish},
    settle, within,
};
use atoma_transport::{ErrorKind, Timeouts};
use std::time::Duration;

pub(crate) const CUT: [Is; 3] = [Truncated, Retryable, MayBeBilled];
const LOST: [Is; 2] = [Retryable, MayBeBilled];
const LATE: [Is; 3] = [Timeout, Retryable, MayBeBilled];
const NOT_BELIEVED: [Is; 1] = [MayBeBilled];

/// A silent server is pinged after this time …
const SILENCE: Duration = Duration::from_secs(20);
/// … and given up if the ping is not acknowledged within this time.
const PATIENCE: Duration = Duration::from_secs(10);

/// The head of a stream and its first event.
fn begun(stream: u32) -> Vec<u8> {
    [stream_head(stream), data(stream, 0, &event("Hel"))].concat()
}

/// A script that interrupts a stream after `"Hel"` by writing `frames`.
pub(crate) fn then(frames: &[Vec<u8>]) -> Script {
    on_request().write(begun(1)).write(frames.concat())
}

/// Wait until the client has noticed that the server closed: the lab checks the state after that.
pub(crate) async fn healthy(lab: Lab) {
    arrived().await;
    lab.healthy().await;
}

/// Checks that the only stream of this lab is interrupted after `"Hel"`.
async fn breaks_off<const N: usize>(script: Script, is: [Is; N], kind: ErrorKind) {
    let lab = serve_h2([script]).start().await;
    let outcome = lab.stream().await;
    outcome.is(is).kind(kind).after("Hel").attempts(1).connections(1).requests(1);
    healthy(lab).await;
}

/// The outcome of a stream whose server sends nothing more, not even a response to a ping.
async fn falls_silent(lab: &Lab) -> Outcome {
    let mut call = Box::pin(lab.stream());
    lab.halts(1, &mut call).await;
    lab.clock().advance(SILENCE);
    assert!(settle(&mut call).await.is_none());
    lab.expires_in(PATIENCE, &mut call).await
}

#[tokio::test]
async fn row_091_no_settings() {
    // The ping notices the silence if no timeout is shorter.
    let lab = serve_h2([Script::default().until_closed()]).manual_clock().start().await;
    let outcome = falls_silent(&lab).await;
    outcome.is(LOST).kind(ErrorKind::ConnectionLost).says("ping").attempts(1).connections(1);
    outcome.lasted(SILENCE + PATIENCE);
    healthy(lab).await;

    let head = Duration::from_secs(5);
    let lab = serve_h2([Script::default().until_closed()]).manual_clock();
    let lab = lab.client(move |client| client.stream_timeouts(Timeouts::default().head(head)));
    let lab = lab.start().await;
    let outcome = lab.expires_after(head, lab.stream()).await;
    outcome.is(LATE).attempts(1).connections(1).lasted(head);
    healthy(lab).await;
}

#[tokio::test]
async fn row_092_refused_stream() {
    let refused_stream = || on_request().write(reset(1, REFUSED_STREAM));
    let lab = serve_h2([refused_stream()]).start().await;
    lab.stream().await.ok(GOOD).attempts(1).connections(2).requests(2);
    lab.unary().await.ok(GOOD).attempts(1).connections(2).requests(3);
    healthy(lab).await;

    // Once costs no attempt; twice is a failed attempt that was not processed.
    let lab = serve_h2([refused_stream(), refused_stream()]).start().await;
    lab.unary().await.ok(GOOD).attempts(2).connections(3).requests(3);
    healthy(lab).await;

    let lab = serve_h2((0..6).map(|_| refused_stream())).start().await;
    let outcome = lab.stream().await;
    outcome.is([Retryable]).kind(ErrorKind::ConnectionLost).attempts(3).connections(6).requests(6);
    healthy(lab).await;
}

#[tokio::test]
async fn row_093_reset_before_the_head() {
    let lab = serve_h2([on_request().write(reset(1, INTERNAL_ERROR))]).start().await;
    let outcome = lab.stream().await;
    outcome.is(LOST).kind(ErrorKind::ConnectionLost).says("INTERNAL_ERROR");
    outcome.attempts(1).connections(1).requests(1);
    healthy(lab).await;
}

#[tokio::test]
async fn row_094_reset_in_the_body() {
    breaks_off(then(&[reset(1, CANCEL)]), CUT, ErrorKind::BodyInterrupted).await;
}

#[tokio::test]
async fn row_095_reset_in_the_body_without_an_error() {
    breaks_off(then(&[reset(1, NO_ERROR)]), CUT, ErrorKind::BodyInterrupted).await;

    let all = [stream_head(1), data(1, 0, &(event(GOOD) + &finish())), reset(1, NO_ERROR)].concat();
    let lab = serve_h2([on_request().write(all)]).start().await;
    lab.stream().await.ok(GOOD).attempts(1).connections(1);
    healthy(lab).await;
}

#[tokio::test]
async fn row_096_goaway_that_excludes_the_stream() {
    for reason in [NO_ERROR, INTERNAL_ERROR] {
        let lab = serve_h2([on_request().write(go_away(0, reason, CANARY))]).start().await;
        lab.stream().await.ok(GOOD).attempts(1).connections(2).requests(2);
        healthy(lab).await;
    }
}

#[tokio::test]
async fn row_097_goaway_that_includes_the_stream() {
    let last = go_away(1, NO_ERROR, "");
    // The proper sequence: first with the largest stream number, then with the real one (RFC 9113,
    // section 6.8).
    let graceful = [go_away(u32::MAX >> 1, NO_ERROR, ""), last.clone()].concat();
    for frames in [last, graceful] {
        let gate = Gate::new();
        let rest = data(1, END_STREAM, &events("lo"));
        let script = on_request().write(begun(1)).write(frames).pass(&gate).write(rest);
        let lab = serve_h2([script]).start().await;
        let mut stream = lab.open().await.unwrap();
        assert_eq!(within(stream.try_next()).await.unwrap().unwrap().text(), "Hel");
        lab.unary().await.ok(GOOD).attempts(1).connections(2).requests(2);
        gate.open();
        lab.rest_of(stream, "Hel").await.ok("Hello");
        healthy(lab).await;
    }
}

#[tokio::test]
async fn row_098_goaway_with_an_error_in_the_body() {
    let frames = [go_away(1, INTERNAL_ERROR, CANARY)];
    breaks_off(then(&frames).half_close(), CUT, ErrorKind::BodyInterrupted).await;
    breaks_off(then(&frames).close(), CUT, ErrorKind::BodyInterrupted).await;
}

#[tokio::test]
async fn row_099_closed_in_the_body() {
    breaks_off(then(&[]).half_close(), CUT, ErrorKind::BodyInterrupted).await;
    breaks_off(then(&[data(1, 0, "not whole")[..12].to_vec()]), CUT, ErrorKind::BodyInterrupted)
        .await;

    let gate = Gate::new();
    let lab = serve_h2([then(&[]).pass(&gate).reset()]).start().await;
    let mut stream = lab.open().await.unwrap();
    within(stream.try_next()).await.unwrap();
    gate.open();
    lab.rest_of(stream, "Hel").await.is(CUT).kind(ErrorKind::BodyInterrupted).connections(1);
    healthy(lab).await;
}

#[tokio::test]
async fn row_103_one_stream_at_a_time() {
    let (gate, held) = (Gate::new(), Gate::new());
    let (passed, holds) = (gate.clone(), held.clone());
    let script = responding(
        |builder| {
            builder.max_concurrent_streams(1);
        },
        move |number, request, respond| {
            let (gate, held) = (passed.clone(), holds.clone());
            async move {
                if number == 1 {
                    held.open();
                    gate.passed().await;
                }
                send_good(&request, respond);
            }
        },
    );
    let lab = serve_h2([script]).start().await;
    lab.unary().await.ok(GOOD);
    let (first, second) = (lab.stream(), lab.unary());
    let together = async { tokio::join!(first, second) };
    let release = async {
        held.passed().await;
        arrived().await;
        assert_eq!(lab.server.log().requests().len(), 2, "the second waits for the first");
        gate.open();
    };
    let ((first, second), ()) = within(async { tokio::join!(together, release) }).await;
    first.ok(GOOD).attempts(1).connections(1);
    second.ok(GOOD).attempts(1).connections(1).requests(3);
    healthy(lab).await;
}

#[tokio::test]
async fn row_103_no_stream_at_all() {
    let script = on_request().write(setting(3, 0)).write(streamed(1, GOOD)).until_closed();
    let head = Duration::from_secs(5);
    let lab = serve_h2([script]).manual_clock();
    let lab = lab.client(move |client| client.stream_timeouts(Timeouts::default().head(head)));
    let lab = lab.start().await;
    lab.stream().await.ok(GOOD);
    let outcome = lab.expires_after(head, lab.stream()).await;
    outcome.is(LATE).attempts(1).connections(1).requests(1).lasted(head);
    lab.closes("the server allows no call").await;
}

#[tokio::test]
async fn row_104_a_push_promise() {
    let promised = [&2_u32.to_be_bytes()[..], &fields(&[(":path", "/")])].concat();
    let promise = || frame(PUSH_PROMISE, END_HEADERS, 1, &promised);
    let lab = serve_h2([on_request().write(promise()).write(streamed(1, "poison"))]).start().await;
    let outcome = lab.stream().await;
    outcome.is(NOT_BELIEVED).kind(ErrorKind::Protocol).attempts(1).connections(1);
    healthy(lab).await;

    breaks_off(then(&[promise()]), CUT, ErrorKind::BodyInterrupted).await;
}

#[tokio::test]
async fn row_105_a_ping_that_is_not_acknowledged() {
    let lab = serve_h2([then(&[]).until_closed()]).manual_clock().start().await;
    let outcome = falls_silent(&lab).await;
    outcome
        .is(CUT)
        .kind(ErrorKind::BodyInterrupted)
        .after("Hel")
        .says("ping")
        .attempts(1)
        .connections(1);
    healthy(lab).await;
}

#[tokio::test]
async fn row_105_a_ping_that_is_acknowledged() {
    // A server that only thinks for a long time: it acknowledges its pings, and the idle timeout
    // ends the call.
    let thinking = responding(
        |_| {},
        |_, request, respond| async move {
            let mut stream = begin(&request, respond);
            let _ = stream.send_data(event("Hel").into(), false);
            std::future::pending::<()>().await;
        },
    );
    let lab = serve_h2([thinking]).manual_clock().start().await;
    let mut stream = lab.open().await.unwrap();
    assert_eq!(within(stream.try_next()).await.unwrap().unwrap().text(), "Hel");
    let mut rest = Box::pin(lab.rest_of(stream, "Hel"));
    for _ in 0..11 {
        assert!(settle(&mut rest).await.is_none());
        arrived().await;
        lab.clock().advance(PATIENCE);
    }
    assert!(settle(&mut rest).await.is_none());
    let outcome = lab.expires_in(PATIENCE, &mut rest).await;
    drop(rest);
    outcome.stalled("Hel").attempts(1).connections(1);
    // Only the stream was slow: the connection is still good.
    let mut other = Box::pin(lab.open());
    within(&mut other).await.unwrap();
    assert_eq!(lab.server.log().accepted(), 1);
    drop(other);
    lab.closes("another call was made on the connection").await;
}
