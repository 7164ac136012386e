//! Streams of text completions: each chunk, the response that they add up to, and its progress.

use atoma_types::{CompletionModel, CompletionResponse, ResponseModel, Seen, StreamModel};
use serde_json::json;

/// Reads the values of all events. Returns the kinds found.
fn read(model: &mut CompletionModel, events: &[&str]) -> Vec<Seen> {
    let mut seen = Vec::new();
    for mut data in events.iter().copied() {
        while !data.is_empty() {
            seen.push(model.read("", &mut data).unwrap());
        }
    }
    seen
}

#[test]
fn a_chunk_of_the_same_form_as_the_one_before_has_its_own_values() {
    let mut model = CompletionModel::default();
    for number in 0..6 {
        let index = number % 2;
        let event = format!(
            r#"{{"id":"c{number}","object":"text_completion","created":10{number},"model":"m","choices":[{{"index":{index},"text":"t{number}","finish_reason":null}}],"usage":{{"prompt_tokens":1{number},"completion_tokens":2{number},"total_tokens":3{number}}},"signature":"s{number}","response_hash":"h{number}"}}"#
        );
        assert_eq!(read(&mut model, &[&event]), [Seen::Chunk]);
        let alone = CompletionResponse::from_slice(event.as_bytes()).unwrap();
        assert_eq!(model.chunk(), &alone, "{event}");
        assert_eq!(alone.created, 100 + number);
    }
}

const STREAM: [&str; 5] = [
    r#"{"id":"c","object":"text_completion","created":7,"model":"m","system_fingerprint":"f","choices":[{"index":0,"text":"a"}]}"#,
    r#"{"id":"d","object":"text_completion","created":8,"model":"o","system_fingerprint":"g","choices":[{"index":1,"text":"x"}]}"#,
    r#"{"id":"c","object":"text_completion","created":7,"model":"m","choices":[{"index":0,"text":"b","finish_reason":"stop"}]}"#,
    r#"{"id":"c","object":"text_completion","created":7,"model":"m","choices":[{"index":1,"text":"y","finish_reason":"length"}]}"#,
    r#"{"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":4,"total_tokens":5}}"#,
];

#[test]
fn a_response_has_the_first_of_each_member_and_all_texts() {
    let mut model = CompletionModel::default();
    model.expect_choices(2);
    assert_eq!(read(&mut model, &STREAM), [const { Seen::Chunk }; 5]);
    let expected = json!({
        "id": "c",
        "object": "text_completion",
        "created": 7,
        "model": "m",
        "choices": [
            {"text": "ab", "index": 0, "finish_reason": "stop"},
            {"text": "xy", "index": 1, "finish_reason": "length"},
        ],
        "usage": {"prompt_tokens": 1, "completion_tokens": 4, "total_tokens": 5},
        "system_fingerprint": "f",
    });
    let expected: CompletionResponse = serde_json::from_value(expected).unwrap();
    assert_eq!(StreamModel::usage(&model), expected.usage);
    assert_eq!(model.response(), expected);
    assert_eq!(model.into_response(), expected);
}

#[test]
fn a_stream_is_settled_when_all_choices_asked_for_are_finished() {
    let (open, first, second) = (STREAM[0], STREAM[2], STREAM[3]);
    for (n, events, is_finished, is_settled) in [
        (None, &[][..], false, false),
        (None, &[open], false, false),
        (None, &[open, first], true, true),
        (Some(1), &[first], true, true),
        (Some(2), &[open, first], true, false),
        (Some(2), &[first, second], true, true),
        (Some(2), &[open, second], false, false),
    ] {
        let mut model = CompletionModel::default();
        if let Some(n) = n {
            model.expect_choices(n);
        }
        read(&mut model, events);
        let progress = model.progress();
        assert_eq!(
            (progress.is_finished, progress.is_settled, progress.has_unreadable),
            (is_finished, is_settled, false),
            "{n:?} {events:?}"
        );
        assert_eq!(progress.chunks, events.len() as u64);
    }
}

#[test]
fn an_unreadable_event_is_remembered() {
    let mut model = CompletionModel::default();
    assert_eq!(read(&mut model, &["not JSON"]), [Seen::Unreadable]);
    assert!(model.progress().has_unreadable);
    read(&mut model, &[STREAM[0], STREAM[2]]);
    assert!(model.progress().has_unreadable);
}

