//! The output of a relay reads back as the same stream, and nothing of it is lost or delayed.

#[path = "relay/laws.rs"]
mod laws;
mod support;

use atoma::{
    ChatCompletionStream, Client, Error, ErrorKind, Relay, ResponseStream, RetryConfig, relay,
    transport::{
        Body, TransportError,
        testing::{Exchange, ManualTimer, ScriptedTransport},
        transport_fn,
    },
    types::{ApiError, ChatCompletionChunk, ChatModel, StreamModel},
};
use bytes::Bytes;
use http_body::{Body as _, Frame};
use serde::Serialize;
use serde_json::{Value, json};
use std::{
    future::poll_fn,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};
use support::{chunk, event, hello_stream, last_chunk, request, scripted::scripted};

const SECOND: Duration = Duration::from_secs(1);

fn events(body: impl Into<Bytes>) -> Exchange {
    Exchange::respond(200).header("content-type", "text/event-stream").body(body)
}

async fn open(exchange: Exchange, n: u32) -> atoma::Result<ChatCompletionStream> {
    let transport = ScriptedTransport::new([exchange]);
    let builder = Client::builder().api_key("sk-test-key").server_url("http://localhost:1");
    let client = builder.transport(transport).timer(ManualTimer::new());
    client.retries(RetryConfig::none()).build()?.chat().stream(request().n(n)).await
}

async fn next_frame<M: StreamModel>(relay: &mut Relay<M>) -> Option<String>
where
    M::Chunk: Serialize,
{
    let Ok(frame) = poll_fn(|cx| Pin::new(&mut *relay).poll_frame(cx)).await?;
    Some(String::from_utf8(frame.into_data().unwrap().to_vec()).unwrap())
}

async fn body<M: StreamModel>(stream: ResponseStream<M>) -> String
where
    M::Chunk: Serialize,
{
    let (mut relay, mut body) = (relay(stream), String::new());
    assert!(!relay.is_end_stream() && relay.as_stream().is_some());
    while let Some(frame) = next_frame(&mut relay).await {
        assert!(frame.ends_with("\n\n"), "an event is written whole: {frame:?}");
        body += &frame;
    }
    assert!(relay.is_end_stream() && relay.as_stream().is_none());
    assert!(next_frame(&mut relay).await.is_none());
    body
}

/// The chunks of a stream, and how it ended.
async fn read(mut stream: ChatCompletionStream) -> (Vec<ChatCompletionChunk>, Option<Error>) {
    let mut chunks = Vec::new();
    loop {
        match stream.next().await {
            Some(Ok(chunk)) => chunks.push(chunk),
            Some(Err(error)) => return (chunks, Some(error)),
            None => return (chunks, None),
        }
    }
}

/// Reads the same exchange twice, once through a relay, and compares. Returns the relay's output.
async fn check(name: &str, exchange: impl Fn() -> Exchange, n: u32) -> Option<String> {
    let direct = open(exchange(), n).await.ok()?;
    let (chunks, error) = read(direct).await;
    let written = body(open(exchange(), n).await.unwrap()).await;
    let (relayed, relayed_error) = read(open(events(written.clone()), n).await.unwrap()).await;

    assert_eq!(relayed, chunks, "{name}: {written}");
    assert_eq!(relayed_error.is_some(), error.is_some(), "{name}: {error:?}, {written}");
    assert_eq!(written.matches("data: [DONE]\n\n").count(), usize::from(error.is_none()), "{name}");
    if let (Some(error), Some(relayed)) = (error, relayed_error) {
        assert!(relayed.is_api_error(), "{name}: {relayed}");
        if error.is_api_error() {
            assert_eq!(relayed.kind(), error.kind(), "{name}: {written}");
        }
        let partial = error.partial().map(|partial| partial.text().into_owned());
        assert_eq!(relayed.partial().map(|partial| partial.text().into_owned()), partial, "{name}");
    }
    Some(written)
}

#[tokio::test]
async fn a_stream_ends_with_the_mark_of_the_end_even_where_the_server_sent_none() {
    let stream = [chunk("hello"), last_chunk()].map(event).concat();
    let written = check("without [DONE]", || events(stream.clone()), 1).await.unwrap();
    let stream = stream.replace(",\"finish_reason\":null", "");
    assert_eq!(written, stream + "data: [DONE]\n\n");
}

