//! Retries, seen from the caller: which requests are sent again, when, and the report at the end.

mod support;

use atoma::{
    Client, RateLimitPause, RetryBudget, RetryConfig, RetryConnectionErrors, Timeouts,
    transport::{
        Body, Delivery, ErrorKind, FailureCause, Phase, TransportError,
        testing::{Exchange, ManualTimer, ScriptedTransport},
        transport_fn,
    },
};
use std::time::Duration;
use support::{completion, event, hello_stream, request, server};

const QUOTA: &str = r#"{"error":{"message":"no","code":"insufficient_quota"}}"#;

fn client(transport: &ScriptedTransport, timer: &ManualTimer) -> Client {
    let builder = Client::builder().api_key("sk-test").server_url("http://localhost:1");
    builder.transport(transport.clone()).timer(timer.clone()).build().unwrap()
}

/// The result of a call of `create`, and its duration.
fn create(
    exchanges: impl IntoIterator<Item = Exchange>,
    set: impl FnOnce(
        atoma::Call<atoma::Json<atoma::ChatCompletionResponse>>,
    ) -> atoma::Call<atoma::Json<atoma::ChatCompletionResponse>>,
) -> (atoma::Result<u32>, usize, Duration) {
    let (transport, timer) = (ScriptedTransport::new(exchanges), ManualTimer::new());
    let transport = transport.timer(timer.clone());
    let call = set(client(&transport, &timer).chat().create(request()));
    let outcome = timer.run(async { Ok(call.await?.attempts().count) });
    (outcome, transport.requests().len(), timer.elapsed())
}

fn fine() -> Exchange {
    Exchange::respond(200).body(completion("hello").to_string())
}

fn lost(kind: ErrorKind, sent: Delivery) -> Exchange {
    Exchange::fail(TransportError::new(kind, sent))
}

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn a_busy_server_gets_three_attempts() {
    let busy = || Exchange::respond(503);
    let (outcome, sent, elapsed) = create([busy(), busy(), fine()], |call| call);
    assert_eq!((outcome.unwrap(), sent), (3, 3));
    assert!(elapsed <= Duration::from_millis(1500), "{elapsed:?}");

    let (outcome, sent, _) = create([busy(), busy(), busy(), fine()], |call| call);
    let error = outcome.unwrap_err();
    assert_eq!(sent, 3);
    assert!(error.is_api_error() && error.is_retryable());
    let attempts = error.attempts();
    assert_eq!((attempts.count, attempts.failed.len()), (3, 3));
    assert!(attempts.failed.iter().all(
        |attempt| attempt.cause == FailureCause::Status(http::StatusCode::SERVICE_UNAVAILABLE)
    ));
    let shown = error.to_string();
    assert!(shown.starts_with("503 Service Unavailable"), "{shown}");
    assert!(shown.contains("after 3 attempts in ") && !shown.contains('\n'), "{shown}");
}

