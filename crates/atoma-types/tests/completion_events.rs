//! Laws of the typed events of completions: the deltas of a choice, joined, are the event that says it is done, and the text in
//! the response.

use atoma_types::{CompletionEvent, CompletionEvents, CompletionModel, Seen, StreamModel};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Checks every law on the events of a stream, and returns the events.
fn check<'a>(data: impl IntoIterator<Item = &'a str>) -> Vec<CompletionEvent> {
    let (mut model, mut events) = (CompletionModel::default(), CompletionEvents::new());
    model.expect_choices(4);
    let mut all = Vec::new();
    for mut data in data {
        while !data.is_empty() {
            if let Ok(Seen::Chunk) = model.read("", &mut data) {
                all.extend(events.push(&model));
            }
        }
    }
    all.extend(events.finish(&model));
    let response = model.into_response();

    let (mut texts, mut done) = (BTreeMap::<u32, String>::new(), BTreeMap::new());
    let (mut tokens, mut reasons) = (BTreeMap::<u32, Vec<String>>::new(), BTreeMap::new());
    let mut usage = None;
    for event in all.clone() {
        match event {
            CompletionEvent::TextDelta { choice, delta, .. } => {
                assert!(!delta.is_empty() && !done.contains_key(&choice));
                texts.entry(choice).or_default().push_str(&delta);
            }
            CompletionEvent::TextDone { choice, text, .. } => {
                assert_eq!(done.insert(choice, text), None, "done once");
            }
            CompletionEvent::Logprobs { choice, logprobs, .. } => {
                tokens.entry(choice).or_default().extend(logprobs.tokens);
            }
            CompletionEvent::Usage(now) => usage = Some(now),
            CompletionEvent::Finish { choice, reason, .. } => {
                assert_eq!(reasons.insert(choice, reason), None, "finished once");
            }
            event => panic!("{event:?} has no law"),
        }
    }
    assert_eq!(texts, done, "the deltas joined are the event at the end");
    assert_eq!(usage, response.usage, "the last usage counts");
    for choice in &response.choices {
        assert_eq!(done.remove(&choice.index).unwrap_or_default(), choice.text);
        assert_eq!(reasons.remove(&choice.index), choice.finish_reason);
        let known = choice.logprobs.as_ref().map(|logprobs| logprobs.tokens.clone());
        assert_eq!(tokens.remove(&choice.index), known);
    }
    assert!(done.is_empty() && reasons.is_empty() && tokens.is_empty());
    all
}

#[test]
fn events_arrive_in_order_and_end_with_their_totals() {
    let events = check([
        r#"{"choices":[{"index":0,"text":"a","finish_reason":null}],"usage":null}"#,
        r#"{"choices":[{"index":1,"text":"b","logprobs":{"tokens":["b"],"token_logprobs":[null]},"finish_reason":"length"}]}"#,
        r#"{"choices":[{"index":0,"text":"","finish_reason":"stop"}]}"#,
        r#"{"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}"#,
    ]);
    let names: Vec<String> = events
        .iter()
        .map(|event| format!("{event:?}").split([' ', '(']).next().unwrap_or_default().to_owned())
        .collect();
    assert_eq!(
        names,
        ["TextDelta", "TextDelta", "Logprobs", "Usage", "TextDone", "Finish", "TextDone", "Finish"]
    );
}

#[test]
fn a_choice_beyond_the_limit_has_no_events() {
    let data: Vec<String> = (0..200)
        .map(|index| format!(r#"{{"choices":[{{"index":{index},"text":"a"}}]}}"#))
        .collect();
    let events = check(data.iter().map(String::as_str));
    let deltas = events.iter().filter(|event| matches!(event, CompletionEvent::TextDelta { .. }));
    assert_eq!(deltas.count(), 128);
}

#[test]
fn the_laws_hold_for_every_stream_of_the_corpus() {
    for row in include_str!("tolerance/completions.jsonl").lines() {
        let row: Value = serde_json::from_str(row).unwrap();
        let raw = row["raw"].as_str().unwrap().replace("\r\n", "\n");
        check(raw.lines().filter_map(|line| line.strip_prefix("data: ")));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_laws_hold_for_any_chunks(
        chunks in prop::collection::vec(
            prop::collection::vec((0..3_u32, "[a-c🙂]{0,3}", any::<bool>(), any::<bool>()), 0..3),
            0..8,
        ),
        usage in prop::option::of(0..9_u64),
    ) {
        let mut data: Vec<String> = chunks
            .into_iter()
            .map(|choices| {
                let choices: Vec<Value> = choices
                    .into_iter()
                    .map(|(index, text, is_last, has_logprobs)| {
                        let logprobs = has_logprobs
                            .then(|| json!({"tokens": [text], "token_logprobs": [null]}));
                        let reason = is_last.then_some("stop");
                        json!({"index": index, "text": text, "logprobs": logprobs, "finish_reason": reason})
                    })
                    .collect();
                json!({"id": "c", "object": "text_completion", "choices": choices}).to_string()
            })
            .collect();
        if let Some(total) = usage {
            data.push(json!({"choices": [], "usage": {"total_tokens": total}}).to_string());
        }
        check(data.iter().map(String::as_str));
    }
}
