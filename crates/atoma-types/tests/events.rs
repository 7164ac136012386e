//! Laws of the typed events: the deltas of a kind, joined, are the event that says it is done, and the text in the response.

use atoma_types::{
    ChatCompletionAccumulator, ChatCompletionChunk, ChatCompletionResponse, ChatEvent, ChatEvents,
    ChunkReader,
};
use proptest::prelude::*;
use serde_json::{Value, from_value, json};
use std::collections::BTreeMap;

fn events_of(chunks: &[ChatCompletionChunk]) -> (Vec<ChatEvent>, ChatCompletionResponse) {
    let (mut events, mut so_far) = (ChatEvents::new(), ChatCompletionAccumulator::new());
    let mut all = Vec::new();
    for chunk in chunks {
        so_far.push(chunk);
        all.extend(events.push(chunk, &so_far));
    }
    all.extend(events.finish(&so_far));
    (all, so_far.into_response())
}

/// Checks every law on the events of some chunks, and returns the events.
fn check(chunks: &[ChatCompletionChunk]) -> Vec<ChatEvent> {
    let (events, response) = events_of(chunks);
    let mut texts: BTreeMap<(u32, &str), String> = BTreeMap::new();
    let mut done: BTreeMap<(u32, &str), String> = BTreeMap::new();
    let mut calls: BTreeMap<(u32, usize), (String, String)> = BTreeMap::new();
    let mut done_calls: BTreeMap<u32, Vec<_>> = BTreeMap::new();
    for event in events.clone() {
        match event {
            ChatEvent::ContentDelta { choice, delta, .. } => {
                texts.entry((choice, "content")).or_default().push_str(&delta);
            }
            ChatEvent::ReasoningDelta { choice, delta, .. } => {
                texts.entry((choice, "reasoning")).or_default().push_str(&delta);
            }
            ChatEvent::RefusalDelta { choice, delta, .. } => {
                texts.entry((choice, "refusal")).or_default().push_str(&delta);
            }
            ChatEvent::ContentDone { choice, content, .. } => {
                drop(done.insert((choice, "content"), content));
            }
            ChatEvent::ReasoningDone { choice, reasoning, .. } => {
                drop(done.insert((choice, "reasoning"), reasoning));
            }
            ChatEvent::RefusalDone { choice, refusal, .. } => {
                drop(done.insert((choice, "refusal"), refusal));
            }
            ChatEvent::ToolCallStarted { choice, call, name, .. } => {
                assert!(
                    calls.insert((choice, call), (name, String::new())).is_none(),
                    "started once"
                );
            }
            ChatEvent::ToolCallDelta { choice, call, delta, .. } => {
                assert!(!delta.is_empty());
                calls
                    .get_mut(&(choice, call))
                    .expect("started before its arguments")
                    .1
                    .push_str(&delta);
            }
            ChatEvent::ToolCallDone { choice, call, tool_call, .. } => {
                let (name, arguments) =
                    calls.remove(&(choice, call)).expect("started before it is done");
                assert_eq!(
                    (&name, &arguments),
                    (&tool_call.function.name, &tool_call.function.arguments)
                );
                done_calls.entry(choice).or_default().push(tool_call);
            }
            _ => {}
        }
    }
    assert_eq!(texts, done, "the deltas joined are the event at the end");
    assert!(calls.is_empty(), "every call that started is done: {calls:?}");
    for choice in &response.choices {
        let text = |kind| done.remove(&(choice.index, kind)).unwrap_or_default();
        let [content, refusal, reasoning] = ["content", "refusal", "reasoning"].map({
            let mut text = text;
            move |kind| text(kind)
        });
        assert_eq!(content, choice.message.text());
        assert_eq!(refusal, choice.message.refusal.clone().unwrap_or_default());
        assert_eq!(reasoning, choice.message.reasoning().unwrap_or_default());
        let calls = done_calls.remove(&choice.index).unwrap_or_default();
        assert_eq!(calls, choice.message.tool_calls);
    }
    assert!(done.is_empty() && done_calls.is_empty());
    events
}

fn chunk(delta: Value, finish: Option<&str>) -> ChatCompletionChunk {
    let mut choice = json!({"index": 0});
    choice["delta"] = delta;
    choice["finish_reason"] = json!(finish);
    from_value(json!({"id": "c", "choices": [choice]})).unwrap()
}

