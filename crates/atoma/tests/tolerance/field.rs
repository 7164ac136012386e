//! Reports from the field: failures that users of such clients reported. As the `README` says,
//! `null` in `expect` is not judged.

use super::{
    METHODS, print_score,
    support::{
        chain, client, read, read_view, request,
        server::{Script, Server, pieces_of, response},
    },
};
use atoma::{
    ChatCompletionMessage, ChatCompletionRequest, ChatCompletionResponse, Client,
    transport::testing::{Exchange, ManualTimer, ScriptedTransport},
};
use serde_json::{Value, json};
use std::{collections::HashSet, time::Duration};

const FIELD: &str = include_str!("../fixtures/field.jsonl");
/// Other members that the message for the next request must have, by JSON pointers.
const ALSO: &str = include_str!("../fixtures/field-also.json");

struct Outcome {
    response: ChatCompletionResponse,
    error: Option<atoma::Error>,
}

#[tokio::test]
async fn every_report_from_the_field() {
    let (mut right, mut all, mut wrong) = (0, 0, Vec::new());
    for line in FIELD.lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        let mut reasons = Vec::new();
        for method in METHODS {
            for (serving, script) in servings(&case) {
                if let Err(reason) = run(&case, method, script).await {
                    reasons.push(format!("{}, {method}, {serving}: {reason}", case["id"]));
                }
            }
        }
        all += 1;
        right += usize::from(reasons.is_empty());
        wrong.extend(reasons);
    }
    print_score("field", right, all, &wrong);
    assert!(wrong.is_empty(), "{right}/{all}\n{}", wrong.join("\n"));
}

/// The cases with a pause, under a clock that the test moves.
#[test]
fn events_after_a_pause_count() {
    for line in FIELD.lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        let Some(text) = case["pause"][0].as_str() else { continue };
        let pause = Duration::from_millis(case["pause"][1].as_u64().unwrap());
        let raw = case["raw"].as_str().unwrap();
        // The event with the text arrives late.
        let place = raw[..raw.find(text).unwrap()].rfind("data:").unwrap();
        let timer = ManualTimer::new();
        let exchange = Exchange::respond(200)
            .header("content-type", case["content_type"].as_str().unwrap())
            .body(raw[..place].to_owned())
            .pause(pause)
            .body(raw[place..].to_owned());
        let transport = ScriptedTransport::new([exchange]).timer(timer.clone());
        let builder = Client::builder().api_key("sk-test").server_url("http://localhost:1");
        let client = builder.transport(transport).timer(timer.clone()).build().unwrap();
        let read = timer.run(async { read(client.chat().stream(request()).await).await });
        assert!(timer.elapsed() >= pause, "{}", case["id"]);
        let outcome = Outcome { response: read.response.unwrap(), error: read.error };
        assert_eq!(judge(&outcome, &case), Ok(()), "{}", case["id"]);
    }
}

fn servings(case: &Value) -> Vec<(&'static str, Script)> {
    let raw = case["raw"].as_str().unwrap().as_bytes();
    let status = u16::try_from(case["status"].as_u64().unwrap()).unwrap();
    let mut headers = vec![("content-type", case["content_type"].as_str().unwrap())];
    let more = case["headers"].as_object().into_iter().flatten();
    headers.extend(more.map(|(name, value)| (name.as_str(), value.as_str().unwrap())));
    let label = headers.iter().map(|(name, value)| format!("{name}: {value}")).collect::<Vec<_>>();
    let label = label.join("\r\n").replacen("content-type: ", "", 1);
    vec![
        ("whole", response(status, &headers, raw)),
        ("7 bytes at a time", pieces_of(status, &label, raw.chunks(7))),
        ("line by line", pieces_of(status, &label, raw.split_inclusive(|byte| *byte == b'\n'))),
    ]
}

