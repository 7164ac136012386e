//! One HTTP/1.1 connection, driven by the task that waits for its response.

use super::{
    classify,
    connection_waker::ConnectionWaker,
    keep_alive::Lifetime,
    stream::Stream,
    tracked_io::{ExchangeProgress, TrackedIo},
};
use crate::TransportError;
use bytes::Bytes;
use http::{Request, Response};
use http_body::Frame;
use http_body_util::Full;
use hyper::{
    body::Incoming,
    client::conn::{TrySendError, http1},
};
use hyper_util::rt::TokioIo;
use std::{
    fmt,
    future::{Future, poll_fn},
    mem,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Instant,
};

/// How often a connection that wakes itself is polled again before its task is woken instead.
const TURNS: usize = 3;

/// A connection without a task behind it: it makes progress only while it is polled.
pub(super) struct Connection {
    sender: http1::SendRequest<Full<Bytes>>,
    driver: Driver,
    /// A response was received before.
    was_used: bool,
    pub(super) lifetime: Lifetime,
}

/// hyper's half that reads and writes, and the state that polls it from a reader's task.
struct Driver {
    /// Once the connection has ended, the bytes that it left unread.
    connection: Result<Box<dyn Driven>, Bytes>,
    progress: Arc<ExchangeProgress>,
    shared_waker: Arc<ConnectionWaker>,
    /// The same as a [`Waker`].
    waker: Waker,
}

/// The reason why [`Connection::send`] got no response.
#[derive(Debug)]
pub(super) enum SendError {
    /// The connection had ended before the request was begun, which is returned.
    Unsent(TransportError, Box<Request<Full<Bytes>>>),
    Failed(TransportError),
}

impl Connection {
    /// Speaks HTTP/1.1 over `stream`. Nothing is sent yet.
    pub(super) async fn open(
        stream: Stream,
        max_head: usize,
        now: Instant,
    ) -> Result<Self, TransportError> {
        let progress = ExchangeProgress::new(stream.read_state());
        let (sender, connection) = handshake(stream, progress.clone(), max_head)
            .await
            .map_err(|error| classify::head(error, &[], false))?;
        let shared_waker = ConnectionWaker::new();
        let driver = Driver {
            connection: Ok(connection),
            progress,
            waker: Waker::from(shared_waker.clone()),
            shared_waker,
        };
        Ok(Self { sender, driver, was_used: false, lifetime: Lifetime::new(now) })
    }

    /// Sends `request` and waits for the head of its response, which may take `max_head` bytes.
    ///
    /// If the future is dropped before it is ready, the connection must be dropped as well.
    pub(super) async fn send(
        &mut self,
        request: Box<Request<Full<Bytes>>>,
        max_head: usize,
    ) -> Result<Response<Incoming>, SendError> {
        let driver = &mut self.driver;
        driver.progress.begin(max_head, mem::replace(&mut self.was_used, true));
        // The block frees the box; the argument would keep it until the head has arrived.
        let request = {
            let boxed = request;
            *boxed
        };
        let mut response = pin!(self.sender.try_send_request(request));
        let response = poll_fn(|cx| driver.poll(cx, |cx| response.as_mut().poll(cx))).await;
        // From here on the limit of the head no longer applies to the bytes that arrive.
        driver.progress.head_arrived();
        response.map_err(|error| match driver.failure(error) {
            // hyper returns a request that it has not begun, so it may use another connection.
            (error, Some(unsent)) => SendError::Unsent(error, Box::new(unsent)),
            (error, None) => SendError::Failed(error),
        })
    }

    /// Reads the next frame of the body that [`send`](Self::send) began.
    pub(super) fn poll_frame(
        &mut self,
        body: &mut Incoming,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        self.driver.poll(cx, |cx| http_body::Body::poll_frame(Pin::new(&mut *body), cx))
    }

    /// Takes the frame of the body that came with the head, if one did; nothing is read for it.
    pub(super) fn poll_early(
        &self,
        body: &mut Incoming,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let mut cx = Context::from_waker(Waker::noop());
        // hyper wakes the connection because there is room again; the task already knows.
        self.driver
            .shared_waker
            .without_waking(|| http_body::Body::poll_frame(Pin::new(body), &mut cx))
    }

    /// Whether the last exchange is over in both directions and another may follow.
    pub(super) fn is_ready(&self) -> bool {
        self.driver.connection.is_ok() && self.sender.is_ready()
    }

