//! Shared test code: a server on loopback that plays scripts of bytes and gates, and clients for
//! it.

#![allow(dead_code, reason = "each test uses a part of it")]

pub(crate) mod scripted;
pub(crate) mod server;

use atoma::{
    ChatCompletionMessage, ChatCompletionRequest, ChatCompletionResponse, ChatEvent, Client,
    ClientBuilder, RetryConfig,
    transport::{HyperTransport, Proxy},
};
use serde_json::{Value, json};

/// A client of `url`, whatever proxies the environment names.
pub(crate) fn builder(url: impl Into<String>) -> ClientBuilder {
    let transport = HyperTransport::builder().proxy(Proxy::none()).build().unwrap();
    Client::builder().api_key("sk-test").server_url(url).transport(transport)
}

/// A client that sends each request once.
pub(crate) fn client(url: impl Into<String>) -> Client {
    builder(url).retries(RetryConfig::none()).build().unwrap()
}

pub(crate) fn request() -> ChatCompletionRequest {
    ChatCompletionRequest::new("m", [ChatCompletionMessage::user("Hello!")])
}

/// A chunk of choice 0 with this text.
pub(crate) fn chunk(text: &str) -> Value {
    json!({
        "id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m",
        "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": null}],
    })
}

/// The chunk that finishes choice 0.
pub(crate) fn last_chunk() -> Value {
    json!({
        "id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m",
        "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}],
    })
}

/// A complete unary response.
pub(crate) fn completion(text: &str) -> Value {
    json!({
        "id": "c1", "object": "chat.completion", "created": 1, "model": "m",
        "choices": [{
            "index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop",
        }],
    })
}

/// One event of a stream.
pub(crate) fn event(data: impl std::fmt::Display) -> String {
    format!("data: {data}\n\n")
}

/// The stream of a response with the content "hello", complete, with `[DONE]`.
pub(crate) fn hello_stream() -> String {
    [chunk("he"), chunk("llo"), last_chunk(), json!("[DONE]")]
        .iter()
        .map(|data| event(data.as_str().map_or_else(|| data.to_string(), str::to_owned)))
        .collect()
}

/// The result of reading a stream.
#[derive(Debug)]
pub(crate) struct Read {
    /// The text of the chunks, concatenated here.
    pub(crate) text: String,
    pub(crate) chunks: usize,
    /// The response so far, from the stream or its error.
    pub(crate) response: Option<ChatCompletionResponse>,
    pub(crate) error: Option<atoma::Error>,
}

/// Reads a stream to its end, and checks that it stays ended.
pub(crate) async fn read(opened: atoma::Result<atoma::ChatCompletionStream>) -> Read {
    let mut stream = match opened {
        Ok(stream) => stream,
        Err(error) => {
            let response = error.partial().cloned();
            return Read { text: String::new(), chunks: 0, response, error: Some(error) };
        }
    };
    let (mut text, mut chunks, mut error) = (String::new(), 0, None);
    while let Some(item) = stream.next().await {
        assert!(error.is_none(), "something came after the error");
        match item {
            Ok(chunk) => {
                chunks += 1;
                text.push_str(&chunk.text());
            }
            Err(failure) => error = Some(failure),
        }
    }
    assert!(stream.next().await.is_none() && futures::stream::FusedStream::is_terminated(&stream));
    let response = match &error {
        Some(error) => error.partial().cloned(),
        None => stream.partial(),
    };
    Read { text, chunks, response, error }
}

/// The views of a stream that [`read_view`] reads.
pub(crate) const VIEWS: [&str; 4] = ["stream", "events", "text", "into_response"];

/// Reads a stream to its end through one of the [`VIEWS`].
pub(crate) async fn read_view(
    view: &str,
    opened: atoma::Result<atoma::ChatCompletionStream>,
) -> Read {
    let stream = match (view, opened) {
        ("stream", opened) | (_, opened @ Err(_)) => return read(opened).await,
        (_, Ok(stream)) => stream,
    };
    let (mut text, mut chunks, mut error) = (String::new(), 0, None);
    let response = match view {
        "events" => {
            let (mut events, mut done) = (stream.events(), None);
            while let Some(item) = events.next().await {
                assert!(error.is_none(), "an event came after the error");
                chunks += 1;
                match item {
                    Ok(ChatEvent::ContentDelta { choice: 0, delta, .. }) => text.push_str(&delta),
                    Ok(ChatEvent::ContentDone { choice: 0, content, .. }) => done = Some(content),
                    Ok(_) => {}
                    Err(failed) => error = Some(failed),
                }
            }
            let is_done = done.as_deref().unwrap_or_default() == text;
            assert!(is_done || error.is_some(), "{done:?} is not {text:?}");
            events.as_stream().partial()
        }
        "text" => {
            let mut pieces = stream.text();
            while let Some(item) = pieces.next().await {
                assert!(error.is_none(), "text came after the error");
                chunks += 1;
                match item {
                    Ok(piece) => text.push_str(&piece),
                    Err(failed) => error = Some(failed),
                }
            }
            pieces.as_stream().partial()
        }
        _ => match stream.into_response().await {
            Ok(response) => {
                text = response.text().into_owned();
                Some(response)
            }
            Err(failed) => {
                text = failed.partial().map_or("".into(), |partial| partial.text()).into_owned();
                error = Some(failed);
                None
            }
        },
    };
    let response = error.as_ref().map_or(response, |error| error.partial().cloned());
    Read { text, chunks, response, error }
}

/// The error and all its causes, one line each.
pub(crate) fn chain(error: &dyn std::error::Error) -> Vec<String> {
    std::iter::successors(Some(error), |error| error.source()).map(ToString::to_string).collect()
}
