//! Reads models from JSON text directly, without an intermediate layer.
//!
//! Nearly every text is read here. If this reader accepts a text, the result is exactly that of
//! serde_json. It gives up on everything else: on text that is not JSON, and on rare features such
//! as half a surrogate pair, an integer beyond 64 bits or more than [`DEEPEST`] lists inside each
//! other. Such a text is read again by serde_json, which decides whether it is an error and where.
//! Without serde's visitors, and with strings searched eight bytes at a time, reading takes about
//! half of the instructions.
//!
//! ```text
//! { "id" : "x" , "usage" : { … } , "new" : [ 1 ] }
//!   name   value   name      value   other  any
//!   │      │                 │       └──────┴──► Object::extra
//!   │      │                 └─► Open again, one level deeper
//!   │      └─► Target::scalar of the field at that place
//!   └─► ReadObject::place
//! ```

use super::{
    Elements, MemberSource, Members, Name, Read, ReadObject, Rest, Scalar, Stopped, Target, number,
    read_members, value::NUMBER,
};
use crate::json::scan::{plain, read_string};
use serde_json::{Map, Number, Value};
use std::borrow::Cow;

/// The most objects and lists inside each other.
const DEEPEST: usize = 100;

/// Reads the first JSON value of a text, an object. Returns the text after it; `None` if this reader gives up, and `object` is
/// undefined then.
pub(crate) fn read_text<'a>(json: &'a str, object: &mut dyn ReadObject) -> Option<&'a str> {
    let mut text = Text { json, at: 0, depth: 0 };
    if text.peek()? != b'{' {
        return None;
    }
    Open::new(&mut text)?.read_into(object).ok()?;
    Some(&json[text.at..])
}

/// A text, read up to a position.
struct Text<'a> {
    /// The whole text.
    json: &'a str,
    /// The next byte. Always at a character's beginning.
    at: usize,
    /// The number of objects and lists that are open.
    depth: usize,
}

impl<'a> Text<'a> {
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
            b'{' => Open::new(self).ok_or(Stopped)?.read(unknown, |open| target.object(open)),
            b'[' => Open::new(self).ok_or(Stopped)?.read(unknown, |open| target.array(open)),
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
            b'{' | b'[' => Open::new(self).ok_or(Stopped)?.rest(),
            b'n' => self.literal("null", Value::Null),
            b't' => self.literal("true", true.into()),
            b'f' => self.literal("false", false.into()),
            _ => self.number().map(Value::Number),
        }
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
        self.at += 2 + read_string(&self.json[self.at + 1..], &mut text)?;
        Some(text)
    }

    /// Reads a number.
    fn number(&mut self) -> Result<Number, Stopped> {
        let (number, end) = number::read(self.json, self.at).ok_or(Stopped)?;
        self.at = end;
        Ok(number)
    }
}

/// Keeps a value that does not fit its place.
#[inline]
fn keep(read: Read, unknown: &mut Option<Box<Value>>, value: impl FnOnce() -> Value) -> Read {
    if matches!(read, Read::Unknown) {
        *unknown = Some(Box::new(value()));
    }
    read
}

/// An object or a list that is being read.
struct Open<'t, 'a> {
    /// Borrowed from the level around this one, which cannot read on until this level is closed.
    text: &'t mut Text<'a>,
    /// The bracket that closes it.
    end: u8,
    /// Whether there was a member or an element, so that a comma must come next.
    is_begun: bool,
    /// Whether the closing bracket was passed. Targets may ask again after the end.
    is_closed: bool,
    /// The last unknown value: of a member, or of everything that is read here.
    unknown: Option<Box<Value>>,
}

impl<'t, 'a> Open<'t, 'a> {
    /// Moves past the opening bracket, which comes next.
    #[inline]
    fn new(text: &'t mut Text<'a>) -> Option<Self> {
        let end = if text.json.as_bytes()[text.at] == b'{' { b'}' } else { b']' };
        text.at += 1;
        text.depth += 1;
        let is_flat = text.depth <= DEEPEST;
        is_flat.then_some(Self { text, end, is_begun: false, is_closed: false, unknown: None })
    }

    /// Moves to the next member or element; false at the end, which is passed.
    #[inline]
    fn advance(&mut self) -> Result<bool, Stopped> {
        // A target may ask again after the end.
        if self.is_closed {
            return Ok(false);
        }
        let byte = self.text.peek().ok_or(Stopped)?;
        if byte == self.end {
            self.text.at += 1;
            self.text.depth -= 1;
            self.is_closed = true;
            return Ok(false);
        }
        if self.is_begun {
            if byte != b',' {
                return Err(Stopped);
            }
            self.text.at += 1;
        }
        self.is_begun = true;
        Ok(true)
    }