#[tokio::test]
async fn an_error_is_an_event_and_no_mark_of_the_end_follows() {
    let beginning = || events(event(chunk("hel")));
    for (name, exchange, wanted) in [
        ("clean close", beginning(), json!("upstream_truncated")),
        (
            "reset",
            beginning().break_off("10.0.0.7 sk-test-key went away"),
            json!("upstream_truncated"),
        ),
        (
            "html",
            beginning().body("data: <html>sk-test-key</html>\n\n"),
            json!("upstream_truncated"),
        ),
        ("broken JSON", beginning().body("data: {\"a\n\n"), json!("upstream_invalid")),
        (
            "reported",
            beginning().body(event(json!({"error": {"code": "overloaded", "message": "later"}}))),
            json!("overloaded"),
        ),
        (
            "with the key",
            beginning().body(event(json!({"error": {"message": "bad key sk-test-key"}}))),
            Value::Null,
        ),
        (
            "with a status",
            beginning().body(event(json!({"error": {"message": "later", "status_code": 429}}))),
            json!("429"),
        ),
    ] {
        let written = body(open(exchange, 1).await.unwrap()).await;
        let (_, last) = written.split_once("\n\n").unwrap();
        let error: Value = serde_json::from_str(last.strip_prefix("data: ").unwrap()).unwrap();
        let error = &error["error"];
        assert_eq!(error["code"], wanted, "{name}: {last}");
        assert!(error["message"].as_str().is_some_and(|text| !text.is_empty()), "{name}: {last}");
        for secret in ["[DONE]", "sk-test-key", "10.0.0.7", "html"] {
            assert!(!last.contains(secret), "{name}: {last}");
        }
    }
}

#[tokio::test]
async fn an_error_that_was_returned_before_is_an_event_all_the_same() {
    let mut stream = open(events(event(chunk("hel"))), 1).await.unwrap();
    stream.try_next().await.unwrap();
    stream.try_next().await.unwrap_err();
    let written = body(stream).await;
    assert!(written.starts_with("data: {\"error\""), "{written}");
    assert!(!written.contains("[DONE]"), "{written}");
}

#[tokio::test]
async fn the_caller_can_report_errors_in_other_words() {
    let stream = open(events(event(chunk("hel"))), 1).await.unwrap();
    let mut relay = relay(stream).on_error(|error| {
        assert_eq!(error.kind(), ErrorKind::Truncated);
        assert_eq!(error.partial().unwrap().text(), "hel");
        let mut reported = ApiError::default();
        reported.message = "line\nbreak".to_owned();
        reported
    });
    next_frame(&mut relay).await.unwrap();
    let last = next_frame(&mut relay).await.unwrap();
    assert_eq!(last, "data: {\"error\":{\"message\":\"line\\nbreak\"}}\n\n");
}

#[test]
fn a_comment_is_written_after_each_silence_and_only_then() {
    let stream = || {
        events(event(chunk("a")))
            .pause(10 * SECOND)
            .body(event(chunk("b")))
            .pause(40 * SECOND)
            .body(event(last_chunk()))
    };
    for (name, interval, wanted) in [
        ("default", None, "a b : : ."),
        ("5 s", Some(Some(5 * SECOND)), "a : b : : : : : : : ."),
        ("none", Some(None), "a b ."),
    ] {
        let (_, timer, builder) = scripted([stream()]);
        let client = builder.build().unwrap();
        let written = timer.run(async {
            let mut relay = relay(client.chat().stream(request()).await.unwrap());
            if let Some(interval) = interval {
                relay = relay.keep_alive(interval);
            }
            let mut written = Vec::new();
            while let Some(frame) = next_frame(&mut relay).await {
                written.push(match &*frame {
                    ": keep-alive\n\n" => ":".to_owned(),
                    "data: [DONE]\n\n" => ".".to_owned(),
                    data => {
                        let data = data.strip_prefix("data: ").unwrap().as_bytes();
                        ChatCompletionChunk::from_slice(data).unwrap().text().into_owned()
                    }
                });
            }
            written.retain(|frame| !frame.is_empty());
            written.join(" ")
        });
        assert_eq!(written, wanted, "{name}");
    }
}

