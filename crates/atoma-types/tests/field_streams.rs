//! Further cases of the classes of faults in `fixtures/field.jsonl`: the text of a stream: bytes, snapshots, choices, finish reasons, reasoning.

mod support;

use atoma_types::FinishReason;
use serde_json::json;
use support::{choices, deltas, events, read_body, read_choices, read_stream};

/// Name, raw stream, text, whether it ends well.
#[test]
fn no_byte_is_unaccounted_for() {
    let a = r#"{"id":"c","choices":[{"delta":{"content":"a"}}]}"#;
    let b = r#"{"id":"c","choices":[{"delta":{"content":"b"},"finish_reason":"stop"}]}"#;
    for (name, raw, text, is_complete) in [
        ("two on one line", format!("data: {a}{b}\n\ndata: [DONE]\n\n"), "ab", true),
        ("the end on the same line", format!("data: {a}\n\ndata: {b}[DONE]\n\n"), "ab", true),
        ("two lines of one event", format!("data: {a}\ndata: {b}\n\n"), "ab", true),
        ("text before the end", format!("data: {a}\n\ndata: gone\n\ndata: [DONE]\n\n"), "a", false),
        ("text after an object", format!("data: {a}gone\n\ndata: [DONE]\n\n"), "a", false),
        (
            "text, and a finish reason",
            format!("data: {a}\n\ndata: hello\n\ndata: {b}\n\n"),
            "ab",
            false,
        ),
        (
            "half an object after one",
            format!("data: {a}{{\"choices\"\n\ndata: {b}\n\n"),
            "a",
            false,
        ),
        ("null", format!("data: {a}\n\ndata: null\n\ndata: {b}\n\n"), "ab", true),
        ("text alone", "data: hello\n\ndata: [DONE]\n\n".to_owned(), "", false),
    ] {
        let outcome = read_stream(&raw);
        assert_eq!(outcome.response.text(), text, "{name}");
        assert_eq!(outcome.text, text, "{name}");
        let is_well = outcome.error.is_none() && !outcome.truncated && !outcome.unreadable;
        assert_eq!(is_well, is_complete, "{name}");
    }
}

/// Name, the choices of the chunks, text and reasoning.
#[test]
fn a_snapshot_is_not_a_piece() {
    let delta = |text: &str| json!({"delta": {"content": text}});
    let message = |text: &str| json!({"message": {"role": "assistant", "content": text}});
    let both = |delta: &str, message: &str| json!({"message": {"content": message}, "delta": {"content": delta}});
    let whole =
        json!({"message": {"content": "ab", "reasoning_content": "r"}, "finish_reason": "stop"});
    for (name, chunks, text) in [
        ("both, the message first", vec![both("a", "a"), both("b", "ab"), both("", "ab")], "ab"),
        (
            "an empty delta next to it",
            vec![delta("a"), json!({"message": {"content": "a"}, "delta": {}})],
            "a",
        ),
        (
            "an empty delta next to the first",
            vec![json!({"delta": {}, "message": {"content": "x"}}), delta("a")],
            "a",
        ),
        ("a null delta next to it", vec![json!({"message": {"content": "a"}, "delta": null})], "a"),
        ("whole at last", vec![delta("a"), delta("b"), whole.clone()], "ab"),
        (
            "whole at last, after deltas without content",
            vec![json!({"delta": {"role": "assistant"}}), whole],
            "ab",
        ),
        ("messages as pieces", vec![message("a"), message("b")], "ab"),
        ("equal messages as pieces", vec![message("ha"), message("ha")], "haha"),
        ("messages that grow", vec![message("a"), message("ab"), message("abc")], "abc"),
        ("equal pieces in both", vec![both("a", "a"), both("a", "a"), delta("b")], "aab"),
    ] {
        let outcome = choices(&chunks);
        assert_eq!(outcome.response.text(), text, "{name}");
        assert_eq!(outcome.text, text, "{name}: the chunks");
    }
}

