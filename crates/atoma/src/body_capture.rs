/// The bytes of a body, if they are wanted.
#[derive(Default)]
pub(crate) struct Capture(Option<Vec<u8>>);

impl Capture {
    /// Keeps all bytes from now on, after these.
    pub(crate) fn start(&mut self, so_far: &[u8]) {
        self.0 = Some(so_far.to_vec());
    }

    /// Adds a frame. A body larger than `limit` is not kept.
    #[inline]
    pub(crate) fn push(&mut self, frame: &[u8], limit: usize) {
        if self.0.is_some() {
            self.extend(frame, limit);
        }
    }

    #[cold]
    fn extend(&mut self, frame: &[u8], limit: usize) {
        let Some(captured) = &mut self.0 else { return };
        if captured.len() + frame.len() > limit {
            self.0 = None;
        } else {
            captured.extend_from_slice(frame);
        }
    }

    /// Takes the bytes; empty if they were too many.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        self.0.take().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_kept_from_its_first_frame_on_and_up_to_the_limit() {
        let captured = |start: Option<&str>, frames: &[&str]| {
            let mut capture = Capture::default();
            if let Some(so_far) = start {
                capture.start(so_far.as_bytes());
            }
            frames.iter().for_each(|frame| capture.push(frame.as_bytes(), 5));
            String::from_utf8(capture.take()).unwrap()
        };
        for (start, frames, expected) in [
            (None, &["abc"][..], ""),
            (Some(""), &["abc"], "abc"),
            (Some("ab"), &["c", "de"], "abcde"),
            (Some("ab"), &["c", "def"], ""),
            (Some("ab"), &["cdef", "g"], ""),
        ] {
            assert_eq!(captured(start, frames), expected, "{start:?} {frames:?}");
        }
    }
}
