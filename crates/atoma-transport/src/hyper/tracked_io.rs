//! A stream under hyper's connection, which tracks the progress of an exchange.
//!
//! hyper does not say whether a byte of the request has left, and takes bytes that arrive too early for the response. Both matter
//! for a retry: a request is sent again without asking only if none of it can have been seen. So the truth is read where it cannot
//! be missed, at the stream below hyper.
//!
//! ```text
//! hyper's connection
//!     │ poll_read, poll_write
//! TrackedIo ── ExchangeProgress ──► Connection: was it written? how large may the head still be?
//!     │
//! Stream: TLS, a proxy, TCP
//! ```

use super::read_state::ReadState;
use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// No limit on reading: a head has arrived, or none is expected.
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
///                      │ or an end as unexpected,     │ none of it has left       │
///                      │ and gives the request back   │                           │
/// ```
///
/// hyper reads before it takes a request out of its queue and writes it in the same poll. So QUIET
/// ends within about a microsecond of the read, and WRITING lasts longer only if the socket takes
/// no bytes at first.
const QUIET: u8 = 0;
const WRITING: u8 = 1;
const WRITTEN: u8 = 2;

/// The progress of an exchange, as the stream below hyper sees it.
pub(super) struct ExchangeProgress {
    /// QUIET, WRITING or WRITTEN.
    phase: AtomicU8,
    /// The bytes that the head may still take, interim responses included.
    head_left: AtomicUsize,
    /// Shared with the layers below, which read directly while it says so.
    read_state: ReadState,
}

impl ExchangeProgress {
    /// `read_state` is that of the stream below.
    pub(super) fn new(read_state: ReadState) -> Arc<Self> {
        Arc::new(Self {
            phase: AtomicU8::new(QUIET),
            head_left: AtomicUsize::new(UNBOUNDED),
            read_state,
        })
    }

    /// Begins an exchange: nothing of it is written yet, and its head may take `max_head` bytes.
    ///
    /// On a connection that was idle, reads are direct until the request is written: one more
    /// system call (0.3 µs) per reuse.
    pub(super) fn begin(&self, max_head: usize, was_idle: bool) {
        self.phase.store(QUIET, Ordering::Relaxed);
        self.head_left.store(max_head, Ordering::Relaxed);
        self.read_state.set_direct(was_idle);
    }

    /// The head has arrived: the following bytes belong to the body.
    pub(super) fn head_arrived(&self) {
        self.head_left.store(UNBOUNDED, Ordering::Relaxed);
    }

    /// Whether a byte of the exchange may have left.
    pub(super) fn is_written(&self) -> bool {
        self.is_in(WRITTEN)
    }

    /// Returns whether a part of a TLS record has arrived on a connection that was idle. The rest
    /// would turn it into a response after the request was written.
    fn has_unasked_part(&self) -> bool {
        self.is_in(QUIET) && self.read_state.is_direct() && self.read_state.is_inside_message()
    }

    fn is_in(&self, phase: u8) -> bool {
        self.phase.load(Ordering::Relaxed) == phase
    }
}

/// A stream that keeps [`ExchangeProgress`] up to date, and holds heads to their limit.
pub(super) struct TrackedIo<S> {
    stream: S,
    progress: Arc<ExchangeProgress>,
    /// Whether the peer no longer reads. From then on writes wait forever and reads decide.
    write_failed: bool,
}

impl<S> TrackedIo<S> {
    pub(super) fn new(stream: S, progress: Arc<ExchangeProgress>) -> Self {
        Self { stream, progress, write_failed: false }
    }

    pub(super) fn into_inner(self) -> S {
        self.stream
    }

    /// Stops writing instead of failing when the peer no longer reads: a server that rejects a
    /// large request early responds first and then closes, and its response is still to be read. If
    /// there is none, reading fails as well.
    fn hold<T>(&mut self, result: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset};
        let is_gone = |kind| matches!(kind, BrokenPipe | ConnectionAborted | ConnectionReset);
        match result {
            // No wake-up follows, but the read half wakes the task: with a response, or an error.
            Poll::Ready(Err(error)) if is_gone(error.kind()) => {
                self.write_failed = true;
                Poll::Pending
            }
            result => result,
        }
    }

    /// Records that hyper writes, and whether it could.
    fn mark<T>(&self, result: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if matches!(result, Poll::Ready(Ok(_))) {
            // The server may have seen a byte: later bytes can be the response.
            self.progress.phase.store(WRITTEN, Ordering::Relaxed);
            self.progress.read_state.set_direct(false);
        } else if self.progress.is_in(QUIET) {
            // hyper has taken the request, but the socket has not taken a byte.
            self.progress.phase.store(WRITING, Ordering::Relaxed);
        }
        result
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for TrackedIo<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let left = self.progress.head_left.load(Ordering::Relaxed);
        // The previous read used the limit up, and the head was still incomplete.
        if left == 0 {
            return Poll::Ready(Err(io::Error::other(HeadTooLarge)));
        }
        let before = buf.filled().len();
        let result = Pin::new(&mut self.stream).poll_read(cx, buf);
        // After the head nothing is checked: the body's reads are the hot path.
        if left != UNBOUNDED {
            // A started TLS record would be completed to a "response" after the request is written.
            if result.is_pending() && self.progress.has_unasked_part() {
                return Poll::Ready(Err(io::Error::other(UnaskedResponse)));
            }
            let read = buf.filled().len() - before;
            // hyper has the request in hand and would take these bytes for its response.
            if read > 0 && self.progress.is_in(WRITING) {
                return Poll::Ready(Err(io::Error::other(UnaskedResponse)));
            }
            self.progress.head_left.store(left.saturating_sub(read), Ordering::Relaxed);
        }
        result
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for TrackedIo<S> {
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

/// The head, including interim responses before it, exceeds its limit.
#[derive(Debug)]
pub(super) struct HeadTooLarge;

impl std::fmt::Display for HeadTooLarge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the head is over its limit")
    }
}

impl std::error::Error for HeadTooLarge {}

#[cfg(test)]
mod tests;
