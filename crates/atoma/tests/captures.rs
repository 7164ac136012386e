//! Recordings of real servers, served byte for byte: complete they are read correctly, cut anywhere
//! they are never reported as complete.

mod support;

use serde_json::Value;
use std::{fs, path::Path};
use support::{
    Read, client, read, request,
    server::{Script, Server, Step, end, framed, send},
};

const SAID: &str = "Hello, from a tiny model! 🙂 café says 日本 Done.";

/// A recording: the bytes on the wire, and the part of them that is the response.
struct Recording {
    head: Vec<u8>,
    /// The bytes, with HTTP's framing where the recording kept it.
    body: Vec<u8>,
    framing: Framing,
}

#[derive(Clone, Copy, PartialEq)]
enum Framing {
    /// The head has a length.
    Length,
    /// The head announces chunks, but the recording has the decoded body.
    TakenOff,
    /// The recording has the chunks.
    Kept,
}

impl Recording {
    fn load(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/captures");
        let bytes = fs::read(folder.join(format!("{name}.http"))).unwrap();
        let split = bytes.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
        let head = bytes[..split].to_vec();
        let is_chunked = String::from_utf8_lossy(&head).to_lowercase().contains("chunked");
        let framing = match (is_chunked, name.ends_with("-raw")) {
            (false, _) => Framing::Length,
            (true, false) => Framing::TakenOff,
            (true, true) => Framing::Kept,
        };
        Self { head, body: bytes[split..].to_vec(), framing }
    }

    fn whole(&self) -> Script {
        match self.framing {
            Framing::TakenOff => self.cut(self.body.len(), true),
            Framing::Length | Framing::Kept => self.cut(self.body.len(), false),
        }
    }

    /// Serves the first `length` bytes of the body; then closes the connection, or ends the body
    /// properly first.
    fn cut(&self, length: usize, properly: bool) -> Script {
        let mut script = vec![send(self.head.clone())];
        let body = &self.body[..length];
        match self.framing {
            Framing::TakenOff if length > 0 => script.push(framed(body)),
            Framing::TakenOff => {}
            Framing::Length | Framing::Kept => script.push(send(body.to_vec())),
        }
        script.push(if properly { end() } else { Step::Close });
        script
    }

    /// The part of the response in the first `length` bytes of the body.
    fn payload(&self, length: usize) -> String {
        let body = &self.body[..length];
        let payload = match self.framing {
            Framing::Kept => unframed(body),
            Framing::Length | Framing::TakenOff => body.to_vec(),
        };
        String::from_utf8_lossy(&payload).into_owned()
    }

    /// Each boundary of an event, and each 97th byte.
    fn cuts(&self) -> Vec<usize> {
        let mut cuts: Vec<_> = (0..self.body.len()).step_by(97).collect();
        for at in 1..self.body.len() {
            if self.body[at - 1] == b'\n' {
                cuts.extend([at - 1, at]);
            }
        }
        cuts.sort_unstable();
        cuts.dedup();
        cuts
    }
}

/// Decodes chunked framing, even if it ends early.
fn unframed(mut rest: &[u8]) -> Vec<u8> {
    let mut payload = Vec::new();
    while let Some(end) = rest.windows(2).position(|two| two == b"\r\n") {
        let size = std::str::from_utf8(&rest[..end]).unwrap();
        let size = usize::from_str_radix(size, 16).unwrap();
        rest = &rest[end + 2..];
        payload.extend_from_slice(&rest[..size.min(rest.len())]);
        rest = rest.get(size + 2..).unwrap_or_default();
    }
    payload
}

/// The content that the simplest reader finds in the complete events.
#[derive(Debug, Default, PartialEq)]
struct Known {
    text: String,
    calls: usize,
    chunks: usize,
    is_complete: bool,
}

impl Known {
    /// `ended` if the body ended properly, after which an event needs no blank line.
    fn of(payload: &str, ended: bool) -> Self {
        let mut known = Self::default();
        let mut blocks: Vec<_> = payload.split("\n\n").collect();
        let last = blocks.pop().unwrap_or_default();
        let is_json = |data: &str| serde_json::from_str::<serde::de::IgnoredAny>(data).is_ok();
        let is_whole = |data: &str| is_json(data) || data == "[DONE]";
        let cut_off = last.strip_prefix("data: ").unwrap_or_default().trim();
        let mut is_lost = !"[DONE]".starts_with(cut_off);
        if ended && is_whole(cut_off) {
            blocks.push(last.trim());
            is_lost = false;
        }
        for data in blocks.iter().filter_map(|block| block.strip_prefix("data: ")) {
            known.event(data);
        }
        // `[DONE]` makes it complete, and so does a finish reason if nothing after it was lost.
        known.is_complete &= !is_lost || blocks.contains(&"data: [DONE]");
        known
    }

