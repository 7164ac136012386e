/// How much of one line and of one event a [`Decoder`](crate::Decoder) accepts.
///
/// The decoder holds at most one event's data and one line's value at a time, so these two numbers
/// bound its memory whatever comes in. Both default to 4 MiB.
///
/// ```
/// use atoma_sse::{Decoder, Limits};
///
/// let mut decoder = Decoder::with_limits(Limits::new().line(64).event(128));
/// let mut input = [b'x'; 100].as_slice();
/// assert!(decoder.decode(&mut input).unwrap_err().is_line_too_large());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Limits {
    pub(crate) line: usize,
    pub(crate) event: usize,
}

impl Limits {
    /// The defaults: 4 MiB for a line and 4 MiB for an event.
    pub const fn new() -> Self {
        Self { line: DEFAULT, event: DEFAULT }
    }

    /// Sets the most bytes a line may have, its line end not counted. Any number is allowed;
    /// `usize::MAX` switches the limit off. Comments and unknown fields are lines too.
    pub const fn line(mut self, bytes: usize) -> Self {
        self.line = bytes;
        self
    }

    /// Sets the most bytes the data of one event may have: all its `data` lines joined by line
    /// feeds, as UTF-8 text. Any number is allowed; `usize::MAX` switches the limit off.
    pub const fn event(mut self, bytes: usize) -> Self {
        self.event = bytes;
        self
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::new()
    }
}

const DEFAULT: usize = 4 * 1024 * 1024;
