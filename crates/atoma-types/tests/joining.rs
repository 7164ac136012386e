//! Exact cases of joining the chunks of a stream: which call a fragment belongs to, limits at their boundary, and the reader
//! after its chunk was taken.

mod support;

use atoma_types::{
    ChatCompletionChunk, ChatCompletionResponse, ChatModel, ChunkReader, CompletionModel, Seen,
    StreamModel, ToolCall,
};
use serde_json::{Value, json};
use support::deltas;

/// Name, the pieces of a call in the form older than tool calls, the call.
#[test]
fn pieces_of_a_function_call_are_joined() {
    for (name, pieces, wanted) in [
        (
            "arguments in pieces",
            vec![
                json!({"name": "f", "arguments": ""}),
                json!({"arguments": "{\"a\""}),
                json!({"arguments": ":1}"}),
            ],
            json!({"name": "f", "arguments": "{\"a\":1}"}),
        ),
        (
            "arguments before the name",
            vec![json!({"arguments": "{}"}), json!({"name": "f"})],
            json!({"arguments": "{}", "name": "f"}),
        ),
        (
            "cumulative arguments",
            vec![
                json!({"name": "f", "arguments": "{\"a\""}),
                json!({"name": "f", "arguments": "{\"a\":1}"}),
            ],
            json!({"name": "f", "arguments": "{\"a\":1}"}),
        ),
        (
            "a second complete text",
            vec![json!({"name": "f", "arguments": "{\"a\":1}"}), json!({"arguments": "{\"b\":2}"})],
            json!({"name": "f", "arguments": "{\"a\":1}"}),
        ),
        (
            "an empty object first",
            vec![json!({"name": "f", "arguments": "{}"}), json!({"arguments": "{\"b\":2}"})],
            json!({"name": "f", "arguments": "{\"b\":2}"}),
        ),
        (
            "an empty object, then text",
            vec![json!({"name": "f", "arguments": "{}"}), json!({"arguments": " "})],
            json!({"name": "f", "arguments": "{}"}),
        ),
        ("no arguments", vec![json!({"name": "f"})], json!({"name": "f"})),
        (
            "null in place of a known member",
            vec![json!({"name": "f", "arguments": null}), json!({"name": null, "arguments": "{}"})],
            json!({"name": "f", "arguments": "{}"}),
        ),
        (
            "a member of the server",
            vec![json!({"name": "f", "x": {"a": "1"}}), json!({"x": {"a": "2", "b": true}})],
            json!({"name": "f", "x": {"a": "12", "b": true}}),
        ),
    ] {
        let pieces: Vec<Value> =
            pieces.into_iter().map(|piece| json!({"function_call": piece})).collect();
        let outcome = deltas(&pieces, "function_call");
        let call = outcome.response.choices[0].message.function_call.clone().unwrap_or_default();
        assert_eq!(call.to_string(), wanted.to_string(), "{name}");
    }
}

/// Reads one chunk for each choice, in pairs: all choices once, then all of them again.
fn pairs<M: StreamModel>(expected: u32, seen: u32, chunk: fn(u32) -> Value) -> M {
    let mut model = M::default();
    model.expect_choices(expected);
    for index in (0..seen).chain(0..seen) {
        let text = chunk(index).to_string();
        assert_eq!(model.read("", &mut text.as_str()).unwrap(), Seen::Chunk);
    }
    model
}

#[test]
fn choices_of_a_chat_beyond_128_are_skipped_and_known_ones_go_on() {
    let chunk = |index| json!({"choices": [{"index": index, "delta": {"content": "a"}}]});
    for (seen, kept) in [(127, 127), (128, 128), (129, 128), (140, 128)] {
        let model: ChatModel = pairs(200, seen, chunk);
        assert_eq!(model.progress().choices, kept);
        let response: ChatCompletionResponse = model.into_response();
        let indices: Vec<u32> = response.choices.iter().map(|choice| choice.index).collect();
        assert_eq!(indices, (0..kept as u32).collect::<Vec<_>>());
        assert!(response.choices.iter().all(|choice| choice.message.text() == "aa"));
    }
}

