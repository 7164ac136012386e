//! The retry layer over a scripted transport and a manual clock.

mod cancellation;
mod error_responses;
mod observers;
mod outage;

use atoma_transport::{
    Attempt, Attempts, Body, Deadline, Delivery, ErrorKind, FailureCause, Phase, RateLimitPause,
    Request, Response, Retry, RetryBudget, RetryConfig, RetryConnectionErrors, Timeout, Timeouts,
    Timer, Transport, TransportError,
    testing::{Exchange, ManualTimer, ScriptedTransport},
    transport_fn,
};
use bytes::Bytes;
use futures::FutureExt;
use http::{HeaderValue, StatusCode, Uri};
use http_body::Body as _;
use std::{
    error::Error,
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

const SECOND: Duration = Duration::from_secs(1);

fn request() -> Request {
    let mut request = Request::new(Bytes::from_static(b"{}"));
    *request.uri_mut() = Uri::from_static("http://server.test/v1/chat/completions");
    request
}

fn refused() -> TransportError {
    TransportError::new(ErrorKind::Connect, Delivery::NotSent)
        .with_source(std::io::Error::from(std::io::ErrorKind::ConnectionRefused))
}

fn reset() -> TransportError {
    TransportError::new(ErrorKind::ConnectionLost, Delivery::Unknown)
}

fn retry(server: &ScriptedTransport, timer: &ManualTimer) -> Retry<ScriptedTransport> {
    Retry::new(server.clone(), timer.clone()).seed(7)
}

fn attempts(response: &Response) -> &Attempts {
    response.extensions().get().unwrap()
}

async fn text(body: &mut Body) -> Result<String, TransportError> {
    let mut all = Vec::new();
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await {
        all.extend_from_slice(&frame?.into_data().unwrap());
    }
    Ok(String::from_utf8(all).unwrap())
}

#[test]
fn a_failed_call_is_retried_until_it_succeeds() {
    let server = ScriptedTransport::new([
        Exchange::respond(503).header("x-request-id", "first").body("busy"),
        Exchange::fail(refused()),
        Exchange::respond(200).body("hello"),
    ]);
    let timer = ManualTimer::new();
    let mut response = timer.run(retry(&server, &timer).send(request())).unwrap();

    assert_eq!(timer.run(text(response.body_mut())).unwrap(), "hello");
    let attempts_made = attempts(&response);
    assert_eq!(
        (attempts_made.count, attempts_made.failed.len(), attempts_made.budget_exhausted),
        (3, 2, false)
    );
    assert_eq!(
        attempts_made.failed[0].cause,
        FailureCause::Status(StatusCode::SERVICE_UNAVAILABLE)
    );
    assert_eq!(attempts_made.failed[0].request_id.as_deref(), Some("first"));
    assert_eq!(attempts_made.failed[1].cause, FailureCause::Transport(ErrorKind::Connect));
    let waited: Duration = attempts_made.failed.iter().map(|failed| failed.wait.unwrap()).sum();
    assert_eq!((attempts_made.elapsed, timer.elapsed()), (waited, waited));
}

#[test]
fn the_last_error_keeps_its_cause_and_all_attempts() {
    let server = ScriptedTransport::new((0..3).map(|_| Exchange::fail(refused())));
    let timer = ManualTimer::new();
    let error = timer.run(retry(&server, &timer).send(request())).unwrap_err();
    assert_eq!((error.kind(), error.delivery()), (ErrorKind::Connect, Delivery::NotSent));
    assert_eq!(error.source().unwrap().to_string(), "connection refused");
    assert_eq!((error.attempts().count, error.attempts().failed.len()), (3, 3));
    assert_eq!(error.attempts().elapsed, timer.elapsed());
}

#[test]
fn a_call_may_have_been_sent_if_any_of_its_attempts_was() {
    let server = ScriptedTransport::new([
        Exchange::respond(500),
        Exchange::fail(refused()),
        Exchange::fail(refused()),
    ]);
    let timer = ManualTimer::new();
    let error = timer.run(retry(&server, &timer).send(request())).unwrap_err();
    assert_eq!((error.kind(), error.delivery()), (ErrorKind::Connect, Delivery::Unknown));
    let sent: Vec<_> = error.attempts().failed.iter().map(|failed| failed.delivery).collect();
    assert_eq!(sent, [Delivery::Unknown, Delivery::NotSent, Delivery::NotSent]);
}

#[test]
fn a_request_that_may_have_been_billed_is_not_sent_again_by_default() {
    for (states, sent) in [
        (RetryConnectionErrors::Never, 1),
        (RetryConnectionErrors::IfNotSent, 1),
        (RetryConnectionErrors::Always, 3),
    ] {
        let server = ScriptedTransport::new((0..3).map(|_| Exchange::fail(reset())));
        let timer = ManualTimer::new();
        let config = RetryConfig::default().retry_connection_errors(states);
        let error = timer.run(retry(&server, &timer).config(config).send(request())).unwrap_err();
        assert_eq!((server.requests().len(), error.attempts().count), (sent, sent as u32));
        assert_eq!(error.delivery(), Delivery::Unknown);
    }
}

#[test]
fn the_response_hook_runs_before_the_retry_decision() {
    let server = ScriptedTransport::new([
        Exchange::respond(503).header("x-request-id", "secret"),
        Exchange::fail(reset()),
        Exchange::respond(503).header("x-request-id", "secret"),
    ]);
    let timer = ManualTimer::new();
    let always = RetryConfig::default().retry_connection_errors(RetryConnectionErrors::Always);
    let retry = retry(&server, &timer).config(always).on_response(|response| {
        response.headers_mut().insert("x-request-id", HeaderValue::from_static("known"));
    });
    let response = timer.run(retry.send(request())).unwrap();
    assert_eq!(response.headers()["x-request-id"], "known");
    let ids = attempts(&response).failed.iter().map(|failed| failed.request_id.as_deref());
    assert_eq!(ids.collect::<Vec<_>>(), [Some("known"), None, Some("known")]);
}

#[test]
fn nothing_is_sent_again_after_a_2xx_head() {
    let server = ScriptedTransport::new([
        Exchange::respond(200).body("par").break_off("connection reset"),
        Exchange::respond(200).body("whole"),
    ]);
    let timer = ManualTimer::new();
    let mut response = timer.run(retry(&server, &timer).send(request())).unwrap();
    let error = timer.run(text(response.body_mut())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BodyInterrupted);
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn an_invalid_certificate_is_not_retried() {
    let expired = TransportError::new(ErrorKind::Certificate, Delivery::NotSent);
    let server = ScriptedTransport::new([Exchange::fail(expired)]);
    let timer = ManualTimer::new();
    let always = RetryConfig::default().retry_connection_errors(RetryConnectionErrors::Always);
    let error = timer.run(retry(&server, &timer).config(always).send(request())).unwrap_err();
    assert!(error.is_certificate());
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn every_attempt_sends_the_same_request_and_knows_its_number() {
    let server = ScriptedTransport::new([
        Exchange::respond(500),
        Exchange::respond(500),
        Exchange::respond(200),
    ]);
    let timer = ManualTimer::new();
    let mut request = request();
    let total = Timeouts::default().total(100 * SECOND);
    request.headers_mut().insert("idempotency-key", HeaderValue::from_static("7c1e"));
    request.extensions_mut().insert(total);
    let began = timer.now();
    let response = timer.run(retry(&server, &timer).send(request.clone())).unwrap();

    let sent = server.requests();
    assert_eq!(sent.len(), 3);
    let waits: Vec<_> =
        attempts(&response).failed.iter().filter_map(|failed| failed.wait).collect();
    assert!(waits.len() == 2 && !waits.contains(&Duration::ZERO));
    for (number, attempt) in (1..).zip(&sent) {
        assert_eq!(attempt.headers(), request.headers());
        assert_eq!((attempt.uri(), attempt.body()), (request.uri(), request.body()));
        let waited: Duration = waits[..number as usize - 1].iter().sum();
        let known = attempt.extensions().get::<Attempt>().unwrap();
        assert_eq!((known.number, known.began), (number, began + waited));
        assert_eq!(attempt.extensions().get(), Some(&total.total(100 * SECOND - waited)));
    }
}

#[test]
fn a_call_without_timeouts_has_those_of_the_layer_in_all_attempts() {
    let (usual, own) = (Timeouts::none().total(9 * SECOND), Timeouts::none().head(SECOND));
    for (brought, expected) in [(None, usual), (Some(own), own)] {
        let server = ScriptedTransport::new([Exchange::respond(500), Exchange::respond(200)]);
        let timer = ManualTimer::new();
        let mut request = request();
        if let Some(brought) = brought {
            request.extensions_mut().insert(brought);
        }
        timer.run(retry(&server, &timer).timeouts(usual).send(request)).unwrap();
        let sent = server.requests();
        assert_eq!(sent.len(), 2);
        let left = expected.total.map(|total| total - timer.elapsed());
        assert_eq!(sent[0].extensions().get(), Some(&expected));
        assert_eq!(sent[1].extensions().get(), Some(&expected.total(left)));
    }
}

#[test]
fn a_call_can_have_its_own_settings() {
    let server = ScriptedTransport::new([Exchange::respond(500)]);
    let timer = ManualTimer::new();
    let mut once = request();
    once.extensions_mut().insert(RetryConfig::none());
    assert_eq!(timer.run(retry(&server, &timer).send(once)).unwrap().status(), 500);
    assert_eq!(server.requests().len(), 1);
}

/// Row 118.
#[test]
fn invalid_settings_fail_the_call_before_anything_is_sent() {
    let server = ScriptedTransport::new([Exchange::respond(200)]);
    let timer = ManualTimer::new();
    let client = retry(&server, &timer).config(RetryConfig::default().max_attempts(0));
    let error = timer.run(client.send(request())).unwrap_err();
    assert_eq!((error.kind(), error.delivery()), (ErrorKind::Request, Delivery::NotSent));
    assert_eq!(error.source().unwrap().to_string(), "max_attempts must be at least 1");
    assert_eq!(server.requests().len(), 0);
}

#[test]
fn a_deadline_is_shared_by_all_attempts_and_no_wait_crosses_it() {
    let slow = || Exchange::respond(503).head_after(4 * SECOND).header("retry-after", "2");
    let timer = ManualTimer::new();
    let server = ScriptedTransport::new((0..9).map(|_| slow())).timer(timer.clone());
    let client =
        Retry::new(Timeout::new(server.clone(), timer.clone(), Timeouts::none()), timer.clone())
            .config(RetryConfig::default().max_attempts(9))
            .seed(7);
    let mut request = request();
    request.extensions_mut().insert(Timeouts::none().total(15 * SECOND));
    // 4 s + 2 s, 4 s + 2 s, and 3 s of the third attempt.
    let error = timer.run(client.send(request)).unwrap_err();
    assert_eq!(error.timeout_phase(), Some(Phase::Total));
    assert_eq!(error.attempts().count, 3);
    assert_eq!(timer.elapsed(), 15 * SECOND);
    assert_eq!((server.in_flight(), server.live_bodies(), timer.waiters()), (0, 0, 0));
}

#[test]
fn a_deadline_in_the_past_fails_before_anything_is_sent() {
    let timer = ManualTimer::new();
    let server = ScriptedTransport::new([Exchange::respond(200)]);
    let client =
        Retry::new(Timeout::new(server.clone(), timer.clone(), Timeouts::none()), timer.clone());
    let mut request = request();
    request.extensions_mut().insert(Deadline(timer.now()));
    timer.advance(SECOND);
    let error = timer.run(client.send(request)).unwrap_err();
    assert_eq!(error.timeout_phase(), Some(Phase::Total));
    assert_eq!(error.delivery(), Delivery::NotSent);
    assert_eq!((server.requests().len(), error.attempts().count), (0, 1));
}

#[test]
fn the_same_seed_waits_the_same() {
    let elapsed = |seed| {
        let server = ScriptedTransport::new((0..3).map(|_| Exchange::respond(500)));
        let timer = ManualTimer::new();
        let client = Retry::new(server, timer.clone()).seed(seed);
        timer.run(client.send(request())).unwrap();
        timer.elapsed()
    };
    assert_eq!(elapsed(0), elapsed(0));
    assert_eq!(elapsed(1), elapsed(1));
    assert_ne!(elapsed(0), elapsed(1));
}

#[test]
fn clones_and_futures_can_move_between_threads() {
    fn check<T: Send + Sync + Clone>(_: &T) {}
    let timer = ManualTimer::new();
    let client = retry(&ScriptedTransport::new([]), &timer);
    check(&client);
    assert!(client.send(request()).now_or_never().unwrap().is_err());
    assert_eq!(
        format!("{client:?}").split(' ').next(),
        Some("Retry"),
        "Debug names the type and shows no request"
    );
}
