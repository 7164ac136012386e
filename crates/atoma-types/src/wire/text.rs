//! Reads models from JSON text directly, without an intermediate layer.
//!
//! The result is exactly that of serde_json, of which only the search for syntax errors is used:
//! it says where a text is broken. Without serde's visitors, and with strings searched eight bytes
//! at a time, reading takes about half of the instructions. A program that reads all its responses
//! here contains neither serde_json's parser nor its parser of floats, which saves it 100 kB.
//!
//! ```text
//! { "id" : "x" , "usage" : { … } , "new" : [ 1 ] }
//!   name   value   name      value   other  any
//!   │      │                 │       └──────┴──► Object::extra
//!   │      │                 └─► Open again, one level deeper
//!   │      └─► Target::scalar of the field at that place
//!   └─► ReadObject::place
//! ```

mod open;

use self::open::Open;
use super::{Members, Read, ReadObject, Rest, Scalar, Stopped, Target, number, value::Wide};
use crate::{
    ParseError,
    json::scan::{plain, read_string},
};
use serde::de::{Deserialize, IgnoredAny};
use serde_json::{Map, Number, Value};
use std::borrow::Cow;

/// The most objects and lists inside each other, as in serde_json.
const DEEPEST: usize = 127;

/// Reads the first JSON value of a text, an object, and returns the text after it. `object` is undefined after an error.
pub(crate) fn read_text<'a>(
    json: &'a str,
    object: &mut dyn ReadObject,
    wide: Wide,
) -> Result<&'a str, ParseError> {
    let mut text = Text::new(json, wide);
    let is_object = text.peek() == Some(b'{');
    let read = if is_object {
        text.open().and_then(|mut open| open.read_into(object))
    } else {
        text.any().map(|_| ())
    };
    match read {
        Ok(()) if is_object => Ok(&text.json[text.at..]),
        Ok(()) => Err(ParseError::no_object()),
        Err(Stopped) => Err(text.error()),
    }
}

/// Reads the first JSON value of a text, of any kind, and returns the text after it.
pub(crate) fn read_value(json: &str, wide: Wide) -> Result<(Value, &str), ParseError> {
    let mut text = Text::new(json, wide);
    match text.any() {
        Ok(value) => Ok((value, &text.json[text.at..])),
        Err(Stopped) => Err(text.error()),
    }
}

/// Reads the members of these names, if the text begins with an object, and skips all others.
#[cold]
pub(crate) fn read_some(json: &str, names: &[&str]) -> Option<Map<String, Value>> {
    let mut text = Text::new(json, Wide::Round);
    if text.peek()? != b'{' {
        return None;
    }
    let mut open = text.open().ok()?;
    let mut found = Map::new();
    while open.advance().ok()? {
        let name = open.member_name()?;
        if names.contains(&&*name) {
            found.insert(name.into_owned(), open.text.any().ok()?);
        } else {
            open.text.skip().ok()?;
        }
    }
    Some(found)
}

/// Reads a text that is one number.
pub(super) fn read_number(text: &str) -> Option<Number> {
    let mut text = Text::new(text, Wide::Round);
    text.number().ok().filter(|_| text.at == text.json.len())
}

/// A text, read up to a position.
struct Text<'a> {
    /// The whole text.
    json: &'a str,
    /// The next byte. Always at a character's beginning.
    at: usize,
    /// The number of objects and lists that are open.
    depth: usize,
    wide: Wide,
    /// Why reading stopped here, unless the text is not JSON.
    flaw: Option<&'static str>,
}

impl<'a> Text<'a> {
    fn new(json: &'a str, wide: Wide) -> Self {
        // Some servers write a byte order mark.
        let json = json.strip_prefix('\u{feff}').unwrap_or(json);
        Self { json, at: 0, depth: 0, wide, flaw: None }
    }

