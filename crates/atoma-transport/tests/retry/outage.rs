//! The budget, and the hook that watches it.

use super::*;

#[test]
fn observers_see_each_retry_before_its_wait() {
    let server = ScriptedTransport::new([
        Exchange::respond(429).header("x-request-id", "a").header("retry-after-ms", "2000"),
        Exchange::fail(TransportError::timeout(Phase::Connect, Delivery::NotSent)),
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
    assert_eq!(first.cause, FailureCause::Status(StatusCode::TOO_MANY_REQUESTS));
    assert_eq!(first.request_id.as_deref(), Some("a"));
    assert_eq!(second.cause, FailureCause::Transport(ErrorKind::Timeout(Phase::Connect)));
    assert!(first.wait >= 2 * SECOND && first.wait <= 2200 * SECOND / 1000);
    assert_eq!((*at_first, *at_second), (Duration::ZERO, first.wait));
    assert_eq!((first.tokens_left, second.tokens_left), (Some(100), Some(90)));
}

#[test]
fn an_outage_uses_up_the_budget_and_then_receives_each_call_once() {
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
fn a_failing_origin_does_not_use_up_the_budget_of_another() {
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

/// The refusals of a limited server: their status, and how they ask to come back in a second.
type Refusal = (u16, &'static str, &'static str);

const REFUSAL: Refusal = (429, "retry-after", "1");

/// A server that serves 40 requests in each second, and asks the rest to come back in a second.
fn limited(
    timer: &ManualTimer,
    (status, name, value): Refusal,
) -> (impl Transport + Clone, Arc<AtomicUsize>) {
    let (clock, window) = (timer.clone(), Arc::new(Mutex::new((0, 0))));
    let refused = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&refused);
    let server = transport_fn(move |_| {
        let second = clock.elapsed().as_secs();
        let mut window = window.lock().unwrap();
        if window.0 != second {
            *window = (second, 0);
        }
        window.1 += 1;
        let mut response = http::Response::new(Body::empty());
        if window.1 > 40 {
            count.fetch_add(1, Ordering::SeqCst);
            *response.status_mut() = StatusCode::from_u16(status).unwrap();
            let date = HeaderValue::from_static("Sat, 28 Nov 2026 09:00:00 GMT");
            response.headers_mut().insert("date", date);
            response.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        std::future::ready(Ok(response))
    });
    (server, refused)
}

/// Sends `calls` calls at the same time and returns how many were served.
fn storm<T: Transport>(client: &Retry<T>, timer: &ManualTimer, calls: usize) -> usize {
    let calls = (0..calls).map(|_| client.send(request()));
    let outcomes = timer.run(futures::future::join_all(calls));
    outcomes.iter().filter(|outcome| outcome.as_ref().unwrap().status() == 200).count()
}

#[test]
fn a_rate_limit_is_waited_out_by_a_hundred_callers() {
    // (name, calls, attempts)
    for (name, calls, attempts) in [("by default", 100, 3), ("with more attempts", 300, 10)] {
        let timer = ManualTimer::new();
        let (server, _) = limited(&timer, REFUSAL);
        let budget = RetryBudget::default();
        let config = RetryConfig::default().max_attempts(attempts);
        let client = Retry::new(server, timer.clone()).config(config).budget(budget.clone());
        assert_eq!(storm(&client, &timer, calls), calls, "{name}");
        assert_eq!(budget.tokens(request().uri()), 100, "{name}");
    }
}

#[test]
fn a_rate_limit_is_recognized_in_every_form() {
    for refusal in [
        REFUSAL,
        (503, "retry-after", "1"),
        (429, "retry-after", "0.9999"),
        (429, "retry-after", "Sat, 28 Nov 2026 09:00:01 GMT"),
        (503, "retry-after", "Saturday, 28-Nov-26 09:00:01 GMT"),
        (429, "retry-after-ms", "1000"),
    ] {
        let timer = ManualTimer::new();
        let (server, _) = limited(&timer, refusal);
        let budget = RetryBudget::default();
        let client = Retry::new(server, timer.clone()).budget(budget.clone());
        assert_eq!(storm(&client, &timer, 100), 100, "{refusal:?}");
        assert_eq!(budget.tokens(request().uri()), 100, "{refusal:?}");
    }
    // Without a time to come back at, or with another status, it is an outage.
    for refusal in [(429, "x", "1"), (503, "retry-after", "soon"), (502, "retry-after", "1")] {
        let timer = ManualTimer::new();
        let (server, _) = limited(&timer, refusal);
        let client = Retry::new(server, timer.clone());
        assert!(storm(&client, &timer, 100) < 100, "{refusal:?}");
    }
}

#[test]
fn a_shared_pause_serves_all_callers_too() {
    let timer = ManualTimer::new();
    let (server, refused) = limited(&timer, REFUSAL);
    let pause = RateLimitPause::new();
    let client = Retry::new(server, timer.clone()).rate_limit_pause(pause);
    assert_eq!(storm(&client, &timer, 41), 41);
    assert_eq!(refused.load(Ordering::SeqCst), 1);
}

#[test]
fn a_pause_holds_back_new_calls_to_its_origin_only() {
    let server = ScriptedTransport::new([
        Exchange::respond(429).header("retry-after", "10"),
        Exchange::respond(200),
        Exchange::respond(200),
        Exchange::respond(200),
        Exchange::respond(200),
    ]);
    let timer = ManualTimer::new();
    let client = retry(&server, &timer).rate_limit_pause(RateLimitPause::new()).seed(3);
    timer.run(async {
        let mut limited = client.send(request());
        assert!(poll_once(&mut limited).await.is_none());
        let mut waiting = client.send(request());
        assert!(poll_once(&mut waiting).await.is_none());
        assert_eq!(server.requests().len(), 1, "a new call waits");

        let mut other = request();
        *other.uri_mut() = Uri::from_static("http://other.test/v1");
        assert!(poll_once(client.send(other)).await.is_some(), "another origin");
        let mut hurried = request();
        hurried.extensions_mut().insert(Timeouts::none().total(9 * SECOND));
        assert!(poll_once(client.send(hurried)).await.is_some(), "a call without the time to wait");

        limited.await.unwrap();
        waiting.await.unwrap();
    });
    assert!(timer.elapsed() >= 10 * SECOND && timer.elapsed() <= 11 * SECOND);
    assert_eq!(server.requests().len(), 5);
}

#[test]
fn only_a_429_that_is_not_final_and_names_an_allowed_wait_starts_a_pause() {
    let table = [
        ("a rate limit", 429, "10", "wait", true),
        ("a rate limit with the longest wait", 429, "60", "wait", true),
        ("a rate limit with a longer wait", 429, "61", "wait", false),
        ("a rate limit without a wait", 429, "soon", "wait", false),
        ("an exhausted quota", 429, "10", "quota", false),
        ("an overload", 503, "10", "wait", false),
    ];
    for (name, status, wait, body, pauses) in table {
        let refusal = Exchange::respond(status).header("retry-after", wait).body(body);
        let server = ScriptedTransport::new([refusal, Exchange::respond(200)]);
        let timer = ManualTimer::new();
        let client = retry(&server, &timer)
            .rate_limit_pause(RateLimitPause::new())
            .final_response(|_, body| body == b"quota");
        timer.run(async {
            let mut first = client.send(request());
            let _ = poll_once(&mut first).await;
            let is_sent = poll_once(client.send(request())).await.is_some();
            assert_eq!(is_sent, !pauses, "{name}");
        });
    }
}

#[test]
fn a_pause_is_part_of_the_total_timeout() {
    let server = ScriptedTransport::new([
        Exchange::respond(429).header("retry-after", "10"),
        Exchange::never(),
    ]);
    let timer = ManualTimer::new();
    let timed = Timeout::new(server, timer.clone(), Timeouts::none());
    let client = Retry::new(timed, timer.clone()).rate_limit_pause(RateLimitPause::new());
    let once = RetryConfig::none();
    timer.run(async {
        let mut first = request();
        first.extensions_mut().insert(once.clone());
        assert_eq!(client.send(first).await.unwrap().status(), 429);
        let mut second = request();
        second.extensions_mut().insert(once.clone());
        second.extensions_mut().insert(Timeouts::none().total(15 * SECOND));
        let error = client.send(second).await.unwrap_err();
        assert_eq!(error.timeout_phase(), Some(Phase::Total));
        assert!(error.to_string().contains("15s"), "{error}");
    });
    assert_eq!(timer.elapsed(), 15 * SECOND);
}

/// Sends a call with this total timeout while a pause of 10 s holds; returns the time until its response.
fn paused(total: Duration) -> Duration {
    let server = ScriptedTransport::new([
        Exchange::respond(429).header("retry-after", "10"),
        Exchange::respond(200),
    ]);
    let timer = ManualTimer::new();
    let client = retry(&server, &timer).rate_limit_pause(RateLimitPause::new()).seed(3);
    timer.run(async {
        let mut first = request();
        first.extensions_mut().insert(RetryConfig::none());
        assert_eq!(client.send(first).await.unwrap().status(), 429);
        let mut second = request();
        second.extensions_mut().insert(Timeouts::none().total(total));
        assert_eq!(client.send(second).await.unwrap().status(), 200);
    });
    timer.elapsed()
}

#[test]
fn a_call_waits_for_a_pause_that_ends_before_its_deadline_only() {
    let end = paused(60 * SECOND);
    assert!((10 * SECOND..=11 * SECOND).contains(&end), "{end:?}");
    assert_eq!(paused(end + Duration::from_nanos(1)), end);
    assert_eq!(paused(end), Duration::ZERO, "nothing would be left of its time");
}

#[test]
fn a_budget_has_the_given_size() {
    let server = ScriptedTransport::new((0..20).map(|_| Exchange::respond(500)));
    let timer = ManualTimer::new();
    let client = retry(&server, &timer).budget(RetryBudget::new(7));
    timer.run(client.send(request())).unwrap();
    assert_eq!(server.requests().len(), 2);
    let unlimited = retry(&server, &timer).budget(None);
    timer.run(unlimited.send(request())).unwrap();
    assert_eq!(server.requests().len(), 5);
}

async fn poll_once<F: Future + Unpin>(mut future: F) -> Option<F::Output> {
    poll_fn(|cx| match Pin::new(&mut future).poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}
