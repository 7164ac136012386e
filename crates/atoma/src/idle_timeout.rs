//! The idle timeout of a stream.
//!
//! ```text
//! event  event      the task waits      event      the sleep fires early    fires
//!   │ reset │ reset      │ sleep armed    │ reset        │ armed again        │
//!   ▼       ▼            ▼                ▼              ▼                    ▼
//! ──●───────●────────────○────────────────●──────────────○────────────────────╳ expired
//! ```
//!
//! Replacing the sleep on each event would cost a lock and an allocation per token. So the sleep is armed for the earliest possible
//! end, and whether an event arrived meanwhile is checked when it fires.
use atoma_transport::{Delivery, ErrorKind, Sleep, Timer, TransportError};
use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll, Waker, ready},
    time::{Duration, Instant},
};

/// Measures how long there has been no activity, at no cost while there is activity.
///
/// [`reset`](Self::reset) only sets a flag. The time is read when the task has nothing to do but
/// wait, and a pending sleep is left to fire early rather than replaced.
pub(crate) struct IdleTimeout {
    timer: Arc<dyn Timer>,
    /// The time when the last activity was noticed.
    since: Instant,
    /// Whether there was activity since `since`.
    was_reset: bool,
    /// The sleep that is armed, if the task has waited.
    sleep: Option<PendingSleep>,
}

/// A sleep may end this much too early: timers have a limited precision.
const PRECISION: Duration = Duration::from_millis(10);

struct PendingSleep {
    /// When it fires.
    until: Instant,
    sleep: Sleep,
    /// The task that it wakes, once polled.
    waker: Option<Waker>,
}

impl IdleTimeout {
    /// Starts measuring now.
    pub(crate) fn new(timer: Arc<dyn Timer>) -> Self {
        Self { since: timer.now(), timer, was_reset: false, sleep: None }
    }

    pub(crate) fn timer(&self) -> Arc<dyn Timer> {
        Arc::clone(&self.timer)
    }

    pub(crate) fn now(&self) -> Instant {
        self.timer.now()
    }

    /// Reports activity.
    pub(crate) fn reset(&mut self) {
        self.was_reset = true;
    }

    /// Returns whether there was no activity for `limit`; never without a limit.
    pub(crate) fn has_expired(&mut self, limit: Option<Duration>) -> bool {
        self.has_expired_at(self.timer.now(), limit)
    }

    fn has_expired_at(&mut self, now: Instant, limit: Option<Duration>) -> bool {
        // The activity is dated here, later than it was: the timeout is never too short.
        if std::mem::take(&mut self.was_reset) {
            self.since = now;
        }
        limit.is_some_and(|limit| now.saturating_duration_since(self.since) >= limit)
    }

    /// Is ready when there was no activity for `limit`, or if the timer cannot wait for that.
    pub(crate) fn poll_expired(
        &mut self,
        cx: &mut Context<'_>,
        limit: Option<Duration>,
    ) -> Poll<Result<(), TransportError>> {
        loop {
            let now = self.timer.now();
            if self.has_expired_at(now, limit) {
                return Poll::Ready(Ok(()));
            }
            let Some(deadline) = limit.and_then(|limit| self.since.checked_add(limit)) else {
                return Poll::Pending;
            };
            let pending = match &mut self.sleep {
                Some(pending) if pending.until <= deadline => pending,
                none => {
                    let sleep = self.timer.sleep_until(deadline);
                    none.insert(PendingSleep { until: deadline, sleep, waker: None })
                }
            };
            // Polling again a sleep that will wake the same task later would change nothing, and a
            // sleep of Tokio takes a lock.
            let wakes_us = |waker: &Waker| waker.will_wake(cx.waker());
            if now < pending.until && pending.waker.as_ref().is_some_and(wakes_us) {
                return Poll::Pending;
            }
            pending.waker = Some(cx.waker().clone());
            ready!(pending.sleep.as_mut().poll(cx));
            // It fired although the time has not come: the timer does not work.
            if pending.until.saturating_duration_since(self.timer.now()) > PRECISION {
                return Poll::Ready(Err(cannot_wait()));
            }
            self.sleep = None;
        }
    }
}

/// The error of a timer whose sleeps end immediately.
#[cold]
fn cannot_wait() -> TransportError {
    TransportError::new(ErrorKind::Other, Delivery::Unknown)
        .with_detail(
            "the timer cannot wait: the Tokio runtime has no time driver; build it with enable_time \
             or enable_all",
        )
        .permanent()
}

