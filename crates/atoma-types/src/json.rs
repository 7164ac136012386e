//! Reading JSON as servers send it.

pub(crate) mod parse_error;
pub(crate) mod partial;
pub(crate) mod path;
pub(crate) mod repair;
pub(crate) mod scan;
pub(crate) mod unescape;

pub use self::parse_error::ParseError;
use self::repair::repair;
use crate::wire::{ReadObject, Wide, read_some, read_text, read_value, text_of};
use serde_json::{Map, Value};

/// Reads a text that is one JSON value.
pub(crate) fn from_str(json: &str) -> Result<Value, ParseError> {
    let (value, rest) = read_value(json, Wide::Round)?;
    if is_blank(rest) {
        Ok(value)
    } else {
        Err(ParseError::unreadable("trailing characters", json, json.len() - rest.len()))
    }
}

/// Reads the members of these names of a JSON object, and skips all others, including a prompt of
/// any length. Returns none if the text does not begin with an object, or is not JSON.
///
/// ```
/// let request = r#"{"model": "m", "messages": [{"role": "user", "content": "Hi"}], "seed": 7}"#;
/// let members = atoma_types::read_members(request, &["model", "seed"]);
/// assert_eq!((members.len(), &members["model"], &members["seed"]), (2, &"m".into(), &7.into()));
/// ```
#[must_use]
pub fn read_members(json: &str, names: &[&str]) -> Map<String, Value> {
    read_some(json, names).unwrap_or_default()
}

/// Reads the first JSON value; if it is flawed, once more with its flaws repaired.
pub(crate) fn from_slice(json: &[u8]) -> Result<Value, ParseError> {
    repaired(json, &mut |json, wide| read_value(json, wide).map(|(value, _)| value))
}

/// The same for an object.
pub(crate) fn object_from_slice<T: ReadObject + Default>(json: &[u8]) -> Result<T, ParseError> {
    let mut object = T::default();
    object_into(json, &mut object)?;
    Ok(object)
}

/// The same into an empty object. Returns whether anything but white space follows it.
pub(crate) fn object_into(json: &[u8], object: &mut dyn ReadObject) -> Result<bool, ParseError> {
    repaired(json, &mut |json, wide| first_object(json, object, wide).map(|rest| !is_blank(rest)))
}

/// Reads an object, or a list that some servers send without the object around it: it becomes the member of this name.
pub(crate) fn object_or_list<T: ReadObject + Default>(
    json: &[u8],
    member: &str,
) -> Result<T, ParseError> {
    if json.trim_ascii_start().first() != Some(&b'[') {
        return object_from_slice(json);
    }
    let in_object = |list: &str| object_from_slice(format!("{{\"{member}\":{list}}}").as_bytes());
    // As it is, so that no number is rounded on the way. Something may follow the list, or it may be flawed.
    match std::str::from_utf8(json).ok().and_then(|list| in_object(list).ok()) {
        Some(object) => Ok(object),
        None => in_object(&text_of(&from_slice(json)?)),
    }
}

/// Reads an object from a value, through its text: a second compiled reader, for values, would only
/// add size.
pub(crate) fn object_from_value<T: ReadObject + Default>(value: &Value) -> Option<T> {
    let mut object = T::default();
    first_object(&text_of(value), &mut object, Wide::Round).ok()?;
    Some(object)
}

/// Reads a text, and once more with its flaws repaired if that may help.
///
/// ```text
/// text ─► read ─ flawed ─► repair ─► read
///           │ nearly always            │
///           ▼                          ▼
///         value              value, or the first error
/// ```
///
/// The error of the first attempt is returned, since its position is one in the server's text.
fn repaired<T>(
    json: &[u8],
    first_value: &mut dyn FnMut(&str, Wide) -> Result<T, ParseError>,
) -> Result<T, ParseError> {
    let flaw = match from_utf8(json) {
        Some(json) => match first_value(json, Wide::Refuse) {
            Err(error) if error.is_repairable() => Some(error),
            read => return read,
        },
        // Not UTF-8: the repair replaces the bytes, and there is no error to keep.
        None => None,
    };
    first_value(&repair(json, &[]).json, Wide::Round).map_err(|error| flaw.unwrap_or(error))
}

/// Returns the bytes as text, if they are UTF-8.
fn from_utf8(bytes: &[u8]) -> Option<&str> {
    // From about a hundred bytes on: a response of 4 KiB that is not all ASCII takes a fifth of the instructions.
    #[cfg(feature = "simdutf8")]
    if bytes.len() >= 128 {
        return simdutf8::basic::from_utf8(bytes).ok();
    }
    std::str::from_utf8(bytes).ok()
}

