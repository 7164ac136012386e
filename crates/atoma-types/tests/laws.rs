//! The laws of the fuzz targets, on their seeds and on some thousand arbitrary inputs.

#[path = "support/fuzz_laws.rs"]
#[allow(dead_code, unreachable_pub)]
mod laws;

#[path = "support/arbitrary.rs"]
#[allow(dead_code)]
mod arbitrary;

use arbitrary::plausible;
use proptest::{collection::vec, prelude::*};
use std::{fs, path::Path};

#[test]
fn seeds() {
    let laws: [(&str, fn(&[u8])); 2] = [("read", laws::read), ("stream", laws::stream)];
    for (name, law) in laws {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/seeds").join(name);
        let mut count = 0;
        for seed in fs::read_dir(folder).unwrap() {
            law(&fs::read(seed.unwrap().path()).unwrap());
            count += 1;
        }
        assert!(count > 0, "{name} has seeds");
    }
}

/// Values: `$` is a gap, inside a string or in place of a whole value.
const MEMBERS: [&str; 36] = [
    r#""object":"chat.completion.chunk""#,
    r#""id":"c""#,
    r#""id":"$""#,
    r#""id":$"#,
    r#""created":1"#,
    r#""created":$"#,
    r#""created":"$""#,
    r#""model":"m""#,
    r#""signature":"$""#,
    r#""signature":$"#,
    r#""response_hash":"$""#,
    r#""obfuscation":"$""#,
    r#""obfuscation":$"#,
    r#""provider":"$""#,
    r#""usage":null"#,
    r#""usage":{"completion_tokens":$,"total_tokens":$}"#,
    r#""usage":{"completion_tokens":"$"}"#,
    r#""choices":[]"#,
    r#""choices":[{"delta":{"content":"$"}}]"#,
    r#""choices":[{"index":0,"delta":{"content":"$"},"finish_reason":null}]"#,
    r#""choices":[{"index":0,"delta":{"content":$},"finish_reason":$}]"#,
    r#""choices":[{"index":0,"delta":{"role":"assistant","content":"$"},"finish_reason":null}]"#,
    r#""choices":[null,{"delta":{"reasoning":"$","reasoning_content":"$"}}]"#,
    r#""choices":[[{"delta":{"content":"$"}}],{"delta":{"content":"$"}}]"#,
    r#""choices":{"message":{"content":"$","refusal":"$"}}"#,
    r#""choices":[{"delta":{"content":"$"},"message":{"content":"$"}}]"#,
    r#""choices":[{"delta":{"content":"$","content":"$"}}]"#,
    r#""choices":[{"delta":{"cont\u0065nt":"$","content":"$"}}]"#,
    r#""choices":[{"delta":{"content":"$","cont\u0065nt":"7"}}]"#,
    r#""choices":[{"delta":{"content":"$"}}],"usage":{"total_tokens":$,"total_tokens":7}"#,
    r#""choices":[{"delta":{"content":[{"type":"text","text":"$"}]}}]"#,
    r#""choices":[{"delta":{"content":["$",{"type":"text","text":"$"},{"text":"$"}]}}]"#,
    r#""choices":[{"delta":{"tool_calls":[{"index":0,"function":{"arguments":"$"}}]}}]"#,
    r#""choices":[{"delta":{"tool_calls":[1,{"function":{"arguments":$}},{"function":{"arguments":"$"}}]}}]"#,
    r#""choices":[{"delta":{"tool_calls":{"function":{"name":"$","arguments":"$"}}}}]"#,
    r#""choices":[{"delta":{"content":"$"}},{"index":1,"delta":{"content":"$"}}]"#,
];

const PARTS: [&str; 24] = [
    "",
    "a",
    "b",
    " the",
    "7",
    "07",
    "9",
    "10",
    "-1",
    "1.5",
    "99999999999999999999",
    "null",
    "true",
    "\"x\"",
    "\"y\"",
    "{}",
    "[\"z\"]",
    r"\n",
    r"\\",
    r#"\""#,
    r"\u00e9\t",
    r"\x",
    "\u{1}",
    "0123456789abcdef 東京",
];

fn shape() -> impl Strategy<Value = String> {
    let (others, choices) = MEMBERS.split_at(17);
    let whole =
        (prop::sample::select(choices), vec(prop::sample::select(others), 0..4), any::<bool>())
            .prop_map(|(choices, mut members, is_first)| {
                let place = if is_first { 0 } else { members.len() };
                members.insert(place, choices);
                format!("{{{}}}", members.join(","))
            });
    // Any JSON, with gaps where its strings are.
    let any = plausible().prop_map(|json| json.to_string().replace("stop", "$").replace('5', "$"));
    prop_oneof![4 => whole, 1 => any]
}

/// The texts in the gaps of an event: often the same in all, so that one gap can be taken for another.
fn line() -> impl Strategy<Value = String> {
    let plain = || prop::sample::select(vec!["7", "9", "10", "x"]);
    let any = prop::sample::select(&PARTS[..]);
    prop_oneof![
        3 => plain().prop_map(|part| [part; 6].join("|")),
        3 => vec(plain(), 6).prop_map(|parts| parts.join("|")),
        1 => any.clone().prop_map(|part| [part; 6].join("|")),
        1 => vec(any, 6).prop_map(|parts| parts.join("|")),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 4000, ..ProptestConfig::default() })]

    #[test]
    fn events_in_a_row_are_read_as_alone(shape in shape(), lines in vec(line(), 1..8)) {
        laws::stream(format!("{shape}\n{}", lines.join("\n")).as_bytes());
    }

    #[test]
    fn text_means_the_same_to_both_readers(json in plausible(), choice in plausible(), line in line()) {
        let pretty = serde_json::to_string_pretty(&json).unwrap();
        let in_choice = format!(r#"{{ "choices" : [ {{"delta":{choice}, "logprobs":{choice}}},{json} ] }}"#);
        for text in [&pretty, &in_choice, &laws::filled(&in_choice.replace("stop", "$"), &line)] {
            laws::readers_agree(text.as_bytes());
        }
    }

    #[test]
    fn text_means_the_same_to_both_readers_but_for_tool_calls(call in plausible()) {
        let text = format!(r#"{{"choices": [{{"delta": {{"tool_calls": {call}}}}}]}}"#);
        laws::readers_agree(text.as_bytes());
    }

    #[test]
    fn any_bytes_are_read_or_an_error(json in plausible(), bytes in any::<Vec<u8>>()) {
        laws::read(json.to_string().as_bytes());
        laws::read(&bytes);
        laws::stream(&bytes);
    }
}
