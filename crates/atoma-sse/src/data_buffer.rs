//! The data of one event, as it is put together.

use alloc::string::String;
use alloc::vec::Vec;
use core::mem;

use crate::utf8::{PartialCharacter, from_utf8, split_partial};

/// Bytes, or text if it comes in long pieces: those are checked while the processor has them at
/// hand, and the text can be handed over. Short pieces are cheaper to check all at once.
///
/// The invariant: at most one of `bytes` and `text` has a buffer; while there is no text, nothing is
/// cut.
#[derive(Debug, Clone, Default)]
pub(crate) struct DataBuffer {
    bytes: Vec<u8>,
    text: String,
    /// What stands behind the text of a character whose end is still to come.
    partial: PartialCharacter,
    /// The room of the last buffer that was handed over, so that the next one need not grow.
    usual_room: usize,
}

impl DataBuffer {
    #[inline(always)]
    pub(crate) fn len(&self) -> usize {
        self.bytes.len() + self.text.len() + self.partial.len()
    }

    #[inline(always)]
    pub(crate) fn is_text(&self) -> bool {
        !self.text.is_empty()
    }

    /// The data, as text if it is known to be.
    #[inline(always)]
    pub(crate) fn get(&mut self) -> Result<&str, &[u8]> {
        if self.partial.len() > 0 {
            self.become_bytes();
        }
        if self.is_text() { Ok(&self.text) } else { Err(&self.bytes) }
    }

    /// Whether a text fills at least half of its buffer.
    pub(crate) fn is_well_filled(&self) -> bool {
        self.text.len() >= self.text.capacity() / 2
    }

    /// The text and its buffer.
    pub(crate) fn take_text(&mut self) -> String {
        self.usual_room = self.text.capacity();
        mem::take(&mut self.text)
    }

    /// Empties the buffer, which is kept.
    #[inline(always)]
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.text.clear();
        self.partial = PartialCharacter::default();
    }

    /// Appends a byte. False if that is not simple.
    #[inline(always)]
    pub(crate) fn push(&mut self, byte: u8) -> bool {
        push(&mut self.bytes, byte)
    }

    /// Appends, growing but never beyond the limit.
    #[inline(always)]
    pub(crate) fn append(&mut self, part: &[u8], limit: usize) {
        if part.len() > self.bytes.capacity() - self.bytes.len() {
            self.append_elsewhere(part, limit);
        } else {
            extend(&mut self.bytes, part);
        }
    }

    /// Puts a long value into the empty buffer, which is made exactly as large as it needs to be.
    pub(crate) fn fill(&mut self, value: &[u8], limit: usize) {
        if self.text.capacity() < value.len() {
            self.bytes = Vec::new();
            self.text = String::with_capacity(value.len());
        }
        self.append(value, limit);
    }

    /// Appends to the text, or where the buffer is too small: where it is not, there is no text.
    #[cold]
    #[inline(never)]
    fn append_elsewhere(&mut self, part: &[u8], limit: usize) {
        let mut rest = part;
        if self.is_text() || (part.len() >= LONG && self.bytes.len() < LONG && self.become_text()) {
            rest = self.append_text(part, limit);
        }
        if !rest.is_empty() {
            self.become_bytes();
            append(&mut self.bytes, rest, limit);
        }
    }

    /// Appends what is text of that part. Gives back the rest if not all is.
    fn append_text<'p>(&mut self, part: &'p [u8], limit: usize) -> &'p [u8] {
        let needed = self.len() + part.len();
        if needed > self.text.capacity() {
            let room = grown(needed, limit).max(self.usual_room);
            self.text.reserve_exact(room - self.text.len());
        }
        let mut rest = part;
        if self.partial.len() > 0 {
            if !self.partial.complete(&mut rest) {
                return rest;
            }
            let Some(character) = from_utf8(self.partial.as_bytes()) else { return rest };
            self.text.push_str(character);
            self.partial = PartialCharacter::default();
        }
        while !rest.is_empty() {
            let (block, behind) = rest.split_at(rest.len().min(BLOCK));
            let (whole, partial) = split_partial(block);
            let Some(text) = from_utf8(whole) else { return rest };
            self.text.push_str(text);
            if behind.is_empty() {
                self.partial = PartialCharacter::new(partial);
                break;
            }
            rest = &rest[whole.len()..];
        }
        &[]
    }

    /// False if what there is already is no text.
    fn become_text(&mut self) -> bool {
        if self.bytes.capacity() > 0 {
            match String::from_utf8(mem::take(&mut self.bytes)) {
                Ok(text) => self.text = text,
                Err(error) => self.bytes = error.into_bytes(),
            }
        }
        self.bytes.is_empty()
    }

    #[cold]
    #[inline(never)]
    fn become_bytes(&mut self) {
        if self.text.capacity() > 0 {
            self.bytes = mem::take(&mut self.text).into_bytes();
            self.bytes.extend_from_slice(self.partial.as_bytes());
            self.partial = PartialCharacter::default();
        }
    }
}

/// From how many bytes on a piece is long: far more than an owned event holds without an allocation,
/// so that no text that is handed over should have been one of those.
const LONG: usize = 1024;
/// How much is checked and then copied at a time, so that it is fetched from the memory once.
pub(crate) const BLOCK: usize = 16 * 1024;

/// Appends, growing but never beyond the limit.
#[inline(always)]
pub(crate) fn append(buffer: &mut Vec<u8>, bytes: &[u8], limit: usize) {
    if bytes.len() > buffer.capacity() - buffer.len() {
        grow(buffer, bytes.len(), limit);
    }
    extend(buffer, bytes);
}

/// Appends a byte. False if the buffer has to grow.
#[inline(always)]
pub(crate) fn push(buffer: &mut Vec<u8>, byte: u8) -> bool {
    let has_room = buffer.len() < buffer.capacity();
    if has_room {
        buffer.push(byte);
    }
    has_room
}

#[inline(always)]
fn extend(buffer: &mut Vec<u8>, bytes: &[u8]) {
    match bytes {
        [byte] => buffer.push(*byte),
        _ => buffer.extend_from_slice(bytes),
    }
}

#[cold]
#[inline(never)]
fn grow(buffer: &mut Vec<u8>, more: usize, limit: usize) {
    let room = grown(buffer.len() + more, limit);
    buffer.reserve_exact(room - buffer.len());
}

/// How much room to make where so much is needed, never beyond the limit. The longer the data, the
/// larger the step: it costs more to copy them once more than to reserve what is not touched yet.
fn grown(needed: usize, limit: usize) -> usize {
    let mut room = SMALLEST_BUFFER;
    while room < needed {
        let times = match room {
            0..0x4000 => 2,
            0x4000..0x10_0000 => 4,
            0x10_0000..0x80_0000 => 8,
            _ => 2,
        };
        room = room.saturating_mul(times);
    }
    room.min(limit).max(needed)
}

const SMALLEST_BUFFER: usize = 256;
