//! Objects and lists of a text.

use super::Text;
use crate::wire::{
    Elements, MemberSource, Members, Name, Read, ReadObject, Rest, Stopped, Target, read_members,
};
use serde_json::{Map, Value};
use std::borrow::Cow;

/// An object or a list that is being read.
pub(super) struct Open<'t, 'a> {
    /// Borrowed from the level around this one, which cannot read on until this level is closed.
    pub(super) text: &'t mut Text<'a>,
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
    pub(super) fn new(text: &'t mut Text<'a>, end: u8) -> Self {
        Self { text, end, is_begun: false, is_closed: false, unknown: None }
    }

    /// Moves to the next member or element; false at the end, which is passed.
    #[inline]
    pub(super) fn advance(&mut self) -> Result<bool, Stopped> {
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
    pub(super) fn member_name(&mut self) -> Option<Cow<'a, str>> {
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
    pub(super) fn read(
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
