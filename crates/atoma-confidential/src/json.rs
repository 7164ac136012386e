//! A scanner that finds members and checks the grammar, without building values.
//!
//! It accepts exactly the JSON of RFC 8259, nested as deeply as you like (no recursion). Lone surrogates are
//! accepted as escapes, as the grammar does, but [`string`] does not decode them.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;

/// The text is not one JSON value of the expected type: cut short, followed by more text, or malformed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotJson;

/// Calls `visit` with the name and the value's text of each member of an object.
///
/// The grammar of the rest is unknown while `visit` runs: use its findings only if this returns `Ok`.
pub(crate) fn each_member<'a>(
    text: &'a str,
    mut visit: impl FnMut(&str, &'a str),
) -> Result<(), NotJson> {
    let mut scanner = Scanner { text, at: 0 };
    scanner.expect(b'{')?;
    if !scanner.eat(b'}') {
        loop {
            let name = scanner.name()?;
            let value = scanner.value()?;
            visit(string(name).as_deref().unwrap_or(name), value);
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

/// Whether the text is one JSON value.
pub(crate) fn is_json(text: &str) -> bool {
    let mut scanner = Scanner { text, at: 0 };
    scanner.value().and_then(|_| scanner.end()).is_ok()
}

/// Decodes a JSON string, quotes included. `None` for another type or a lone surrogate.
pub(crate) fn string(value: &str) -> Option<Cow<'_, str>> {
    let text = value.strip_prefix('"')?.strip_suffix('"')?;
    if !text.contains('\\') {
        return Some(Cow::Borrowed(text));
    }
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
    Some(Cow::Owned(decoded))
}

/// Appends `text` as a JSON string.
pub(crate) fn write_string(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
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

fn code_unit(text: &str) -> Option<(u32, &str)> {
    let digits =
        text.get(..4).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))?;
    Some((u32::from_str_radix(digits, 16).ok()?, &text[4..]))
}

struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scanner<'a> {
    #[inline]
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    #[inline]
    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// The next byte that is not white space.
    #[inline]
    fn token(&mut self) -> Result<u8, NotJson> {
        self.skip_space();
        let byte = self.peek().ok_or(NotJson)?;
        self.at += 1;
        Ok(byte)
    }

    fn expect(&mut self, wanted: u8) -> Result<(), NotJson> {
        if self.token()? == wanted { Ok(()) } else { Err(NotJson) }
    }

    fn eat(&mut self, wanted: u8) -> bool {
        self.skip_space();
        let is_next = self.peek() == Some(wanted);
        self.at += usize::from(is_next);
        is_next
    }

    fn end(&mut self) -> Result<(), NotJson> {
        self.skip_space();
        if self.at == self.text.len() { Ok(()) } else { Err(NotJson) }
    }

    /// The name of a member, with its quotes; the colon is read too.
    fn name(&mut self) -> Result<&'a str, NotJson> {
        self.expect(b'"')?;
        let start = self.at - 1;
        self.string_rest()?;
        let name = &self.text[start..self.at];
        self.expect(b':')?;
        Ok(name)
    }

    /// The text of one value, without the white space around it.
    fn value(&mut self) -> Result<&'a str, NotJson> {
        self.skip_space();
        let start = self.at;
        // The closing bracket of each open array and object, innermost last.
        let mut open = Vec::new();
        loop {
            match self.token()? {
                b'"' => self.string_rest()?,
                b't' => self.literal("rue")?,
                b'f' => self.literal("alse")?,
                b'n' => self.literal("ull")?,
                first @ (b'-' | b'0'..=b'9') => self.number_rest(first)?,
                b'{' if !self.eat(b'}') => {
                    open.push(b'}');
                    self.name()?;
                    continue;
                }
                b'[' if !self.eat(b']') => {
                    open.push(b']');
                    continue;
                }
                b'{' | b'[' => {}
                _ => return Err(NotJson),
            }
            // A value has ended, and with it every array and object that it was the last value of.
            loop {
                let Some(&close) = open.last() else {
                    return Ok(&self.text[start..self.at]);
                };
                match self.token()? {
                    b',' => {
                        if close == b'}' {
                            self.name()?;
                        }
                        break;
                    }
                    byte if byte == close => {
                        open.pop();
                    }
                    _ => return Err(NotJson),
                }
            }
        }
    }

    fn literal(&mut self, rest: &str) -> Result<(), NotJson> {
        if !self.text.as_bytes()[self.at..].starts_with(rest.as_bytes()) {
            return Err(NotJson);
        }
        self.at += rest.len();
        Ok(())
    }

    fn number_rest(&mut self, first: u8) -> Result<(), NotJson> {
        let first = if first == b'-' {
            self.at += 1;
            *self.text.as_bytes().get(self.at - 1).ok_or(NotJson)?
        } else {
            first
        };
        match first {
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

    fn skip_digits(&mut self) {
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
    }

    fn digits(&mut self) -> Result<(), NotJson> {
        let start = self.at;
        self.skip_digits();
        if self.at > start { Ok(()) } else { Err(NotJson) }
    }

    /// Skips a string whose opening quote was read.
    #[inline]
    fn string_rest(&mut self) -> Result<(), NotJson> {
        let bytes = self.text.as_bytes();
        loop {
            self.at += length_of_plain_text(&bytes[self.at..]);
            let special = *bytes.get(self.at).ok_or(NotJson)?;
            self.at += 1;
            match special {
                b'"' => return Ok(()),
                b'\\' => self.escape_rest()?,
                _ => return Err(NotJson),
            }
        }
    }

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

/// How many bytes come before the next quote, backslash or control character.
///
/// Eight bytes per step: ciphertexts are long. Byte by byte, this took a third of the time of opening a chunk.
#[inline]
fn length_of_plain_text(bytes: &[u8]) -> usize {
    let mut length = 0;
    while let Some(word) = bytes[length..].first_chunk() {
        let found = special_bytes(u64::from_le_bytes(*word));
        if found != 0 {
            return length + found.trailing_zeros() as usize / 8;
        }
        length += 8;
    }
    let is_special = |&byte: &u8| byte == b'"' || byte == b'\\' || byte < 0x20;
    length + bytes[length..].iter().position(is_special).unwrap_or(bytes.len() - length)
}

/// Sets the top bit of the first special byte, counted from the low end; bits above it may be wrong.
///
/// A subtraction from each byte borrows into its top bit where the byte is smaller, unless a byte below has borrowed
/// before; `!word` drops the bytes whose top bit was set from the start. One exclusive or with 2 moves the quote to
/// 0x20 and leaves the control characters below it, so that a single subtraction finds both.
const fn special_bytes(word: u64) -> u64 {
    const ONES: u64 = u64::MAX / 255;
    const TOP_BITS: u64 = ONES << 7;
    let quote_or_control = (word ^ (ONES * 2)).wrapping_sub(ONES * 0x21);
    let backslash = (word ^ (ONES * b'\\' as u64)).wrapping_sub(ONES);
    (quote_or_control | backslash) & !word & TOP_BITS
}

#[cfg(test)]
mod tests;
