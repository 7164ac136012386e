//! The lines that the input cuts: what of them has been read is kept here, field by field, so that
//! no byte is looked at twice and a comment leaves nothing behind.

use alloc::vec::Vec;
use core::mem;

use super::{Decoder, Position};
use crate::DecodeError;
use crate::data_buffer::{append, push};
use crate::line::{self, FieldName, LONGEST_NAME};

#[derive(Debug, Clone, Default)]
pub(super) struct PartialLine {
    /// How many more bytes the line may have, and in `data` how many the event may.
    room: usize,
    /// The field's name, or the byte order mark, as far as it goes.
    head: [u8; LONGEST_NAME],
    head_length: usize,
    /// The value of a field other than `data`.
    value: Vec<u8>,
}

impl PartialLine {
    pub(super) fn name(&self) -> &[u8] {
        &self.head[..self.head_length]
    }

    /// False at the colon, and if the name is longer than any.
    #[inline(always)]
    fn push_name(&mut self, byte: u8) -> bool {
        let pushed = byte != b':' && self.head_length < LONGEST_NAME;
        if pushed {
            self.head[self.head_length] = byte;
            self.head_length += 1;
        }
        pushed
    }

    pub(super) fn clear(&mut self) {
        self.head_length = 0;
        self.value.clear();
    }
}

impl Decoder {
    /// Goes on where the last input ended, up to the start of a line or the end of the input.
    #[inline(always)]
    pub(super) fn resume(&mut self, input: &mut &[u8]) -> Result<(), DecodeError> {
        if !matches!(self.position, Position::Data | Position::Ignored) {
            return self.resume_elsewhere(input);
        }
        let end = line::find_end(input, 64);
        let part = &input[..end.unwrap_or(input.len())];
        if part.len() > self.partial_line.room {
            return Err(self.limit_error());
        }
        self.partial_line.room -= part.len();
        if self.position == Position::Data {
            self.builder.extend_data(part, self.limits.event);
        }
        *input = &input[part.len()..];
        if end.is_some() {
            self.position = Position::LineStart;
            *input = self.pass_line_end(input);
        }
        Ok(())
    }

    /// Takes a byte that comes alone, if that is simple: if it makes a line longer, within the limits
    /// and the room there is, or ends one. False if it is left.
    pub(super) fn take_byte(&mut self, byte: u8) -> bool {
        if line::is_end(&byte) {
            let ends = byte == b'\n' && matches!(self.position, Position::Data | Position::Ignored);
            if ends {
                self.position = Position::LineStart;
            }
            return ends;
        }
        if self.position == Position::LineStart {
            if self.builder.is_skipped() {
                return false;
            }
            self.builder.release();
            self.partial_line.clear();
            self.partial_line.room = self.limits.line;
            self.position = Position::Name;
        }
        if self.partial_line.room == 0 {
            return false;
        }
        let taken = match self.position {
            Position::Data => self.builder.push_data(byte),
            Position::Value(_) => push(&mut self.partial_line.value, byte),
            Position::Name => self.partial_line.push_name(byte),
            Position::Ignored => true,
            Position::Colon(FieldName::Data) if byte == b' ' => {
                self.position = Position::Data;
                let room = self.builder.data_room(self.limits.event);
                self.partial_line.room = self.partial_line.room.min(room.saturating_add(1));
                true
            }
            _ => false,
        };
        if taken {
            self.partial_line.room -= 1;
        }
        taken
    }

    /// Takes the first part of a line whose end is not in sight, or beyond the limit.
    pub(super) fn begin_line(&mut self, part: &[u8]) -> Result<(), DecodeError> {
        if self.builder.is_skipped() {
            self.skip_event();
            return Ok(());
        }
        self.partial_line.clear();
        self.partial_line.room = self.limits.line;
        match part.strip_prefix(b"data: ") {
            // The usual line, without collecting its name.
            Some(value) if part.len() <= self.limits.line => {
                self.partial_line.room -= part.len();
                self.builder.begin_data(self.limits.event)?;
                self.position = Position::Data;
                self.continue_data(value)
            }
            _ => {
                self.position = Position::Name;
                self.continue_line(part)
            }
        }
    }

    /// Passes over the rest of the line and of its event, however long they are.
    #[cold]
    pub(super) fn skip_event(&mut self) {
        self.builder.skip();
        self.position = Position::Ignored;
        self.partial_line.room = usize::MAX;
    }