#[test]
fn a_tool_call_starts_with_its_name_and_ends_with_the_stream() {
    let call = |id: &str, name: &str, arguments: &str| json!({"tool_calls": [{"index": 0, "id": id, "function": {"name": name, "arguments": arguments}}]});
    let chunks = [
        chunk(call("a", "get_", ""), None),
        chunk(call("", "weather", ""), None),
        chunk(call("", "", "{\"city\":"), None),
        chunk(call("", "", "\"Paris\"}"), Some("tool_calls")),
    ];
    let events: Vec<String> = check(&chunks).iter().map(|event| format!("{event:?}")).collect();
    let names: Vec<&str> = events.iter().map(|event| event.split(' ').next().unwrap()).collect();
    assert_eq!(
        names,
        ["ToolCallStarted", "ToolCallDelta", "ToolCallDelta", "ToolCallDone", "Finish"]
    );
    assert!(events[0].contains("get_weather"), "{}", events[0]);
}

#[test]
fn arguments_are_parsed_as_far_as_they_go() {
    let call = |arguments: &str| json!({"tool_calls": [{"index": 0, "function": {"name": "f", "arguments": arguments}}]});
    let (mut events, mut so_far) = (ChatEvents::new(), ChatCompletionAccumulator::new());
    for (piece, expected) in [
        ("{\"city\":\"Pa", json!({"city": "Pa"})),
        ("ris\",\"days\":1", json!({"city": "Paris"})),
        ("0}", json!({"city": "Paris", "days": 10})),
    ] {
        let chunk = chunk(call(piece), None);
        so_far.push(&chunk);
        events.push(&chunk, &so_far);
        assert_eq!(events.arguments(0, 0), Some(&expected));
    }
    assert_eq!(events.arguments(0, 1), None);
}

#[test]
fn a_call_keeps_the_id_it_started_with_if_another_call_has_the_late_one() {
    let call = |index: u32, id: &str, name: &str, arguments: &str| json!({"tool_calls": [{"index": index, "id": id, "function": {"name": name, "arguments": arguments}}]});
    let chunks = [
        chunk(call(0, "a", "f", "{}"), None),
        chunk(call(1, "", "g", "["), None),
        chunk(call(1, "a", "", "]"), Some("tool_calls")),
    ];
    let (mut started, mut done) = (Vec::new(), Vec::new());
    for event in check(&chunks) {
        match event {
            ChatEvent::ToolCallStarted { id, .. } => started.push(id),
            ChatEvent::ToolCallDone { tool_call, .. } => done.push(tool_call.id),
            _ => {}
        }
    }
    assert_eq!((started.len(), &started), (2, &done));
}

/// The pieces of arguments, and the deltas after each.
#[test]
fn arguments_that_are_certain_are_not_held_back() {
    let call = |arguments: &str| json!({"tool_calls": [{"index": 0, "id": "a", "function": {"name": "f", "arguments": arguments}}]});
    for (name, pieces, wanted) in [
        ("pieces", ["{\"a\"", ":", "1}"], ["{\"a\"", ":", "1}"]),
        ("cumulative", ["{\"a\"", "{\"a\":\"x", "{\"a\":\"xy\"}"], ["{\"a\"", ":\"x", "y\"}"]),
        ("in a string", ["{\"a:", "{\"a:\":1", "}"], ["{\"a:", "\":1", "}"]),
        ("two readings", ["{\"a\":", "{\"a\":1", "}}"], ["{\"a\":", "", ""]),
        ("white space", [" {", " ", "\"a\":1}"], ["", "", " { \"a\":1}"]),
        ("text", ["a", "b", "{}"], ["", "", ""]),
        ("a second value", ["[1]", "[1]", "[2]"], ["[1]", "", ""]),
        ("an empty object first", ["{}", "", "{\"a\":1}"], ["", "", "{\"a\":1}"]),
    ] {
        let (mut events, mut so_far) = (ChatEvents::new(), ChatCompletionAccumulator::new());
        let deltas = pieces.map(|piece| {
            let chunk = chunk(call(piece), None);
            so_far.push(&chunk);
            let new = events.push(&chunk, &so_far).into_iter();
            let deltas = new.filter_map(|event| match event {
                ChatEvent::ToolCallDelta { delta, call: 0, .. } => Some(delta),
                _ => None,
            });
            deltas.collect::<String>()
        });
        assert_eq!(deltas, wanted, "{name}");
    }
}

