//! The seams: request sources, observers, and layers made of closures.

use atoma_transport::{
    Attempt, AttemptEnded, AttemptStarted, Body, CallEnded, CallOptions, CallOutcome, CallStarted,
    Deadline, Delivery, ErrorKind, FailedAttempt, FailureCause, Observer, Phase, Request,
    RequestFuture, RequestSource, Response, ResponseHead, Retry, RetryBudget, RetryConfig,
    RetryEvent, Timeout, Timeouts, Timer, Transport, TransportError, layer_fn,
    testing::{Exchange, ManualTimer, ScriptedTransport},
};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, Uri, response};
use std::{
    future::{pending, poll_fn},
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

const SECOND: Duration = Duration::from_secs(1);
const SERVER: &str = "http://server.test/v1";

fn request() -> Request {
    let mut request = Request::new(Bytes::from_static(b"{}"));
    *request.uri_mut() = Uri::from_static(SERVER);
    request
}

fn retry(server: &ScriptedTransport, timer: &ManualTimer) -> Retry<Timeout<ScriptedTransport>> {
    let timed = Timeout::new(server.clone(), timer.clone(), Timeouts::none());
    Retry::new(timed, timer.clone()).seed(7)
}

async fn read(body: &mut Body) -> Result<usize, TransportError> {
    let mut length = 0;
    while let Some(frame) =
        poll_fn(|cx| http_body::Body::poll_frame(Pin::new(&mut *body), cx)).await
    {
        length += frame?.into_data().map_or(0, |data| data.len());
    }
    Ok(length)
}

/// A source that makes requests with `make` and keeps the failures that it was given.
#[derive(Default)]
struct Source {
    delay: Option<(ManualTimer, Duration)>,
    error: Option<fn() -> TransportError>,
    retried: Option<fn(StatusCode, &HeaderMap, &[u8]) -> Option<bool>>,
    failures: Mutex<Vec<(FailureCause, Option<HeaderValue>)>>,
}

impl RequestSource for Source {
    fn request(&self, attempt: Attempt, last: Option<&FailedAttempt>) -> RequestFuture<'_> {
        if let Some(last) = last {
            let lock = last.headers().get("x-lock").cloned();
            self.failures.lock().unwrap().push((last.cause, lock));
        }
        if let Some(error) = self.error {
            return RequestFuture::ready(Err(error()));
        }
        let mut request = request();
        request.headers_mut().insert("x-number", attempt.number.into());
        let Some((timer, delay)) = &self.delay else { return RequestFuture::ready(Ok(request)) };
        RequestFuture::new(async move {
            timer.sleep_until(timer.now() + *delay).await;
            Ok(request)
        })
    }

    fn response(&self, attempt: Attempt, response: &mut Response) {
        response.headers_mut().insert("x-seen", attempt.number.into());
    }

    fn retries_response(&self, head: &response::Parts, body: &[u8]) -> Option<bool> {
        self.retried?(head.status, &head.headers, body)
    }
}

