//! One HTTP/2 connection, from the side of the requests.

use super::{
    super::keep_alive::Limits,
    classify,
    driver_waker::DriverWaker,
    exchange::{Exchange, ResponseBuffer},
    failure::{Failure, Resend},
};
use bytes::Bytes;
use http::Request;
use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// The most exchanges on one connection at a time.
pub(super) const MAX_STREAMS: usize = 32;

/// A connection, driven by a separate task.
///
/// The task ends, and closes the connection, when it was [retired](Self::retire) and its last
/// exchange is over, when it has idled too long, or when the connection fails.
pub(super) struct Connection {
    /// Locked for a few instructions at a time, by callers and by the driver.
    state: Mutex<State>,
    /// For the limit on the age.
    opened: Instant,
    /// How old and how idle it may become.
    limits: Limits,
    /// Wakes the task that drives the connection.
    driver: Arc<DriverWaker>,
}

/// A request that is not sent yet, and the place for its response.
pub(super) type Queued = (Request<Bytes>, Arc<ResponseBuffer>);

struct State {
    /// Requests that the driver has not taken yet.
    queue: VecDeque<Queued>,
    /// Exchanges in the queue and those in progress.
    exchanges: usize,
    /// When the last exchange ended.
    idle_since: Instant,
    /// False once it is retired.
    is_accepting: bool,
}

impl Connection {
    /// A connection without a driver yet.
    pub(super) fn new(opened: Instant, limits: Limits) -> Self {
        let state =
            State { queue: VecDeque::new(), exchanges: 0, idle_since: opened, is_accepting: true };
        Self { state: Mutex::new(state), opened, limits, driver: Arc::default() }
    }

    /// Puts `request` on the connection if there is room for it, and the connection is neither too
    /// old nor was idle for too long.
    ///
    /// The driver closes a connection that was idle for too long, but only if the runtime is
    /// driven.
    pub(super) fn begin(&self, request: &Request<Bytes>, now: Instant) -> Option<Exchange> {
        if self.is_outdated(now) {
            self.retire();
        }
        self.queue(request)
    }

    /// Returns whether it is too old, or was idle for too long.
    fn is_outdated(&self, now: Instant) -> bool {
        let is_over = |since, limit: Option<Duration>| {
            limit.is_some_and(|limit| now.saturating_duration_since(since) >= limit)
        };
        let state = self.lock();
        is_over(self.opened, self.limits.age)
            || (state.exchanges == 0 && is_over(state.idle_since, self.limits.idle))
    }

    /// Puts `request` into the queue, unless there is no room or the connection is retired.
    pub(super) fn queue(&self, request: &Request<Bytes>) -> Option<Exchange> {
        let mut state = self.lock();
        if !state.is_accepting || state.exchanges >= MAX_STREAMS {
            return None;
        }
        let response = Arc::new(ResponseBuffer::default());
        state.exchanges += 1;
        state.queue.push_back((request.clone(), response.clone()));
        // Unlocked before the driver runs, which locks it.
        drop(state);
        self.driver.wake();
        Some(Exchange::new(response, self.driver.clone()))
    }

    /// Takes no more exchanges, and closes when those in progress have ended.
    pub(super) fn retire(&self) {
        self.lock().is_accepting = false;
        self.driver.wake();
    }

    /// Returns whether it takes requests.
    pub(super) fn is_accepting(&self) -> bool {
        self.lock().is_accepting
    }

    /// The waker of the task that drives it.
    pub(super) fn driver(&self) -> &DriverWaker {
        &self.driver
    }

    /// Returns whether a request waits to be sent.
    pub(super) fn has_queued(&self) -> bool {
        !self.lock().queue.is_empty()
    }

    /// The request that has waited longest.
    pub(super) fn next(&self) -> Option<Queued> {
        self.lock().queue.pop_front()
    }

    /// Makes room: an exchange has ended.
    pub(super) fn is_over(&self, now: Instant) {
        let mut state = self.lock();
        state.exchanges -= 1;
        state.idle_since = now;
    }

