//! The retry layer over a scripted transport and a clock that stands still.

use atoma_transport::testing::{Exchange, ManualTimer, ScriptedTransport};
use atoma_transport::{
    AttemptNumber, Attempts, Body, Deadline, ErrorKind, FailedBy, Phase, Request, RequestSent,
    Response, Retry, RetryBudget, RetryConfig, RetryConnectionErrors, Timed, Timeouts, Timer,
    Transport, TransportError,
};
use bytes::Bytes;
use futures::FutureExt;
use http::{HeaderValue, StatusCode, Uri};
use http_body::Body as _;
use std::{
    error::Error,
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::{Arc, Mutex},
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
    TransportError::new(ErrorKind::Connect, RequestSent::No)
        .with_source(std::io::Error::from(std::io::ErrorKind::ConnectionRefused))
}

fn reset() -> TransportError {
    TransportError::new(ErrorKind::Connection, RequestSent::Maybe)
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
fn a_refused_call_is_tried_again_until_it_is_answered() {
    let server = ScriptedTransport::new([
        Exchange::respond(503).header("x-request-id", "first").body("busy"),
        Exchange::fail(refused()),
        Exchange::respond(200).body("hello"),
    ]);
    let timer = ManualTimer::new();
    let mut response = timer.run(retry(&server, &timer).send(request())).unwrap();

    assert_eq!(timer.run(text(response.body_mut())).unwrap(), "hello");
    let told = attempts(&response);
    assert_eq!((told.count, told.failed.len(), told.budget_exhausted), (3, 2, false));
    assert_eq!(told.failed[0].cause, FailedBy::Status(StatusCode::SERVICE_UNAVAILABLE));
    assert_eq!(told.failed[0].request_id.as_deref(), Some("first"));
    assert_eq!(told.failed[1].cause, FailedBy::Transport(ErrorKind::Connect));
    let waited: Duration = told.failed.iter().map(|failed| failed.wait.unwrap()).sum();
    assert_eq!((told.elapsed, timer.elapsed()), (waited, waited));
}

#[test]
fn the_last_refusal_is_handed_on_with_its_body_unread_and_its_story() {
    let server = ScriptedTransport::new([
        Exchange::respond(500).body("one"),
        Exchange::respond(502).body("two"),
        Exchange::respond(503).body("three").stall(),
    ]);
    let timer = ManualTimer::new();
    let response = timer.run(retry(&server, &timer).send(request())).unwrap();

    assert_eq!(response.status(), 503);
    assert_eq!(server.live_bodies(), 1, "the earlier bodies are gone");
    let told = attempts(&response);
    assert_eq!((told.count, told.failed.len()), (3, 3));
    assert_eq!(told.failed[2].wait, None);
    let line = told.to_string();
    assert!(line.starts_with("3 attempts in "), "{line}");
    let causes = ": 500 Internal Server Error, 502 Bad Gateway, 503 Service Unavailable";
    assert!(line.ends_with(causes), "{line}");
}

#[test]
fn the_last_error_keeps_its_cause_and_tells_of_all_attempts() {
    let server = ScriptedTransport::new((0..3).map(|_| Exchange::fail(refused())));
    let timer = ManualTimer::new();
    let error = timer.run(retry(&server, &timer).send(request())).unwrap_err();
    assert_eq!((error.kind(), error.request_sent()), (ErrorKind::Connect, RequestSent::No));
    assert_eq!(error.source().unwrap().to_string(), "connection refused");
    assert_eq!((error.attempts().count, error.attempts().failed.len()), (3, 3));
    assert_eq!(error.attempts().elapsed, timer.elapsed());
}

#[test]
fn a_call_was_sent_if_any_of_its_attempts_was() {
    let server = ScriptedTransport::new([
        Exchange::respond(500),
        Exchange::fail(refused()),
        Exchange::fail(refused()),
    ]);
    let timer = ManualTimer::new();
    let error = timer.run(retry(&server, &timer).send(request())).unwrap_err();
    assert_eq!((error.kind(), error.request_sent()), (ErrorKind::Connect, RequestSent::Maybe));
    let sent: Vec<_> = error.attempts().failed.iter().map(|failed| failed.request_sent).collect();
    assert_eq!(sent, [RequestSent::Maybe, RequestSent::No, RequestSent::No]);
}

#[test]
fn what_may_have_been_billed_is_not_sent_again_unless_asked_for() {
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
        assert_eq!(error.request_sent(), RequestSent::Maybe);
    }
}