impl fmt::Debug for IdleTimeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdleTimeout").field("timer", &self.timer).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use atoma_transport::testing::ManualTimer;
    use std::{
        future::poll_fn,
        sync::atomic::{AtomicU64, AtomicUsize, Ordering},
        task::Wake,
    };

    /// Counts how often its sleeps are asked.
    #[derive(Debug)]
    struct Counting(ManualTimer, Arc<AtomicUsize>);

    impl Timer for Counting {
        fn now(&self) -> Instant {
            self.0.now()
        }

        fn sleep_until(&self, deadline: Instant) -> Sleep {
            let (mut sleep, asked) = (self.0.sleep_until(deadline), Arc::clone(&self.1));
            Box::pin(poll_fn(move |cx| {
                asked.fetch_add(1, Ordering::Relaxed);
                sleep.as_mut().poll(cx)
            }))
        }
    }

    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_sleep_is_asked_once_by_each_task_and_when_it_is_over() {
        const LIMIT: Option<Duration> = Some(Duration::from_secs(10));
        let (timer, asked) = (ManualTimer::new(), Arc::new(AtomicUsize::new(0)));
        let mut idle = IdleTimeout::new(Arc::new(Counting(timer.clone(), Arc::clone(&asked))));
        let tasks = [Arc::new(Woken::default()), Arc::new(Woken::default())];
        let [first, second] = tasks.clone().map(Waker::from);
        let mut is_over =
            |waker| idle.poll_expired(&mut Context::from_waker(waker), LIMIT).is_ready();

        for (waker, so_far) in [(&first, 1), (&first, 1), (&second, 2), (&second, 2), (&first, 3)] {
            timer.advance(Duration::from_secs(1));
            assert!(!is_over(waker));
            assert_eq!(asked.load(Ordering::Relaxed), so_far);
        }
        timer.advance(Duration::from_secs(10));
        assert_eq!(tasks.map(|task| task.0.load(Ordering::Relaxed)), [1, 0]);
        assert!(is_over(&first));
    }

    /// Ends its first sleep this many milliseconds too early.
    #[derive(Debug)]
    struct Early(ManualTimer, AtomicU64);

    impl Timer for Early {
        fn now(&self) -> Instant {
            self.0.now()
        }

        fn sleep_until(&self, deadline: Instant) -> Sleep {
            let early = Duration::from_millis(self.1.swap(0, Ordering::Relaxed));
            self.0.sleep_until(deadline - early)
        }
    }

    #[test]
    fn a_sleep_that_ends_at_most_10_ms_early_is_armed_again() {
        const LIMIT: Duration = Duration::from_secs(10);
        for (early, expected) in [(0, "expired"), (10, "waits"), (11, "cannot wait")] {
            let timer = ManualTimer::new();
            let mut idle = IdleTimeout::new(Arc::new(Early(timer.clone(), early.into())));
            let mut poll =
                || match idle.poll_expired(&mut Context::from_waker(Waker::noop()), Some(LIMIT)) {
                    Poll::Pending => "waits".to_owned(),
                    Poll::Ready(Ok(())) => "expired".to_owned(),
                    Poll::Ready(Err(error)) => error.to_string(),
                };
            assert_eq!(poll(), "waits");
            let early = Duration::from_millis(early);
            timer.advance(LIMIT - early);
            let outcome = poll();
            assert!(outcome.contains(expected), "{early:?}: {outcome}");
            timer.advance(early);
            assert!(expected == "cannot wait" || poll() == "expired", "{early:?}");
        }
    }

    #[test]
    fn a_shorter_limit_wakes_the_task_earlier() {
        let (timer, task) = (ManualTimer::new(), Arc::new(Woken::default()));
        let mut idle = IdleTimeout::new(Arc::new(timer.clone()));
        let waker = Waker::from(Arc::clone(&task));
        for limit in [20, 5] {
            let limit = Some(Duration::from_secs(limit));
            assert!(idle.poll_expired(&mut Context::from_waker(&waker), limit).is_pending());
        }
        timer.advance(Duration::from_secs(5));
        assert_eq!(task.0.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn a_sleep_that_ends_on_time_after_activity_is_armed_again() {
        let (timer, task) = (ManualTimer::new(), Arc::new(Woken::default()));
        let mut idle = IdleTimeout::new(Arc::new(timer.clone()));
        let waker = Waker::from(Arc::clone(&task));
        let poll = |idle: &mut IdleTimeout| {
            idle.poll_expired(&mut Context::from_waker(&waker), Some(Duration::from_secs(10)))
        };
        assert!(poll(&mut idle).is_pending());
        for woken in [0, 1, 2] {
            timer.advance(Duration::from_secs(5));
            assert_eq!(task.0.load(Ordering::Relaxed), woken, "after each 5 s but the first");
            if woken == 0 {
                idle.reset();
            }
            assert_eq!(poll(&mut idle).is_ready(), woken == 2);
        }
    }

    #[test]
    fn a_limit_is_reached_with_its_last_moment_and_without_one_never() {
        let timer = ManualTimer::new();
        let mut idle = IdleTimeout::new(Arc::new(timer.clone()));
        let limit = Some(Duration::from_secs(10));
        timer.advance(Duration::from_secs(9));
        assert!(!idle.has_expired(limit));
        timer.advance(Duration::from_secs(1));
        assert!(idle.has_expired(limit));
        assert!(!idle.has_expired(None));
        idle.reset();
        assert!(!idle.has_expired(limit), "activity is dated when it is noticed");
        timer.advance(Duration::from_secs(10));
        assert!(idle.has_expired(limit));
    }
}
