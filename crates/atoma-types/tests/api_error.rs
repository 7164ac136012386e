//! Errors in every shape that real servers send.

use atoma_types::{ApiError, ChatCompletionChunk, ChatCompletionResponse};

/// Name, body, code, kind, message.
type Case = (&'static str, &'static str, Option<&'static str>, Option<&'static str>, &'static str);

const CASES: &[Case] = &[
    (
        "Atoma",
        r#"{"error":{"code":"AUTH_ERROR","message":"Authentication failed"}}"#,
        Some("AUTH_ERROR"),
        None,
        "Authentication failed",
    ),
    (
        "OpenAI",
        r#"{"error":{"message":"m","type":"insufficient_quota","param":null,"code":"insufficient_quota"}}"#,
        Some("insufficient_quota"),
        Some("insufficient_quota"),
        "m",
    ),
    ("a number for a code", r#"{"error":{"message":"m","code":400}}"#, Some("400"), None, "m"),
    ("a string", r#"{"error":"m"}"#, None, None, "m"),
    ("a string and a kind", r#"{"error":"m","error_type":"validation"}"#, None, None, "m"),
    (
        "a name and a message",
        r#"{"status":404,"error":"Not Found","message":"m"}"#,
        None,
        Some("Not Found"),
        "m",
    ),
    ("a flag", r#"{"error":true,"message":"m"}"#, None, None, "m"),
    ("flat", r#"{"code":20013,"message":"m","data":null}"#, Some("20013"), None, "m"),
    (
        "flat, older vLLM",
        r#"{"object":"error","message":"m","type":"BadRequestError","param":null,"code":400}"#,
        Some("400"),
        Some("BadRequestError"),
        "m",
    ),
    ("details", r#"{"code":400,"details":"m"}"#, Some("400"), None, "m"),
    ("FastAPI", r#"{"detail":"m"}"#, None, None, "m"),
    (
        "FastAPI, a list",
        r#"{"detail":[{"loc":["body","n",0],"msg":"m"},{"loc":[],"msg":"k"}]}"#,
        None,
        None,
        "body.n.0: m; k",
    ),
    ("FastAPI, an object", r#"{"detail":{"error":"x","message":"m"}}"#, None, None, "m"),
    (
        "RFC 9457",
        r#"{"type":"about:blank","title":"Bad","status":400,"detail":"m"}"#,
        None,
        Some("about:blank"),
        "m",
    ),
    (
        "RFC 9457, a title only",
        r#"{"type":"about:blank","title":"m","status":400}"#,
        None,
        Some("about:blank"),
        "m",
    ),
    ("a list of errors", r#"{"errors":[{"message":"m"},{"message":"k"}]}"#, None, None, "m; k"),
    ("a list of texts", r#"{"errors":["m","k"]}"#, None, None, "m; k"),
    (
        "Google",
        r#"[{"error":{"code":429,"message":"m","status":"RESOURCE_EXHAUSTED"}}]"#,
        Some("429"),
        None,
        "m",
    ),
    ("a list inside", r#"{"error":[{"message":"m","code":1}]}"#, Some("1"), None, "m"),
    ("msg", r#"{"code":1,"msg":"m"}"#, Some("1"), None, "m"),
    ("Amazon", r#"{"__type":"x","Message":"m"}"#, None, None, "m"),
    (
        "OAuth",
        r#"{"error":"invalid_token","error_description":"m"}"#,
        None,
        Some("invalid_token"),
        "m",
    ),
    (
        "a wrapper with more",
        r#"{"type":"error","error":{"type":"overloaded_error","message":"m"},"request_id":"r"}"#,
        None,
        Some("overloaded_error"),
        "m",
    ),
    ("an error inside an error", r#"{"error":{"error":{"message":"m"}}}"#, None, None, "m"),
    (
        "JSON inside a JSON string",
        r#""{\"error\":{\"message\":\"m\",\"code\":\"c\"}}""#,
        Some("c"),
        None,
        "m",
    ),
    ("a JSON string", r#""m""#, None, None, "m"),
    ("text that opens like JSON", "404 page not found", None, None, "404 page not found"),
    ("text that opens with a mark", "[worker 3] no model", None, None, "[worker 3] no model"),
    ("text", " File Not Found\n", None, None, "File Not Found"),
    (
        "a message of another type",
        r#"{"error":{"message":{"text":"x"},"code":"c"}}"#,
        Some("c"),
        None,
        "",
    ),
    (
        "a member named after the error",
        r#"{"requestId":"r","internalServerException":{"message":"m"}}"#,
        None,
        Some("internalServerException"),
        "m",
    ),
    ("texts in a list inside", r#"{"error":["m","k"]}"#, None, None, "m; k"),
    ("an empty list of choices next to it", r#"{"choices":[],"message":"m"}"#, None, None, "m"),
    ("blank lines before", "\n\n{\"error\":{\"message\":\"m\"}}", None, None, "m"),
];

#[test]
fn each_shape_is_read() {
    for (name, body, code, kind, message) in CASES {
        let error = ApiError::from_body(body.as_bytes()).expect(name);
        assert_eq!(error.message, *message, "{name}");
        assert_eq!((error.code.as_deref(), error.kind.as_deref()), (*code, *kind), "{name}");
        assert!(!error.to_string().is_empty(), "{name}");
        let written = serde_json::to_vec(&error).unwrap();
        assert_eq!(serde_json::from_slice::<ApiError>(&written).unwrap(), error, "{name}");
    }
}

#[test]
fn a_body_without_an_error_is_none() {
    for body in [
        "",
        "  \n",
        "<html><body>502</body></html>",
        "<!DOCTYPE html>",
        "{}",
        "[]",
        "null",
        "7",
        "true",
        "{\"a\":1}",
        "{\"error\":null}",
        "{\"error\":{}}",
        "{\"error\":\"\"}",
        "{\"error\":false,\"message\":\"ok\"}",
        r#"{"error":false,"message":"m"}"#,
        r#"{"choices":[{"text":"a"}],"message":"m"}"#,
        r#"{"choices":[{"text":"a"}],"code":1,"detail":"m"}"#,
        "\u{0}\u{1}",
        "{\"error\":{\"mess",
        r#"{"id":"c","choices":[{"message":{"content":"a"}}]}"#,
    ] {
        assert_eq!(ApiError::from_body(body.as_bytes()), None, "{body}");
    }
    assert_eq!(ApiError::from_body(b"\x1f\x8b\x08\x00\xff\xfe"), None);
}

#[test]
fn unknown_members_stay_reachable() {
    let body = br#"{"error":{"message":"m","metadata":{"raw":"rate-limited upstream"},"failed_generation":"<tool>"},"user_id":"u"}"#;
    let error = ApiError::from_body(body).unwrap();
    assert_eq!(error.extra.get("metadata").unwrap()["raw"], "rate-limited upstream");
    assert_eq!(error.extra.get("failed_generation").unwrap(), "<tool>");
    assert_eq!(error.extra.get("user_id").unwrap(), "u");
}

#[test]
fn it_is_shown_on_one_short_line() {
    for (body, shown) in [
        (
            r#"{"error":{"code":"AUTH_ERROR","message":"Authentication failed"}}"#,
            "AUTH_ERROR, Authentication failed",
        ),
        (r#"{"error":{"type":"kind","message":"a\n\n b\tc\u0007"}}"#, "kind, a b c"),
        (r#"{"error":{"message":"m"}}"#, "m"),
        (r#"{"error":{"code":"c"}}"#, "c"),
    ] {
        assert_eq!(ApiError::from_body(body.as_bytes()).unwrap().to_string(), shown);
    }
    let endless = format!(r#"{{"error":{{"message":"{}"}}}}"#, "日".repeat(100_000));
    assert!(ApiError::from_body(endless.as_bytes()).unwrap().to_string().len() < 600);
    assert_eq!(ApiError::default().to_string(), "unknown error");
}

#[test]
fn plain_text_is_cut_where_it_is_too_long() {
    let error = ApiError::from_body("é".repeat(9000).as_bytes()).unwrap();
    assert_eq!(error.message.chars().count(), 500);
}

#[test]
fn a_message_of_500_bytes_is_shown_whole() {
    for (length, is_whole) in [(499, true), (500, true), (501, false), (502, false)] {
        let shown = ApiError::from_body("e".repeat(length).as_bytes()).unwrap().to_string();
        assert_eq!(shown.len(), length.min(500), "{length}");
        let body = format!(r#"{{"error":{{"message":"{}"}}}}"#, "e".repeat(length));
        let shown = ApiError::from_body(body.as_bytes()).unwrap().to_string();
        assert_eq!(shown.ends_with('e'), is_whole, "{length}: {shown}");
        assert_eq!(shown.trim_end_matches('…').len(), length.min(500), "{length}");
    }
}

#[test]
fn a_response_without_an_error_is_written_without_one() {
    let error = r#"{"id":"c","choices":[],"error":{"message":"m"},"error":null}"#;
    let none = r#"{"id":"c","choices":[],"error":null}"#;
    let chunk = ChatCompletionChunk::from_slice(error.as_bytes()).unwrap();
    assert_eq!(chunk.error().unwrap().message, "m", "null erases nothing");
    let chunk = ChatCompletionChunk::from_slice(none.as_bytes()).unwrap();
    let response = ChatCompletionResponse::from_slice(none.as_bytes()).unwrap();
    for written in
        [serde_json::to_string(&chunk).unwrap(), serde_json::to_string(&response).unwrap()]
    {
        assert!(!written.contains("error"), "{written}");
    }
}

/// Name, chunk, kind and message of its error.
#[test]
fn an_error_in_unknown_members_counts_where_there_is_no_content() {
    for (name, chunk, error) in [
        ("a message, no choices", r#"{"id":"c","message":"m"}"#, Some((None, "m"))),
        (
            "a message, no choices of a completion",
            r#"{"id":"c","object":"chat.completion.chunk","message":"m"}"#,
            Some((None, "m")),
        ),
        ("a message, empty choices", r#"{"choices":[],"message":"m"}"#, Some((None, "m"))),
        ("a message, empty choices, an id", r#"{"id":"c","choices":[],"message":"m"}"#, None),
        (
            "a message, empty choices of a completion",
            r#"{"object":"chat.completion.chunk","choices":[],"message":"m"}"#,
            None,
        ),
        (
            "a message and a code, empty choices, an id",
            r#"{"id":"c","choices":[],"message":"m","code":1}"#,
            Some((None, "m")),
        ),
        (
            "a message and a code, usage",
            r#"{"id":"c","choices":[],"message":"m","code":1,"usage":{"total_tokens":7}}"#,
            None,
        ),
        (
            "a message and a code, usage of zero",
            r#"{"id":"c","choices":[],"message":"m","code":1,"usage":{"total_tokens":0}}"#,
            Some((None, "m")),
        ),
        (
            "a message and a code, a choice",
            r#"{"id":"c","choices":[{"delta":{"content":"a"}}],"message":"m","code":1}"#,
            None,
        ),
        (
            "a failure without a message",
            r#"{"id":"c","choices":[],"status":"failed"}"#,
            Some((Some("failed"), "the response reports a failure")),
        ),
        (
            "no success",
            r#"{"id":"c","choices":[],"success":false}"#,
            Some((None, "the response reports a failure")),
        ),
        ("success", r#"{"id":"c","choices":[],"success":true}"#, None),
        (
            "a choice that ended with an error",
            r#"{"id":"c","choices":[{"delta":{},"finish_reason":"error"}]}"#,
            Some((None, "the choice ended with finish_reason error")),
        ),
        (
            "the same in capitals",
            r#"{"id":"c","choices":[{"delta":{},"finish_reason":"ERROR"}]}"#,
            Some((None, "the choice ended with finish_reason error")),
        ),
        (
            "a choice that ended with another word",
            r#"{"id":"c","choices":[{"delta":{},"finish_reason":"errors"}]}"#,
            None,
        ),
    ] {
        let chunk = ChatCompletionChunk::from_slice(chunk.as_bytes()).unwrap();
        let found = chunk.error().map(|error| (error.kind.as_deref(), &*error.message));
        assert_eq!(found, error, "{name}");
    }
}
