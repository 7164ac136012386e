use alloc::string::String;
use core::fmt;

use crate::small_text::SmallText;

/// One event, borrowed from the input or from the decoder.
///
/// It is what the standard dispatches: a type, the data, and the last event id at that moment.
/// An event is also what an [`Encoder`](crate::Encoder) writes:
///
/// ```
/// use atoma_sse::{Event, encode};
///
/// let event = Event::new("two\nlines").with_name("note").with_id("7");
/// assert_eq!(encode(&event).unwrap(), "event: note\nid: 7\ndata: two\ndata: lines\n\n");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Event<'a> {
    /// Empty for `message`.
    pub(crate) name: &'a str,
    pub(crate) data: &'a str,
    pub(crate) id: &'a str,
}

impl<'a> Event<'a> {
    /// An event of the default type, [`MESSAGE`](Self::MESSAGE), without an id.
    pub const fn new(data: &'a str) -> Self {
        Self { name: "", data, id: "" }
    }

    /// The type of an event whose block has no `event` field, or an empty one.
    pub const MESSAGE: &'static str = "message";

    /// Sets the event's type. An empty name means [`MESSAGE`](Self::MESSAGE).
    #[must_use]
    pub fn with_name(mut self, name: &'a str) -> Self {
        self.name = if name == Self::MESSAGE { "" } else { name };
        self
    }

    /// Sets the last event id.
    #[must_use]
    pub const fn with_id(mut self, id: &'a str) -> Self {
        self.id = id;
        self
    }

    /// The event's type: the block's last `event` field, or `message`. Never empty.
    pub const fn name(&self) -> &'a str {
        if self.name.is_empty() { Self::MESSAGE } else { self.name }
    }

    /// The values of the block's `data` fields, joined by line feeds. It holds no carriage return,
    /// and may be empty.
    pub const fn data(&self) -> &'a str {
        self.data
    }

    /// The last event id: that of this block, or else of the latest block that had one. Empty if
    /// none had, or the latest was empty.
    pub const fn id(&self) -> &'a str {
        self.id
    }

    /// Copies the event: one allocation of the exact size, none for an event of up to 15 bytes.
    // Always inlined, so that the usual event is written once, where the caller wants it: through an
    // out pointer and a copy it cost 10 ns more, a quarter of an owned event of 220 bytes.
    #[inline(always)]
    pub fn to_owned(&self) -> OwnedEvent {
        let length = self.data.len();
        if length > SmallText::SHORT && self.name.is_empty() && self.id.is_empty() {
            let text = SmallText::Long(String::from(self.data));
            return OwnedEvent { text, name_at: length, id_at: length };
        }
        self.join()
    }

    /// Puts data, name and id one after the other.
    #[inline(always)]
    fn join(&self) -> OwnedEvent {
        let name_at = self.data.len();
        let id_at = name_at + self.name.len();
        OwnedEvent { text: SmallText::join([self.data, self.name, self.id]), name_at, id_at }
    }
}

/// One event that owns its text: data, name and id in a single allocation, or in none if they are
/// as short as `[DONE]`, 15 bytes at most.
///
/// ```
/// use atoma_sse::Event;
///
/// let owned = Event::new("{}").with_id("7").to_owned();
/// assert_eq!((owned.name(), owned.data(), owned.id()), ("message", "{}", "7"));
/// assert_eq!(owned.into_data(), "{}");
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct OwnedEvent {
    /// The data, then the name (nothing for `message`), then the id.
    text: SmallText,
    name_at: usize,
    id_at: usize,
}

impl OwnedEvent {
    /// The event whose data, name and id are in `text`, one behind the other.
    #[inline]
    pub(crate) fn from_text(text: String, name_length: usize, id_length: usize) -> Self {
        let id_at = text.len() - id_length;
        Self { text: SmallText::Long(text), name_at: id_at - name_length, id_at }
    }

    /// The same event, borrowed.
    #[inline]
    pub fn as_event(&self) -> Event<'_> {
        let (data, rest) = self.text.as_str().split_at(self.name_at);
        let (name, id) = rest.split_at(self.id_at - self.name_at);
        Event { name, data, id }
    }

    /// The event's type; see [`Event::name`].
    pub fn name(&self) -> &str {
        self.as_event().name()
    }

    /// The event's data; see [`Event::data`].
    #[inline]
    pub fn data(&self) -> &str {
        &self.text.as_str()[..self.name_at]
    }

    /// The last event id; see [`Event::id`].
    pub fn id(&self) -> &str {
        self.as_event().id()
    }

    /// The data alone, without copying it unless it was too short to be allocated.
    #[inline]
    pub fn into_data(self) -> String {
        let mut text = self.text.into_string();
        text.truncate(self.name_at);
        text
    }
}

impl fmt::Debug for OwnedEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnedEvent")
            .field("name", &self.name())
            .field("data", &self.data())
            .field("id", &self.id())
            .finish()
    }
}

impl From<Event<'_>> for OwnedEvent {
    fn from(event: Event<'_>) -> Self {
        event.to_owned()
    }
}

/// What was left of an event when the stream ended before its blank line.
///
/// The standard has such an event dropped. Some servers leave out the last blank line, so a caller
/// who knows the protocol above may look at it and decide otherwise. It comes from
/// [`Decoder::finish`](crate::Decoder::finish).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct IncompleteEvent {
    pub(crate) name: String,
    pub(crate) data: String,
}

impl IncompleteEvent {
    /// The type the event would have had: the last whole `event` field, or `message`.
    pub fn name(&self) -> &str {
        if self.name.is_empty() { Event::MESSAGE } else { &self.name }
    }

    /// The data so far, the beginning of a line that was cut included. Empty if the stream ended
    /// before any.
    pub fn data(&self) -> &str {
        &self.data
    }

    /// The data so far, without copying it.
    pub fn into_data(self) -> String {
        self.data
    }
}