    /// Retires the connection if no exchange is on it; returns false if there is one.
    pub(super) fn retire_idle(&self) -> bool {
        let mut state = self.lock();
        if state.exchanges == 0 {
            state.is_accepting = false;
        }
        state.exchanges == 0
    }

    /// Retires the connection, and returns the requests that it has not sent.
    pub(super) fn refuse_queued(&self) {
        let queue = {
            let mut state = self.lock();
            state.is_accepting = false;
            state.exchanges -= state.queue.len();
            std::mem::take(&mut state.queue)
        };
        for (_, response) in queue {
            response.end(Err(Failure { error: classify::gone(), resend: Resend::Unsent }));
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("exchanges", &self.lock().exchanges).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;

    fn fresh() -> Connection {
        Connection::new(Instant::now(), Limits { idle: None, age: None })
    }

    #[test]
    fn there_is_room_for_32() {
        let connection = Arc::new(fresh());
        let (request, now) = (Request::new(Bytes::new()), Instant::now());
        let exchanges: Vec<_> = (0..40).map_while(|_| connection.begin(&request, now)).collect();
        assert_eq!(exchanges.len(), MAX_STREAMS);
        assert!(!connection.retire_idle() && connection.is_accepting());
        assert!(connection.has_queued() && connection.next().is_some());
        assert!(connection.begin(&request, now).is_none(), "it has begun");
        connection.is_over(now);
        assert!(connection.begin(&request, now).is_some());
    }

    #[test]
    fn an_idle_connection_retires_and_has_nothing_queued() {
        let connection = fresh();
        assert!(!connection.has_queued() && connection.is_accepting());
        assert!(connection.next().is_none());
        assert!(connection.retire_idle() && !connection.is_accepting());
    }

    #[test]
    fn its_driver_is_woken_by_a_request_and_by_retiring() {
        use futures::task::ArcWake;
        use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
        struct Count(AtomicUsize);
        impl ArcWake for Count {
            fn wake_by_ref(count: &Arc<Self>) {
                count.0.fetch_add(1, SeqCst);
            }
        }
        let (connection, count) = (fresh(), Arc::new(Count(AtomicUsize::new(0))));
        connection.driver().register(&futures::task::waker(count.clone()));
        let _exchange = connection.queue(&Request::new(Bytes::new()));
        assert_eq!(count.0.load(SeqCst), 1);
        connection.driver().register(&futures::task::waker(count.clone()));
        connection.retire();
        assert_eq!(count.0.load(SeqCst), 2);
    }

    #[test]
    fn a_retired_connection_takes_nothing_and_gives_back_what_waits() {
        let connection = Arc::new(fresh());
        let (request, now) = (Request::new(Bytes::new()), Instant::now());
        let mut waiting = connection.begin(&request, now).unwrap();
        connection.retire();
        assert!(connection.begin(&request, now).is_none());
        connection.refuse_queued();
        let failure = waiting.head().now_or_never().unwrap().unwrap_err();
        assert_eq!(failure.resend, Resend::Unsent);
        assert_eq!(failure.error.delivery(), crate::Delivery::NotSent);
        assert!(connection.retire_idle());
    }

    #[test]
    fn an_old_connection_and_one_that_was_idle_for_too_long_take_nothing() {
        let (request, opened) = (Request::new(Bytes::new()), Instant::now());
        let secs = Duration::from_secs;
        let limits = Limits { idle: Some(secs(45)), age: Some(secs(300)) };

        let idle = Arc::new(Connection::new(opened, limits));
        assert!(idle.begin(&request, opened + secs(44)).is_some());
        assert!(idle.begin(&request, opened + secs(100)).is_some(), "it is busy");
        for _ in 0..2 {
            idle.next();
            idle.is_over(opened + secs(200));
        }
        assert!(idle.begin(&request, opened + secs(245)).is_none());
        assert!(!idle.is_accepting());

        let old = Arc::new(Connection::new(opened, limits));
        assert!(old.begin(&request, opened).is_some());
        assert!(old.begin(&request, opened + secs(300)).is_none());
        assert!(!old.is_accepting());
    }
}
