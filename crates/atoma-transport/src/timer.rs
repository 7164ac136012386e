#[cfg(feature = "tokio")]
use std::task::{Context, Poll};
use std::{fmt, future::Future, pin::Pin, time::Instant};

/// A wait, as [`Timer::sleep_until`] returns it.
pub type Sleep = Pin<Box<dyn Future<Output = ()> + Send + Sync + 'static>>;

/// The clock, passed in: what the time is, and how to wait.
///
/// `TokioTimer` (feature `tokio`) is the usual one; the manual timer of `atoma_transport::testing`
/// moves only when told to. Only the difference between two instants is ever used, never the time of day, so a
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
/// Its sleeps must be polled inside a Tokio runtime whose time driver is on. One that is polled in
/// another runtime than before goes on there. Outside every runtime a sleep cannot wait, and is over
/// at once: whatever needed the runtime then fails with an error of its own.
#[cfg(feature = "tokio")]
#[derive(Clone, Copy, Debug, Default)]
pub struct TokioTimer;

#[cfg(feature = "tokio")]
impl Timer for TokioTimer {
    fn now(&self) -> Instant {
        tokio::time::Instant::now().into_std()
    }

    fn sleep_until(&self, deadline: Instant) -> Sleep {
        Box::pin(TokioSleep { deadline, begun: None })
    }
}

/// Begun when it is first polled: `tokio::time::sleep_until` itself panics outside a runtime.
#[cfg(feature = "tokio")]
struct TokioSleep {
    deadline: Instant,
    begun: Option<(tokio::runtime::Id, Pin<Box<tokio::time::Sleep>>)>,
}

#[cfg(feature = "tokio")]
impl Future for TokioSleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return Poll::Ready(()) };
        let deadline = self.deadline.into();
        match &mut self.begun {
            Some((id, sleep)) if *id == runtime.id() => sleep.as_mut().poll(cx),
            begun => {
                let sleep = Box::pin(tokio::time::sleep_until(deadline));
                begun.insert((runtime.id(), sleep)).1.as_mut().poll(cx)
            }
        }
    }
}
