//! Reads a stream in two ways, and records the times of its events.

use atoma::{
    ChatCompletionMessage, ChatCompletionRequest, Client, Error, StreamStats,
    transport::{HyperTransport, Transport},
};
use http_body::Body;
use std::{
    future::poll_fn,
    pin::Pin,
    time::{Duration, Instant},
};

/// One server, as this client and as the bytes alone show it.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) ours: Pulse,
    pub(crate) bytes: Pulse,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Pulse {
    /// When something came, since the start.
    pub(crate) beats: Vec<Duration>,
    pub(crate) end: Option<Duration>,
    pub(crate) verdict: Verdict,
    pub(crate) words: String,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Verdict {
    #[default]
    Running,
    Good,
    Bad,
}

impl Row {
    pub(crate) fn new(name: &'static str) -> Self {
        let reading = |words: &str| Pulse { words: words.to_owned(), ..Pulse::default() };
        Self { name, ours: reading("…"), bytes: reading("200, more to come") }
    }
}

/// Reads the stream with this client.
pub(crate) async fn stream(
    client: Client,
    note: impl Fn(&dyn Fn(&mut Pulse)) + Send + Sync,
    started: Instant,
) -> atoma::Result<()> {
    let mut stream = client.chat().stream(request()).await?;
    let outcome = loop {
        match stream.try_next().await {
            Ok(Some(_)) => note(&|pulse| pulse.beats.push(started.elapsed())),
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    let times = times(&stream.stats());
    note(&|pulse| {
        pulse.end = Some(started.elapsed());
        pulse.verdict = if outcome.is_ok() { Verdict::Good } else { Verdict::Bad };
        let verdict = outcome.as_ref().map_or_else(describe, |()| "complete".to_owned());
        pulse.words = format!("{verdict}; {times}");
    });
    Ok(())
}

fn describe(error: &Error) -> String {
    let what = match error.api_error() {
        Some(api) => format!("failed: {}", api.message),
        None if error.is_timeout() => "stalled".to_owned(),
        None if error.is_truncated() => "truncated".to_owned(),
        None => error.kind().to_string(),
    };
    let text = error.partial().map(|partial| partial.text().into_owned()).unwrap_or_default();
    format!("{what}, {} words kept", text.split_whitespace().count())
}

fn times(stats: &StreamStats) -> String {
    let first = stats.first_token().unwrap_or_default().as_millis();
    let rate = stats.chunks_per_second().unwrap_or_default();
    format!("first token {first} ms, {rate:.0}/s")
}

/// Reads the same response as a program does that looks at the status and at the end of the body.
pub(crate) async fn bytes(
    url: String,
    note: impl Fn(&dyn Fn(&mut Pulse)) + Send + Sync,
    started: Instant,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let body = serde_json::to_vec(&request().stream(true))?;
    let request = http::Request::post(format!("{url}/v1/chat/completions"))
        .header("authorization", "Bearer any")
        .header("content-type", "application/json")
        .body(body.into())?;
    let mut body = HyperTransport::builder().build()?.send(request).await?.into_body();
    let end = |verdict, words: &str| {
        note(&|pulse| {
            pulse.end = Some(started.elapsed());
            (pulse.verdict, pulse.words) = (verdict, words.to_owned());
        });
    };
    loop {
        match poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
            Some(Ok(_)) => note(&|pulse| pulse.beats.push(started.elapsed())),
            Some(Err(_)) => end(Verdict::Bad, "200, connection lost"),
            None => end(Verdict::Good, "200, body ended as it should"),
        }
        if body.is_end_stream() {
            return Ok(());
        }
    }
}

fn request() -> ChatCompletionRequest {
    ChatCompletionRequest::new("any", [ChatCompletionMessage::user("What does a pulse say?")])
}
