//! Characters split between the events of a stream, as servers written in JavaScript split them.

use atoma_types::{
    ChatCompletionAccumulator, ChatCompletionChunk, ChatCompletionResponse, ChunkReader,
};

const TEXT: &str = "a🙂é🦀🙂 日本 \"\\";

/// The text in JSON, in pieces of `size` UTF-16 code units, with everything escaped.
fn pieces(text: &str, size: usize) -> Vec<String> {
    let units: Vec<u16> = text.encode_utf16().collect();
    let escaped = |units: &[u16]| units.iter().map(|unit| format!("\\u{unit:04x}")).collect();
    units.chunks(size).map(escaped).collect()
}

fn read(events: &[String]) -> ChatCompletionResponse {
    let mut reader = ChunkReader::new();
    let mut response = ChatCompletionAccumulator::new();
    for event in events {
        response.push(&reader.read(event.as_bytes()).unwrap());
    }
    response.into_response()
}

fn chunk(index: usize, delta: &str) -> String {
    format!(r#"{{"choices":[{{"index":{index},"delta":{{{delta}}}}}]}}"#)
}

#[test]
fn every_field_is_right_however_it_is_cut() {
    for field in ["content", "reasoning", "reasoning_content", "refusal"] {
        for size in 1..=7 {
            let events: Vec<_> = pieces(TEXT, size)
                .iter()
                .map(|piece| chunk(0, &format!(r#""{field}":"{piece}""#)))
                .collect();
            let response = read(&events);
            let message = response.message().unwrap();
            let found = match field {
                "content" => message.text().into_owned(),
                "refusal" => message.refusal.clone().unwrap(),
                _ => message.reasoning().unwrap().into_owned(),
            };
            assert_eq!(found, TEXT, "{field} in pieces of {size}");
        }
    }
}

#[test]
fn every_cut_in_two_is_right() {
    let units: Vec<u16> = TEXT.encode_utf16().collect();
    for cut in 0..=units.len() {
        let escaped = |units: &[u16]| -> String {
            units.iter().map(|unit| format!("\\u{unit:04X}")).collect()
        };
        let events = [&units[..cut], &units[cut..]]
            .map(|units| chunk(0, &format!(r#""content":"{}""#, escaped(units))));
        assert_eq!(read(&events).text(), TEXT, "cut at {cut}");
    }
}

#[test]
fn arguments_are_right_however_they_are_cut_and_mixed() {
    for size in 1..=5 {
        let mut events = Vec::new();
        for piece in pieces(TEXT, size) {
            for index in [1, 0] {
                let call = format!(
                    r#"{{"index":{index},"id":"call_{index}","function":{{"name":"f","arguments":"{piece}"}}}}"#
                );
                events.push(chunk(0, &format!(r#""tool_calls":[{call}]"#)));
            }
        }
        let response = read(&events);
        let arguments: Vec<_> =
            response.tool_calls().iter().map(|call| call.function.arguments.as_str()).collect();
        assert_eq!(arguments, [TEXT, TEXT], "pieces of {size}");
    }
}

#[test]
fn choices_and_fields_do_not_disturb_one_another() {
    let mut events = Vec::new();
    for piece in pieces(TEXT, 1) {
        for index in [0, 1] {
            events.push(chunk(index, &format!(r#""content":"{piece}""#)));
            events.push(chunk(index, &format!(r#""reasoning":"{piece}""#)));
        }
        events.push(r#"{"choices":[]}"#.to_owned());
    }
    let response = read(&events);
    for choice in &response.choices {
        assert_eq!(
            (choice.message.text().as_ref(), choice.message.reasoning().as_deref()),
            (TEXT, Some(TEXT))
        );
    }
}

#[test]
fn several_choices_and_calls_in_one_event() {
    let first = r#"{"choices":[{"index":1,"delta":{"content":"\ud83d"}},null,{"index":0,"delta":{"tool_calls":[
        {"index":0,"function":{"name":"f","arguments":"x\ud83d"}},{"index":1,"function":{"name":"g","arguments":"\ud83e"}}]}}]}"#;
    let second = r#"{"choices":[{"index":0,"delta":{"tool_calls":[
        {"index":1,"function":{"arguments":"\udd80"}},{"index":0,"function":{"arguments":"\ude42"}}]}},
        {"index":1,"delta":{"content":"\ude42"}}]}"#;
    let response = read(&[first.to_owned(), second.to_owned()]);
    let arguments: Vec<_> =
        response.tool_calls().iter().map(|call| call.function.arguments.as_str()).collect();
    assert_eq!(arguments, ["x🙂", "🦀"]);
    assert_eq!(response.choices[1].message.text(), "🙂");
}

/// Name, the events' contents, the text.
#[test]
fn a_half_that_finds_no_other_half_becomes_the_replacement_character() {
    for (name, contents, text) in [
        ("another character follows", vec![r"a\ud83d", "b"], "a\u{fffd}b"),
        ("a first half follows", vec![r"\ud83d", r"\ud83d\ude42"], "\u{fffd}🙂"),
        ("a second half at the start", vec![r"\ude42a"], "\u{fffd}a"),
        ("a second half too late", vec![r"\ud83d", "a", r"\ude42"], "\u{fffd}a\u{fffd}"),
        ("in the middle", vec![r"a\ud83db\ude42c"], "a\u{fffd}b\u{fffd}c"),
        ("an empty piece between", vec![r"\ud83d", "", r"\ude42"], "🙂"),
        ("the end of the stream", vec![r"a\ud83d"], "a"),
    ] {
        let events: Vec<_> =
            contents.iter().map(|content| chunk(0, &format!(r#""content":"{content}""#))).collect();
        assert_eq!(read(&events).text(), text, "{name}");
    }
}

#[test]
fn a_held_surrogate_is_released_when_the_choice_is_finished() {
    let finish = r#"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#;
    let events = [chunk(0, r#""content":"a\ud83d""#), finish.to_owned()];
    assert_eq!(read(&events).text(), "a\u{fffd}");
    let last = r#"{"choices":[{"index":0,"delta":{"content":"a\ud83d"},"finish_reason":"stop"}]}"#;
    assert_eq!(read(&[last.to_owned()]).text(), "a\u{fffd}");
    let call =
        r#""tool_calls":[{"index":3,"id":"x","function":{"name":"f","arguments":"\ud83d"}}]"#;
    let response = read(&[chunk(0, call), finish.to_owned()]);
    assert_eq!(response.tool_calls()[0].function.arguments, "\u{fffd}");
}

#[test]
fn halves_elsewhere_become_the_replacement_character() {
    let json =
        br#"{"id":"\ud83d","x":{"\ude42":"\ud83d"},"choices":[{"delta":{"content":"a","y":"\ude42",
        "tool_calls":[{"id":"\ud83d","function":{"name":"\ud83d"}}]},
        "logprobs":{"content":[{"token":"\ud83d","logprob":-1.5}]}}]}"#;
    let mut reader = ChunkReader::new();
    let chunk = reader.read(json).unwrap();
    assert_eq!(chunk.id, "\u{fffd}");
    assert_eq!(chunk.extra.get("x").unwrap()["\u{fffd}"], "\u{fffd}");
    let choice = &chunk.choices[0];
    assert_eq!(choice.logprobs.as_ref().unwrap().content.as_ref().unwrap()[0].token, "\u{fffd}");
    assert_eq!(choice.delta.extra.get("y").unwrap(), "\u{fffd}");
    assert_eq!(choice.delta.tool_calls[0].function.name.as_deref(), Some("\u{fffd}"));
    assert_eq!(ChatCompletionChunk::from_slice(json).unwrap(), chunk);
}

#[test]
fn held_surrogates_are_bounded() {
    let mut reader = ChunkReader::new();
    let mut replaced = 0;
    for index in 0..1000 {
        let chunk = reader.read(chunk(index, r#""content":"\ud83d""#).as_bytes()).unwrap();
        replaced += usize::from(chunk.choices[0].delta.text() == "\u{fffd}");
    }
    assert_eq!(replaced, 1000 - 256);
}

#[test]
fn a_broken_event_leaves_the_reader_as_it_was() {
    let mut reader = ChunkReader::new();
    reader.read(chunk(0, r#""content":"\ud83d""#).as_bytes()).unwrap();
    assert!(reader.read(br#"{"choices":[{"#).unwrap_err().is_incomplete());
    let next = reader.read(chunk(0, r#""content":"\ude42""#).as_bytes()).unwrap();
    assert_eq!(next.text(), "🙂");
}

#[test]
fn a_half_that_is_given_up_goes_to_the_arguments_of_its_call() {
    let call = |index: u32, arguments: &str| {
        format!(r#"{{"index":{index},"function":{{"name":"f{index}","arguments":"{arguments}"}}}}"#)
    };
    let calls = |calls: &str| chunk(0, &format!(r#""tool_calls":[{calls}]"#));
    for (first, second, last, wanted) in [
        ("a", r"b\ud83d", call(0, "}"), ["a}", "b\u{fffd}"]),
        ("a", r"b\ud83d", call(1, "}"), ["a", "b\u{fffd}}"]),
        ("a", r"b\ud83d", String::new(), ["a", "b\u{fffd}"]),
        (r"a\ud83d", "b", String::new(), ["a\u{fffd}", "b"]),
        (r"a\ud83d", "b", call(1, "}"), ["a\u{fffd}", "b}"]),
    ] {
        let last = calls(&last).replace("\"delta\"", "\"finish_reason\":\"tool_calls\",\"delta\"");
        let response = read(&[calls(&call(0, first)), calls(&call(1, second)), last.clone()]);
        let arguments: Vec<_> =
            response.tool_calls().iter().map(|call| call.function.arguments.as_str()).collect();
        assert_eq!(arguments, wanted, "{last}");
    }
}
