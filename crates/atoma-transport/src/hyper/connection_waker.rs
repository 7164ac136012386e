//! The only waker that a connection ever sees.
//!
//! A connection is polled inside the task that reads from it, and consists of two halves: hyper's
//! connection, which reads and writes, and the body or response, which waits for the bytes that were read. With
//! the task's own waker, each half would wake the task for the other half's sake, although both are
//! polled in turn anyway, and a pooled connection would keep the waker, and with it the memory, of a
//! task that is long gone. So both halves are polled with the waker below:
//!
//! ```text
//!            start_polling              a half wakes              stop_polling -> true
//!   RESTING ───────────────► POLLING ───────────────► WOKEN ───────────────────────────► RESTING
//!      │  ▲                     │                       (polled again, or the task is woken)
//!      │  └─────────────────────┘
//!      │       stop_polling -> false
//!      └── a half or the socket wakes: the task is woken
//! ```

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU8, Ordering},
    },
    task::{Wake, Waker},
};

const RESTING: u8 = 0;
const POLLING: u8 = 1;
const WOKEN: u8 = 2;

/// Passes a wake-up on to the task that polled last, unless that task is polling right now.
pub(super) struct ConnectionWaker {
    /// One of the three states above.
    state: AtomicU8,
    /// The task that polled last; `None` while the connection rests in the pool.
    task: Mutex<Option<Waker>>,
}

impl ConnectionWaker {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self { state: AtomicU8::new(RESTING), task: Mutex::new(None) })
    }

    /// The task of `waker` polls the connection from here until [`stop_polling`](Self::stop_polling).
    pub(super) fn start_polling(&self, waker: &Waker) {
        let mut task = self.task();
        let is_known = task.as_ref().is_some_and(|known| known.will_wake(waker));
        // The task is set before the state: a wake-up in between still finds a task to wake.
        let former = if is_known { None } else { task.replace(waker.clone()) };
        drop(task);
        drop(former);
        self.state.store(POLLING, Ordering::Release);
    }

    /// Ends what [`start_polling`](Self::start_polling) began; true if a wake-up came in between.
    pub(super) fn stop_polling(&self) -> bool {
        self.state.swap(RESTING, Ordering::AcqRel) == WOKEN
    }

    /// Runs `act`, which wakes the connection, without waking the task: it polls anyway.
    pub(super) fn without_waking<T>(&self, act: impl FnOnce() -> T) -> T {
        self.state.store(POLLING, Ordering::Release);
        let result = act();
        self.state.store(RESTING, Ordering::Release);
        result
    }

    /// Forgets the task, so that an idle connection does not keep it.
    pub(super) fn forget_task(&self) {
        let former = self.task().take();
        drop(former);
    }

    /// A waker taken out must be dropped after the lock is released: that may drop a task.
    fn task(&self) -> MutexGuard<'_, Option<Waker>> {
        self.task.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for ConnectionWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // WOKEN stays WOKEN, and nobody is woken: `stop_polling` reports it to the caller, who polls again.
        let noted =
            self.state.compare_exchange(POLLING, WOKEN, Ordering::AcqRel, Ordering::Acquire);
        if noted == Err(RESTING) {
            // Taken out, and put back when the task polls again: a copy would cost more.
            let task = self.task().take();
            if let Some(task) = task {
                task.wake();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn a_wake_up_while_polling_stays_inside() {
        let (waker, count) = (ConnectionWaker::new(), Arc::new(Count::default()));
        let (inner, task) = (Waker::from(waker.clone()), Waker::from(count.clone()));
        let woken = || count.0.load(Ordering::SeqCst);

        inner.wake_by_ref();
        assert_eq!(woken(), 0, "no task yet");
        waker.start_polling(&task);
        inner.wake_by_ref();
        inner.wake_by_ref();
        assert_eq!(woken(), 0);
        assert!(waker.stop_polling());
        waker.start_polling(&task);
        assert!(!waker.stop_polling());
        waker.without_waking(|| inner.wake_by_ref());
        assert_eq!(woken(), 0);
        inner.wake_by_ref();
        assert_eq!(woken(), 1);
    }

    #[test]
    fn the_last_task_is_woken_and_none_is_kept() {
        let (first, second) = (Arc::new(Count::default()), Arc::new(Count::default()));
        let waker = ConnectionWaker::new();
        for count in [&first, &second] {
            waker.start_polling(&Waker::from(count.clone()));
            waker.stop_polling();
        }
        Waker::from(waker.clone()).wake();
        assert_eq!((first.0.load(Ordering::SeqCst), second.0.load(Ordering::SeqCst)), (0, 1));
        // The wake-up took the task out: the next poll puts it back.
        waker.start_polling(&Waker::from(second.clone()));
        waker.stop_polling();
        assert_eq!(Arc::strong_count(&second), 2);
        waker.forget_task();
        assert_eq!((Arc::strong_count(&first), Arc::strong_count(&second)), (1, 1));
    }
}