#[test]
fn nothing_is_sent_again_once_a_2xx_head_is_in() {
    let server = ScriptedTransport::new([
        Exchange::respond(200).body("par").break_off("connection reset"),
        Exchange::respond(200).body("whole"),
    ]);
    let timer = ManualTimer::new();
    let mut response = timer.run(retry(&server, &timer).send(request())).unwrap();
    let error = timer.run(text(response.body_mut())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Body);
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn a_certificate_is_tried_once() {
    let expired = TransportError::new(ErrorKind::Certificate, RequestSent::No);
    let server = ScriptedTransport::new([Exchange::fail(expired)]);
    let timer = ManualTimer::new();
    let always = RetryConfig::default().retry_connection_errors(RetryConnectionErrors::Always);
    let error = timer.run(retry(&server, &timer).config(always).send(request())).unwrap_err();
    assert!(error.is_certificate());
    assert_eq!(server.requests().len(), 1);
}

/// Row 109.
#[test]
fn a_wait_too_long_ends_the_call_at_once_and_can_be_read() {
    let server = ScriptedTransport::new([Exchange::respond(503).header("retry-after", "3600")]);
    let timer = ManualTimer::new();
    let response = timer.run(retry(&server, &timer).send(request())).unwrap();
    let now = std::time::SystemTime::now();
    assert_eq!(
        atoma_transport::retry_after(response.headers(), now),
        Some(Duration::from_secs(3600))
    );
    assert_eq!((server.requests().len(), timer.elapsed()), (1, Duration::ZERO));
}

/// Row 111.
#[test]
fn a_refusal_that_is_not_worth_a_retry_passes_through_untouched() {
    for status in [301, 400, 401, 403, 404, 409, 422, 501, 505] {
        let server = ScriptedTransport::new([Exchange::respond(status).body("why").stall()]);
        let timer = ManualTimer::new();
        let response = timer.run(retry(&server, &timer).send(request())).unwrap();
        assert_eq!((response.status().as_u16(), server.requests().len()), (status, 1));
        assert_eq!(attempts(&response).failed.len(), 1);
        assert_eq!(timer.elapsed(), Duration::ZERO);
    }
}

/// Row 108.
#[test]
fn a_refusal_the_check_calls_final_is_handed_on_whole() {
    let server = ScriptedTransport::new([Exchange::respond(429)
        .header("x-should-retry", "true")
        .body("insufficient")
        .body("_quota")]);
    let timer = ManualTimer::new();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let saw = Arc::clone(&seen);
    let client = retry(&server, &timer).refusal_check(move |head, body| {
        saw.lock().unwrap().push((head.status.as_u16(), body.to_vec()));
        body == b"insufficient_quota"
    });
    let mut response = timer.run(client.send(request())).unwrap();
    assert_eq!(timer.run(text(response.body_mut())).unwrap(), "insufficient_quota");
    assert_eq!(*seen.lock().unwrap(), [(429, b"insufficient_quota".to_vec())]);
    assert_eq!(server.requests().len(), 1);
}

/// Row 110: the body is too large, stalls, or breaks off; the status is never lost to that.
#[test]
fn a_refusal_is_read_within_bounds_and_its_status_never_masked() {
    let endless = (0..200).fold(Exchange::respond(500), |e, _| e.body(vec![b'x'; 1024]));
    let table = [
        ("10 MB", endless, 64 * 1024, Duration::ZERO),
        (
            "one huge piece",
            Exchange::respond(500).body(vec![b'x'; 1 << 20]),
            64 * 1024,
            Duration::ZERO,
        ),
        ("a stall", Exchange::respond(500).body("so far").stall(), 6, 5 * SECOND),
        ("a cut", Exchange::respond(500).body("so far").break_off("reset"), 6, Duration::ZERO),
        ("empty", Exchange::respond(500), 0, Duration::ZERO),
    ];
    for (name, exchange, length, took) in table {
        let server = ScriptedTransport::new([exchange]);
        let timer = ManualTimer::new();
        let client = retry(&server, &timer).refusal_check(|_, _| true);
        let mut response = timer.run(client.send(request())).unwrap();
        assert_eq!(response.status(), 500, "{name}");
        assert_eq!(timer.run(text(response.body_mut())).unwrap().len(), length, "{name}");
        assert_eq!((timer.elapsed(), server.live_bodies()), (took, 0), "{name}");
        assert_eq!(timer.waiters(), 0, "{name}");
    }
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
    let deadline = timer.now() + 100 * SECOND;
    timer.run(retry(&server, &timer).send(request.clone())).unwrap();

    let sent = server.requests();
    assert_eq!(sent.len(), 3);
    for (number, attempt) in (1..).zip(&sent) {
        assert_eq!(attempt.headers(), request.headers());
        assert_eq!((attempt.uri(), attempt.body()), (request.uri(), request.body()));
        assert_eq!(attempt.extensions().get(), Some(&AttemptNumber(number)));
        assert_eq!(attempt.extensions().get(), Some(&Deadline(deadline)));
        assert_eq!(attempt.extensions().get(), Some(&total));
    }
}

#[test]
fn a_call_may_bring_its_own_settings() {
    let server = ScriptedTransport::new([Exchange::respond(500)]);
    let timer = ManualTimer::new();
    let mut once = request();
    once.extensions_mut().insert(RetryConfig::none());
    assert_eq!(timer.run(retry(&server, &timer).send(once)).unwrap().status(), 500);
    assert_eq!(server.requests().len(), 1);
}

/// Row 118.
#[test]
fn settings_that_make_no_sense_fail_the_call_before_anything_is_sent() {
    let server = ScriptedTransport::new([Exchange::respond(200)]);
    let timer = ManualTimer::new();
    let client = retry(&server, &timer).config(RetryConfig::default().max_attempts(0));
    let error = timer.run(client.send(request())).unwrap_err();
    assert_eq!((error.kind(), error.request_sent()), (ErrorKind::Request, RequestSent::No));
    assert_eq!(error.source().unwrap().to_string(), "max_attempts must be at least 1");
    assert_eq!(server.requests().len(), 0);
}

#[test]
fn a_deadline_is_shared_by_all_attempts_and_no_wait_crosses_it() {
    let slow = || Exchange::respond(503).head_after(4 * SECOND).header("retry-after", "2");
    let timer = ManualTimer::new();
    let server = ScriptedTransport::new((0..9).map(|_| slow())).timer(timer.clone());
    let client =
        Retry::new(Timed::new(server.clone(), timer.clone(), Timeouts::none()), timer.clone())
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
fn a_deadline_in_the_past_is_noticed_before_anything_is_sent() {
    let timer = ManualTimer::new();
    let server = ScriptedTransport::new([Exchange::respond(200)]);
    let client =
        Retry::new(Timed::new(server.clone(), timer.clone(), Timeouts::none()), timer.clone());
    let mut request = request();
    request.extensions_mut().insert(Deadline(timer.now()));
    timer.advance(SECOND);
    let error = timer.run(client.send(request)).unwrap_err();
    assert_eq!(error.timeout_phase(), Some(Phase::Total));
    assert_eq!(error.request_sent(), RequestSent::No);
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
fn the_hook_hears_of_each_retry_before_its_wait() {
    let server = ScriptedTransport::new([
        Exchange::respond(429).header("x-request-id", "a").header("retry-after-ms", "2000"),
        Exchange::fail(TransportError::timeout(Phase::Connect, RequestSent::No)),
        Exchange::respond(200),
    ]);
    let timer = ManualTimer::new();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let (hears, clock) = (Arc::clone(&heard), timer.clone());
    let client = retry(&server, &timer).on_retry(move |event| {
        hears.lock().unwrap().push((clock.elapsed(), event.clone()));
    });
    timer.run(client.send(request())).unwrap();

    let heard = heard.lock().unwrap();
    let [(at_first, first), (at_second, second)] = &heard[..] else { panic!("{heard:?}") };
    assert_eq!((first.attempt, second.attempt), (1, 2));
    assert_eq!(first.cause, FailedBy::Status(StatusCode::TOO_MANY_REQUESTS));
    assert_eq!(first.request_id.as_deref(), Some("a"));
    assert_eq!(second.cause, FailedBy::Transport(ErrorKind::Timeout(Phase::Connect)));
    assert!(first.wait >= 2 * SECOND && first.wait <= 2200 * SECOND / 1000);
    assert_eq!((*at_first, *at_second), (Duration::ZERO, first.wait));
    assert_eq!((first.tokens_left, second.tokens_left), (Some(95), Some(85)));
}

#[test]
fn an_outage_uses_up_the_budget_and_then_meets_each_call_once() {
    let server = ScriptedTransport::new((0..2000).map(|_| Exchange::respond(503)));
    let timer = ManualTimer::new();
    let client = retry(&server, &timer);
    for _ in 0..1000 {
        let other_clone = client.clone();
        timer.run(other_clone.send(request())).unwrap();
    }
    assert_eq!(server.requests().len(), 1000 + 20);

    let response = timer.run(client.send(request())).unwrap();
    assert!(attempts(&response).budget_exhausted);
    let line = attempts(&response).to_string();
    assert!(line.ends_with("503 Service Unavailable; no retries left for this server"), "{line}");
}

/// Row 117: a thousand calls in flight when the server goes down.
#[test]
fn a_storm_of_calls_is_not_made_worse() {
    let exchanges = (0..2000).map(|_| Exchange::respond(503).head_after(SECOND));
    let timer = ManualTimer::new();
    let server = ScriptedTransport::new(exchanges).timer(timer.clone());
    let client = retry(&server, &timer);
    let calls = futures::future::join_all((0..1000).map(|_| client.send(request())));
    let responses = timer.run(calls);
    assert_eq!(server.requests().len(), 1000 + 20);
    let exhausted =
        |response: &&Result<Response, _>| attempts(response.as_ref().unwrap()).budget_exhausted;
    // 20 calls or fewer got a retry; the last attempt of a call needs no budget.
    assert!(responses.iter().filter(exhausted).count() >= 980);
    drop(responses);
    assert_eq!((server.live_bodies(), timer.waiters()), (0, 0));
}

#[test]
fn an_origin_in_trouble_does_not_cost_another_its_retries() {
    let server = ScriptedTransport::new((0..200).map(|_| Exchange::respond(503)));
    let timer = ManualTimer::new();
    let client = retry(&server, &timer);
    for _ in 0..50 {
        timer.run(client.send(request())).unwrap();
    }
    let mut elsewhere = request();
    *elsewhere.uri_mut() = Uri::from_static("https://server.test/v1/chat/completions");
    let response = timer.run(client.send(elsewhere)).unwrap();
    assert_eq!((attempts(&response).count, attempts(&response).budget_exhausted), (3, false));
}

/// Row 114: a call dropped at each of its polls leaves nothing behind.
#[test]
fn a_call_dropped_at_any_poll_leaves_nothing_behind() {
    let mut polls = 0;
    loop {
        let timer = ManualTimer::new();
        let server = ScriptedTransport::new([
            Exchange::fail(refused()).head_after(SECOND),
            Exchange::respond(503).head_after(SECOND).body("b").pause(SECOND).body("usy"),
            Exchange::respond(200).head_after(SECOND).body("he").pause(SECOND).body("llo"),
        ])
        .timer(timer.clone());
        let budget = RetryBudget::default();
        let timed = Timed::new(server.clone(), timer.clone(), Timeouts::default());
        let client = Retry::new(timed, timer.clone()).seed(7).budget(budget.clone());
        let call = async {
            let mut response = client.send(request()).await.unwrap();
            text(response.body_mut()).await.unwrap()
        };
        let done = poll_times(&timer, Box::pin(call), polls);

        assert_eq!((server.in_flight(), server.live_bodies()), (0, 0), "{polls}");
        assert_eq!(timer.waiters(), 0, "{polls}");
        let begun = server.requests().len().saturating_sub(1) as u32;
        let returned = u32::from(done.is_some());
        let tokens = budget.tokens(&request().uri().clone());
        // Paid are the retries that were sent; a success gives one token back as its head comes in.
        assert!((100 - 5 * begun..=101 - 5 * begun).contains(&tokens), "{polls}: {tokens}");
        assert!(tokens >= 100 - 5 * begun + returned, "{polls}");
        if done.is_some() {
            assert_eq!((done.as_deref(), begun), (Some("hello"), 2));
            break;
        }
        polls += 1;
    }
    assert!(polls > 6, "{polls}");
}

/// Polls at most `polls` times, moving the clock in between, and drops the future then.
fn poll_times<F: Future>(timer: &ManualTimer, future: F, polls: u32) -> Option<F::Output> {
    let mut future = pin!(future);
    for _ in 0..polls {
        let polled = future.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        if let Poll::Ready(output) = polled {
            return Some(output);
        }
        timer.advance_to_next();
    }
    None
}

#[test]
fn clones_and_futures_are_free_to_move_between_threads() {
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
