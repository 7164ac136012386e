//! The spans and their attributes, by OpenTelemetry's conventions for HTTP (1.44) and generative AI.
//!
//! ```text
//! atoma.call            opened with the request, ended with the body
//! ├─ atoma.attempt      one for each request that is sent
//! ├─ retry (event)      with the cause and the wait
//! └─ atoma.attempt
//! ```
//!
//! Every attribute is declared when its span is opened, as `Empty` where its value comes later: `tracing` drops a value for a
//! name that was not declared. Texts of the conversation are recorded only if the user asked for them, never of a confidential
//! call, and never with the API key in them.

use super::content::{self, Summary};
use crate::{
    ApiKey, CallEnd, CallInfo, CallResult, StreamStats, redact::url_without_secrets,
    request_members::RequestMembers,
};
use atoma_transport::{AttemptEnded, AttemptStarted, RetryEvent};
use atoma_types::Usage;
use http::{Uri, Version};
use serde_json::Value;
use std::fmt::Debug;
use tracing::{Level, Span, field::Empty};

/// The members of a request that become attributes.
const PARAMETERS: &[&str] = &[
    "model",
    "n",
    "seed",
    "max_tokens",
    "max_completion_tokens",
    "temperature",
    "top_p",
    "top_k",
    "frequency_penalty",
    "presence_penalty",
    "stop",
    "reasoning_effort",
    "response_format",
    "encoding_format",
    "dimensions",
];
/// The members of a request that are content.
const CONTENT: &[&str] = &["messages", "prompt", "tools"];

/// Returns whether any subscriber is interested in the spans.
pub(super) fn are_enabled() -> bool {
    tracing::span_enabled!(target: "atoma", Level::INFO)
}

/// Opens the span of a call.
pub(super) fn call(info: &CallInfo<'_>, provider: &str, with_content: bool) -> Span {
    let operation = operation(info.path);
    let with_content = with_content && !info.is_confidential;
    // Only these members are read: a conversation may be megabytes long.
    let wanted = [PARAMETERS, if with_content { CONTENT } else { &[] }].concat();
    let request = match operation {
        Some(_) => RequestMembers::read(info.plaintext, &wanted),
        None => RequestMembers::default(),
    };
    let model = request.text("model");
    // "chat llama-3.3", as the conventions require; other endpoints are named by method and path.
    let name = match operation {
        Some(operation) => [operation, model.unwrap_or_default()].join(" "),
        None => format!("{} {}", info.method, info.path),
    };
    let (address, port) = server(info.uri);
    // Samplers decide by these attributes, so they are there from the beginning.
    let span = tracing::info_span!(
        target: "atoma",
        "atoma.call",
        otel.name = name.trim_end(),
        otel.kind = if operation.is_some() { "client" } else { "internal" },
        otel.status_code = Empty,
        gen_ai.operation.name = operation,
        gen_ai.provider.name = operation.map(|_| provider),
        gen_ai.request.model = model,
        gen_ai.request.stream = info.is_stream.then_some(true),
        gen_ai.request.choice.count = Empty,
        gen_ai.request.seed = Empty,
        gen_ai.request.max_tokens = Empty,
        gen_ai.request.temperature = Empty,
        gen_ai.request.top_p = Empty,
        gen_ai.request.top_k = Empty,
        gen_ai.request.frequency_penalty = Empty,
        gen_ai.request.presence_penalty = Empty,
        gen_ai.request.stop_sequences = Empty,
        gen_ai.request.reasoning.level = Empty,
        gen_ai.request.encoding_formats = Empty,
        gen_ai.embeddings.dimension.count = Empty,
        gen_ai.output.type = Empty,
        gen_ai.input.messages = Empty,
        gen_ai.tool.definitions = Empty,
        gen_ai.response.id = Empty,
        gen_ai.response.model = Empty,
        gen_ai.response.finish_reasons = Empty,
        gen_ai.response.time_to_first_chunk = Empty,
        gen_ai.output.messages = Empty,
        gen_ai.usage.input_tokens = Empty,
        gen_ai.usage.output_tokens = Empty,
        gen_ai.usage.cache_read.input_tokens = Empty,
        gen_ai.usage.reasoning.output_tokens = Empty,
        server.address = address,
        server.port = port,
        error.type = Empty,
        atoma.outcome = Empty,
        atoma.confidential = info.is_confidential.then_some(true),
        atoma.stream.time_to_first_token = Empty,
        atoma.stream.longest_gap = Empty,
        atoma.stream.chunks = Empty,
        atoma.stream.tokens_per_second = Empty,
    );
    if let Some(operation) = operation {
        record_request(&span, operation, &request, info.is_confidential);
        if with_content {
            record_content(&span, &request, info.key);
        }
    }
    span
}

