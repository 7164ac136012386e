//! Repairs JSON text with flaws that do not affect its meaning, in one pass over its tokens.
//!
//! JavaScript servers cut strings between UTF-16 code units, so an event may end in half a surrogate pair and the next one begin
//! with the other half. RFC 8259 section 8.2 leaves the reading of a lone half open; here it becomes U+FFFD. In the streamed
//! fields of a chunk it is taken out and reported instead, so that it can be joined with its other half.
//!
//! The repair runs only after the ordinary readers have rejected a text, so it may be slow; it must be linear, and it must copy
//! everything that it does not understand. It never fails: the reader that parses the result reports the remaining flaws.
//!
//! ```text
//! {"content":"Hi \ud83d","logprob":-Infinity}
//!                ──┬───            ────┬────
//!                  │                   └─► -1.7976931348623157e308, the least finite number
//!                  └─► removed, and reported as the `closing` half of the content
//! ```

use super::{
    path::{FieldPath, Place},
    scan::{Contents, Kind, Scanner, Token},
};
use serde::de::IgnoredAny;

/// A repaired text.
pub(crate) struct Repaired {
    /// The repaired text of the first value. Text after that value is left out.
    pub(crate) json: String,
    /// The end of the value in the input text, if that is UTF-8.
    pub(crate) end: usize,
    /// The halves taken out.
    pub(crate) halves: Vec<CutString>,
}

/// A string that begins or ends with half a surrogate pair.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct CutString {
    /// The streamed field that the string belongs to.
    pub(crate) place: Place,
    /// The second half of a pair, at the start.
    pub(crate) opening: Option<u16>,
    /// The first half of a pair, at the end.
    pub(crate) closing: Option<u16>,
}

/// Repairs the first JSON value of a text. Lone halves at an end of one of the `fields` are taken out.
///
/// Besides lone halves: bytes that are not UTF-8, raw control characters in strings, the words `NaN` and `Infinity`, and numbers
/// beyond the range of `f64`. Integers beyond 64 bits become strings, which keeps their digits.
pub(crate) fn repair(json: &[u8], fields: &[FieldPath]) -> Repaired {
    let text = String::from_utf8_lossy(json);
    let mut output = Output {
        input: text.as_bytes(),
        output: Vec::with_capacity(json.len() + 16),
        cut: Vec::new(),
    };
    let mut scanner = Scanner::new(text.as_bytes());
    while let Some(token) = scanner.next() {
        match token.kind {
            Kind::Mark(byte) => output.output.push(byte),
            Kind::Word => output.word(&text.as_bytes()[token.start..token.end]),
            Kind::Name(contents) => output.string(token, contents, None),
            Kind::Text(contents) => {
                let takes_out = output.cut.len() < MOST_CUT;
                let place = if takes_out { scanner.path().place(fields) } else { None };
                output.string(token, contents, place);
            }
        }
        // Text after the first value is for the caller: some servers join two events in one `data` line.
        if scanner.is_done() {
            break;
        }
    }
    let json =
        String::from_utf8(output.output).expect("only whole characters of ASCII are replaced");
    Repaired { json, end: scanner.at(), halves: output.cut }
}

/// The most strings from which halves are taken out; those of further strings become U+FFFD.
const MOST_CUT: usize = 256;

/// The text that is being written, next to the input that it is copied from.
struct Output<'a> {
    input: &'a [u8],
    output: Vec<u8>,
    cut: Vec<CutString>,
}