#[test]
fn which_failures_are_retried() {
    let failed = |status: u16, body: &'static str| Exchange::respond(status).body(body);
    let cases: Vec<(&str, Exchange, usize)> = vec![
        ("408", failed(408, ""), 2),
        ("425", failed(425, r#"{"error":{"code":"UNAVAILABLE_STACK","message":"m"}}"#), 2),
        ("429", failed(429, ""), 2),
        ("500", failed(500, ""), 2),
        ("502", failed(502, "<html>"), 2),
        ("504", failed(504, ""), 2),
        ("400", failed(400, ""), 1),
        ("401", failed(401, ""), 1),
        ("404", failed(404, ""), 1),
        ("423", failed(423, ""), 1),
        ("501", failed(501, ""), 1),
        ("quota", failed(429, QUOTA), 1),
        (
            "quota, in an event",
            failed(429, "data: {\"error\":{\"code\":\"insufficient_quota\"}}\n\n"),
            1,
        ),
        ("balance", failed(500, r#"{"error":{"code":"BALANCE_ERROR","message":"m"}}"#), 1),
        ("not sent", lost(ErrorKind::Connect, Delivery::NotSent), 2),
        ("TLS", lost(ErrorKind::Tls, Delivery::NotSent), 2),
        ("certificate", lost(ErrorKind::Certificate, Delivery::NotSent), 1),
        ("perhaps sent", lost(ErrorKind::ConnectionLost, Delivery::Unknown), 1),
        ("no HTTP", lost(ErrorKind::Protocol, Delivery::Unknown), 1),
        (
            "an error in a 200",
            Exchange::respond(200).body(r#"{"error":{"message":"m","code":503}}"#),
            1,
        ),
        ("a page in a 200", Exchange::respond(200).body("<html>"), 1),
        ("a body that breaks off", Exchange::respond(200).body("{").break_off("reset"), 1),
    ];
    for (name, exchange, expected) in cases {
        let (outcome, sent, _) = create([exchange, fine()], |call| call);
        assert_eq!(sent, expected, "{name}");
        match outcome {
            Ok(count) => assert_eq!((count, expected), (2, 2), "{name}"),
            Err(error) => {
                assert_eq!((error.attempts().count, expected), (1, 1), "{name}: {error:?}");
            }
        }
    }
}

#[test]
fn a_lost_connection_is_retried_where_the_caller_says_so() {
    let reset = || lost(ErrorKind::ConnectionLost, Delivery::Unknown);
    let always = RetryConfig::default().retry_connection_errors(RetryConnectionErrors::Always);
    let (outcome, sent, _) = create([reset(), fine()], |call| call.retries(always));
    assert_eq!((outcome.unwrap(), sent), (2, 2));
    let (outcome, ..) = create([reset()], |call| call);
    let error = outcome.unwrap_err();
    assert!(error.may_have_been_processed() && error.is_retryable(), "{error:?}");

    let not_connected = || lost(ErrorKind::Connect, Delivery::NotSent);
    let never = RetryConfig::default().retry_connection_errors(RetryConnectionErrors::Never);
    let (outcome, sent, _) = create([not_connected(), fine()], |call| call.retries(never));
    let error = outcome.unwrap_err();
    assert!(error.is_connect() && !error.may_have_been_processed() && sent == 1, "{error:?}");
}

#[test]
fn the_server_decides_how_long_to_wait() {
    for (name, value, at_least, at_most) in [
        ("retry-after", "30", 30_000, 33_000),
        ("retry-after", "1.5", 1500, 2000),
        ("retry-after-ms", "250", 250, 400),
    ] {
        let busy = Exchange::respond(429).header(name, value);
        let (outcome, _, elapsed) = create([busy, fine()], |call| call);
        assert_eq!(outcome.unwrap(), 2);
        let bounds = Duration::from_millis(at_least)..=Duration::from_millis(at_most);
        assert!(bounds.contains(&elapsed), "{name}: {value} took {elapsed:?}");
    }
    let busy = Exchange::respond(429).header("retry-after", "3600");
    let (outcome, sent, elapsed) = create([busy, fine()], |call| call);
    let error = outcome.unwrap_err();
    assert_eq!((sent, elapsed, error.retry_after()), (1, Duration::ZERO, Some(seconds(3600))));
    assert!(error.is_retryable());
}

#[test]
fn a_timeout_bounds_the_whole_call() {
    let (outcome, sent, elapsed) = create([Exchange::never()], |call| call.timeout(seconds(10)));
    let error = outcome.unwrap_err();
    assert_eq!((sent, elapsed), (1, seconds(10)));
    assert!(error.is_timeout() && error.is_retryable() && error.may_have_been_processed());
    assert_eq!(error.transport().unwrap().timeout_phase(), Some(Phase::Total));
    assert_eq!((error.attempts().count, error.attempts().elapsed), (1, seconds(10)));

    let busy = || Exchange::respond(503).head_after(seconds(4));
    let (outcome, _, elapsed) =
        create([busy(), busy(), busy(), fine()], |call| call.timeout(seconds(10)));
    assert!(outcome.is_err() && elapsed <= seconds(10), "{elapsed:?}");

    let asked = Exchange::respond(429).header("retry-after", "30");
    let (outcome, sent, elapsed) = create([asked, fine()], |call| call.timeout(seconds(10)));
    let error = outcome.unwrap_err();
    assert!(sent == 1 && elapsed <= seconds(10), "{elapsed:?}, {error:?}");

    let slow = Exchange::respond(200).body("{").stall();
    let (outcome, _, elapsed) = create([slow], |call| call.timeout(seconds(10)));
    let error = outcome.unwrap_err();
    assert!(error.is_timeout() && elapsed == seconds(10), "{elapsed:?}, {error:?}");
}

#[test]
fn the_usual_timeouts_of_a_unary_call() {
    let (outcome, _, elapsed) = create([Exchange::never()], |call| call);
    assert!(outcome.unwrap_err().is_timeout() && elapsed == seconds(600), "{elapsed:?}");
    let stopped = Exchange::respond(200).body("{").stall();
    let (outcome, _, elapsed) = create([stopped], |call| call);
    assert!(outcome.unwrap_err().is_timeout() && elapsed == seconds(120), "{elapsed:?}");
    let patient = Timeouts::none();
    let late = fine().head_after(seconds(86_400));
    let (outcome, ..) = create([late], |call| call.timeouts(patient));
    assert_eq!(outcome.unwrap(), 1);
}

#[test]
fn a_stream_is_retried_only_before_its_head() {
    let transport = ScriptedTransport::new([
        Exchange::respond(503),
        Exchange::respond(200).header("content-type", "text/event-stream").body(hello_stream()),
        Exchange::respond(200).body(event(support::chunk("he"))).break_off("reset"),
    ]);
    let timer = ManualTimer::new();
    let chat = client(&transport, &timer).chat();
    timer.run(async {
        let stream = chat.stream(request()).await.unwrap();
        assert_eq!((stream.attempts().count, stream.attempts().failed.len()), (2, 1));
        assert_eq!(stream.into_response().await.unwrap().text(), "hello");

        let read = support::read(chat.stream(request()).await).await;
        let error = read.error.unwrap();
        assert!(error.is_truncated() && read.text == "he", "{error:?}");
        assert_eq!(error.attempts().count, 1);
    });
    assert_eq!((transport.requests().len(), transport.live_bodies()), (3, 0));
}

#[test]
fn the_budget_can_be_set_and_removed() {
    // (name, budget, attempts of 30 calls that fail)
    let table = [
        ("an empty one", Some(RetryBudget::new(0)), 30),
        ("a small one", Some(RetryBudget::new(10)), 32),
        ("none", None, 90),
    ];
    for (name, budget, attempts) in table {
        let timer = ManualTimer::new();
        let server = ScriptedTransport::new((0..90).map(|_| Exchange::respond(500)));
        let client = Client::builder().api_key("sk-test").retry_budget(budget);
        let client = client.transport(server.clone()).timer(timer.clone()).build().unwrap();
        for _ in 0..30 {
            timer.run(async { client.chat().create(request()).await.unwrap_err() });
        }
        assert_eq!(server.requests().len(), attempts, "{name}");
    }
}

#[test]
fn a_rate_limit_pause_holds_back_the_other_calls() {
    let timer = ManualTimer::new();
    let limited = Exchange::respond(429).header("retry-after", "10");
    let good = || Exchange::respond(200).body(completion("hello").to_string());
    let server = ScriptedTransport::new([limited, good(), good()]);
    let client = Client::builder().api_key("sk-test");
    let client = client.rate_limit_pause(RateLimitPause::new());
    let client = client.transport(server.clone()).timer(timer.clone()).build().unwrap();
    timer.run(async {
        let first = async { client.chat().create(request()).await.unwrap() };
        let second = async {
            let reply = client.chat().create(request()).await.unwrap();
            assert_eq!(reply.attempts().count, 1, "it did not meet the limit itself");
        };
        futures::future::join(first, second).await;
    });
    assert_eq!(server.requests().len(), 3);
}

#[tokio::test]
async fn over_real_connections() {
    let refusing = server::Refusing::new();
    let url = format!("http://{}", refusing.address);
    let backoff = atoma::BackoffStrategy::default().initial_interval(Duration::ZERO);
    let retries = RetryConfig::default().backoff(backoff);
    let client = support::builder(url).retries(retries).build().unwrap();
    let error = client.chat().create(request()).await.unwrap_err();
    assert!(error.is_connect() && !error.may_have_been_processed(), "{error:?}");
    assert_eq!(error.attempts().count, 3);
    assert!(error.to_string().contains("after 3 attempts"), "{error}");

    let server = server::Server::start([vec![server::Step::Close]]).await;
    let call = client.chat().create(request()).server_url(server.url());
    let error = call.await.unwrap_err();
    assert!(!error.is_connect() && error.may_have_been_processed(), "{error:?}");
    assert_eq!((error.attempts().count, server.log().requests().len()), (1, 1));
}

#[test]
fn a_client_waits_out_a_rate_limit_by_default() {
    // (name, calls, attempts): 40 calls are served in each second.
    for (name, calls, attempts) in [("by default", 100, None), ("more", 300, Some(10))] {
        let timer = ManualTimer::new();
        let (clock, window) = (timer.clone(), std::sync::Mutex::new((0, 0)));
        let server = transport_fn(move |_| {
            let mut window = window.lock().unwrap();
            let second = clock.elapsed().as_secs();
            *window = if window.0 == second { (second, window.1 + 1) } else { (second, 1) };
            let response = http::Response::builder();
            std::future::ready(Ok(if window.1 > 40 {
                response.status(429).header("retry-after", "1").body(Body::empty()).unwrap()
            } else {
                response.body(Body::from(completion("hello").to_string())).unwrap()
            }))
        });
        let builder = Client::builder().api_key("sk-test").server_url("http://localhost:1");
        let builder = builder.transport(server).timer(timer.clone());
        let builder = match attempts {
            Some(most) => builder.retries(RetryConfig::default().max_attempts(most)),
            None => builder,
        };
        let client = builder.build().unwrap();
        let calls = (0..calls).map(|_| client.chat().create(request()));
        for outcome in timer.run(futures::future::join_all(calls)) {
            assert_eq!(outcome.expect(name).text(), "hello", "{name}");
        }
    }
}
