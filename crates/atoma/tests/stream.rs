//! Streams over real connections: when chunks arrive, the effect of a drop, and which connections
//! are reused.

mod support;

use atoma::{Client, transport::testing::ManualTimer};
use futures::{FutureExt, Stream, StreamExt};
use serde_json::json;
use std::{pin::Pin, time::Duration};
use support::{
    chunk, client, event, hello_stream, last_chunk, read, request,
    server::{Script, Server, Step, end, events, framed, head, stream_head, whole},
};

/// A client whose clock is paused until the test moves it.
fn timed(server: &Server, timer: &ManualTimer) -> Client {
    support::builder(server.url()).timer(timer.clone()).build().unwrap()
}

#[tokio::test]
async fn chunks_arrive_as_they_are_sent() {
    let server = Server::start([vec![
        Step::Gate,
        stream_head(),
        Step::Gate,
        framed(event(chunk("he"))),
        Step::Gate,
        framed(event(chunk("llo"))),
        framed(event(last_chunk())),
        Step::Gate,
        end(),
    ]])
    .await;
    let client = client(server.url());
    let mut call = client.chat().stream(request());
    assert!((&mut call).now_or_never().is_none());
    server.open_gate();
    let mut stream = call.await.unwrap();

    for text in ["he", "llo"] {
        assert!(stream.next().now_or_never().is_none(), "nothing is there before it is sent");
        server.open_gate();
        assert_eq!(stream.try_next().await.unwrap().unwrap().text(), text);
    }
    let last = stream.try_next().await.unwrap().unwrap();
    assert_eq!(last.finish_reason().unwrap().as_str(), "stop");
    assert!(stream.next().now_or_never().is_none());
    server.open_gate();
    assert!(stream.next().await.is_none());
}

#[tokio::test]
async fn an_event_is_returned_with_its_last_byte() {
    let data = event(chunk("he"));
    let (all_but_last, last) = data.split_at(data.len() - 1);
    let script = vec![stream_head(), framed(all_but_last), Step::Gate, framed(last), Step::Stall];
    let server = Server::start([script]).await;
    let mut stream = client(server.url()).chat().stream(request()).await.unwrap();
    assert!(stream.next().now_or_never().is_none());
    server.open_gate();
    assert_eq!(stream.next().await.unwrap().unwrap().text(), "he");
}

#[tokio::test]
async fn a_pending_read_may_be_dropped() {
    let script = vec![
        stream_head(),
        framed("data: {\"choices\":[{\"delta\":"),
        Step::Gate,
        framed("{\"content\":\"he\"}}]}\n\n"),
        framed(event(last_chunk())),
        end(),
    ];
    let server = Server::start([script]).await;
    let mut stream = client(server.url()).chat().stream(request()).await.unwrap();
    for _ in 0..100 {
        assert!(stream.try_next().now_or_never().is_none());
        tokio::task::yield_now().await;
    }
    server.open_gate();
    let read = read(Ok(stream)).await;
    assert_eq!((read.text.as_str(), read.chunks), ("he", 2));
    assert!(read.error.is_none());
}

#[tokio::test]
async fn done_is_not_needed_and_is_not_a_chunk() {
    for (name, pieces, chunks) in [
        ("without", vec![event(chunk("hello")), event(last_chunk())], 2),
        ("with", vec![event(chunk("hello")), event(last_chunk()), event("[DONE]")], 2),
        ("in place of a finish", vec![event(chunk("hello")), event("[DONE]")], 1),
    ] {
        let server = Server::start([events(pieces)]).await;
        let read = read(client(server.url()).chat().stream(request()).await).await;
        assert!(read.error.is_none(), "{name}: {:?}", read.error);
        assert_eq!((read.text.as_str(), read.chunks), ("hello", chunks), "{name}");
    }
}

