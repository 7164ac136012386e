//! Shared code of the tests with recorded streams: splits events in the simplest way, and joins
//! them into the response.

#![allow(dead_code, reason = "each test uses a part of it")]

use atoma_types::{
    ApiError, ChatCompletionChunk, ChatCompletionResponse, ChatModel, ResponseModel, Seen,
    StreamModel,
};
use serde_json::{Value, json};

/// The result of reading a stream or a body.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) response: ChatCompletionResponse,
    pub(crate) error: Option<ApiError>,
    /// The stream ended too early.
    pub(crate) truncated: bool,
    /// The body or an event is not a completion, or is unreadable.
    pub(crate) unreadable: bool,
    /// The text of the chunks, joined.
    pub(crate) text: String,
}

/// Reads a recorded stream of one choice: every value of each event that has data, up to an error or `[DONE]`.
pub(crate) fn read_stream(raw: &str) -> Outcome {
    read_choices(raw, 1)
}

/// Reads a recorded stream of `n` choices.
pub(crate) fn read_choices(raw: &str, n: u32) -> Outcome {
    let mut model = ChatModel::default();
    model.expect_choices(n);
    let mut outcome = Outcome::default();
    let mut done = false;
    'events: for (kind, data) in split(raw) {
        let mut data = data.as_str();
        while !data.is_empty() {
            if data.eq_ignore_ascii_case("[DONE]") {
                done = true;
                break 'events;
            }
            match model.read(&kind, &mut data) {
                Ok(Seen::Chunk) => {
                    check_laws(model.chunk());
                    outcome.text.push_str(&model.chunk().text());
                }
                Ok(Seen::Error(error)) => {
                    outcome.error = Some(*error);
                    break 'events;
                }
                Ok(_) => {}
                Err(_) => {
                    outcome.unreadable = true;
                    break 'events;
                }
            }
        }
    }
    let progress = model.progress();
    if outcome.error.is_none() && !outcome.unreadable && !progress.is_complete(done) {
        outcome.unreadable = done;
        outcome.truncated = !done;
    }
    outcome.response = model.into_response();
    outcome
}

/// Reads a recorded body of a response that was not streamed.
pub(crate) fn read_body(raw: &str) -> Outcome {
    let Ok(response) = <ChatCompletionResponse as ResponseModel>::from_slice(raw.as_bytes()) else {
        return Outcome { unreadable: true, ..Outcome::default() };
    };
    let error = response.error().cloned();
    let unreadable = error.is_none() && !response.has_content();
    let text = response.text().into_owned();
    Outcome { response, error, truncated: false, unreadable, text }
}

/// The law of every chunk: written and read again, it is the same.
fn check_laws(chunk: &ChatCompletionChunk) {
    let written = serde_json::to_vec(chunk).expect("every chunk can be written");
    assert_eq!(&ChatCompletionChunk::from_slice(&written).expect("the written text"), chunk);
}

fn split(raw: &str) -> Vec<(String, String)> {
    let mut events = Vec::new();
    for block in raw.replace("\r\n", "\n").split("\n\n") {
        let mut kind = String::new();
        let mut data = Vec::new();
        for line in block.lines() {
            if let Some(value) = line.strip_prefix("data:") {
                let value = value.trim_start();
                if !value.starts_with(':') {
                    data.push(value);
                }
            } else if let Some(value) = line.strip_prefix("event:") {
                kind = value.trim().to_owned();
            } else if let Some(value) = line.strip_prefix("error:") {
                kind = "error".to_owned();
                data.push(value.trim());
            }
        }
        if !data.is_empty() {
            events.push((kind, data.join("\n")));
        }
    }
    events
}

/// A stream of these events.
pub(crate) fn events(events: &[Value]) -> String {
    events.iter().map(|event| format!("data: {event}\n\n")).collect()
}

/// A stream of one choice with these choices, one for each chunk.
pub(crate) fn choices(choices: &[Value]) -> Outcome {
    let chunks: Vec<_> =
        choices.iter().map(|choice| json!({"id": "c", "choices": [choice]})).collect();
    read_stream(&events(&chunks))
}

/// A stream of one choice with these deltas, finished for this reason.
pub(crate) fn deltas(deltas: &[Value], reason: &str) -> Outcome {
    let mut all: Vec<_> = deltas.iter().map(|delta| json!({"index": 0, "delta": delta})).collect();
    all.push(json!({"index": 0, "delta": {}, "finish_reason": reason}));
    choices(&all)
}
