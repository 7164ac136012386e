//! The event being put together: the buffers of the standard, and what they may hold.

use alloc::string::String;
use core::mem;
use core::str;

use crate::data_buffer::DataBuffer;
use crate::utf8::from_utf8;
use crate::{DecodeError, Event, IncompleteEvent, OwnedEvent};

/// The fields of the block being read, and the last event id.
///
/// The invariant: while the stage is `Empty`, all buffers but `id` are empty.
#[derive(Debug, Clone, Default)]
pub(crate) struct EventBuilder {
    stage: BlockStage,
    has_data: bool,
    has_next_id: bool,
    /// The values of the `data` fields, a LF between them.
    data: DataBuffer,
    name: String,
    /// The `id` field of this block, which counts from its blank line on.
    next_id: String,
    id: String,
    /// Data whose malformed UTF-8 had to be replaced.
    replaced: String,
}

/// An event whose block has ended.
pub(crate) struct LentEvent<'a> {
    pub(crate) event: Event<'a>,
    /// Whether the block would rather part with the event's buffer than have it copied.
    pub(crate) can_be_taken: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum BlockStage {
    /// No field of the block has come yet.
    #[default]
    Empty,
    Open,
    /// The event is out, lent from these buffers, which can be cleared.
    Lent,
    /// The block went over a limit: its remaining lines are passed over.
    Skipped,
}

impl EventBuilder {
    #[inline(always)]
    pub(crate) fn is_empty(&self) -> bool {
        self.stage == BlockStage::Empty
    }

    #[inline(always)]
    pub(crate) fn is_skipped(&self) -> bool {
        self.stage == BlockStage::Skipped
    }

    /// Makes room for the next block once the event that was lent is no longer in use.
    #[inline(always)]
    pub(crate) fn release(&mut self) {
        if self.stage == BlockStage::Lent {
            self.clear();
        }
    }

    /// Drops what the block holds, and what is left of it to come.
    pub(crate) fn skip(&mut self) {
        self.clear();
        self.stage = BlockStage::Skipped;
    }

    pub(crate) fn clear(&mut self) {
        self.data.clear();
        self.name.clear();
        self.has_data = false;
        self.has_next_id = false;
        self.stage = BlockStage::Empty;
    }

    /// A `data` field begins: its value is parted from an earlier one by a LF.
    #[inline]
    pub(crate) fn begin_data(&mut self, limit: usize) -> Result<(), DecodeError> {
        if self.has_data {
            self.append_data(b"\n", limit)?;
        }
        self.has_data = true;
        self.stage = BlockStage::Open;
        Ok(())
    }

    /// More of the value of a `data` field.
    #[inline(always)]
    pub(crate) fn append_data(&mut self, value: &[u8], limit: usize) -> Result<(), DecodeError> {
        if value.len() > self.data_room(limit) {
            return Err(DecodeError::event_too_large(limit));
        }
        self.extend_data(value, limit);
        Ok(())
    }

    /// The same where there is known to be room.
    #[inline(always)]
    pub(crate) fn extend_data(&mut self, value: &[u8], limit: usize) {
        self.data.append(value, limit);
    }

    /// Appends a byte within the limit. False if that is not simple.
    #[inline(always)]
    pub(crate) fn push_data(&mut self, byte: u8) -> bool {
        self.data.push(byte)
    }

    /// How much more data the event may have.
    #[inline(always)]
    pub(crate) fn data_room(&self, limit: usize) -> usize {
        limit - self.data.len()
    }

    pub(crate) fn set_name(&mut self, value: &[u8], limit: usize) -> Result<(), DecodeError> {
        self.stage = BlockStage::Open;
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
        self.stage = BlockStage::Open;
        self.has_next_id = true;
        set_text(&mut self.next_id, value, limit)
    }

    /// The blank line has come. True if there is an event to lend.
    #[inline]
    pub(crate) fn end(&mut self) -> bool {
        if self.stage == BlockStage::Empty {
            return false;
        }
        if self.has_next_id {
            mem::swap(&mut self.id, &mut self.next_id);
        }
        if self.has_data {
            self.stage = BlockStage::Lent;
            return true;
        }
        self.clear();
        false
    }

    /// The event whose block has just ended.
    #[inline]
    pub(crate) fn event(&mut self, limit: usize) -> Result<LentEvent<'_>, DecodeError> {
        let can_be_taken = self.data.is_well_filled();
        let (data, can_be_taken) = match self.data.get() {
            Ok(data) => (data, can_be_taken),
            Err(data) => (text(data, &mut self.replaced, limit)?, false),
        };
        Ok(LentEvent { event: Event { name: &self.name, data, id: &self.id }, can_be_taken })
    }

    /// The same event, in the buffer of its data.
    #[inline]
    pub(crate) fn take_event(&mut self) -> OwnedEvent {
        let text = self.take_text();
        OwnedEvent::from_text(text, self.name.len(), self.id.len())
    }

    /// The event's data, name and id, one behind the other.
    #[inline(never)]
    fn take_text(&mut self) -> String {
        let mut text = self.data.take_text();
        text.reserve_exact(self.name.len() + self.id.len());
        text.push_str(&self.name);
        text.push_str(&self.id);
        text
    }

    /// An event that is one `data` line and nothing else, straight from the input.
    #[inline(always)]
    pub(crate) fn lend<'a>(
        &'a mut self,
        data: &'a [u8],
        limit: usize,
    ) -> Result<LentEvent<'a>, DecodeError> {
        let data = text(data, &mut self.replaced, limit)?;
        Ok(LentEvent { event: Event { name: "", data, id: &self.id }, can_be_taken: false })
    }

    /// An event that is one `data` line and nothing else, copied from the input block by block.
    #[cold]
    #[inline(never)]
    pub(crate) fn copy(&mut self, data: &[u8], limit: usize) -> Result<LentEvent<'_>, DecodeError> {
        self.stage = BlockStage::Lent;
        self.data.fill(data, limit);
        self.event(limit)
    }

    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// Ends the stream inside the block; `cut` tells that its last line was cut.
    pub(crate) fn finish(&mut self, cut: bool) -> Option<IncompleteEvent> {
        self.release();
        let incomplete =
            (self.stage == BlockStage::Open || cut) && self.stage != BlockStage::Skipped;
        let left = incomplete.then(|| IncompleteEvent {
            name: mem::take(&mut self.name),
            data: match self.data.get() {
                Ok(data) => String::from(data),
                Err(data) => String::from_utf8_lossy(data).into_owned(),
            },
        });
        self.clear();
        left
    }
}

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
        None => Err(DecodeError::event_too_large(limit)),
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
        Err(_) => Err(DecodeError::line_too_large(limit)),
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