    /// Which of the limits leaves no more room.
    #[cold]
    fn limit_error(&self) -> DecodeError {
        if self.position == Position::Data
            && self.builder.data_room(self.limits.event) <= self.partial_line.room
        {
            DecodeError::event_too_large(self.limits.event)
        } else {
            DecodeError::line_too_large(self.limits.line)
        }
    }

    #[inline(never)]
    fn resume_elsewhere(&mut self, input: &mut &[u8]) -> Result<(), DecodeError> {
        if self.position == Position::StreamStart && !self.pass_byte_order_mark(input)? {
            return Ok(());
        }
        if self.position == Position::AfterCr {
            if !input.is_empty() {
                *input = input.strip_prefix(b"\n").unwrap_or(input);
                self.position = Position::LineStart;
            }
            return Ok(());
        }
        let end = line::find_end(input, 16);
        let (part, rest) = input.split_at(end.unwrap_or(input.len()));
        self.continue_line(part)?;
        *input = rest;
        if end.is_some() {
            self.end_line()?;
            self.position = Position::LineStart;
            *input = self.pass_line_end(rest);
        }
        Ok(())
    }

    /// Takes a leading byte order mark (Encoding Standard, "UTF-8 decode"). True if the bytes that
    /// looked like one have turned out to begin a line.
    fn pass_byte_order_mark(&mut self, input: &mut &[u8]) -> Result<bool, DecodeError> {
        const MARK: &[u8] = b"\xEF\xBB\xBF";
        while let Some((first, rest)) = input.split_first() {
            let matched = self.partial_line.head_length;
            if *first != MARK[matched] {
                self.position = Position::LineStart;
                if matched > 0 {
                    self.begin_line(&MARK[..matched])?;
                }
                return Ok(matched > 0);
            }
            *input = rest;
            self.partial_line.head_length += 1;
            if self.partial_line.head_length == MARK.len() {
                self.position = Position::LineStart;
                break;
            }
        }
        Ok(false)
    }

    #[inline(always)]
    fn continue_line(&mut self, part: &[u8]) -> Result<(), DecodeError> {
        let (mut part, excess) = part.split_at(part.len().min(self.partial_line.room));
        self.partial_line.room -= part.len();
        if self.position == Position::Name {
            part = self.continue_name(part)?;
        }
        if let (Position::Colon(field), Some(_)) = (self.position, part.first()) {
            part = line::without_space(part);
            self.position = match field {
                FieldName::Data => Position::Data,
                other => Position::Value(other),
            };
        }
        match self.position {
            Position::Data => self.continue_data(part)?,
            Position::Value(_) => append(&mut self.partial_line.value, part, self.limits.line),
            _ => {}
        }
        if excess.is_empty() { Ok(()) } else { Err(self.limit_error()) }
    }

    /// Takes the first part of a value, and with it the event's limit into account.
    #[inline(always)]
    fn continue_data(&mut self, part: &[u8]) -> Result<(), DecodeError> {
        let room = self.builder.data_room(self.limits.event);
        if part.len() > room {
            return Err(DecodeError::event_too_large(self.limits.event));
        }
        self.builder.extend_data(part, self.limits.event);
        self.partial_line.room = self.partial_line.room.min(room - part.len());
        Ok(())
    }

    /// Collects the field's name. Gives back what comes behind its colon.
    #[inline(always)]
    fn continue_name<'i>(&mut self, part: &'i [u8]) -> Result<&'i [u8], DecodeError> {
        for (index, &byte) in part.iter().enumerate() {
            if byte == b':' {
                let head = self.partial_line.head;
                let field = self.field_named(&head[..self.partial_line.head_length])?;
                self.position = field.map_or(Position::Ignored, Position::Colon);
                return Ok(&part[index + 1..]);
            }
            if self.partial_line.head_length == LONGEST_NAME {
                self.position = Position::Ignored;
                break;
            }
            self.partial_line.head[self.partial_line.head_length] = byte;
            self.partial_line.head_length += 1;
        }
        Ok(&[])
    }

    fn end_line(&mut self) -> Result<(), DecodeError> {
        match self.position {
            Position::Name => {
                let head = self.partial_line.head;
                match self.field_named(&head[..self.partial_line.head_length])? {
                    Some(field) => self.apply(field, b""),
                    None => Ok(()),
                }
            }
            Position::Colon(field) | Position::Value(field) => {
                let value = mem::take(&mut self.partial_line.value);
                let applied = self.apply(field, &value);
                self.partial_line.value = value;
                applied
            }
            _ => Ok(()),
        }
    }
}
