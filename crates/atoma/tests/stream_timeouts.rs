//! The timeouts of a stream count events, not bytes, and nothing is read ahead of the reader.

mod support;

use atoma::{
    Client, Timeouts,
    transport::{
        Body, TransportError,
        testing::{Exchange, ManualTimer, ScriptedTransport},
        transport_fn,
    },
};
use bytes::Bytes;
use http_body::Frame;
use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};
use support::{Read, chunk, event, last_chunk, read, request};

const KEEP_ALIVE: &str = ": keep-alive\n\n";
const PACE: Duration = Duration::from_millis(15);

/// The result of reading the stream of this exchange, and its duration.
fn stream(exchange: Exchange, timeouts: Option<Timeouts>) -> (Read, Duration) {
    let timer = ManualTimer::new();
    let transport = ScriptedTransport::new([exchange]).timer(timer.clone());
    let builder = Client::builder().api_key("sk-test").server_url("http://localhost:1");
    let builder = builder.transport(transport.clone()).timer(timer.clone());
    let client = match timeouts {
        Some(timeouts) => builder.stream_timeouts(timeouts),
        None => builder,
    };
    let chat = client.build().unwrap().chat();
    let read = timer.run(async { read(chat.stream(request()).await).await });
    assert_eq!((transport.live_bodies(), transport.in_flight()), (0, 0));
    assert_eq!(timer.waiters(), 0, "a sleep was left behind");
    (read, timer.elapsed())
}

fn head() -> Exchange {
    Exchange::respond(200).header("content-type", "text/event-stream")
}

/// Comments at the proxy's pace for this long.
fn comments(exchange: Exchange, time: Duration) -> Exchange {
    let count = time.as_millis() / PACE.as_millis();
    (0..count).fold(exchange, |exchange, _| exchange.pause(PACE).body(KEEP_ALIVE))
}

/// The error came at the right time, give or take a round of comments.
fn assert_about(elapsed: Duration, limit: Duration) {
    let latest = limit + 64 * PACE;
    assert!((limit..=latest).contains(&elapsed), "{elapsed:?} in place of {limit:?}");
}

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn comments_do_not_count_as_the_first_event() {
    let (read, elapsed) = stream(comments(head(), seconds(400)), None);
    let error = read.error.unwrap();
    assert!(error.is_timeout() && error.partial().is_none(), "{error:?}");
    assert_eq!(error.to_string(), "no event received within 300s of the response headers");
    assert_about(elapsed, seconds(300));
}

#[test]
fn comments_do_not_count_as_the_next_event() {
    let begun = head().pause(seconds(200)).body(event(chunk("he")));
    let (read, elapsed) = stream(comments(begun, seconds(200)), None);
    let error = read.error.unwrap();
    assert!(error.is_timeout() && error.is_retryable(), "{error:?}");
    assert_eq!(error.partial().unwrap().text(), "he");
    assert_eq!(error.to_string(), "no event received for 120s");
    assert_about(elapsed, seconds(320));
}

#[test]
fn silence_is_timed_as_comments_are() {
    let (read, elapsed) = stream(head().stall(), None);
    assert!(read.error.unwrap().is_timeout());
    assert_eq!(elapsed, seconds(300));
    let (read, elapsed) = stream(head().body(event(chunk("he"))).stall(), None);
    assert!(read.error.unwrap().is_timeout());
    assert_eq!(elapsed, seconds(120));
    let (read, elapsed) = stream(Exchange::never(), None);
    assert!(read.error.unwrap().is_timeout());
    assert_eq!(elapsed, seconds(300));
}

/// Half an event a minute is not activity either.
#[test]
fn bytes_that_make_no_event_do_not_count() {
    let data = event(chunk("llo"));
    let mut exchange = head().body(event(chunk("he")));
    for byte in data.as_bytes().chunks(1) {
        exchange = exchange.pause(seconds(30)).body(byte.to_vec());
    }
    let (read, elapsed) = stream(exchange, None);
    assert!(read.error.unwrap().is_timeout());
    assert_eq!(elapsed, seconds(120));
}