    /// Passes the name of a member.
    #[inline]
    fn member_name(&mut self) -> Option<Cow<'a, str>> {
        if self.text.peek()? != b'"' {
            return None;
        }
        let name = self.text.string()?;
        if self.text.peek()? != b':' {
            return None;
        }
        self.text.at += 1;
        Some(name)
    }

    /// Reads it through a target, and keeps it in `unknown` if it does not fit.
    #[inline]
    fn read(
        mut self,
        unknown: &mut Option<Box<Value>>,
        target: impl FnOnce(&mut Self) -> Result<Read, Stopped>,
    ) -> Result<Read, Stopped> {
        let read = target(&mut self)?;
        if matches!(read, Read::Unknown) {
            let value = match self.unknown.take() {
                Some(value) => value,
                None => Box::new(self.rest()?),
            };
            *unknown = Some(value);
        }
        // A target that did not read to the end leaves the position in the middle.
        if self.advance()? { Err(Stopped) } else { Ok(read) }
    }
}

impl Rest for Open<'_, '_> {
    fn rest(&mut self) -> Result<Value, Stopped> {
        if self.end == b']' {
            let mut list = Vec::new();
            while self.advance()? {
                list.push(self.text.any()?);
            }
            return Ok(list.into());
        }
        let mut members = Map::new();
        while self.advance()? {
            let name = self.member_name().ok_or(Stopped)?;
            // serde_json reads an object of this name as a number if a feature of it is on: it shall decide.
            if name == NUMBER {
                return Err(Stopped);
            }
            members.insert(name.into_owned(), self.text.any()?);
        }
        Ok(members.into())
    }

    fn give_back(&mut self, value: Value) {
        self.unknown = Some(Box::new(value));
    }
}

impl MemberSource for Open<'_, '_> {
    #[inline]
    fn name(&mut self, place: fn(&str) -> Option<usize>) -> Result<Option<Name>, Stopped> {
        if !self.advance()? {
            return Ok(None);
        }
        let name = self.member_name().ok_or(Stopped)?;
        Ok(Some(Name::find(&name, place)))
    }

    fn any_value(&mut self) -> Result<Value, Stopped> {
        self.text.any()
    }

    fn take_unknown(&mut self) -> Option<Box<Value>> {
        self.unknown.take()
    }
}

impl Members for Open<'_, '_> {
    fn read_into(&mut self, object: &mut dyn ReadObject) -> Result<(), Stopped> {
        read_members(self, object)
    }

    fn value(&mut self, target: &mut dyn Target) -> Result<Read, Stopped> {
        self.text.value(target, &mut self.unknown)
    }

    fn value_in_text(
        &mut self,
        read: &mut dyn FnMut(&str) -> bool,
        target: &mut dyn Target,
    ) -> Result<Read, Stopped> {
        // Only the forms that `read` may know. The rest would be searched for nothing.
        let closing = match self.text.peek().ok_or(Stopped)? {
            b'[' => ']',
            b'"' => '"',
            _ => return self.value(target),
        };
        // A list of lists, or a string with a quote in it, is cut here: then `read` does not know it.
        let rest = &self.text.json[self.text.at..];
        let length = rest[1..].find(closing).ok_or(Stopped)? + 2;
        if !read(&rest[..length]) {
            return self.value(target);
        }
        self.text.at += length;
        Ok(Read::Known(()))
    }
}

impl Elements for Open<'_, '_> {
    fn next(&mut self, target: &mut dyn Target) -> Result<bool, Stopped> {
        Ok(self.advance()? && {
            self.text.value(target, &mut self.unknown)?;
            true
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TokenLogprob;

    fn read(json: &str) -> Option<(TokenLogprob, &str)> {
        let mut object = TokenLogprob::default();
        read_text(json, &mut object).map(|rest| (object, rest))
    }

    #[test]
    fn what_is_rare_or_not_json_is_left_to_serde_json() {
        for value in [
            "01",
            "1.",
            ".5",
            "-",
            "1e",
            "+1",
            "-0",
            "18446744073709551616",
            "1e300",
            "1e999",
            "NaN",
            "nul",
            "truefalse",
            "\"\\ud83d\"",
            "\"\u{1}\"",
            "\"a",
            "[1,]",
            "[,1]",
            "[1 2]",
            "{\"a\":1,}",
            "{\"a\" 1}",
            "{1:2}",
            "{a:2}",
            "",
            "]",
            "[1}",
        ] {
            for name in ["logprob", "token", "top_logprobs", "x"] {
                let json = format!(r#"{{"{name}":{value}}}"#);
                assert_eq!(read(&json), None, "{json}");
            }
        }
        let deep = |depth| format!(r#"{{"x":{}{}}}"#, "[".repeat(depth), "]".repeat(depth));
        assert_eq!((read(&deep(99)).is_some(), read(&deep(100)).is_some()), (true, false));
        assert!(read("[]").is_none() && read("").is_none());
    }

    #[test]
    fn the_text_after_an_object_is_returned() {
        for (json, wanted) in
            [(" {} x", " x"), ("{\"x\":[{}]}}", "}"), ("{ }{\"token\"", "{\"token\"")]
        {
            assert_eq!(read(json).map(|(_, rest)| rest), Some(wanted), "{json}");
        }
    }
}