#[tokio::test]
async fn a_truncated_stream_keeps_its_content() {
    let call = json!({"choices": [{"index": 0, "delta": {
        "reasoning": "hm",
        "tool_calls": [{"index": 0, "id": "x", "function": {"name": "f", "arguments": "{\"a\""}}],
    }}]});
    let usage = json!({"choices": [], "usage": {"prompt_tokens": 5}});
    let pieces = [chunk("he"), call, usage].map(event);
    let mut broken: Script = vec![stream_head()];
    broken.extend(pieces.iter().map(framed));
    broken.push(Step::Close);
    for script in [events(pieces), broken] {
        let server = Server::start([script]).await;
        let read = read(client(server.url()).chat().stream(request()).await).await;
        let error = read.error.unwrap();
        assert!(error.is_truncated() && error.is_retryable() && error.may_have_been_processed());
        assert_eq!(error.status().unwrap(), 200);
        let partial = error.into_partial().unwrap();
        assert_eq!(partial.text(), "he");
        assert_eq!(partial.message().unwrap().reasoning().unwrap(), "hm");
        assert_eq!(partial.tool_calls()[0].function.arguments, "{\"a\"");
        assert_eq!(partial.usage().unwrap().prompt_tokens, 5);
        assert!(partial.finish_reason().is_none());
    }
}

#[tokio::test]
async fn the_partial_response_is_in_the_error_and_in_the_stream() {
    let server = Server::start([events([event(chunk("he"))])]).await;
    let mut stream = client(server.url()).chat().stream(request()).await.unwrap();
    assert_eq!(stream.try_next().await.unwrap().unwrap().text(), "he");
    let error = stream.try_next().await.unwrap_err();
    assert!(error.is_truncated() && stream.try_next().await.unwrap_err().is_truncated());
    assert!(stream.next().await.is_none());
    assert_eq!(stream.partial().unwrap().text(), "he");
    assert_eq!(stream.partial(), error.into_partial());
}

/// An error inside the stream has the same predicates as one with an error status.
#[tokio::test]
async fn an_error_event_is_like_an_error_status() {
    for (status, code) in [(429, "429"), (503, "503"), (400, "400"), (401, "401"), (500, "500")] {
        let body = json!({"error": {"message": "m", "code": code, "type": "t"}});
        let inside = Server::start([events([event(chunk("he")), event(&body)])]).await;
        let outside = Server::start([whole(status, "application/json", body.to_string())]).await;
        let inside = read(client(inside.url()).chat().stream(request()).await).await;
        let outside = read(client(outside.url()).chat().stream(request()).await).await;
        assert_eq!(inside.response.unwrap().text(), "he");
        let (inside, outside) = (inside.error.unwrap(), outside.error.unwrap());
        assert_eq!(inside.status(), outside.status(), "{status}");
        assert_eq!(inside.api_error(), outside.api_error(), "{status}");
        assert_eq!(inside.is_retryable(), outside.is_retryable(), "{status}");
        assert!(inside.is_api_error() && outside.is_api_error() && !inside.is_truncated());
    }
}

#[tokio::test]
async fn large_events_pass_and_larger_ones_are_an_error() {
    let fits = "x".repeat(6_000_000);
    let server = Server::start([events([event(chunk(&fits)), event(last_chunk())])]).await;
    let all = read(client(server.url()).chat().stream(request()).await).await;
    assert!(all.error.is_none() && all.text == fits);

    let over = "x".repeat(16 << 20);
    let pieces = [event(chunk("he")), event(chunk(&over)), event(last_chunk())];
    let server = Server::start([events(pieces)]).await;
    let all = read(client(server.url()).chat().stream(request()).await).await;
    let error = all.error.unwrap();
    assert!(error.is_too_large() && !error.is_retryable() && !error.is_truncated(), "{error:?}");
    assert_eq!(error.partial().unwrap().text(), "he");

    let unending = vec![stream_head(), Step::Flood(framed_bytes(&[b'x'; 10_000]))];
    let server = Server::start([unending]).await;
    let limited = support::builder(server.url()).max_event_size(100_000).build().unwrap();
    let error = read(limited.chat().stream(request()).await).await.error.unwrap();
    assert!(error.is_too_large(), "{error:?}");
    assert!(error.to_string().contains("max_event_size"), "{error}");
    server.until(|log| log.hung_up == 1).await;
}

#[tokio::test]
async fn a_unary_response_has_a_limit_too() {
    let body = support::completion(&"x".repeat(2000)).to_string();
    for script in [whole(200, "application/json", &body), events(body.as_bytes().chunks(100))] {
        let server = Server::start([script]).await;
        let limited = support::builder(server.url()).max_response_size(2000).build().unwrap();
        let error = limited.chat().create(request()).await.unwrap_err();
        assert!(error.is_too_large() && !error.is_retryable(), "{error:?}");
        let error = read(limited.chat().stream(request()).await).await.error.unwrap();
        assert!(error.is_too_large(), "{error:?}");
        let roomy = support::builder(server.url()).max_response_size(3000).build().unwrap();
        assert_eq!(roomy.chat().create(request()).await.unwrap().text().len(), 2000);
    }
}

