//! Messages, their content and tool calls: the forms in which servers send them, and the form in which they are written.

use atoma_types::{
    ChatCompletionChunk, ChatCompletionMessage, ChatCompletionRequest, ChatCompletionResponse,
    ChatCompletionToolsParam, Content, ContentPart, Extra, ToolCall, ToolCallDelta, ToolChoice,
    Usage,
};
use serde_json::{Value, from_value, json, to_value};

fn response(choice: &Value) -> ChatCompletionResponse {
    from_value(json!({"choices": [choice]})).unwrap()
}

fn chunk(choices: &Value) -> ChatCompletionChunk {
    from_value(json!({"choices": choices})).unwrap()
}

fn members(extra: &Extra) -> Value {
    extra.iter().map(|(name, value)| (name.to_owned(), value.clone())).collect()
}

/// A call, the name and the arguments that are read from it, and its members without a field.
fn calls() -> Vec<(&'static str, Value, [&'static str; 2], Value)> {
    vec![
        (
            "inside function",
            json!({"id": "1", "function": {"name": "f", "arguments": "{}"}}),
            ["f", "{}"],
            json!({}),
        ),
        ("flat", json!({"id": "1", "name": "f", "arguments": "{}"}), ["f", "{}"], json!({})),
        (
            "flat, with a kind and arguments that are an object",
            json!({"type": "function", "name": "f", "arguments": {"a": 1}, "x": 2}),
            ["f", r#"{"a":1}"#],
            json!({"x": 2}),
        ),
        (
            "flat, with a name that is an object",
            json!({"name": {"a": 1}, "arguments": "{}"}),
            ["", "{}"],
            json!({"name": {"a": 1}}),
        ),
        (
            "flat, with arguments that are a list",
            json!({"name": "f", "arguments": [1]}),
            ["f", ""],
            json!({"arguments": [1]}),
        ),
        (
            "another kind of tool",
            json!({"type": "custom", "name": "f", "arguments": "{}"}),
            ["", ""],
            json!({"name": "f", "arguments": "{}"}),
        ),
        (
            "a function that cannot be read",
            json!({"function": 7, "name": "f"}),
            ["", ""],
            json!({"function": 7, "name": "f"}),
        ),
        (
            "both inside function and flat",
            json!({"function": {"name": "f", "arguments": "{}"}, "name": "g", "arguments": "[]"}),
            ["f", "{}"],
            json!({"name": "g", "arguments": "[]"}),
        ),
    ]
}

#[test]
fn a_calls_name_and_arguments_are_read_inside_function_or_flat() {
    for (case, wire, [name, arguments], extra) in calls() {
        let call: ToolCall = from_value(wire).unwrap();
        assert_eq!((call.name(), call.function.arguments.as_str()), (name, arguments), "{case}");
        assert_eq!(members(&call.extra), extra, "{case}");
    }
}

#[test]
fn the_name_and_arguments_of_a_calls_fragment_are_read_inside_function_or_flat() {
    for (case, wire, [name, arguments], extra) in calls() {
        let call: ToolCallDelta = from_value(wire).unwrap();
        let function = &call.function;
        assert_eq!(function.name.as_deref().unwrap_or_default(), name, "{case}");
        assert_eq!(function.arguments.as_deref().unwrap_or_default(), arguments, "{case}");
        assert_eq!(members(&call.extra), extra, "{case}");
    }
}

#[test]
fn a_choice_of_a_function_with_more_members_is_kept_as_it_is() {
    for wire in [
        json!({"type": "function", "function": {"name": "f"}, "x": 1}),
        json!({"function": {"name": "f"}}),
        json!({"type": "function", "function": {"name": "f", "strict": true}}),
    ] {
        let choice: ToolChoice = from_value(wire.clone()).unwrap();
        assert_eq!(choice, ToolChoice::Other(wire.clone()));
        assert_eq!(to_value(&choice).unwrap(), wire);
    }
}

#[test]
fn a_tool_and_a_choice_are_made_with_their_setters() {
    assert_eq!(ToolChoice::from(String::from("required")), ToolChoice::Required);
    assert_eq!(ToolChoice::from(String::from("any")), ToolChoice::Other(json!("any")));
    let tool = ChatCompletionToolsParam::function("f").description("d").strict(true);
    let function = json!({"name": "f", "description": "d", "strict": true});
    assert_eq!(to_value(tool).unwrap(), json!({"type": "function", "function": function}));
}

#[test]
fn a_message_is_made_for_each_role() {
    for (message, role) in [
        (ChatCompletionMessage::system("a"), "system"),
        (ChatCompletionMessage::developer("a"), "developer"),
        (ChatCompletionMessage::user("a"), "user"),
        (ChatCompletionMessage::assistant("a"), "assistant"),
    ] {
        let wire = to_value(message.name("n")).unwrap();
        assert_eq!(wire, json!({"role": role, "content": "a", "name": "n"}));
    }
}

/// Of each case the one member that servers reject is changed, and nothing else.
#[test]
fn a_request_has_no_members_of_responses_that_servers_reject() {
    let with_call = |call: Value| json!({"role": "assistant", "content": "", "tool_calls": [call]});
    let call = |extra: Value, kind: &str, function: Value| {
        let mut call = json!({"id": "1", "type": kind, "function": function});
        call.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        with_call(call)
    };
    let fit = || json!({"name": "f", "arguments": "{}"});
    let blank = |arguments: &str| json!({"name": "f", "arguments": arguments});
    let plain = call(json!({}), "function", fit());
    for (case, sent, wanted) in [
        ("nothing to change", plain.clone(), plain.clone()),
        (
            "null in the message",
            json!({"role": "assistant", "content": "a", "annotations": null, "x": 1}),
            json!({"role": "assistant", "content": "a", "x": 1}),
        ),
        ("null in the call", call(json!({"x": null}), "function", fit()), plain.clone()),
        ("index of the call", call(json!({"index": 0}), "function", fit()), plain.clone()),
        (
            "null in the function",
            call(json!({}), "function", json!({"name": "f", "arguments": "{}", "x": null})),
            plain.clone(),
        ),
        ("no arguments", call(json!({}), "function", blank(" ")), plain.clone()),
        ("arguments that are null", call(json!({}), "function", blank("null")), plain.clone()),
        (
            "another kind of tool",
            call(json!({"x": null}), "custom", blank(" ")),
            call(json!({}), "custom", blank(" ")),
        ),
    ] {
        let message: ChatCompletionMessage = from_value(sent).unwrap();
        let messages =
            [ChatCompletionMessage::user("u"), message, ChatCompletionMessage::user("v")];
        let wire = to_value(ChatCompletionRequest::new("m", messages)).unwrap();
        let user = |text: &str| json!({"role": "user", "content": text});
        assert_eq!(wire["messages"], json!([user("u"), wanted, user("v")]), "{case}");
    }
}

#[test]
fn a_requests_model_is_replaced() {
    let request = ChatCompletionRequest::new("m", [ChatCompletionMessage::user("u")]).model("n");
    assert_eq!((request.model.as_str(), request.messages.len()), ("n", 1));
}

#[test]
fn a_list_of_parts_is_content_and_an_empty_one_is_empty_text() {
    let parts = [ContentPart::text("a"), ContentPart::image_url("u")];
    assert_eq!(Content::from(parts.clone()), Content::Parts(parts.to_vec()));
    let wire = to_value(Content::from(parts)).unwrap();
    let image = json!({"type": "image_url", "image_url": {"url": "u"}});
    assert_eq!(wire, json!([{"type": "text", "text": "a"}, image]));
    assert_eq!(to_value(Content::Parts(Vec::new())).unwrap(), json!(""));
}

#[test]
fn a_part_without_the_usual_form_is_kept_as_it_is() {
    for wire in [
        json!({"type": "text", "text": {"a": 1}}),
        json!({"type": "text", "text": 5}),
        json!({"type": "text"}),
        json!({"text": 5}),
        json!({"type": "image_url", "image_url": "u"}),
        json!({"type": "image_url"}),
        json!({"type": "video", "text": "a"}),
    ] {
        let part: ContentPart = from_value(wire.clone()).unwrap();
        assert_eq!(part, ContentPart::Other(wire.clone()));
        assert_eq!(to_value(&part).unwrap(), wire);
    }
}

/// The content so far, that of a later response, and both joined.
#[test]
fn later_content_continues_the_last_text_and_the_last_thought() {
    let text = |text: &str| json!({"type": "text", "text": text});
    let noted = |text: &str| json!({"type": "text", "text": text, "annotations": []});
    let thought = |thought: Value| json!({"type": "thinking", "thinking": thought});
    // Not a thought, but with the same member.
    let other = |text: &str| json!({"type": "audio", "thinking": text});
    for (first, later, joined) in [
        (json!("a"), json!(""), json!("a")),
        (json!("a"), json!("b"), json!("ab")),
        (json!("a"), json!([text("b")]), json!("ab")),
        (json!("a"), json!([noted("b")]), json!([text("a"), noted("b")])),
        (json!([other("a")]), json!(""), json!([other("a")])),
        (json!([other("a")]), json!("b"), json!([other("a"), text("b")])),
        (json!([other("a")]), json!([other("b")]), json!([other("a"), other("b")])),
        (json!([thought(json!("a"))]), json!([thought(json!("b"))]), json!([thought(json!("ab"))])),
        (
            json!([thought(json!([text("a")]))]),
            json!([thought(json!([text("b")]))]),
            json!([thought(json!([text("a"), text("b")]))]),
        ),
        (
            json!([thought(json!("a"))]),
            json!([thought(json!([text("b")]))]),
            json!([thought(json!("a")), thought(json!([text("b")]))]),
        ),
        (
            json!([thought(json!("a"))]),
            json!([other("b")]),
            json!([thought(json!("a")), other("b")]),
        ),
        (
            json!([other("a")]),
            json!([thought(json!("b"))]),
            json!([other("a"), thought(json!("b"))]),
        ),
        (json!([thought(json!("a"))]), json!("b"), json!([thought(json!("a")), text("b")])),
    ] {
        let of = |content: &Value| response(&json!({"message": {"content": content}}));
        let whole = of(&first).joined(of(&later));
        let content = to_value(&whole.message().unwrap().content).unwrap();
        assert_eq!(content, joined, "{first} {later}");
    }
}

#[test]
fn a_text_in_place_of_a_message_is_its_content() {
    let call = json!({"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}});
    for (choice, text, extra) in [
        (json!({"message": "a"}), "a", json!({})),
        (json!({"delta": "a", "x": 1}), "a", json!({"x": 1})),
        (json!({"message": {"content": "a"}, "x": 1}), "a", json!({"x": 1})),
        (json!({"message": {"tool_calls": [call]}, "delta": "b"}), "", json!({})),
        (json!({"message": 7}), "", json!({"message": 7})),
    ] {
        let read = response(&choice);
        assert_eq!(read.text(), text, "{choice}");
        assert_eq!(members(&read.choices[0].extra), extra, "{choice}");
    }
}

#[test]
fn a_text_in_place_of_a_delta_is_its_content() {
    for (choice, text, extra) in [
        (json!({"delta": "a"}), "a", json!({})),
        (json!({"message": "a", "x": 1}), "a", json!({"x": 1})),
        (json!({"delta": {"content": "a"}, "message": "b"}), "a", json!({"message": "b"})),
        (json!({"delta": "a", "message": "b"}), "a", json!({"message": "b"})),
        (json!({"delta": 7}), "", json!({"delta": 7})),
    ] {
        let read = chunk(&json!([choice]));
        assert_eq!(read.text(), text, "{choice}");
        assert_eq!(members(&read.choices[0].extra), extra, "{choice}");
    }
}

#[test]
fn a_chunk_has_the_text_and_the_reasoning_of_the_first_choice() {
    let choice = |index: u32, text: &str| json!({"index": index, "delta": {"content": text, "reasoning": format!("r{text}")}});
    for (choices, text, reasoning) in [
        (json!([]), "", None),
        (json!([choice(0, "a")]), "a", Some("ra")),
        (json!([choice(1, "b")]), "", None),
        (json!([choice(1, "b"), choice(0, "a")]), "a", Some("ra")),
        (json!([{"index": 0, "delta": {"content": "a"}}]), "a", None),
    ] {
        let read = chunk(&choices);
        assert_eq!(read.text(), text, "{choices}");
        assert_eq!(read.reasoning().as_deref(), reasoning, "{choices}");
    }
}

#[test]
fn all_details_of_usage_add_up() {
    let usage = |unit: u64| -> Usage {
        from_value(json!({
            "prompt_tokens": unit, "completion_tokens": 2 * unit, "total_tokens": 3 * unit,
            "prompt_tokens_details": {"cached_tokens": 4 * unit, "audio_tokens": 5 * unit},
            "completion_tokens_details": {
                "reasoning_tokens": 6 * unit, "audio_tokens": 7 * unit,
                "accepted_prediction_tokens": 8 * unit, "rejected_prediction_tokens": 9 * unit,
            },
        }))
        .unwrap()
    };
    assert_eq!(usage(1).plus(&usage(10)), usage(11));
    assert_eq!(Usage::default().plus(&usage(2)), usage(2));
    assert_eq!(usage(2).plus(&Usage::default()), usage(2));
}

#[test]
fn usage_is_found_in_its_member_or_elsewhere() {
    let counts = |prompt: u64| json!({"prompt_tokens": prompt, "completion_tokens": 1});
    let choices = json!([{"delta": {}}]);
    for (case, wire, prompt) in [
        ("its member", json!({"usage": counts(5), "x": {"usage": counts(6)}}), Some(5)),
        ("zeros in its member alone", json!({"usage": {"prompt_tokens": 0}}), Some(0)),
        (
            "zeros and a vendor's",
            json!({"usage": {"prompt_tokens": 0}, "x": {"usage": counts(6)}}),
            Some(6),
        ),
        ("a vendor's member", json!({"id": "c", "y": 1, "x": {"usage": counts(6)}}), Some(6)),
        ("Google's member", json!({"usageMetadata": {"promptTokenCount": 7}}), Some(7)),
        (
            "Google's member in snake case",
            json!({"usage_metadata": {"prompt_token_count": 7}}),
            Some(7),
        ),
        ("completion tokens alone", json!({"x": {"usage": {"output_tokens": 3}}}), Some(0)),
        ("a member without counts", json!({"x": {"usage": {"cost": 1}}}), None),
        ("a count that is not a number", json!({"x": {"usage": {"prompt_tokens": "5"}}}), None),
        ("the choice", json!({"choices": [{"delta": {}, "usage": counts(8)}]}), Some(8)),
        ("none", json!({"choices": choices, "x": 1}), None),
    ] {
        let chunk: ChatCompletionChunk = from_value(wire.clone()).unwrap();
        assert_eq!(chunk.usage().map(|usage| usage.prompt_tokens), prompt, "{case}");
        let response: ChatCompletionResponse = from_value(wire).unwrap();
        assert_eq!(response.usage().map(|usage| usage.prompt_tokens), prompt, "{case}");
    }
}
