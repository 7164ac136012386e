use crate::{Delivery, ErrorKind, TransportError};
use std::{
    fmt,
    future::Future,
    pin::Pin,
    time::{Duration, Instant},
};
#[cfg(feature = "tokio")]
use std::{
    panic::catch_unwind,
    task::{Context, Poll},
};
#[cfg(feature = "tokio")]
use tokio::runtime;

/// The future that [`Timer::sleep_until`] returns.
pub type Sleep = Pin<Box<dyn Future<Output = ()> + Send + Sync + 'static>>;

/// A monotonic clock and its sleeps.
///
/// `TokioTimer` (feature `tokio`) is the usual one; the manual timer of `atoma_transport::testing`
/// advances only on request. Changing the system's time of day has no effect.
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
    /// Returns the current instant, which never decreases.
    fn now(&self) -> Instant;

    /// Returns a future that is ready once [`now`](Timer::now) has reached `deadline`, immediately if
    /// it already has.
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
/// Its sleeps must be polled inside a Tokio runtime whose time driver is on. A sleep that is polled
/// in another runtime than before continues there. Outside every runtime, and in one without a time
/// driver, a sleep cannot wait and ends immediately: the code that needed it then fails with an
/// error that says so.
#[cfg(feature = "tokio")]
#[derive(Clone, Copy, Debug, Default)]
#[allow(clippy::exhaustive_structs, reason = "a value without settings")]
pub struct TokioTimer;

#[cfg(feature = "tokio")]
impl Timer for TokioTimer {
    fn now(&self) -> Instant {
        tokio::time::Instant::now().into_std()
    }

    fn sleep_until(&self, deadline: Instant) -> Sleep {
        Box::pin(TokioSleep { deadline, runtime: None, sleep: None })
    }
}

/// A sleep may end this much too early: timers have a limited precision.
const PRECISION: Duration = Duration::from_millis(10);

/// Fails if a sleep until `end` that has ended cannot have waited for it: the clock says otherwise.
///
/// That is [`TokioTimer`] in a runtime without a time driver, or outside of every runtime.
pub(crate) fn check_slept(
    timer: &dyn Timer,
    end: Instant,
    delivery: Delivery,
) -> Result<(), TransportError> {
    if end.saturating_duration_since(timer.now()) <= PRECISION {
        return Ok(());
    }
    Err(TransportError::new(ErrorKind::Other, delivery)
        .with_detail(
            "the timer cannot wait: the Tokio runtime has no time driver; build it with enable_time \
             or enable_all",
        )
        .permanent())
}

/// Waits until `end`, or fails if the timer cannot.
pub(crate) async fn sleep_until(timer: &dyn Timer, end: Instant) -> Result<(), TransportError> {
    timer.sleep_until(end).await;
    check_slept(timer, end, Delivery::NotSent)
}

#[cfg(feature = "tokio")]
pin_project_lite::pin_project! {
    /// Sleeps in the runtime in which it is polled, and begins again if that becomes another one.
    ///
    /// A type by hand: an async block has room for each variable that a value is moved through, and
    /// would need 96 bytes more in each idle stream.
    struct TokioSleep {
        deadline: Instant,
        // The runtime that `sleep` waits in.
        runtime: Option<runtime::Id>,
        #[pin]
        sleep: Option<tokio::time::Sleep>,
    }
}

#[cfg(feature = "tokio")]
impl Future for TokioSleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        let Ok(here) = runtime::Handle::try_current() else { return Poll::Ready(()) };
        let here = Some(here.id());
        if *this.runtime != here {
            // Tokio's own function panics in a runtime without a time driver, and there is no way to
            // ask.
            let deadline = (*this.deadline).into();
            let Ok(sleep) = catch_unwind(|| tokio::time::sleep_until(deadline)) else {
                return Poll::Ready(());
            };
            this.sleep.set(Some(sleep));
            *this.runtime = here;
        }
        this.sleep.as_pin_mut().map_or(Poll::Ready(()), |sleep| sleep.poll(cx))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A clock that stays where it is, and whose sleeps end immediately.
    #[derive(Debug)]
    struct Still(Instant);

    impl Timer for Still {
        fn now(&self) -> Instant {
            self.0
        }

        fn sleep_until(&self, _: Instant) -> Sleep {
            Box::pin(std::future::ready(()))
        }
    }

    #[test]
    fn a_sleep_that_ends_more_than_10_ms_early_is_an_error_for_good() {
        let now = Instant::now();
        for (name, end, is_error) in [
            ("late", now.checked_sub(PRECISION).unwrap_or(now), false),
            ("on time", now, false),
            ("10 ms early", now + PRECISION, false),
            ("a nanosecond more", now + PRECISION + Duration::from_nanos(1), true),
            ("an hour early", now + Duration::from_secs(3600), true),
        ] {
            let checked = check_slept(&Still(now), end, Delivery::Unknown);
            let error = checked.err().map(|error| {
                assert!(error.to_string().contains("no time driver"), "{name}: {error}");
                (error.kind(), error.delivery(), error.is_transient())
            });
            let wanted = is_error.then_some((ErrorKind::Other, Delivery::Unknown, false));
            assert_eq!(error, wanted, "{name}");
        }
    }
}
