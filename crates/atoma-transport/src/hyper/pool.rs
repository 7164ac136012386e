//! Idle connections, kept for the next request to the same server.
//!
//! ```text
//! put ──► [ oldest … newest ] ──► take, the newest of the origin first
//!            │
//!            └─► dropped: too old, too many, or of a runtime that has shut down
//! ```
//!
//! The newest is taken first, so that a burst's extra connections grow old and are dropped. Up to 512 entries are searched in
//! order: a list is faster than a map of lists for the few that a program has, and remembers the order for free.

use super::{connection::Connection, destination::Target, keep_alive::Limits};
use crate::{PlainHttp, Timer, TransportError};
use http::Uri;
use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// The most idle connections in one pool, for all servers together.
const MAX_IDLE: usize = 512;

/// The properties that a connection and a request must share.
///
/// A socket is bound to the runtime it was opened on: another runtime could wait for it in vain.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Origin {
    pub(super) target: Target,
    pub(super) runtime: tokio::runtime::Id,
    /// A connection to another machine must not serve a request that may not go there.
    pub(super) plain_http: PlainHttp,
}

impl Origin {
    /// Whether only a direct connection to a loopback address is allowed.
    pub(super) fn is_plain_restricted(&self) -> bool {
        !self.target.https && self.plain_http == PlainHttp::LoopbackOnly
    }
}

/// The number of connections of other runtimes that are checked when one is put in.
const CHECKED_AT_ONCE: usize = 4;

/// The interval at which idle connections are searched for old ones.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);

/// A bounded store of idle connections. There is no task behind it: a connection that is too old is
/// dropped when it is checked, at the latest when another one is put in after its time. If its
/// server closed it or sent bytes on it, it returns the next request unsent.
pub(super) struct Pool {
    /// Locked only to search and move entries, never while a connection is closed.
    idle: Mutex<Idle>,
    timer: Arc<dyn Timer>,
    /// The most idle connections to one origin.
    pub(super) per_origin: usize,
    /// How long a connection may be idle, and how old it may become.
    pub(super) limits: Limits,
}

/// In the order in which they arrived.
#[derive(Default)]
struct Idle {
    connections: Vec<Entry>,
    /// The origin that was parsed last.
    parsed: Option<Arc<Origin>>,
    /// The last search for old connections.
    swept: Option<Instant>,
    /// The next connection to check for a runtime that has shut down.
    next_checked: usize,
}

struct Entry {
    origin: Arc<Origin>,
    /// `None` if there is no limit.
    usable_until: Option<Instant>,
    connection: Box<Connection>,
}

impl Pool {
    pub(super) fn new(timer: Arc<dyn Timer>, per_origin: usize, limits: Limits) -> Arc<Self> {
        Arc::new(Self { idle: Mutex::default(), timer, per_origin, limits })
    }

    /// Returns the origin of `uri`. Concurrent requests to it share one, which saves 170 bytes in each idle stream.
    pub(super) fn origin(
        &self,
        uri: &Uri,
        runtime: tokio::runtime::Id,
        plain_http: PlainHttp,
    ) -> Result<Arc<Origin>, TransportError> {
        // Parsing the URI again would cost more than the search.
        if let Some(known) = self.lock().known(uri, runtime, plain_http) {
            return Ok(known);
        }
        let origin = Arc::new(Origin { target: Target::of(uri)?, runtime, plain_http });
        self.lock().parsed = Some(Arc::clone(&origin));
        Ok(origin)
    }

    /// The most recently used connection to `origin` that is still usable.
    pub(super) fn take(&self, origin: &Origin) -> Option<Box<Connection>> {
        loop {
            // One at a time: the old ones that are passed over are closed without the lock.
            let entry = self.pop(origin)?;
            if entry.is_usable(self.timer.now()) {
                return Some(entry.connection);
            }
        }
    }

    /// Keeps `connection` for the next exchange with `origin`, unless there are enough for it.
    pub(super) fn put(&self, origin: Arc<Origin>, connection: Box<Connection>) {
        // An idle connection must not keep the memory of the task that used it last.
        connection.forget_task();
        let now = self.timer.now();
        let Some(usable_until) = connection.lifetime.usable_until(now, self.limits) else { return };
        let mut dropped = Vec::new();
        let mut idle = self.lock();
        idle.sweep(now, &mut dropped);
        idle.check_others(origin.runtime, &mut dropped);
        let alike = idle.connections.iter().filter(|entry| entry.origin == origin);
        if alike.take(self.per_origin).count() < self.per_origin {
            // The oldest one makes room.
            if idle.connections.len() >= MAX_IDLE {
                dropped.push(idle.connections.remove(0));
            }
            idle.connections.push(Entry { origin, usable_until, connection });
        }
        // Closed after the pool is unlocked.
        drop(idle);
        drop(dropped);
    }

    /// Takes out the newest connection to `origin`, usable or not.
    fn pop(&self, origin: &Origin) -> Option<Entry> {
        let connections = &mut self.lock().connections;
        let found = connections.iter().rposition(|entry| *entry.origin == *origin)?;
        Some(connections.remove(found))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Idle {
    /// The origin of `uri`, if it was parsed last or a connection to it is idle.
    fn known(
        &self,
        uri: &Uri,
        runtime: tokio::runtime::Id,
        plain_http: PlainHttp,
    ) -> Option<Arc<Origin>> {
        let idle = self.connections.iter().rev().map(|entry| &entry.origin);
        let is_alike =
            |origin: &Origin| origin.runtime == runtime && origin.plain_http == plain_http;
        let mut origins = self.parsed.iter().chain(idle);
        origins.find(|origin| is_alike(origin) && origin.target.is_of(uri)).cloned()
    }

    /// Takes out the connections that are too old.
    fn sweep(&mut self, now: Instant, dropped: &mut Vec<Entry>) {
        let is_due = |swept| now.saturating_duration_since(swept) >= SWEEP_INTERVAL;
        if !self.swept.is_none_or(is_due) {
            return;
        }
        self.swept = Some(now);
        let mut place = 0;
        while place < self.connections.len() {
            if self.connections[place].is_usable(now) {
                place += 1;
            } else {
                dropped.push(self.connections.remove(place));
            }
        }
    }

    /// Takes out connections whose runtime has shut down: each holds its socket and the descriptors
    /// of the runtime's I/O driver, and no one can use it.
    ///
    /// Tokio does not say whether a runtime still exists, but a read on one of its sockets fails
    /// when it does not. A few are read in turn, so that the cost has a limit; since each call adds
    /// one connection at most, dead ones cannot accumulate.
    fn check_others(&mut self, runtime: tokio::runtime::Id, dropped: &mut Vec<Entry>) {
        let mut left = CHECKED_AT_ONCE;
        for _ in 0..self.connections.len().min(8 * CHECKED_AT_ONCE) {
            // The rest is checked by later calls.
            if left == 0 {
                return;
            }
            if self.next_checked >= self.connections.len() {
                self.next_checked = 0;
            }
            let entry = &mut self.connections[self.next_checked];
            if entry.origin.runtime == runtime {
                self.next_checked += 1;
                continue;
            }
            left -= 1;
            if entry.connection.is_open() {
                self.next_checked += 1;
            } else {
                dropped.push(self.connections.remove(self.next_checked));
            }
        }
    }
}

impl Entry {
    fn is_usable(&self, now: Instant) -> bool {
        self.usable_until.is_none_or(|until| now < until)
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("idle", &self.lock().connections.len()).finish_non_exhaustive()
    }
}

#[cfg(feature = "test-util")]
#[cfg(test)]
mod tests;
