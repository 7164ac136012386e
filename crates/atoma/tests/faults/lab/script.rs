//! What the server does on one connection, step by step.

use super::{Peer, answers};
use bytes::Bytes;
use std::{future::Future, pin::Pin, sync::Arc};
use tokio::sync::Semaphore;

/// The steps of one connection. After the last the server says that it will send no more (FIN),
/// and waits for the client to close.
#[derive(Clone, Default)]
pub struct Script(Vec<Step>);

/// A gate that a script waits at until the test opens it; clones are the same gate.
#[derive(Clone, Debug)]
pub struct Gate(Arc<Semaphore>);

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
    Good,
    Run(Run),
}

type Run = Arc<
    dyn for<'a> Fn(&'a mut Peer) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> + Send + Sync,
>;

impl Script {
    /// Begins by reading a request.
    pub fn on_request() -> Self {
        Self::at_once().request()
    }

    /// Begins without waiting for anything.
    pub fn at_once() -> Self {
        Self::default()
    }

    /// Answers every request as it should be.
    pub fn good() -> Self {
        Self::at_once().then_good()
    }

    /// Reads a request, head and body.
    pub fn request(self) -> Self {
        self.step(Step::Request)
    }

    /// Reads until at least `count` bytes of the next request are there.
    pub fn bytes(self, count: usize) -> Self {
        self.step(Step::Bytes(count))
    }

    /// Sends `bytes`.
    pub fn write(self, bytes: impl AsRef<[u8]>) -> Self {
        self.step(Step::Write(Bytes::copy_from_slice(bytes.as_ref())))
    }

    /// Sends `bytes`, each on its own.
    pub fn drip(self, bytes: impl AsRef<[u8]>) -> Self {
        self.step(Step::Drip(Bytes::copy_from_slice(bytes.as_ref())))
    }

    /// Sends `bytes` again and again, until the client is gone or `at_most` bytes were taken.
    pub fn flood(self, bytes: impl AsRef<[u8]>, at_most: u64) -> Self {
        self.step(Step::Flood { bytes: Bytes::copy_from_slice(bytes.as_ref()), at_most })
    }

    /// Waits until `gate` is opened, or the client is gone.
    pub fn pass(self, gate: &Gate) -> Self {
        self.step(Step::Pass(gate.clone()))
    }

    /// Says that nothing more will be sent, and reads on.
    pub fn half_close(self) -> Self {
        self.step(Step::HalfClose)
    }

    /// Sends nothing more until the client closes.
    pub fn until_closed(self) -> Self {
        self.step(Step::UntilClosed)
    }

    /// Closes in both directions at once.
    pub fn close(self) -> Self {
        self.step(Step::Close)
    }

    /// Closes with a reset (RST).
    pub fn reset(self) -> Self {
        self.step(Step::Reset)
    }

    /// Answers every further request as it should be.
    pub fn then_good(self) -> Self {
        self.step(Step::Good)
    }

    /// Does what no other step does.
    pub fn run<F>(self, run: F) -> Self
    where
        F: for<'a> Fn(&'a mut Peer) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>>
            + Send
            + Sync
            + 'static,
    {
        self.step(Step::Run(Arc::new(run)))
    }

    fn step(mut self, step: Step) -> Self {
        self.0.push(step);
        self
    }

    pub(super) async fn play(self, mut peer: Peer) {
        for step in self.0 {
            match step {
                Step::Request => drop(peer.request().await),
                Step::Bytes(count) => peer.read_at_least(count).await,
                Step::Write(bytes) => peer.write(&bytes).await,
                Step::Drip(bytes) => {
                    for byte in bytes {
                        peer.write(&[byte]).await;
                        tokio::task::yield_now().await;
                    }
                }
                Step::Flood { bytes, at_most } => peer.flood(&bytes, at_most).await,
                Step::Pass(gate) => {
                    peer.halts();
                    tokio::select! {
                        () = gate.passed() => peer.goes_on(),
                        () = peer.read_at_least(usize::MAX) => {}
                    }
                }
                Step::HalfClose => peer.half_close().await,
                Step::UntilClosed => peer.until_closed().await,
                Step::Close => return,
                Step::Reset => return peer.reset(),
                Step::Good => {
                    while let Some(request) = peer.request().await {
                        peer.write(answers::good(&request).as_bytes()).await;
                    }
                }
                Step::Run(run) => run(&mut peer).await,
            }
        }
        peer.half_close().await;
        peer.until_closed().await;
    }
}

impl Gate {
    /// A closed gate.
    pub fn new() -> Self {
        Self(Arc::new(Semaphore::new(0)))
    }

    /// Lets one script pass, now or when it comes.
    pub fn open(&self) {
        self.0.add_permits(1);
    }

    /// Waits until the gate is opened, and passes.
    pub async fn passed(&self) {
        self.0.acquire().await.expect("a gate is never taken away").forget();
    }
}
