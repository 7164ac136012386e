//! Mends JSON text that is flawed in ways its meaning survives, in one pass over its characters.
//!
//! JavaScript servers cut strings between UTF-16 code units, so an event may end in half a surrogate pair and the next one open
//! with the other half. RFC 8259 section 8.2 leaves the reading of a lone half open; here it becomes U+FFFD, or, in the fields of
//! a stream's choices, is taken out and told, so that it can be joined with its other half.

use serde::de::IgnoredAny;
use serde_json::Value;

use super::path::{Path, Place};

/// The text with its flaws mended.
pub(crate) struct Repaired {
    pub(crate) json: String,
    /// Where the value ends in the text given, if that is UTF-8.
    pub(crate) end: usize,
    /// The halves taken out.
    pub(crate) halves: Vec<CutString>,
}

/// What to do with a lone half at an end of a field that is streamed.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Halves {
    /// Make it U+FFFD, as everywhere else.
    Replace,
    /// Take it out of the fields of a delta and tell.
    TakeOut,
    /// Take it out of the text of a completion and tell.
    TakeOutOfText,
}

/// A string that opens or closes with half a surrogate pair.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct CutString {
    pub(crate) place: Place,
    /// The second half of a pair, at the start.
    pub(crate) opening: Option<u16>,
    /// The first half of a pair, at the end.
    pub(crate) closing: Option<u16>,
}

/// Mends the first JSON value of a text.
///
/// Besides lone halves: bytes that are no UTF-8, raw control characters in strings, the words `NaN` and `Infinity`, and numbers
/// beyond the range of `f64`. Integers beyond 64 bits become strings, which keeps their digits.
pub(crate) fn repair(json: &[u8], halves: Halves) -> Repaired {
    let text = String::from_utf8_lossy(json);
    let output = Vec::with_capacity(json.len() + 16);
    let path = Path::default();
    let mut pass = Pass { input: text.as_bytes(), at: 0, output, path, halves, cut: Vec::new() };
    pass.run();
    let json = String::from_utf8(pass.output).expect("only whole characters of ASCII are replaced");
    Repaired { json, end: pass.at, halves: pass.cut }
}

/// Of how many strings halves are taken out at most; those of further ones become U+FFFD at once.
const MOST_CUT: usize = 256;

struct Pass<'a> {
    input: &'a [u8],
    at: usize,
    output: Vec<u8>,
    path: Path<'a>,
    halves: Halves,
    cut: Vec<CutString>,
}

impl Pass<'_> {
    fn run(&mut self) {
        while let Some(&byte) = self.input.get(self.at) {
            match byte {
                b'"' => self.string(),
                b'-' | b'+' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => self.word(),
                _ => {
                    self.path.mark(byte);
                    self.output.push(byte);
                    self.at += 1;
                    if matches!(byte, b'}' | b']') && self.path.is_outside() {
                        return;
                    }
                }
            }
        }
    }

    /// A number or a literal.
    fn word(&mut self) {
        let rest = &self.input[self.at..];
        let end = rest.iter().position(
            |byte| !matches!(byte, b'-' | b'+' | b'.' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z'),
        );
        let word = &rest[..end.unwrap_or(rest.len())];
        self.at += word.len();
        let (is_negative, size) = match word {
            [b'-', size @ ..] => (true, size),
            [b'+', size @ ..] => (false, size),
            size => (false, size),
        };
        if is_wide_integer(word) {
            self.output.push(b'"');
            self.output.extend_from_slice(word);
            self.output.push(b'"');
            return;
        }
        let is = |name: &str| size.eq_ignore_ascii_case(name.as_bytes());
        let mended: &[u8] = if is("nan") {
            b"null"
        } else if !(is("inf") || is("infinity") || is_too_great(size)) {
            word
        } else if is_negative {
            b"-1.7976931348623157e308"
        } else {
            b"1.7976931348623157e308"
        };
        self.output.extend_from_slice(mended);
    }

    fn string(&mut self) {
        let start = self.at + 1;
        let place = match self.halves {
            Halves::TakeOut if self.cut.len() < MOST_CUT => self.path.place(),
            Halves::TakeOutOfText if self.cut.len() < MOST_CUT => self.path.text_place(),
            _ => None,
        };
        let (mut opening, mut closing) = (None, None);
        self.output.push(b'"');
        self.at = start;
        while let Some(&byte) = self.input.get(self.at) {
            match byte {
                b'"' => break,
                b'\\' => match lone_half(&self.input[self.at..]) {
                    Some(half) => {
                        let first = self.at == start;
                        self.at += 6;
                        let last = self.input.get(self.at) == Some(&b'"');
                        match half {
                            0xdc00.. if first && place.is_some() => opening = Some(half),
                            ..0xdc00 if last && place.is_some() => closing = Some(half),
                            _ => self.output.extend_from_slice("\u{fffd}".as_bytes()),
                        }
                    }
                    None => self.copy(escape_length(&self.input[self.at..])),
                },
                0..0x20 => {
                    self.output.extend_from_slice(format!("\\u{byte:04x}").as_bytes());
                    self.at += 1;
                }
                _ => self.copy(1),
            }
        }
        let content = &self.input[start..self.at];
        self.copy(1);
        self.path.string(content);
        if let Some(place) = place {
            self.tell(CutString { place, opening, closing });
        }
    }

    fn copy(&mut self, length: usize) {
        let end = self.input.len().min(self.at + length);
        self.output.extend_from_slice(&self.input[self.at..end]);
        self.at = end;
    }

    /// Notes a streamed string. Where a name is repeated in an object the last one counts.
    fn tell(&mut self, string: CutString) {
        if let Some(repeated) =
            self.cut.iter().rev().take(8).position(|known| known.place == string.place)
        {
            self.cut.remove(self.cut.len() - 1 - repeated);
        }
        if string.opening.is_some() || string.closing.is_some() {
            self.cut.push(string);
        }
    }
}

