use std::{fmt, future::Future, pin::Pin, time::Instant};

/// A wait, as [`Timer::sleep_until`] returns it.
pub type Sleep = Pin<Box<dyn Future<Output = ()> + Send + Sync + 'static>>;

/// The clock, passed in: what the time is, and how to wait.
///
/// [`TokioTimer`] is the usual one; the manual timer of `atoma_transport::testing` moves only when
/// told to. Only the difference between two instants is ever used, never the time of day, so a
/// change of the system's clock has no effect.
///
/// ```
/// use atoma_transport::{Sleep, Timer};
/// use std::time::Instant;
///
/// /// A timer for a runtime with a thread for each wait.
/// #[derive(Debug)]
/// struct ThreadTimer;
///
/// impl Timer for ThreadTimer {
///     fn now(&self) -> Instant {
///         Instant::now()
///     }
///
///     fn sleep_until(&self, deadline: Instant) -> Sleep {
///         let (wake, woken) = futures::channel::oneshot::channel();
///         std::thread::spawn(move || {
///             std::thread::sleep(deadline.saturating_duration_since(Instant::now()));
///             wake.send(())
///         });
///         Box::pin(async { woken.await.unwrap_or_default() })
///     }
/// }
/// ```
pub trait Timer: fmt::Debug + Send + Sync + 'static {
    /// The present instant; it never goes back.
    fn now(&self) -> Instant;

    /// A future that is ready once [`now`](Timer::now) has reached `deadline`, at once if it has.
    fn sleep_until(&self, deadline: Instant) -> Sleep;
}

impl<T: Timer + ?Sized> Timer for std::sync::Arc<T> {
    fn now(&self) -> Instant {
        (**self).now()
    }

    fn sleep_until(&self, deadline: Instant) -> Sleep {
        (**self).sleep_until(deadline)
    }
}

/// Tokio's clock: real, or paused with `tokio::time::pause` in tests.
///
/// Its sleeps must be polled inside a Tokio runtime whose time driver is on.
#[cfg(feature = "tokio")]
#[derive(Clone, Copy, Debug, Default)]
pub struct TokioTimer;

#[cfg(feature = "tokio")]
impl Timer for TokioTimer {
    fn now(&self) -> Instant {
        tokio::time::Instant::now().into_std()
    }

    fn sleep_until(&self, deadline: Instant) -> Sleep {
        // Created inside the future: `tokio::time::sleep_until` itself panics outside a runtime.
        Box::pin(async move { tokio::time::sleep_until(deadline.into()).await })
    }
}