#[test]
fn keep_alives_go_by_a_timer_of_the_caller_too() {
    let stream = ManualTimer::new().run(open(events(event(chunk("a"))).stall(), 1)).unwrap();
    let timer = ManualTimer::new();
    let mut relay = relay(stream).timer(timer.clone()).keep_alive(SECOND);
    timer.run(async {
        next_frame(&mut relay).await.unwrap();
        for _ in 0..3 {
            assert_eq!(next_frame(&mut relay).await.unwrap(), ": keep-alive\n\n");
        }
    });
    assert_eq!(timer.elapsed(), 3 * SECOND);
}

/// A body that counts how often it was asked.
struct Counted(Arc<AtomicUsize>);

impl http_body::Body for Counted {
    type Data = Bytes;
    type Error = TransportError;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, TransportError>>> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Poll::Ready(Some(Ok(Frame::data(Bytes::from(event(chunk("a")))))))
    }
}

#[tokio::test]
async fn the_server_is_read_no_faster_than_the_body() {
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    let client = Client::builder().api_key("any").server_url("http://localhost:1").transport(
        transport_fn(move |_| {
            let body = Body::streamed(Counted(Arc::clone(&counter)));
            let response = http::Response::builder().header("content-type", "text/event-stream");
            std::future::ready(Ok(response.body(body).unwrap()))
        }),
    );
    let client = client.timer(ManualTimer::new()).build().unwrap();
    let mut relay = relay(client.chat().stream(request()).await.unwrap());
    assert_eq!(asked.load(Ordering::Relaxed), 0);
    for frames in 1..10 {
        next_frame(&mut relay).await.unwrap();
        assert_eq!(asked.load(Ordering::Relaxed), frames);
    }
}

#[tokio::test]
async fn dropping_the_body_drops_the_stream_and_so_does_its_end() {
    let (transport, _, builder) = scripted([
        events(event(chunk("a"))).stall(),
        events(hello_stream()),
        events(event(chunk("a"))),
    ]);
    let client = builder.build().unwrap();
    let mut relays = Vec::new();
    for _ in 0..3 {
        let mut relay = relay(client.chat().stream(request()).await.unwrap());
        next_frame(&mut relay).await.unwrap();
        relays.push(relay);
    }
    assert_eq!(transport.live_bodies(), 3);
    drop(relays.remove(0));
    assert_eq!(transport.live_bodies(), 2);
    for (relay, left) in relays.iter_mut().zip([1, 0]) {
        assert_eq!(http_body::Body::size_hint(relay).exact(), None);
        while next_frame(relay).await.is_some() {}
        assert_eq!(transport.live_bodies(), left);
        assert_eq!(http_body::Body::size_hint(relay).exact(), Some(0));
    }
}

#[tokio::test]
async fn completions_are_relayed_as_well_with_the_headers_of_a_stream() {
    let data = json!({
        "id": "c", "object": "text_completion", "created": 1, "model": "m",
        "choices": [{"index": 0, "text": "hi", "logprobs": null, "finish_reason": "stop"}],
    });
    let (_, _, builder) = scripted([events(event(&data))]);
    let client = builder.build().unwrap();
    let request = atoma::CompletionRequest::new("m", "say hi");
    let response = relay(client.completions().stream(request).await.unwrap()).into_http();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    assert_eq!(response.headers()["cache-control"], "no-cache");
    let mut relay = response.into_body();
    let written = next_frame(&mut relay).await.unwrap();
    let read: Value = serde_json::from_str(written.strip_prefix("data: ").unwrap()).unwrap();
    assert_eq!(read["choices"][0]["text"], "hi");
    assert_eq!(next_frame(&mut relay).await.unwrap(), "data: [DONE]\n\n");
}

fn is_send<T: Send + Unpin + 'static>(_: &T) {}

#[tokio::test]
async fn a_relay_can_be_the_body_of_any_server() {
    let relay: Relay<ChatModel> = relay(open(events(hello_stream()), 1).await.unwrap());
    is_send(&relay);
    assert!(format!("{relay:?}").starts_with("Relay"));
}