    fn event(&mut self, data: &str) {
        if data == "[DONE]" {
            self.is_complete = true;
            return;
        }
        self.chunks += 1;
        // Half a surrogate pair, which occurs in the arguments of a call that has begun.
        let Ok(chunk) = serde_json::from_str::<Value>(data) else { return };
        let choice = &chunk["choices"][0];
        self.text += choice["delta"]["content"].as_str().unwrap_or_default();
        self.is_complete |= choice["finish_reason"].is_string();
        let calls = choice["delta"]["tool_calls"].as_array();
        self.calls += calls.into_iter().flatten().filter(|call| call["id"].is_string()).count();
    }
}

async fn stream(script: Script) -> Read {
    let server = Server::start([script]).await;
    let read = read(client(server.url()).chat().stream(request()).await).await;
    assert_eq!(server.log().requests().len(), 1);
    read
}

type Expected =
    (&'static str, &'static str, &'static str, Option<[u64; 3]>, &'static [&'static str]);

/// Name, text, finish reason, usage, tools.
const STREAMS: [Expected; 10] = [
    (
        "aimock-two-tools-stream",
        "Looking.",
        "tool_calls",
        Some([3, 17, 20]),
        &["get_weather", "get_weather"],
    ),
    ("litellm-stream-usage", SAID, "stop", Some([16, 14, 30]), &[]),
    ("llamacpp-stream-ping", "Hello, from a tiny", "length", None, &[]),
    ("llamacpp-stream-raw", SAID, "stop", None, &[]),
    ("llamacpp-stream-reasoning", "", "stop", None, &[]),
    ("llamacpp-stream-tools-required", SAID, "tool_calls", None, &["get_weather"]),
    ("transformers-stream", SAID, "stop", Some([44, 20, 64]), &[]),
    ("vllm-stream-logprobs", "Hello, from a tiny model! ", "length", None, &[]),
    ("vllm-stream-usage", SAID, "stop", Some([44, 20, 64]), &[]),
    ("vllm-stream", SAID, "stop", None, &[]),
];

#[tokio::test]
async fn complete_streams_are_read_correctly() {
    for (name, text, finish, usage, tools) in STREAMS {
        let read = stream(Recording::load(name).whole()).await;
        assert!(read.error.is_none(), "{name}: {:?}", read.error);
        let response = read.response.unwrap();
        if name == "llamacpp-stream-reasoning" {
            let reasoning = response.message().unwrap().reasoning().unwrap();
            assert!(reasoning.starts_with("Let me think"), "{reasoning}");
        } else {
            assert_eq!(response.text(), text, "{name}");
            assert_eq!(read.text, text, "{name}");
        }
        assert_eq!(response.finish_reason().unwrap().as_str(), finish, "{name}");
        let found = response
            .usage()
            .map(|usage| [usage.prompt_tokens, usage.completion_tokens, usage.total_tokens]);
        assert_eq!(found, usage, "{name}");
        let calls: Vec<_> = response.tool_calls().iter().map(|call| &*call.function.name).collect();
        assert_eq!(calls, tools, "{name}");
        assert!(response.tool_calls().iter().all(|call| call.arguments_json().is_ok()), "{name}");
    }
}

#[tokio::test]
async fn arguments_cut_between_surrogates_come_together() {
    let read = stream(Recording::load("aimock-two-tools-stream").whole()).await;
    let response = read.response.unwrap();
    let arguments: Vec<_> =
        response.tool_calls().iter().map(|call| &*call.function.arguments).collect();
    assert_eq!(arguments, [r#"{"city":"Oslo"}"#, r#"{"city":"café 日本 🙂"}"#]);
}

/// A stream that is cut is complete if its finish reason arrived and no event was cut off after it.
/// Otherwise it is an error with exactly the content that arrived.
async fn cut_streams(names: &[&str]) {
    for name in names {
        let recording = Recording::load(name);
        for length in recording.cuts() {
            for properly in [false, true] {
                if properly && recording.framing == Framing::Kept {
                    continue;
                }
                let known = Known::of(&recording.payload(length), properly);
                let read = stream(recording.cut(length, properly)).await;
                let place = format!("{name} at {length}, ended properly: {properly}");
                assert_eq!(read.error.is_none(), known.is_complete, "{place}: {:?}", read.error);
                assert_eq!(read.chunks, known.chunks, "{place}");
                assert_eq!(read.text, known.text, "{place}");
                assert_eq!(read.response.is_some(), known.chunks > 0, "{place}");
                let response = read.response.unwrap_or_default();
                assert_eq!(response.text(), known.text, "{place}");
                assert_eq!(response.tool_calls().len(), known.calls, "{place}");
                if let Some(error) = read.error {
                    assert!(error.is_truncated() && error.is_retryable(), "{place}: {error:?}");
                }
            }
        }
    }
}

#[tokio::test]
async fn cut_streams_of_text() {
    cut_streams(&["litellm-stream-usage", "llamacpp-stream-raw", "transformers-stream"]).await;
}

#[tokio::test]
async fn cut_streams_with_comments_and_probabilities() {
    cut_streams(&["llamacpp-stream-ping", "vllm-stream", "vllm-stream-logprobs"]).await;
}

#[tokio::test]
async fn cut_streams_of_tool_calls_and_reasoning() {
    cut_streams(&["aimock-two-tools-stream", "llamacpp-stream-tools-required"]).await;
    cut_streams(&["llamacpp-stream-reasoning", "vllm-stream-usage"]).await;
}

#[tokio::test]
async fn bodies_are_read_completely_or_not_at_all() {
    for name in ["llamacpp-nonstream", "vllm-nonstream", "vllm-tools-required"] {
        let recording = Recording::load(name);
        let server = Server::start([recording.whole()]).await;
        let reply = client(server.url()).chat().create(request()).await.unwrap();
        if name == "vllm-tools-required" {
            let [call] = reply.tool_calls() else { panic!("{name}: not one call") };
            let call = &call.function;
            assert_eq!((&*call.name, &*call.arguments), ("get_weather", "false"));
        } else {
            assert_eq!(reply.text(), SAID);
            assert_eq!(reply.usage().unwrap().total_tokens, 64);
        }
        assert_eq!(reply.raw(), &recording.body);

        for length in (0..recording.body.len()).step_by(97) {
            let server = Server::start([recording.cut(length, false)]).await;
            let error = client(server.url()).chat().create(request()).await.unwrap_err();
            assert!(error.is_truncated(), "{name} at {length}: {error:?}");
            let read = stream(recording.cut(length, false)).await;
            assert!(read.error.unwrap().is_truncated() && read.chunks == 0, "{name} at {length}");
        }
    }
}

#[tokio::test]
async fn api_errors_have_the_servers_message() {
    let cases = [
        ("aimock-limit-always", 429, Some("rate_limit_exceeded"), "Rate limited"),
        ("litellm-mock-ratelimit", 429, Some("429"), "litellm.RateLimitError: this is a mock"),
        ("llamacpp-err-key", 401, Some("401"), "Invalid API Key"),
        ("transformers-err-json", 422, None, "body.28: JSON decode error"),
        ("vllm-err-range", 400, Some("400"), "temperature must be non-negative, got -3.0."),
    ];
    for (name, status, code, message) in cases {
        let recording = Recording::load(name);
        let server = Server::start([recording.whole()]).await;
        let error = client(server.url()).chat().create(request()).await.unwrap_err();
        assert_eq!(error.status().unwrap(), status, "{name}");
        let api = error.api_error().unwrap();
        assert_eq!(api.code.as_deref(), code, "{name}");
        assert!(api.message.starts_with(message), "{name}: {}", api.message);
        assert_eq!(error.retry_after().is_some(), name == "aimock-limit-always", "{name}");
        assert_eq!(error.request_id().is_some(), name.starts_with(['a', 't']), "{name}");

        for length in (0..recording.body.len()).step_by(7) {
            let read = stream(recording.cut(length, false)).await;
            let error = read.error.unwrap();
            assert!(error.is_api_error(), "{name} at {length}: {error:?}");
            assert_eq!(error.status().unwrap(), status, "{name} at {length}");
        }
    }
}

#[tokio::test]
async fn an_incomplete_head_is_an_error() {
    let recording = Recording::load("llamacpp-stream-raw");
    for length in 0..recording.head.len() {
        let script = vec![send(recording.head[..length].to_vec()), Step::Close];
        let error = stream(script).await.error.unwrap();
        assert!(error.transport().is_some() && error.partial().is_none(), "at {length}: {error:?}");
        assert!(error.may_have_been_processed(), "at {length}: {error:?}");
    }
}
