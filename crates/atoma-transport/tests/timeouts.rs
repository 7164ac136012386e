//! `Timeout` over a scripted transport and a manual clock.

use atoma_transport::{
    Attempt, Body, Deadline, Delivery, ErrorKind, Phase, Request, Response, Retry, Timeout,
    Timeouts, Timer, Transport, TransportError,
    testing::{Exchange, ManualTimer, ScriptedTransport},
};
use bytes::Bytes;
use http_body::{Body as _, Frame};
use std::{
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

const SECOND: Duration = Duration::from_secs(1);

fn timed(
    timeouts: Timeouts,
    exchange: Exchange,
) -> (Timeout<ScriptedTransport>, ScriptedTransport, ManualTimer) {
    let timer = ManualTimer::new();
    let server = ScriptedTransport::new([exchange]).timer(timer.clone());
    (Timeout::new(server.clone(), timer.clone(), timeouts), server, timer)
}

/// Reads the body to its end. Returns the chunks and the error at the end.
async fn read(body: &mut Body) -> (String, Option<TransportError>) {
    let mut all = Vec::new();
    while let Some(frame) = next(body).await {
        match frame {
            Ok(frame) => all.extend_from_slice(&frame.into_data().unwrap()),
            Err(error) => return (String::from_utf8(all).unwrap(), Some(error)),
        }
    }
    (String::from_utf8(all).unwrap(), None)
}

async fn next(body: &mut Body) -> Option<Result<Frame<Bytes>, TransportError>> {
    poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await
}

fn call(
    timeouts: Timeouts,
    exchange: Exchange,
) -> (Result<Response, TransportError>, ScriptedTransport, ManualTimer) {
    let (transport, server, timer) = timed(timeouts, exchange);
    (timer.run(transport.send(Request::default())), server, timer)
}

#[test]
fn the_first_timeout_to_pass_is_named() {
    let none = Timeouts::none;
    let table = [
        ("head", none().head(2 * SECOND), Phase::Head, 2),
        ("total", none().total(3 * SECOND), Phase::Total, 3),
        ("head before total", none().head(2 * SECOND).total(3 * SECOND), Phase::Head, 2),
        ("total before head", none().head(4 * SECOND).total(3 * SECOND), Phase::Total, 3),
        ("both at the same time", none().head(3 * SECOND).total(3 * SECOND), Phase::Total, 3),
        ("an endless head", none().head(Duration::MAX).total(3 * SECOND), Phase::Total, 3),
    ];
    for (name, timeouts, phase, after) in table {
        let (outcome, server, timer) = call(timeouts, Exchange::never());
        let error = outcome.unwrap_err();
        assert_eq!(
            (error.timeout_phase(), timer.elapsed()),
            (Some(phase), after * SECOND),
            "{name}"
        );
        assert_eq!(error.delivery(), Delivery::Unknown, "{name}");
        assert_eq!((server.in_flight(), timer.waiters()), (0, 0), "{name}");
    }
}

#[test]
fn a_timeout_error_names_the_phase_and_its_limit() {
    let table = [
        (Timeouts::none().head(2 * SECOND), "timeout: no response headers within 2s"),
        (Timeouts::none().total(600 * SECOND), "timeout: call not complete within 600s"),
    ];
    for (timeouts, text) in table {
        let (outcome, ..) = call(timeouts, Exchange::never());
        assert_eq!(outcome.unwrap_err().to_string(), text);
    }
    let phase = |phase| TransportError::timeout(phase, Delivery::Unknown);
    let connect = phase(Phase::Connect).with_limit(SECOND).with_detail("by the script");
    assert_eq!(connect.to_string(), "timeout: no connection within 1s: by the script");
    assert_eq!(phase(Phase::Idle).to_string(), "timeout: no response data");
}

/// Later attempts get only the time left, which is not the number that the caller set.
#[test]
fn the_total_timeout_of_a_later_attempt_names_the_configured_number() {
    let timer = ManualTimer::new();
    let script = [Exchange::respond(503).head_after(20 * SECOND), Exchange::never()];
    let server = ScriptedTransport::new(script).timer(timer.clone());
    let timed = Timeout::new(server, timer.clone(), Timeouts::none());
    let retry = Retry::new(timed, timer.clone()).timeouts(Timeouts::none().total(60 * SECOND));
    let error = timer.run(retry.send(Request::default())).unwrap_err();
    assert_eq!((timer.elapsed(), error.attempts().count), (60 * SECOND, 2));
    assert_eq!(error.to_string(), "timeout: call not complete within 60s");
}

#[test]
fn debug_is_one_line_and_the_causes_and_the_fields_when_alternate() {
    let cause = std::io::Error::other("connection refused");
    let error = TransportError::new(ErrorKind::Connect, Delivery::NotSent)
        .with_detail("127.0.0.1:1")
        .with_source(cause);
    let text = "could not connect: 127.0.0.1:1\n  caused by: connection refused";
    assert_eq!(format!("{error:?}"), text);
    assert!(format!("{error:#?}").starts_with("TransportError {\n    kind: Connect,"));
    let repeated = TransportError::new(ErrorKind::Connect, Delivery::NotSent)
        .with_source(std::io::Error::other("could not connect"));
    assert_eq!(format!("{repeated:?}"), "could not connect");
}

#[test]
fn the_head_timeout_ends_with_the_head() {
    let exchange = Exchange::respond(200).head_after(SECOND).pause(60 * SECOND).body("late");
    let (outcome, _, timer) = call(Timeouts::none().head(2 * SECOND), exchange);
    let mut response = outcome.unwrap();
    assert_eq!(timer.waiters(), 0);
    let (text, error) = timer.run(read(response.body_mut()));
    assert_eq!((text.as_str(), error.is_none()), ("late", true));
}

#[test]
fn silence_in_the_body_is_bounded_and_earlier_chunks_are_kept() {
    let exchange = Exchange::respond(200).body("a").pause(9 * SECOND).body("b").stall();
    let (outcome, server, timer) = call(Timeouts::none().idle(10 * SECOND), exchange);
    let mut response = outcome.unwrap();
    let (text, error) = timer.run(read(response.body_mut()));
    assert_eq!((text.as_str(), timer.elapsed()), ("ab", 19 * SECOND));
    let error = error.unwrap();
    assert_eq!(error.timeout_phase(), Some(Phase::Idle));
    assert_eq!(error.to_string(), "timeout: no response data within 10s");
    assert_eq!((server.live_bodies(), timer.waiters()), (0, 0), "the exchange is over immediately");
    assert!(timer.run(next(response.body_mut())).is_none(), "fused");
    assert!(response.body().is_end_stream());
    assert_eq!(response.body().size_hint().exact(), Some(0));
}

/// Row 80: single bytes keep resetting the idle timeout, but not the total one.
#[test]
fn the_total_bounds_a_body_that_trickles() {
    let exchange = (0..100).fold(Exchange::respond(200), |e, _| e.pause(9 * SECOND).body("x"));
    let timeouts = Timeouts::none().idle(10 * SECOND).total(100 * SECOND);
    let (outcome, _, timer) = call(timeouts, exchange);
    let (text, error) = timer.run(read(outcome.unwrap().body_mut()));
    assert_eq!((text.len(), timer.elapsed()), (11, 100 * SECOND));
    assert_eq!(error.unwrap().timeout_phase(), Some(Phase::Total));
}

#[test]
fn the_total_bounds_a_body_that_is_always_ready() {
    #[derive(Debug)]
    struct Flood(ManualTimer);

    impl http_body::Body for Flood {
        type Data = Bytes;
        type Error = TransportError;

        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, TransportError>>> {
            self.0.advance(SECOND);
            Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"x")))))
        }
    }

    let timer = ManualTimer::new();
    let flood = timer.clone();
    let server = atoma_transport::transport_fn(move |_| {
        std::future::ready(Ok(http::Response::new(Body::streamed(Flood(flood.clone())))))
    });
    let transport = Timeout::new(server, timer.clone(), Timeouts::none().total(100 * SECOND));
    let mut response = timer.run(transport.send(Request::default())).unwrap();
    let (text, error) = timer.run(read(response.body_mut()));
    assert_eq!(error.unwrap().timeout_phase(), Some(Phase::Total));
    // The clock is read with every 64th frame, and the 128th is late.
    assert_eq!((text.len(), timer.elapsed()), (127, 128 * SECOND));
}

