use super::*;
use crate::{TokenLogprob, json::from_str};

/// Values that are JSON by its grammar and hard to read, and text that is nearly JSON.
const ODD: &[&str] = &[
    "-0",
    "-0.0",
    "0e5",
    "18446744073709551615",
    "18446744073709551616",
    "-9223372036854775808",
    "-9223372036854775809",
    "123456789012345678901234567890",
    "1e300",
    "1e999",
    "-1e999",
    "1e-999",
    "5e-324",
    "2.2250738585072011e-308",
    "9007199254740993.5",
    "01",
    "1.",
    ".5",
    "-",
    "1e",
    "1e+",
    "+1",
    "1-2",
    "1.2.3",
    "NaN",
    "nul",
    "truefalse",
    "\"\\ud83d\\ude42\"",
    "\"\\ud83d\"",
    "\"\\ude42x\"",
    "\"\\ud83d\\u0041\"",
    "\"\\u12\"",
    "\"\\x\"",
    "\"\u{1}\"",
    "\"a",
    "\"\\",
    "[1,]",
    "[,1]",
    "[1 2]",
    "{\"a\":1,}",
    "{\"a\" 1}",
    "{\"a\":1,\"a\":2}",
    "{\"$serde_json::private::Number\":\"1\"}",
    "{1:2}",
    "{a:2}",
    "",
    "]",
    "[1}",
    "[1\n,\n x]",
];

#[test]
fn odd_values_are_read_as_serde_json_reads_them() {
    let deep = |depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let texts = ODD.iter().map(|text| (*text).to_owned());
    for text in texts.chain([deep(99), deep(127), deep(128), deep(500)]) {
        for text in [&text, &format!("[{text}]"), &format!("{{\"x\":\n {text} , \"y\": 1}}")] {
            let wanted = serde_json::from_str::<Value>(text);
            match (from_str(text), wanted) {
                (Ok(value), Ok(wanted)) => assert_eq!(value, wanted, "{text}"),
                (Err(error), Err(wanted)) => {
                    assert_eq!(error.is_incomplete(), wanted.is_eof(), "{text}");
                    assert_eq!(error.line(), wanted.line(), "{text}");
                }
                (read, wanted) => panic!("{text}: {read:?}, serde_json: {wanted:?}"),
            }
        }
    }
}

#[test]
fn text_after_a_value_is_an_error_at_the_end_of_the_value() {
    for (text, line, column) in [("1 x", 1, 2), ("[1,\n2] x", 2, 3), ("{}\n\n}", 1, 3)] {
        let error = from_str(text).unwrap_err();
        assert_eq!((error.line(), error.column()), (line, column), "{text}");
        let cause = std::error::Error::source(&error).unwrap().to_string();
        assert_eq!(cause, format!("trailing characters at line {line} column {column}"));
    }
}

#[test]
fn integers_beyond_64_bits_are_rejected_or_rounded() {
    for number in ["18446744073709551616", "-9223372036854775809"] {
        let error = read_value(number, Wide::Refuse).unwrap_err();
        assert!(error.is_repairable() && error.to_string().starts_with("invalid JSON"), "{error}");
        let (value, _) = read_value(number, Wide::Round).unwrap();
        assert_eq!(value, serde_json::from_str::<Value>(number).unwrap());
    }
}

#[test]
fn the_text_after_an_object_is_returned() {
    for (json, wanted) in [(" {} x", " x"), ("{\"x\":[{}]}}", "}"), ("{ }{\"token\"", "{\"token\"")]
    {
        let mut object = TokenLogprob::default();
        assert_eq!(read_text(json, &mut object, Wide::Round).unwrap(), wanted, "{json}");
    }
}

#[test]
fn some_members_are_read_and_the_others_skipped() {
    let json = r#"{"a": {"model": [1, {"x": "]}\""}]}, "model": "m", "n": null, "b": 1.5} rest"#;
    let found = read_some(json, &["model", "n"]).unwrap();
    assert_eq!(Value::from(found), serde_json::json!({"model": "m", "n": null}));
    for json in ["", "[]", "\"model\"", "{\"model\": 1", "{\"x\": [1}, \"model\": 1}"] {
        assert_eq!(read_some(json, &["model"]), None, "{json}");
    }
}

#[test]
fn objects_and_lists_next_to_each_other_are_no_deeper_than_one() {
    for element in ["{}", "[]", "[{\"x\":[]}]"] {
        let list = format!("[{}]", vec![element; 300].join(","));
        let (value, rest) = read_value(&list, Wide::Refuse).unwrap();
        assert_eq!((value.as_array().map(Vec::len), rest), (Some(300), ""), "{element}");
        let found = read_some(&format!("{{\"x\":{list},\"y\":1}}"), &["y"]);
        assert_eq!(found.map(Value::from), Some(serde_json::json!({"y": 1})), "{element}");
    }
}

/// A text, whether it is incomplete, and the column of the error. A number at the end may have more digits.
#[test]
fn an_error_is_at_the_end_or_where_the_text_is_broken() {
    for (text, is_incomplete, column) in [
        ("{\"a\":\"bc", true, 8),
        ("{\"a\"", true, 4),
        ("[1,", true, 3),
        ("[12", true, 3),
        ("[nul", true, 4),
        ("[1, -", true, 4),
        ("[1, 2.", true, 4),
        ("[1, 2e+", true, 4),
        ("{\"a\":x-", false, 6),
        ("[1 2-", false, 4),
        ("[1x", false, 3),
        ("[1-", false, 3),
    ] {
        let error = read_value(text, Wide::Refuse).unwrap_err();
        assert_eq!((error.is_incomplete(), error.column()), (is_incomplete, column), "{text}");
    }
}

#[test]
fn a_byte_is_found_at_any_place_of_any_length() {
    for length in 0..70 {
        let mut bytes = vec![b'a'; length];
        assert_eq!(find(b']', &bytes), None, "{length}");
        for place in (0..length).rev() {
            // Later ones change nothing.
            bytes[place] = b']';
            assert_eq!(find(b']', &bytes), Some(place), "{length}");
        }
    }
}
