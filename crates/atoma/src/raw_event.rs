use std::ops::Range;

/// The data of the last event, without a copy where possible: an event on one line of a frame is
/// stored as its place in the frame, which costs two comparisons.
///
/// A struct and not an enum: an enum would have to check for a text to drop at each event.
#[derive(Default)]
pub(crate) struct RawEvent {
    /// The place in the frame; empty if there is none.
    in_frame: Range<usize>,
    /// The data that had to be copied. The memory is reused.
    copied: String,
    is_copied: bool,
}

impl RawEvent {
    /// Notes where in `frame` the data is, or copies it if the decoder had to join it.
    #[inline]
    pub(crate) fn set(&mut self, data: &str, frame: &[u8]) {
        let start = data.as_ptr().addr().wrapping_sub(frame.as_ptr().addr());
        if start < frame.len() {
            self.in_frame = start..start + data.len();
            self.is_copied = false;
        } else {
            self.copy(data);
        }
    }

    #[inline(never)]
    pub(crate) fn copy(&mut self, data: &str) {
        data.clone_into(&mut self.copied);
        self.is_copied = true;
    }

    /// Forgets an event that is a part of the frame, before the frame is released.
    pub(crate) fn leave_frame(&mut self) {
        self.in_frame = 0..0;
    }

    /// Returns the data, given the frame that was passed to [`set`](Self::set).
    pub(crate) fn text<'a>(&'a self, frame: &'a [u8]) -> &'a str {
        if self.is_copied {
            return &self.copied;
        }
        let data = frame.get(self.in_frame.clone()).unwrap_or_default();
        std::str::from_utf8(data).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_in_the_frame_is_forgotten_with_it_and_a_copied_one_stays() {
        let frame = b"first second";
        let text = std::str::from_utf8(frame).unwrap();
        let mut raw = RawEvent::default();
        assert_eq!(raw.text(frame), "");
        for (data, is_in_frame) in
            [(&text[..5], true), (&text[6..], true), (text, true), ("joined", false)]
        {
            raw.set(data, frame);
            assert_eq!(raw.text(frame), data);
            raw.leave_frame();
            assert_eq!(raw.text(frame), if is_in_frame { "" } else { data });
        }
    }
}
