//! Further cases of real servers' responses, and the results that a caller must get.

mod support;

use atoma_types::{
    ChatCompletionChunk, ChatCompletionMessage, ChatCompletionRequest, ChatCompletionResponse,
};
use serde_json::{Value, json};
use support::{read_choices, read_stream};

/// A stream of one choice with these deltas and a normal finish.
fn stream(deltas: &[Value]) -> ChatCompletionResponse {
    let mut events: Vec<Value> =
        deltas.iter().map(|delta| json!({"choices": [{"index": 0, "delta": delta}]})).collect();
    events.push(json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}));
    stream_of(&events)
}

fn stream_of(events: &[Value]) -> ChatCompletionResponse {
    let raw: String = events.iter().map(|event| format!("data: {event}\n\n")).collect();
    read_stream(&raw).response
}

/// Name, deltas, text, reasoning.
#[test]
fn deltas_of_every_kind_are_read() {
    let cases: &[(&str, &[Value], &str, Option<&str>)] = &[
        ("null content", &[json!({"content": null}), json!({"content": "a"})], "a", None),
        ("no content", &[json!({"role": "assistant"}), json!({"content": "a"})], "a", None),
        ("null delta", &[Value::Null, json!({"content": "a"})], "a", None),
        ("content as an empty list", &[json!({"content": []}), json!({"content": "a"})], "a", None),
        ("content as one part", &[json!({"content": {"type": "text", "text": "a"}})], "a", None),
        ("content as strings", &[json!({"content": ["a", "b"]})], "ab", None),
        ("content as a number", &[json!({"content": 1}), json!({"content": 2})], "12", None),
        (
            "content as an unknown value",
            &[json!({"content": true}), json!({"content": "a"})],
            "a",
            None,
        ),
        (
            "text and parts by turns",
            &[
                json!({"content": "a"}),
                json!({"content": [{"type": "text", "text": "b"}]}),
                json!({"content": "c"}),
            ],
            "abc",
            None,
        ),
        (
            "thinking in pieces",
            &[
                json!({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "x"}]}]}),
                json!({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "y"}]}]}),
                json!({"content": "a"}),
            ],
            "a",
            Some("xy"),
        ),
        (
            "thinking as a string",
            &[
                json!({"content": [{"type": "thinking", "thinking": "x"}, {"type": "text", "text": "a"}]}),
            ],
            "a",
            Some("x"),
        ),
        (
            "twins that change",
            &[
                json!({"reasoning": "x"}),
                json!({"reasoning_content": "y"}),
                json!({"content": "a"}),
            ],
            "a",
            Some("xy"),
        ),
        (
            "one twin empty",
            &[json!({"reasoning": "x", "reasoning_content": ""}), json!({"content": "a"})],
            "a",
            Some("x"),
        ),
        (
            "one twin null",
            &[json!({"reasoning": null, "reasoning_content": "x"}), json!({"content": "a"})],
            "a",
            Some("x"),
        ),
        ("reasoning of another type", &[json!({"reasoning": {"a": 1}, "content": "a"})], "a", None),
        ("tool calls null", &[json!({"content": "a", "tool_calls": null})], "a", None),
        ("tool calls of another type", &[json!({"content": "a", "tool_calls": ""})], "a", None),
        ("an unknown role", &[json!({"role": "model", "content": "a"})], "a", None),
        ("a role of another type", &[json!({"role": {"a": 1}, "content": "a"})], "a", None),
        ("a refusal of another type", &[json!({"refusal": [1], "content": "a"})], "a", None),
    ];
    for (name, deltas, text, reasoning) in cases {
        let response = stream(deltas);
        assert_eq!(response.text(), *text, "{name}");
        assert_eq!(response.message().unwrap().reasoning().as_deref(), *reasoning, "{name}");
    }
}

