//! One HTTP/2 connection, as those see it who put requests on it.

use super::{
    super::{keep_alive::Limits, stream::Stream},
    classify,
    driver::Driver,
    exchange::{Exchange, ResponseBuffer, WINDOW},
    failure::{Failure, Resend},
    read_budget::BudgetedIo,
};
use crate::{Timer, TransportError};
use bytes::Bytes;
use http::Request;
use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::Waker,
    time::{Duration, Instant},
};

/// The most exchanges on one connection at a time.
pub(super) const MAX_STREAMS: usize = 32;

/// Never what bounds a stream.
const CONNECTION_WINDOW: u32 = 1 << 30;

/// Streams reset by us that are remembered, so that what still comes for them is no offence.
const MAX_RESET_STREAMS: usize = 256;

/// What the connections of one transport have in common.
pub(super) struct Settings {
    pub(super) timer: Arc<dyn Timer>,
    pub(super) limits: Limits,
    /// The driver holds heads to it; `h2` only bounds what it may have to look at.
    pub(super) max_head: usize,
}

/// A connection, driven by a task of its own.
///
/// The task ends, and closes the connection, when it was [retired](Self::retire) and its last
/// exchange is over, when it has idled too long, or when the connection fails.
pub(super) struct Connection {
    state: Mutex<State>,
    opened: Instant,
    limits: Limits,
}

/// A request that is not yet sent, and where its response goes.
pub(super) type Queued = (Request<Bytes>, Arc<ResponseBuffer>);

struct State {
    queue: VecDeque<Queued>,
    /// Exchanges in the queue and those that are under way.
    exchanges: usize,
    /// When the last exchange was over.
    idle_since: Instant,
    is_accepting: bool,
    driver: Option<Waker>,
}

impl Connection {
    /// Speaks HTTP/2 over `stream`, in a task on this runtime, and puts `request` on it.
    pub(super) async fn open(
        stream: Stream,
        settings: Settings,
        request: &Request<Bytes>,
    ) -> Result<(Arc<Self>, Exchange), TransportError> {
        let direct_reads = stream.direct_reads();
        let (stream, budget) = BudgetedIo::new(stream);
        let (sender, connection) = h2::client::Builder::new()
            .initial_window_size(WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_header_list_size(u32::try_from(16 * settings.max_head).unwrap_or(u32::MAX))
            .max_concurrent_reset_streams(MAX_RESET_STREAMS)
            .enable_push(false)
            .handshake(stream)
            .await
            .map_err(classify::opening)?;
        let now = settings.timer.now();
        let shared = Arc::new(Self::new(now, settings.limits));
        let exchange = shared.queue(request).ok_or_else(classify::gone)?;
        let driver =
            Driver::new(shared.clone(), sender, connection, (budget, direct_reads), settings);
        tokio::spawn(driver);
        Ok((shared, exchange))
    }

    /// A connection without anyone behind it yet.
    pub(super) fn new(opened: Instant, limits: Limits) -> Self {
        let state = State {
            queue: VecDeque::new(),
            exchanges: 0,
            idle_since: opened,
            is_accepting: true,
            driver: None,
        };
        Self { state: Mutex::new(state), opened, limits }
    }

    /// Puts `request` on the connection if there is room for it, and the connection is neither too
    /// old nor was idle for too long.
    ///
    /// The driver closes a connection that was idle for too long, but only if someone drives the
    /// runtime.
    pub(super) fn begin(
        self: &Arc<Self>,
        request: &Request<Bytes>,
        now: Instant,
    ) -> Option<Exchange> {
        if self.is_outdated(now) {
            self.retire();
        }
        self.queue(request)
    }

    fn is_outdated(&self, now: Instant) -> bool {
        let is_over = |since, limit: Option<Duration>| {
            limit.is_some_and(|limit| now.saturating_duration_since(since) >= limit)
        };
        let state = self.lock();
        is_over(self.opened, self.limits.age)
            || (state.exchanges == 0 && is_over(state.idle_since, self.limits.idle))
    }

    fn queue(self: &Arc<Self>, request: &Request<Bytes>) -> Option<Exchange> {
        let mut state = self.lock();
        if !state.is_accepting || state.exchanges >= MAX_STREAMS {
            return None;
        }
        let response = Arc::new(ResponseBuffer::default());
        state.exchanges += 1;
        state.queue.push_back((request.clone(), response.clone()));
        drop(state);
        self.wake();
        Some(Exchange::new(response, self.clone()))
    }

    /// Takes no more exchanges, and closes when those under way are over.
    pub(super) fn retire(&self) {
        self.lock().is_accepting = false;
        self.wake();
    }

    pub(super) fn is_accepting(&self) -> bool {
        self.lock().is_accepting
    }

    /// Lets the driver look at what has changed.
    pub(super) fn wake(&self) {
        let driver = self.lock().driver.take();
        if let Some(driver) = driver {
            driver.wake();
        }
    }

    /// Has `driver` woken by the next change.
    pub(super) fn register(&self, driver: &Waker) {
        let former = self.lock().driver.replace(driver.clone());
        drop(former);
    }

    pub(super) fn has_queued(&self) -> bool {
        !self.lock().queue.is_empty()
    }

    /// The request that waits longest.
    pub(super) fn next(&self) -> Option<Queued> {
        self.lock().queue.pop_front()
    }

    /// Makes room: an exchange that was under way is over.
    pub(super) fn is_over(&self, now: Instant) {
        let mut state = self.lock();
        state.exchanges -= 1;
        state.idle_since = now;
    }

    /// Retires the connection if nothing is on it; false if there is.
    pub(super) fn retire_idle(&self) -> bool {
        let mut state = self.lock();
        if state.exchanges == 0 {
            state.is_accepting = false;
        }
        state.exchanges == 0
    }

    /// Retires the connection, and gives back what it has not sent.
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
        assert!(connection.next().is_some());
        assert!(connection.begin(&request, now).is_none(), "it is under way");
        connection.is_over(now);
        assert!(connection.begin(&request, now).is_some());
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
