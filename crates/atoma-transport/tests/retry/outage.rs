//! The budget, and the hook that watches it.

use super::*;

#[test]
fn the_hook_hears_of_each_retry_before_its_wait() {
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
