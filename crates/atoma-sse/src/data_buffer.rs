//! The data of the event being read.

use crate::utf8::{PartialCharacter, from_utf8, split_partial};
use alloc::{string::String, vec::Vec};
use core::mem;

/// The data of one event, as bytes or as validated text.
///
/// ```text
///   short parts            bytes: append ... append ──► validated as a whole, borrowed or copied
///   parts of 1 KiB         text:  validate, append ... ──► taken over by the owned event, no copy
///   and more                        │       ▲
///                                   ▼       │ completed by the next part
///                                partial: a character that the end of a part split
/// ```
///
/// Validating a long part as it arrives finds it in the cache, and the only safe way to a `String`
/// without a second validation or copy is to have appended text. For short parts the call per part
/// costs more than that. Data turns from text into bytes when a part is not UTF-8; the replacement
/// characters are then put in at the end.
///
/// Invariants: at most one of `bytes` and `text` has a buffer, and `partial` is empty while `text`
/// is.
#[derive(Debug, Clone, Default)]
pub(crate) struct DataBuffer {
    bytes: Vec<u8>,
    text: String,
    /// The beginning of a character after `text`, whose end has not arrived.
    partial: PartialCharacter,
    /// The capacity of the last text that was taken: the next event is probably as long, and its text
    /// starts with this capacity and with its first part, however short. 0 after one that was not.
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

    /// Returns the data: as text if it has been validated, otherwise as bytes.
    #[inline(always)]
    pub(crate) fn get(&mut self) -> Result<&str, &[u8]> {
        if self.partial.len() > 0 {
            // The data ends inside a character, which needs a replacement character.
            self.become_bytes();
        }
        if self.is_text() { Ok(&self.text) } else { Err(&self.bytes) }
    }

    /// Ends the event. Returns whether a text fills at least half of its buffer, so that giving the
    /// buffer away wastes less than it saves.
    #[inline(always)]
    pub(crate) fn end(&mut self) -> bool {
        let is_well_filled = self.text.len() >= self.text.capacity() / 2;
        if !is_well_filled {
            self.usual_room = 0;
        }
        is_well_filled
    }

    /// Takes the text with its buffer.
    pub(crate) fn take_text(&mut self) -> String {
        self.usual_room = self.text.capacity();
        mem::take(&mut self.text)
    }

