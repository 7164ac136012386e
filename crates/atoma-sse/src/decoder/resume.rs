//! The lines that the end of the input splits. The parsed part of one is in `PartialLine` and
//! `Position`; the next input continues there.

use super::Decoder;
use crate::{
    DecodeError,
    data_buffer::{append, push},
    line::{self, FieldName},
    partial_line::Position,
};
use core::mem;

impl Decoder {
    /// Continues where the last input ended, up to the start of a line or the end of the input.
    ///
    /// The two positions that a stream of split events spends its time in are handled here, with one
    /// search and one comparison; all others are in `resume_elsewhere`, out of line.
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

    /// Takes an input of a single byte, if that byte only lengthens a line or ends one. Returns
    /// `false` and changes nothing if more has to be decided: at a limit, in a full buffer, at a
    /// blank line, in the byte order mark. The general path takes the byte then.
    ///
    /// Some servers and test suites send byte by byte. The general path sets up a search for every
    /// input, which costs a multiple of looking at one byte.
    pub(super) fn take_byte(&mut self, byte: u8) -> bool {
        if line::is_end(&byte) {
            // Only values that need no further work end here. A CR is left to the general path, which
            // notes that a LF may follow.
            let ends = byte == b'\n' && matches!(self.position, Position::Data | Position::Ignored);
            if ends {
                self.position = Position::LineStart;
            }
            return ends;
        }
        if self.position == Position::LineStart {
            let is_junk = self.accepts_flawed_names && line::is_junk(byte);
            if self.builder.is_skipped() || is_junk || self.is_bare_json(&[byte]) {
                return false;
            }
            self.builder.release();
            self.partial_line.begin(self.limits.line);
            self.position = Position::Name;
        }
        if self.partial_line.room == 0 {
            return false;
        }
        let taken = match self.position {
            Position::Data => self.builder.push_data(byte),
            Position::Value(_) => push(&mut self.partial_line.value, byte),
            // Only junk came so far.
            Position::Name if self.accepts_flawed_names && self.partial_line.name().is_empty() => {
                line::is_junk(byte) || self.partial_line.push_name(byte)
            }
            Position::Name => self.partial_line.push_name(byte),
            Position::Ignored => true,
            Position::Colon(FieldName::Data) if byte == b' ' => {
                self.position = Position::Data;
                let room = self.builder.data_room(self.limits.event);
                // One more, for the space that is subtracted below and is not data.
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

    /// Takes the first part of a line that has no end in the input, or whose end is past the limit.
    pub(super) fn begin_line(&mut self, part: &[u8]) -> Result<(), DecodeError> {
        if self.builder.is_skipped() {
            self.skip_event();
            return Ok(());
        }
        self.partial_line.begin(self.limits.line);
        match part.strip_prefix(b"data: ") {
            // The usual line: its name is not collected byte by byte.
            Some(value) if part.len() <= self.limits.line => {
                self.partial_line.room -= part.len();
                self.builder.begin_data(self.limits.event)?;
                self.position = Position::Data;
                self.continue_data(value)
            }
            _ if self.is_bare_json(part) => {
                // The line is its own value: it is at the place after a colon and a space.
                self.builder.begin_data(self.limits.event)?;
                self.position = Position::Data;
                self.continue_line(part)
            }
            _ => {
                self.position = Position::Name;
                self.continue_line(part)
            }
        }
    }

    /// Skips the rest of the line and of its event, however long they are.
    #[cold]
    pub(super) fn skip_event(&mut self) {
        self.builder.skip();
        self.position = Position::Ignored;
        self.partial_line.room = usize::MAX;
    }

    /// Returns the error of the limit that leaves no more room. Where both are exceeded by the same
    /// byte, that is the event's.
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

    /// Takes a leading byte order mark (Encoding Standard, "UTF-8 decode"). Returns `true` if bytes
    /// that looked like one turned out to begin a line; that line has been begun then.
    fn pass_byte_order_mark(&mut self, input: &mut &[u8]) -> Result<bool, DecodeError> {
        const MARK: &[u8] = b"\xEF\xBB\xBF";
        while let Some((first, rest)) = input.split_first() {
            let matched = self.partial_line.mark_length();
            if *first != MARK[matched] {
                self.position = Position::LineStart;
                if matched > 0 {
                    self.begin_line(&MARK[..matched])?;
                }
                return Ok(matched > 0);
            }
            *input = rest;
            self.partial_line.set_mark_length(matched + 1);
            if matched + 1 == MARK.len() {
                self.position = Position::LineStart;
                break;
            }
        }
        Ok(false)
    }

    /// Takes more of the line, without its end: from the name through the colon into the value, as
    /// far as `part` goes.
    ///
    /// Bytes beyond the line's limit are an error only after those before it have been taken: an
    /// event that is too large is reported as such even if the same part exceeds the line as well,
    /// and so the error does not depend on where the input was split.
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

    /// Takes the first part of a `data` value, and lets the event's limit bound the line's room.
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

    /// Collects the field name. Returns the part after its colon.
    #[inline(always)]
    fn continue_name<'i>(&mut self, part: &'i [u8]) -> Result<&'i [u8], DecodeError> {
        let junk = match self.partial_line.name() {
            [] => part.len() - self.without_junk(part).len(),
            _ => 0,
        };
        for (index, &byte) in part.iter().enumerate().skip(junk) {
            if self.partial_line.push_name(byte) {
                continue;
            }
            if byte == b':' {
                self.comments += u64::from(self.partial_line.name().is_empty());
                let field = self.partial_field()?;
                self.position = field.map_or(Position::Ignored, Position::Colon);
                return Ok(&part[index + 1..]);
            }
            // Longer than every known name: an unknown field.
            self.position = Position::Ignored;
            break;
        }
        Ok(&[])
    }

    /// Returns the field whose name has been collected.
    fn partial_field(&mut self) -> Result<Option<FieldName>, DecodeError> {
        let field = self.field_named(self.partial_line.name());
        self.begin_field(field)
    }

    fn end_line(&mut self) -> Result<(), DecodeError> {
        match self.position {
            Position::Name => match self.partial_field()? {
                Some(field) => self.apply(field, b""),
                None => Ok(()),
            },
            Position::Colon(field) | Position::Value(field) => {
                // Taken and put back, so that its buffer serves the next line as well.
                let value = mem::take(&mut self.partial_line.value);
                let applied = self.apply(field, &value);
                self.partial_line.value = value;
                applied
            }
            _ => Ok(()),
        }
    }
}