#[test]
fn a_source_makes_each_request_and_sees_each_failure() {
    let server = ScriptedTransport::new([
        Exchange::respond(503).header("x-lock", "a"),
        Exchange::fail(TransportError::new(ErrorKind::Connect, Delivery::NotSent)),
        Exchange::respond(200),
    ]);
    let timer = ManualTimer::new();
    let source = Arc::new(Source::default());
    let call = retry(&server, &timer).send_from(source.clone(), CallOptions::default());
    let response = timer.run(call).unwrap();

    let numbers: Vec<_> =
        server.requests().iter().map(|r| r.headers()["x-number"].clone()).collect();
    assert_eq!(numbers, ["1", "2", "3"]);
    assert_eq!(response.headers()["x-seen"], "3");
    let connect = FailureCause::Transport(ErrorKind::Connect);
    let unavailable = FailureCause::Status(StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(
        *source.failures.lock().unwrap(),
        [(unavailable, Some(HeaderValue::from_static("a"))), (connect, None)]
    );
    assert_eq!(response.extensions().get::<atoma_transport::Attempts>().unwrap().count, 3);
}

#[test]
fn a_source_decides_which_responses_are_retried() {
    let body: fn(StatusCode, &HeaderMap, &[u8]) -> Option<bool> = |_, _, body| match body {
        b"locked" => Some(true),
        b"final" => Some(false),
        _ => None,
    };
    // (name, status, body, attempts)
    let table = [
        ("a status outside the list", 423, "locked", 3),
        ("a status of the list", 503, "final", 1),
        ("left to the settings, retried", 503, "other", 3),
        ("left to the settings, not retried", 423, "other", 1),
    ];
    for (name, status, text, attempts) in table {
        let server = ScriptedTransport::new((0..3).map(|_| Exchange::respond(status).body(text)));
        let timer = ManualTimer::new();
        let source = Arc::new(Source { retried: Some(body), ..Source::default() });
        let call = retry(&server, &timer).send_from(source, CallOptions::default());
        let mut response = timer.run(call).unwrap();
        assert_eq!(server.requests().len(), attempts, "{name}");
        assert_eq!(response.status().as_u16(), status, "{name}");
        assert_eq!(timer.run(read(response.body_mut())).unwrap(), text.len(), "{name}");
    }
    let server = ScriptedTransport::new([Exchange::respond(200).body("locked")]);
    let source = Arc::new(Source { retried: Some(body), ..Source::default() });
    let timer = ManualTimer::new();
    timer.run(retry(&server, &timer).send_from(source, CallOptions::default())).unwrap();
    assert_eq!(server.requests().len(), 1, "a 2xx is never retried");
}

#[test]
fn an_error_of_the_source_ends_the_call_before_anything_is_sent() {
    let server = ScriptedTransport::new([]);
    let timer = ManualTimer::new();
    let error = || TransportError::new(ErrorKind::Request, Delivery::NotSent).with_detail("no key");
    let source = Arc::new(Source { error: Some(error), ..Source::default() });
    let call = retry(&server, &timer).send_from(source, CallOptions::default());
    let error = timer.run(call).unwrap_err();
    assert_eq!((error.kind(), error.detail()), (ErrorKind::Request, Some("no key")));
    assert_eq!((error.attempts().count, server.requests().len()), (1, 0));
    assert_eq!(error.delivery(), Delivery::NotSent);
}

#[test]
fn the_time_of_a_source_is_under_the_timeouts_and_nothing_was_sent() {
    let timer = ManualTimer::new();
    let ends_in = |seconds| Deadline(timer.now() + seconds * SECOND);
    let once = CallOptions::default().retries(RetryConfig::none());
    // (name, options, phase, seconds)
    let table = [
        ("head", once.clone().timeouts(Timeouts::none().head(3 * SECOND)), Phase::Head, 3),
        ("total", once.clone().timeouts(Timeouts::none().total(4 * SECOND)), Phase::Total, 4),
        ("deadline", once.deadline(ends_in(20)), Phase::Total, 13),
    ];
    for (name, options, phase, seconds) in table {
        let server = ScriptedTransport::new([]);
        let before = timer.elapsed();
        let delay = Some((timer.clone(), 100 * SECOND));
        let source = Arc::new(Source { delay, ..Source::default() });
        let call = retry(&server, &timer).send_from(source, options);
        let error = timer.run(call).unwrap_err();
        assert_eq!(error.timeout_phase(), Some(phase), "{name}");
        assert_eq!(error.delivery(), Delivery::NotSent, "{name}");
        assert_eq!(timer.elapsed() - before, seconds * SECOND, "{name}");
        assert_eq!((server.requests().len(), timer.waiters()), (0, 0), "{name}");
    }
}

#[test]
fn the_time_of_a_source_is_part_of_its_attempt() {
    let timer = ManualTimer::new();
    let server = ScriptedTransport::new([Exchange::never()]);
    let delay = Some((timer.clone(), 4 * SECOND));
    let source = Arc::new(Source { delay, ..Source::default() });
    let options = CallOptions::default()
        .retries(RetryConfig::none())
        .timeouts(Timeouts::none().head(5 * SECOND));
    let error = timer.run(retry(&server, &timer).send_from(source, options)).unwrap_err();
    assert_eq!(error.delivery(), Delivery::Unknown);
    assert_eq!((timer.elapsed(), server.requests().len()), (5 * SECOND, 1));
}

/// Writes one line for each event.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn add(&self, line: String) {
        self.0.lock().unwrap().push(line);
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl Observer for Log {
    fn call_started(&self, _: &CallStarted) {
        self.add("call started".into());
    }

    fn attempt_started(&self, event: &AttemptStarted<'_>) {
        self.add(format!("attempt {} {} {}", event.attempt, event.method, event.uri));
    }

    fn attempt_ended(&self, event: &AttemptEnded<'_>) {
        let outcome = match event.outcome {
            Ok(response) => response.status().as_str().to_owned(),
            Err(error) => error.to_string(),
        };
        self.add(format!("attempt {} ended: {outcome} {:?}", event.attempt, event.request_id));
    }

    fn retry(&self, event: &RetryEvent) {
        self.add(format!("retry after {}: {}", event.attempt, event.cause));
    }

    fn response_head(&self, event: &ResponseHead<'_>) {
        self.add(format!("head {} {}", event.response.status(), event.attempts.count));
    }

    fn call_ended(&self, event: &CallEnded<'_>) {
        let outcome = match event.outcome {
            CallOutcome::Complete => "complete".to_owned(),
            CallOutcome::Failed(error) => error.to_string(),
            other => format!("{other:?}"),
        };
        self.add(format!("call ended: {outcome}, {} bytes", event.body_bytes));
    }
}

#[test]
fn observers_see_every_event_of_a_call_in_order() {
    let server = ScriptedTransport::new([
        Exchange::respond(503).header("x-request-id", "a"),
        Exchange::respond(200).body("one").body("two"),
    ]);
    let (timer, first, second) = (ManualTimer::new(), Log::default(), Log::default());
    let client = retry(&server, &timer).observer(first.clone()).observer(second.clone());
    let mut response = timer.run(client.send(request())).unwrap();
    timer.run(read(response.body_mut())).unwrap();
    drop(response);

    let expected = [
        "call started",
        "attempt 1 GET http://server.test/v1",
        "attempt 1 ended: 503 Some(\"a\")",
        "retry after 1: 503 Service Unavailable",
        "attempt 2 GET http://server.test/v1",
        "attempt 2 ended: 200 None",
        "head 200 OK 2",
        "call ended: complete, 6 bytes",
    ];
    assert_eq!(first.take(), expected);
    assert_eq!(second.take(), expected);
}

#[test]
fn every_call_that_starts_ends_once() {
    let lost = || Exchange::fail(TransportError::new(ErrorKind::ConnectionLost, Delivery::Unknown));
    let cut = || Exchange::respond(200).body("par").break_off("reset");
    let whole = || Exchange::respond(200).body("whole");
    type Drive = fn(&ManualTimer, Retry<Timeout<ScriptedTransport>>);
    let send: Drive = |timer, client| drop(timer.run(client.send(request())));
    let read_all: Drive = |timer, client| {
        let mut response = timer.run(client.send(request())).unwrap();
        let _ = timer.run(read(response.body_mut()));
    };
    let never_polled: Drive = |_, client| drop(client.send(request()));
    let dropped: Drive = |timer, client| {
        timer.run(async {
            let mut call = client.send(request());
            poll_fn(|cx| {
                assert!(call.as_mut().poll(cx).is_pending());
                std::task::Poll::Ready(())
            })
            .await;
        });
    };
    // (name, exchange, drive, the last event)
    let table: [(&str, Exchange, Drive, &str); 7] = [
        ("no response", lost(), send, "connection"),
        ("a body that fails", cut(), read_all, "response body"),
        ("a body that is read", whole(), read_all, "complete, 5 bytes"),
        ("an error response", Exchange::respond(400).body("no"), read_all, "complete, 2 bytes"),
        ("a body that is dropped", whole(), send, "Dropped, 0 bytes"),
        ("a call that is dropped", Exchange::never(), dropped, "Dropped, 0 bytes"),
        ("a call that is never polled", whole(), never_polled, "Dropped, 0 bytes"),
    ];
    for (name, exchange, drive, expected) in table {
        let (timer, log) = (ManualTimer::new(), Log::default());
        let server = ScriptedTransport::new([exchange]);
        drive(&timer, retry(&server, &timer).observer(log.clone()));
        let lines = log.take();
        let ends: Vec<_> = lines.iter().filter(|line| line.starts_with("call ended")).collect();
        assert_eq!((lines[0].as_str(), ends.len()), ("call started", 1), "{name}: {lines:?}");
        assert!(ends[0].contains(expected), "{name}: {lines:?}");
        assert!(lines.last().unwrap().starts_with("call ended"), "{name}: {lines:?}");
    }
}

#[test]
fn a_layer_can_respond_wait_and_send_again() {
    let server = ScriptedTransport::new((0..4).map(|_| Exchange::respond(200)));
    let timer = ManualTimer::new();
    let (clock, sent) = (timer.clone(), Arc::new(AtomicUsize::new(0)));
    let count = Arc::clone(&sent);
    let layered = layer_fn(server.clone(), move |mut request, next| {
        let (clock, count) = (clock.clone(), Arc::clone(&count));
        async move {
            if request.uri().path() == "/cached" {
                return Ok(http::Response::new(Body::from("cached")));
            }
            clock.sleep_until(clock.now() + SECOND).await;
            request.headers_mut().insert("x-layer", HeaderValue::from_static("1"));
            count.fetch_add(1, Ordering::SeqCst);
            let spare = next.clone();
            next.send(request.clone()).await?;
            spare.send(request).await
        }
    });
    let mut cached = request();
    *cached.uri_mut() = Uri::from_static("http://server.test/cached");
    timer.run(layered.send(cached)).unwrap();
    assert_eq!((server.requests().len(), timer.elapsed()), (0, Duration::ZERO));
    timer.run(layered.send(request())).unwrap();
    assert_eq!((server.requests().len(), timer.elapsed()), (2, SECOND));
    assert_eq!(server.requests()[1].headers()["x-layer"], "1");
    assert_eq!(sent.load(Ordering::SeqCst), 1);
    assert!(format!("{layered:?}").starts_with("LayerFn(ScriptedTransport"));
}

#[test]
fn dropping_a_layered_call_cancels_the_exchange_inside() {
    let server = ScriptedTransport::new([Exchange::never()]);
    let layered = layer_fn(server.clone(), |request, next| async move {
        next.send(request).await?;
        pending().await
    });
    let mut call = layered.send(request());
    let timer = ManualTimer::new();
    timer.run(poll_fn(|cx| {
        assert!(call.as_mut().poll(cx).is_pending());
        std::task::Poll::Ready(())
    }));
    assert_eq!(server.in_flight(), 1);
    drop(call);
    assert_eq!(server.in_flight(), 0);
}

#[test]
fn rate_limits_are_waited_out_without_the_budget_for_outages() {
    // (name, status, retry-after, tokens left)
    let table = [
        ("a rate limit with a wait", 429, Some("1"), 100),
        ("a rate limit without one", 429, None, 95),
        ("an overload with a wait", 503, Some("1"), 100),
        ("an overload without one", 503, None, 95),
        ("another failure with a wait", 500, Some("1"), 95),
    ];
    for (name, status, wait, tokens) in table {
        let first = Exchange::respond(status);
        let first = wait.into_iter().fold(first, |first, wait| first.header("retry-after", wait));
        let server = ScriptedTransport::new([first, Exchange::respond(400)]);
        let (timer, budget) = (ManualTimer::new(), RetryBudget::default());
        let client = retry(&server, &timer).budget(budget.clone());
        timer.run(client.send(request())).unwrap();
        assert_eq!(budget.tokens(&Uri::from_static(SERVER)), tokens, "{name}");
    }
}