#[test]
fn a_slow_stream_may_take_forever() {
    let mut exchange = head().pause(seconds(299));
    for _ in 0..200 {
        exchange = comments(exchange.body(event(chunk("a"))), seconds(3)).pause(seconds(110));
    }
    let (read, elapsed) = stream(exchange.body(event(last_chunk())), None);
    assert!(read.error.is_none(), "{:?}", read.error);
    assert_eq!(read.text, "a".repeat(200));
    assert!(elapsed > seconds(6 * 3600), "{elapsed:?}");
}

#[test]
fn a_flood_of_comments_loses_nothing() {
    let flood = Bytes::from(KEEP_ALIVE.repeat(1000));
    let flooded = (0..1000).fold(head(), |exchange, _| exchange.body(flood.clone()));
    let exchange = flooded.body(event(chunk("hello"))).body(event(last_chunk()));
    let (read, elapsed) = stream(exchange, None);
    assert_eq!((read.text.as_str(), elapsed), ("hello", Duration::ZERO));
    assert!(read.error.is_none());
}

#[test]
fn events_after_a_finish_reason_count_up_to_the_idle_timeout() {
    let finished = || head().body(event(chunk("hello"))).body(event(last_chunk()));
    let usage = r#"{"choices":[],"usage":{"total_tokens":7}}"#;
    let (read, elapsed) = stream(finished().pause(seconds(119)).body(event(usage)), None);
    assert_eq!((read.response.unwrap().usage().unwrap().total_tokens, elapsed), (7, seconds(119)));

    let more =
        finished().pause(seconds(100)).body(event(chunk(" again"))).body(event(last_chunk()));
    let (read, _) = stream(more, None);
    assert!(read.error.is_none() && read.text == "hello again", "{:?}", read.error);

    let (read, elapsed) = stream(comments(finished(), seconds(300)), None);
    assert!(read.error.is_none(), "{:?}", read.error);
    assert_about(elapsed, seconds(120));

    let done = finished().body(event("[DONE]")).stall();
    let (read, elapsed) = stream(done, None);
    assert!(read.error.is_none() && elapsed == Duration::from_millis(200), "{elapsed:?}");
}

#[test]
fn a_second_choice_is_waited_for() {
    let timer = ManualTimer::new();
    let other = serde_json::json!({"choices": [
        {"index": 1, "delta": {"content": "other"}, "finish_reason": "stop"},
    ]});
    let exchange = head().body(event(chunk("hello"))).body(event(last_chunk()));
    let exchange = exchange.pause(seconds(100)).body(event(other)).stall();
    let transport = ScriptedTransport::new([exchange]).timer(timer.clone());
    let builder = Client::builder().api_key("sk-test").server_url("http://localhost:1");
    let client = builder.transport(transport).timer(timer.clone()).build().unwrap();
    let response = timer.run(async {
        client.chat().stream(request().n(2)).await.unwrap().into_response().await.unwrap()
    });
    assert_eq!(response.choices.len(), 2);
    assert_eq!(timer.elapsed(), seconds(220));
}

#[test]
fn timeouts_can_be_set_and_removed() {
    let short = Timeouts::none().head(seconds(5)).idle(seconds(2));
    let (read, elapsed) = stream(head().stall(), Some(short));
    assert!(read.error.unwrap().is_timeout() && elapsed == seconds(5));
    let (read, elapsed) = stream(head().body(event(chunk("he"))).stall(), Some(short));
    assert!(read.error.unwrap().is_timeout() && elapsed == seconds(2));

    let late = head().pause(seconds(86_400)).body(event(chunk("he")));
    let late = late.pause(seconds(86_400)).body(event(last_chunk()));
    let (read, _) = stream(late, Some(Timeouts::none()));
    assert!(read.error.is_none(), "{:?}", read.error);

    let total = Timeouts::none().total(seconds(60));
    let busy =
        (0..100).fold(head(), |exchange, _| exchange.pause(seconds(1)).body(event(chunk("a"))));
    let (read, elapsed) = stream(busy, Some(total));
    let error = read.error.unwrap();
    assert!(error.is_timeout() && elapsed == seconds(60), "{elapsed:?} {error:?}");
    assert!(error.partial().unwrap().text().len() >= 58);
}