    /// Returns why reading stopped.
    #[cold]
    fn error(&self) -> ParseError {
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
    fn peek(&mut self) -> Option<u8> {
        let bytes = self.json.as_bytes();
        loop {
            let byte = *bytes.get(self.at)?;
            if !matches!(byte, b' ' | b'\n' | b'\t' | b'\r') {
                return Some(byte);
            }
            self.at += 1;
        }
    }

    /// Reads the next value into a target, or keeps it in `unknown` if it does not fit.
    #[inline]
    fn value(
        &mut self,
        target: &mut dyn Target,
        unknown: &mut Option<Box<Value>>,
    ) -> Result<Read, Stopped> {
        match self.peek().ok_or(Stopped)? {
            b'"' => {
                let text = self.string().ok_or(Stopped)?;
                Ok(keep(target.scalar(Scalar::Text(&text)), unknown, || text.into()))
            }
            // An object or a list is read by the target, member by member, from this text.
            b'{' => self.open()?.read(unknown, |open| target.object(open)),
            b'[' => self.open()?.read(unknown, |open| target.array(open)),
            b'n' => self.literal("null", Read::Null),
            b't' => {
                self.literal("true", ())?;
                Ok(keep(target.scalar(Scalar::Boolean(true)), unknown, || true.into()))
            }
            b'f' => {
                self.literal("false", ())?;
                Ok(keep(target.scalar(Scalar::Boolean(false)), unknown, || false.into()))
            }
            _ => {
                let number = self.number()?;
                let read = target.scalar(Scalar::Number(&number));
                Ok(keep(read, unknown, || number.into()))
            }
        }
    }

    /// Reads the next value, of any kind.
    fn any(&mut self) -> Result<Value, Stopped> {
        match self.peek().ok_or(Stopped)? {
            b'"' => self.string().map(Value::from).ok_or(Stopped),
            b'{' | b'[' => self.open()?.rest(),
            b'n' => self.literal("null", Value::Null),
            b't' => self.literal("true", true.into()),
            b'f' => self.literal("false", false.into()),
            _ => self.number().map(Value::Number),
        }
    }

    /// Passes the next value.
    #[cold]
    fn skip(&mut self) -> Result<(), Stopped> {
        match self.peek().ok_or(Stopped)? {
            b'"' => self.string().map(|_| ()).ok_or(Stopped),
            bracket @ (b'{' | b'[') => {
                let mut open = self.open()?;
                while open.advance()? {
                    if bracket == b'{' {
                        open.member_name().ok_or(Stopped)?;
                    }
                    open.text.skip()?;
                }
                Ok(())
            }
            _ => self.any().map(|_| ()),
        }
    }

    /// Moves past the opening bracket, which comes next.
    #[inline]
    fn open(&mut self) -> Result<Open<'_, 'a>, Stopped> {
        let end = if self.json.as_bytes()[self.at] == b'{' { b'}' } else { b']' };
        if self.depth == DEEPEST {
            self.flaw = Some("recursion limit exceeded");
            return Err(Stopped);
        }
        self.at += 1;
        self.depth += 1;
        Ok(Open::new(self, end))
    }

    /// Passes a word that is a value.
    fn literal<T>(&mut self, word: &str, value: T) -> Result<T, Stopped> {
        if !self.json.as_bytes()[self.at..].starts_with(word.as_bytes()) {
            return Err(Stopped);
        }
        self.at += word.len();
        // A letter after the word is left to the caller, which expects a comma or a bracket.
        Ok(value)
    }

    /// Reads a string, which begins here with its quote.
    #[inline]
    fn string(&mut self) -> Option<Cow<'a, str>> {
        let rest = &self.json[self.at + 1..];
        let length = plain(rest.as_bytes());
        // Nearly every string: it is borrowed, and copied only by its field.
        if rest.as_bytes().get(length) == Some(&b'"') {
            self.at += length + 2;
            return Some(Cow::Borrowed(&rest[..length]));
        }
        self.escaped_string().map(Cow::Owned)
    }

    /// Reads the same string through a buffer. Not inlined: escapes are rare in names and short values.
    #[inline(never)]
    fn escaped_string(&mut self) -> Option<String> {
        let mut text = String::new();
        let rest = &self.json[self.at..];
        let Some(length) = read_string(&rest[1..], &mut text) else {
            // By the grammar any four digits are a character.
            self.flaw = syntax_error(rest).map_or(Some("lone surrogate"), |_| None);
            return None;
        };
        self.at += 2 + length;
        Some(text)
    }

    /// Reads a number.
    fn number(&mut self) -> Result<Number, Stopped> {
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

/// Keeps a value that does not fit its place.
#[inline]
fn keep(read: Read, unknown: &mut Option<Box<Value>>, value: impl FnOnce() -> Value) -> Read {
    if matches!(read, Read::Unknown) {
        *unknown = Some(Box::new(value()));
    }
    read
}

#[cfg(test)]
mod tests;