/// Row 115: a reader may leave a stream unread for any time.
#[test]
fn only_waiting_for_the_server_counts_as_silence() {
    let exchange = Exchange::respond(200).body("a").body("b").pause(SECOND).body("c");
    let (outcome, _, timer) = call(Timeouts::none().idle(10 * SECOND), exchange);
    let mut response = outcome.unwrap();
    assert!(timer.run(next(response.body_mut())).unwrap().is_ok());
    timer.advance(3600 * SECOND);
    let (text, error) = timer.run(read(response.body_mut()));
    assert_eq!((text.as_str(), error.is_none()), ("bc", true));
}

#[test]
fn a_long_body_does_not_cost_a_timer_per_frame() {
    let exchange = (0..1000).fold(Exchange::respond(200), |e, _| e.pause(SECOND / 10).body("x"));
    let (transport, _, timer) = timed(Timeouts::default(), exchange);
    let before = timer.sleeps();
    let mut response = timer.run(transport.send(Request::default())).unwrap();
    let (text, error) = timer.run(read(response.body_mut()));
    assert_eq!((text.len(), error.is_none()), (1000, true));
    let pauses = 1000;
    assert!(timer.sleeps() - before - pauses < 5, "{}", timer.sleeps());
}

#[test]
fn without_timeouts_a_body_passes_through_and_no_timer_is_used() {
    for timeouts in [Timeouts::none(), Timeouts::none().connect(SECOND).head(SECOND)] {
        let (outcome, _, timer) = call(timeouts, Exchange::respond(200).body("a").stall());
        let mut response = outcome.unwrap();
        let mut first = Box::pin(next(response.body_mut()));
        let polled = first.as_mut().poll(&mut Context::from_waker(std::task::Waker::noop()));
        assert!(polled.is_ready());
        assert_eq!((timer.sleeps(), timer.waiters()), (0, 0));
    }
}

