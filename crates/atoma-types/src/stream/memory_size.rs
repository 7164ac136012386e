use crate::{
    Extra,
    chat::{
        chunk::ChatCompletionChunkDelta,
        content::{Content, ContentPart},
        logprobs::Logprobs,
        message::REASONING_TEXTS,
    },
};
use serde_json::Value;

/// About the size of an entry of a list without its text.
const ENTRY: usize = 64;

/// About how many bytes a delta adds to a response.
pub(crate) fn of_delta(delta: &ChatCompletionChunkDelta) -> usize {
    let length = |text: &Option<String>| text.as_ref().map_or(0, String::len);
    let mut size = delta.content.as_ref().map_or(0, of_content);
    size += length(&delta.reasoning) + length(&delta.reasoning_content) + length(&delta.refusal);
    // Most deltas have neither calls nor unknown members, and this is called for each.
    if !delta.tool_calls.is_empty() {
        let arguments = delta.tool_calls.iter().filter_map(|call| call.function.arguments.as_ref());
        size += arguments.map(String::len).sum::<usize>();
    }
    if !delta.extra.is_empty() {
        size += of_members(&delta.extra);
    }
    size
}

/// About how many bytes unknown members add: lists, objects and reasoning grow from chunk to chunk, other values are replaced.
pub(crate) fn of_members(extra: &Extra) -> usize {
    let members = extra.iter().map(|(name, value)| match value {
        Value::String(text) if REASONING_TEXTS.contains(&name) => text.len(),
        Value::Array(pieces) => pieces.iter().map(of_value).sum(),
        Value::Object(_) => of_value(value),
        _ => 0,
    });
    members.sum()
}

/// Returns about how many bytes unknown members of a choice or a response add: their lists grow, and
/// their objects are replaced.
#[cold]
pub(crate) fn of_lists(extra: &Extra) -> usize {
    let lists = extra.iter().filter_map(|(_, value)| value.as_array());
    lists.flatten().map(of_value).sum()
}

/// About how many bytes log probabilities take.
pub(crate) fn of_logprobs(logprobs: &Logprobs) -> usize {
    let tokens = [&logprobs.content, &logprobs.refusal].into_iter().flatten().flatten();
    tokens.map(|token| token.token.len() + 2 * ENTRY * (1 + token.top_logprobs.len())).sum()
}

fn of_content(content: &Content) -> usize {
    match content {
        Content::Text(text) => text.len(),
        Content::Parts(parts) => parts
            .iter()
            .map(|part| match part {
                ContentPart::Text(part) => part.text.len(),
                ContentPart::ImageUrl(part) => ENTRY + part.image_url.url.len(),
                ContentPart::Other(value) => of_value(value),
            })
            .sum(),
    }
}

fn of_value(value: &Value) -> usize {
    ENTRY
        + match value {
            Value::String(text) => text.len(),
            Value::Array(values) => values.iter().map(of_value).sum(),
            Value::Object(members) => {
                members.iter().map(|(name, value)| name.len() + of_value(value)).sum()
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        }
}
