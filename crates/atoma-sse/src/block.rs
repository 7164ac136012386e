//! The event being put together: the buffers of the standard, and what they may hold.

use alloc::string::String;
use alloc::vec::Vec;
use core::mem;
use core::str;

use crate::{DecodeError, Event, Unfinished};

/// The fields of the block being read, and the last event id.
///
/// The invariant: while the stage is `Empty`, all buffers but `id` are empty.
#[derive(Debug, Clone, Default)]
pub(crate) struct Block {
    stage: Stage,
    has_data: bool,
    has_next_id: bool,
    /// The values of the `data` fields, a LF between them.
    data: Vec<u8>,
    name: String,
    /// The `id` field of this block, which counts from its blank line on.
    next_id: String,
    id: String,
    /// Data whose malformed UTF-8 had to be replaced.
    replaced: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Stage {
    /// No field of the block has come yet.
    #[default]
    Empty,
    Open,
    /// The event is out, lent from these buffers, which can be cleared.
    Lent,
    /// The block went over a limit: its remaining lines are passed over.
    Skipped,
}

impl Block {
    #[inline(always)]
    pub(crate) fn is_empty(&self) -> bool {
        self.stage == Stage::Empty
    }

    #[inline(always)]
    pub(crate) fn is_skipped(&self) -> bool {
        self.stage == Stage::Skipped
    }

    /// Makes room for the next block once the event that was lent is no longer in use.
    #[inline(always)]
    pub(crate) fn release(&mut self) {
        if self.stage == Stage::Lent {
            self.clear();
        }
    }

    /// Drops what the block holds, and what is left of it to come.
    pub(crate) fn skip(&mut self) {
        self.clear();
        self.stage = Stage::Skipped;
    }

    pub(crate) fn clear(&mut self) {
        self.data.clear();
        self.name.clear();
        self.has_data = false;
        self.has_next_id = false;
        self.stage = Stage::Empty;
    }

    /// A `data` field begins: its value is parted from an earlier one by a LF.
    #[inline]
    pub(crate) fn begin_data(&mut self, limit: usize) -> Result<(), DecodeError> {
        if self.has_data {
            self.append_data(b"\n", limit)?;
        }
        self.has_data = true;
        self.stage = Stage::Open;
        Ok(())
    }

    /// More of the value of a `data` field.
    #[inline(always)]
    pub(crate) fn append_data(&mut self, value: &[u8], limit: usize) -> Result<(), DecodeError> {
        if value.len() > limit - self.data.len() {
            return Err(DecodeError::event_too_long(limit));
        }
        self.extend_data(value, limit);
        Ok(())
    }

    /// The same where there is known to be room.
    #[inline(always)]
    pub(crate) fn extend_data(&mut self, value: &[u8], limit: usize) {
        append(&mut self.data, value, limit);
    }

    /// How much more data the event may have.
    #[inline(always)]
    pub(crate) fn data_room(&self, limit: usize) -> usize {
        limit - self.data.len()
    }

    pub(crate) fn set_name(&mut self, value: &[u8], limit: usize) -> Result<(), DecodeError> {
        self.stage = Stage::Open;
        if value == Event::MESSAGE.as_bytes() {
            self.name.clear();
            return Ok(());
        }
        set_text(&mut self.name, value, limit)
    }

    /// An id with a NUL is ignored.
    pub(crate) fn set_id(&mut self, value: &[u8], limit: usize) -> Result<(), DecodeError> {
        if value.contains(&0) {
            return Ok(());
        }
        self.stage = Stage::Open;
        self.has_next_id = true;
        set_text(&mut self.next_id, value, limit)
    }

    /// The blank line has come. True if there is an event to lend.
    #[inline]
    pub(crate) fn end(&mut self) -> bool {
        if self.stage == Stage::Empty {
            return false;
        }
        if self.has_next_id {
            mem::swap(&mut self.id, &mut self.next_id);
        }
        if self.has_data {
            self.stage = Stage::Lent;
            return true;
        }
        self.clear();
        false
    }