/// Name, the body of a response: the text is "a" in each, and it stays the same when written and
/// read again.
#[test]
fn a_response_is_never_lost_because_of_another_member() {
    let good = json!({"id": "c", "object": "chat.completion", "created": 1, "model": "m",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "a"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}});
    let cases = [
        ("id a number", "/id", json!(7)),
        ("id null", "/id", json!(null)),
        ("id an object", "/id", json!({"a": 1})),
        ("object unknown", "/object", json!("text_completion")),
        ("object null", "/object", json!(null)),
        ("created a float", "/created", json!(1.7e9)),
        ("created with a fraction", "/created", json!(1_700_000_000.123)),
        ("created a string", "/created", json!("1700000000")),
        ("created a date", "/created", json!("2024-01-01T00:00:00Z")),
        ("created negative", "/created", json!(-1)),
        ("created huge", "/created", json!(1e300)),
        ("created beyond i64", "/created", json!(u64::MAX)),
        ("model null", "/model", json!(null)),
        ("model a number", "/model", json!(4)),
        ("model an object", "/model", json!({"name": "m"})),
        ("index a string", "/choices/0/index", json!("0")),
        ("index a float", "/choices/0/index", json!(0.0)),
        ("index negative", "/choices/0/index", json!(-1)),
        ("index huge", "/choices/0/index", json!(u64::MAX)),
        ("index beyond any integer", "/choices/0/index", json!(1e300)),
        ("index null", "/choices/0/index", json!(null)),
        ("index a boolean", "/choices/0/index", json!(false)),
        ("finish reason a number", "/choices/0/finish_reason", json!(1)),
        ("finish reason an object", "/choices/0/finish_reason", json!({"reason": "stop"})),
        ("finish reason empty", "/choices/0/finish_reason", json!("")),
        ("usage a list", "/usage", json!([])),
        ("usage a string", "/usage", json!("none")),
        ("usage null", "/usage", json!(null)),
        ("a count null", "/usage/completion_tokens", json!(null)),
        ("a count a float", "/usage/completion_tokens", json!(2.0)),
        ("a count a string", "/usage/completion_tokens", json!("2")),
        ("a count negative", "/usage/completion_tokens", json!(-2)),
        ("a count an object", "/usage/completion_tokens", json!({})),
        ("role unknown", "/choices/0/message/role", json!("model")),
        ("role null", "/choices/0/message/role", json!(null)),
    ];
    for (name, place, value) in cases {
        let mut wire = good.clone();
        *wire.pointer_mut(place).unwrap() = value;
        check(name, &wire);
    }
    let additions = [
        ("logprobs a list", "/choices/0", "logprobs", json!([])),
        (
            "logprobs of the older form",
            "/choices/0",
            "logprobs",
            json!({"tokens": ["a"], "token_logprobs": [null]}),
        ),
        ("logprobs of another type", "/choices/0", "logprobs", json!({"content": "none"})),
        ("stop reason an object", "/choices/0", "stop_reason", json!({"a": 1})),
        ("stop reason as in the OpenAPI", "/choices/0", "stop_reason", json!({"Int": 1})),
        ("tool calls an empty list", "/choices/0/message", "tool_calls", json!([])),
        ("tool calls with a null", "/choices/0/message", "tool_calls", json!([null])),
        ("tool calls of numbers", "/choices/0/message", "tool_calls", json!([1, 2])),
        (
            "one tool call alone",
            "/choices/0/message",
            "tool_calls",
            json!({"id": "x", "function": {"name": "f"}}),
        ),
        (
            "a call without a function",
            "/choices/0/message",
            "tool_calls",
            json!([{"id": "x", "function": null}]),
        ),
        (
            "a function call of before",
            "/choices/0/message",
            "function_call",
            json!({"name": "f", "arguments": "{}"}),
        ),
        ("refusal empty", "/choices/0/message", "refusal", json!("")),
        ("a delta next to the message", "/choices/0", "delta", json!({})),
        ("error null", "", "error", json!(null)),
        ("error false", "", "error", json!(false)),
        ("error empty", "", "error", json!({})),
        ("a tier of another type", "", "service_tier", json!(1)),
        ("a fingerprint of another type", "", "system_fingerprint", json!(["x"])),
        ("a signature of another type", "", "signature", json!({})),
        ("members of a vendor", "", "x_vendor", json!({"deep": [{"er": null}]})),
        ("a vendor's null", "", "kv_transfer_params", json!(null)),
    ];
    for (name, place, member, value) in additions {
        let mut wire = good.clone();
        wire.pointer_mut(place).unwrap()[member] = value;
        check(name, &wire);
    }
}

