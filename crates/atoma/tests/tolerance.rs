//! Real servers' responses, and the result that a caller must get: each case over loopback, through
//! the client.
//!
//! `cargo test -p atoma --test tolerance -- --nocapture` shows the score.

#[path = "tolerance/field.rs"]
mod field;
mod support;

use atoma::ChatCompletionResponse;
use serde_json::{Value, json};
use std::collections::HashSet;
use support::{
    VIEWS, chain, client, read_view, request,
    server::{Script, Server, pieces_of, whole},
};

/// Cases from public reports of servers.
const CORPUS: &str = include_str!("fixtures/tolerance.jsonl");
/// Further cases of the same kinds.
const MORE: &str = include_str!("fixtures/tolerance-more.jsonl");

/// The ways in which each case is read: unary, and through each view of a stream.
const METHODS: [&str; 5] = ["create", VIEWS[0], VIEWS[1], VIEWS[2], VIEWS[3]];

/// A completion without a choice is a response to `create`; a stream without content is not a
/// success.
const ONLY_CREATE: [&str; 1] = ["B06"];

/// The result of a call, however it was made.
struct Outcome {
    response: Option<ChatCompletionResponse>,
    error: Option<atoma::Error>,
}

#[tokio::test]
async fn every_case_of_the_corpus() {
    score("corpus", CORPUS).await;
}

#[tokio::test]
async fn every_further_case() {
    score("more", MORE).await;
}

async fn score(name: &str, cases: &str) {
    let (mut right, mut all, mut wrong) = (0, 0, Vec::new());
    for line in cases.lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        let reasons = failures(&case).await;
        all += 1;
        right += usize::from(reasons.is_empty());
        wrong.extend(reasons.iter().map(|reason| format!("{}: {reason}", text_of(&case["id"]))));
    }
    print_score(name, right, all, &wrong);
    assert!(wrong.is_empty(), "{right}/{all}\n{}", wrong.join("\n"));
}

/// Prints a row of the table: the number of cases that every method read correctly, then the
/// numbers of each method.
fn print_score(name: &str, right: usize, all: usize, wrong: &[String]) {
    let column = |method: &str| {
        let is_of = |reason: &&String| reason.contains(&format!(" {method}, "));
        let ids = wrong.iter().filter(is_of).filter_map(|reason| reason.split([':', ',']).next());
        let failed: HashSet<&str> = ids.collect();
        format!("{method} {}", all - failed.len())
    };
    println!("{name}: {right}/{all} ({})", METHODS.map(column).join(", "));
}

/// Serves a case in each way to each method that it concerns, and returns the differences.
async fn failures(case: &Value) -> Vec<String> {
    let raw = text_of(&case["raw"]).as_bytes();
    let status = u16::try_from(case["status"].as_u64().unwrap()).unwrap();
    let label = text_of(&case["content_type"]);
    let servings: [(&str, Script); 3] = [
        ("whole", whole(status, label, raw)),
        ("7 bytes at a time", pieces_of(status, label, raw.chunks(7))),
        ("line by line", pieces_of(status, label, raw.split_inclusive(|byte| *byte == b'\n'))),
    ];
    let mut wrong = Vec::new();
    for (serving, script) in servings {
        for method in METHODS {
            let only = match ONLY_CREATE.contains(&text_of(&case["id"])) {
                true => Some("create"),
                false => case["only"].as_str(),
            };
            let kind = if method == "create" { "create" } else { "stream" };
            if only.is_some_and(|only| only != kind) {
                continue;
            }
            let server = Server::start([script.clone()]).await;
            let outcome = call(&server, method, case["n"].as_u64()).await;
            let judged = judge(&outcome, &case["expect"]);
            let sent = server.log().requests().len();
            let judged = judged.and_then(|()| same("requests", &sent, &1));
            if let Err(reason) = judged {
                wrong.push(format!("{method}, {serving}: {reason}"));
            }
        }
    }
    wrong
}

async fn call(server: &Server, method: &str, n: Option<u64>) -> Outcome {
    let request = match n {
        Some(n) => request().n(u32::try_from(n).unwrap()),
        None => request(),
    };
    let chat = client(server.url()).chat();
    if method == "create" {
        return match chat.create(request).await {
            Ok(reply) => Outcome { response: Some(reply.into_inner()), error: None },
            Err(error) => Outcome { response: error.partial().cloned(), error: Some(error) },
        };
    }
    let read = read_view(method, chat.stream(request).await).await;
    let together = read.response.as_ref().map_or("".into(), |response| response.text());
    assert_eq!(read.text, together, "the joined chunks and the response");
    Outcome { response: read.response, error: read.error }
}

fn judge(outcome: &Outcome, expect: &Value) -> Result<(), String> {
    let Outcome { response, error } = outcome;
    let shown = error.as_ref().map(|error| chain(error).join(": "));
    same("error", &json!(error.is_some()), &expect["error"])
        .map_err(|reason| format!("{reason} ({shown:?})"))?;
    let truncated = error.as_ref().is_some_and(atoma::Error::is_truncated);
    same("truncated", &json!(truncated), &expect["truncated"])
        .map_err(|reason| format!("{reason} ({shown:?})"))?;
    let nothing = ChatCompletionResponse::default();
    let response = response.as_ref().unwrap_or(&nothing);
    same("text", &json!(response.text()), &json!(expect["text"].as_str().unwrap_or_default()))?;
    if !expect["reasoning"].is_null() {
        let reasoning = response.message().and_then(atoma::ChatCompletionMessage::reasoning);
        same("reasoning", &json!(reasoning), &expect["reasoning"])?;
    }
    let calls = response.tool_calls().iter();
    let calls: Vec<_> =
        calls.map(|call| json!([call.function.name, call.function.arguments])).collect();
    same("tools", &json!(calls), &expect["tools"])?;
    let finish = response.finish_reason().map(atoma::FinishReason::as_str);
    same("finish", &json!(finish), &expect["finish"])?;
    if !expect["usage"].is_null() {
        let usage = response.usage().ok_or("no usage")?;
        let usage = json!([usage.prompt_tokens, usage.completion_tokens, usage.total_tokens]);
        same("usage", &usage, &expect["usage"])?;
    }
    error.as_ref().map_or(Ok(()), |error| judge_error(error, expect))
}

fn judge_error(error: &atoma::Error, expect: &Value) -> Result<(), String> {
    let api = error.api_error();
    same("message", &json!(api.map(|api| &api.message)), &expect["message"])?;
    same("code", &json!(api.and_then(|api| api.code.as_ref())), &expect["code"])?;
    if !expect["status"].is_null() {
        let status = error.status().map(|status| status.as_u16());
        same("status", &json!(status), &expect["status"])?;
    }
    let expected = expect["message"].is_string() || !expect["status"].is_null();
    same("API error", &error.is_api_error(), &expected)?;
    let shown = error.to_string();
    let is_short = shown.len() < 400 && !shown.contains(['\n', '<']);
    is_short.then_some(()).ok_or(format!("display is {shown:?}"))
}

fn text_of(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, found: &T, wanted: &T) -> Result<(), String> {
    if found == wanted { Ok(()) } else { Err(format!("{what} is {found:?}, not {wanted:?}")) }
}
