//! The words of a text: white space, strings, numbers, literals, and where the text is broken.

use crate::{
    json::{
        parse_error::ParseError,
        scan::{plain, read_string},
    },
    wire::{Stopped, number, value::Wide},
};
use serde::de::{Deserialize, IgnoredAny};
use serde_json::Number;
use std::borrow::Cow;

/// The most room in bytes that a string with escapes gets before its length is known.
const MOST_ROOM: usize = 4096;

/// A text, read up to a position.
pub(super) struct Text<'a> {
    /// The whole text.
    pub(super) json: &'a str,
    /// The next byte. Always at a character's beginning.
    pub(super) at: usize,
    /// The number of objects and lists that are open.
    pub(super) depth: usize,
    wide: Wide,
    /// Why reading stopped here, unless the text is not JSON.
    pub(super) flaw: Option<&'static str>,
}

impl<'a> Text<'a> {
    pub(super) fn new(json: &'a str, wide: Wide) -> Self {
        // Some servers write a byte order mark.
        let json = json.strip_prefix('\u{feff}').unwrap_or(json);
        Self { json, at: 0, depth: 0, wide, flaw: None }
    }

    /// Returns why reading stopped.
    #[cold]
    pub(super) fn error(&self) -> ParseError {
        let at_value = |flaw| ParseError::unreadable(flaw, self.json, self.at);
        match (self.flaw, syntax_error(self.json)) {
            (Some(flaw), _) => at_value(flaw),
            (None, Some(error)) => ParseError::new(self.end_in_number().unwrap_or(error)),
            (None, None) => at_value("unreadable value"),
        }
    }

    /// Returns the error for a text that ends in a number: any digit continues it. serde_json
    /// calls the number invalid.
    fn end_in_number(&self) -> Option<serde_json::Error> {
        let is_open = self.json.ends_with(['-', '+', '.', 'e', 'E'])
            && syntax_error(&format!("{}0", self.json)).is_none_or(|error| error.is_eof());
        // The text before the number ends where a value is expected.
        is_open.then(|| syntax_error(&self.json[..self.at]))?
    }

    /// The next byte that is not white space. It is not passed.
    #[inline]
    pub(super) fn peek(&mut self) -> Option<u8> {
        let bytes = self.json.as_bytes();
        loop {
            let byte = *bytes.get(self.at)?;
            if !matches!(byte, b' ' | b'\n' | b'\t' | b'\r') {
                return Some(byte);
            }
            self.at += 1;
        }
    }

    /// Passes a word that is a value.
    pub(super) fn literal<T>(&mut self, word: &str, value: T) -> Result<T, Stopped> {
        if !self.json.as_bytes()[self.at..].starts_with(word.as_bytes()) {
            return Err(Stopped);
        }
        self.at += word.len();
        // A letter after the word is left to the caller, which expects a comma or a bracket.
        Ok(value)
    }

    /// Reads a string, which begins here with its quote.
    #[inline]
    pub(super) fn string(&mut self) -> Option<Cow<'a, str>> {
        let rest = &self.json[self.at + 1..];
        let length = plain(rest.as_bytes());
        // Nearly every string: it is borrowed, and copied only by its field.
        if rest.as_bytes().get(length) == Some(&b'"') {
            self.at += length + 2;
            return Some(Cow::Borrowed(&rest[..length]));
        }
        self.escaped_string().map(Cow::Owned)
    }

    /// Reads a string that is kept, without spare room.
    #[inline]
    pub(super) fn owned_string(&mut self) -> Option<String> {
        let mut text = self.string()?.into_owned();
        text.shrink_to_fit();
        Some(text)
    }

    /// Reads the same string through a buffer. Not inlined: escapes are rare in names and short values.
    #[inline(never)]
    fn escaped_string(&mut self) -> Option<String> {
        let rest = &self.json[self.at..];
        // Text is never longer than its JSON. Growing to 4 KiB in seven steps took 2,000 instructions.
        let mut text = String::with_capacity(rest.len().min(MOST_ROOM));
        let Some(length) = read_string(&rest[1..], &mut text) else {
            // By the grammar any four digits are a character.
            self.flaw = syntax_error(rest).map_or(Some("lone surrogate"), |_| None);
            return None;
        };
        self.at += 2 + length;
        Some(text)
    }

    /// Reads a number.
    pub(super) fn number(&mut self) -> Result<Number, Stopped> {
        let Some((number, end)) = number::read(self.json, self.at) else {
            return self.unusual_number();
        };
        self.at = end;
        Ok(number)
    }

    #[cold]
    fn unusual_number(&mut self) -> Result<Number, Stopped> {
        match number::read_unusual(self.json, self.at, self.wide) {
            Ok((number, end)) => {
                self.at = end;
                Ok(number)
            }
            Err(flaw) => {
                self.flaw = flaw;
                Err(Stopped)
            }
        }
    }
}

/// Returns where the first value of a text is not JSON. serde_json skips the value, which takes little code.
#[cold]
fn syntax_error(json: &str) -> Option<serde_json::Error> {
    IgnoredAny::deserialize(&mut serde_json::Deserializer::from_str(json)).err()
}
