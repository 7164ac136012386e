//! Further cases of the classes of faults in `fixtures/field.jsonl`: reported errors, and events
//! that are not errors.

mod support;

use atoma_types::{ChatCompletionResponse, ResponseModel};
use serde_json::json;
use support::{events, read_body, read_stream};

/// A body, the code and the message of its error.
#[test]
fn a_failure_is_reported_wherever_it_is_said() {
    for (body, code, message) in [
        (
            json!({"id": "1", "choices": null, "base_resp": {"status_code": 1008, "status_msg": "no balance"}}),
            Some("1008"),
            "no balance",
        ),
        (
            json!({"id": "1", "choices": [{"message": {"content": "x"}}], "base_resp": {"status_code": "1027", "status_msg": "m"}}),
            Some("1027"),
            "m",
        ),
        (
            json!({"id": "1", "choices": [], "code": "Throttling", "message": "m"}),
            Some("Throttling"),
            "m",
        ),
        (json!({"id": "1", "object": "error", "message": "m", "code": 503}), Some("503"), "m"),
        (json!({"id": "1", "code": "InternalError", "message": "m"}), Some("InternalError"), "m"),
        (json!({"id": "1", "choices": null, "detail": "m"}), None, "m"),
        (
            json!({"id": "1", "choices": null, "error_msg": "m", "error_code": 336_000}),
            Some("336000"),
            "m",
        ),
        (json!({"id": "1", "type": "error", "message": "m"}), None, "m"),
        (json!({"id": "1", "choices": [], "success": false, "msg": "m"}), None, "m"),
        (json!({"id": "1", "choices": [], "status": 429, "message": "m"}), None, "m"),
        (json!({"id": "1", "choices": [], "x_groq": {"error": "m"}}), None, "m"),
        (
            json!({"id": "1", "choices": [], "x_groq": {"error": {"message": "m", "code": "c"}}}),
            Some("c"),
            "m",
        ),
        (
            json!({"id": "1", "choices": [{"delta": {"error": {"message": "m"}}, "message": {"error": {"message": "m"}}}]}),
            None,
            "m",
        ),
        (json!({"message": "m"}), None, "m"),
    ] {
        let unary = read_body(&body.to_string()).error.unwrap_or_default();
        assert_eq!((unary.code.as_deref(), unary.message.as_str()), (code, message), "{body}");
        let streamed = read_stream(&events(&[
            json!({"id": "1", "choices": [{"delta": {"content": "a"}}]}),
            body.clone(),
        ]));
        let error = streamed.error.unwrap_or_default();
        assert_eq!((error.code.as_deref(), error.message.as_str()), (code, message), "{body}");
        assert_eq!(streamed.response.text(), "a", "{body}: the earlier text is kept");
    }
}

#[test]
fn another_object_is_not_a_completion() {
    for body in [
        json!({"object": "list", "data": []}),
        json!({"object": "embedding", "choices": []}),
        json!({"id": "m", "type": "message", "content": [{"type": "text", "text": "a"}]}),
        json!({"id": "r", "object": "response", "output": []}),
        json!({"id": "x"}),
        json!({"id": "x", "object": "chat.completion", "model": "m"}),
        json!({"id": "x", "choices": null}),
        json!({"id": "x", "object": "text_completion", "choices": [{"text": "a"}]}),
        json!({"message": {"content": "a"}, "done": true}),
        json!({}),
    ] {
        let outcome = read_body(&body.to_string());
        assert!(outcome.unreadable || outcome.error.is_some(), "{body}");
        let streamed = read_stream(&(events(std::slice::from_ref(&body)) + "data: [DONE]\n\n"));
        assert!(streamed.unreadable || streamed.error.is_some(), "{body}");
    }
    for body in
        [json!({"choices": []}), json!({"id": "x", "object": "chat.completion", "choices": []})]
    {
        let response =
            <ChatCompletionResponse as ResponseModel>::from_slice(body.to_string().as_bytes())
                .unwrap();
        assert!(response.has_content(), "{body}");
    }
}

/// An event's name and data: neither an error nor a part of the response.
#[test]
fn notices_are_not_errors() {
    let a = json!({"id": "c", "choices": [{"delta": {"content": "a"}, "finish_reason": "stop"}]});
    for (event, data) in [
        ("status", json!({"type": "status", "message": "queue position 3"})),
        ("", json!({"type": "status", "message": "queue position 3"})),
        ("", json!({"type": "ping"})),
        ("warning", json!({"message": "slow"})),
        ("progress", json!({"message": "50 %", "detail": "x"})),
        (
            "",
            json!({"id": "c", "object": "chat.completion.chunk", "choices": [], "message": "warming up"}),
        ),
        ("", json!({"id": "c", "choices": [], "error": {"code": 0, "message": "success"}})),
        (
            "",
            json!({"id": "c", "choices": [], "base_resp": {"status_code": 0, "status_msg": "success"}}),
        ),
        ("", json!({"id": "c", "choices": [], "code": 200, "msg": "ok"})),
        ("metadata", json!({"error": null, "message": "m"})),
    ] {
        let raw = format!(
            "event: {event}\ndata: {data}\n\n{}data: [DONE]\n\n",
            events(std::slice::from_ref(&a))
        );
        let outcome = read_stream(&raw);
        assert!(
            outcome.error.is_none() && !outcome.truncated,
            "{event} {data}: {:?}",
            outcome.error
        );
        assert_eq!(outcome.text, "a", "{event} {data}");
    }
    let raw =
        format!("{}event: exception\ndata: {{\"error\":{{\"message\":\"m\"}}}}\n\n", events(&[a]));
    assert_eq!(read_stream(&raw).error.unwrap().message, "m", "an error says so in any event");
}
