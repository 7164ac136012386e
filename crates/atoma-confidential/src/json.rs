//! A scanner that finds members and checks the grammar, without building values.
//!
//! It accepts exactly the JSON of RFC 8259, nested as deeply as you like (no recursion). Lone surrogates are
//! accepted as escapes, as the grammar does, but [`string`] does not decode them.
//!
//! Envelopes are a few members around a ciphertext of any length. Reading them as values would copy the ciphertext; here members
//! are slices of the text, and the search through a ciphertext takes 64 bytes per step.
//!
//! ```text
//! {"ciphertext": "AAAA…", "nonce": "…", "salt": "…"}
//!  │             └─ visit("ciphertext", "\"AAAA…\"")   the exact text of the value, quotes included
//!  └─ each_member
//! ```
//!
//! The grammar is checked in full although only a few members are read: a text that two parsers read differently must not be
//! decrypted.

mod brackets;
mod plain_text;

use alloc::{borrow::Cow, string::String};
use brackets::Brackets;
use plain_text::{length_of_plain_blocks, length_of_plain_text};

/// The text is not one JSON value of the expected type: cut short, followed by more text, or malformed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotJson;

/// Calls `visit` with the name and the value's text of each member of an object.
///
/// The grammar of the rest is unknown while `visit` runs: use its findings only if this returns `Ok`.
#[inline]
pub(crate) fn each_member<'a>(
    text: &'a str,
    mut visit: impl FnMut(&str, &'a str),
) -> Result<(), NotJson> {
    let mut scanner = Scanner { text, at: 0 };
    scanner.expect(b'{')?;
    if !scanner.eat(b'}') {
        loop {
            scanner.expect(b'"')?;
            let start = scanner.at;
            // Names with escapes are decoded, since `"\u006eonce"` is the same name.
            let is_plain = scanner.string_rest()?;
            let name = &text[start..scanner.at - 1];
            scanner.expect(b':')?;
            let value = scanner.value()?;
            if is_plain {
                visit(name, value);
            } else {
                visit(unescape(name).as_deref().unwrap_or(name), value);
            }
            match scanner.token()? {
                b',' => {}
                b'}' => break,
                _ => return Err(NotJson),
            }
        }
    }
    scanner.end()
}

/// Calls `visit` with the text of each element of an array; as [`each_member`].
#[cfg(feature = "evidence")]
pub(crate) fn each_element<'a>(
    text: &'a str,
    mut visit: impl FnMut(&'a str),
) -> Result<(), NotJson> {
    let mut scanner = Scanner { text, at: 0 };
    scanner.expect(b'[')?;
    if !scanner.eat(b']') {
        loop {
            visit(scanner.value()?);
            match scanner.token()? {
                b',' => {}
                b']' => break,
                _ => return Err(NotJson),
            }
        }
    }
    scanner.end()
}

/// Decodes a JSON string, quotes included. `None` for another type or a lone surrogate.
pub(crate) fn string(value: &str) -> Option<Cow<'_, str>> {
    let text = value.strip_prefix('"')?.strip_suffix('"')?;
    // The grammar was checked: only an escape can make it stop early.
    let start = length_of_plain_blocks(text.as_bytes());
    if start + length_of_plain_text(&text.as_bytes()[start..]) == text.len() {
        return Some(Cow::Borrowed(text));
    }
    unescape(text).map(Cow::Owned)
}

/// Decodes the inside of a JSON string.
#[cold]
fn unescape(text: &str) -> Option<String> {
    let mut decoded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        decoded.push_str(&rest[..at]);
        let escape = *rest.as_bytes().get(at + 1)?;
        rest = rest.get(at + 2..)?;
        decoded.push(match escape {
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let (unit, after) = code_unit(rest)?;
                rest = after;
                if (0xd800..0xdc00).contains(&unit) {
                    let (low, after) = code_unit(rest.strip_prefix("\\u")?)?;
                    rest = after;
                    let low = low.checked_sub(0xdc00).filter(|&low| low < 0x400)?;
                    char::from_u32(0x10000 + ((unit - 0xd800) << 10) + low)?
                } else {
                    char::from_u32(unit)?
                }
            }
            other => char::from(other),
        });
    }
    decoded.push_str(rest);
    Some(decoded)
}

/// Appends `text` as a JSON string.
pub(crate) fn write_string(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            // The only characters that must be escaped; everything else is written as it is.
            '\0'..='\u{1f}' => {
                out.push_str("\\u00");
                for digit in [u32::from(c) >> 4, u32::from(c) & 15] {
                    out.push(char::from_digit(digit, 16).unwrap_or('0'));
                }
            }
            _ => out.push(c),
        }
    }
    out.push('"');
}

/// Reads four hexadecimal digits, and returns the text after them.
fn code_unit(text: &str) -> Option<(u32, &str)> {
    let digits =
        text.get(..4).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))?;
    Some((u32::from_str_radix(digits, 16).ok()?, &text[4..]))
}