impl Output<'_> {
    /// Writes a number or a literal.
    fn word(&mut self, word: &[u8]) {
        if is_wide_integer(word) {
            self.output.push(b'"');
            self.output.extend_from_slice(word);
            self.output.push(b'"');
            return;
        }
        let (is_negative, size) = match word {
            [b'-', size @ ..] => (true, size),
            [b'+', size @ ..] => (false, size),
            size => (false, size),
        };
        // Python's `json` writes `NaN` and `Infinity`; serializers written by hand write `nan` and `inf`.
        let is = |name: &str| size.eq_ignore_ascii_case(name.as_bytes());
        // The largest finite number instead of `null`: a log probability of `-Infinity` must stay the least likely one.
        let repaired: &[u8] = if is("nan") {
            b"null"
        } else if !(is("inf") || is("infinity") || is_too_large(size)) {
            word
        } else if is_negative {
            b"-1.7976931348623157e308"
        } else {
            b"1.7976931348623157e308"
        };
        self.output.extend_from_slice(repaired);
    }

    /// Writes a string with its quotes, if it has both.
    fn string(&mut self, token: Token, contents: Contents, place: Option<Place>) {
        self.output.push(b'"');
        let (mut opening, mut closing) = (None, None);
        // Most strings: copied in one go, without a look at each byte.
        if contents.is_valid && !contents.has_escapes {
            self.output.extend_from_slice(&self.input[token.start..token.end]);
        } else {
            (opening, closing) = self.escaped(token, place.is_some());
        }
        // A string that the text ends in has no closing quote. Adding one would turn a truncated event into a valid one.
        if self.input.get(token.end) == Some(&b'"') {
            self.output.push(b'"');
        }
        if let Some(place) = place {
            self.report(CutString { place, opening, closing });
        }
    }

    /// Writes the contents of a string that has escapes or raw control characters. Returns the halves that were taken out.
    ///
    /// Halves are decided one by one, from left to right:
    ///
    /// ```text
    /// "\ude42 a \ud83d\ude42 b \ud83d c \ud83d"
    ///  ──┬───   ─────┬──────   ──┬───   ──┬───
    ///  opening    a pair: kept   U+FFFD   closing
    /// ```
    fn escaped(&mut self, token: Token, takes_out: bool) -> (Option<u16>, Option<u16>) {
        let (mut opening, mut closing) = (None, None);
        let mut at = token.start;
        while at < token.end {
            let rest = &self.input[at..token.end];
            let length = match rest[0] {
                b'\\' => match lone_half(rest) {
                    Some(half) => {
                        let is_first = at == token.start;
                        at += 6;
                        // Only a half at an end can have its other half in another event.
                        match half {
                            0xdc00.. if is_first && takes_out => opening = Some(half),
                            ..0xdc00 if at == token.end && takes_out => closing = Some(half),
                            _ => self.output.extend_from_slice("\u{fffd}".as_bytes()),
                        }
                        continue;
                    }
                    None => escape_length(rest).min(rest.len()),
                },
                // RFC 8259 requires that they are escaped. Servers that build JSON by hand forget it for newlines and tabs.
                byte @ 0..0x20 => {
                    self.output.extend_from_slice(format!("\\u{byte:04x}").as_bytes());
                    at += 1;
                    continue;
                }
                _ => 1,
            };
            self.output.extend_from_slice(&rest[..length]);
            at += length;
        }
        (opening, closing)
    }

    /// Notes a streamed string. Of a name that is repeated in an object the last one counts.
    fn report(&mut self, string: CutString) {
        // Only the last few are compared: a name repeated further away is not worth a quadratic search.
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

/// Returns whether a word is an integer that neither `u64` nor `i64` holds.
///
/// Such an integer becomes a string: as a float it would lose digits, and ids and seeds are compared digit by digit.
fn is_wide_integer(word: &[u8]) -> bool {
    let digits = word.strip_prefix(b"-").unwrap_or(word);
    let is_integer = digits.iter().all(u8::is_ascii_digit) && !digits.starts_with(b"0");
    let text = std::str::from_utf8(word).unwrap_or_default();
    // Up to 18 digits fit into either type.
    digits.len() > 18 && is_integer && text.parse::<u64>().is_err() && text.parse::<i64>().is_err()
}

/// Returns whether digits are a number by the grammar of JSON that exceeds the range of `f64`. If
/// such a number is skipped, it may have any size.
fn is_too_large(digits: &[u8]) -> bool {
    let Ok(digits) = std::str::from_utf8(digits) else { return false };
    // `Value` rejects numbers beyond the range, `IgnoredAny` only those that break the grammar.
    digits.starts_with(|first: char| first.is_ascii_digit())
        && digits.parse().is_ok_and(f64::is_infinite)
        && serde_json::from_str::<IgnoredAny>(digits).is_ok()
}

/// The half of a pair in an escape, if its other half is not next to it.
fn lone_half(escape: &[u8]) -> Option<u16> {
    let unit = code_unit(escape)?;
    match unit {
        0xd800..0xdc00 if !matches!(code_unit(&escape[6..]), Some(0xdc00..0xe000)) => Some(unit),
        0xdc00..0xe000 => Some(unit),
        _ => None,
    }
}

/// The length of an escape that is kept: a pair of surrogates counts as one.
fn escape_length(escape: &[u8]) -> usize {
    match code_unit(escape) {
        Some(0xd800..0xdc00) => 12,
        Some(_) => 6,
        None => 2,
    }
}

/// The UTF-16 code unit of a `\u` escape; `None` for any other text, also for an escape that is cut off.
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
    use serde_json::Value;

    const FIELDS: &[FieldPath] = &[
        (&["choices", "delta", "content"], Field::Content),
        (&["choices", "delta", "tool_calls", "function", "arguments"], Field::Arguments),
    ];

    fn repaired(json: &str) -> String {
        repair(json.as_bytes(), &[]).json
    }

    #[test]
    fn flaws_are_repaired_and_the_rest_is_copied() {
        for (name, flawed, wanted) in [
            (
                "nothing to repair",
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
                "a number too large",
                "[1e999,-1e999]",
                "[1.7976931348623157e308,-1.7976931348623157e308]",
            ),
            (
                "numbers that are large or small enough",
                "[1.7976931348623157e308,1e-999,0e999]",
                "[1.7976931348623157e308,1e-999,0e999]",
            ),
            (
                "the least number that is too large",
                "[1.797693134862315808e308]",
                "[1.7976931348623157e308]",
            ),
            (
                "integers beyond 64 bits",
                "[18446744073709551615,18446744073709551616,-9223372036854775809]",
                r#"[18446744073709551615,"18446744073709551616","-9223372036854775809"]"#,
            ),
            ("no numbers", "[12abc,1e,true,falsely]", "[12abc,1e,true,falsely]"),
            ("the rest is left out", "[1] data: [DONE]", "[1]"),
            ("broken beyond repair", r#"{"a"#, r#"{"a"#),
            ("cut off in an escape", r#"["\ud8"#, r#"["\ud8"#),
        ] {
            assert_eq!(repaired(flawed), wanted, "{name}");
        }
        assert_eq!(repair(b"[\"a\xff\"]", &[]).json, "[\"a\u{fffd}\"]");
    }

    #[test]
    fn halves_of_streamed_fields_are_reported_with_their_place() {
        let json = r#"{"id":"\ud83d","choices":[null,{"delta":{"content":"\ude42a\ud83d"}},
            {"delta":{"tool_calls":[{"function":{"arguments":"x"}},{"function":{"arguments":"\ud83d"}}]}}]}"#;
        let Repaired { json, halves, .. } = repair(json.as_bytes(), FIELDS);
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

    #[test]
    fn of_a_repeated_name_the_last_halves_are_reported() {
        let arguments = r#""tool_calls":[{"function":{"arguments":"\ud83e"}}]"#;
        let json = format!(
            r#"{{"choices":[{{"delta":{{"content":"\ud83d",{arguments},"content":"\ude42"}}}}]}}"#
        );
        let place = |field| Place { choice: 0, field, call: 0 };
        assert_eq!(
            repair(json.as_bytes(), FIELDS).halves,
            [
                CutString { place: place(Field::Arguments), opening: None, closing: Some(0xd83e) },
                CutString { place: place(Field::Content), opening: Some(0xde42), closing: None },
            ]
        );
        let whole = json.replace(r#""\ude42""#, r#""a""#);
        assert_eq!(repair(whole.as_bytes(), FIELDS).halves.len(), 1);
    }

    #[test]
    fn halves_of_the_first_256_strings_are_taken_out() {
        let json = |count: usize| {
            let choices = vec![r#"{"delta":{"content":"\ud83d"}}"#; count].join(",");
            repair(format!(r#"{{"choices":[{choices}]}}"#).as_bytes(), FIELDS)
        };
        for (count, taken_out) in [(255, 255), (256, 256), (257, 256), (300, 256)] {
            let Repaired { json, halves, .. } = json(count);
            assert_eq!(halves.len(), taken_out);
            assert_eq!(json.matches('\u{fffd}').count(), count - taken_out);
        }
    }
}
