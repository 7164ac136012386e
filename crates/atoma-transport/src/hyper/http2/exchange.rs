//! One request and its response, between the caller and the task that drives the connection.
//!
//! ```text
//! Driver: head, append, end ──► ResponseBuffer ──► Exchange: head, poll_read
//!            ▲                                        │
//!            └──── take_read, is_abandoned ◄──────────┘   wakes the driver
//! ```
//!
//! The two sides never wait for each other: the driver appends whether or not anyone reads, which is safe because the stream's
//! window bounds the unread bytes. Reading gives the window back, at most twice per window.

use super::{classify, driver_waker::DriverWaker, failure::Failure};
use crate::{TransportError, body::PolledFrame};
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, header, response::Parts};
use http_body::{Frame, SizeHint};
use std::{
    future::poll_fn,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

/// The most unread bytes: the window of a stream.
/// At 100 ms of round-trip time it allows about 2.5 MB per second, far more than a model writes.
pub(super) const WINDOW: u32 = 256 * 1024;

/// The caller's end. Dropping it resets the stream.
pub(super) struct Exchange {
    /// The response, shared with the driver.
    response: Arc<ResponseBuffer>,
    /// Wakes the driver when the window is to be returned, or the stream to be reset.
    driver: Arc<DriverWaker>,
}

/// The part of the response that has arrived and is not read yet. The driver writes it.
#[derive(Default)]
pub(super) struct ResponseBuffer(Mutex<State>);

#[derive(Default)]
struct State {
    /// Taken by the first reader.
    head: Option<Parts>,
    /// The bytes of all frames since the last read, joined.
    unread: BytesMut,
    /// How the response ended. A failure is taken once; after it the end is a plain one.
    end: Option<Result<(), Failure>>,
    /// Read, and not yet returned to the stream's window.
    read: usize,
    /// Whether the caller has dropped its end.
    is_abandoned: bool,
    /// The caller's task, while it waits.
    reader: Option<Waker>,
}

impl Exchange {
    pub(super) fn new(response: Arc<ResponseBuffer>, driver: Arc<DriverWaker>) -> Self {
        Self { response, driver }
    }

    /// Waits for the head of the response.
    pub(super) async fn head(&mut self) -> Result<Parts, Failure> {
        poll_fn(|cx| {
            let mut state = self.response.lock();
            match (state.head.take(), state.end.take()) {
                // The whole response may have arrived by now: its end is for the body.
                (Some(head), end) => {
                    state.end = end;
                    Poll::Ready(Ok(head))
                }
                (None, Some(Err(failure))) => Poll::Ready(Err(failure)),
                (None, Some(Ok(()))) => Poll::Ready(Err(Failure::final_with(classify::gone()))),
                (None, None) => state.wait(cx),
            }
        })
        .await
    }

    /// Returns whether the response has ended and all of it was read.
    pub(super) fn is_at_end(&self) -> bool {
        let state = self.response.lock();
        state.unread.is_empty() && matches!(state.end, Some(Ok(())))
    }

    /// Reads the bytes of the body that have arrived.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, TransportError>>> {
        let mut state = self.response.lock();
        // Bytes come before the end, also before an error: they were received.
        if !state.unread.is_empty() {
            let bytes = state.unread.split().freeze();
            state.read += bytes.len();
            // Half a window at a time: a WINDOW_UPDATE per read would be a frame per token.
            let is_due = state.end.is_none() && state.read >= WINDOW as usize / 2;
            // Unlocked first: the driver may run on another thread and want the same lock.
            drop(state);
            if is_due {
                self.driver.wake();
            }
            return Poll::Ready(Some(Ok(bytes)));
        }
        match state.end.take() {
            None => state.wait(cx),
            Some(Ok(())) => {
                state.end = Some(Ok(()));
                Poll::Ready(None)
            }
            Some(Err(failure)) => {
                state.end = Some(Ok(()));
                Poll::Ready(Some(Err(failure.error)))
            }
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let mut state = self.response.lock();
        let is_over = state.end.is_some();
        state.is_abandoned = true;
        drop(state);
        // Only an unfinished stream needs a reset; the driver notices a finished one by itself.
        if !is_over {
            self.driver.wake();
        }
    }
}

impl ResponseBuffer {
    /// Stores the head, and wakes the reader.
    pub(super) fn head(&self, head: Parts) {
        self.change(|state| state.head = Some(head));
    }

    /// Joins `bytes` to the unread ones, so that small frames cost only their content.
    pub(super) fn append(&self, bytes: &[u8]) {
        self.change(|state| state.unread.extend_from_slice(bytes));
    }

    /// Ends the response, unless it has ended.
    pub(super) fn end(&self, end: Result<(), Failure>) {
        self.change(|state| {
            state.end.get_or_insert(end);
        });
    }

    /// Returns whether nobody will read the response.
    pub(super) fn is_abandoned(&self) -> bool {
        self.lock().is_abandoned
    }

    /// Takes the number of bytes read since the last call.
    pub(super) fn take_read(&self) -> usize {
        std::mem::take(&mut self.lock().read)
    }

    /// Changes the state and wakes the reader, after the lock is released.
    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.lock();
        change(&mut state);
        let reader = state.reader.take();
        drop(state);
        if let Some(reader) = reader {
            reader.wake();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Registers the reader's task.
    fn wait<T>(&mut self, cx: &Context<'_>) -> Poll<T> {
        self.reader = Some(cx.waker().clone());
        Poll::Pending
    }
}

/// The body of a response.
pub(super) struct ExchangeBody {
    /// `None` after the end or an error.
    exchange: Option<Exchange>,
    /// The bytes that are still to come, if the server announced a length. `h2` enforces it.
    left: Option<u64>,
}

impl ExchangeBody {
    pub(super) fn new(exchange: Exchange, headers: &HeaderMap) -> Self {
        let length = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok());
        Self { exchange: Some(exchange), left: length.and_then(|length| length.parse().ok()) }
    }
}

impl http_body::Body for ExchangeBody {
    type Data = Bytes;
    type Error = TransportError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> PolledFrame {
        let this = &mut *self;
        let Some(exchange) = &mut this.exchange else { return Poll::Ready(None) };
        let read = std::task::ready!(exchange.poll_read(cx));
        match &read {
            Some(Ok(bytes)) => {
                this.left = this.left.map(|left| left.saturating_sub(bytes.len() as u64));
            }
            Some(Err(_)) | None => this.exchange = None,
        }
        Poll::Ready(read.map(|read| read.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.exchange.as_ref().is_none_or(Exchange::is_at_end)
    }

    fn size_hint(&self) -> SizeHint {
        match (&self.exchange, self.left) {
            (None, _) => SizeHint::with_exact(0),
            (Some(_), Some(left)) => SizeHint::with_exact(left),
            (Some(_), None) => SizeHint::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body::Body as _;
    use std::task::Wake;

    fn begun() -> (Exchange, Arc<ResponseBuffer>) {
        let response = Arc::new(ResponseBuffer::default());
        (Exchange::new(response.clone(), Arc::default()), response)
    }

    /// The next item: data, the text of an error, the end, or nothing yet.
    fn read(body: &mut ExchangeBody) -> String {
        let mut cx = Context::from_waker(Waker::noop());
        match Pin::new(body).poll_frame(&mut cx) {
            Poll::Pending => "pending".into(),
            Poll::Ready(None) => "end".into(),
            Poll::Ready(Some(Err(error))) => error.to_string(),
            Poll::Ready(Some(Ok(frame))) => {
                String::from_utf8(frame.into_data().unwrap().to_vec()).unwrap()
            }
        }
    }

    #[test]
    fn unread_bytes_are_joined_and_come_before_the_end() {
        let (exchange, response) = begun();
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_LENGTH, 5.into());
        let mut body = ExchangeBody::new(exchange, &headers);
        assert_eq!(read(&mut body), "pending");
        for byte in [b"a", b"b", b"c"] {
            response.append(byte);
        }
        assert_eq!((read(&mut body), read(&mut body)), ("abc".into(), "pending".into()));
        assert_eq!(body.size_hint().exact(), Some(2));
        assert_eq!((response.take_read(), response.take_read()), (3, 0));
        response.append(b"de");
        response.end(Ok(()));
        assert!(!body.is_end_stream());
        assert_eq!(read(&mut body), "de");
        assert!(body.is_end_stream());
        assert_eq!((read(&mut body), read(&mut body)), ("end".into(), "end".into()));
    }

    #[test]
    fn a_response_is_at_its_end_once_it_has_ended_well_and_is_read() {
        let (bytes, lost) = (b"abc", || Failure::final_with(classify::gone()));
        for (name, unread, end, is_at_end) in [
            ("begun", false, None, false),
            ("ended", false, Some(Ok(())), true),
            ("ended, with unread bytes", true, Some(Ok(())), false),
            ("failed", false, Some(Err(lost())), false),
        ] {
            let (exchange, response) = begun();
            if unread {
                response.append(bytes);
            }
            if let Some(end) = end {
                response.end(end);
            }
            assert_eq!(exchange.is_at_end(), is_at_end, "{name}");
        }
    }

    #[test]
    fn a_head_is_delivered_once() {
        use futures::FutureExt;
        let (mut exchange, response) = begun();
        assert!(exchange.head().now_or_never().is_none());
        let (head, ()) = http::Response::builder().status(201).body(()).unwrap().into_parts();
        response.head(head);
        response.end(Ok(()));
        assert_eq!(exchange.head().now_or_never().unwrap().ok().unwrap().status, 201);
        let failure = exchange.head().now_or_never().unwrap().unwrap_err();
        assert_eq!(failure.error.kind(), crate::ErrorKind::ConnectionLost);
    }

    #[test]
    fn an_error_comes_once_and_after_what_is_unread() {
        let (exchange, response) = begun();
        let mut body = ExchangeBody::new(exchange, &HeaderMap::new());
        response.append(b"abc");
        let error = classify::abandoned("why", true);
        response.end(Err(Failure::final_with(error)));
        response.end(Ok(()));
        let all = [read(&mut body), read(&mut body), read(&mut body)];
        assert_eq!(all, ["abc", "response body ended unexpectedly: why", "end"]);
    }

    #[test]
    fn the_driver_is_woken_for_half_a_window_and_for_an_early_end() {
        #[derive(Default)]
        struct Count(std::sync::atomic::AtomicUsize);
        impl Wake for Count {
            fn wake(self: Arc<Self>) {
                self.0.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            }
        }
        let count = Arc::new(Count::default());
        let (exchange, response) = begun();
        let driver = exchange.driver.clone();
        let woken = || {
            driver.register(&Waker::from(count.clone()));
            count.0.load(std::sync::atomic::Ordering::SeqCst)
        };
        let mut body = ExchangeBody::new(exchange, &HeaderMap::new());
        let half = [b'x'; 128 * 1024];
        let mut wakes = vec![woken()];
        for piece in [&half[1..], b"x"] {
            response.append(piece);
            read(&mut body);
            wakes.push(woken());
        }
        assert!(!response.is_abandoned());
        drop(body);
        wakes.push(woken());
        assert_eq!(wakes, [0, 0, 1, 2]);
        assert!(response.is_abandoned());
    }
}