    /// The event whose block has just ended.
    #[inline]
    pub(crate) fn event(&mut self, limit: usize) -> Result<Event<'_>, DecodeError> {
        let data = text(&self.data, &mut self.replaced, limit)?;
        Ok(Event { name: &self.name, data, id: &self.id })
    }

    /// An event that is one `data` line and nothing else, straight from the input.
    #[inline(always)]
    pub(crate) fn lend<'a>(
        &'a mut self,
        data: &'a [u8],
        limit: usize,
    ) -> Result<Event<'a>, DecodeError> {
        let data = text(data, &mut self.replaced, limit)?;
        Ok(Event { name: "", data, id: &self.id })
    }

    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// Ends the stream inside the block; `cut` tells that its last line was cut.
    pub(crate) fn finish(&mut self, cut: bool) -> Option<Unfinished> {
        self.release();
        let unfinished = (self.stage == Stage::Open || cut) && self.stage != Stage::Skipped;
        let left = unfinished.then(|| Unfinished {
            name: mem::take(&mut self.name),
            data: String::from_utf8_lossy(&self.data).into_owned(),
        });
        self.clear();
        left
    }
}

/// Appends, growing from one power of two to another but never beyond the limit.
#[inline(always)]
pub(crate) fn append(buffer: &mut Vec<u8>, bytes: &[u8], limit: usize) {
    if bytes.len() > buffer.capacity() - buffer.len() {
        grow(buffer, bytes.len(), limit);
    }
    match bytes {
        [byte] => buffer.push(*byte),
        _ => buffer.extend_from_slice(bytes),
    }
}

#[cold]
#[inline(never)]
fn grow(buffer: &mut Vec<u8>, more: usize, limit: usize) {
    let needed = buffer.len() + more;
    let room = needed.checked_next_power_of_two().unwrap_or(needed).max(SMALLEST_BUFFER).min(limit);
    buffer.reserve_exact(room.max(needed) - buffer.len());
}

const SMALLEST_BUFFER: usize = 256;

/// The bytes as text: themselves if they are UTF-8, otherwise replaced.
#[inline(always)]
fn text<'a>(
    bytes: &'a [u8],
    replaced: &'a mut String,
    limit: usize,
) -> Result<&'a str, DecodeError> {
    match from_utf8(bytes) {
        Some(text) => Ok(text),
        None if replace(bytes, replaced, limit) => Ok(replaced),
        None => Err(DecodeError::event_too_long(limit)),
    }
}

#[cfg(not(feature = "simdutf8"))]
#[inline(always)]
fn from_utf8(bytes: &[u8]) -> Option<&str> {
    str::from_utf8(bytes).ok()
}

/// Vector instructions pay from some hundred bytes on, earlier where not all is ASCII.
#[cfg(feature = "simdutf8")]
#[inline(always)]
fn from_utf8(bytes: &[u8]) -> Option<&str> {
    if bytes.len() < 128 {
        str::from_utf8(bytes).ok()
    } else {
        simdutf8::basic::from_utf8(bytes).ok()
    }
}

fn set_text(to: &mut String, value: &[u8], limit: usize) -> Result<(), DecodeError> {
    match str::from_utf8(value) {
        Ok(text) => {
            to.clear();
            to.push_str(text);
            Ok(())
        }
        Err(_) if replace(value, to, limit) => Ok(()),
        Err(_) => Err(DecodeError::line_too_long(limit)),
    }
}

/// Replaces each maximal ill-formed part by one U+FFFD, as the Encoding Standard's UTF-8 decoder
/// does. False if the text would be longer than the limit.
#[cold]
#[inline(never)]
fn replace(bytes: &[u8], to: &mut String, limit: usize) -> bool {
    to.clear();
    for chunk in bytes.utf8_chunks() {
        let malformed = if chunk.invalid().is_empty() { "" } else { "\u{FFFD}" };
        if chunk.valid().len() + malformed.len() > limit - to.len() {
            return false;
        }
        to.push_str(chunk.valid());
        to.push_str(malformed);
    }
    true
}
