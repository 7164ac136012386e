//! What one connection and its reader share: a waker, a write mark and a bound on the head.
//!
//! The connection is driven inside the task that reads from it. Left alone, each half would wake
//! that task for the other half's sake, and a pooled connection would keep the waker, and with it
//! the memory, of a task long gone. So the connection knows only the waker of its [`Wire`], which
//! passes a wake-up on to the task of the moment, unless that task is in the middle of polling.

use super::socket::DirectReads;
use std::{
    io,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU8, AtomicUsize, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// No bound on what may be read: a head has arrived, or none is awaited.
const UNBOUNDED: usize = usize::MAX;

/// The phases of an exchange as the socket sees them. Nothing that arrives before the request is
/// written may become its response, so a read means something else in each:
///
/// ```text
///             begin                    poll_write              bytes are written
///   WRITTEN ─────────► QUIET ───────────────────────► WRITING ──────────────────► WRITTEN
///   (or new)           │ a read goes past Tokio's     │ a read that finds bytes   │ reads are
///                      │ memory to the operating      │ is an error: hyper has    │ ordinary
///                      │ system; hyper takes bytes    │ the request already, but  │
///                      │ or an end for what they are  │ none of it has left       │
///                      │ and gives the request back   │                           │
/// ```
///
/// hyper reads before it takes a request out of its queue and writes it in the same poll. So QUIET
/// ends within about a microsecond of the read, and WRITING lasts longer only if the socket takes
/// no bytes at first.
const QUIET: u8 = 0;
const WRITING: u8 = 1;
const WRITTEN: u8 = 2;

const RESTING: u8 = 0;
const POLLING: u8 = 1;
const WOKEN: u8 = 2;

/// Shared by a connection and the socket inside it.
pub(super) struct Wire {
    state: AtomicU8,
    task: Mutex<Option<Waker>>,
    phase: AtomicU8,
    head_left: AtomicUsize,
    direct_reads: DirectReads,
}

impl Wire {
    /// `direct_reads` is the switch of the socket that is to be driven.
    pub(super) fn new(direct_reads: DirectReads) -> Arc<Self> {
        Arc::new(Self {
            state: AtomicU8::new(RESTING),
            task: Mutex::new(None),
            phase: AtomicU8::new(QUIET),
            head_left: AtomicUsize::new(UNBOUNDED),
            direct_reads,
        })
    }

    /// Begins an exchange: nothing of it is written yet, and its head may take `max_head` bytes.
    ///
    /// On a connection that was idle, reads are direct until the request is written: one more
    /// system call (0.3 µs) per reuse.
    pub(super) fn begin(&self, max_head: usize, was_idle: bool) {
        self.phase.store(QUIET, Ordering::Relaxed);
        self.head_left.store(max_head, Ordering::Relaxed);
        self.direct_reads.set(was_idle);
    }

    /// The head is in: what follows is the body's.
    pub(super) fn head_arrived(&self) {
        self.head_left.store(UNBOUNDED, Ordering::Relaxed);
    }

    /// Whether a byte of the exchange may have left.
    pub(super) fn is_written(&self) -> bool {
        self.phase.load(Ordering::Relaxed) == WRITTEN
    }

    fn is_in(&self, phase: u8) -> bool {
        self.phase.load(Ordering::Relaxed) == phase
    }

    /// The task of `waker` polls the connection from here until [`leave`](Self::leave).
    pub(super) fn enter(&self, waker: &Waker) {
        let mut task = self.task();
        let is_known = task.as_ref().is_some_and(|known| known.will_wake(waker));
        let former = if is_known { None } else { task.replace(waker.clone()) };
        drop(task);
        drop(former);
        self.state.store(POLLING, Ordering::Release);
    }

    /// Ends what [`enter`](Self::enter) began; true if a wake-up came in between.
    pub(super) fn leave(&self) -> bool {
        self.state.swap(RESTING, Ordering::AcqRel) == WOKEN
    }

    /// Does what wakes the connection without waking the task, which is about to poll it anyway.
    pub(super) fn hush<T>(&self, act: impl FnOnce() -> T) -> T {
        self.state.store(POLLING, Ordering::Release);
        let result = act();
        self.state.store(RESTING, Ordering::Release);
        result
    }

    /// Forgets the task, so that an idle connection does not keep it.
    pub(super) fn rest(&self) {
        let former = self.task().take();
        drop(former);
    }

    /// What is taken out of it is dropped after it is unlocked: that may drop a task.
    fn task(&self) -> MutexGuard<'_, Option<Waker>> {
        self.task.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for Wire {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let noted =
            self.state.compare_exchange(POLLING, WOKEN, Ordering::AcqRel, Ordering::Acquire);
        if noted == Err(RESTING) {
            // Taken out, and put back when the task polls again: a copy would cost more.
            let task = self.task().take();
            if let Some(task) = task {
                task.wake();
            }
        }
    }
}

/// A stream that keeps its [`Wire`]'s marks.
pub(super) struct Wired<S> {
    stream: S,
    wire: Arc<Wire>,
    write_failed: bool,
}

impl<S> Wired<S> {
    pub(super) fn new(stream: S, wire: Arc<Wire>) -> Self {
        Self { stream, wire, write_failed: false }
    }

    pub(super) fn into_inner(self) -> S {
        self.stream
    }

    /// Stops writing instead of failing when the peer no longer reads: a server that refuses a
    /// large request early answers first and closes then, and its answer is still to be read. If
    /// there is none, reading fails as well and says so.
    fn hold<T>(&mut self, result: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset};
        let is_gone = |kind| matches!(kind, BrokenPipe | ConnectionAborted | ConnectionReset);
        match result {
            Poll::Ready(Err(error)) if is_gone(error.kind()) => {
                self.write_failed = true;
                Poll::Pending
            }
            result => result,
        }
    }

    /// Notes that hyper writes, and whether it could.
    fn mark<T>(&self, result: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if matches!(result, Poll::Ready(Ok(_))) {
            self.wire.phase.store(WRITTEN, Ordering::Relaxed);
            self.wire.direct_reads.set(false);
        } else if self.wire.is_in(QUIET) {
            self.wire.phase.store(WRITING, Ordering::Relaxed);
        }
        result
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Wired<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let left = self.wire.head_left.load(Ordering::Relaxed);
        if left == 0 {
            return Poll::Ready(Err(io::Error::other(HeadTooLarge)));
        }
        let before = buf.filled().len();
        let result = Pin::new(&mut self.stream).poll_read(cx, buf);
        if left != UNBOUNDED {
            let read = buf.filled().len() - before;
            if read > 0 && self.wire.is_in(WRITING) {
                return Poll::Ready(Err(io::Error::other(UnaskedResponse)));
            }
            self.wire.head_left.store(left.saturating_sub(read), Ordering::Relaxed);
        }
        result
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Wired<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.write_failed {
            return Poll::Pending;
        }
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        let written = self.mark(written);
        self.hold(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.write_failed {
            return Poll::Pending;
        }
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        let written = self.mark(written);
        self.hold(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.write_failed {
            return Poll::Pending;
        }
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        self.hold(flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.write_failed {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// The server sent bytes before any byte of the request was written.
#[derive(Debug)]
pub(super) struct UnaskedResponse;

impl std::fmt::Display for UnaskedResponse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the server sent bytes before the request was written")
    }
}

impl std::error::Error for UnaskedResponse {}

/// The head, interim responses before it included, is over its limit.
#[derive(Debug)]
pub(super) struct HeadTooLarge;

impl std::fmt::Display for HeadTooLarge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the head is over its limit")
    }
}

impl std::error::Error for HeadTooLarge {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn a_wake_up_while_polling_stays_inside() {
        let (wire, count) = (Wire::new(DirectReads::default()), Arc::new(Count::default()));
        let (inner, task) = (Waker::from(wire.clone()), Waker::from(count.clone()));
        let woken = || count.0.load(Ordering::SeqCst);

        inner.wake_by_ref();
        assert_eq!(woken(), 0, "no task yet");
        wire.enter(&task);
        inner.wake_by_ref();
        inner.wake_by_ref();
        assert_eq!(woken(), 0);
        assert!(wire.leave());
        wire.enter(&task);
        assert!(!wire.leave());
        wire.hush(|| inner.wake_by_ref());
        assert_eq!(woken(), 0);
        inner.wake_by_ref();
        assert_eq!(woken(), 1);
    }

    #[test]
    fn the_last_task_is_woken_and_none_is_kept() {
        let (first, second) = (Arc::new(Count::default()), Arc::new(Count::default()));
        let wire = Wire::new(DirectReads::default());
        for count in [&first, &second] {
            wire.enter(&Waker::from(count.clone()));
            wire.leave();
        }
        Waker::from(wire.clone()).wake();
        assert_eq!((first.0.load(Ordering::SeqCst), second.0.load(Ordering::SeqCst)), (0, 1));
        wire.rest();
        assert_eq!((Arc::strong_count(&first), Arc::strong_count(&second)), (1, 1));
    }

    /// Reads zeros without end; takes no writes.
    struct Broken;

    impl AsyncRead for Broken {
        fn poll_read(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buf: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            buf.put_slice(&[0; 10]);
            Poll::Ready(Ok(()))
        }
    }

    impl AsyncWrite for Broken {
        fn poll_write(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            _: &[u8],
        ) -> Poll<io::Result<usize>> {
            Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[test]
    fn a_failed_write_waits_for_what_is_to_be_read() {
        let wire = Wire::new(DirectReads::default());
        let mut stream = Wired::new(Broken, wire.clone());
        let mut stream = Pin::new(&mut stream);
        let mut cx = Context::from_waker(Waker::noop());
        assert!(stream.as_mut().poll_write(&mut cx, b"x").is_pending());
        assert!(stream.as_mut().poll_flush(&mut cx).is_pending());
        assert!(stream.as_mut().poll_shutdown(&mut cx).is_ready());
        assert!(!wire.is_written());
    }

    #[test]
    fn bytes_that_arrive_while_the_request_cannot_be_written_are_an_error() {
        struct Blocked;
        impl AsyncRead for Blocked {
            fn poll_read(
                self: Pin<&mut Self>,
                _: &mut Context<'_>,
                buf: &mut ReadBuf<'_>,
            ) -> Poll<io::Result<()>> {
                buf.put_slice(b"HTTP/1.1 200 OK");
                Poll::Ready(Ok(()))
            }
        }
        impl AsyncWrite for Blocked {
            fn poll_write(
                self: Pin<&mut Self>,
                _: &mut Context<'_>,
                bytes: &[u8],
            ) -> Poll<io::Result<usize>> {
                if bytes == b"now" { Poll::Ready(Ok(3)) } else { Poll::Pending }
            }

            fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
                Poll::Ready(Ok(()))
            }

            fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
                Poll::Ready(Ok(()))
            }
        }

        let wire = Wire::new(DirectReads::default());
        let mut stream = Wired::new(Blocked, wire.clone());
        let mut cx = Context::from_waker(Waker::noop());
        let mut read = |stream: &mut Wired<Blocked>| {
            let mut bytes = [0; 64];
            let mut buf = ReadBuf::new(&mut bytes);
            match Pin::new(stream).poll_read(&mut cx, &mut buf) {
                Poll::Ready(read) => read.map(|()| buf.filled().len()),
                Poll::Pending => Ok(0),
            }
        };
        let mut cx = Context::from_waker(Waker::noop());
        wire.begin(1024, true);
        assert_eq!(read(&mut stream).unwrap(), 15, "hyper judges bytes on an idle connection");
        assert!(Pin::new(&mut stream).poll_write(&mut cx, b"GET").is_pending());
        assert!(read(&mut stream).unwrap_err().to_string().contains("before the request"));
        assert!(!wire.is_written());
        assert!(Pin::new(&mut stream).poll_write(&mut cx, b"now").is_ready());
        assert_eq!(read(&mut stream).unwrap(), 15);
        assert!(wire.is_written());
    }

    #[test]
    fn a_head_has_only_so_many_bytes() {
        let wire = Wire::new(DirectReads::default());
        let mut stream = Wired::new(Broken, wire.clone());
        let mut cx = Context::from_waker(Waker::noop());
        let mut read = || {
            let mut bytes = [0; 16];
            let read = Pin::new(&mut stream).poll_read(&mut cx, &mut ReadBuf::new(&mut bytes));
            matches!(read, Poll::Ready(Ok(())))
        };
        wire.begin(15, false);
        assert_eq!([read(), read(), read()], [true, true, false]);
        wire.begin(15, false);
        assert!(read());
        wire.head_arrived();
        assert!((0..10).all(|_| read()));
    }
}
