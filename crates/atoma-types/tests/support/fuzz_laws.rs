//! The laws of reading, each a function of arbitrary bytes: the fuzz targets call them, and so does a
//! test on stable Rust.

use atoma_types::{
    ApiError, ChatCompletionAccumulator, ChatCompletionChunk, ChatCompletionResponse, ChatModel,
    ChunkReader, CompletionModel, StreamModel,
};
use serde_json::{Value, json};

/// The reader that does not use serde_json returns the same as the one that does, for any text that
/// serde_json accepts.
pub fn readers_agree(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    // One keeps numbers beyond 64 bits as text, the other rounds them.
    let is_digit = |byte: &u8| byte.is_ascii_digit() || matches!(byte, b'.' | b'+' | b'-');
    let longest_number = bytes.split(|byte| !is_digit(byte)).map(<[u8]>::len).max();
    if longest_number > Some(17) || text.contains(['e', 'E']) && text.contains("e+") {
        return;
    }
    if let Ok(chunk) = serde_json::from_str::<ChatCompletionChunk>(text) {
        let read = ChatCompletionChunk::from_slice(bytes).expect("serde_json accepts it");
        assert_eq!(read, chunk, "{text}");
    }
    // A body gets ids for its tool calls, and loses those that say nothing.
    let has_no_calls = |response: &ChatCompletionResponse| {
        response.choices.iter().all(|choice| choice.message.tool_calls.is_empty())
    };
    if let Some(response) =
        serde_json::from_str::<ChatCompletionResponse>(text).ok().filter(has_no_calls)
    {
        let read = ChatCompletionResponse::from_slice(bytes).expect("serde_json accepts it");
        assert_eq!(without_calls(read), without_calls(response), "{text}");
    }
}

/// `from_slice` repairs tool calls, with new ids; serde alone does not.
fn without_calls(mut response: ChatCompletionResponse) -> ChatCompletionResponse {
    for choice in &mut response.choices {
        choice.message.tool_calls.clear();
    }
    response
}

/// Any bytes are read or are an error, and a value that was read stays the same when it is written
/// and read again.
pub fn read(bytes: &[u8]) {
    readers_agree(bytes);
    if let Ok(chunk) = ChatCompletionChunk::from_slice(bytes) {
        let written = serde_json::to_vec(&chunk).expect("every chunk can be written");
        assert_eq!(ChatCompletionChunk::from_slice(&written).expect("the written text"), chunk);
    }
    if let Ok(response) = ChatCompletionResponse::from_slice(bytes) {
        let written = serde_json::to_vec(&response).expect("every response can be written");
        let again = ChatCompletionResponse::from_slice(&written).expect("the written text");
        assert_eq!(again, response);
    }
    if let Some(error) = ApiError::from_body(bytes) {
        assert!(!error.to_string().contains('\n'));
    }
}

/// The events of a stream read in a row are the same as each read alone, as long as no character is
/// split, and no complete message may repeat the events before it.
///
/// The first line is an event with `$` for each gap; each further line has the parts for the gaps,
/// with `|` between them.
pub fn stream(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let Some((shape, lines)) = text.split_once('\n') else { return };
    if shape.contains("message") {
        return;
    }
    let of_completion = shape.replace(r#""delta":{"content":"$"}"#, r#""text":"$""#);
    joins_each_alike::<ChatModel>(shape, lines, |response| json!(response));
    joins_each_alike::<CompletionModel>(&of_completion, lines, |response| json!(response));
    let mut reader = ChunkReader::new();
    let mut response = ChatCompletionAccumulator::new();
    for line in lines.split('\n') {
        let event = filled(shape, line);
        if may_cut_a_character(&event) {
            return;
        }
        let alone = ChatCompletionChunk::from_slice(event.as_bytes());
        let in_place = reader.read_in_place(&event);
        assert_eq!(in_place.is_ok(), alone.is_ok(), "{event}");
        let Ok(alone) = alone else {
            assert_eq!(*reader.chunk(), ChatCompletionChunk::default());
            continue;
        };
        assert_eq!(*reader.chunk(), alone, "{event}");
        response.push(reader.chunk());
        if line.len() % 2 == 1 {
            assert_eq!(reader.take(), alone);
        }
    }
    assert_eq!(response.response(), response.into_response());
}

/// Of an event that is like the one before, a model takes only the texts; the response is the same as if it took everything.
fn joins_each_alike<M: StreamModel + Default>(
    shape: &str,
    lines: &str,
    to_json: fn(M::Response) -> Value,
) {
    let (mut model, mut whole) = (M::default(), M::default());
    for (number, line) in lines.split('\n').enumerate() {
        let event = filled(shape, line);
        // Never as many spaces as in the event before: the whole event is read.
        let unlike = " ".repeat(number % 2) + &event;
        let seen = model.read("", &mut event.as_str());
        let wanted = whole.read("", &mut unlike.as_str());
        assert_eq!(format!("{seen:?}"), format!("{wanted:?}"), "{event}");
    }
    assert_eq!(model.progress(), whole.progress(), "{shape}\n{lines}");
    let [response, wanted] =
        [model, whole].map(|model| without_ids(to_json(model.into_response())));
    assert_eq!(response, wanted, "{shape}\n{lines}");
}

/// Tool calls that come without an id get a new one.
fn without_ids(mut response: Value) -> Value {
    for choice in response["choices"].as_array_mut().into_iter().flatten() {
        for call in choice["message"]["tool_calls"].as_array_mut().into_iter().flatten() {
            call["id"].take();
        }
    }
    response
}

/// The event with the parts of the line in its gaps; `None` if parts are missing.
pub fn filled(shape: &str, line: &str) -> String {
    let mut parts = line.split('|');
    let mut pieces = shape.split('$');
    let mut event = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        event.push_str(parts.next().unwrap_or_default());
        event.push_str(piece);
    }
    event
}

/// Returns whether an escape may be half a character.
fn may_cut_a_character(event: &str) -> bool {
    event.contains("\\ud") || event.contains("\\uD")
}
