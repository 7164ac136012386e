use core::fmt;

/// An exceeded [limit](crate::Limits) on the size of a line or of an event.
///
/// Decoding fails in no other way: the format has no malformed input. The event that exceeded the
/// limit is lost, id included, and is reported once. Call [`decode`](crate::Decoder::decode) again
/// with the same input to continue with the event after it.
///
/// The message names the setting to raise: `event larger than 4194304 bytes: raise Limits::event`.
/// A library that wraps the decoder words its own from [`limit`](Self::limit) and the predicates.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct DecodeError {
    kind: LimitKind,
    limit: usize,
}

impl DecodeError {
    /// Returns whether a line had more bytes than [`Limits::line`](crate::Limits::line) allows.
    pub const fn is_line_too_large(&self) -> bool {
        matches!(self.kind, LimitKind::Line)
    }

    /// Returns whether an event had more data than [`Limits::event`](crate::Limits::event) allows.
    pub const fn is_event_too_large(&self) -> bool {
        matches!(self.kind, LimitKind::Event)
    }

    /// Returns the exceeded limit, in bytes.
    pub const fn limit(&self) -> usize {
        self.limit
    }

    pub(crate) const fn line_too_large(limit: usize) -> Self {
        Self { kind: LimitKind::Line, limit }
    }

    pub(crate) const fn event_too_large(limit: usize) -> Self {
        Self { kind: LimitKind::Event, limit }
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.kind {
            LimitKind::Line => "line",
            LimitKind::Event => "event",
        };
        write!(f, "{name} larger than {} bytes: raise Limits::{name}", self.limit)
    }
}

/// The line; the fields under `{:#?}`.
impl fmt::Debug for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if f.alternate() {
            return f
                .debug_struct("DecodeError")
                .field("kind", &self.kind)
                .field("limit", &self.limit)
                .finish();
        }
        fmt::Display::fmt(self, f)
    }
}

impl core::error::Error for DecodeError {}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum LimitKind {
    Line,
    Event,
}