#[test]
fn choices_of_a_completion_beyond_128_are_kept_if_asked_for() {
    let chunk = |index| json!({"choices": [{"index": index, "text": "a"}]});
    for (expected, seen, kept) in
        [(2, 127, 127), (2, 128, 128), (2, 129, 128), (130, 130, 130), (130, 131, 130)]
    {
        let model: CompletionModel = pairs(expected, seen, chunk);
        assert_eq!(model.progress().choices, kept);
        let response = model.into_response();
        assert!(response.choices.iter().all(|choice| choice.text == "aa"), "{expected} {seen}");
    }
}

/// The text of a chunk with one choice, whose successor can be filled into it, and of one with two, whose successor cannot.
fn one_choice(text: &str) -> String {
    json!({"id": "c", "choices": [{"index": 0, "delta": {"content": text}}]}).to_string()
}

fn two_choices(text: &str) -> String {
    let choice = |index: u32| json!({"index": index, "delta": {"content": text}});
    json!({"id": "c", "choices": [choice(0), choice(1)]}).to_string()
}

#[test]
fn a_reader_goes_on_after_its_chunk_was_taken() {
    type Make = fn(&str) -> String;
    let (one_choice, two_choices): (Make, Make) = (one_choice, two_choices);
    for order in [
        [one_choice, one_choice, one_choice, one_choice],
        [one_choice, two_choices, one_choice, one_choice],
        [two_choices, two_choices, one_choice, two_choices],
    ] {
        let mut reader = ChunkReader::new();
        for (chunk, text) in order.iter().zip(["a", "bc", "", "d"]) {
            let data = chunk(text);
            reader.read_in_place(&data).unwrap();
            let expected = ChatCompletionChunk::from_slice(data.as_bytes()).unwrap();
            assert_eq!(reader.chunk(), &expected);
            assert_eq!(reader.take(), expected);
        }
    }
}

#[test]
fn a_taken_chunk_stays_only_if_the_next_one_is_filled_into_it() {
    let mut reader = ChunkReader::new();
    reader.read_in_place(&two_choices("a")).unwrap();
    assert_eq!(reader.take().choices.len(), 2);
    assert_eq!(reader.chunk(), &ChatCompletionChunk::default());
    assert_eq!(reader.take(), ChatCompletionChunk::default());

    reader.read_in_place(&one_choice("a")).unwrap();
    assert_eq!(reader.take().text(), "a");
    assert_eq!(reader.take().text(), "a", "the template's chunk is cloned");
}

