//! What the tests of recorded streams share: events taken off the wire in the plainest way, and what is made of them.

use atoma_types::{
    ApiError, ChatCompletionAccumulator, ChatCompletionChunk, ChatCompletionResponse, ChunkReader,
};

/// What a stream or a body came to.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) response: ChatCompletionResponse,
    pub(crate) error: Option<ApiError>,
    pub(crate) truncated: bool,
}

/// Reads a recorded stream: one chunk for each event that has data, up to an error or `[DONE]`.
pub(crate) fn read_stream(raw: &str) -> Outcome {
    let mut reader = ChunkReader::new();
    let mut answer = ChatCompletionAccumulator::new();
    let mut done = false;
    let mut error = None;
    for (kind, data) in events(raw) {
        if data == "[DONE]" {
            done = true;
            break;
        }
        if kind == "error" {
            error = ApiError::from_body(data.as_bytes());
            break;
        }
        let chunk = reader.read(data.as_bytes()).expect("a chunk");
        check_laws(&chunk);
        answer.push(&chunk);
        if let Some(told) = chunk.error() {
            error = Some(told.clone());
            break;
        }
    }
    let truncated = error.is_none() && !done && !answer.all_finished();
    Outcome { response: answer.into_response(), error, truncated }
}

/// Reads a recorded body of an answer that was not streamed.
pub(crate) fn read_body(raw: &str) -> Outcome {
    let response = ChatCompletionResponse::from_slice(raw.as_bytes()).expect("a response");
    let error = response.error().cloned();
    Outcome { response, error, truncated: false }
}

/// What holds for every chunk: written and read again, it is the same.
fn check_laws(chunk: &ChatCompletionChunk) {
    let written = serde_json::to_vec(chunk).expect("every chunk can be written");
    assert_eq!(&ChatCompletionChunk::from_slice(&written).expect("what was written"), chunk);
}

fn events(raw: &str) -> Vec<(String, String)> {
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
