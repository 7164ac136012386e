use core::fmt;

/// A line or an event went over its [limit](crate::Limits).
///
/// This is the only way decoding can fail: the format itself knows no malformed input. The event
/// the line belongs to is lost, told once, and leaves nothing behind, not even its id. The decoder
/// then goes on at the event after it: call [`decode`](crate::Decoder::decode) again with the same
/// input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DecodeError {
    kind: LimitKind,
    limit: usize,
}

impl DecodeError {
    /// Whether a line had more bytes than [`Limits::line`](crate::Limits::line) allows.
    pub const fn is_line_too_large(&self) -> bool {
        matches!(self.kind, LimitKind::Line)
    }

    /// Whether an event had more data than [`Limits::event`](crate::Limits::event) allows.
    pub const fn is_event_too_large(&self) -> bool {
        matches!(self.kind, LimitKind::Event)
    }

    /// The limit that was passed, in bytes.
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
        let what = match self.kind {
            LimitKind::Line => "a line of the event stream",
            LimitKind::Event => "the data of an event",
        };
        write!(f, "{what} is longer than {} bytes", self.limit)
    }
}

impl core::error::Error for DecodeError {}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum LimitKind {
    Line,
    Event,
}
