//! The grammar of RFC 8259, by example and against serde_json.

use super::*;
use alloc::vec::Vec;

const VALID: [&str; 20] = [
    "null",
    " true\n",
    "false",
    "0",
    "-0",
    "10",
    "-1.5e+7",
    "1E5",
    "\"\"",
    r#""a\"\\\/\b\f\n\r\t\u00e9""#,
    "[]",
    "[ ]",
    "{}",
    "{ }",
    "[1,2]",
    r#"{"a":[{"b":null}],"c":{}}"#,
    "[[[]]]",
    r#""\ud800""#,
    "\"\u{2028}\"",
    "\"0123456789abcdef0123456789abcdef\"",
];

const INVALID: [&str; 37] = [
    "",
    " ",
    "nul",
    "True",
    "01",
    "-",
    "1.",
    ".5",
    "1e",
    "+1",
    "\"",
    "\"a",
    r#""\x""#,
    r#""\u12g4""#,
    r#""\u12"#,
    "[",
    "]",
    "[1",
    "[1,",
    "[1,]",
    "[1 2]",
    "{\"a\"}",
    "{\"a\":}",
    "{\"a\":1,}",
    "{a:1}",
    "1 2",
    "[1}",
    "{1:2}",
    "{null:1}",
    "{[]:1}",
    r#"{"a":1,2}"#,
    r#"{"a":1,true}"#,
    r#"{"a":[1}}"#,
    r#"{"a":1]"#,
    r#"[{"a":1]]"#,
    r#"[{"a":1],2]"#,
    "[[1},2]",
];

fn is_json(text: &str) -> bool {
    let mut scanner = Scanner { text, at: 0 };
    scanner.value().and_then(|_| scanner.end()).is_ok()
}

#[test]
fn the_grammar_is_that_of_rfc_8259() {
    for text in VALID {
        assert!(is_json(text), "{text}");
    }
    for text in INVALID {
        assert!(!is_json(text), "{text}");
    }
    assert!(!is_json("\"\n\"") && !is_json("\"0123456789abcdef\u{1}\"") && !is_json("\u{feff}1"));
}

#[test]
fn every_special_byte_is_found_at_every_place() {
    for special in (0..=0x7f).filter(|&byte| byte < 0x20 || byte == b'"' || byte == b'\\') {
        for length in (0..20).chain([31, 32, 33, 95, 96, 97, 159, 160, 199]) {
            for plain in [b' ', b'!', b'#', b'[', b']', 0x7f, 0x80, 0xa2, 0xdc, 0xff] {
                let mut bytes = [plain; 200];
                assert_eq!(length_of_plain_text(&bytes), 200);
                bytes[length] = special;
                assert_eq!(length_of_plain_text(&bytes), length, "{special:#x} after {plain:#x}");
                assert_eq!(length_of_plain_text(&bytes[..length]), length);
            }
        }
    }
}

#[test]
fn whole_blocks_before_a_special_byte_are_counted() {
    for (special, blocks) in
        [(None, 192), (Some(199), 192), (Some(130), 128), (Some(64), 64), (Some(0), 0)]
    {
        let mut bytes = [b'x'; 200];
        if let Some(special) = special {
            bytes[special] = b'"';
        }
        assert_eq!(length_of_plain_blocks(&bytes), blocks, "{special:?}");
    }
}

#[test]
fn a_deep_text_needs_no_stack() {
    let deep = "[".repeat(1_000_000) + &"]".repeat(1_000_000);
    assert!(is_json(&deep));
    assert!(!is_json(&deep[1..]));
}

#[test]
fn strings_are_decoded() {
    for (text, wanted) in [
        (r#""a\/b""#, Some("a/b")),
        (r#""\ud83d\ude42 \u00e9\n""#, Some("🙂 é\n")),
        (r#""\ud83d""#, None),
        (r#""\ud83d\u0041""#, None),
        (r#""\ud83d\udbff""#, None),
        (r#""\ud83d\udfff""#, Some("\u{1f7ff}")),
        (r#""\ud83d\ue000""#, None),
        (r#""\ude42""#, None),
        ("1", None),
        ("null", None),
    ] {
        assert_eq!(string(text).as_deref(), wanted, "{text}");
    }
}

#[test]
fn a_string_without_escapes_is_not_copied() {
    for length in (0..70).chain([95, 96, 97, 200]) {
        let text = "x".repeat(length);
        let plain = alloc::format!("\"{text}\"");
        assert_eq!(string(&plain), Some(Cow::Borrowed(&*text)));
        assert!(matches!(string(&plain), Some(Cow::Borrowed(_))), "{length}");
        let escaped = alloc::format!("\"{text}\\n\"");
        assert_eq!(string(&escaped), Some(Cow::Owned(text + "\n")), "{length}");
    }
}

#[test]
fn strings_are_written_so_that_they_read_the_same() {
    let text: String = ('\0'..='\u{ff}').chain(['🙂', '\u{2028}']).collect();
    let mut written = String::new();
    write_string(&mut written, &text);
    assert_eq!(string(&written).as_deref(), Some(text.as_str()));
    assert_eq!(serde_json::from_str::<String>(&written).unwrap(), text);
}

#[test]
fn members_are_found_by_decoded_name() {
    let mut found = Vec::new();
    each_member(r#" { "a" : 1 , "\u0062":[{"a":2}], "a":null } "#, |name, value| {
        found.push((String::from(name), value));
    })
    .unwrap();
    assert_eq!(found, [("a".into(), "1"), ("b".into(), r#"[{"a":2}]"#), ("a".into(), "null")]);
    for text in ["[]", "1", "{} {}", "{\"a\":1}x", "{\"a\" 1}", "{,}"] {
        assert_eq!(each_member(text, |_, _| {}), Err(NotJson), "{text}");
    }
}