#[test]
fn a_body_that_has_arrived_passes_through_despite_the_timeouts() {
    let server = atoma_transport::transport_fn(|_| {
        std::future::ready(Ok(http::Response::new(Body::from("whole"))))
    });
    let timer = ManualTimer::new();
    let timeouts = Timeouts::none().idle(SECOND).total(SECOND);
    let transport = Timeout::new(server, timer.clone(), timeouts);
    let response = timer.run(transport.send(Request::default())).unwrap();
    assert!(response.body().is_whole());
}

#[test]
fn the_body_ends_like_the_one_below() {
    let exchange = Exchange::respond(200).body("a").break_off("connection reset");
    let (outcome, server, timer) = call(Timeouts::default(), exchange);
    let mut response = outcome.unwrap();
    assert!(!response.body().is_end_stream(), "before it was read");
    let (text, error) = timer.run(read(response.body_mut()));
    assert_eq!(
        (text.as_str(), error.map(|error| error.kind())),
        ("a", Some(ErrorKind::BodyInterrupted))
    );
    assert!(timer.run(next(response.body_mut())).is_none());
    assert_eq!((server.live_bodies(), timer.waiters()), (0, 0));
}

#[test]
fn dropping_a_timed_exchange_drops_the_one_below() {
    let (transport, server, timer) = timed(Timeouts::default(), Exchange::never());
    let mut exchange = transport.send(Request::default());
    let polled = exchange.as_mut().poll(&mut Context::from_waker(std::task::Waker::noop()));
    assert!(polled.is_pending());
    assert_eq!((server.in_flight(), timer.waiters()), (1, 1));
    drop(exchange);
    assert_eq!((server.in_flight(), timer.waiters()), (0, 0));

    server.push(Exchange::respond(200).stall());
    let response = timer.run(transport.send(Request::default())).unwrap();
    assert_eq!(server.live_bodies(), 1);
    drop(response);
    assert_eq!(server.live_bodies(), 0);
}