/// Opens the span of an attempt.
pub(super) fn attempt(call: &Span, event: &AttemptStarted<'_>) -> Span {
    let (address, port) = server(event.uri);
    let method = event.method.as_str();
    tracing::info_span!(
        target: "atoma",
        parent: call,
        "atoma.attempt",
        otel.name = method,
        otel.kind = "client",
        otel.status_code = Empty,
        http.request.method = method,
        http.request.resend_count = (event.attempt > 1).then(|| i64::from(event.attempt) - 1),
        url.full = url_without_secrets(event.uri),
        server.address = address,
        server.port = port,
        http.response.status_code = Empty,
        network.protocol.version = Empty,
        error.type = Empty,
        atoma.request_id = Empty,
    )
}

/// Records the outcome of an attempt.
pub(super) fn end_attempt(span: &Span, event: &AttemptEnded<'_>) {
    match event.outcome {
        Ok(response) => {
            let status = response.status();
            span.record("http.response.status_code", i64::from(status.as_u16()));
            if let Some(version) = protocol_version(response.version()) {
                span.record("network.protocol.version", version);
            }
            // Also if the call succeeds with a later attempt: the span is the attempt's.
            if status.as_u16() >= 400 {
                record_error(span, status.as_str());
            }
        }
        // By kind: texts of errors have too many values for a metric.
        Err(error) => record_error(span, &snake_case(&error.kind())),
    }
    if let Some(id) = event.request_id {
        span.record("atoma.request_id", id);
    }
}

/// Notes that another attempt follows.
pub(super) fn retry(call: &Span, event: &RetryEvent) {
    tracing::info!(
        target: "atoma",
        parent: call,
        attempt = event.attempt,
        cause = %event.cause,
        wait = event.wait.as_secs_f64(),
        "retry"
    );
}

/// Records the outcome of a call.
pub(super) fn end_call(span: &Span, end: &CallEnd<'_>, with_content: bool) {
    let outcome = match end.outcome {
        CallResult::Complete => "complete",
        CallResult::Failed(error) => {
            record_error(span, &snake_case(&error.kind()));
            "failed"
        }
        CallResult::Dropped => "dropped",
    };
    span.record("atoma.outcome", outcome);
    if let Some(usage) = end.usage {
        record_usage(span, usage);
    }
    if let Some(stats) = end.stats {
        record_stats(span, stats);
    }
    // The partial response of a failed call as well.
    let summary = end.response.and_then(Summary::of);
    if let Some(summary) = summary {
        record_response(span, &summary, matches!(end.outcome, CallResult::Complete), end.key);
        if with_content && !end.is_confidential {
            let messages = summary.messages().to_string();
            record_text(span, "gen_ai.output.messages", &messages, end.key);
        }
    }
}

/// Returns the operation of a model that an endpoint performs.
fn operation(path: &str) -> Option<&'static str> {
    Some(match path {
        "/chat/completions" => "chat",
        "/completions" => "text_completion",
        "/embeddings" => "embeddings",
        "/images/generations" => "generate_content",
        _ => return None,
    })
}

/// Records the parameters of a request. Those with words of the conversation are left out if it is confidential.
fn record_request(span: &Span, operation: &str, request: &RequestMembers, is_confidential: bool) {
    for (name, members) in [
        ("gen_ai.request.choice.count", &["n"][..]),
        ("gen_ai.request.seed", &["seed"]),
        ("gen_ai.request.max_tokens", &["max_completion_tokens", "max_tokens"]),
        ("gen_ai.request.top_k", &["top_k"]),
        ("gen_ai.embeddings.dimension.count", &["dimensions"]),
    ] {
        let number = members.iter().find_map(|member| request.get(member)?.as_i64());
        // A request without a number gets one choice.
        if let Some(number) = number.filter(|number| (members[0], *number) != ("n", 1)) {
            span.record(name, number);
        }
    }
    for (name, member) in [
        ("gen_ai.request.temperature", "temperature"),
        ("gen_ai.request.top_p", "top_p"),
        ("gen_ai.request.frequency_penalty", "frequency_penalty"),
        ("gen_ai.request.presence_penalty", "presence_penalty"),
    ] {
        if let Some(number) = request.get(member).and_then(Value::as_f64) {
            span.record(name, number);
        }
    }
    if let Some(level) = request.text("reasoning_effort") {
        span.record("gen_ai.request.reasoning.level", level);
    }
    if let Some(format) = request.get("encoding_format") {
        span.record("gen_ai.request.encoding_formats", list(format));
    }
    // Stop sequences are words of the conversation.
    if let (Some(stop), false) = (request.get("stop"), is_confidential) {
        span.record("gen_ai.request.stop_sequences", list(stop));
    }
    let format = request.get("response_format").and_then(|format| format["type"].as_str());
    let output = match (operation, format) {
        ("generate_content", _) => Some("image"),
        (_, Some("json_object" | "json_schema")) => Some("json"),
        (_, Some("text")) => Some("text"),
        _ => None,
    };
    if let Some(output) = output {
        span.record("gen_ai.output.type", output);
    }
}

