//! Error responses: passed through, read within limits, or final.

use super::*;
use atoma_transport::{CallOptions, FailedAttempt, RequestFuture, RequestSource};
use http::response;

#[test]
fn the_last_error_response_is_returned_with_its_body_unread_and_all_attempts() {
    let server = ScriptedTransport::new([
        Exchange::respond(500).body("one"),
        Exchange::respond(502).body("two"),
        Exchange::respond(503).body("three").stall(),
    ]);
    let timer = ManualTimer::new();
    let response = timer.run(retry(&server, &timer).send(request())).unwrap();

    assert_eq!(response.status(), 503);
    assert_eq!(server.live_bodies(), 1, "the earlier bodies are gone");
    let attempts_made = attempts(&response);
    assert_eq!((attempts_made.count, attempts_made.failed.len()), (3, 3));
    assert_eq!(attempts_made.failed[2].wait, None);
    let line = attempts_made.to_string();
    assert!(line.starts_with("3 attempts in "), "{line}");
    let causes = ": 500 Internal Server Error, 502 Bad Gateway, 503 Service Unavailable";
    assert!(line.ends_with(causes), "{line}");
}

/// Row 109.
#[test]
fn a_wait_that_is_too_long_ends_the_call_immediately_and_can_be_read() {
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
fn an_error_response_that_is_not_retried_passes_through_unread() {
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
fn a_final_error_response_is_returned_with_its_body() {
    let server = ScriptedTransport::new([Exchange::respond(429)
        .header("x-should-retry", "true")
        .body("insufficient")
        .body("_quota")]);
    let timer = ManualTimer::new();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let saw = Arc::clone(&seen);
    let client = retry(&server, &timer).final_response(move |head, body| {
        saw.lock().unwrap().push((head.status.as_u16(), body.to_vec()));
        body == b"insufficient_quota"
    });
    let mut response = timer.run(client.send(request())).unwrap();
    assert_eq!(timer.run(text(response.body_mut())).unwrap(), "insufficient_quota");
    assert_eq!(*seen.lock().unwrap(), [(429, b"insufficient_quota".to_vec())]);
    assert_eq!(server.requests().len(), 1);
}

/// A source that wants every response to be retried, and counts how often it is asked.
#[derive(Default)]
struct Insisting(AtomicUsize);

impl RequestSource for Insisting {
    fn request(&self, _: Attempt, _: Option<&FailedAttempt>) -> RequestFuture<'_> {
        RequestFuture::ready(Ok(request()))
    }

    fn retries_response(&self, _: &response::Parts, _: &[u8]) -> Option<bool> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Some(true)
    }
}

#[test]
fn a_source_is_not_asked_about_the_last_response_which_keeps_its_body_unread() {
    for attempts_allowed in [1, 2, 3] {
        let exchange = || Exchange::respond(500).body("why");
        let earlier = (1..attempts_allowed).map(|_| exchange());
        let server = ScriptedTransport::new(earlier.chain([exchange().stall()]));
        let (timer, source) = (ManualTimer::new(), Arc::new(Insisting::default()));
        let config = RetryConfig::default().max_attempts(attempts_allowed);
        let client = retry(&server, &timer).config(config);
        let response = timer.run(client.send_from(source.clone(), CallOptions::default())).unwrap();
        assert_eq!(source.0.load(Ordering::SeqCst), attempts_allowed as usize - 1);
        let waits = attempts(&response).failed.iter().filter_map(|failed| failed.wait);
        assert_eq!(timer.elapsed(), waits.sum(), "no time for reading the last body");
        assert_eq!(server.live_bodies(), 1);
    }
}

/// Row 110: the body is too large, stalls, or breaks off; the status is never lost to that.
#[test]
fn an_error_body_is_read_within_limits_and_never_hides_the_status() {
    let endless = (0..200).fold(Exchange::respond(500), |e, _| e.body(vec![b'x'; 1024]));
    let table = [
        ("more than is read, and no end", endless.stall(), 64 * 1024, Duration::ZERO),
        (
            "one huge piece",
            Exchange::respond(500).body(vec![b'x'; 1 << 20]),
            64 * 1024,
            Duration::ZERO,
        ),
        (
            "three pieces, the last one in part",
            (0..3).fold(Exchange::respond(500), |e, _| e.body(vec![b'x'; 30 * 1024])),
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
        let client = retry(&server, &timer).final_response(|_, _| true);
        let mut response = timer.run(client.send(request())).unwrap();
        assert_eq!(response.status(), 500, "{name}");
        assert_eq!(timer.run(text(response.body_mut())).unwrap().len(), length, "{name}");
        assert_eq!((timer.elapsed(), server.live_bodies()), (took, 0), "{name}");
        assert_eq!(timer.waiters(), 0, "{name}");
    }
}

#[test]
fn an_error_body_is_not_read_past_the_deadline() {
    let server = ScriptedTransport::new([Exchange::respond(500).body("so far").stall()]);
    let timer = ManualTimer::new();
    let mut request = request();
    request.extensions_mut().insert(Timeouts::none().total(2 * SECOND));
    let response = timer.run(retry(&server, &timer).send(request)).unwrap();
    assert_eq!((response.status().as_u16(), timer.elapsed()), (500, 2 * SECOND));
}
