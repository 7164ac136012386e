use crate::Event;
use alloc::string::String;
use core::{fmt, fmt::Write as _};

/// Writes one event as the text that decodes to it.
///
/// For a stream of events use an [`Encoder`], which omits an id that has not changed.
///
/// # Errors
///
/// Fails if the format cannot represent the event; see [`EncodeError`].
pub fn encode(event: &Event<'_>) -> Result<String, EncodeError> {
    let mut output = String::new();
    Encoder::new().encode(event, &mut output)?;
    Ok(output)
}

/// An encoder of `text/event-stream`. Its output decodes to the same events.
///
/// ```
/// use atoma_sse::{Encoder, Event};
///
/// let mut encoder = Encoder::new();
/// let mut output = String::new();
/// encoder.encode(&Event::new("a").with_id("1"), &mut output)?;
/// encoder.encode(&Event::new("b").with_id("1"), &mut output)?;
/// encoder.encode(&Event::new("c"), &mut output)?;
/// assert_eq!(output, "id: 1\ndata: a\n\ndata: b\n\nid\ndata: c\n\n");
/// # Ok::<(), atoma_sse::EncodeError>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Encoder {
    id: String,
}

impl Encoder {
    /// Creates an encoder at the start of a stream.
    pub const fn new() -> Self {
        Self { id: String::new() }
    }

    /// Appends an event to `output`: its name unless that is `message`, its id if that differs from
    /// the previous event's, its data line by line, and the blank line.
    ///
    /// # Errors
    ///
    /// Fails if the format cannot represent the event; see [`EncodeError`]. Nothing is written then.
    pub fn encode(&mut self, event: &Event<'_>, output: &mut String) -> Result<(), EncodeError> {
        // All three first: a failed event must leave `output` as it was.
        check(EventPart::Name, event.name(), &['\n', '\r'])?;
        check(EventPart::Id, event.id(), &['\n', '\r', '\0'])?;
        check(EventPart::Data, event.data(), &['\r'])?;
        if event.name() != Event::MESSAGE {
            push_line(output, "event: ", event.name());
        }
        if event.id() != self.id {
            // `id: ` and `id` both reset the id; the shorter form has no trailing space.
            let field = if event.id().is_empty() { "id" } else { "id: " };
            push_line(output, field, event.id());
            self.id.clear();
            self.id.push_str(event.id());
        }
        for line in event.data().split('\n') {
            push_line(output, "data: ", line);
        }
        output.push('\n');
        Ok(())
    }

    /// Appends a comment, which decoders ignore: a keep-alive. Each line of `text` becomes a comment
    /// line. No blank line follows.
    pub fn comment(&mut self, text: &str, output: &mut String) {
        for line in text.split(['\n', '\r']) {
            push_line(output, ": ", line);
        }
    }

    /// Appends a `retry` field: the time to wait before reconnecting, in milliseconds.
    pub fn retry(&mut self, milliseconds: u64, output: &mut String) {
        // Writing to a String cannot fail.
        let _ = writeln!(output, "retry: {milliseconds}\n");
    }
}

/// The error for an event that the format cannot represent.
///
/// A name cannot contain a line break, an id neither a line break nor a NUL, and data no carriage
/// return: each would decode to a different event.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct EncodeError {
    part: EventPart,
}

impl EncodeError {
    /// Returns whether the name contains a line break.
    pub const fn is_name(&self) -> bool {
        matches!(self.part, EventPart::Name)
    }

    /// Returns whether the id contains a line break or a NUL.
    pub const fn is_id(&self) -> bool {
        matches!(self.part, EventPart::Id)
    }

    /// Returns whether the data contains a carriage return.
    pub const fn is_data(&self) -> bool {
        matches!(self.part, EventPart::Data)
    }
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.part {
            EventPart::Name => "event name contains a line break",
            EventPart::Id => "event id contains a line break or NUL",
            EventPart::Data => "event data contains a carriage return",
        })
    }
}

/// The line; the fields under `{:#?}`.
impl fmt::Debug for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if f.alternate() {
            return f.debug_struct("EncodeError").field("part", &self.part).finish();
        }
        fmt::Display::fmt(self, f)
    }
}

impl core::error::Error for EncodeError {}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum EventPart {
    Name,
    Id,
    Data,
}

fn check(part: EventPart, text: &str, forbidden: &[char]) -> Result<(), EncodeError> {
    if text.contains(forbidden) { Err(EncodeError { part }) } else { Ok(()) }
}

fn push_line(output: &mut String, field: &str, value: &str) {
    output.push_str(field);
    output.push_str(value);
    output.push('\n');
}