#[test]
fn a_call_can_have_its_own_timeouts_and_the_transport_below_sees_them() {
    let own = Timeouts::none().connect(SECOND).total(5 * SECOND);
    for (given, in_force) in [(None, Timeouts::default()), (Some(own), own)] {
        let (transport, server, timer) = timed(Timeouts::default(), Exchange::respond(200));
        let mut request = Request::default();
        if let Some(given) = given {
            request.extensions_mut().insert(given);
        }
        timer.run(transport.send(request)).unwrap();
        let seen = server.requests().remove(0);
        assert_eq!(seen.extensions().get(), Some(&in_force));
    }
}

#[test]
fn a_deadline_takes_precedence_over_the_total() {
    let (transport, _, timer) = timed(Timeouts::none().total(SECOND), Exchange::never());
    let mut request = Request::default();
    request.extensions_mut().insert(Deadline(timer.now() + 8 * SECOND));
    let error = timer.run(transport.send(request)).unwrap_err();
    assert_eq!((error.timeout_phase(), timer.elapsed()), (Some(Phase::Total), 8 * SECOND));
}

#[test]
fn a_wait_between_the_retry_layer_and_the_timeouts_counts() {
    let (transport, server, timer) = timed(Timeouts::none().total(5 * SECOND), Exchange::never());
    let late_by = |seconds| {
        let mut request = Request::default();
        request.extensions_mut().insert(Attempt::new(1, timer.now()));
        timer.advance(seconds * SECOND);
        timer.run(transport.send(request)).unwrap_err()
    };
    let error = late_by(3);
    assert_eq!((error.timeout_phase(), timer.elapsed()), (Some(Phase::Total), 5 * SECOND));
    assert_eq!(server.requests().len(), 1);
    let error = late_by(6);
    assert_eq!(error.timeout_phase(), Some(Phase::Total));
    assert_eq!((error.delivery(), server.requests().len()), (Delivery::NotSent, 1));
}

/// Row 118.
#[test]
fn times_beyond_the_range_of_the_clock_do_not_overflow() {
    let max = Duration::MAX;
    let timeouts = Timeouts::none().connect(max).head(max).idle(max).total(max);
    let exchange = Exchange::respond(200).head_after(SECOND).pause(SECOND).body("a");
    let (outcome, _, timer) = call(timeouts, exchange);
    let (text, error) = timer.run(read(outcome.unwrap().body_mut()));
    assert_eq!((text.as_str(), error.is_none()), ("a", true));
}

#[test]
fn the_defaults_are_the_documented_ones() {
    let seconds = |seconds| Some(seconds * SECOND);
    let timeouts = Timeouts::default();
    assert_eq!((timeouts.connect, timeouts.head), (seconds(10), None));
    assert_eq!((timeouts.idle, timeouts.total), (seconds(120), seconds(600)));
    assert_eq!(timeouts.connect(None).idle(None).total(None), Timeouts::none());
}

#[test]
fn debug_of_other_errors_is_their_line_and_the_fields_when_alternate() {
    let invalid = atoma_transport::RetryConfig::default().max_attempts(0).validate().unwrap_err();
    assert_eq!(format!("{invalid:?}"), invalid.to_string());
    assert!(format!("{invalid:#?}").starts_with("InvalidRetryConfig(\n"));
}
