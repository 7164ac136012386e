//! The script of one connection: what a server does, step by step, however wrong it is.
//!
//! ```
//! use atoma_transport::testing::server::Script;
//!
//! let half_a_head = Script::on_request().write("HTTP/1.1 200 OK\r\ncontent-").until_closed();
//! ```
use super::Peer;
use bytes::Bytes;
use std::{
    fmt,
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::Arc,
    task::Poll,
};
use tokio::sync::Semaphore;

/// The steps of one connection. After the last step, the server ends its side (FIN) and waits for
/// the client to close.
#[derive(Clone, Debug, Default)]
pub struct Script(Vec<Step>);

/// A gate at which a script waits until the test opens it. Clones share the gate.
#[derive(Clone, Debug)]
pub struct Gate(Arc<Semaphore>);

/// One step. The methods of [`Script`] describe them.
#[derive(Clone)]
enum Step {
    Request,
    Bytes(usize),
    Write(Bytes),
    Drip(Bytes),
    Flood { bytes: Bytes, at_most: u64 },
    Pass(Gate),
    HalfClose,
    UntilClosed,
    Close,
    Reset,
    Respond(Arc<dyn Fn(&str) -> Bytes + Send + Sync>),
    Run(Run),
}

/// Code of a test, which may use the connection while it runs.
type Run = Arc<
    dyn for<'a> Fn(&'a mut Peer) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> + Send + Sync,
>;

impl Script {
    /// Creates a script that first reads a request.
    #[must_use]
    pub fn on_request() -> Self {
        Self::default().request()
    }

    /// Reads a request, head and body.
    #[must_use]
    pub fn request(self) -> Self {
        self.step(Step::Request)
    }

    /// Reads until at least `count` bytes of the next request have arrived.
    #[must_use]
    pub fn bytes(self, count: usize) -> Self {
        self.step(Step::Bytes(count))
    }

    /// Sends `bytes` in one write.
    #[must_use]
    pub fn write(self, bytes: impl AsRef<[u8]>) -> Self {
        self.step(Step::Write(Bytes::copy_from_slice(bytes.as_ref())))
    }

    /// Sends `bytes` one at a time.
    #[must_use]
    pub fn drip(self, bytes: impl AsRef<[u8]>) -> Self {
        self.step(Step::Drip(Bytes::copy_from_slice(bytes.as_ref())))
    }

    /// Sends `bytes` repeatedly until the client closes or `at_most` bytes were taken.
    #[must_use]
    pub fn flood(self, bytes: impl AsRef<[u8]>, at_most: u64) -> Self {
        self.step(Step::Flood { bytes: Bytes::copy_from_slice(bytes.as_ref()), at_most })
    }

    /// Waits until `gate` is opened or the client closes.
    #[must_use]
    pub fn pass(self, gate: &Gate) -> Self {
        self.step(Step::Pass(gate.clone()))
    }

    /// Ends the server's side of the connection (FIN), and continues to read.
    #[must_use]
    pub fn half_close(self) -> Self {
        self.step(Step::HalfClose)
    }

    /// Sends nothing until the client closes.
    #[must_use]
    pub fn until_closed(self) -> Self {
        self.step(Step::UntilClosed)
    }

    /// Closes both directions immediately.
    #[must_use]
    pub fn close(self) -> Self {
        self.step(Step::Close)
    }

    /// Closes with a reset (RST).
    #[must_use]
    pub fn reset(self) -> Self {
        self.step(Step::Reset)
    }

    /// Responds to every further request with the bytes that `response` returns for it.
    #[must_use]
    pub fn respond<B: Into<Bytes>>(
        self,
        response: impl Fn(&str) -> B + Send + Sync + 'static,
    ) -> Self {
        self.step(Step::Respond(Arc::new(move |request| response(request).into())))
    }

    /// Runs code that no other step covers.
    #[must_use]
    pub fn run<F>(self, run: F) -> Self
    where
        F: for<'a> Fn(&'a mut Peer) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>>
            + Send
            + Sync
            + 'static,
    {
        self.step(Step::Run(Arc::new(run)))
    }

    /// Adds a step.
    fn step(mut self, step: Step) -> Self {
        self.0.push(step);
        self
    }

    /// Plays the steps on a connection. Steps after the client has left do nothing.
    pub(super) async fn play(self, mut peer: Peer) {
        for step in self.0 {
            match step {
                Step::Request => drop(peer.request().await),
                Step::Bytes(count) => peer.read_at_least(count).await,
                Step::Write(bytes) => peer.write(&bytes).await,
                Step::Drip(bytes) => {
                    for byte in bytes {
                        peer.write([byte]).await;
                        // Between two bytes other tasks run, so that each byte is a read of the client.
                        tokio::task::yield_now().await;
                    }
                }
                Step::Flood { bytes, at_most } => peer.flood(&bytes, at_most).await,
                Step::Pass(gate) => {
                    // Counted, so that a test can wait until the script has reached the gate.
                    peer.halts();
                    if gate.passed_before(peer.read_at_least(usize::MAX)).await {
                        peer.resumes();
                    }
                }
                Step::HalfClose => peer.half_close().await,
                Step::UntilClosed => peer.until_closed().await,
                Step::Close => return,
                Step::Reset => return peer.stream.reset_on_close(),
                Step::Respond(response) => {
                    while let Some(request) = peer.request().await {
                        peer.write(response(&request)).await;
                    }
                }
                Step::Run(run) => run(&mut peer).await,
            }
        }
        peer.half_close().await;
        peer.until_closed().await;
    }
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Request => f.write_str("Request"),
            Self::Bytes(count) => f.debug_tuple("Bytes").field(count).finish(),
            Self::Write(bytes) => f.debug_tuple("Write").field(bytes).finish(),
            Self::Drip(bytes) => f.debug_tuple("Drip").field(bytes).finish(),
            Self::Flood { bytes, .. } => f.debug_tuple("Flood").field(bytes).finish(),
            Self::Pass(_) => f.write_str("Pass"),
            Self::HalfClose => f.write_str("HalfClose"),
            Self::UntilClosed => f.write_str("UntilClosed"),
            Self::Close => f.write_str("Close"),
            Self::Reset => f.write_str("Reset"),
            Self::Respond(_) => f.write_str("Respond"),
            Self::Run(_) => f.write_str("Run"),
        }
    }
}

impl Gate {
    /// Creates a closed gate.
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::new(Semaphore::new(0)))
    }

    /// Lets one script pass, now or when it arrives.
    pub fn open(&self) {
        self.0.add_permits(1);
    }

    /// Revokes the openings that no script has used.
    pub fn close(&self) {
        self.0.forget_permits(usize::MAX);
    }

    /// Waits until the gate is opened, and passes it.
    pub async fn passed(&self) {
        self.0.acquire().await.expect("the semaphore is never closed").forget();
    }

    /// Waits for the gate or for `other`. Returns whether the gate was passed.
    pub async fn passed_before<T>(&self, other: impl Future<Output = T>) -> bool {
        let (mut passed, mut other) = (pin!(self.passed()), pin!(other));
        poll_fn(|cx| match passed.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(true),
            Poll::Pending => other.as_mut().poll(cx).map(|_| false),
        })
        .await
    }
}

impl Default for Gate {
    fn default() -> Self {
        Self::new()
    }
}