/// A body that is always ready, with the same frame each time; the clock advances with each.
struct Endless {
    frame: Bytes,
    polls: Arc<AtomicUsize>,
    timer: ManualTimer,
    step: Duration,
}

impl http_body::Body for Endless {
    type Data = Bytes;
    type Error = TransportError;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, TransportError>>> {
        self.polls.fetch_add(1, Ordering::SeqCst);
        self.timer.advance(self.step);
        Poll::Ready(Some(Ok(Frame::data(self.frame.clone()))))
    }
}

/// A client of an endless body, and the number of its frames that were read.
fn endless(frame: String, step: Duration, timer: &ManualTimer) -> (Client, Arc<AtomicUsize>) {
    let polls = Arc::new(AtomicUsize::new(0));
    let (counted, clock, frame) = (Arc::clone(&polls), timer.clone(), Bytes::from(frame));
    let transport = transport_fn(move |_| {
        let (polls, timer) = (Arc::clone(&counted), clock.clone());
        let body = Endless { frame: frame.clone(), polls, timer, step };
        let mut response = http::Response::new(Body::streamed(body));
        let label = http::HeaderValue::from_static("text/event-stream");
        response.headers_mut().insert("content-type", label);
        async { Ok(response) }
    });
    let builder = Client::builder().api_key("sk-test").server_url("http://localhost:1");
    (builder.transport(transport).timer(timer.clone()).build().unwrap(), polls)
}

/// A flood that never lets the reader wait does not outrun its clock.
#[test]
fn a_flood_does_not_stop_the_clock() {
    let timer = ManualTimer::new();
    let (client, _) = endless(KEEP_ALIVE.to_owned(), PACE, &timer);
    let read = timer.run(async { read(client.chat().stream(request()).await).await });
    assert!(read.error.unwrap().is_timeout());
    assert_about(timer.elapsed(), seconds(300));
}

#[test]
fn nothing_is_read_ahead() {
    let timer = ManualTimer::new();
    let (client, polls) = endless(event(chunk("a")), Duration::ZERO, &timer);
    timer.run(async {
        let mut stream = client.chat().stream(request()).await.unwrap();
        assert!(polls.load(Ordering::SeqCst) <= 1);
        for taken in 1..=10 {
            stream.next().await.unwrap().unwrap();
            assert!(polls.load(Ordering::SeqCst) <= taken + 1);
        }
    });
}

#[test]
fn a_timeout_of_the_client_ends_every_call_that_runs_longer_whatever_else_is_set() {
    let limit = Duration::from_secs(50);
    for is_stream in [false, true] {
        let timer = ManualTimer::new();
        let exchange = (0..60).fold(head(), |exchange, _| {
            exchange.pause(Duration::from_secs(1)).body(event(chunk("a")))
        });
        let transport = ScriptedTransport::new([exchange]).timer(timer.clone());
        let builder = Client::builder().api_key("sk-test").server_url("http://localhost:1");
        let client = builder
            .timeout(limit)
            .timeouts(Timeouts::default())
            .stream_timeouts(Timeouts::none())
            .transport(transport)
            .timer(timer.clone())
            .build()
            .unwrap();
        let error = timer.run(async {
            if is_stream {
                client.chat().stream(request()).await?.into_response().await.map(drop)
            } else {
                client.chat().create(request()).await.map(drop)
            }
        });
        assert!(error.unwrap_err().is_timeout());
        assert_eq!(timer.elapsed(), limit, "stream: {is_stream}");
    }
}