#[test]
fn an_event_with_an_error_is_not_part_of_the_response() {
    let content = r#"{"id":"c","choices":[{"index":0,"delta":{"content":"a"}}]}"#;
    let error = r#"{"id":"c","error":{"message":"e"},"choices":[{"index":0,"delta":{"content":"b"},"finish_reason":"stop"}]}"#;
    let mut model = ChatModel::default();
    assert_eq!(model.read("", &mut &*content).unwrap(), Seen::Chunk);
    let before = model.progress();
    assert!(matches!(model.read("", &mut &*error), Ok(Seen::Error(_))));
    assert_eq!(model.progress(), before);
    assert_eq!(model.into_response().text(), "a");

    let mut model = CompletionModel::default();
    let content = r#"{"id":"c","choices":[{"index":0,"text":"a"}]}"#;
    let error = error.replace(r#""delta":{"content":"b"}"#, r#""text":"b""#);
    assert_eq!(model.read("", &mut &*content).unwrap(), Seen::Chunk);
    let before = model.progress();
    assert!(matches!(model.read("", &mut &*error), Ok(Seen::Error(_))));
    assert_eq!(model.progress(), before);
    assert_eq!(model.into_response().text(), "a");
}

/// The id, name and arguments of each call; `?` for an id that was made up.
fn calls(fragments: &[Value]) -> Vec<String> {
    let all: Vec<Value> =
        fragments.iter().map(|fragment| json!({"tool_calls": [fragment]})).collect();
    let outcome = deltas(&all, "tool_calls");
    let sent: Vec<&str> = fragments.iter().filter_map(|fragment| fragment["id"].as_str()).collect();
    let id = |call: &ToolCall| {
        if sent.contains(&&*call.id) { call.id.clone() } else { "?".to_owned() }
    };
    let calls = &outcome.response.choices[0].message.tool_calls;
    calls
        .iter()
        .map(|call| format!("{} {} {}", id(call), call.function.name, call.function.arguments))
        .collect()
}

/// Name, index, id, name and arguments of each fragment, the calls.
#[test]
fn a_fragment_without_index_or_id_goes_to_the_call_it_can_belong_to() {
    type Fragment = (Option<i64>, &'static str, &'static str, &'static str);
    let table: &[(&str, &[Fragment], &[&str])] = &[
        (
            "no index after an indexed call: the latest",
            &[
                (Some(0), "a", "f", "{"),
                (Some(1), "b", "g", "["),
                (None, "", "", "]"),
                (Some(0), "", "", "}"),
            ],
            &["a f {}", "b g []"],
        ),
        (
            "no index, the id of an earlier call",
            &[
                (None, "a", "f", "{"),
                (None, "b", "g", "["),
                (None, "a", "", "}"),
                (None, "b", "", "]"),
            ],
            &["a f {}", "b g []"],
        ),
        (
            "an index for each fragment, no id",
            &[(Some(0), "a", "f", "{\"x\""), (Some(1), "", "", ":1"), (Some(2), "", "", "}")],
            &["a f {\"x\":1}"],
        ),
        (
            "an index for each fragment, the same id",
            &[(Some(0), "a", "f", "{\"x\""), (Some(1), "a", "", ":1"), (Some(2), "a", "", "}")],
            &["a f {\"x\":1}"],
        ),
        (
            "another index and another id: another call, also while the first is open",
            &[(Some(0), "a", "f", "{\"x\""), (Some(1), "b", "g", "{}"), (Some(0), "", "", ":1}")],
            &["a f {\"x\":1}", "b g {}"],
        ),
        (
            "another index, arguments that begin anew",
            &[(Some(0), "a", "f", "{}"), (Some(1), "", "f", "{}")],
            &["a f {}", "? f {}"],
        ),
        (
            "another index before any arguments",
            &[(Some(0), "a", "f", ""), (Some(1), "", "", "{}")],
            &["a f {}"],
        ),
        (
            "a late id that another call has",
            &[(Some(0), "a", "f", "{}"), (Some(1), "", "g", "["), (Some(1), "a", "", "]")],
            &["a f {}", "? g []"],
        ),
        (
            "a late id that no other call has",
            &[(Some(0), "a", "f", "{}"), (Some(1), "", "g", "["), (Some(1), "b", "", "]")],
            &["a f {}", "b g []"],
        ),
        (
            "two calls with one id",
            &[(Some(0), "a", "f", "{}"), (Some(1), "a", "g", "[]")],
            &["a f {}", "? g []"],
        ),
        (
            "the id of a fragment in the middle is another one",
            &[(Some(0), "a", "f", "{\"x\""), (Some(0), "b", "", ":1}")],
            &["a f {\"x\":1}"],
        ),
        (
            "another id after whole arguments",
            &[(Some(0), "a", "f", "{}"), (Some(0), "b", "g", "{}")],
            &["a f {}", "b g {}"],
        ),
        (
            "a name again after whole arguments, and nothing follows",
            &[(Some(0), "a", "f", "{\"x\":1}"), (Some(0), "", "f", "")],
            &["a f {\"x\":1}"],
        ),
        (
            "a name again after whole arguments, and arguments follow",
            &[
                (Some(0), "a", "f", "{\"x\":1}"),
                (Some(0), "", "f", ""),
                (Some(0), "", "", "{\"x\":2}"),
            ],
            &["a f {\"x\":1}", "? f {\"x\":2}"],
        ),
        (
            "the same call again",
            &[(Some(0), "a", "f", "{\"x\":1}"), (Some(0), "a", "f", "{ \"x\": 1 }")],
            &["a f {\"x\":1}"],
        ),
        (
            "another id, white space, then a name, after whole arguments",
            &[(Some(0), "a", "f", "{\"x\":1}"), (Some(0), "b", "", " "), (Some(0), "b", "g", "{}")],
            &["a f {\"x\":1}", "b g  {}"],
        ),
        (
            "another id before any arguments",
            &[(Some(0), "a", "f", ""), (Some(0), "b", "", "{\"x\":1}")],
            &["a f {\"x\":1}"],
        ),
        (
            "another id with the same name while arguments are open",
            &[(Some(0), "a", "f", "{\"x\""), (Some(0), "b", "f", ":1}")],
            &["a f {\"x\":1}"],
        ),
        (
            "another id with another name while arguments are open",
            &[(Some(0), "a", "f", "{\"x\""), (Some(0), "b", "g", ":1}")],
            &["a f {\"x\"", "b g :1}"],
        ),
        (
            "another id, the same name and a beginning while arguments are open",
            &[(Some(0), "a", "f", "{\"x\""), (Some(0), "b", "f", "{\"y\":1}")],
            &["a f {\"x\"", "b f {\"y\":1}"],
        ),
        (
            "another id and the same name while arguments are open",
            &[(Some(0), "a", "f", "{\"x\""), (Some(0), "b", "f", ""), (Some(0), "b", "", "[]")],
            &["a f {\"x\"", "b f []"],
        ),
        (
            "another id and the same name after whole arguments",
            &[(Some(0), "a", "f", "{}"), (Some(0), "b", "f", "x")],
            &["a f {}", "b f x"],
        ),
        (
            "a number after an empty object",
            &[(Some(0), "a", "f", "{}"), (Some(0), "", "", "1")],
            &["a f {}"],
        ),
        (
            "text after whole arguments",
            &[(Some(0), "a", "f", "{\"x\":1}"), (Some(0), "", "", "}")],
            &["a f {\"x\":1}"],
        ),
    ];
    for (name, fragments, wanted) in table {
        let or_null = |text: &str| if text.is_empty() { Value::Null } else { text.into() };
        let wire: Vec<Value> = fragments
            .iter()
            .map(|(index, id, name, arguments)| {
                json!({"index": index, "id": or_null(id), "function": {"name": or_null(name), "arguments": arguments}})
            })
            .collect();
        assert_eq!(calls(&wire), *wanted, "{name}");
    }
}

/// Two fragments of an unknown list of a message, and the list of the response.
#[test]
fn entries_of_unknown_lists_are_joined_if_they_are_pieces_of_one() {
    let thought = |more: Value| {
        let mut entry = json!({"type": "thinking", "thinking": "a"});
        entry.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        entry
    };
    let joined = |more: Value| {
        let mut entry = thought(more);
        entry["thinking"] = "aa".into();
        json!([entry])
    };
    let none = thought(json!({}));
    let other = json!({"type": "other", "thinking": "a"});
    let reasoning = json!({"type": "reasoning", "thinking": "a"});
    let [numbered, first, second, null, signed, unsigned] = [
        json!({"index": 3}),
        json!({"id": "1"}),
        json!({"id": "2"}),
        json!({"id": null}),
        json!({"signature": "s"}),
        json!({"signature": ""}),
    ]
    .map(thought);
    for (name, before, after, wanted) in [
        ("thoughts", &none, &none, joined(json!({}))),
        ("an id in the first", &first, &none, joined(json!({"id": "1"}))),
        ("an id in the second", &none, &first, joined(json!({"id": "1"}))),
        ("an id after null", &null, &first, joined(json!({"id": "1"}))),
        ("null after an id", &first, &null, joined(json!({"id": "1"}))),
        ("one id", &first, &first, joined(json!({"id": "1"}))),
        ("two ids", &first, &second, json!([first, second])),
        ("a number in the second", &none, &numbered, json!([none, numbered])),
        ("another type", &none, &reasoning, json!([none, reasoning])),
        (
            "a type that has no pieces",
            &other,
            &thought(json!({"type": "other", "n": 1})),
            json!([other, {"type": "other", "thinking": "a", "n": 1}]),
        ),
        ("a signed thought", &signed, &none, json!([signed, none])),
        ("an empty signature", &unsigned, &none, joined(json!({"signature": ""}))),
        ("one number again", &json!(1), &json!(1), json!([1, 1])),
    ] {
        let outcome = deltas(&[json!({"x": [before]}), json!({"x": [after]})], "stop");
        let message = &outcome.response.choices[0].message;
        assert_eq!(message.extra.get("x"), Some(&wanted), "{name}");
    }
    for (before, after, wanted) in [
        (json!([1]), json!([1, 2]), json!([1, 1, 2])),
        (json!([1, 2]), json!([1, 2]), json!([1, 2])),
        (json!([1, 2]), json!([1, 3, 4]), json!([1, 2, 1, 3, 4])),
    ] {
        let outcome = deltas(&[json!({"x": before}), json!({"x": after})], "stop");
        assert_eq!(outcome.response.choices[0].message.extra.get("x"), Some(&wanted));
    }
}
