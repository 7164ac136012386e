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

/// An id and a time become gaps once they were seen to differ; `text` makes a choice with this text.
fn check_gaps_that_appear<C: StreamedChunk + PartialEq + Debug>(text: fn(&str) -> String) {
    let json = |id: &str, created: u64, content: &str| {
        let choice = text(content);
        format!(r#"{{"id":"{id}","choices":[{choice}],"created":{created}}}"#)
    };
    let mut template = ChunkTemplate::default();
    let mut held = C::default();
    for (name, next, fits) in [
        ("the first", json("a", 5, "x"), false),
        ("another id", json("b", 5, "y"), false),
        ("a third id", json("c", 5, "z"), true),
        ("another time", json("c", 6, "z"), false),
        ("both", json("d", 7, "w"), true),
        ("no time", json("d", 0, "w"), false),
    ] {
        let alone: C = json::object_from_slice(next.as_bytes()).unwrap();
        assert_eq!(template.fill(&next, &mut held), fits, "{name}");
        if !fits {
            held = alone.clone();
            template.learn(&next, &mut held);
        }
        assert_eq!(held, alone, "{name}");
    }
}

#[test]
fn an_id_and_a_time_become_gaps_once_they_were_seen_to_differ() {
    check_gaps_that_appear::<ChatCompletionChunk>(|text| {
        format!(r#"{{"index":0,"delta":{{"content":"{text}"}}}}"#)
    });
    check_gaps_that_appear::<CompletionChunk>(|text| format!(r#"{{"index":0,"text":"{text}"}}"#));
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
    assert!(made[..3].iter().all(|made| *made));
    assert_eq!(made[500..].iter().filter(|made| **made).count(), 500 / 64 + 1);
}
