//! One HTTP/2 connection, as those see it who put requests on it.

use super::{
    super::stream::Stream,
    classify,
    driver::Driver,
    exchange::{Answer, Exchange, WINDOW},
    failure::{Failure, Resend},
    read_budget::Paced,
};
use crate::{Timer, TransportError};
use bytes::Bytes;
use http::Request;
use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::Waker,
    time::Duration,
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
    pub(super) idle_timeout: Option<Duration>,
    /// The driver holds heads to it; `h2` only bounds what it may have to look at.
    pub(super) max_head: usize,
}

/// A connection, driven by a task of its own.
///
/// The task ends, and closes the connection, when it was [retired](Self::retire) and its last
/// exchange is over, when it has idled too long, or when the connection fails.
pub(super) struct Connection(Mutex<State>);

/// A request that is not yet sent, and where its answer goes.
pub(super) type Queued = (Request<Bytes>, Arc<Answer>);

struct State {
    queue: VecDeque<Queued>,
    /// Exchanges in the queue and those that are under way.
    exchanges: usize,
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
        let (stream, pace) = Paced::new(stream);
        let (sender, connection) = h2::client::Builder::new()
            .initial_window_size(WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_header_list_size(u32::try_from(16 * settings.max_head).unwrap_or(u32::MAX))
            .max_concurrent_reset_streams(MAX_RESET_STREAMS)
            .enable_push(false)
            .handshake(stream)
            .await
            .map_err(classify::opening)?;
        let shared = Arc::new(Self::new());
        let exchange = shared.begin(request).ok_or_else(classify::gone)?;
        let driver =
            Driver::new(shared.clone(), sender, connection, (pace, direct_reads), settings);
        tokio::spawn(driver);
        Ok((shared, exchange))
    }

    /// A connection without anyone behind it yet.
    pub(super) fn new() -> Self {
        let queue = VecDeque::new();
        Self(Mutex::new(State { queue, exchanges: 0, is_accepting: true, driver: None }))
    }

    /// Puts `request` on the connection, if there is room for it.
    pub(super) fn begin(self: &Arc<Self>, request: &Request<Bytes>) -> Option<Exchange> {
        let mut state = self.lock();
        if !state.is_accepting || state.exchanges >= MAX_STREAMS {
            return None;
        }
        let answer = Arc::new(Answer::default());
        state.exchanges += 1;
        state.queue.push_back((request.clone(), answer.clone()));
        drop(state);
        self.wake();
        Some(Exchange::new(answer, self.clone()))
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
    pub(super) fn is_over(&self) {
        self.lock().exchanges -= 1;
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
        for (_, answer) in queue {
            answer.end(Err(Failure { error: classify::gone(), resend: Resend::Unsent }));
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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

    #[test]
    fn there_is_room_for_32() {
        let connection = Arc::new(Connection::new());
        let request = Request::new(Bytes::new());
        let exchanges: Vec<_> = (0..40).map_while(|_| connection.begin(&request)).collect();
        assert_eq!(exchanges.len(), MAX_STREAMS);
        assert!(!connection.retire_idle() && connection.is_accepting());
        assert!(connection.next().is_some());
        assert!(connection.begin(&request).is_none(), "it is under way");
        connection.is_over();
        assert!(connection.begin(&request).is_some());
    }

    #[test]
    fn a_retired_connection_takes_nothing_and_gives_back_what_waits() {
        let connection = Arc::new(Connection::new());
        let request = Request::new(Bytes::new());
        let mut waiting = connection.begin(&request).unwrap();
        connection.retire();
        assert!(connection.begin(&request).is_none());
        connection.refuse_queued();
        let failure = waiting.head().now_or_never().unwrap().unwrap_err();
        assert_eq!(failure.resend, Resend::Unsent);
        assert_eq!(failure.error.delivery(), crate::Delivery::NotSent);
        assert!(connection.retire_idle());
    }
}
