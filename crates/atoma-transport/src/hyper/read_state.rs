//! State that the layers of a stream and its connection share, about what may be read.
//!
//! ```text
//! Connection     sets direct before a request, asks is_inside_message
//!     │
//! Tls, HTTP/2    each follows its messages with a MessageTracker
//!     │
//! Socket         asks is_direct on a read that would wait
//! ```

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

/// Shared by the layers of one stream, from the socket up, and by the connection above them.
///
/// Tokio remembers whether a socket is readable, and learns that it has become so only when the
/// runtime polls its I/O driver. If no one has driven the runtime since a connection became idle
/// (one `block_on` per call, computation between calls), a FIN or bytes that have arrived long ago
/// are invisible to an ordinary read. While reads are direct, a read asks the operating system even
/// if the runtime has not seen the socket become readable, at the cost of one system call.
///
/// A direct read that finds nothing more is not enough: a TLS record or an HTTP/2 frame of which
/// only a part has arrived is kept in the layer that reads it, and would be completed after the
/// next request was written. So the layers also note whether they are inside of one.
#[derive(Clone, Debug, Default)]
pub(super) struct ReadState(Arc<State>);

#[derive(Debug, Default)]
struct State {
    is_direct: AtomicBool,
    /// The number of layers that have received a part of a message.
    inside: AtomicUsize,
}

impl ReadState {
    pub(super) fn set_direct(&self, is_direct: bool) {
        self.0.is_direct.store(is_direct, Ordering::Relaxed);
    }

    pub(super) fn is_direct(&self) -> bool {
        self.0.is_direct.load(Ordering::Relaxed)
    }

    /// Returns whether a layer has received a part of a message and waits for the rest.
    pub(super) fn is_inside_message(&self) -> bool {
        self.0.inside.load(Ordering::Relaxed) > 0
    }
}

/// The size of a message's content, and whether the next message belongs to it.
pub(super) struct Header {
    pub(super) size: usize,
    pub(super) is_continued: bool,
}

/// Follows the messages of one layer, which have headers of `N` bytes, through the bytes it reads.
pub(super) struct MessageTracker<const N: usize> {
    /// Reads a header that is complete.
    parse: fn(&[u8; N]) -> Header,
    /// The header that is arriving.
    header: [u8; N],
    /// The bytes of the header that have arrived, and the bytes of the content that have not.
    filled: usize,
    left: usize,
    /// Whether the last header announced a message that belongs to it, such as a CONTINUATION frame.
    is_continued: bool,
    /// The value that was last added to `state`.
    was_inside: bool,
    state: ReadState,
}

impl<const N: usize> MessageTracker<N> {
    pub(super) fn new(parse: fn(&[u8; N]) -> Header, state: ReadState) -> Self {
        Self {
            parse,
            header: [0; N],
            filled: 0,
            left: 0,
            is_continued: false,
            was_inside: false,
            state,
        }
    }

    /// Records bytes that were read.
    pub(super) fn follow(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            // Content is skipped in one step, so a large message costs no more than a small one.
            if self.left > 0 {
                let count = self.left.min(bytes.len());
                self.left -= count;
                bytes = &bytes[count..];
                continue;
            }
            let count = (N - self.filled).min(bytes.len());
            self.header[self.filled..][..count].copy_from_slice(&bytes[..count]);
            self.filled += count;
            bytes = &bytes[count..];
            if self.filled == N {
                // A message without content ends with its header.
                let header = (self.parse)(&self.header);
                (self.left, self.is_continued) = (header.size, header.is_continued);
                self.filled = 0;
            }
        }
        self.report(self.filled > 0 || self.left > 0 || self.is_continued);
    }

    /// Adds this layer to the count, or removes it, when it has changed.
    fn report(&mut self, is_inside: bool) {
        // Counted, not a flag: several layers may be inside of a message.
        match (self.was_inside, is_inside) {
            (false, true) => drop(self.state.0.inside.fetch_add(1, Ordering::Relaxed)),
            (true, false) => drop(self.state.0.inside.fetch_sub(1, Ordering::Relaxed)),
            (false, false) | (true, true) => {}
        }
        self.was_inside = is_inside;
    }
}

/// The header of a TLS record: type, version, length (RFC 8446, section 5.1).
pub(super) fn tls_record([.., high, low]: &[u8; 5]) -> Header {
    Header { size: usize::from(u16::from_be_bytes([*high, *low])), is_continued: false }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A byte for the size; an odd one says that the next message belongs to it.
    fn short([size]: &[u8; 1]) -> Header {
        Header { size: usize::from(*size), is_continued: size % 2 == 1 }
    }

    #[test]
    fn a_message_is_followed_however_its_bytes_are_split() {
        let messages = [2, 9, 9, 0, 4, 9, 9, 9, 9, 1, 9, 2, 9, 9];
        let is_end = |at: usize| matches!(at, 0 | 3 | 4 | 9 | 14);
        for split in 0..=messages.len() {
            let state = ReadState::default();
            let mut tracker = MessageTracker::new(short, state.clone());
            tracker.follow(&messages[..split]);
            assert_eq!(state.is_inside_message(), !is_end(split), "{split}");
            for at in split..messages.len() {
                tracker.follow(&messages[at..=at]);
                assert_eq!(state.is_inside_message(), !is_end(at + 1), "{split} {at}");
            }
        }
    }

    #[test]
    fn the_header_of_a_record_has_its_length() {
        let state = ReadState::default();
        let mut tracker = MessageTracker::new(tls_record, state.clone());
        for (bytes, is_inside) in [
            (&[23, 3, 3, 1][..], true),
            (&[2], true),
            (&[0; 257], true),
            (&[0], false),
            (&[21, 3, 3, 0, 0], false),
            (&[23, 3], true),
            (&[3, 0, 1, 9, 21, 3, 3], true),
            (&[0, 0], false),
        ] {
            tracker.follow(bytes);
            assert_eq!(state.is_inside_message(), is_inside, "{bytes:?}");
        }
    }

    #[test]
    fn all_layers_see_whether_reads_are_direct() {
        let connection = ReadState::default();
        let socket = connection.clone();
        assert!(!socket.is_direct());
        for is_direct in [true, false] {
            connection.set_direct(is_direct);
            assert_eq!(socket.is_direct(), is_direct);
        }
    }

    #[test]
    fn each_layer_counts() {
        let state = ReadState::default();
        let mut outer = MessageTracker::new(short, state.clone());
        let mut inner = MessageTracker::new(short, state.clone());
        outer.follow(&[2]);
        inner.follow(&[2]);
        outer.follow(&[0, 0]);
        assert!(state.is_inside_message());
        inner.follow(&[0, 0]);
        assert!(!state.is_inside_message());
    }
}