#[tokio::test]
async fn dropping_the_stream_closes_the_connection() {
    let stalled = vec![stream_head(), framed(event(chunk("he"))), Step::Stall];
    let flood = framed_bytes(event(chunk("he")).as_bytes());
    for script in [stalled, vec![stream_head(), Step::Flood(flood)]] {
        let server = Server::start([script]).await;
        let client = client(server.url());
        let mut stream = client.chat().stream(request()).await.unwrap();
        stream.next().await.unwrap().unwrap();
        assert_eq!(server.log().hung_up, 0);
        drop(stream);
        server.until(|log| log.hung_up == 1).await;
    }
}

#[tokio::test]
async fn dropping_the_call_closes_the_connection() {
    let half = vec![stream_head(), framed(" "), Step::Stall];
    for script in [vec![Step::Stall], half] {
        let server = Server::start([script]).await;
        let client = client(server.url());
        let (create, stream) = (client.chat().create(request()), client.chat().stream(request()));
        let mut calls =
            [create.into_future().map(drop).boxed(), stream.into_future().map(drop).boxed()];
        for (number, call) in calls.iter_mut().enumerate() {
            tokio::select! {
                () = server.until(|log| log.requests().len() > number) => {}
                () = call => {}
            }
        }
        drop(calls);
        server.until(|log| log.hung_up == log.accepted).await;
    }
}

/// Serves 101 streams; the gate opens once the response is known to be complete.
async fn sequential_streams(script: Script, gates: usize) {
    let server = Server::start([script]).await;
    let timer = ManualTimer::new();
    let client = timed(&server, &timer);
    for number in 1..=101 {
        let mut stream = client.chat().stream(request()).await.unwrap();
        let mut text = String::new();
        for _ in 0..3 {
            text += &stream.next().await.unwrap().unwrap().text();
        }
        assert_eq!(text, "hello");
        if gates > 0 {
            assert!(stream.next().now_or_never().is_none());
            server.open_gate();
        }
        assert!(stream.next().await.is_none());
        drop(stream);
        let log = server.log();
        assert_eq!((log.requests().len(), log.accepted), (number, 1));
    }
}

#[tokio::test]
async fn one_connection_for_many_streams_with_done() {
    sequential_streams(events([hello_stream()]), 0).await;
}

#[tokio::test]
async fn one_connection_for_many_streams_without_done() {
    let pieces = [chunk("he"), chunk("llo"), last_chunk()].map(event);
    sequential_streams(events(pieces), 0).await;
}

#[tokio::test]
async fn one_connection_although_the_end_is_late() {
    sequential_streams(vec![stream_head(), framed(hello_stream()), Step::Gate, end()], 1).await;
    let undone: String = [chunk("he"), chunk("llo"), last_chunk()].map(event).concat();
    sequential_streams(vec![stream_head(), framed(undone), Step::Gate, end()], 1).await;
}

