use crate::small_text::SmallText;
use alloc::string::String;
use core::fmt;

/// One event, borrowed from the input or from the decoder: a type, the data, and the last event id.
///
/// Build one to write it with an [`Encoder`](crate::Encoder):
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
    /// Creates an event of the default type, [`MESSAGE`](Self::MESSAGE), without an id.
    pub const fn new(data: &'a str) -> Self {
        Self { name: "", data, id: "" }
    }

    /// The type of an event whose block has no `event` field, or an empty one.
    pub const MESSAGE: &'static str = "message";

    /// Sets the event's type. An empty name means [`MESSAGE`](Self::MESSAGE), the default.
    #[must_use]
    pub fn with_name(mut self, name: &'a str) -> Self {
        self.name = if name == Self::MESSAGE { "" } else { name };
        self
    }

    /// Sets the last event id. The default is empty.
    #[must_use]
    pub const fn with_id(mut self, id: &'a str) -> Self {
        self.id = id;
        self
    }

    /// Returns the event's type: the last `event` field of the block, or `message`. Never empty.
    pub const fn name(&self) -> &'a str {
        if self.name.is_empty() { Self::MESSAGE } else { self.name }
    }

    /// Returns the values of the block's `data` fields, joined by line feeds. It has no carriage
    /// returns, and may be empty.
    pub const fn data(&self) -> &'a str {
        self.data
    }

    /// Returns the last event id: that of this block, or of the latest block that had one. Empty if
    /// no block had one, or the latest was empty.
    pub const fn id(&self) -> &'a str {
        self.id
    }

    /// Copies the event: one allocation of the exact size, or none if data, name and id have up to
    /// 15 bytes together.
    // Always inlined, so that the event is written once, where the caller wants it. Returned through
    // memory and copied from there, an event of 220 bytes cost 10 ns more, a quarter.
    #[inline(always)]
    pub fn to_owned(&self) -> OwnedEvent {
        let length = self.data.len();
        if length > SmallText::SHORT && self.name.is_empty() && self.id.is_empty() {
            // The usual event: nothing to join.
            let text = SmallText::Long(String::from(self.data));
            return OwnedEvent { text, name_at: length, id_at: length };
        }
        let id_at = length + self.name.len();
        let text = SmallText::join([self.data, self.name, self.id]);
        OwnedEvent { text, name_at: length, id_at }
    }
}

/// One event that owns its text: data, name and id in one allocation, or in none if they have up to
/// 15 bytes together, as `[DONE]` does.
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
    /// The data, then the name (empty for `message`), then the id.
    text: SmallText,
    name_at: usize,
    id_at: usize,
}

impl OwnedEvent {
    /// Creates an event from `text`, which is its data, name and id joined.
    #[inline]
    pub(crate) fn from_text(text: String, name_length: usize, id_length: usize) -> Self {
        let id_at = text.len() - id_length;
        Self { text: SmallText::Long(text), name_at: id_at - name_length, id_at }
    }

    /// Borrows the event.
    #[inline]
    pub fn as_event(&self) -> Event<'_> {
        let (data, rest) = self.text.as_str().split_at(self.name_at);
        let (name, id) = rest.split_at(self.id_at - self.name_at);
        Event { name, data, id }
    }

    /// Returns the event's type; see [`Event::name`].
    pub fn name(&self) -> &str {
        self.as_event().name()
    }

    /// Returns the event's data; see [`Event::data`].
    #[inline]
    pub fn data(&self) -> &str {
        &self.text.as_str()[..self.name_at]
    }

    /// Returns the last event id; see [`Event::id`].
    pub fn id(&self) -> &str {
        self.as_event().id()
    }

    /// Returns the data without copying it, unless it was too short to be allocated.
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

/// The part of an event that arrived before the stream ended without its blank line.
///
/// The standard drops such an event. Some servers omit the last blank line, so a caller who knows the
/// protocol above can still read it. Returned by [`Decoder::finish`](crate::Decoder::finish).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct IncompleteEvent {
    pub(crate) name: String,
    pub(crate) data: String,
}

impl IncompleteEvent {
    /// Returns the type the event would have had: the last whole `event` field, or `message`.
    pub fn name(&self) -> &str {
        if self.name.is_empty() { Event::MESSAGE } else { &self.name }
    }

    /// Returns the data received, the beginning of a truncated line included. Empty if there was
    /// none.
    pub fn data(&self) -> &str {
        &self.data
    }

    /// Returns the data received, without copying it.
    pub fn into_data(self) -> String {
        self.data
    }
}
