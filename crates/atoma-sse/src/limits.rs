/// Size limits on a line and on an event, in bytes. Both default to 4 MiB.
///
/// A [`Decoder`](crate::Decoder) holds the data of at most one event and the value of at most one
/// line, so these limits bound its memory for any input.
///
/// ```
/// use atoma_sse::{Decoder, Limits};
///
/// let mut decoder = Decoder::with_limits(Limits::new().line(64).event(128));
/// let mut input = [b'x'; 100].as_slice();
/// let error = decoder.decode(&mut input).unwrap_err();
/// assert_eq!(error.to_string(), "line larger than 64 bytes: raise Limits::line");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Limits {
    pub(crate) line: usize,
    pub(crate) event: usize,
}

impl Limits {
    /// Returns the defaults: 4 MiB for a line and 4 MiB for an event.
    pub const fn new() -> Self {
        Self { line: DEFAULT, event: DEFAULT }
    }

    /// Sets the maximum length of a line in bytes, without its line end. Comments and unknown fields
    /// count as lines. Any number is valid; `usize::MAX` disables the limit.
    #[must_use]
    pub const fn line(mut self, bytes: usize) -> Self {
        self.line = bytes;
        self
    }

    /// Sets the maximum length of an event's data in bytes: its `data` lines joined by line feeds,
    /// as UTF-8 text. Any number is valid; `usize::MAX` disables the limit.
    #[must_use]
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
