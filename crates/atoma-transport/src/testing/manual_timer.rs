use crate::{Sleep, Timer};
use std::{
    collections::BTreeMap,
    fmt,
    future::Future,
    mem,
    pin::{Pin, pin},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    time::{Duration, Instant},
};

/// A clock that advances only on request. Clones are the same clock.
///
/// [`run`](Self::run) is an executor that advances it whenever nothing else is left to do, so that
/// hours pass immediately.
///
/// ```
/// use atoma_transport::{Timer, testing::ManualTimer};
/// use std::time::Duration;
///
/// let timer = ManualTimer::new();
/// let in_an_hour = timer.sleep_until(timer.now() + Duration::from_secs(3600));
/// timer.run(in_an_hour);
/// assert_eq!(timer.elapsed(), Duration::from_secs(3600));
/// ```
#[derive(Clone)]
pub struct ManualTimer {
    clock: Arc<Mutex<Clock>>,
    began: Instant,
}

struct Clock {
    now: Instant,
    sleeps: u64,
    waiting: BTreeMap<(Instant, u64), Waker>,
}

impl ManualTimer {
    /// Creates a clock without sleeps.
    pub fn new() -> Self {
        let began = Instant::now();
        let clock = Clock { now: began, sleeps: 0, waiting: BTreeMap::new() };
        Self { clock: Arc::new(Mutex::new(clock)), began }
    }

    /// Advances the clock and wakes the sleeps that are over.
    ///
    /// # Panics
    ///
    /// If the time is beyond the range of [`Instant`].
    pub fn advance(&self, by: Duration) {
        let now = self.lock().now + by;
        self.move_to(now);
    }

    /// Advances the clock to the end of the next sleep. Returns `false` if there is none.
    pub fn advance_to_next(&self) -> bool {
        let Some(next) = self.next_due() else { return false };
        self.move_to(next);
        true
    }

    /// Polls `future` until it is ready, and advances the clock to the end of the next sleep whenever
    /// nothing else is left to do.
    ///
    /// # Panics
    ///
    /// If the future is pending, has not been woken, and does not wait for this clock: it would wait
    /// forever.
    pub fn run<F: Future>(&self, future: F) -> F::Output {
        let woken = Arc::new(Woken(AtomicBool::new(true)));
        let waker = Waker::from(Arc::clone(&woken));
        let mut future = pin!(future);
        loop {
            while woken.0.swap(false, Ordering::AcqRel) {
                if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker))
                {
                    return output;
                }
            }
            assert!(self.advance_to_next(), "the future waits for something other than this clock");
        }
    }

    /// Returns how far the clock has advanced since it was created.
    pub fn elapsed(&self) -> Duration {
        self.now() - self.began
    }

    /// Returns the end of the next sleep.
    pub fn next_due(&self) -> Option<Instant> {
        self.lock().waiting.keys().next().map(|(instant, _)| *instant)
    }

    /// Returns the number of sleeps that have started and have neither ended nor been dropped.
    pub fn waiters(&self) -> usize {
        self.lock().waiting.len()
    }

    /// Returns the number of sleeps that have ever started.
    pub fn sleeps(&self) -> u64 {
        self.lock().sleeps
    }

    fn move_to(&self, now: Instant) {
        let mut clock = self.lock();
        let now = clock.now.max(now);
        clock.now = now;
        let later = clock.waiting.split_off(&(now, u64::MAX));
        let due = mem::replace(&mut clock.waiting, later);
        drop(clock);
        due.into_values().for_each(Waker::wake);
    }

    fn lock(&self) -> MutexGuard<'_, Clock> {
        self.clock.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for ManualTimer {
    fn default() -> Self {
        Self::new()
    }
}

impl Timer for ManualTimer {
    fn now(&self) -> Instant {
        self.lock().now
    }

    fn sleep_until(&self, deadline: Instant) -> Sleep {
        let mut clock = self.lock();
        clock.sleeps += 1;
        Box::pin(ManualSleep { timer: self.clone(), key: (deadline, clock.sleeps) })
    }
}

impl fmt::Debug for ManualTimer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ManualTimer")
            .field("elapsed", &self.elapsed())
            .field("waiters", &self.waiters())
            .finish()
    }
}

struct ManualSleep {
    timer: ManualTimer,
    key: (Instant, u64),
}

impl Future for ManualSleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut clock = self.timer.lock();
        if clock.now >= self.key.0 {
            clock.waiting.remove(&self.key);
            return Poll::Ready(());
        }
        clock.waiting.insert(self.key, cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for ManualSleep {
    fn drop(&mut self) {
        self.timer.lock().waiting.remove(&self.key);
    }
}

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Release);
    }
}
