//! The arguments of one tool call, joined from fragments.
//!
//! Most servers send pieces, a few send the whole text so far in each fragment. Appending is right for the one and doubles the text
//! for the other; where a fragment fits both, both readings are kept:
//!
//! ```text
//! fragments        {"a":      {"a":1      {"a":1}
//! text (pieces)    {"a":      {"a":{"a":1      {"a":{"a":1{"a":1}      not JSON
//! other (again)               {"a":1      {"a":1}                      JSON: chosen in the end
//! ```
//!
//! A pass over the brackets ([`Scan`]) runs along with the text, so that "is it complete" costs nothing per fragment.

use crate::json::{self, says_null};
use serde::de::IgnoredAny;
use serde_json::Value;

/// The arguments so far, a JSON text that is usually incomplete.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Arguments {
    /// All fragments, appended.
    text: String,
    /// The state of a pass over `text`.
    scan: Scan,
    /// The other reading, where a fragment may be either more text or the whole text again.
    other: Option<String>,
    /// The length of the text that both readings have in common, if there are two.
    common: usize,
}

/// Where a pass over the text of a JSON value is. It judges brackets and strings only.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct Scan {
    /// The number of open brackets.
    depth: u32,
    in_string: bool,
    is_escaped: bool,
    /// The last byte outside of strings that is not white space.
    last: u8,
    /// Where the first value ends, once it does.
    end: Option<usize>,
    at: usize,
}

impl Arguments {
    /// Returns whether there is only white space so far.
    pub(crate) fn is_blank(&self) -> bool {
        self.scan.last == 0 && !self.scan.in_string
    }

    /// Returns whether an object or a list has been opened and closed.
    pub(crate) fn is_whole(&self) -> bool {
        self.scan.end.is_some()
    }

    /// Returns whether they are an empty object, which servers send before the real arguments.
    pub(crate) fn is_empty_object(&self) -> bool {
        self.is_whole() && self.text.bytes().filter(|byte| !byte.is_ascii_whitespace()).eq(*b"{}")
    }

    /// Returns whether a fragment holds the same text again.
    pub(crate) fn is_repeated_by(&self, fragment: &str) -> bool {
        self.text.trim_ascii() == fragment.trim_ascii()
    }

    /// Returns whether a fragment holds the same value again, written otherwise.
    pub(crate) fn is_equal_to(&self, fragment: &str) -> bool {
        let value = |text| json::from_str(text).ok();
        value(&self.text).is_some_and(|known| value(fragment) == Some(known))
    }

    /// Drops the text so far: the fragment is the whole text.
    pub(crate) fn replace(&mut self, text: &str) {
        *self = Self::default();
        self.append(text);
    }

    /// Adds a fragment: more of the text, or the whole text so far and more.
    ///
    /// Cumulative fragments begin with all that is known. Appended they would be broken JSON, except where a value is due:
    /// `{"a":` and `{"a":1}` may also be `{"a":{"a":1}…`. Both readings are kept then, and the valid one is chosen in the end.
    pub(crate) fn push(&mut self, fragment: &str) {
        let opens = || self.text.trim_ascii_start().starts_with(['{', '[']);
        if fragment.len() >= self.text.len() && fragment.starts_with(&self.text) && opens() {
            // Appended it would be broken JSON, so it can only be the whole text again.
            if !self.scan.expects_value() {
                return self.replace(fragment);
            }
            if self.other.is_none() {
                self.common = self.text.len();
            }
            self.other = Some(fragment.to_owned());
        } else if let Some(other) = &mut self.other {
            // The cumulative reading goes by the same rule.
            if fragment.starts_with(other.as_str()) {
                fragment.clone_into(other);
            } else {
                other.push_str(fragment);
            }
        }
        self.append(fragment);
    }

    /// Adds a fragment if there is only one call that it can belong to: a second complete text is
    /// not appended.
    pub(crate) fn push_to_only_call(&mut self, fragment: &str) {
        if !self.is_whole() {
            self.push(fragment);
        } else if self.is_empty_object() && fragment.trim_ascii_start().starts_with(['{', '[']) {
            self.replace(fragment);
        }
    }

    /// Appends a fragment and scans it.
    fn append(&mut self, fragment: &str) {
        self.text.push_str(fragment);
        self.scan.run(fragment.as_bytes());
    }

    /// Returns the part of the text that no later fragment can change.
    ///
    /// An empty object may give way to the actual arguments, of two readings one is chosen in the end, and a second value
    /// after the first is dropped.
    pub(crate) fn certain(&self) -> &str {
        let end = match (&self.other, self.scan.end) {
            (Some(_), _) => self.common,
            (None, Some(end)) => end,
            (None, None) => self.text.len(),
        };
        let certain = &self.text[..end];
        // Text that is not an object or a list may turn out to be one in quotes, or to spell out that there are none.
        if !certain.trim_ascii_start().starts_with(['{', '[']) {
            return "";
        }
        let is_undecided = |byte: u8| matches!(byte, b'{' | b'}' | b' ' | b'\t' | b'\n' | b'\r');
        if certain.bytes().all(is_undecided) { "" } else { certain }
    }

