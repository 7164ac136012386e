//! Idle connections, kept for the next request to the same server.

use super::{connection::Connection, target::Target};
use crate::Timer;
use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// The most connections that idle in one pool, all servers taken together.
const MAX_IDLE: usize = 512;

/// What a connection must have in common with a request to serve it.
///
/// A socket is bound to the runtime it was opened on: another runtime could wait for it in vain.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Origin {
    pub(super) target: Target,
    pub(super) runtime: tokio::runtime::Id,
}

/// A bounded store of idle connections. There is no task behind it: a connection that is too old,
/// or was closed by its server, is noticed when it is looked at, at the latest when another
/// connection is put in after its time.
pub(super) struct Pool {
    idle: Mutex<Idle>,
    timer: Arc<dyn Timer>,
    per_origin: usize,
    timeout: Option<Duration>,
}

/// A connection and the instant since when it idles; those of one origin in that order.
type Entry = (Instant, Box<Connection>);

#[derive(Default)]
struct Idle {
    connections: HashMap<Origin, Vec<Entry>>,
    count: usize,
    swept: Option<Instant>,
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

    /// The connection to `origin` that idled least, if one is still good.
    pub(super) fn take(&self, origin: &Origin) -> Option<Box<Connection>> {
        loop {
            let (since, mut connection) = self.pop(origin)?;
            if !self.is_old(since, self.timer.now()) && connection.is_alive() {
                return Some(connection);
            }
        }
    }

    /// Keeps `connection` for the next exchange with `origin`, unless there are enough.
    pub(super) fn put(&self, origin: Origin, connection: Box<Connection>) {
        connection.rest();
        let now = self.timer.now();
        let mut dropped = Vec::new();
        let mut idle = self.lock();
        if idle.swept.is_none_or(|swept| self.is_old(swept, now)) {
            idle.sweep(&mut dropped, |since| self.is_old(since, now));
            idle.swept = Some(now);
        }
        if idle.count < MAX_IDLE {
            let connections = idle.connections.entry(origin).or_default();
            if connections.len() < self.per_origin {
                connections.push((now, connection));
                idle.count += 1;
            }
        }
    }

    fn pop(&self, origin: &Origin) -> Option<Entry> {
        let mut idle = self.lock();
        let found = idle.connections.get_mut(origin)?.pop()?;
        idle.count -= 1;
        Some(found)
    }

    fn is_old(&self, since: Instant, now: Instant) -> bool {
        self.timeout.is_some_and(|timeout| now.saturating_duration_since(since) >= timeout)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Idle {
    fn sweep(&mut self, dropped: &mut Vec<Entry>, is_old: impl Fn(Instant) -> bool) {
        self.connections.retain(|_, connections| {
            let old = connections.partition_point(|(since, _)| is_old(*since));
            dropped.extend(connections.drain(..old));
            !connections.is_empty()
        });
        self.count -= dropped.len();
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("idle", &self.lock().count).finish_non_exhaustive()
    }
}