/// Whether a word is an integer that neither `u64` nor `i64` holds.
fn is_wide_integer(word: &[u8]) -> bool {
    let digits = word.strip_prefix(b"-").unwrap_or(word);
    let is_integer = digits.iter().all(u8::is_ascii_digit) && !digits.starts_with(b"0");
    let text = std::str::from_utf8(word).unwrap_or_default();
    digits.len() > 18 && is_integer && text.parse::<u64>().is_err() && text.parse::<i64>().is_err()
}

/// Whether digits are a number by the grammar of JSON, and one beyond the range of `f64`. Read for nothing, a number may be of
/// any size.
fn is_too_great(digits: &[u8]) -> bool {
    let Ok(digits) = std::str::from_utf8(digits) else { return false };
    digits.starts_with(|first: char| first.is_ascii_digit())
        && serde_json::from_str::<Value>(digits).is_err()
        && serde_json::from_str::<IgnoredAny>(digits).is_ok()
}

/// The half that an escape stands for, if its other half is not beside it.
fn lone_half(escape: &[u8]) -> Option<u16> {
    let unit = code_unit(escape)?;
    match unit {
        0xd800..0xdc00 if !matches!(code_unit(&escape[6..]), Some(0xdc00..0xe000)) => Some(unit),
        0xdc00..0xe000 => Some(unit),
        _ => None,
    }
}

/// How long an escape that stays is: a pair of surrogates counts as one.
fn escape_length(escape: &[u8]) -> usize {
    match code_unit(escape) {
        Some(0xd800..0xdc00) => 12,
        Some(_) => 6,
        None => 2,
    }
}

fn code_unit(escape: &[u8]) -> Option<u16> {
    let digits = escape.strip_prefix(b"\\u")?.get(..4)?;
    if !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::path::Field;

    fn repaired(json: &str) -> String {
        repair(json.as_bytes(), Halves::Replace).json
    }

    #[test]
    fn flaws_are_mended_and_the_rest_is_copied() {
        for (name, flawed, mended) in [
            (
                "nothing to mend",
                r#"{"a":[1,-2.5e3,true,null,"x\"\\\u00e9"]}"#,
                r#"{"a":[1,-2.5e3,true,null,"x\"\\\u00e9"]}"#,
            ),
            ("a whole pair", r#"["\ud83d\ude42"]"#, r#"["\ud83d\ude42"]"#),
            ("a lone first half", r#"["a\ud83d"]"#, "[\"a\u{fffd}\"]"),
            ("a lone second half", r#"["\ude42a"]"#, "[\"\u{fffd}a\"]"),
            ("two first halves", r#"["\ud83d\ud83d\ude42"]"#, "[\"\u{fffd}\\ud83d\\ude42\"]"),
            ("an escaped backslash", r#"["\\ud83d"]"#, r#"["\\ud83d"]"#),
            ("a half in a name", r#"{"\ud83d":1}"#, "{\"\u{fffd}\":1}"),
            ("a raw newline", "[\"a\nb\"]", r#"["a\u000ab"]"#),
            (
                "words of JavaScript",
                "[NaN,Infinity,-Infinity]",
                "[null,1.7976931348623157e308,-1.7976931348623157e308]",
            ),
            (
                "words of Python",
                "[nan,inf,-inf]",
                "[null,1.7976931348623157e308,-1.7976931348623157e308]",
            ),
            (
                "a number too great",
                "[1e999,-1e999]",
                "[1.7976931348623157e308,-1.7976931348623157e308]",
            ),
            (
                "numbers that are great or small enough",
                "[1.7976931348623157e308,1e-999,0e999]",
                "[1.7976931348623157e308,1e-999,0e999]",
            ),
            (
                "the least number that is too great",
                "[1.797693134862315808e308]",
                "[1.7976931348623157e308]",
            ),
            (
                "integers beyond 64 bits",
                "[18446744073709551615,18446744073709551616,-9223372036854775809]",
                r#"[18446744073709551615,"18446744073709551616","-9223372036854775809"]"#,
            ),
            ("no numbers", "[12abc,1e,true,falsely]", "[12abc,1e,true,falsely]"),
            ("what follows is left out", "[1] data: [DONE]", "[1]"),
            ("broken beyond mending", r#"{"a"#, r#"{"a"#),
            ("cut off in an escape", r#"["\ud8"#, r#"["\ud8"#),
        ] {
            assert_eq!(repaired(flawed), mended, "{name}");
        }
        assert_eq!(repair(b"[\"a\xff\"]", Halves::Replace).json, "[\"a\u{fffd}\"]");
    }

    #[test]
    fn halves_of_streamed_fields_are_told_with_their_place() {
        let json = r#"{"id":"\ud83d","choices":[null,{"delta":{"content":"\ude42a\ud83d"}},
            {"delta":{"tool_calls":[{"function":{"arguments":"x"}},{"function":{"arguments":"\ud83d"}}]}}]}"#;
        let Repaired { json, halves, .. } = repair(json.as_bytes(), Halves::TakeOut);
        let value: Value = serde_json::from_str(&json).unwrap();
        assert_eq!(value["id"], "\u{fffd}");
        assert_eq!(value["choices"][1]["delta"]["content"], "a");
        let content = Place { choice: 0, field: Field::Content, call: 0 };
        let arguments = Place { choice: 1, field: Field::Arguments, call: 1 };
        assert_eq!(
            halves,
            [
                CutString { place: content, opening: Some(0xde42), closing: Some(0xd83d) },
                CutString { place: arguments, opening: None, closing: Some(0xd83d) },
            ]
        );
    }
}
