//! A stream that is read a little at a time.
//!
//! `h2` reads as long as there are bytes to read, and keeps every frame separately until the driver
//! takes it. This stream stops it after a number of bytes, so that the driver takes the frames
//! before more is read.

use super::super::{
    delegate::delegate_write,
    read_state::{Header, MessageTracker, ReadState},
};
use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The number of bytes that are read at a time; one more read may exceed it.
const BUDGET: usize = 64 * 1024;

/// The bytes that may still be read before the driver's turn.
#[derive(Clone, Debug)]
pub(super) struct ReadBudget(Arc<AtomicUsize>);

impl ReadBudget {
    /// The driver's turn begins.
    pub(super) fn renew(&self) {
        self.0.store(BUDGET, Ordering::Relaxed);
    }

    /// Returns whether more may have arrived than was read in this turn.
    pub(super) fn is_used_up(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 0
    }
}

pub(super) struct BudgetedIo<S> {
    stream: S,
    budget: ReadBudget,
    frames: MessageTracker<9>,
}

impl<S> BudgetedIo<S> {
    /// `read_state` is that of the stream.
    pub(super) fn new(stream: S, read_state: ReadState) -> (Self, ReadBudget) {
        let budget = ReadBudget(Arc::new(AtomicUsize::new(BUDGET)));
        let frames = MessageTracker::new(frame, read_state);
        (Self { stream, budget: budget.clone(), frames }, budget)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for BudgetedIo<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let left = self.budget.0.load(Ordering::Relaxed);
        if left == 0 {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let before = buf.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        let bytes = &buf.filled()[before..];
        self.frames.follow(bytes);
        let left = left.saturating_sub(bytes.len());
        self.budget.0.store(left, Ordering::Relaxed);
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for BudgetedIo<S> {
    delegate_write!(stream);
}

/// The header of a frame (RFC 9113, section 4.1). A head without END_HEADERS continues in the next
/// one.
fn frame([size @ .., kind, flags, _, _, _, _]: &[u8; 9]) -> Header {
    const HEADERS: u8 = 1;
    const PUSH_PROMISE: u8 = 5;
    const CONTINUATION: u8 = 9;
    const END_HEADERS: u8 = 4;
    let [high, middle, low] = *size;
    let size = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
    let is_head = matches!(*kind, HEADERS | PUSH_PROMISE | CONTINUATION);
    Header { size, is_continued: is_head && flags & END_HEADERS == 0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;
    use std::task::{Wake, Waker};
    use tokio::io::AsyncReadExt;

    #[test]
    fn a_frame_has_its_size_and_a_head_goes_on_until_its_end() {
        for (header, size, is_continued) in [
            ([0, 0, 0, 0, 0], 0, false),
            ([1, 2, 3, 0, 0], 0x01_02_03, false),
            ([0xff, 0xff, 0xff, 0, 0], 0xff_ff_ff, false),
            ([0, 0, 5, 1, 0], 5, true),
            ([0, 0, 5, 1, 0b1], 5, true),
            ([0, 0, 5, 1, 0b100], 5, false),
            ([0, 0, 5, 1, 0b101], 5, false),
            ([0, 0, 5, 5, 0], 5, true),
            ([0, 0, 5, 5, 0b100], 5, false),
            ([0, 0, 5, 9, 0], 5, true),
            ([0, 0, 5, 9, 0b100], 5, false),
            ([0, 0, 5, 4, 0], 5, false),
        ] {
            let [high, middle, low, kind, flags] = header;
            let read = frame(&[high, middle, low, kind, flags, 0, 0, 0, 1]);
            assert_eq!((read.size, read.is_continued), (size, is_continued), "{header:?}");
        }
    }

    #[test]
    fn the_driver_gets_its_turn_after_64_kib() {
        let (mut stream, budget) = BudgetedIo::new(tokio::io::repeat(7), ReadState::default());
        let mut read = |size: usize| stream.read(&mut vec![0; size][..]).now_or_never();
        assert_eq!(read(65_535).unwrap().unwrap(), 65_535);
        assert!(!budget.is_used_up());
        assert_eq!(read(1).unwrap().unwrap(), 1);
        assert!(budget.is_used_up());
        budget.renew();
        assert!(!budget.is_used_up());
    }

    #[test]
    fn no_more_is_read_than_the_pace_until_it_is_renewed() {
        let (mut stream, budget) = BudgetedIo::new(tokio::io::repeat(7), ReadState::default());
        let mut read = |size: usize| stream.read(&mut vec![0; size][..]).now_or_never();
        for _ in 0..3 {
            assert_eq!(read(BUDGET - 1).unwrap().unwrap(), BUDGET - 1);
            assert_eq!(read(100).unwrap().unwrap(), 100, "the last read is whole");
            assert!(read(1).is_none());
            budget.renew();
        }
    }

    #[test]
    fn a_reader_that_has_to_wait_is_woken_immediately() {
        let (mut stream, _pace) = BudgetedIo::new(tokio::io::repeat(7), ReadState::default());
        assert!(stream.read(&mut vec![0; BUDGET][..]).now_or_never().is_some());
        let woken = Arc::new(Counting::default());
        let waker = Waker::from(woken.clone());
        let mut bytes = [0];
        let mut buf = ReadBuf::new(&mut bytes);
        let mut cx = Context::from_waker(&waker);
        assert!(Pin::new(&mut stream).poll_read(&mut cx, &mut buf).is_pending());
        assert_eq!(woken.0.load(Ordering::Relaxed), 1);
    }

    #[derive(Default)]
    struct Counting(AtomicUsize);

    impl Wake for Counting {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
}