#[test]
fn a_body_with_usage_or_finish_reasons_is_whole() {
    for (mut body, is_finished) in [
        (r#"{"choices": [{"text": "a"}]}"#, false),
        (r#"{"choices": [{"text": "a", "finish_reason": "stop"}]}"#, true),
        (r#"{"choices": [{"text": "a"}], "usage": {"total_tokens": 3}}"#, true),
        (r#"{"status": "busy"}"#, false),
    ] {
        let mut model = CompletionModel::default();
        model.read_body(&mut body).unwrap();
        assert_eq!(model.progress().is_finished, is_finished, "{:?}", model.chunk());
    }
}

#[test]
fn an_object_without_choices_is_a_chunk_if_it_counts_tokens_or_is_named_so() {
    for (event, seen) in [
        (r#"{"choices": [], "usage": {"total_tokens": 3}}"#, Seen::Chunk),
        (r#"{"choices": [], "usage": {"total_tokens": 0}}"#, Seen::Nothing),
        (r#"{"id": "a", "object": "text_completion", "choices": []}"#, Seen::Chunk),
        (r#"{"object": "text_completion"}"#, Seen::Nothing),
        (r#"{"id": "a", "object": "list"}"#, Seen::Nothing),
        (r#"{"id": "a"}"#, Seen::Nothing),
        ("{}", Seen::Nothing),
    ] {
        assert_eq!(read(&mut CompletionModel::default(), &[event]), [seen], "{event}");
    }
}

#[test]
fn several_values_in_one_event_are_read_one_by_one() {
    let (first, second) = (STREAM[0], STREAM[2]);
    for event in
        [format!("{first}{second}"), format!("[{first}, {second}]"), format!("{first}\n {second}")]
    {
        let mut model = CompletionModel::default();
        assert_eq!(read(&mut model, &[&event]), [Seen::Chunk, Seen::Chunk], "{event}");
        assert_eq!(model.into_response().text(), "ab");
    }
    let mut data = &*format!("{first}  \n");
    CompletionModel::default().read("", &mut data).unwrap();
    assert_eq!(data, "");
}

#[test]
fn a_body_is_a_completion_if_it_has_choices_or_reports_an_error() {
    let read = |body: &str| <CompletionResponse as ResponseModel>::from_slice(body.as_bytes());
    for body in ["{}", r#"{"id": "a"}"#, r#"{"status": "busy"}"#] {
        assert!(read(body).is_err(), "{body}");
    }
    for (body, has_content, total) in [
        (r#"{"choices": []}"#, true, None),
        (r#"{"choices": [], "object": "text_completion"}"#, true, None),
        (r#"{"choices": [], "object": "list"}"#, false, None),
        (r#"{"choices": [{"text": "a"}], "object": "list"}"#, true, None),
        (r#"{"choices": [], "usage": {"total_tokens": 3}}"#, true, Some(3)),
        (r#"{"error": {"message": "busy"}}"#, true, None),
    ] {
        let response = read(body).unwrap();
        assert_eq!(ResponseModel::has_content(&response), has_content, "{body}");
        let usage = ResponseModel::usage(&response);
        assert_eq!(usage.map(|usage| usage.total_tokens), total, "{body}");
    }
}

#[test]
fn unknown_members_of_chunks_are_merged() {
    let mut model = CompletionModel::default();
    read(
        &mut model,
        &[
            r#"{"choices": [{"text": "a"}], "numbers": [1], "node": {"a": 1}, "note": "a"}"#,
            r#"{"choices": [{"text": "b"}], "numbers": [2], "node": {"b": 2}, "note": "b"}"#,
            r#"{"choices": [{"text": "c"}], "numbers": [], "node": {"a": null}, "note": null}"#,
        ],
    );
    let response = model.into_response();
    for (name, value) in
        [("numbers", json!([1, 2])), ("node", json!({"a": 1, "b": 2})), ("note", json!("b"))]
    {
        assert_eq!(response.extra.get(name), Some(&value), "{name}");
    }
}

/// The texts of a response after chunks with these choices. A full stop at the end of a text is its finish reason.
fn texts(n: u32, chunks: &[&[(u32, &str)]]) -> Vec<(u32, String)> {
    let mut model = CompletionModel::default();
    model.expect_choices(n);
    for choices in chunks {
        let choices = choices.iter().map(|(index, text)| {
            let finish = text.ends_with('.').then_some("stop");
            json!({"index": index, "text": text.trim_end_matches('.'), "finish_reason": finish})
        });
        let event = json!({"choices": choices.collect::<Vec<_>>()}).to_string();
        assert_eq!(read(&mut model, &[&event]), [Seen::Chunk]);
    }
    let choices = model.into_response().choices.into_iter();
    choices.map(|choice| (choice.index, choice.text)).collect()
}

#[test]
fn choices_are_numbered_from_0_whatever_the_server_counts_from() {
    type Chunks<'a> = &'a [&'a [(u32, &'a str)]];
    let cases: &[(&str, u32, Chunks<'_>, &[(u32, &str)])] = &[
        ("one, from 1", 1, &[&[(1, "a")], &[(1, "b")]], &[(0, "ab")]),
        ("one, two fragments in a chunk", 1, &[&[(0, "a"), (1, "b")]], &[(0, "ab")]),
        ("one, but two whole ones", 1, &[&[(1, "a."), (2, "b.")]], &[(0, "a"), (1, "b")]),
        ("two whole ones without numbers", 2, &[&[(0, "a."), (0, "b.")]], &[(0, "a"), (1, "b")]),
        (
            "two, from 1, no text at first",
            2,
            &[&[(1, "")], &[(2, "")], &[(1, "a")], &[(2, "b")]],
            &[(0, "a"), (1, "b")],
        ),
        ("two, text at first", 2, &[&[(1, "a")], &[(2, "b")]], &[(1, "a"), (2, "b")]),
    ];
    for (name, n, chunks, wanted) in cases {
        let wanted: Vec<_> =
            wanted.iter().map(|(index, text)| (*index, (*text).to_owned())).collect();
        assert_eq!(texts(*n, chunks), wanted, "{name}");
    }
}
