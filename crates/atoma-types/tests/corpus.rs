//! Real servers' responses, and the results that a caller must get: the corpus of cases, and the
//! reports from the field.
//!
//! Run with `--nocapture` to see the score.

mod support;

use atoma_types::{
    ApiError, ChatCompletionChunk, ChatCompletionMessage, ChatCompletionRequest,
    ChatCompletionResponse, FinishReason,
};
use serde_json::{Value, json};
use support::{Outcome, read_body, read_stream};

const CORPUS: &str = include_str!("fixtures/tolerance.jsonl");
/// Cases that users of such clients reported.
const FIELD: &str = include_str!("fixtures/field.jsonl");
/// Other members that the response of a field case must have: JSON pointers into the message as it
/// is sent back.
const ALSO: &str = include_str!("fixtures/field-also.json");

#[test]
fn every_case_of_the_corpus_is_read_as_expected() {
    score("corpus", CORPUS);
}

#[test]
fn every_report_from_the_field_is_read_as_expected() {
    score("field", FIELD);
}

fn score(name: &str, cases: &str) {
    let mut wrong = Vec::new();
    let mut judged = 0;
    for line in cases.lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        judged += 1;
        if let Err(reason) = judge(&case) {
            wrong.push(format!("{} ({}): {reason}", case["id"], case["class"]));
        }
    }
    println!("{name}: {}/{judged}", judged - wrong.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn judge(case: &Value) -> Result<(), String> {
    let raw = case["raw"].as_str().unwrap();
    let expect = &case["expect"];
    let is_json = case["content_type"] == "application/json";
    let outcome = match case["kind"].as_str().unwrap() {
        "error" => return judge_error(ApiError::from_body(raw.as_bytes()), expect),
        "sse" if is_json => {
            let response = read_body(raw).response;
            let chunk = ChatCompletionChunk::from(response.clone());
            same("chunk", &chunk.text(), &response.text())?;
            read_body(raw)
        }
        "sse" => read_stream(raw),
        _ => read_body(raw),
    };
    if !outcome.truncated && !outcome.unreadable && outcome.error.is_none() {
        same("chunks", &outcome.text, &outcome.response.text().into_owned())?;
    }
    judge_response(&outcome, &without_unsent_finish(expect, raw))?;
    judge_message(&outcome.response, case)
}

/// A finish reason that no event has is not invented, whatever a case expects (A4).
fn without_unsent_finish(expect: &Value, raw: &str) -> Value {
    let mut expect = expect.clone();
    let finish = expect["finish"].as_str().unwrap_or_default();
    if !raw.contains(&format!("\"{finish}\"")) {
        expect["finish"] = Value::Null;
    }
    expect
}

/// Judges the message as it goes into the next request.
fn judge_message(response: &ChatCompletionResponse, case: &Value) -> Result<(), String> {
    let also: Value = serde_json::from_str(ALSO).unwrap();
    let Some(pointers) = also[case["id"].as_str().unwrap()].as_object() else { return Ok(()) };
    let sent = sent_back(response);
    for (pointer, wanted) in pointers {
        let found = sent.pointer(pointer).cloned().unwrap_or_default();
        // Compared as text, because the order counts.
        same(pointer, &found.to_string(), &wanted.to_string())?;
    }
    Ok(())
}

/// The message of a response as the next request has it, with the results of its calls.
fn sent_back(response: &ChatCompletionResponse) -> Value {
    let message = response.message().cloned().unwrap_or_default();
    let ids: Vec<_> = message.tool_calls.iter().map(|call| call.id.clone()).collect();
    let mut request = ChatCompletionRequest::new("m", [message]);
    for id in &ids {
        request = request.message(ChatCompletionMessage::tool(id, "done"));
    }
    let distinct: std::collections::HashSet<_> = ids.iter().collect();
    assert_eq!(distinct.len(), ids.len(), "{ids:?}");
    let sent: Value = serde_json::from_slice(&request.to_vec().unwrap()).unwrap();
    sent["messages"][0].clone()
}

fn judge_error(error: Option<ApiError>, expect: &Value) -> Result<(), String> {
    let message = error.as_ref().map(|error| error.message.as_str());
    same("message", &json!(message), &expect["message"])?;
    same("code", &json!(error.and_then(|error| error.code)), &expect["code"])
}

fn judge_response(outcome: &Outcome, expect: &Value) -> Result<(), String> {
    let response = &outcome.response;
    let judged = |member: &str| !expect[member].is_null();
    if judged("text") {
        same("text", &json!(response.text()), &expect["text"])?;
    }
    if judged("reasoning") {
        let reasoning = response.message().and_then(ChatCompletionMessage::reasoning);
        same("reasoning", &json!(reasoning), &expect["reasoning"])?;
    }
    if expect["error"] == false {
        let finish = response.finish_reason().map(FinishReason::as_str);
        same("finish", &json!(finish), &expect["finish"])?;
    }
    let calls = response.tool_calls().iter();
    let calls: Vec<_> =
        calls.map(|call| json!([call.function.name, call.function.arguments])).collect();
    if expect["tools"] != json!([]) || expect["finish"] != "tool_calls" {
        same("tools", &json!(calls), &expect["tools"])?;
    }
    if judged("usage") {
        let usage = response.usage().ok_or("no usage")?;
        let usage = json!([usage.prompt_tokens, usage.completion_tokens, usage.total_tokens]);
        same("usage", &usage, &expect["usage"])?;
    }
    same("truncated", &json!(outcome.truncated), &expect["truncated"])?;
    let failed = outcome.error.is_some() || outcome.truncated || outcome.unreadable;
    same("error", &json!(failed), &expect["error"])?;
    if judged("message") {
        judge_error(outcome.error.clone(), expect)?;
    }
    Ok(())
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, found: &T, wanted: &T) -> Result<(), String> {
    if found == wanted { Ok(()) } else { Err(format!("{what} is {found:?}, not {wanted:?}")) }
}
