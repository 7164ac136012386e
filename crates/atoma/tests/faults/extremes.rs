//! Rows 117 and 118: very many calls, and extreme clocks and settings.

use crate::lab::{
    Gate, Good as _,
    Is::{ApiError, Config, MayBeBilled, Retryable, Timeout},
    Outcome, Script, asking, memory, request,
    responses::{CHUNKED, GOOD, LAST_CHUNK, chunk, event, events, response},
    serve, within,
};
use atoma::{Client, RetryConfig};
use atoma_transport::{
    BackoffStrategy, Deadline, ErrorKind, Phase, Retry, Timeouts, Timer, Transport, retry_after,
    testing::{Exchange, ManualTimer, ScriptedTransport},
};
use futures::future::join_all;
use std::{
    future::IntoFuture,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

const DAY: Duration = Duration::from_secs(86_400);
const MIB: u64 = 1 << 20;

#[tokio::test]
async fn row_117_200_concurrent_streams() {
    const STREAMS: usize = 200;
    let gate = Gate::new();
    // Each script responds with the word in its own request, once all requests have arrived.
    let script = Script::default().run({
        let gate = gate.clone();
        move |peer| {
            let gate = gate.clone();
            Box::pin(async move {
                let asked = peer.request().await.expect("a request");
                let number = asked.split("number ").nth(1).expect("a number");
                let word: String = number.chars().take_while(char::is_ascii_digit).collect();
                peer.write(CHUNKED.as_bytes()).await;
                peer.halts();
                gate.passed().await;
                peer.write(chunk(&event("number ")).as_bytes()).await;
                tokio::task::yield_now().await;
                peer.write([chunk(&events(&word)).as_str(), LAST_CHUNK].concat().as_bytes()).await;
            })
        }
    });
    let lab = serve((0..STREAMS).map(|_| script.clone().then_good())).start().await;
    let streams = (0..STREAMS).map(|number| {
        let call = lab.client.chat().stream(asking(&format!("number {number}")));
        async move { call.await?.into_response().await }
    });
    let open = async {
        lab.server.wait_for(|log| log.halts() == STREAMS).await;
        (0..STREAMS).for_each(|_| gate.open());
    };
    let (responses, ()) = within(futures::future::join(join_all(streams), open)).await;
    for (number, response) in responses.into_iter().enumerate() {
        assert_eq!(response.unwrap().text(), format!("number {number}"));
    }
    assert_eq!(lab.server.log().accepted(), STREAMS);
    lab.healthy().await;
}

#[test]
fn row_117_2000_calls_one_after_another() {
    const NAME: &str = "extremes::row_117_2000_calls_one_after_another";
    memory::stays_within(8 * MIB, NAME, || async {
        let lab = serve([]).start().await;
        for _ in 0..2_000 {
            lab.stream().await.ok(GOOD).attempts(1).connections(1);
        }
        lab.healthy().await;
    });
}

/// Uses a transport in memory: sockets would take one descriptor for each call.
#[test]
fn row_117_a_thousand_concurrent_errors() {
    let timer = ManualTimer::new();
    let busy = || Exchange::respond(503).head_after(Duration::from_secs(1)).body("busy");
    let server = ScriptedTransport::new((0..2_000).map(|_| busy())).timer(timer.clone());
    let client = Client::builder().api_key("key").server_url("http://localhost:1");
    let heard = Arc::new(Mutex::new(Vec::new()));
    let hears = Arc::clone(&heard);
    let client = client.on_retry(move |event| hears.lock().unwrap().push(event.tokens_left));
    let client = client.transport(server.clone()).timer(timer.clone()).build().unwrap();
    let calls = (0..1_000).map(|_| {
        let clone = client.clone();
        async move { clone.chat().create(request()).await }
    });
    let errors = timer.run(join_all(calls)).into_iter().map(Result::unwrap_err);
    let exhausted = errors.filter(|error| error.attempts().budget_exhausted).count();
    assert_eq!(server.requests().len(), 1_000 + 20);
    assert!((980..=1_000).contains(&exhausted), "{exhausted}");
    // All clones share one bucket.
    let tokens: Vec<_> = (0..20).rev().map(|retries| Some(5 * retries)).collect();
    assert_eq!(heard.lock().unwrap()[..], tokens);
    assert_eq!((server.in_flight(), server.live_bodies(), timer.waiters()), (0, 0, 0));

    // The budget is used up: only one attempt for each call.
    let calls = join_all((0..500).map(|_| client.chat().stream(request()).into_future()));
    timer.run(calls);
    assert_eq!(server.requests().len(), 1_000 + 20 + 500);
}

#[tokio::test]
async fn row_117_error_responses_over_sockets() {
    let busy = || response("503 Service Unavailable", &["connection: close"], "");
    let scripts = (0..320).map(|_| Script::on_request().write(busy()));
    let lab = serve(scripts).start().await;
    for _ in 0..3 {
        for outcome in join_all((0..100).map(|_| lab.unary())).await {
            outcome.is([ApiError, Retryable, MayBeBilled]).status(503);
        }
    }
    assert_eq!(lab.server.log().requests().len(), 320);
    lab.healthy().await;
}

/// A date is measured against the `Date` of the same response, whatever this machine's clock says;
/// everything else uses a [`Timer`], which does not know the time of day.
#[test]
fn row_118_the_wall_clock_is_not_read() {
    let mut headers = http::HeaderMap::new();
    headers.insert("date", "Sun, 06 Nov 1994 08:49:00 GMT".parse().unwrap());
    headers.insert("retry-after", "Sun, 06 Nov 1994 08:49:20 GMT".parse().unwrap());
    let date = httpdate("Sun, 06 Nov 1994 08:49:00 GMT");
    for now in [date, date - DAY, date + DAY, SystemTime::UNIX_EPOCH, date + 10_000 * DAY] {
        assert_eq!(retry_after(&headers, now), Some(Duration::from_secs(20)));
    }
    // Without a `Date` the clock decides, and no error of it makes the wait longer than allowed.
    headers.remove("date");
    let asked = |now| retry_after(&headers, now).unwrap();
    assert_eq!(asked(date + DAY), Duration::ZERO);
    assert!(asked(date - DAY) > RetryConfig::default().max_retry_after);
}

fn httpdate(text: &str) -> SystemTime {
    let mut headers = http::HeaderMap::new();
    headers.insert("retry-after", text.parse().unwrap());
    SystemTime::UNIX_EPOCH + retry_after(&headers, SystemTime::UNIX_EPOCH).unwrap()
}

#[tokio::test]
async fn row_118_a_deadline_in_the_past() {
    let lab = serve([]).start().await;
    let log = lab.server.log();
    let call = lab.client.chat().create(request()).timeout(Duration::ZERO);
    let error = within(call.into_future()).await.unwrap_err();
    let outcome = Outcome::failed(log.clone(), String::new(), error);
    outcome.is([Timeout, Retryable]).kind(ErrorKind::Timeout(Phase::Total));
    outcome.attempts(1).connections(0);

    let call = lab.client.chat().stream(request()).timeout(Duration::ZERO);
    let error = within(call.into_future()).await.unwrap_err();
    let outcome = Outcome::failed(log, String::new(), error);
    outcome.is([Timeout, Retryable]).attempts(1).connections(0);
    lab.healthy().await;

    let (timer, server) = (ManualTimer::new(), ScriptedTransport::new([]));
    let past = Deadline(timer.now());
    timer.advance(DAY);
    let timed = atoma_transport::Timeout::new(server.clone(), timer.clone(), Timeouts::none());
    let mut late = atoma_transport::Request::default();
    late.extensions_mut().insert(past);
    let error = timer.run(Retry::new(timed, timer.clone()).send(late)).unwrap_err();
    assert_eq!((error.kind(), error.attempts().count), (ErrorKind::Timeout(Phase::Total), 1));
    assert_eq!(server.requests().len(), 0);
}

#[tokio::test]
async fn row_118_infinite_timeouts() {
    let longest = Duration::MAX;
    let timeouts = Timeouts::default().connect(longest).head(longest).idle(longest).total(longest);
    let backoff = BackoffStrategy::default()
        .initial_interval(Duration::from_nanos(1))
        .exponent(f64::MAX)
        .max_interval(Duration::from_millis(1))
        .max_elapsed_time(longest);
    let retries =
        RetryConfig::default().max_attempts(u32::MAX).max_retry_after(longest).backoff(backoff);
    let busy = Script::on_request().write(response("503 Service Unavailable", &[], ""));
    let lab = serve([busy.clone(), busy])
        .transport(move |transport| transport.pool_idle_timeout(longest))
        .client(move |client| client.timeouts(timeouts).stream_timeouts(timeouts).retries(retries))
        .start()
        .await;
    lab.unary().await.ok(GOOD);
    lab.stream().await.ok(GOOD);
    let call = lab.client.chat().create(request()).timeout(longest);
    assert_eq!(within(call.into_future()).await.unwrap().text(), GOOD);
    lab.healthy().await;

    // A server may ask for any wait: an infinite one ends in the API error itself, or in a wait
    // that a deadline ends before it begins.
    let timer = ManualTimer::new();
    let asks = Exchange::respond(503).header("retry-after", "99999999999999999999");
    let server = ScriptedTransport::new([asks]);
    let retries = RetryConfig::default().max_retry_after(longest);
    let retry = Retry::new(server.clone(), timer.clone()).config(retries);
    let response = timer.run(retry.send(atoma_transport::Request::default())).unwrap();
    assert_eq!((response.status().as_u16(), server.requests().len()), (503, 1));
}

#[tokio::test]
async fn row_118_no_attempts() {
    let none = || RetryConfig::default().max_attempts(0);
    let error = Client::builder().api_key("key").retries(none()).build().unwrap_err();
    assert!(error.is_config() && error.to_string().contains("max_attempts"), "{error}");

    let lab = serve([]).start().await;
    let call = lab.client.chat().create(request()).retries(none());
    let error = within(call.into_future()).await.unwrap_err();
    let outcome = Outcome::failed(lab.server.log(), String::new(), error);
    outcome.is([Config]).says("max_attempts").connections(0);
    lab.healthy().await;
}

#[test]
fn row_118_the_same_seed() {
    let waits = |seed| {
        let timer = ManualTimer::new();
        let server = ScriptedTransport::new((0..8).map(|_| Exchange::respond(503)));
        let config = RetryConfig::default().max_attempts(8);
        let retry = Retry::new(server, timer.clone()).config(config).seed(seed);
        let response = timer.run(retry.send(atoma_transport::Request::default())).unwrap();
        let attempts = response.extensions().get::<atoma_transport::Attempts>().unwrap();
        let waits = attempts.failed.iter().filter_map(|attempt| attempt.wait);
        waits.collect::<Vec<_>>()
    };
    assert_eq!(waits(0).len(), 7);
    assert_eq!((waits(0), waits(1)), (waits(0), waits(1)));
    assert_ne!(waits(0), waits(1));
}