    /// Removes the data and keeps the buffer.
    #[inline(always)]
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.text.clear();
        self.partial = PartialCharacter::default();
    }

    /// Appends a byte. Returns `false` if the buffer is full, or the data is text.
    #[inline(always)]
    pub(crate) fn push(&mut self, byte: u8) -> bool {
        push(&mut self.bytes, byte)
    }

    /// Appends a part. The buffer grows in steps, but never beyond the limit.
    #[inline(always)]
    pub(crate) fn append(&mut self, part: &[u8], limit: usize) {
        if part.len() > self.bytes.capacity() - self.bytes.len() {
            self.append_elsewhere(part, limit);
        } else {
            extend(&mut self.bytes, part);
        }
    }

    /// Stores a long value, in a buffer of exactly its size if the present one does not fit. The
    /// buffer must be empty.
    pub(crate) fn fill(&mut self, value: &[u8], limit: usize) {
        if !(value.len()..=2 * value.len()).contains(&self.text.capacity()) {
            self.bytes = Vec::new();
            self.text = String::with_capacity(value.len());
        }
        self.append(value, limit);
    }

    /// Appends to the text, or to bytes whose buffer has to grow. While there is text, `bytes` has no
    /// buffer, so that one comparison in `append` leads here in both cases.
    #[cold]
    #[inline(never)]
    fn append_elsewhere(&mut self, part: &[u8], limit: usize) {
        let mut rest = part;
        let is_long = part.len() >= LONG || (self.usual_room > 0 && self.bytes.is_empty());
        // Long data that is bytes already stays bytes: turning it into text would validate it once
        // for every part.
        if self.is_text() || (is_long && self.bytes.len() < LONG && self.become_text()) {
            rest = self.append_text(part, limit);
        }
        if !rest.is_empty() {
            self.become_bytes();
            append(&mut self.bytes, rest, limit);
        }
    }

    /// Appends the part as far as it is UTF-8, and returns the rest.
    fn append_text<'p>(&mut self, part: &'p [u8], limit: usize) -> &'p [u8] {
        let needed = self.len() + part.len();
        if needed > self.text.capacity() {
            let room = grown(needed, limit).max(self.usual_room);
            self.text.reserve_exact(room - self.text.len());
        }
        let mut rest = part;
        if self.partial.len() > 0 {
            // The part may be shorter than the rest of the character.
            if !self.partial.complete(&mut rest) {
                return rest;
            }
            let Some(character) = from_utf8(self.partial.as_bytes()) else { return rest };
            self.text.push_str(character);
            self.partial = PartialCharacter::default();
        }
        while !rest.is_empty() {
            let (piece, behind) = rest.split_at(piece_length(rest));
            let (whole, partial) = split_partial(piece);
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

    /// Turns the bytes into text. Returns `false` if they are not UTF-8.
    fn become_text(&mut self) -> bool {
        if self.bytes.capacity() > 0 {
            match String::from_utf8(mem::take(&mut self.bytes)) {
                Ok(text) => self.text = text,
                Err(error) => self.bytes = error.into_bytes(),
            }
        }
        self.bytes.is_empty()
    }

    /// Turns the text into bytes, the partial character included.
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

/// The length from which a part is validated on arrival. Measured for events of 64 KiB in chunks of
/// 1400 B: 19.3 GB/s owned with 1 KiB, 15.4 with 4 KiB. It is far more than an owned event holds
/// without an allocation, so that no text that is taken over could have been stored inline.
const LONG: usize = 1024;
/// The length from which a value that is whole in the input is validated and copied in pieces, for an
/// owned event.
pub(crate) const LONG_VALUE: usize = 16 * 1024;

/// The most that is validated and then copied at a time.
const PIECE: usize = 2 * 1024;
const CACHE_LINE: usize = 64;

/// Returns the length of the next piece of a part, which is validated and then copied.
///
/// Owned events of 64 KiB take 1.50 µs; with pieces of 16 KiB they take 1.59 µs, with 1 KiB 1.53 µs. And
/// 1.56 µs if the pieces do not start at cache lines of the part, where no vector that the validation
/// loads lies in two of them. The last piece is up to a line longer, instead of leaving a few bytes to
/// another.
///
/// A piece is too short for the `rep movsb` that glibc copies with from 2112 bytes on. Zen processors
/// run it at a fraction of the speed if the destination is a few bytes past the source, in whatever
/// pages the two are, and that distance depends on the heap:
///
/// ```text
///   (destination - source) % 4096      0      1..16    48..64    65    128..4096
///   one call, GB/s                    54       3.5        29     36           54
///   pieces of 2 KiB, GB/s             54        54        54     54           54
/// ```
fn piece_length(part: &[u8]) -> usize {
    if part.len() < PIECE + CACHE_LINE {
        part.len()
    } else {
        PIECE - part.as_ptr().addr() % CACHE_LINE
    }
}

/// Appends `bytes`. The buffer grows in steps, but never beyond the limit.
#[inline(always)]
pub(crate) fn append(buffer: &mut Vec<u8>, bytes: &[u8], limit: usize) {
    if bytes.len() > buffer.capacity() - buffer.len() {
        grow(buffer, bytes.len(), limit);
    }
    extend(buffer, bytes);
}

/// Appends a byte. Returns `false` if the buffer is full.
#[inline(always)]
pub(crate) fn push(buffer: &mut Vec<u8>, byte: u8) -> bool {
    let has_room = buffer.len() < buffer.capacity();
    if has_room {
        buffer.push(byte);
    }
    has_room
}

// A single byte is stored without a call of `memcpy`.
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

/// Returns the capacity to reserve for `needed` bytes, never more than the limit if that is enough.
///
/// ```text
///   256 B ─×2─► … 16 KiB ─×4─► … 1 MiB ─×8─► 8 MiB ─×2─► …
/// ```
///
/// The longer the data, the larger the step: copying long data once more costs more than reserving
/// memory that is not touched yet. Beyond 8 MiB the waste would be felt.
fn grown(needed: usize, limit: usize) -> usize {
    let mut room = SMALLEST_BUFFER;
    while room < needed {
        let times = match room {
            0x4000..0x10_0000 => 4,
            0x10_0000..0x80_0000 => 8,
            _ => 2,
        };
        room = room.saturating_mul(times);
    }
    room.min(limit).max(needed)
}

const SMALLEST_BUFFER: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_grow_in_larger_steps_the_longer_the_data() {
        for (needed, limit, capacity) in [
            (0, 4096, 256),
            (256, 4096, 256),
            (257, 4096, 512),
            (0x2000, usize::MAX, 0x2000),
            (0x2001, usize::MAX, 0x4000),
            (0x4000, usize::MAX, 0x4000),
            (0x4001, usize::MAX, 0x1_0000),
            (0x4_0001, usize::MAX, 0x10_0000),
            (0x10_0000, usize::MAX, 0x10_0000),
            (0x10_0001, usize::MAX, 0x80_0000),
            (0x80_0001, usize::MAX, 0x100_0000),
            (257, 300, 300),
            (301, 300, 301),
            (10, 20, 20),
            (usize::MAX, usize::MAX, usize::MAX),
        ] {
            assert_eq!(grown(needed, limit), capacity, "{needed} within {limit}");
        }
    }

    #[test]
    fn a_buffer_never_grows_beyond_the_limit() {
        let mut buffer = Vec::new();
        for (length, capacity) in [(200, 256), (256, 256), (257, 300), (300, 300)] {
            let part = b"x".repeat(length - buffer.len());
            append(&mut buffer, &part, 300);
            assert_eq!((buffer.len(), buffer.capacity()), (length, capacity));
        }
        assert!(!push(&mut buffer, b'x'));
    }

    #[test]
    fn long_parts_are_text_and_short_ones_bytes() {
        let (short, long) = ([b'x'; LONG - 1], [b'x'; LONG]);
        for (name, parts, is_text) in [
            ("short", &[&short[..]][..], false),
            ("long", &[&long[..]], true),
            ("short, then long", &[&short, &long], true),
            ("long, then short", &[&long, &b"x"[..]], true),
            ("long as bytes, then long", &[&short, &short, &long], false),
            ("long, then malformed", &[&long, b"\xFF", &long], false),
            ("malformed, then long", &[b"\xFF", &long], false),
        ] {
            let mut data = DataBuffer::default();
            for part in parts {
                data.append(part, usize::MAX);
            }
            assert_eq!(data.len(), parts.concat().len(), "{name}");
            assert_eq!(data.is_text(), is_text, "{name}");
            let bytes = data.get().map_or_else(<[u8]>::to_vec, |text| text.as_bytes().to_vec());
            assert!(bytes == parts.concat(), "{name}");
        }
    }

    #[test]
    fn long_text_is_copied_whole_for_every_distance() {
        let text = "é東x😀".repeat(700);
        for (start, _) in text.char_indices().take(4 * 64) {
            let mut data = DataBuffer::default();
            data.fill(&text.as_bytes()[start..], usize::MAX);
            assert!(data.end());
            assert_eq!(data.take_text(), text[start..], "{start}");
        }
    }

    #[test]
    fn a_long_value_keeps_a_buffer_of_at_most_twice_its_size() {
        let mut data = DataBuffer::default();
        for (length, capacity) in
            [(4000, 4000), (4000, 4000), (2000, 4000), (1999, 1999), (2000, 2000)]
        {
            data.fill(&b"x".repeat(length), usize::MAX);
            assert_eq!((data.text.len(), data.text.capacity()), (length, capacity));
            data.clear();
        }
    }

    #[test]
    fn short_parts_are_text_while_long_texts_are_taken() {
        let mut data = DataBuffer::default();
        for (part, is_text) in [
            (&b"x".repeat(LONG)[..], true),
            (b"short", true),
            // The one before left most of the buffer empty.
            (b"short", false),
        ] {
            data.append(part, usize::MAX);
            assert_eq!(data.is_text(), is_text, "{} bytes", part.len());
            if data.end() && data.is_text() {
                data.take_text();
            }
            data.clear();
        }
    }

    #[test]
    fn a_buffer_is_taken_if_half_of_it_is_used() {
        let text = |length| {
            let mut data = DataBuffer::default();
            data.append(&b"x".repeat(length), usize::MAX);
            data
        };
        assert!(!text(0x7FFF).end());
        let mut data = text(0x8000);
        assert!(data.end());
        assert_eq!(data.take_text().capacity(), 0x1_0000);
        // The next text starts with the same capacity.
        data.append(&[b'x'; LONG], usize::MAX);
        assert_eq!(data.take_text().capacity(), 0x1_0000);
    }
}