/// Reads the first JSON value, an object, into an empty one in place. Returns the text after it. The object is empty after an
/// error.
pub(crate) fn first_object<'a>(
    json: &'a str,
    target: &mut dyn ReadObject,
    wide: Wide,
) -> Result<&'a str, ParseError> {
    match read_text(json, target, wide) {
        Ok(rest) => Ok(if is_blank(rest) { "" } else { rest }),
        Err(error) => {
            target.clear();
            Err(error)
        }
    }
}

/// Returns whether there is only white space of JSON.
fn is_blank(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' ' | b'\n' | b'\t' | b'\r'))
}

/// Returns whether a text is empty, or spells out that there is no value.
pub(crate) fn says_null(text: &str) -> bool {
    let text = text.trim_ascii();
    text.is_empty()
        || ["null", "none", "nil", "undefined"].iter().any(|name| text.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::error::Error as _;

    #[test]
    fn bytes_that_are_not_utf8_are_replaced_in_a_body_of_any_length() {
        for length in [1, 127, 128, 300, 5000] {
            let text = "é".repeat(length);
            let body = [b"{\"a\":\"", text.as_bytes(), b"\xff\"}"].concat();
            assert_eq!(from_slice(&body).unwrap()["a"], format!("{text}\u{fffd}"), "{length}");
            let body = format!("{{\"a\":\"{text}\"}}");
            assert_eq!(from_slice(body.as_bytes()).unwrap()["a"], text, "{length}");
        }
    }

    #[test]
    fn blank_lines_before_and_anything_after_are_ignored() {
        for json in ["\n\n{\"a\":1}", "{\"a\":1}\n\ndata: [DONE]\n", "\u{feff}{\"a\":1}"] {
            assert_eq!(from_slice(json.as_bytes()).unwrap()["a"], 1);
        }
    }

    #[test]
    fn errors_say_where_and_not_what() {
        for (json, text) in [
            ("{\"secret\":", "JSON ended unexpectedly at line 1 column 10"),
            ("", "JSON ended unexpectedly at line 1 column 0"),
            ("{\"secret\" 1}", "invalid JSON at line 1 column 11"),
            ("<html>", "invalid JSON at line 1 column 1"),
        ] {
            let error = from_slice(json.as_bytes()).unwrap_err();
            assert_eq!(error.to_string(), text);
            assert!(!error.source().unwrap().to_string().contains("secret"));
        }
        let error = object_from_slice::<crate::Usage>(b"\"secret\"").unwrap_err();
        assert_eq!(error.to_string(), "expected a JSON object");
        assert!(!error.source().unwrap().to_string().contains("secret"));
    }

    #[test]
    fn only_json_that_ended_is_incomplete_and_only_flawed_json_is_repairable() {
        for (json, is_incomplete, is_repairable) in [
            ("", true, false),
            ("{\"a\":", true, false),
            ("{\"a\": [1", true, false),
            ("{\"a\" 1}", false, true),
            ("{\"a\": nan}", false, true),
            ("{\"a\": 1e999}", false, true),
            ("[]", false, false),
            ("7", false, false),
        ] {
            let mut usage = crate::Usage::default();
            let error = first_object(json, &mut usage, Wide::Refuse).unwrap_err();
            assert_eq!(error.is_incomplete(), is_incomplete, "{json}: {error}");
            assert_eq!(error.is_repairable(), is_repairable, "{json}: {error}");
        }
    }

    #[test]
    fn text_after_an_object_is_returned() {
        for object in [
            "{}",
            "{\"a\": 1}",
            "\u{feff}{\"a\": 1}",
            "{\"total_tokens\": \"7\"}",
            "{\"a\": {}, \"a\": {}}",
        ] {
            for (rest, found) in [("", ""), (" \r\n\t", ""), ("{}", "{}"), ("\ndata: x", "data: x")]
            {
                let json = format!("{object}{rest}");
                let mut usage = crate::Usage::default();
                let read = first_object(&json, &mut usage, Wide::Refuse).unwrap();
                assert_eq!(read.trim_ascii_start(), found, "{json}");
                let has_more = object_into(json.as_bytes(), &mut usage).unwrap();
                assert_eq!(has_more, !found.is_empty(), "{json}");
            }
        }
    }
}