/// Records the conversation and the tools, in the form of the conventions.
fn record_content(span: &Span, request: &RequestMembers, key: Option<&ApiKey>) {
    let messages = request.get("messages").map(content::messages);
    if let Some(messages) = messages.or_else(|| request.get("prompt").map(content::prompt)) {
        record_text(span, "gen_ai.input.messages", &messages.to_string(), key);
    }
    if let Some(tools) = request.get("tools") {
        record_text(span, "gen_ai.tool.definitions", &content::tools(tools).to_string(), key);
    }
}

/// Records the id, the model and the finish reasons of a response, complete or not.
fn record_response(span: &Span, summary: &Summary<'_>, is_complete: bool, key: Option<&ApiKey>) {
    for (name, text) in
        [("gen_ai.response.id", summary.id), ("gen_ai.response.model", summary.model)]
    {
        if !text.is_empty() {
            record_text(span, name, text, key);
        }
    }
    if !summary.choices.is_empty() {
        // By the conventions, the reason is `error` if the response ended before it arrived.
        let missing = if is_complete { Value::Null } else { "error".into() };
        let reasons = summary.choices.iter().map(|choice| choice.finish_reason());
        let reasons = reasons.map(|reason| reason.map_or(missing.clone(), Value::from));
        let reasons: Vec<_> = reasons.filter(|reason| !reason.is_null()).collect();
        let reasons = Value::from(reasons).to_string();
        record_text(span, "gen_ai.response.finish_reasons", &reasons, key);
    }
}

/// Records the counts of tokens that the server reported.
fn record_usage(span: &Span, usage: &Usage) {
    let cached = usage.prompt_tokens_details.as_ref().and_then(|details| details.cached_tokens);
    let details = usage.completion_tokens_details.as_ref();
    let reasoning = details.and_then(|details| details.reasoning_tokens);
    // Zero means that the server does not say, or that there is no output, as of embeddings.
    let known = |count: u64| Some(count).filter(|count| *count > 0);
    for (name, count) in [
        ("gen_ai.usage.input_tokens", known(usage.prompt_tokens)),
        ("gen_ai.usage.output_tokens", known(usage.completion_tokens)),
        ("gen_ai.usage.cache_read.input_tokens", cached),
        ("gen_ai.usage.reasoning.output_tokens", reasoning),
    ] {
        if let Some(count) = count {
            span.record(name, integer(count));
        }
    }
}

/// Records the timings of a stream, in seconds.
fn record_stats(span: &Span, stats: &StreamStats) {
    span.record("atoma.stream.chunks", integer(stats.chunks()));
    span.record("atoma.stream.longest_gap", stats.longest_gap().as_secs_f64());
    for (name, number) in [
        ("gen_ai.response.time_to_first_chunk", stats.first_chunk().map(|time| time.as_secs_f64())),
        ("atoma.stream.time_to_first_token", stats.first_token().map(|time| time.as_secs_f64())),
        ("atoma.stream.tokens_per_second", stats.tokens_per_second()),
    ] {
        if let Some(number) = number {
            span.record(name, number);
        }
    }
}

/// Records a text of the server or the caller, without the API key.
fn record_text(span: &Span, name: &'static str, text: &str, key: Option<&ApiKey>) {
    span.record(name, &*key.map_or(text.into(), |key| key.redact_text(text)));
}

/// Marks a span as failed, with the kind of the error.
fn record_error(span: &Span, kind: &str) {
    span.record("error.type", kind);
    span.record("otel.status_code", "ERROR");
}

/// Returns the name and the port of a server.
fn server(url: &Uri) -> (Option<&str>, Option<i64>) {
    let host = url.host().map(|host| host.trim_start_matches('[').trim_end_matches(']'));
    // The conventions require a port, which a URL leaves out where it is the scheme's own.
    let usual = match url.scheme_str() {
        Some("http") => Some(80),
        Some("https") => Some(443),
        _ => None,
    };
    (host, url.port_u16().or(usual).map(i64::from))
}

/// Returns the version in the conventions' form.
fn protocol_version(version: Version) -> Option<&'static str> {
    Some(match version {
        Version::HTTP_10 => "1.0",
        Version::HTTP_11 => "1.1",
        Version::HTTP_2 => "2",
        Version::HTTP_3 => "3",
        _ => return None,
    })
}

/// Returns the name of a kind of errors: `RateLimit` is `rate_limit`, `Timeout(Head)` is `timeout`.
fn snake_case(kind: &impl Debug) -> String {
    let name = format!("{kind:?}");
    let mut snake = String::new();
    for char in name.chars().take_while(char::is_ascii_alphanumeric) {
        if char.is_ascii_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.push(char.to_ascii_lowercase());
    }
    snake
}

/// Returns one text or several as a list in JSON.
fn list(value: &Value) -> String {
    if value.is_array() { value.to_string() } else { Value::from(vec![value.clone()]).to_string() }
}

/// Exporters know signed integers only.
fn integer(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
