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

mod lexer;

use self::lexer::Text;
use super::{
    Elements, MemberSource, Members, Name, Read, ReadObject, Rest, Scalar, Stopped, Target,
    read_members, value::Wide,
};
use crate::json::parse_error::ParseError;
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

impl<'a> Text<'a> {
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
            b'"' => self.owned_string().map(Value::from).ok_or(Stopped),
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
    #[inline]
    fn new(text: &'t mut Text<'a>, end: u8) -> Self {
        Self { text, end, is_begun: false, is_closed: false, unknown: None }
    }

    /// Moves to the next member or element; false at the end, which is passed.
    #[inline]
    fn advance(&mut self) -> Result<bool, Stopped> {
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
            b'[' => b']',
            b'"' => b'"',
            _ => return self.value(target),
        };
        // A list of lists, or a string with a quote in it, is cut here: then `read` does not know it.
        let rest = &self.text.json[self.text.at..];
        let length = find(closing, &rest.as_bytes()[1..]).ok_or(Stopped)? + 2;
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

/// Returns the position of the first such byte.
///
/// Against `str::find`, base64 is read in a tenth fewer instructions, and lists of floats in 3 % fewer. Blocks of 32 bytes would save
/// 4 % more of base64, but most lists are the bytes of a token: a chunk with log probabilities would take 2 % more.
fn find(wanted: u8, bytes: &[u8]) -> Option<usize> {
    let mut rest = bytes;
    // Without branches inside, a block is compared as one vector.
    while let Some((block, later)) = rest.split_first_chunk::<16>() {
        if block.iter().fold(false, |found, byte| found | (*byte == wanted)) {
            break;
        }
        rest = later;
    }
    let place = rest.iter().position(|byte| *byte == wanted)?;
    Some(bytes.len() - rest.len() + place)
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
