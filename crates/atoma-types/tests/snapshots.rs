//! Servers that send complete messages next to the deltas, after them or in place of them: what is new in each chunk.

#![allow(clippy::needless_pass_by_value, reason = "a table of values reads better without borrows")]

use atoma_types::ChunkReader;
use serde_json::{Value, json};

/// The delta of the first choice in each chunk, as it is read. Each chunk has one choice, given by its members.
fn deltas(choices: &[Value]) -> Vec<Value> {
    let mut reader = ChunkReader::new();
    let chunks = choices.iter().map(|choice| {
        let chunk = reader.read(json!({"choices": [choice]}).to_string().as_bytes()).unwrap();
        serde_json::to_value(&chunk.choices[0].delta).unwrap()
    });
    chunks.collect()
}

fn delta(members: Value) -> Value {
    json!({"delta": members})
}

fn message(members: Value) -> Value {
    json!({"message": members})
}

fn last(mut choice: Value) -> Value {
    choice["finish_reason"] = json!("stop");
    choice
}

fn both(delta: Value, message: Value) -> Value {
    json!({"delta": delta, "message": message})
}

#[test]
fn only_the_news_of_a_message_are_in_the_delta() {
    let text = |text: &str| json!({"content": text});
    let thought = |text: &str| json!({"reasoning": text});
    let cases: &[(&str, Vec<Value>, Vec<Value>)] = &[
        (
            "deltas, then the message",
            vec![delta(text("Hel")), delta(text("lo")), last(message(text("Hello")))],
            vec![text("Hel"), text("lo"), json!({})],
        ),
        (
            "deltas, then the message, twice",
            vec![delta(text("a")), message(text("a")), last(message(text("a")))],
            vec![text("a"), json!({}), json!({})],
        ),
        (
            "messages that grow",
            vec![message(text("Hel")), message(text("Hello")), last(message(text("Hello")))],
            vec![text("Hel"), text("lo"), text("")],
        ),
        (
            "a role, then messages that grow",
            vec![delta(json!({"role": "assistant"})), message(text("a")), message(text("ab"))],
            vec![json!({"role": "assistant"}), text("a"), text("b")],
        ),
        (
            "messages that are pieces",
            vec![message(text("Hel")), message(text("lo")), message(text("lo"))],
            vec![text("Hel"), text("lo"), text("lo")],
        ),
        (
            "a shorter message",
            vec![message(text("abc")), last(message(text("ab")))],
            vec![text("abc"), text("ab")],
        ),
        (
            "an empty message first",
            vec![message(text("")), message(text("a")), message(text("ab"))],
            vec![text(""), text("a"), text("b")],
        ),
        (
            "reasoning that grows, then content",
            vec![
                message(thought("x")),
                message(thought("xy")),
                last(message(json!({"content": "a", "reasoning": "xy"}))),
            ],
            vec![thought("x"), json!({"content": "", "reasoning": "y"}), text("a")],
        ),
        (
            "reasoning under its other name",
            vec![
                message(json!({"reasoning_content": "x"})),
                message(json!({"content": "a", "reasoning_content": "xy"})),
            ],
            vec![
                json!({"reasoning_content": "x"}),
                json!({"content": "a", "reasoning_content": "y"}),
            ],
        ),
        (
            "other reasoning next to text that grows",
            vec![
                message(json!({"content": "a", "reasoning": "x"})),
                message(json!({"content": "ab", "reasoning": "y"})),
            ],
            vec![
                json!({"content": "a", "reasoning": "x"}),
                json!({"content": "ab", "reasoning": "y"}),
            ],
        ),
        (
            "reasoning that grows next to other text",
            vec![
                message(json!({"content": "a", "reasoning": "x"})),
                message(json!({"content": "b", "reasoning": "xy"})),
            ],
            vec![
                json!({"content": "a", "reasoning": "x"}),
                json!({"content": "b", "reasoning": "xy"}),
            ],
        ),
        (
            "the message so far next to each delta",
            vec![
                both(text("a"), text("a")),
                both(text("b"), text("ab")),
                last(message(text("ab"))),
            ],
            vec![text("a"), text("b"), json!({})],
        ),
        (
            "an equal message next to the only delta",
            vec![both(text("a"), text("a")), last(message(text("a")))],
            vec![text("a"), json!({})],
        ),
        (
            "a message next to an empty delta at the end",
            vec![delta(text("a")), last(both(json!({}), json!({"content": "a", "refusal": "r"})))],
            vec![text("a"), json!({"refusal": "r"})],
        ),
        (
            "the same before the end",
            vec![delta(text("a")), both(json!({}), json!({"content": "a", "refusal": "r"}))],
            vec![text("a"), json!({})],
        ),
        (
            "a message next to the last delta",
            vec![delta(text("a")), last(both(text("b"), json!({"content": "ab", "refusal": "r"})))],
            vec![text("a"), text("b")],
        ),
        (
            "only a message next to an empty delta",
            vec![last(both(json!({}), text("a")))],
            vec![text("a")],
        ),
        ("the same before the end", vec![both(json!({}), text("a"))], vec![json!({})]),
        (
            "only a message next to a delta",
            vec![last(both(text("b"), text("a"))), last(message(text("ab")))],
            vec![text("b"), json!({})],
        ),
        (
            "a message next to an empty delta after a message",
            vec![message(text("a")), last(both(json!({}), text("a")))],
            vec![text("a"), json!({})],
        ),
    ];
    for (name, choices, wanted) in cases {
        assert_eq!(deltas(choices), *wanted, "{name}");
    }
}