/// A position in the text. It stops only next to ASCII, so slicing is safe.
struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scanner<'a> {
    /// The text of one value, without the white space around it.
    #[inline]
    fn value(&mut self) -> Result<&'a str, NotJson> {
        let first = self.token()?;
        let start = self.at - 1;
        if first == b'"' {
            self.string_rest()?;
        } else {
            self.value_rest(first)?;
        }
        Ok(&self.text[start..self.at])
    }

    /// Reads the rest of a value that begins with `token`.
    fn value_rest(&mut self, mut token: u8) -> Result<(), NotJson> {
        // A bit per level instead of recursion: depth must not exhaust the stack.
        let mut open = Brackets::default();
        // Whether a name is due, not a value.
        let mut is_name = false;
        // Each turn reads one token that begins a value, or a name.
        loop {
            match token {
                b'"' => {
                    self.string_rest()?;
                    if is_name {
                        self.expect(b':')?;
                        is_name = false;
                        token = self.token()?;
                        continue;
                    }
                }
                _ if is_name => return Err(NotJson),
                b'{' if !self.eat(b'}') => {
                    open.push(true);
                    is_name = true;
                    token = self.token()?;
                    continue;
                }
                b'[' if !self.eat(b']') => {
                    open.push(false);
                    token = self.token()?;
                    continue;
                }
                b'{' | b'[' => {}
                b't' => self.literal("rue")?,
                b'f' => self.literal("alse")?,
                b'n' => self.literal("ull")?,
                b'-' | b'0'..=b'9' => self.number_rest(token)?,
                _ => return Err(NotJson),
            }
            // A value has ended, and with it every array and object that it was the last value of.
            loop {
                let Some(is_object) = open.last() else {
                    return Ok(());
                };
                match self.token()? {
                    b',' => {
                        is_name = is_object;
                        token = self.token()?;
                        break;
                    }
                    b'}' if is_object => open.pop(),
                    b']' if !is_object => open.pop(),
                    _ => return Err(NotJson),
                }
            }
        }
    }

    /// The next byte, without passing it.
    #[inline]
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// The next byte that is not white space.
    #[inline]
    fn token(&mut self) -> Result<u8, NotJson> {
        loop {
            let byte = self.peek().ok_or(NotJson)?;
            self.at += 1;
            // White space comes before all other characters of the grammar: one comparison for nearly every byte.
            if byte > b' ' {
                return Ok(byte);
            }
            if !is_space(byte) {
                return Err(NotJson);
            }
        }
    }

    /// Passes a byte that must come next, after white space.
    #[inline]
    fn expect(&mut self, wanted: u8) -> Result<(), NotJson> {
        if self.token()? == wanted { Ok(()) } else { Err(NotJson) }
    }

    /// Passes a byte if it comes next, after white space.
    #[inline]
    fn eat(&mut self, wanted: u8) -> bool {
        self.skip_space();
        let is_next = self.peek() == Some(wanted);
        self.at += usize::from(is_next);
        is_next
    }

    /// Passes white space.
    #[inline]
    fn skip_space(&mut self) {
        while self.peek().is_some_and(is_space) {
            self.at += 1;
        }
    }

    /// Checks that only white space follows.
    fn end(&mut self) -> Result<(), NotJson> {
        self.skip_space();
        if self.at == self.text.len() { Ok(()) } else { Err(NotJson) }
    }

    /// Passes the rest of `true`, `false` or `null`.
    #[inline]
    fn literal(&mut self, rest: &str) -> Result<(), NotJson> {
        if !self.text.as_bytes()[self.at..].starts_with(rest.as_bytes()) {
            return Err(NotJson);
        }
        self.at += rest.len();
        Ok(())
    }

    /// Passes the rest of a number that begins with `first`.
    #[inline]
    fn number_rest(&mut self, first: u8) -> Result<(), NotJson> {
        let first = if first == b'-' {
            self.at += 1;
            *self.text.as_bytes().get(self.at - 1).ok_or(NotJson)?
        } else {
            first
        };
        match first {
            // No digit follows a zero: `01` is not a number.
            b'0' => {}
            b'1'..=b'9' => self.skip_digits(),
            _ => return Err(NotJson),
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    /// Passes digits, of which there may be none.
    #[inline]
    fn skip_digits(&mut self) {
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
    }

    /// Passes one digit or more.
    fn digits(&mut self) -> Result<(), NotJson> {
        let start = self.at;
        self.skip_digits();
        if self.at > start { Ok(()) } else { Err(NotJson) }
    }

    /// Skips a string whose opening quote was read. Returns whether it has no escapes.
    ///
    /// Inlined, because most strings are shorter than the code around a call.
    #[inline(always)]
    fn string_rest(&mut self) -> Result<bool, NotJson> {
        let mut is_plain = true;
        loop {
            let rest = self.text.as_bytes().get(self.at..).ok_or(NotJson)?;
            self.at += length_of_plain_text(rest);
            // A quote, a backslash, or a control character, which JSON does not allow.
            let special = self.peek().ok_or(NotJson)?;
            self.at += 1;
            match special {
                b'"' => return Ok(is_plain),
                b'\\' => {
                    self.escape_rest()?;
                    is_plain = false;
                }
                _ => return Err(NotJson),
            }
        }
    }

    /// Passes the rest of an escape. Cold: names and base64 have none.
    #[cold]
    fn escape_rest(&mut self) -> Result<(), NotJson> {
        let escape = self.peek().ok_or(NotJson)?;
        self.at += 1;
        match escape {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Ok(()),
            b'u' => {
                let digits = self.text.as_bytes().get(self.at..self.at + 4).ok_or(NotJson)?;
                self.at += 4;
                if digits.iter().all(u8::is_ascii_hexdigit) { Ok(()) } else { Err(NotJson) }
            }
            _ => Err(NotJson),
        }
    }
}

/// Returns whether JSON allows a byte between tokens.
const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

#[cfg(test)]
mod tests;
