//! Idle connections, kept for the next request to the same server.

use super::{connection::Connection, destination::Target};
use crate::Timer;
use http::Uri;
use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// The most connections that idle in one pool, all servers taken together.
const MAX_IDLE: usize = 512;

/// What a connection must have in common with a request to serve it.
///
/// A socket is bound to the runtime it was opened on: another runtime could wait for it in vain.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Origin {
    pub(super) target: Target,
    pub(super) runtime: tokio::runtime::Id,
}

/// A bounded store of idle connections. There is no task behind it: one that is too old is noticed
/// when it is looked at, at the latest when another connection is put in after its time. One that its
/// server closed, or on which something unasked has come, is noticed when the next request is given
/// to it, and gives that back unsent.
pub(super) struct Pool {
    idle: Mutex<Idle>,
    timer: Arc<dyn Timer>,
    per_origin: usize,
    timeout: Option<Duration>,
}

/// In the order in which they came.
#[derive(Default)]
struct Idle {
    connections: Vec<Entry>,
    swept: Option<Instant>,
}

struct Entry {
    origin: Arc<Origin>,
    since: Instant,
    connection: Box<Connection>,
}

impl Pool {
    pub(super) fn new(
        timer: Arc<dyn Timer>,
        per_origin: usize,
        timeout: Option<Duration>,
    ) -> Arc<Self> {
        Arc::new(Self { idle: Mutex::default(), timer, per_origin, timeout })
    }

    /// How long a connection may idle: not at all where none is kept.
    #[cfg(feature = "http2")]
    pub(super) fn idle_timeout(&self) -> Option<Duration> {
        if self.per_origin == 0 { Some(Duration::ZERO) } else { self.timeout }
    }

    /// The origin of `uri`, if a connection to it idles: then it was found out before.
    pub(super) fn known(&self, uri: &Uri, runtime: tokio::runtime::Id) -> Option<Arc<Origin>> {
        let connections = &self.lock().connections;
        let mut origins = connections.iter().rev().map(|entry| &entry.origin);
        origins.find(|origin| origin.runtime == runtime && origin.target.is_of(uri)).cloned()
    }

    /// The connection to `origin` that idled least, if it did not for too long.
    pub(super) fn take(&self, origin: &Origin) -> Option<Box<Connection>> {
        loop {
            let Entry { since, connection, .. } = self.pop(origin)?;
            if !self.is_old(since, self.timer.now()) {
                return Some(connection);
            }
        }
    }

    /// Keeps `connection` for the next exchange with `origin`, unless there are enough.
    pub(super) fn put(&self, origin: Arc<Origin>, connection: Box<Connection>) {
        connection.rest();
        let now = self.timer.now();
        let mut dropped = Vec::new();
        let mut idle = self.lock();
        if idle.swept.is_none_or(|swept| self.is_old(swept, now)) {
            let old = idle.connections.partition_point(|entry| self.is_old(entry.since, now));
            dropped.extend(idle.connections.drain(..old));
            idle.swept = Some(now);
        }
        let alike = idle.connections.iter().filter(|entry| entry.origin == origin);
        if idle.connections.len() < MAX_IDLE
            && alike.take(self.per_origin).count() < self.per_origin
        {
            idle.connections.push(Entry { origin, since: now, connection });
        }
    }

    fn pop(&self, origin: &Origin) -> Option<Entry> {
        let connections = &mut self.lock().connections;
        let found = connections.iter().rposition(|entry| *entry.origin == *origin)?;
        Some(connections.remove(found))
    }

    fn is_old(&self, since: Instant, now: Instant) -> bool {
        self.timeout.is_some_and(|timeout| now.saturating_duration_since(since) >= timeout)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("idle", &self.lock().connections.len()).finish_non_exhaustive()
    }
}