#[test]
fn members_that_no_delta_had_are_new() {
    let call = json!([{"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}]);
    let members = [
        ("content", json!("a")),
        ("reasoning", json!("b")),
        ("reasoning_content", json!("b")),
        ("refusal", json!("c")),
        ("tool_calls", call),
        ("x", json!({"y": 1})),
        ("z", json!(2)),
    ];
    let is_reasoning = |name: &str| name.starts_with("reasoning");
    let whole: Value =
        members.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    for (name, value) in &members {
        let mut wanted = whole.clone();
        let rest = wanted.as_object_mut().unwrap();
        rest.retain(|other, _| other != name && !(is_reasoning(name) && is_reasoning(other)));
        for end in [message(whole.clone()), last(both(json!({}), whole.clone()))] {
            let one = delta(json!({*name: value}));
            assert_eq!(deltas(&[one.clone(), end.clone()])[1], wanted, "{name}");
            assert_eq!(deltas(&[one, delta(json!({})), end])[2], wanted, "{name}, then nothing");
        }
        // Noted as well if it comes later, after other content.
        let other = if *name == "content" { "refusal" } else { "content" };
        let mut wanted = wanted.clone();
        wanted.as_object_mut().unwrap().remove(other);
        let read = deltas(&[
            delta(json!({other: "o"})),
            delta(json!({*name: value})),
            message(whole.clone()),
        ]);
        assert_eq!(read[2], wanted, "{other}, then {name}");
        // An empty one is not content: the message is the first, and the next one grows.
        let empty = match value {
            Value::String(_) => json!(""),
            Value::Array(_) => json!([]),
            _ => continue,
        };
        let [short, long] = ["a", "ab"].map(|text| message(json!({"content": text})));
        let read = deltas(&[delta(json!({*name: empty})), short, long]);
        assert_eq!(read[2], json!({"content": "b"}), "an empty {name}");
    }
}

#[test]
fn each_choice_has_its_own_messages_up_to_128() {
    let chunk = |kind: &str, index: u32, text: &str| {
        json!({"choices": [{"index": index, kind: {"content": text}}]}).to_string()
    };
    for (kind, wanted) in [("delta", ""), ("message", "b")] {
        let mut reader = ChunkReader::new();
        for index in 0..130 {
            reader.read_in_place(&chunk(kind, index, "a")).unwrap();
            assert_eq!(reader.chunk().choices[0].delta.text(), "a");
        }
        for index in (0..130).rev() {
            reader.read_in_place(&chunk("message", index, "ab")).unwrap();
            let wanted = if index < 128 { wanted } else { "ab" };
            assert_eq!(reader.chunk().choices[0].delta.text(), wanted, "{kind} {index}");
        }
    }
    // A choice whose only message is next to an empty delta, after a message of another choice.
    let mut reader = ChunkReader::new();
    reader.read_in_place(&chunk("message", 1, "a")).unwrap();
    let end = json!({"choices": [{"index": 0, "delta": {}, "message": {"content": "b"}, "finish_reason": "stop"}]});
    reader.read_in_place(&end.to_string()).unwrap();
    assert_eq!(reader.chunk().choices[0].delta.text(), "b");
}

#[test]
fn at_most_128_unknown_members_of_deltas_are_remembered() {
    let mut reader = ChunkReader::new();
    let member = |number: u32| json!({format!("x{number}"): number});
    for number in (0..130).chain(0..2) {
        let chunk = json!({"choices": [{"delta": member(number)}]});
        reader.read_in_place(&chunk.to_string()).unwrap();
    }
    for number in [0, 1, 127, 128, 129] {
        let chunk = json!({"choices": [{"message": member(number)}]});
        reader.read_in_place(&chunk.to_string()).unwrap();
        assert_eq!(reader.chunk().choices[0].delta.extra.is_empty(), number < 128, "{number}");
    }
}

#[test]
fn a_message_is_judged_anew_although_only_the_signature_differs() {
    let mut reader = ChunkReader::new();
    let mut read = |text: &str, signature: &str| {
        let chunk = json!({"choices": [{"message": {"content": text}}], "signature": signature});
        reader.read(chunk.to_string().as_bytes()).unwrap().text().into_owned()
    };
    assert_eq!([read("Hel", "a"), read("Hello", "b"), read("Hello", "c")], ["Hel", "lo", "Hello"]);
}

#[test]
fn a_character_that_is_cut_between_messages_is_joined() {
    let mut reader = ChunkReader::new();
    let mut read = |content: &str, reasoning: &str| {
        let chunk = format!(
            r#"{{"choices":[{{"message":{{"content":"{content}","reasoning":"{reasoning}"}}}}]}}"#
        );
        let chunk = reader.read(chunk.as_bytes()).unwrap();
        (chunk.text().into_owned(), chunk.choices[0].delta.reasoning.clone().unwrap())
    };
    assert_eq!(read(r"a\ud83d", r"\ud83e"), ("a".to_owned(), String::new()));
    assert_eq!(read(r"\ude42", r"\udd80b"), ("🙂".to_owned(), "🦀b".to_owned()));
}
