//! Joining characters that a server cut between two events.
//!
//! Servers written in JavaScript cut strings between UTF-16 code units, so that an emoji may end one event and begin the next:
//!
//! ```text
//! event 1   {"choices":[{"index":0,"delta":{"content":"Hi \ud83d"}}]}      "Hi "   \ud83d is held for (0, content)
//! event 2   {"choices":[{"index":0,"delta":{"content":""}}]}               ""      still held
//! event 3   {"choices":[{"index":0,"delta":{"content":"\ude42!"}}]}        "🙂!"    \ud83d\ude42 is U+1F642
//! ```
//!
//! [`crate::json::repair`] takes the halves out of the text and reports their places; here the
//! first half of a character waits for the next string of its field. A half whose other half never
//! arrives becomes U+FFFD: at the start of the next string, or at the end of the choice.

use super::streamed::StreamedChunk;
use crate::json::{
    path::{Field, Place},
    repair::CutString,
};

/// The most halves that are held, over all choices and fields; further ones become U+FFFD
/// immediately.
const MOST_HELD: usize = 256;

/// The first halves of characters whose second halves have not arrived yet.
#[derive(Debug, Clone, Default)]
pub(crate) struct Halves {
    held: Vec<Held>,
}

/// A half, and the field that begins with the other one.
#[derive(Debug, Clone, Copy)]
struct Held {
    choice: u32,
    field: Field,
    call: i64,
    half: u16,
}

impl Halves {
    pub(crate) fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// Puts the held halves before the strings of a chunk, and holds those at the end of its
    /// strings.
    pub(crate) fn join<C: StreamedChunk>(&mut self, chunk: &mut C, cut: &[CutString]) {
        for position in 0..chunk.choices() {
            let index = *chunk.index_mut(position);
            chunk.each_text(position, &mut |place, call, text| {
                let found = cut.iter().find(|string| string.place == place);
                let (opening, closing) =
                    found.map_or((None, None), |cut| (cut.opening, cut.closing));
                self.join_text(
                    Held { choice: index, field: place.field, call, half: 0 },
                    opening,
                    closing,
                    text,
                );
            });
            // No further string of this choice can bring the other halves.
            if chunk.is_finished(position) {
                self.give_up(chunk, position, index);
            }
        }
    }

    fn join_text(
        &mut self,
        field: Held,
        opening: Option<u16>,
        closing: Option<u16>,
        text: &mut String,
    ) {
        let before = self.take(field);
        if let (Some(half), None, None, true) = (before, opening, closing, text.is_empty()) {
            // No text arrived: the half waits for the next event.
            return self.hold(Held { half, ..field }, text);
        }
        match (before, opening) {
            // The usual case: both halves of a character, from two events.
            (Some(first), Some(second)) => text.insert(0, character(first, second)),
            (None, None) => {}
            // One half without the other.
            _ => text.insert(0, char::REPLACEMENT_CHARACTER),
        }
        // The string itself may end with the first half of another character.
        if let Some(half) = closing {
            self.hold(Held { half, ..field }, text);
        }
    }

    fn take(&mut self, field: Held) -> Option<u16> {
        let key = |held: &Held| (held.choice, held.field, held.call);
        let found = self.held.iter().position(|held| key(held) == key(&field))?;
        Some(self.held.swap_remove(found).half)
    }

    fn hold(&mut self, held: Held, text: &mut String) {
        if self.held.len() < MOST_HELD {
            self.held.push(held);
        } else {
            text.push(char::REPLACEMENT_CHARACTER);
        }
    }

    /// No more text arrives for a choice: its halves become U+FFFD.
    fn give_up<C: StreamedChunk>(&mut self, chunk: &mut C, position: usize, index: u32) {
        let (lost, kept): (Vec<_>, _) = self.held.iter().partition(|held| held.choice == index);
        self.held = kept;
        for held in lost {
            let place = Place { choice: position, field: held.field, call: 0 };
            chunk.text_or_new(place, held.call).push(char::REPLACEMENT_CHARACTER);
        }
    }
}

fn character(first: u16, second: u16) -> char {
    let mut characters = char::decode_utf16([first, second]);
    characters.next().and_then(Result::ok).unwrap_or(char::REPLACEMENT_CHARACTER)
}