#[test]
fn one_choice_was_asked_for_and_one_is_read() {
    for indices in [[0, 0, 0], [1, 1, 1], [0, 1, 0], [7, 0, 3]] {
        let chunks: Vec<_> = indices
            .iter()
            .map(|index| json!({"index": index, "delta": {"content": "a"}, "finish_reason": null}))
            .collect();
        let outcome = choices(&chunks);
        assert_eq!(outcome.text, "aaa", "{indices:?}");
        assert_eq!(outcome.response.choices.len(), 1, "{indices:?}");
        assert_eq!(outcome.response.text(), "aaa", "{indices:?}");
    }
    let one_chunk = json!({"id": "c", "choices": [{"index": 0, "delta": {"content": "a"}},
        {"index": 1, "delta": {"content": "b"}, "finish_reason": "stop"}]});
    assert_eq!(read_stream(&events(std::slice::from_ref(&one_chunk))).text, "ab");
    let two = read_choices(&events(&[one_chunk]), 2).response;
    assert_eq!((two.choices.len(), two.text().as_ref()), (2, "a"));
    let unary = json!({"id": "c", "choices": [{"index": 2, "message": {"content": "c"}}, {"index": 0,
        "message": {"content": "a"}, "finish_reason": "length"}]});
    let unary = read_body(&unary.to_string()).response;
    assert_eq!((unary.text().as_ref(), unary.finish_reason()), ("a", Some(&FinishReason::Length)));
    let only = read_body(r#"{"choices":[{"index":1,"message":{"content":"b"}}]}"#).response;
    assert_eq!(only.text(), "b");
}

/// The finish reasons of the chunks, and that of the response.
#[test]
fn a_finish_reason_is_not_the_end() {
    for (reasons, wanted) in [
        (vec![json!("null")], None),
        (vec![json!("None")], None),
        (vec![json!("NULL"), json!(" "), json!("undefined")], None),
        (vec![json!("stop"), json!("null")], Some("stop")),
        (vec![json!("tool_calls"), json!("stop")], Some("tool_calls")),
        (vec![json!("length"), json!("stop")], Some("length")),
        (vec![json!("stop"), json!("length")], Some("length")),
        (vec![json!("stop"), json!("tool_calls"), json!(null)], Some("tool_calls")),
        (vec![json!("eos")], Some("eos")),
    ] {
        let chunks: Vec<_> = reasons
            .iter()
            .map(|reason| json!({"index": 0, "delta": {"content": "a"}, "finish_reason": reason}))
            .collect();
        let outcome = choices(&chunks);
        let reason = outcome.response.finish_reason().map(FinishReason::as_str);
        assert_eq!(reason, wanted, "{reasons:?}");
        assert_eq!(outcome.truncated, wanted.is_none(), "{reasons:?}");
        assert_eq!(outcome.response.text(), "a".repeat(reasons.len()), "{reasons:?}");
    }
    let unary = read_body(r#"{"choices":[{"message":{"content":"a"},"finish_reason":"None"}]}"#);
    assert_eq!(unary.response.finish_reason(), None);
}

/// Name, deltas, reasoning.
#[test]
fn reasoning_is_read_under_every_name() {
    for (name, pieces, wanted) in [
        (
            "reasoning_text",
            vec![json!({"reasoning_text": "a"}), json!({"reasoning_text": "b"})],
            "ab",
        ),
        ("details as text", vec![json!({"reasoning_details": "ab"})], "ab"),
        ("details as an object", vec![json!({"reasoning_details": {"summary": "ab"}})], "ab"),
        (
            "details as a list of texts",
            vec![json!({"reasoning_details": ["a"]}), json!({"reasoning_details": ["b"]})],
            "ab",
        ),
        (
            "a summary of parts",
            vec![
                json!({"reasoning_details": [{"type": "reasoning.summary", "summary": [{"text": "ab"}]}]}),
            ],
            "ab",
        ),
        (
            "thinking as text",
            vec![json!({"thinking": "a"}), json!({"content": ""}), json!({"thinking": "b"})],
            "ab",
        ),
        (
            "thoughts next to content",
            vec![json!({"thought": "a", "content": "x"}), json!({"thought": "b"})],
            "ab",
        ),
        (
            "reasoning as an object",
            vec![json!({"reasoning": {"content": "a"}}), json!({"reasoning": {"content": "b"}})],
            "ab",
        ),
        (
            "reasoning as a list",
            vec![json!({"reasoning_content": [{"type": "text", "text": "ab"}]})],
            "ab",
        ),
        (
            "thinking as an object",
            vec![json!({"thinking": {"content": "a"}}), json!({"thinking": {"content": "b"}})],
            "ab",
        ),
        ("twins", vec![json!({"thinking": "ab", "reasoning_content": "ab"})], "ab"),
        (
            "thinking blocks",
            vec![
                json!({"thinking_blocks": [{"type": "thinking", "thinking": "a"}]}),
                json!({"thinking_blocks": [{"type": "thinking", "thinking": "b"}]}),
            ],
            "ab",
        ),
        (
            "both, once",
            vec![
                json!({"reasoning": "ab", "reasoning_details": [{"text": "ab"}], "reasoning_text": "ab"}),
            ],
            "ab",
        ),
    ] {
        let message = deltas(&pieces, "stop").response.message().cloned().unwrap();
        assert_eq!(message.reasoning().as_deref(), Some(wanted), "{name}");
    }
}