async fn run(case: &Value, method: &str, script: Script) -> Result<(), String> {
    let server = Server::start([script]).await;
    let chat = client(server.url()).chat();
    let asked = match &case["request"] {
        Value::Null => request(),
        wire => serde_json::from_value::<ChatCompletionRequest>(wire.clone()).unwrap(),
    };
    let outcome = if method == "create" {
        match chat.create(asked).await {
            Ok(reply) => Outcome { response: reply.into_inner(), error: None },
            Err(error) => Outcome {
                response: error.partial().cloned().unwrap_or_default(),
                error: Some(error),
            },
        }
    } else {
        let read = read_view(method, chat.stream(asked).await).await;
        let response = read.response.unwrap_or_default();
        same("chunks", &json!(read.text), &json!(response.text()))?;
        Outcome { response, error: read.error }
    };
    judge(&outcome, case)?;
    sends_in_order(case, &server.log().requests()[0].body)?;
    let also: Value = serde_json::from_str(ALSO).unwrap();
    let also = &also[case["id"].as_str().unwrap()];
    if case["echo"] == true || also.is_object() {
        let message = outcome.response.message().cloned().unwrap_or_default();
        let ids: Vec<_> = message.tool_calls.iter().map(|call| call.id.clone()).collect();
        let mut next = request().message(message);
        for id in &ids {
            next = next.message(ChatCompletionMessage::tool(id, "done"));
        }
        let _ = chat.create(next).await;
        let log = server.log();
        let sent = log.requests().get(1).cloned().ok_or("the next request was not sent")?;
        judge_sent_back(&sent.json()["messages"][1], also.as_object())?;
    }
    Ok(())
}

/// The keys of a schema are sent in the caller's order.
fn sends_in_order(case: &Value, body: &[u8]) -> Result<(), String> {
    let body = String::from_utf8_lossy(body);
    match case["request"].pointer("/response_format/json_schema/schema") {
        Some(schema) if !body.contains(&schema.to_string()) => {
            Err(format!("{schema} is not in {body}"))
        }
        _ => Ok(()),
    }
}

fn judge(outcome: &Outcome, case: &Value) -> Result<(), String> {
    let Outcome { response, error } = outcome;
    let expect = &case["expect"];
    let shown = error.as_ref().map(|error| chain(error).join(": "));
    let explained = |reason: String| format!("{reason} ({shown:?})");
    same("error", &json!(error.is_some()), &expect["error"]).map_err(explained)?;
    let truncated = error.as_ref().is_some_and(atoma::Error::is_truncated);
    same("truncated", &json!(truncated), &expect["truncated"]).map_err(explained)?;
    let judged = |member: &str| !expect[member].is_null();
    if judged("text") {
        same("text", &json!(response.text()), &expect["text"])?;
    }
    if judged("reasoning") {
        let reasoning = response.message().and_then(ChatCompletionMessage::reasoning);
        same("reasoning", &json!(reasoning), &expect["reasoning"])?;
    }
    // An empty list next to this finish reason is not judged: `also` has the rest.
    if expect["tools"] != json!([]) || expect["finish"] != "tool_calls" {
        let calls = response.tool_calls().iter();
        let calls: Vec<_> =
            calls.map(|call| json!([call.function.name, call.function.arguments])).collect();
        same("tools", &json!(calls), &expect["tools"])?;
    }
    // A finish reason that the server did not send is not invented (A4).
    let is_sent = |reason: &str| case["raw"].as_str().unwrap().contains(&format!("\"{reason}\""));
    if expect["finish"].as_str().is_none_or(is_sent) {
        let finish = response.finish_reason().map(atoma::FinishReason::as_str);
        same("finish", &json!(finish), &expect["finish"])?;
    }
    if judged("usage") {
        let usage = response.usage().ok_or("no usage")?;
        let usage = json!([usage.prompt_tokens, usage.completion_tokens, usage.total_tokens]);
        same("usage", &usage, &expect["usage"])?;
    }
    let api = error.as_ref().and_then(atoma::Error::api_error);
    if judged("message") {
        same("message", &json!(api.map(|api| &api.message)), &expect["message"])?;
        same("code", &json!(api.and_then(|api| api.code.as_ref())), &expect["code"])?;
    }
    Ok(())
}

fn judge_sent_back(
    message: &Value,
    also: Option<&serde_json::Map<String, Value>>,
) -> Result<(), String> {
    for (pointer, wanted) in also.into_iter().flatten() {
        let found = message.pointer(pointer).cloned().unwrap_or_default();
        // Compared as text, because the order counts.
        same(pointer, &json!(found.to_string()), &json!(wanted.to_string()))?;
    }
    let calls: Vec<_> = message["tool_calls"].as_array().into_iter().flatten().collect();
    let ids: HashSet<_> =
        calls.iter().map(|call| call["id"].as_str().unwrap_or_default()).collect();
    same("ids that differ", &json!(ids.len()), &json!(calls.len()))?;
    let has_null = message.as_object().is_some_and(|message| message.values().any(Value::is_null));
    let has_index = calls.iter().any(|call| call.get("index").is_some());
    same("null or index", &json!([has_null, has_index]), &json!([false, false]))
}

fn same(what: &str, found: &Value, wanted: &Value) -> Result<(), String> {
    if found == wanted { Ok(()) } else { Err(format!("{what} is {found}, not {wanted}")) }
}