#[test]
fn text_that_may_still_be_replaced_is_held_back() {
    let call = |arguments: &str| json!({"tool_calls": [{"index": 0, "id": "a", "function": {"name": "f", "arguments": arguments}}]});
    for (name, pieces) in [
        ("an empty object first", vec!["{}", "{\"a\":1}"]),
        ("cumulative", vec!["{\"a\"", "{\"a\":1", "{\"a\":1}"]),
        ("repeated", vec!["{\"a\":1}", "{\"a\":1}"]),
        ("two readings", vec!["{\"a\":", "{\"a\":{\"a\":1}}"]),
        ("a second value", vec!["{\"a\":1}{\"b\":2}"]),
        ("an empty object and more in one piece", vec!["{}{\"b\":2}"]),
        ("no arguments", vec![""]),
    ] {
        let chunks: Vec<_> = pieces.iter().map(|piece| chunk(call(piece), None)).collect();
        let events = check(&chunks);
        assert!(
            events.iter().any(|event| matches!(event, ChatEvent::ToolCallDone { .. })),
            "{name}"
        );
    }
}

#[test]
fn usage_and_log_probabilities_are_events() {
    let first = json!({"choices": [{"index": 0, "delta": {"content": "a"},
        "logprobs": {"content": [{"token": "a", "logprob": -0.5}]}}]});
    let last = json!({"id": "c", "choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}});
    let events = check(&[from_value(first).unwrap(), from_value(last).unwrap()]);
    assert!(events.iter().any(|event| matches!(event, ChatEvent::Logprobs { .. })));
    assert!(
        events
            .iter()
            .any(|event| matches!(event, ChatEvent::Usage(usage) if usage.total_tokens == 3))
    );
}

#[test]
fn the_laws_hold_for_every_stream_of_the_corpora() {
    for corpus in [include_str!("fixtures/tolerance.jsonl"), include_str!("fixtures/field.jsonl")] {
        for row in corpus.lines() {
            let row: Value = serde_json::from_str(row).unwrap();
            let mut reader = ChunkReader::new();
            let chunks: Vec<ChatCompletionChunk> = row["raw"]
                .as_str()
                .unwrap()
                .lines()
                .filter_map(|line| reader.read(line.strip_prefix("data:")?.trim().as_bytes()).ok())
                .collect();
            check(&chunks);
        }
    }
}

fn deltas() -> impl Strategy<Value = Value> {
    let text = prop::option::of("[a-c]{0,3}");
    let fragment = (
        prop::option::of(0..2_i64),
        prop::sample::select(vec!["", "a", "b"]),
        prop::sample::select(vec!["", "f", "g"]),
        prop::sample::select(vec![
            "",
            "{",
            "{}",
            "{\"a\":",
            "1",
            "}",
            "{\"a\":1}",
            " ",
            "x",
            "[",
            "]",
            "{\"a\":{\"a\":1}}",
        ]),
    );
    let fragment = fragment.prop_map(|(index, id, name, arguments)| {
        json!({"index": index, "id": id, "function": {"name": name, "arguments": arguments}})
    });
    (text.clone(), text.clone(), text, prop::collection::vec(fragment, 0..3)).prop_map(|(content, reasoning, refusal, calls)| {
        json!({"content": content, "reasoning_content": reasoning, "refusal": refusal, "tool_calls": calls})
    })
}

proptest! {
    #[test]
    fn the_laws_hold_for_any_chunks(deltas in prop::collection::vec((0..3_u32, deltas()), 0..8)) {
        let chunks: Vec<ChatCompletionChunk> = deltas
            .into_iter()
            .map(|(index, delta)| {
                let mut choice = json!({"index": index});
                choice["delta"] = delta;
                from_value(json!({"id": "c", "choices": [choice]})).unwrap()
            })
            .collect();
        check(&chunks);
    }
}
