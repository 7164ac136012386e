//! Responses of real servers for each endpoint but chat: each row of `tolerance/*.jsonl` is read as expected.
//!
//! Run with `--nocapture` to see the score.

use atoma_types::{
    ApiError, CompletionModel, CompletionResponse, EmbeddingResponse, FinishReason, HealthResponse,
    ImageResponse, ModelList, NodeCreateResponse, NodeLockResponse, ResponseModel, Seen,
    StreamModel, Usage,
};
use serde_json::{Value, json};
use std::collections::HashMap;

/// The number of rows that an endpoint has at least.
const LEAST: usize = 12;

/// Reads the text of a row into the members that its expectation has.
type Read = fn(&str) -> Value;

#[test]
fn every_row_is_read_as_expected() {
    let files: [(&str, &str, Read); 8] = [
        ("completions", include_str!("tolerance/completions.jsonl"), completions),
        ("embeddings", include_str!("tolerance/embeddings.jsonl"), embeddings),
        ("images", include_str!("tolerance/images.jsonl"), images),
        ("models", include_str!("tolerance/models.jsonl"), models),
        ("open_router", include_str!("tolerance/open_router.jsonl"), open_router),
        ("health", include_str!("tolerance/health.jsonl"), health),
        ("nodes", include_str!("tolerance/nodes.jsonl"), nodes),
        ("node_locks", include_str!("tolerance/node_locks.jsonl"), node_locks),
    ];
    let mut wrong = Vec::new();
    for (name, rows, read) in files {
        let failed = wrong.len();
        for row in rows.lines() {
            let row: Value = serde_json::from_str(row).unwrap();
            let found = read(row["raw"].as_str().unwrap());
            for (member, expected) in row["expect"].as_object().unwrap() {
                if !holds(&found[member], expected) {
                    let (id, found) = (&row["id"], &found[member]);
                    wrong.push(format!("{name} {id}: {member} is {found}, not {expected}"));
                }
            }
        }
        println!("{name}: {} rows, {} wrong", rows.lines().count(), wrong.len() - failed);
        assert!(rows.lines().count() >= LEAST, "{name}");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Name, a choice, its text, and the names of the members that are kept.
#[test]
fn a_completion_without_a_text_has_that_of_its_message() {
    type Kept = &'static [&'static str];
    let table: [(&str, &str, &str, Kept); 9] = [
        ("a message", r#"{"message":{"content":"a"}}"#, "a", &[]),
        ("a delta", r#"{"delta":{"content":"a"}}"#, "a", &[]),
        ("both", r#"{"message":{"content":"b"},"delta":{"content":"a"}}"#, "a", &["message"]),
        ("a text, too", r#"{"text":"a","message":{"content":"b"}}"#, "a", &["message"]),
        ("an empty text, too", r#"{"text":"","delta":{"content":"b"}}"#, "", &["delta"]),
        ("a text of null", r#"{"text":null,"message":{"content":"a"}}"#, "a", &[]),
        ("a text of another type", r#"{"text":{},"delta":{"content":"a"}}"#, "a", &[]),
        ("a message twice", r#"{"message":"b","message":{"content":"a"}}"#, "a", &[]),
        ("content of another type", r#"{"message":{"content":7}}"#, "", &["message"]),
    ];
    for (name, choice, text, kept) in table {
        let body = format!(r#"{{"choices":[{choice}]}}"#);
        let response = CompletionResponse::from_slice(body.as_bytes()).expect(name);
        assert_eq!(response.text(), text, "{name}");
        let names: Vec<_> = response.choices[0].extra.iter().map(|(name, _)| name).collect();
        assert_eq!(names, kept, "{name}");
    }
}

/// Whether a value is the expected one; an object may have more members.
fn holds(found: &Value, expected: &Value) -> bool {
    match expected {
        Value::Object(members) => {
            members.iter().all(|(name, value)| found.get(name) == Some(value))
        }
        expected => found == expected,
    }
}

/// A body as a client reads it: an error in it, or the value.
fn body<T: ResponseModel + Default>(raw: &str) -> (T, Option<String>) {
    read_body(raw).unwrap_or_default()
}

/// The same; `None` if it is not a response of this kind.
fn read_body<T: ResponseModel>(raw: &str) -> Option<(T, Option<String>)> {
    let text = raw.trim_start_matches('\u{feff}').trim_ascii_start();
    if !text.starts_with(['{', '[']) {
        return T::from_text(text).map(|response| (response, None));
    }
    let response = T::from_slice(raw.as_bytes()).ok()?;
    let reported = response.error().cloned();
    let alone = || ApiError::from_body(raw.as_bytes()).filter(|_| !response.has_content());
    let error = reported.or_else(alone).map(|error| error.message);
    Some((response, error))
}

fn completions(raw: &str) -> Value {
    let mut model = CompletionModel::default();
    let (mut done, mut error) = (false, None);
    let is_stream = !raw.starts_with('{');
    if is_stream {
        for event in raw.replace("\r\n", "\n").split("\n\n") {
            let Some(mut data) = event.strip_prefix("data: ") else { continue };
            done |= data == "[DONE]";
            while !done && !data.is_empty() && error.is_none() {
                if let Seen::Error(reported) = model.read("", &mut data).unwrap() {
                    error = Some(reported.message);
                }
            }
        }
    }
    let truncated = is_stream && error.is_none() && !model.progress().is_complete(done);
    let (response, error) =
        if is_stream { (model.into_response(), error) } else { body::<CompletionResponse>(raw) };
    let logprobs = response.choices.first().and_then(|choice| choice.logprobs.as_deref());
    let texts: Vec<_> = response.choices.iter().map(|choice| &choice.text).collect();
    let counts =
        |usage: &Usage| json!([usage.prompt_tokens, usage.completion_tokens, usage.total_tokens]);
    json!({
        "texts": texts,
        "finish": response.finish_reason().map(FinishReason::as_str),
        "usage": response.usage().map(|usage| counts(&usage)),
        "error": error,
        "truncated": truncated,
        "tokens": logprobs.map(|logprobs| &logprobs.tokens),
        "token_logprobs": logprobs.map(|logprobs| &logprobs.token_logprobs),
        "content_tokens": logprobs
            .map(|logprobs| logprobs.content.iter().map(|token| &token.token).collect::<Vec<_>>()),
    })
}

fn embeddings(raw: &str) -> Value {
    let (response, error) = body::<EmbeddingResponse>(raw);
    let number = |number: &f32| serde_json::from_str::<Value>(&json_of(*number)).unwrap();
    let vectors: Vec<Vec<Value>> =
        response.vectors().map(|vector| vector.iter().map(number).collect()).collect();
    json!({
        "vectors": vectors,
        "prompt_tokens": response.usage.as_ref().map(|usage| usage.prompt_tokens),
        "error": error,
        "kept": response.data.first().and_then(|first| first.extra.get("embedding")),
    })
}

/// The shortest decimal of a number, as a float; `null` for NaN.
fn json_of(number: f32) -> String {
    if number.is_nan() { "null".to_owned() } else { format!("{number:?}") }
}

fn images(raw: &str) -> Value {
    let (response, error) = body::<ImageResponse>(raw);
    let urls: Vec<_> = response.data.iter().filter_map(|image| image.url.as_ref()).collect();
    let images = response.data.iter().filter_map(atoma_types::ImageData::bytes);
    json!({
        "urls": urls,
        "images": images.filter(|bytes| bytes.starts_with(b"\x89PNG")).count(),
        "total_tokens": response.usage.as_ref().and_then(|usage| usage.total_tokens),
        "error": error,
        "created": response.created,
        "revised": response.data.first().and_then(|image| image.revised_prompt.as_ref()),
    })
}

fn models(raw: &str) -> Value {
    let (response, error) = body::<ModelList>(raw);
    let first = response.data.first();
    let ids: Vec<_> = response.data.iter().map(|model| &model.id).collect();
    let extra = first.map(|model| model.extra.iter().collect::<HashMap<_, _>>());
    json!({
        "ids": ids,
        "created": first.map(|model| model.created),
        "owned_by": first.map(|model| model.owned_by.clone()).unwrap_or_default(),
        "error": error,
        "extra": extra,
    })
}

fn open_router(raw: &str) -> Value {
    let (value, error) = body::<Value>(raw);
    let list = value.get("data").unwrap_or(&value).as_array();
    let ids = list.map(|list| list.iter().map(|model| model["id"].clone()).collect::<Vec<_>>());
    json!({ "models": ids, "error": error, "value": value })
}

fn health(raw: &str) -> Value {
    let read = read_body::<HealthResponse>(raw);
    let is_read = read.is_some();
    let (state, error) = read.unwrap_or_default();
    let ok = (is_read && error.is_none()).then(|| state.is_ok());
    json!({ "ok": ok, "message": state.message, "error": error, "read": is_read })
}

fn nodes(raw: &str) -> Value {
    let (response, error) = body::<NodeCreateResponse>(raw);
    json!({ "message": response.message, "error": error })
}

fn node_locks(raw: &str) -> Value {
    let (response, error) = body::<NodeLockResponse>(raw);
    json!({
        "public_key": response.public_key,
        "node": response.node_small_id,
        "stack": response.stack_small_id,
        "digest": response.stack_entry_digest,
        "error": error,
    })
}