    /// The text, in the reading that is valid JSON if one is.
    pub(crate) fn into_text(self) -> String {
        // Only one reading can be JSON; if both are, the protocol's own, pieces, is preferred.
        if let Some(other) = self.other.filter(|other| is_json(other)) {
            if !is_json(&self.text) {
                return other;
            }
        }
        // Two values in one fragment: an empty object gives way to the second, a repeated one is dropped.
        match self.scan.end {
            Some(end) if !self.text[end..].trim_ascii().is_empty() => {
                let (first, rest) = self.text.split_at(end);
                let is_empty = first.bytes().filter(|byte| !byte.is_ascii_whitespace()).eq(*b"{}");
                let is_better = is_empty && is_json(rest);
                if is_better { rest.trim_ascii().to_owned() } else { first.to_owned() }
            }
            Some(_) => self.text,
            None => unquoted(self.text),
        }
    }
}

/// Takes arguments out of the string that some models put them in. Text that spells out that there are none is empty.
fn unquoted(text: String) -> String {
    if says_null(&text) {
        return String::new();
    }
    match json::from_str(&text) {
        Ok(Value::String(inner))
            if inner.trim_ascii_start().starts_with(['{', '[']) && is_json(&inner) =>
        {
            inner
        }
        _ => text,
    }
}

/// The arguments of a whole call, in the reading that is valid JSON if one is.
pub(crate) fn of_whole(text: &mut String) {
    let is_usual = text.starts_with('{') && is_json(text);
    if !is_usual {
        let mut arguments = Arguments::default();
        arguments.push(text);
        *text = arguments.into_text();
    }
}

impl Scan {
    /// Reads more text. Each byte is read a single time, however many fragments there are.
    fn run(&mut self, text: &[u8]) {
        for &byte in text {
            self.at += 1;
            if self.in_string {
                match byte {
                    _ if self.is_escaped => self.is_escaped = false,
                    b'\\' => self.is_escaped = true,
                    b'"' => self.in_string = false,
                    _ => {}
                }
                continue;
            }
            match byte {
                b'"' => self.in_string = true,
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => {
                    let is_outermost = self.depth == 1;
                    self.depth = self.depth.saturating_sub(1);
                    // The position after the first complete value; later ones do not move it.
                    if is_outermost && self.end.is_none() {
                        self.end = Some(self.at);
                    }
                }
                b' ' | b'\t' | b'\n' | b'\r' => continue,
                _ => {}
            }
            self.last = byte;
        }
    }

    /// Returns whether a value may come next.
    fn expects_value(&self) -> bool {
        !self.in_string && matches!(self.last, b':' | b',' | b'[')
    }
}

/// Returns whether a text is one JSON value.
fn is_json(text: &str) -> bool {
    serde_json::from_str::<IgnoredAny>(text).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fragments_are_joined_to_valid_json() {
        for (name, fragments, wanted) in [
            ("pieces", &["{\"q\"", ":", "\"a\"}"][..], r#"{"q":"a"}"#),
            (
                "cumulative",
                &["{\"q\"", "{\"q\":\"old", "{\"q\":\"old town\"}"],
                r#"{"q":"old town"}"#,
            ),
            ("cumulative from the first brace", &["{", "{\"a\":1", "{\"a\":1}"], r#"{"a":1}"#),
            (
                "cumulative where a value is due",
                &["{\"a\":", "{\"a\":1", "{\"a\":1}"],
                r#"{"a":1}"#,
            ),
            ("nested where a value is due", &["{\"a\":", "{\"a\":", "1}}"], r#"{"a":{"a":1}}"#),
            ("nested lists", &["[", "[", "1]]"], "[[1]]"),
            ("a piece again", &["{\"q\"", "{\"q\"", ":1}"], r#"{"q":1}"#),
            ("braces in a string", &["{\"a\":\"{", "}{", "\\\"}\"}"], r#"{"a":"{}{\"}"}"#),
            ("twice in one fragment", &["{\"a\":1}{\"a\":1}"], r#"{"a":1}"#),
            ("nothing, then something, in one fragment", &["{}{\"a\":1}"], r#"{"a":1}"#),
            ("text that is not JSON", &["city=", "city=Paris"], "city=city=Paris"),
        ] {
            let mut arguments = Arguments::default();
            fragments.iter().for_each(|fragment| arguments.push(fragment));
            assert_eq!(arguments.into_text(), wanted, "{name}");
        }
    }

    #[test]
    fn a_value_is_whole_when_its_brackets_are_closed() {
        for (text, is_whole) in [
            ("", false),
            ("{", false),
            ("{}", true),
            ("{\"a\":\"}", false),
            ("[{}]", true),
            ("7", false),
        ] {
            let mut arguments = Arguments::default();
            arguments.push(text);
            assert_eq!(arguments.is_whole(), is_whole, "{text}");
        }
    }
}