    /// Looks at an idle connection; false if it has ended, or its runtime has.
    pub(super) fn is_open(&mut self) -> bool {
        self.driver.poll_connection();
        self.is_ready()
    }

    /// Releases the task that polled last.
    pub(super) fn forget_task(&self) {
        self.driver.shared_waker.forget_task();
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let open = self.driver.connection.is_ok();
        f.debug_struct("Connection").field("open", &open).finish_non_exhaustive()
    }
}

impl Driver {
    /// Polls the connection, then `wanted`, until `wanted` is ready or both have to wait.
    ///
    /// The connection reads from the socket and hands frames to `wanted` through a channel with one
    /// place. Taking a frame makes room, which wakes the connection, and it may have more:
    ///
    /// ```text
    ///   socket ──► connection ──(one frame)──► wanted ──► caller
    ///                   ▲                        │
    ///                   └────── woken: room ─────┘
    /// ```
    ///
    /// So both are polled again if either woke the other, at most [`TURNS`] times. Afterwards the
    /// task is woken instead, so that a fast server cannot keep it from other work.
    fn poll<T>(
        &mut self,
        cx: &mut Context<'_>,
        mut wanted: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        for _ in 0..TURNS {
            // From here on, wake-ups of either half are only noted: both are polled below.
            self.shared_waker.start_polling(cx.waker());
            // The connection first: it reads the bytes that `wanted` waits for.
            self.poll_connection();
            let result = wanted(&mut Context::from_waker(&self.waker));
            let woken = self.shared_waker.stop_polling();
            // Without a wake-up, both halves wait for the socket or a timer, which wake the task.
            if result.is_ready() || !woken {
                return result;
            }
        }
        // More may be there: come back after other tasks have had their turn.
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn poll_connection(&mut self) {
        let Ok(open) = &mut self.connection else { return };
        if open.poll(&mut Context::from_waker(&self.waker)).is_ready() {
            // Taken apart, it closes the socket and gives up a request it had not begun.
            if let Ok(ended) = mem::replace(&mut self.connection, Err(Bytes::new())) {
                self.connection = Err(ended.into_parts().1);
            }
        }
    }

    /// The reason why there is no response, and the request if it was not begun.
    #[cold]
    fn failure(
        &self,
        mut error: TrySendError<Request<Full<Bytes>>>,
    ) -> (TransportError, Option<Request<Full<Bytes>>>) {
        let unsent = error.take_message();
        let unread = self.connection.as_ref().err().map_or(&[][..], |unread| unread);
        let error = classify::head(error.into_error(), unread, self.progress.is_written());
        (error, unsent)
    }
}

/// Speaks HTTP/1.1 over `stream`. Nothing is sent yet.
///
/// A boxed trait object: hyper's state is large, and so is the code at each place that names its
/// type.
pub(super) fn handshake(
    stream: Stream,
    progress: Arc<ExchangeProgress>,
    max_head: usize,
) -> Handshake {
    Box::pin(async move {
        let (sender, connection) = http1::Builder::new()
            .max_buf_size(max_head.max(64 * 1024))
            .max_header_size(max_head)
            .handshake(TokioIo::new(TrackedIo::new(stream, progress)))
            .await?;
        Ok((sender, Box::new(connection) as Box<dyn Driven>))
    })
}

type Handshake = Pin<Box<dyn Future<Output = hyper::Result<Halves>> + Send>>;

/// The half that accepts requests, and the one that reads and writes.
type Halves = (http1::SendRequest<Full<Bytes>>, Box<dyn Driven>);

/// hyper's half that reads and writes.
pub(super) trait Driven: Send {
    /// Polls it until it has ended. The reason is returned by the future of the response.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()>;

    /// The same, and leaves the stream open.
    fn poll_without_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<()>;

    /// Returns the stream, and the bytes that are unread.
    fn into_parts(self: Box<Self>) -> (Stream, Bytes);
}

impl Driven for http1::Connection<TokioIo<TrackedIo<Stream>>, Full<Bytes>> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        Future::poll(Pin::new(self), cx).map(drop)
    }

    fn poll_without_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_without_shutdown(cx).map(drop)
    }

    fn into_parts(self: Box<Self>) -> (Stream, Bytes) {
        let parts = (*self).into_parts();
        (parts.io.into_inner().into_inner(), parts.read_buf)
    }
}
