use super::*;
use proptest::prelude::*;
use serde_json::json;

fn read(text: &str) -> PartialJson {
    let mut reader = PartialJson::new();
    reader.push(text);
    reader
}

#[test]
fn only_what_is_certain_appears() {
    let cases = [
        ("", None),
        ("  ", None),
        ("{", Some(json!({}))),
        (r#"{"a"#, Some(json!({}))),
        (r#"{"a""#, Some(json!({}))),
        (r#"{"a":"#, Some(json!({}))),
        (r#"{"a":""#, Some(json!({"a": ""}))),
        (r#"{"a":"x\"#, Some(json!({"a": "x"}))),
        (r#"{"a":"x\u00e"#, Some(json!({"a": "x"}))),
        (r#"{"a":"x\ud83d"#, Some(json!({"a": "x"}))),
        (r#"{"a":"x\ud83d\ude42"#, Some(json!({"a": "x🙂"}))),
        (r#"{"a":"x\ud83dy"#, Some(json!({"a": "x\u{fffd}y"}))),
        (r#"{"a":"x\ude42"#, Some(json!({"a": "x\u{fffd}"}))),
        (r#"{"a":"x\ude42\ude42"#, Some(json!({"a": "x\u{fffd}\u{fffd}"}))),
        (r#"{"a":"x\ud83d\ud83d"#, Some(json!({"a": "x\u{fffd}"}))),
        (r#"{"a":"x\ud83d\u0041"#, Some(json!({"a": "x\u{fffd}A"}))),
        (r#"{"a":"x\uffff\ue000"#, Some(json!({"a": "x\u{ffff}\u{e000}"}))),
        (r#"{"a":-"#, Some(json!({}))),
        (r#"{"a":1"#, Some(json!({}))),
        (r#"{"a":1,"#, Some(json!({"a": 1}))),
        (r#"{"a":1.5e3}"#, Some(json!({"a": 1500.0}))),
        (r#"{"a":tru"#, Some(json!({}))),
        (r#"{"a":true "#, Some(json!({"a": true}))),
        (r#"{"a":[1,2"#, Some(json!({"a": [1]}))),
        (r#"{"a":[{"b":"c"},{"#, Some(json!({"a": [{"b": "c"}, {}]}))),
        (r#"{"a":1,"a":2}"#, Some(json!({"a": 2}))),
        ("[[],[", Some(json!([[], []]))),
        ("\"text", Some(json!("text"))),
        ("12", None),
    ];
    for (text, expected) in cases {
        let reader = read(text);
        assert_eq!(reader.value(), expected.as_ref(), "{text}");
        assert!(!reader.is_invalid(), "{text}");
    }
}

#[test]
fn text_that_is_not_json_stops_the_reading_and_keeps_the_value() {
    for text in [
        r#"{"a":1]"#,
        r#"{"a":1,}"#,
        r#"{"a":1,"b" 1"#,
        r#"{"a":1}x"#,
        r#"{"a":1,"b":trux}"#,
        r#"{"a":1,"b":01}"#,
        r#"{"a":1,"b":"\x"}"#,
        r#"{"a":1,"b":"\u00g0"}"#,
        r#"{"a":1 2}"#,
    ] {
        let reader = read(text);
        assert!(reader.is_invalid(), "{text}");
        assert_eq!(reader.value().unwrap()["a"], json!(1), "{text}");
    }
    assert!(read("]").is_invalid());
    assert!(read("hello").is_invalid());
    assert!(read(&"[".repeat(1000)).is_invalid());
}

#[test]
fn every_escape_is_read() {
    let reader = read(r#"["a\n\t\r\b\f\"\\\/\u0041\u00e9z"]"#);
    assert_eq!(reader.value(), Some(&json!(["a\n\t\r\u{8}\u{c}\"\\/A\u{e9}z"])));
    assert!(reader.is_complete());
}

#[test]
fn a_value_is_complete_when_its_last_bracket_or_quote_is_closed() {
    for (text, is_complete) in [
        ("", false),
        (" ", false),
        ("{", false),
        (r#"{"a":1"#, false),
        (r#"{"a":1}"#, true),
        (r#"{"a":{}"#, false),
        ("[[]", false),
        ("[[]] ", true),
        ("\"a", false),
        ("\"a\"", true),
        ("true", false),
        ("true ", true),
        ("12", false),
        ("]", false),
        ("{}x", false),
    ] {
        assert_eq!(read(text).is_complete(), is_complete, "{text}");
    }
}

#[test]
fn a_number_at_the_root_ends_with_the_text() {
    let mut reader = read("12");
    reader.finish();
    assert_eq!((reader.value(), reader.is_complete()), (Some(&json!(12)), true));
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::from),
        "\\PC{0,8}".prop_map(Value::String),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            prop::collection::vec(("\\PC{0,4}", inner), 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// Whether `part` may still become `whole`.
fn is_part(part: &Value, whole: &Value) -> bool {
    match (part, whole) {
        (Value::String(part), Value::String(whole)) => whole.starts_with(part.as_str()),
        (Value::Array(part), Value::Array(whole)) => {
            part.len() <= whole.len()
                && part.iter().zip(whole).all(|(part, whole)| is_part(part, whole))
        }
        (Value::Object(part), Value::Object(whole)) => part
            .iter()
            .all(|(name, part)| whole.get(name).is_some_and(|whole| is_part(part, whole))),
        _ => part == whole,
    }
}

proptest! {
    #[test]
    fn every_prefix_is_a_part_of_the_whole(value in values(), pretty in any::<bool>()) {
        let text = if pretty { format!("{value:#}") } else { value.to_string() };
        let mut reader = PartialJson::new();
        for character in text.chars() {
            reader.push(character.encode_utf8(&mut [0; 4]));
            if let Some(part) = reader.value() {
                prop_assert!(is_part(part, &value), "{part} of {value}");
            }
        }
        reader.finish();
        prop_assert!(reader.is_complete());
        prop_assert_eq!(reader.value(), Some(&value));
    }

    #[test]
    fn any_split_gives_the_same_value(text in "[\\[\\]{},:\"\\\\ua0-9. tn-]{0,40}", at in 0_usize..40) {
        let at = at.min(text.len());
        let mut split = read(&text[..at]);
        split.push(&text[at..]);
        let whole = read(&text);
        prop_assert_eq!(split.value(), whole.value());
        prop_assert_eq!(split.is_invalid(), whole.is_invalid());
    }
}

#[test]
fn a_text_that_may_not_grow_is_left_out_while_it_is_open() {
    fn read_as<T: DeserializeOwned>(json: &str) -> T {
        read(json).read_as().unwrap()
    }
    // One character is a `char`, two are none.
    for (json, wanted) in [("\"b", None), ("\"b\"", Some('b'))] {
        assert_eq!(read_as::<Option<char>>(json), wanted, "{json}");
    }
    for (json, wanted) in
        [("[\"a\",\"b", "a"), ("[\"a\",\"b\"", "ab"), ("[\"a\",", "a"), ("[\"b", "")]
    {
        assert_eq!(read_as::<Vec<char>>(json), wanted.chars().collect::<Vec<_>>(), "{json}");
    }
    for (json, wanted) in
        [("{\"x\":\"a\",\"y\":\"b", "a"), ("{\"x\":\"a\",\"y\":\"b\"", "ab"), ("{\"x\":\"b", "")]
    {
        let members = read_as::<std::collections::BTreeMap<String, char>>(json);
        assert_eq!(members.into_values().collect::<String>(), wanted, "{json}");
    }
    // A text that may grow is not left out.
    assert_eq!(read_as::<Vec<String>>("[\"a\",\"b"), ["a", "b"]);
}
