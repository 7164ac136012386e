use super::*;
use crate::{ChatCompletionChunk, CompletionChunk, json};
use std::fmt::Debug;

fn fits(first: &str, second: &str) -> bool {
    fits_as::<ChatCompletionChunk>(first, second)
}

/// Makes a template of `first`, and returns whether `second` fits it; the result must be that of reading alone.
fn fits_as<C: StreamedChunk + PartialEq + Debug>(first: &str, second: &str) -> bool {
    let read = |json: &str| json::object_from_slice::<C>(json.as_bytes()).unwrap();
    let mut chunk = read(first);
    let mut template = ChunkTemplate::default();
    template.learn(first, &mut chunk);
    assert_eq!(chunk, read(first), "learning changes nothing");
    let fits = template.fill(second, &mut chunk);
    if fits {
        assert_eq!(chunk, read(second), "{first} {second}");
    }
    fits
}

fn chunk(delta: &str) -> String {
    format!(r#"{{"id":"c","choices":[{{"index":0,"delta":{{{delta}}}}}],"created":1}}"#)
}

#[test]
fn chunks_that_differ_in_streamed_strings_fit() {
    for (name, first, second) in [
        ("text", r#""content":"a""#, r#""content":"bc""#),
        ("no text", r#""content":"a""#, r#""content":"""#),
        ("text after none", r#""content":"""#, r#""content":"東京🙂""#),
        ("escapes", r#""content":"\n""#, r#""content":"\"\\\/\b\f\n\r\t""#),
        ("code units", r#""content":"a""#, r#""content":"x\u00e9\ud83d\ude42\n""#),
        ("many bytes", r#""content":"a""#, r#""content":"0123456789abcdef0123456789\"ß""#),
        ("white space", r#" "content" : "a" "#, r#" "content" : "b" "#),
        ("reasoning", r#""content":null,"reasoning":"a""#, r#""content":null,"reasoning":"b""#),
        (
            "both names",
            r#""reasoning":"a","reasoning_content":"a""#,
            r#""reasoning":"b","reasoning_content":"c""#,
        ),
        ("a refusal", r#""refusal":"a""#, r#""refusal":"b""#),
        (
            "a part",
            r#""content":[{"type":"text","text":"a"}]"#,
            r#""content":[{"type":"text","text":"b"}]"#,
        ),
        (
            "arguments of two calls",
            r#""tool_calls":[{"index":0,"function":{"arguments":"a"}},{"index":1,"function":{"arguments":"b"}}]"#,
            r#""tool_calls":[{"index":0,"function":{"arguments":"{\""}},{"index":1,"function":{"arguments":""}}]"#,
        ),
        (
            "a call after null",
            r#""tool_calls":[null,{"index":0,"function":{"arguments":"a"}}]"#,
            r#""tool_calls":[null,{"index":0,"function":{"arguments":"bc"}}]"#,
        ),
    ] {
        assert!(fits(&chunk(first), &chunk(second)), "{name}");
    }
    for (name, member, other) in [
        (
            "a signature",
            r#""signature":"a","response_hash":"b""#,
            r#""signature":"cd","response_hash":"""#,
        ),
        ("padding", r#""x":1,"obfuscation":"a""#, r#""x":1,"obfuscation":"bcd""#),
        (
            "usage so far",
            r#""usage":{"completion_tokens":9,"total_tokens":19,"prompt_tokens":10}"#,
            r#""usage":{"completion_tokens":10,"total_tokens":20,"prompt_tokens":10}"#,
        ),
    ] {
        let [first, second] = [(r#""content":"a""#, member), (r#""content":"b""#, other)]
            .map(|(delta, member)| chunk(delta).replace("\"created\":1", member));
        assert!(fits(&first, &second), "{name}");
    }
}

#[test]
fn text_completions_that_differ_in_streamed_values_fit() {
    let chunk = |text: &str, member: &str| {
        format!(r#"{{"id":"c","choices":[{{"index":0,"text":"{text}"}}]{member}}}"#)
    };
    for (name, first, second) in [
        ("text", "", ""),
        ("a signature", r#","signature":"a""#, r#","signature":"bc""#),
        ("a hash", r#","response_hash":"a""#, r#","response_hash":"bc""#),
        (
            "usage so far",
            r#","usage":{"completion_tokens":9,"total_tokens":19,"prompt_tokens":10}"#,
            r#","usage":{"completion_tokens":10,"total_tokens":20,"prompt_tokens":10}"#,
        ),
    ] {
        assert!(fits_as::<CompletionChunk>(&chunk("a", first), &chunk("bc", second)), "{name}");
    }
    assert!(!fits_as::<CompletionChunk>(&chunk("a", ""), &chunk("a", ",\"x\":1")));
}

#[test]
fn anything_else_does_not_fit() {
    for (name, first, second) in [
        ("another type", r#""content":"a""#, r#""content":null"#),
        ("a number", r#""content":"a""#, r#""content":7"#),
        ("one member more", r#""content":"a""#, r#""content":"a","role":"user""#),
        ("another member", r#""content":"a""#, r#""refusal":"a""#),
        ("another name", r#""name":"a","content":"a""#, r#""name":"b","content":"a""#),
        ("a raw line end", r#""content":"a""#, "\"content\":\"a\nb\""),
        ("half a character", r#""content":"a""#, r#""content":"\ud83d""#),
        ("no escape", r#""content":"a""#, r#""content":"\x""#),
    ] {
        assert!(!fits_or_fails(&chunk(first), &chunk(second)), "{name}");
    }
    let whole = chunk(r#""content":"a""#);
    for second in
        ["", "{", &whole[..whole.len() - 1], &format!("{whole} "), &format!("{whole}{whole}")]
    {
        assert!(!fits_or_fails(&whole, second), "{second}");
    }
    for (first, second) in
        [("9", "010"), ("9", "-1"), ("9", "9.5"), ("9", "\"9\""), ("9", "99999999999999999999")]
    {
        let [first, second] = [first, second].map(|count| {
            whole.replace("\"created\":1", &format!(r#""usage":{{"total_tokens":{count}}}"#))
        });
        assert!(!fits_or_fails(&first, &second), "{second}");
    }
}

/// As [`fits`], where the second text may be no JSON at all.
fn fits_or_fails(first: &str, second: &str) -> bool {
    let mut chunk = ChatCompletionChunk::from_slice(first.as_bytes()).unwrap();
    let mut template = ChunkTemplate::default();
    template.learn(first, &mut chunk);
    assert!(template.is_some());
    template.fill(second, &mut chunk)
}

#[test]
fn a_text_whose_meaning_depends_on_more_than_positions_makes_no_template() {
    for (name, json) in [
        ("nothing streamed", chunk(r#""role":"user""#)),
        ("no choice", r#"{"id":"c","choices":[],"signature":"s"}"#.to_owned()),
        (
            "two choices",
            r#"{"choices":[{"delta":{"content":"a"}},{"index":1,"delta":{"content":"a"}}]}"#
                .to_owned(),
        ),
        ("a repeated name", chunk(r#""content":"a","content":"a""#)),
        ("an escaped name", chunk(r#""content":"a","cont\u0065nt":"a""#)),
        ("a list in the list", r#"{"choices":[[{"delta":{"content":"a"}}]]}"#.to_owned()),
        ("something behind it", format!("{} ", chunk(r#""content":"a""#))),
        ("too long", chunk(&format!(r#""content":"{}""#, "a".repeat(LONGEST)))),
    ] {
        let mut read = ChatCompletionChunk::from_slice(json.as_bytes()).unwrap();
        let mut template = ChunkTemplate::default();
        template.learn(&json, &mut read);
        assert!(!template.is_some(), "{name}");
    }
}

/// Fills or learns one chunk after the other, and returns whether each fitted; `text` makes a choice with this text.
fn fitting<C: StreamedChunk + PartialEq + Debug>(
    text: fn(&str) -> String,
    chunks: &[(&str, &str)],
) -> Vec<bool> {
    let mut template = ChunkTemplate::default();
    let mut held = C::default();
    let one_by_one = chunks.iter().enumerate().map(|(number, (id, created))| {
        let choice = text(&"x".repeat(number));
        let next = format!(r#"{{"id":"{id}","choices":[{choice}],"created":{created}}}"#);
        let alone: C = json::object_from_slice(next.as_bytes()).unwrap();
        let fits = template.fill(&next, &mut held);
        if !fits {
            held = alone.clone();
            template.learn(&next, &mut held);
        }
        assert_eq!(held, alone, "{next}");
        fits
    });
    one_by_one.collect()
}

#[test]
fn an_id_and_a_time_become_gaps_once_they_were_seen_to_differ() {
    for (chunks, wanted) in [
        // Another id, a third one, another time, both, no time.
        (
            [("a", "5"), ("b", "5"), ("c", "5"), ("c", "6"), ("d", "7"), ("d", "0")],
            [false, false, true, false, true, false],
        ),
        // The first id and the first time differ from none.
        (
            [("", "0"), ("a", "5"), ("a", "5"), ("b", "5"), ("b", "6"), ("c", "7")],
            [false, false, true, false, false, true],
        ),
        // None after some. After three templates that did not fit, one is left out.
        (
            [("a", "5"), ("a", "0"), ("a", "5"), ("a", "6"), ("", "6"), ("b", "6")],
            [false, false, false, true, false, false],
        ),
        // A time that is not written as a whole number.
        (
            [("a", "5.0"), ("a", "6.0"), ("a", "6.0"), ("a", "6.0"), ("a", "7.0"), ("a", "7.0")],
            [false, false, true, true, false, true],
        ),
    ] {
        let chat = |text: &str| format!(r#"{{"index":0,"delta":{{"content":"{text}"}}}}"#);
        assert_eq!(fitting::<ChatCompletionChunk>(chat, &chunks), wanted, "{chunks:?}");
        let completion = |text: &str| format!(r#"{{"index":0,"text":"{text}"}}"#);
        assert_eq!(fitting::<CompletionChunk>(completion, &chunks), wanted, "{chunks:?}");
    }
}

#[test]
fn a_template_has_bounds() {
    let makes = |json: &str| {
        let mut read: ChatCompletionChunk = json::object_from_slice(json.as_bytes()).unwrap();
        let mut template = ChunkTemplate::default();
        template.learn(json, &mut read);
        template.is_some()
    };
    let of_length = |length: usize| {
        let rest = chunk(r#""content":"""#).len();
        chunk(&format!(r#""content":"{}""#, "a".repeat(length - rest)))
    };
    let with_calls = |number: usize| {
        let call = |index| format!(r#"{{"index":{index},"function":{{"arguments":"a"}}}}"#);
        let calls: Vec<_> = (0..number).map(call).collect();
        chunk(&format!(r#""tool_calls":[{}]"#, calls.join(",")))
    };
    // Those of `chunk` are id, choices, created, index, delta and content.
    let with_names = |number: usize| {
        let more: String = (6..number).map(|number| format!(r#","x{number}":0"#)).collect();
        chunk(&format!(r#""content":"a"{more}"#))
    };
    let with_usage = |usage: &str| chunk(r#""role":"user""#).replace("\"created\":1", usage);
    for (name, json, wanted) in [
        ("the longest", of_length(LONGEST), true),
        ("too long", of_length(LONGEST + 1), false),
        ("the most gaps", with_calls(MOST_GAPS), true),
        ("too many gaps", with_calls(MOST_GAPS + 1), false),
        ("the most names", with_names(MOST_NAMES), true),
        ("too many names", with_names(MOST_NAMES + 1), false),
        ("both counts", with_usage(r#""usage":{"completion_tokens":1,"total_tokens":3}"#), true),
        ("a total", with_usage(r#""usage":{"prompt_tokens":2,"total_tokens":3}"#), true),
        ("a total that is a sum", with_usage(r#""usage":{"completion_tokens":1}"#), false),
        ("a float", with_usage(r#""usage":{"prompt_tokens":2,"total_tokens":3.0}"#), false),
        ("no text", with_usage(r#""signature":null"#), false),
        ("a number in place of text", with_usage(r#""signature":7"#), false),
    ] {
        assert_eq!(makes(&json), wanted, "{name}: {json}");
    }
}

#[test]
fn templates_that_fit_now_and_then_are_always_made() {
    let mut template = ChunkTemplate::default();
    for number in 0..100 {
        let json = chunk(&format!(r#""content":"a","x":{number}"#));
        let mut read: ChatCompletionChunk = json::object_from_slice(json.as_bytes()).unwrap();
        assert!(!template.fill(&json, &mut read));
        template.learn(&json, &mut read);
        assert!(template.is_some() && template.fill(&json, &mut read), "{number}");
    }
}

#[test]
fn templates_that_never_fit_are_made_more_and_more_rarely() {
    let json = |number: usize| {
        chunk(r#""content":"a""#).replace("\"created\"", &format!("\"x{number}\":0,\"created\""))
    };
    let mut template = ChunkTemplate::default();
    let mut made = Vec::new();
    for number in 0..1000 {
        let json = json(number);
        let mut read = ChatCompletionChunk::from_slice(json.as_bytes()).unwrap();
        assert!(!template.fill(&json, &mut read));
        template.learn(&json, &mut read);
        made.push(template.is_some());
    }
    let first: Vec<_> = (0..200).filter(|number| made[*number]).collect();
    assert_eq!(first, [0, 1, 2, 4, 12, 76, 140]);
    assert_eq!(made[500..].iter().filter(|made| **made).count(), 500 / 64 + 1);
}