#[tokio::test]
async fn one_connection_although_something_follows_done() {
    let more = event(r#"{"choices":[],"usage":{}}"#) + &event("[DONE]");
    let script = vec![stream_head(), framed(hello_stream()), framed(more), end()];
    sequential_streams(script, 0).await;
}

/// The response is complete, so its reader does not wait long for a body that never ends.
#[tokio::test]
async fn an_end_that_never_comes_is_not_waited_for() {
    let undone: String = [chunk("he"), chunk("llo"), last_chunk()].map(event).concat();
    for (body, limit) in
        [(hello_stream(), Duration::from_millis(200)), (undone, Duration::from_secs(120))]
    {
        let server = Server::start([vec![stream_head(), framed(body), Step::Stall]]).await;
        let timer = ManualTimer::new();
        let mut stream = timed(&server, &timer).chat().stream(request()).await.unwrap();
        for _ in 0..3 {
            stream.next().await.unwrap().unwrap();
        }
        assert!(stream.next().now_or_never().is_none());
        timer.advance(limit - Duration::from_millis(1));
        assert!(stream.next().now_or_never().is_none());
        timer.advance(Duration::from_millis(1));
        assert!(stream.next().await.is_none());
        server.until(|log| log.hung_up == 1).await;
    }
}

#[tokio::test]
async fn concurrent_streams_do_not_mix() {
    let scripts = (0..20).map(|number| {
        let text = number.to_string();
        let mut script = vec![stream_head(), framed(event(chunk(&text))), Step::Gate];
        script.extend([framed(event(chunk(&text))), framed(event(last_chunk())), end()]);
        script
    });
    let server = Server::start(scripts).await;
    let client = client(server.url());
    let mut streams = Vec::new();
    for number in 0..20 {
        let mut stream = client.chat().stream(request()).await.unwrap();
        assert_eq!(stream.next().await.unwrap().unwrap().text(), number.to_string());
        streams.push(stream);
    }
    (0..20).for_each(|_| server.open_gate());
    for (number, stream) in streams.into_iter().enumerate() {
        assert_eq!(stream.into_response().await.unwrap().text(), number.to_string().repeat(2));
    }
    assert_eq!(server.log().accepted, 20);
}

#[tokio::test]
async fn a_stream_is_a_stream() {
    fn is_stream<T>(_: &T)
    where
        T: Stream<Item = atoma::Result<atoma::ChatCompletionChunk>>
            + futures::stream::FusedStream
            + Unpin
            + Send
            + 'static,
    {
    }
    let server = Server::start([events([hello_stream()])]).await;
    let mut stream = client(server.url()).chat().stream(request()).await.unwrap();
    is_stream(&stream);
    let texts: Vec<_> =
        StreamExt::map(Pin::new(&mut stream), |chunk| chunk.unwrap().text().into_owned())
            .collect()
            .await;
    assert_eq!(texts.concat(), "hello");
    assert!(stream.next().await.is_none());
    assert_eq!(stream.partial().unwrap().text(), "hello");
}

fn framed_bytes(data: &[u8]) -> bytes::Bytes {
    match framed(data) {
        Step::Send(bytes) => bytes,
        _ => unreachable!("framed is a Send"),
    }
}

#[tokio::test]
async fn lent_chunks_equal_owned_chunks() {
    let unlike =
        json!({"id": "x", "choices": [{"index": 0, "delta": {"content": "3"}, "stop_reason": 7}]});
    let pieces: Vec<String> =
        [chunk("1"), chunk("\n"), chunk(""), unlike, chunk("2"), chunk("é\u{1f642}"), last_chunk()]
            .map(event)
            .into();
    let body = pieces.concat();
    for label in ["text/event-stream", "application/octet-stream"] {
        let script = || vec![head(200, label), framed(&body), end()];
        let server = Server::start([script(), script(), script()]).await;
        let client = client(server.url());
        let open = || async { client.chat().stream(request()).await.unwrap() };
        let (mut given, mut lent, mut mixed) = (open().await, open().await, open().await);
        let mut chunks = 0;
        while let Some(chunk) = given.try_next().await.unwrap() {
            assert_eq!(lent.next_ref().await.unwrap(), Some(&chunk));
            let same = if chunks % 2 == 0 {
                mixed.next_ref().await.unwrap().cloned()
            } else {
                mixed.try_next().await.unwrap()
            };
            assert_eq!(same.unwrap(), chunk);
            chunks += 1;
        }
        assert_eq!(chunks, 7);
        assert!(lent.next_ref().await.unwrap().is_none());
        assert!(mixed.next_ref().await.unwrap().is_none());
        let whole = given.into_response().await.unwrap();
        assert_eq!(whole.text(), "1\n32é\u{1f642}");
        assert_eq!(whole, lent.into_response().await.unwrap());
        assert_eq!(whole, mixed.into_response().await.unwrap());
    }
}

#[tokio::test]
async fn a_lent_chunk_is_followed_by_the_error_that_ends_the_stream() {
    let server = Server::start([events([event(chunk("he"))])]).await;
    let mut stream = client(server.url()).chat().stream(request()).await.unwrap();
    assert_eq!(stream.next_ref().await.unwrap().unwrap().text(), "he");
    let error = stream.next_ref().await.unwrap_err();
    assert!(error.is_truncated());
    assert_eq!(error.partial().unwrap().text(), "he");
    assert!(stream.next_ref().await.unwrap_err().is_truncated());
}