fn check(name: &str, wire: &Value) {
    let response = ChatCompletionResponse::from_slice(wire.to_string().as_bytes()).unwrap();
    assert_eq!(response.text(), "a", "{name}");
    assert!(response.error.is_none(), "{name}");
    let written = serde_json::to_vec(&response).unwrap();
    assert_eq!(ChatCompletionResponse::from_slice(&written).unwrap(), response, "{name}");
}

/// Name, the text of a body: it is read as text "a".
#[test]
fn flawed_text_is_read_where_its_meaning_is_clear() {
    for (name, json) in [
        ("a repeated key", r#"{"id":"x","id":"c","choices":[{"message":{"content":"a"}}]}"#),
        (
            "a repeated key, null at last",
            r#"{"id":"c","id":null,"choices":[{"message":{"content":"a","content":null}}]}"#,
        ),
        (
            "a repeated key, unreadable at last",
            r#"{"id":"c","id":{},"choices":[{"message":{"content":"a"}}]}"#,
        ),
        (
            "a repeated unknown key",
            r#"{"id":"c","x":1,"x":2,"choices":[{"message":{"content":"a"}}]}"#,
        ),
        ("choices twice", r#"{"id":"c","choices":[],"choices":[{"message":{"content":"a"}}]}"#),
        (
            "choices, then none",
            r#"{"id":"c","choices":[{"message":{"content":"a"}}],"choices":[]}"#,
        ),
        ("a choice that is null", r#"{"id":"c","choices":[null,{"message":{"content":"a"}}]}"#),
        ("a choice that is text", r#"{"id":"c","choices":["x",{"message":{"content":"a"}}]}"#),
        ("a choice without a list", r#"{"id":"c","choices":{"message":{"content":"a"}}}"#),
        (
            "an empty delta after the message",
            r#"{"id":"c","choices":[{"message":{"content":"a"},"delta":{}}]}"#,
        ),
        ("a delta for a message", r#"{"id":"c","choices":[{"delta":{"content":"a"}}]}"#),
        ("NaN", r#"{"id":"c","x":NaN,"choices":[{"message":{"content":"a"}}]}"#),
        ("minus infinity", r#"{"id":"c","x":-Infinity,"choices":[{"message":{"content":"a"}}]}"#),
        (
            "a number too great",
            r#"{"id":"c","created":1e999,"choices":[{"message":{"content":"a"}}]}"#,
        ),
        (
            "half a pair in another member",
            r#"{"id":"c","x":"\ud83d","choices":[{"message":{"content":"a"}}]}"#,
        ),
        (
            "a raw tab in another member",
            "{\"id\":\"c\",\"x\":\"\t\",\"choices\":[{\"message\":{\"content\":\"a\"}}]}",
        ),
        ("an escaped name", r#"{"id":"c","choices":[{"message":{"\u0063ontent":"a"}}]}"#),
        (
            "a byte order mark",
            "\u{feff}{\"id\":\"c\",\"choices\":[{\"message\":{\"content\":\"a\"}}]}",
        ),
        (
            "[DONE] after it",
            "{\"id\":\"c\",\"choices\":[{\"message\":{\"content\":\"a\"}}]}\n\ndata: [DONE]\n\n",
        ),
    ] {
        let response = ChatCompletionResponse::from_slice(json.as_bytes()).expect(name);
        assert_eq!((response.id.as_str(), response.text().as_ref()), ("c", "a"), "{name}");
    }
}

/// Name, a choice of a chunk: its text is "a", and no member is left over.
#[test]
fn an_unreadable_delta_is_replaced_by_the_message() {
    for (name, choice) in [
        ("a number", r#"{"delta":7,"message":{"content":"a"}}"#),
        ("a list", r#"{"message":{"content":"a"},"delta":[7]}"#),
        ("a number twice", r#"{"delta":7,"delta":8,"message":{"content":"a"}}"#),
    ] {
        let json = format!(r#"{{"choices":[{choice}]}}"#);
        let chunk = ChatCompletionChunk::from_slice(json.as_bytes()).expect(name);
        assert_eq!(chunk.text(), "a", "{name}");
        assert!(chunk.choices[0].extra.is_empty(), "{name}: {chunk:?}");
    }
}

#[test]
fn usage_and_finish_reason_survive_later_chunks() {
    let usage = |tokens| json!({"prompt_tokens": 1, "completion_tokens": tokens, "total_tokens": tokens + 1});
    let response = stream_of(&[
        json!({"choices": [{"delta": {"content": "a"}}], "usage": usage(1)}),
        json!({"choices": [{"delta": {}, "finish_reason": "stop", "stop_reason": 7}], "usage": usage(2)}),
        json!({"choices": [{"delta": {}, "finish_reason": null, "stop_reason": null}], "usage": null}),
        json!({"choices": [{"delta": {}, "finish_reason": ""}]}),
    ]);
    assert_eq!(response.finish_reason().unwrap().as_str(), "stop");
    assert_eq!(response.usage().unwrap().completion_tokens, 2);
    assert!(response.choices[0].stop_reason.is_some());
}

#[test]
fn usage_inside_a_choice_or_a_vendors_member_is_found_in_a_stream() {
    let usage = json!({"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7});
    for chunk in [
        json!({"choices": [{"delta": {}, "finish_reason": "stop", "usage": usage}]}),
        json!({"choices": [{"delta": {}, "finish_reason": "stop"}], "x_groq": {"usage": usage}}),
        json!({"choices": [{"delta": {}, "finish_reason": "stop"}], "usage": usage}),
    ] {
        assert_eq!(stream_of(&[chunk]).usage.unwrap().total_tokens, 7);
    }
}

#[test]
fn choices_come_in_any_order_and_interleaved() {
    let piece =
        |index: i64, text: &str| json!({"choices": [{"index": index, "delta": {"content": text}}]});
    let events = [piece(2, "c"), piece(0, "a"), piece(1, "b"), piece(2, "C"), piece(0, "A")];
    let raw: String = events.iter().map(|event| format!("data: {event}\n\n")).collect();
    let response = read_choices(&raw, 3).response;
    let texts: Vec<_> = response.choices.iter().map(|choice| choice.message.text()).collect();
    assert_eq!(texts, ["aA", "b", "cC"]);
}

#[test]
fn members_of_a_streamed_tool_call_go_back_in_the_next_request() {
    let response = stream(&[
        json!({"reasoning_details": [{"text": "x"}], "tool_calls": [
        {"index": 0, "id": "call_1", "extra_content": {"google": {"thought_signature": "sig"}},
         "function": {"name": "f", "arguments": "{}"}}]}),
        json!({"reasoning_details": [{"text": "y"}]}),
    ]);
    let request = ChatCompletionRequest::new(
        "m",
        [response.message().unwrap().clone(), ChatCompletionMessage::tool("call_1", "done")],
    );
    let wire = serde_json::to_value(&request).unwrap();
    assert_eq!(
        wire["messages"][0],
        json!({
            "role": "assistant", "content": "", "reasoning_details": [{"text": "x"}, {"text": "y"}],
            "tool_calls": [{"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"},
                "extra_content": {"google": {"thought_signature": "sig"}}}],
        })
    );
}
