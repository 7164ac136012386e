use std::ops::Range;

/// The data of the last event, without a copy where possible: an event that is one line of a frame
/// is found again by its place in the frame, which costs two comparisons.
#[derive(Default)]
pub(crate) enum RawEvent {
    #[default]
    None,
    /// It is a part of the frame in hand, the usual case.
    InFrame(Range<usize>),
    Copied(String),
}

impl RawEvent {
    /// Notes where in `frame` the data is, or copies it if the decoder had to join it.
    #[inline]
    pub(crate) fn set(&mut self, data: &str, frame: &[u8]) {
        let start = data.as_ptr().addr().wrapping_sub(frame.as_ptr().addr());
        if start < frame.len() {
            *self = Self::InFrame(start..start + data.len());
        } else {
            self.copy(data);
        }
    }

    #[inline(never)]
    pub(crate) fn copy(&mut self, data: &str) {
        match self {
            // Reuses the memory: where frames are small, each event comes this way.
            Self::Copied(text) => data.clone_into(text),
            _ => *self = Self::Copied(data.to_owned()),
        }
    }

    /// Forgets an event that is a part of the frame, before the frame is released.
    pub(crate) fn leave_frame(&mut self) {
        if let Self::InFrame(_) = self {
            *self = Self::None;
        }
    }

    /// Returns the data, given the frame that was passed to [`set`](Self::set).
    pub(crate) fn text<'a>(&'a self, frame: &'a [u8]) -> &'a str {
        match self {
            Self::None => "",
            Self::InFrame(range) => {
                let data = frame.get(range.clone()).unwrap_or_default();
                std::str::from_utf8(data).unwrap_or_default()
            }
            Self::Copied(text) => text,
        }
    }
}
