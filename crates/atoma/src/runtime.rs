//! The runtime of the blocking client.

use crate::{Error, Result};
use std::{
    fmt,
    future::Future,
    panic::resume_unwind,
    pin::pin,
    sync::Arc,
    task::{Context, Waker},
    thread,
};
use tokio::runtime::{Builder, Handle, Runtime};

/// A runtime without threads: it runs on the thread that waits.
#[derive(Clone)]
#[allow(unreachable_pub)]
pub struct BlockingRuntime(Arc<OwnedRuntime>);

struct OwnedRuntime(Option<Runtime>);

impl BlockingRuntime {
    pub(crate) fn new() -> Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build().map_err(|error| {
            Error::config(format!("no runtime for the blocking client: {}", error.kind()))
        })?;
        Ok(Self(Arc::new(OwnedRuntime(Some(runtime)))))
    }

    /// Waits for `future`, wherever blocking is allowed: on a thread without a runtime, with one
    /// that was only entered, in `spawn_blocking` and in `block_in_place`.
    ///
    /// Tokio panics if a task blocks its thread; this is an error instead.
    pub(crate) fn block_on<T: Send>(&self, future: impl Future<Output = T> + Send) -> Result<T> {
        let runtime = self.0.0.as_ref().expect("taken only when it is dropped");
        if Handle::try_current().is_err() {
            return Ok(runtime.block_on(future));
        }
        if is_in_task() {
            return Err(Error::misuse(
                "the blocking client cannot wait inside an async runtime: use atoma::Client there, \
                 or spawn_blocking",
            ));
        }
        // Blocking is allowed here, unless the task hides its budget (`tokio::task::unconstrained`).
        // There, Tokio would panic on this thread, so another one drives the runtime.
        thread::scope(|scope| {
            let driver = thread::Builder::new().name("atoma-blocking".to_owned());
            let driver =
                driver.spawn_scoped(scope, || runtime.block_on(future)).map_err(|error| {
                    Error::config(format!("no thread for the blocking client: {}", error.kind()))
                })?;
            driver.join().map_err(|panic| resume_unwind(panic))
        })
    }
}

/// Returns whether this thread is polling a task, where blocking is not allowed.
///
/// Tokio has no function for this, and the functions that it has panic. Only a task that is being
/// polled has a budget that runs out, though: 128 units. Threads of `spawn_blocking`,
/// `block_in_place` and threads that entered a runtime have none. The only effect is that the task
/// yields once.
fn is_in_task() -> bool {
    let mut cx = Context::from_waker(Waker::noop());
    (0..=u8::MAX).any(|_| pin!(tokio::task::consume_budget()).poll(&mut cx).is_pending())
}

impl fmt::Debug for BlockingRuntime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BlockingRuntime")
    }
}

/// Dropping a runtime the usual way panics inside another one.
impl Drop for OwnedRuntime {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}
