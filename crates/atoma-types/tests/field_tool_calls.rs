//! Further cases of the classes of faults in `fixtures/field.jsonl`: tool calls, read and sent back.

mod support;

use atoma_types::{ChatCompletionMessage, ChatCompletionRequest, ChatCompletionResponse};
use serde_json::{Value, json};
use support::{choices, deltas, read_body};

/// Name, fragments, the resulting calls: name and arguments.
#[test]
fn tool_calls_are_read_so_that_they_leave_valid_json() {
    let call = |name: &str, arguments: &str| {
        let mut function = json!({"arguments": arguments});
        if !name.is_empty() {
            function["name"] = name.into();
        }
        json!({"index": 0, "function": function})
    };
    let with_id = |id: &str, name: &str, arguments: &str| {
        let mut call = call(name, arguments);
        call["id"] = id.into();
        call
    };
    let long = format!(r#"{{"t":"{}"}}"#, "x".repeat(10_000));
    let cases: Vec<(&str, Vec<Value>, Vec<(&str, &str)>)> = vec![
        (
            "two calls of one function without ids, opened by the name alone",
            vec![call("f", ""), call("", "{\"a\":1}"), call("f", ""), call("", "{\"a\":2}")],
            vec![("f", "{\"a\":1}"), ("f", "{\"a\":2}")],
        ),
        (
            "long arguments",
            vec![call("f", &long), call("g", &long)],
            vec![("f", &long), ("g", &long)],
        ),
        (
            "the name after the arguments",
            vec![call("", "{\"a\":1}"), call("f", "")],
            vec![("f", "{\"a\":1}")],
        ),
        (
            "the name in each fragment",
            vec![call("f", "{\"a\""), call("f", ":1}")],
            vec![("f", "{\"a\":1}")],
        ),
        (
            "the name again at the end",
            vec![call("f", ""), call("", "{\"a\":1}"), call("f", "")],
            vec![("f", "{\"a\":1}")],
        ),
        (
            "another function while the arguments are open",
            vec![call("f", "{\"a\":"), call("g", "{}")],
            vec![("f", "{\"a\":"), ("g", "{}")],
        ),
        (
            "cumulative without ids",
            vec![call("f", "{\"a\""), call("f", "{\"a\":\"x"), call("f", "{\"a\":\"xy\"}")],
            vec![("f", "{\"a\":\"xy\"}")],
        ),
        (
            "whole again, with the id",
            vec![with_id("i", "f", "{\"a\":1}"), with_id("i", "f", "{\"a\":1}")],
            vec![("f", "{\"a\":1}")],
        ),
        (
            "an empty object first, with the id each time",
            vec![with_id("i", "f", "{}"), with_id("i", "f", "{\"a\":1}")],
            vec![("f", "{\"a\":1}")],
        ),
        (
            "a second text without a name or an id",
            vec![with_id("i", "f", "{\"a\":1}"), call("", "{\"b\":2}")],
            vec![("f", "{\"a\":1}")],
        ),
        (
            "a stray brace",
            vec![with_id("i", "f", "{\"a\":1}"), call("", "}")],
            vec![("f", "{\"a\":1}")],
        ),
        (
            "an id that changes with each fragment",
            vec![with_id("i", "f", "{\"a\""), with_id("j", "", ":1"), with_id("k", "", "}")],
            vec![("f", "{\"a\":1}")],
        ),
        ("a call that is never named", vec![call("", "{\"a\":1}")], vec![]),
        ("a name of nothing", vec![call("f", "")], vec![("f", "{}")]),
        ("white space at the end", vec![call("f", "{}"), call("", "\n")], vec![("f", "{}\n")]),
    ];
    for (name, fragments, wanted) in cases {
        let fragments: Vec<_> =
            fragments.iter().map(|call| json!({"tool_calls": [call]})).collect();
        let response = deltas(&fragments, "tool_calls").response;
        let calls: Vec<_> = response
            .tool_calls()
            .iter()
            .map(|call| (call.function.name.as_str(), call.function.arguments.as_str()))
            .collect();
        assert_eq!(calls, wanted, "{name}");
        let ids: std::collections::HashSet<_> =
            response.tool_calls().iter().map(|call| &call.id).collect();
        assert!(ids.len() == calls.len() && !ids.contains(&String::new()), "{name}: {ids:?}");
    }
}

#[test]
fn ids_that_are_made_up_differ_over_a_conversation() {
    let body = json!({"id": "c", "choices": [{"message": {"tool_calls": [{"function": {"name": "f"}},
        {"id": "x", "function": {"name": "f"}}, {"id": "x", "function": {"name": "g"}}, {"function": {"arguments": "{}"}}]},
        "finish_reason": "tool_calls"}]})
    .to_string();
    let streamed = json!({"tool_calls": [{"index": 0, "function": {"name": "f"}}]});
    let mut ids = Vec::new();
    for _ in 0..3 {
        let response = ChatCompletionResponse::from_slice(body.as_bytes()).unwrap();
        let calls = response.tool_calls();
        assert_eq!(calls.len(), 3, "the call without a name is none");
        assert_eq!(calls[1].id, "x");
        assert!(calls.iter().all(|call| call.function.arguments == "{}"));
        ids.extend([calls[0].id.clone(), calls[2].id.clone()]);
        ids.push(
            deltas(std::slice::from_ref(&streamed), "tool_calls").response.tool_calls()[0]
                .id
                .clone(),
        );
    }
    let distinct: std::collections::HashSet<_> = ids.iter().collect();
    assert_eq!(distinct.len(), ids.len(), "{ids:?}");
}

#[test]
fn calls_of_other_kinds_have_no_function() {
    for call in [
        json!({"id": "1", "type": "custom", "custom": {"name": "run", "input": "x"}}),
        json!({"id": "2", "type": "web_search", "query": "rust"}),
    ] {
        let body = json!({"choices": [{"message": {"content": "", "tool_calls": [call]}, "finish_reason": "tool_calls"}]});
        let response = read_body(&body.to_string()).response;
        let request = ChatCompletionRequest::new("m", [response.message().unwrap().clone()]);
        let sent: Value = serde_json::from_slice(&request.to_vec().unwrap()).unwrap();
        assert_eq!(sent["messages"][0]["tool_calls"], json!([call]));
    }
    let tool = json!({"type": "web_search", "search_context_size": "low"});
    let request =
        json!({"model": "m", "messages": [{"role": "user", "content": "a"}], "tools": [tool]});
    let request: ChatCompletionRequest = serde_json::from_value(request).unwrap();
    assert_eq!(serde_json::to_value(&request).unwrap()["tools"], json!([tool]));
}

#[test]
fn messages_that_go_back_into_a_request_are_acceptable() {
    let message: ChatCompletionMessage = serde_json::from_value(json!({
        "role": "assistant", "content": null, "audio": null, "annotations": [],
        "tool_calls": [{"index": 0, "id": "a", "type": "function", "extra_content": null,
            "function": {"name": "f", "arguments": "", "x": null}}],
    }))
    .unwrap();
    let request =
        ChatCompletionRequest::new("m", [message, ChatCompletionMessage::tool("a", "done")]);
    let sent: Value = serde_json::from_slice(&request.to_vec().unwrap()).unwrap();
    assert_eq!(
        sent["messages"][0],
        json!({"role": "assistant", "content": "", "annotations": [],
            "tool_calls": [{"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}]})
    );
}

/// The tool calls of a partial response: arguments, and whether the call stays.
#[test]
fn tool_calls_that_were_cut_off_are_left_out_on_demand() {
    for (reason, arguments, stays) in [
        (None, r#"{"a":1}"#, true),
        (None, r#"{"a":"#, false),
        (None, "", false),
        (Some("tool_calls"), "", true),
        (Some("length"), r#"{"a":"#, false),
    ] {
        let call =
            json!({"index": 0, "id": "i", "function": {"name": "f", "arguments": arguments}});
        let response = choices(&[
            json!({"index": 0, "delta": {"content": "a"}}),
            json!({"index": 0, "delta": {"tool_calls": [call]}, "finish_reason": reason}),
        ])
        .response;
        assert_eq!(response.message().unwrap().tool_calls.len(), 1, "{arguments}");
        let message = response.message_without_incomplete_tool_calls().unwrap();
        assert_eq!(
            (message.tool_calls.len() == 1, message.text().as_ref()),
            (stays, "a"),
            "{reason:?} {arguments}"
        );
    }
}
