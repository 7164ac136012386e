use atoma_transport::{Sleep, Timer};
use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll, Waker, ready},
    time::{Duration, Instant},
};

/// Tells when nothing has moved for too long, at no cost while something moves.
///
/// Movement is only noted; the time is read when there is nothing to do but wait, and a sleep that
/// is under way is left to run out rather than set anew.
pub(crate) struct Clock {
    timer: Arc<dyn Timer>,
    /// When it was last seen that something had moved.
    since: Instant,
    has_moved: bool,
    sleep: Option<Armed>,
}

/// A sleep under way.
struct Armed {
    until: Instant,
    sleep: Sleep,
    /// Whom it wakes, once it was asked.
    waker: Option<Waker>,
}

impl Clock {
    /// A clock that starts now.
    pub(crate) fn new(timer: Arc<dyn Timer>) -> Self {
        Self { since: timer.now(), timer, has_moved: false, sleep: None }
    }

    pub(crate) fn time_since(&self, earlier: Instant) -> Duration {
        self.timer.now().saturating_duration_since(earlier)
    }

    pub(crate) fn moved(&mut self) {
        self.has_moved = true;
    }

    /// Whether nothing has moved for `limit`; never without a limit.
    pub(crate) fn has_passed(&mut self, limit: Option<Duration>) -> bool {
        self.has_passed_at(self.timer.now(), limit)
    }

    fn has_passed_at(&mut self, now: Instant, limit: Option<Duration>) -> bool {
        if std::mem::take(&mut self.has_moved) {
            self.since = now;
        }
        limit.is_some_and(|limit| now.saturating_duration_since(self.since) >= limit)
    }

    /// Ready when nothing has moved for `limit`.
    pub(crate) fn poll_passed(
        &mut self,
        cx: &mut Context<'_>,
        limit: Option<Duration>,
    ) -> Poll<()> {
        loop {
            let now = self.timer.now();
            if self.has_passed_at(now, limit) {
                return Poll::Ready(());
            }
            let Some(deadline) = limit.and_then(|limit| self.since.checked_add(limit)) else {
                return Poll::Pending;
            };
            let armed = match &mut self.sleep {
                Some(armed) if armed.until <= deadline => armed,
                none => {
                    let sleep = self.timer.sleep_until(deadline);
                    none.insert(Armed { until: deadline, sleep, waker: None })
                }
            };
            // Nothing is gained by asking a sleep again which is to wake the same task later.
            let wakes_us = |waker: &Waker| waker.will_wake(cx.waker());
            if now < armed.until && armed.waker.as_ref().is_some_and(wakes_us) {
                return Poll::Pending;
            }
            armed.waker = Some(cx.waker().clone());
            ready!(armed.sleep.as_mut().poll(cx));
            self.sleep = None;
        }
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clock").field("timer", &self.timer).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use atoma_transport::testing::ManualTimer;
    use std::{
        future::poll_fn,
        sync::atomic::{AtomicUsize, Ordering},
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
        let mut clock = Clock::new(Arc::new(Counting(timer.clone(), Arc::clone(&asked))));
        let tasks = [Arc::new(Woken::default()), Arc::new(Woken::default())];
        let [first, second] = tasks.clone().map(Waker::from);
        let mut is_over =
            |waker| clock.poll_passed(&mut Context::from_waker(waker), LIMIT).is_ready();

        for (waker, so_far) in [(&first, 1), (&first, 1), (&second, 2), (&second, 2), (&first, 3)] {
            timer.advance(Duration::from_secs(1));
            assert!(!is_over(waker));
            assert_eq!(asked.load(Ordering::Relaxed), so_far);
        }
        timer.advance(Duration::from_secs(10));
        assert_eq!(tasks.map(|task| task.0.load(Ordering::Relaxed)), [1, 0]);
        assert!(is_over(&first));
    }
}
