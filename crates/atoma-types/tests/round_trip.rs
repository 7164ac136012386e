//! Laws: a value that is read, written and read again stays the same, for values of every type and
//! for arbitrary JSON.

#[path = "support/arbitrary.rs"]
mod arbitrary;

use arbitrary::{
    chunk, content, error, finish_reason, message, plausible, request, response, response_format,
    stop_reason, tool_choice, usage, value,
};
use atoma_types::{
    ApiError, ChatCompletionAccumulator, ChatCompletionChoice, ChatCompletionChunk,
    ChatCompletionChunkDelta, ChatCompletionMessage, ChatCompletionRequest, ChatCompletionResponse,
    ChatCompletionToolsParam, ChunkReader, Content, ContentPart, InvalidRequest, Logprobs,
    ParseError, ResponseFormat, ToolCall, ToolChoice, Usage,
};
use proptest::{
    collection::{btree_map, vec},
    prelude::*,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use std::fmt::Debug;

fn written_and_read<T: Serialize + DeserializeOwned>(value: &T) -> T {
    let text = serde_json::to_string(value).expect("it can be written");
    let through_value: Value = serde_json::to_value(value).expect("it can be written");
    let parsed: Value = serde_json::from_str(&text).expect("the written text");
    assert_eq!(parsed, through_value, "as text and as a value it is the same");
    serde_json::from_str(&text).expect("the written text")
}

fn holds<T>(value: &T)
where
    T: Serialize + DeserializeOwned + PartialEq + Debug + Clone + Send + Sync + 'static,
{
    assert_eq!(&written_and_read(value), value);
}

/// Reads any JSON as a model; if that succeeds, writing and reading again changes nothing.
fn settles<T>(json: &Value)
where
    T: Serialize + DeserializeOwned + PartialEq + Debug + Clone + Send + Sync + 'static,
{
    if let Ok(value) = serde_json::from_value::<T>(json.clone()) {
        holds(&value);
        let text = json.to_string();
        assert_eq!(serde_json::from_str::<T>(&text).unwrap(), value, "from text and from a value");
    }
}

#[test]
fn texts_in_place_of_a_message_are_stable_after_one_round_trip() {
    for choice in [
        json!({"message": "", "delta": "a"}),
        json!({"message": "a", "delta": "b"}),
        json!({"message": "a", "delta": null}),
        json!({"delta": {"content": ""}, "message": "a"}),
    ] {
        settles::<ChatCompletionChoice>(&choice);
        settles::<ChatCompletionResponse>(&json!({"choices": [choice]}));
        settles::<ChatCompletionChunk>(&json!({"choices": [choice]}));
    }
    for call in [
        json!({"name": "", "arguments": "a"}),
        json!({"name": 1, "arguments": {"a": 1}, "function": null}),
        json!({"name": "a", "function": 1}),
        json!({"name": false, "function": {}}),
        json!({"name": "a", "arguments": false, "function": {}}),
        json!({"function": {"arguments": "a", "parameters": {}}}),
    ] {
        settles::<ToolCall>(&call);
        settles::<ChatCompletionMessage>(&json!({"tool_calls": [call]}));
        settles::<ChatCompletionChunkDelta>(&json!({"tool_calls": [call]}));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn requests_are_the_same_when_read_again(request in request()) {
        holds(&request);
    }

    #[test]
    fn responses_are_the_same_when_read_again(response in response()) {
        holds(&response);
        let read = ChatCompletionResponse::from_slice(&serde_json::to_vec(&response).unwrap()).unwrap();
        // By then the tool calls are complete: each has a name and a separate id.
        let without_calls = |mut response: ChatCompletionResponse| {
            response.choices.iter_mut().for_each(|choice| choice.message.tool_calls.clear());
            response.choices
        };
        prop_assert_eq!(without_calls(read), without_calls(response));
    }

    #[test]
    fn chunks_are_the_same_when_read_again(chunk in chunk()) {
        holds(&chunk);
        let read = ChunkReader::new().read(&serde_json::to_vec(&chunk).unwrap()).unwrap();
        prop_assert_eq!(read.choices, chunk.choices);
    }

    #[test]
    fn small_models_are_the_same_when_read_again(
        error in error(), message in message(), usage in usage(), format in response_format(), choice in tool_choice(),
        reason in stop_reason(), finish in finish_reason(), content in content(),
    ) {
        holds(&error);
        holds(&message);
        holds(&usage);
        holds(&format);
        holds(&choice);
        holds(&reason);
        holds(&finish);
        holds(&content);
    }

    #[test]
    fn any_json_is_stable_after_one_round_trip(json in plausible()) {
        // A request is written without members that servers reject, and writing it again changes
        // nothing.
        if let Ok(request) = serde_json::from_value::<ChatCompletionRequest>(json.clone()) {
            settles::<ChatCompletionRequest>(&serde_json::to_value(&request).unwrap());
        }
        settles::<ChatCompletionMessage>(&json);
        settles::<ChatCompletionResponse>(&json);
        settles::<ChatCompletionChoice>(&json);
        settles::<ChatCompletionChunk>(&json);
        settles::<ChatCompletionChunkDelta>(&json);
        settles::<ToolCall>(&json);
        settles::<ChatCompletionToolsParam>(&json);
        settles::<ToolChoice>(&json);
        settles::<ResponseFormat>(&json);
        settles::<Content>(&json);
        settles::<ContentPart>(&json);
        settles::<Usage>(&json);
        settles::<Logprobs>(&json);
        settles::<ApiError>(&json);
    }

    #[test]
    fn every_object_is_read_and_keeps_its_unknown_members(members in btree_map("x_[a-z]{0,6}", value(), 0..6)) {
        let json = Value::Object(members.clone().into_iter().collect());
        let response = ChatCompletionResponse::from_slice(json.to_string().as_bytes()).unwrap();
        let written = serde_json::to_value(&response).unwrap();
        for (name, value) in &members {
            prop_assert_eq!(&written[name], value);
        }
    }

    #[test]
    fn reading_never_panics(json in plausible(), bytes in any::<Vec<u8>>(), cut in any::<prop::sample::Index>()) {
        let text = json.to_string();
        let cut = &text.as_bytes()[..cut.index(text.len() + 1)];
        let mut reader = ChunkReader::new();
        let mut response = ChatCompletionAccumulator::new();
        for data in [text.as_bytes(), cut, &bytes] {
            let _ = ChatCompletionResponse::from_slice(data).map(|response| {
                let _ = (response.text().len(), response.usage().is_some());
                ChatCompletionChunk::from(response)
            });
            let _ = ApiError::from_body(data).map(|error| error.to_string());
            if let Ok(chunk) = reader.read(data) {
                response.push(&chunk);
            }
        }
        holds(&response.into_response());
    }

    #[test]
    fn escaped_text_comes_out_whole_however_it_is_cut(text in any::<String>(), sizes in vec(1_usize..5, 1..40)) {
        let units: Vec<u16> = text.encode_utf16().collect();
        let mut rest = units.as_slice();
        let mut reader = ChunkReader::new();
        let mut found = String::new();
        for size in sizes.into_iter().chain(std::iter::repeat(3)) {
            if rest.is_empty() {
                break;
            }
            let (piece, later) = rest.split_at(size.min(rest.len()));
            rest = later;
            let escaped: String = piece.iter().map(|unit| format!("\\u{unit:04x}")).collect();
            let chunk = reader.read(format!(r#"{{"choices":[{{"delta":{{"content":"{escaped}"}}}}]}}"#).as_bytes()).unwrap();
            found.push_str(&chunk.text());
        }
        prop_assert_eq!(found, text);
    }
}

#[test]
fn types_that_are_not_on_the_wire_are_send_too() {
    fn is_portable<T: Debug + Send + Sync + 'static>() {}
    is_portable::<ChunkReader>();
    is_portable::<ChatCompletionAccumulator>();
    is_portable::<ParseError>();
    is_portable::<InvalidRequest>();
}
