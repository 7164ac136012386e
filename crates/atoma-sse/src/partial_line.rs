//! The line that the end of the input split: its parsed part, and the position in it.

use crate::line::{FieldName, LONGEST_NAME};
use alloc::vec::Vec;

/// The position of the next byte.
///
/// Lines that are complete in the input never leave `LineStart`. The other positions exist only
/// between two inputs, for the line that the end of the first one split:
///
/// ```text
///  StreamStart ──(no byte order mark, or a whole one)──► LineStart ◄──── line end ────┐
///                                                            │                        │
///                          the input ends inside a line      ▼                        │
///                                                          Name ──── unknown name ─► Ignored
///                                                            │       or a comment     │
///                                                            │ `:`                    │
///                                                            ▼                        │
///                                                          Colon ──────────────────── ┤
///                                                            │ one space dropped      │
///                                                            ├──► Data ────────────── ┤
///                                                            └──► Value ───────────── ┤
///                                                                                     │
///  LineStart ◄──(a LF belongs to the CR, anything else does not)── AfterCr ◄── CR last in the input
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Position {
    /// At the start of the stream, or inside the byte order mark.
    #[default]
    StreamStart,
    LineStart,
    /// At the start of a line, after a CR: a LF here belongs to that CR.
    AfterCr,
    /// In the value of a `data` field, after the space.
    Data,
    /// In a comment, an unknown field, or a block that is skipped.
    Ignored,
    /// In the field name.
    Name,
    /// After the colon, where one space is dropped.
    Colon(FieldName),
    /// In the value of a field other than `data`, after the space.
    Value(FieldName),
}

/// The parsed part of a split line. It is kept by field, so that no byte is searched twice and a
/// comment leaves nothing behind.
#[derive(Debug, Clone, Default)]
pub(crate) struct PartialLine {
    /// The number of bytes the line may still grow by. In `Data` also bounded by the event's limit:
    /// one comparison per chunk checks both.
    pub(crate) room: usize,
    /// The field name, or the byte order mark, as far as it has been read.
    head: [u8; LONGEST_NAME],
    head_length: usize,
    /// The value of a field other than `data`; those bytes go directly to the event.
    pub(crate) value: Vec<u8>,
}

impl PartialLine {
    /// Starts a line that may have `room` bytes.
    #[inline(always)]
    pub(crate) fn begin(&mut self, room: usize) {
        self.clear();
        self.room = room;
    }

    pub(crate) fn clear(&mut self) {
        self.head_length = 0;
        self.value.clear();
    }

    pub(crate) fn name(&self) -> &[u8] {
        &self.head[..self.head_length]
    }

    /// Appends a byte of the field name. Returns `false` at the colon, and where the name is longer
    /// than every known one.
    #[inline(always)]
    pub(crate) fn push_name(&mut self, byte: u8) -> bool {
        let pushed = byte != b':' && self.head_length < LONGEST_NAME;
        if pushed {
            self.head[self.head_length] = byte;
            self.head_length += 1;
        }
        pushed
    }

    /// Returns the number of bytes of the byte order mark that have matched.
    pub(crate) fn mark_length(&self) -> usize {
        self.head_length
    }

    pub(crate) fn set_mark_length(&mut self, length: usize) {
        self.head_length = length;
    }
}
