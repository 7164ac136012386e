//! Recordings of real servers are read as their model's output.

mod support;

use atoma_types::ApiError;
use std::{fs, path::Path};
use support::{Outcome, read_body, read_stream};

const SAID: &str = "Hello, from a tiny model! 🙂 café says 日本 Done.";

/// The body of a recording, without chunked framing if it is still there.
fn body(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/captures").join(name);
    let recording = fs::read(path).unwrap();
    let split = recording.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    let body = &recording[split + 4..];
    if !name.contains("-raw") {
        return String::from_utf8(body.to_vec()).unwrap();
    }
    let mut rest = body;
    let mut whole = Vec::new();
    while let Some(end) = rest.windows(2).position(|two| two == b"\r\n") {
        let size =
            usize::from_str_radix(std::str::from_utf8(&rest[..end]).unwrap().trim(), 16).unwrap();
        whole.extend_from_slice(&rest[end + 2..end + 2 + size]);
        rest = &rest[end + 4 + size..];
    }
    String::from_utf8(whole).unwrap()
}

fn usage(outcome: &Outcome) -> Option<(u64, u64, u64)> {
    let usage = outcome.response.usage()?;
    Some((usage.prompt_tokens, usage.completion_tokens, usage.total_tokens))
}

#[test]
fn streams_of_text() {
    for (name, text, finish, tokens) in [
        ("llamacpp-stream-ping.http", "Hello, from a tiny", "length", None),
        ("llamacpp-stream-raw.http", SAID, "stop", None),
        ("transformers-stream.http", SAID, "stop", Some((44, 20, 64))),
        ("vllm-stream-logprobs.http", "Hello, from a tiny model! ", "length", None),
        ("vllm-stream-usage.http", SAID, "stop", Some((44, 20, 64))),
        ("vllm-stream.http", SAID, "stop", None),
    ] {
        let outcome = read_stream(&body(name));
        assert_eq!(outcome.response.text(), text, "{name}");
        assert_eq!(outcome.response.finish_reason().unwrap().as_str(), finish, "{name}");
        assert!(!outcome.truncated && outcome.error.is_none(), "{name}");
        assert_eq!(usage(&outcome), tokens, "{name}");
    }
}

#[test]
fn bodies_of_text() {
    for name in ["llamacpp-nonstream.http", "vllm-nonstream.http"] {
        let outcome = read_body(&body(name));
        assert_eq!(outcome.response.text(), SAID, "{name}");
        assert_eq!(usage(&outcome), Some((44, 20, 64)), "{name}");
    }
}

#[test]
fn reasoning() {
    let outcome = read_stream(&body("llamacpp-stream-reasoning.http"));
    let reasoning = outcome.response.message().unwrap().reasoning().unwrap().into_owned();
    assert!(reasoning.starts_with("Let me think"), "{reasoning}");
    assert!(!outcome.response.text().contains("Let me"));
    assert_eq!(outcome.response.message().unwrap().reasoning, None);
}

#[test]
fn log_probabilities() {
    let outcome = read_stream(&body("vllm-stream-logprobs.http"));
    let logprobs = outcome.response.choices[0].logprobs.as_ref().unwrap();
    let tokens = logprobs.content.as_ref().unwrap();
    let bytes = tokens.iter().flat_map(|token| token.bytes.clone().unwrap_or_default()).collect();
    assert_eq!(String::from_utf8(bytes).unwrap(), outcome.response.text());
    assert!(tokens.iter().all(|token| token.logprob.is_some_and(|logprob| logprob <= 0.0)
        && token.top_logprobs.len() == 2));
}

#[test]
fn usage_next_to_choices_that_are_not_empty() {
    let outcome = read_stream(&body("litellm-stream-usage.http"));
    assert_eq!(outcome.response.text(), SAID);
    assert_eq!(usage(&outcome), Some((16, 14, 30)));
    assert_eq!(outcome.response.finish_reason().unwrap().as_str(), "stop");
}

#[test]
fn tool_calls() {
    let outcome = read_stream(&body("aimock-two-tools-stream.http"));
    let calls: Vec<_> = outcome.response.tool_calls().iter().map(|call| &call.function).collect();
    assert_eq!(outcome.response.text(), "Looking.");
    assert_eq!(calls.len(), 2);
    assert!(calls[1].arguments.ends_with("é 日本 🙂\"}"), "{}", calls[1].arguments);
    assert!(outcome.response.tool_calls().iter().all(|call| call.arguments_json().is_ok()));
    assert_eq!(usage(&outcome), Some((3, 17, 20)));

    let outcome = read_stream(&body("llamacpp-stream-tools-required.http"));
    let [call] = outcome.response.tool_calls() else { panic!("one call") };
    assert!(call.arguments_json().unwrap().is_object(), "{}", call.function.arguments);
    assert_eq!(outcome.response.finish_reason().unwrap().as_str(), "tool_calls");

    let outcome = read_body(&body("vllm-tools-required.http"));
    let [call] = outcome.response.tool_calls() else { panic!("one call") };
    assert_eq!(
        (call.function.name.as_str(), call.function.arguments.as_str()),
        ("get_weather", "false")
    );
}

#[test]
fn refusals() {
    for (name, code, message) in [
        ("aimock-limit-always.http", Some("rate_limit_exceeded"), "Rate limited"),
        (
            "litellm-mock-ratelimit.http",
            Some("429"),
            "litellm.RateLimitError: this is a mock rate limit error",
        ),
        ("llamacpp-err-key.http", Some("401"), "Invalid API Key"),
        ("transformers-err-json.http", None, "body.28: JSON decode error"),
        (
            "vllm-err-range.http",
            Some("400"),
            "temperature must be non-negative, got -3.0. (parameter=temperature, value=-3.0)",
        ),
    ] {
        let error = ApiError::from_body(body(name).as_bytes()).unwrap();
        assert_eq!(error.code.as_deref(), code, "{name}");
        assert!(error.message.starts_with(message), "{name}: {}", error.message);
        assert!(!error.to_string().contains('\n'), "{name}");
    }
}
