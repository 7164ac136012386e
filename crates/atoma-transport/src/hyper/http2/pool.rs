//! The connections that have room for another exchange, and those that are being opened.
//!
//! ```text
//! place(origin) ─┬─ a connection has room ──────────► Begun: the request is queued on it
//!                ├─ the server spoke HTTP/1.1 ──────► Http1
//!                ├─ someone is opening one with room ► Wait, then place again
//!                └─ otherwise ──────────────────────► Open: the caller opens one for all who wait
//! ```
//!
//! Requests that start together share one handshake: the first opens, and as many wait as the connection will have room for. If
//! opening fails, the waiting ones are released and try again, one of them as the next opener; an error of one caller is never
//! reported to another.

use super::{
    super::pool::Origin,
    connection::{Connection, MAX_STREAMS},
    exchange::Exchange,
};
use bytes::Bytes;
use http::Request;
use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};
use tokio::sync::Semaphore;

/// The number of servers that speak HTTP/1.1 that are remembered.
const MAX_REMEMBERED: usize = 512;

/// Connections by origin; clones are the same pool.
#[derive(Clone, Default)]
pub(crate) struct Pool(Arc<Origins>);

#[derive(Default)]
struct Origins(Mutex<HashMap<Origin, Entry>>);

#[derive(Default)]
struct Entry {
    /// Open connections. Those that accept nothing more are removed when the entry is next used.
    connections: Vec<Arc<Connection>>,
    /// Connections that are being opened.
    openings: Vec<Arc<Wait>>,
    /// Whether the server chose HTTP/1.1 last time.
    is_http1: bool,
}

/// The connection for a request.
pub(super) enum Place {
    /// The request was queued on an open connection.
    Begun(Exchange),
    /// A connection is being opened, and there will be room on it.
    Wait(Arc<Wait>),
    /// The caller opens a connection.
    Open(Opening),
    /// The server speaks HTTP/1.1.
    Http1,
}

/// A connection that someone is opening.
pub(super) struct Wait {
    /// The number of requests that count on it, its opener included.
    joined: AtomicUsize,
    /// Closed when it is open, or will not be.
    over: Semaphore,
}

/// The task of opening a connection. Dropping it lets others try.
pub(super) struct Opening {
    pool: Pool,
    origin: Origin,
    wait: Arc<Wait>,
}

impl Pool {
    /// Finds a place for `request`, on a connection to `origin` with room for it if there is one.
    pub(super) fn place(&self, origin: &Origin, request: &Request<Bytes>, now: Instant) -> Place {
        let mut origins = self.lock();
        let entry = origins.entry(origin.clone()).or_default();
        // Before the others are removed: a connection that stops accepting meanwhile takes no request.
        let begun = entry.connections.iter().find_map(|open| open.begin(request, now));
        entry.connections.retain(|connection| connection.is_accepting());
        if let Some(exchange) = begun {
            return Place::Begun(exchange);
        }
        // After the connections: a server may change, and an open connection still works.
        if entry.is_http1 {
            return Place::Http1;
        }
        // One handshake for all, as far as its streams reach.
        if let Some(wait) = entry.openings.iter().find(|wait| wait.join()) {
            return Place::Wait(wait.clone());
        }
        let wait = Arc::new(Wait { joined: AtomicUsize::new(1), over: Semaphore::new(0) });
        entry.openings.push(wait.clone());
        Place::Open(Opening { pool: self.clone(), origin: origin.clone(), wait })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Origin, Entry>> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wait {
    /// Takes one of the places on the new connection.
    fn join(&self) -> bool {
        let next = |joined| (joined < MAX_STREAMS).then_some(joined + 1);
        self.joined.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).is_ok()
    }

    /// Waits until it is open, or has failed.
    pub(super) async fn over(&self) {
        let _closed = self.over.acquire().await;
    }
}

impl Opening {
    pub(super) fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Lets others use `connection`.
    pub(super) fn opened(&self, connection: Arc<Connection>) {
        let mut origins = self.pool.lock();
        // The one place where the map shrinks, since it is locked here anyway and a handshake was just paid for.
        origins.retain(|_, entry| {
            entry.connections.retain(|connection| connection.is_accepting());
            !entry.is_forgettable()
        });
        let entry = origins.entry(self.origin.clone()).or_default();
        entry.is_http1 = false;
        entry.connections.push(connection);
    }

    /// Others need not try HTTP/2.
    pub(super) fn found_http1(&self) {
        let mut origins = self.pool.lock();
        // Forgetting costs a later request one useless offer, nothing else.
        if origins.len() >= MAX_REMEMBERED {
            origins.retain(|_, entry| !entry.connections.is_empty() || !entry.openings.is_empty());
        }
        origins.entry(self.origin.clone()).or_default().is_http1 = true;
    }
}

impl Drop for Opening {
    fn drop(&mut self) {
        let mut origins = self.pool.lock();
        if let Some(entry) = origins.get_mut(&self.origin) {
            entry.openings.retain(|wait| !Arc::ptr_eq(wait, &self.wait));
            if entry.is_forgettable() {
                origins.remove(&self.origin);
            }
        }
        // Also after a failure: those who wait place their requests again.
        drop(origins);
        self.wait.over.close();
    }
}

impl Entry {
    /// Returns whether the entry knows nothing that a new one would not.
    fn is_forgettable(&self) -> bool {
        self.connections.is_empty() && self.openings.is_empty() && !self.is_http1
    }
}

/// Releases the connections: each closes when its last exchange has ended.
impl Drop for Origins {
    fn drop(&mut self) {
        let origins = self.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        for connection in origins.values().flat_map(|entry| &entry.connections) {
            connection.retire();
        }
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let origins = self.lock();
        let connections = origins.values().flat_map(|entry| &entry.connections);
        f.debug_list().entries(connections).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hyper::{destination::Target, keep_alive::Limits};
    use futures::FutureExt;

    fn origin() -> Origin {
        origin_at(443)
    }

    fn origin_at(port: usize) -> Origin {
        let target = Target::of(&format!("https://host:{port}/").parse().unwrap()).unwrap();
        let runtime = tokio::runtime::Handle::current().id();
        Origin { target, runtime, plain_http: crate::PlainHttp::LoopbackOnly }
    }

    fn connection() -> Arc<Connection> {
        Arc::new(Connection::new(Instant::now(), Limits { idle: None, age: None }))
    }

    fn place(pool: &Pool) -> Place {
        pool.place(&origin(), &Request::new(Bytes::new()), Instant::now())
    }

    /// The first request to the origin at `port`, which opens a connection.
    fn open_at(pool: &Pool, port: usize) -> Opening {
        match pool.place(&origin_at(port), &Request::new(Bytes::new()), Instant::now()) {
            Place::Open(opening) => opening,
            _ => panic!("nobody opens {port}"),
        }
    }

    #[tokio::test]
    async fn one_opens_and_31_wait() {
        let pool = Pool::default();
        let Place::Open(first) = place(&pool) else { panic!("nobody opens") };
        let waiting: Vec<_> = (1..MAX_STREAMS)
            .map(|_| match place(&pool) {
                Place::Wait(wait) => wait,
                _ => panic!("it does not wait"),
            })
            .collect();
        let Place::Open(_second) = place(&pool) else { panic!("too many wait") };
        assert!(waiting[0].over().now_or_never().is_none());
        drop(first);
        assert!(waiting.iter().all(|wait| wait.over().now_or_never().is_some()));
        assert!(matches!(place(&pool), Place::Wait(_)), "for the second");
    }

    #[tokio::test]
    async fn an_open_connection_is_used_until_it_is_retired() {
        let pool = Pool::default();
        let Place::Open(opening) = place(&pool) else { panic!("nobody opens") };
        let connection = connection();
        opening.opened(connection.clone());
        drop(opening);
        assert!(matches!(place(&pool), Place::Begun(_)));
        connection.retire();
        let Place::Open(opening) = place(&pool) else { panic!("it was retired") };
        drop(opening);
        assert!(pool.lock().is_empty(), "an origin was left behind");
    }

    #[tokio::test]
    async fn a_server_of_http_1_is_not_asked_again() {
        let pool = Pool::default();
        let Place::Open(opening) = place(&pool) else { panic!("nobody opens") };
        opening.found_http1();
        drop(opening);
        assert!(matches!(place(&pool), Place::Http1));
    }

    #[tokio::test]
    async fn too_many_servers_of_http_1_are_forgotten_and_nothing_else() {
        let pool = Pool::default();
        open_at(&pool, 1).opened(connection());
        let _opening = open_at(&pool, 2);
        for port in 3..=MAX_REMEMBERED {
            assert_eq!(pool.lock().len(), port - 1);
            open_at(&pool, port + 1000).found_http1();
        }
        let mut left: Vec<_> = pool.lock().keys().map(|origin| origin.target.port()).collect();
        left.sort_unstable();
        assert_eq!(left, [1, 2, 1512]);
        assert!(pool.lock()[&origin_at(1512)].is_http1);
    }

    #[tokio::test]
    async fn opening_a_connection_drops_the_retired_ones_of_all_origins() {
        let (pool, open, retired) = (Pool::default(), connection(), connection());
        open_at(&pool, 1).opened(open);
        open_at(&pool, 2).opened(retired.clone());
        retired.retire();
        open_at(&pool, 3).opened(connection());
        assert!(!pool.lock().contains_key(&origin_at(2)));
        for port in [1, 3] {
            let request = Request::new(Bytes::new());
            let place = pool.place(&origin_at(port), &request, Instant::now());
            assert!(matches!(place, Place::Begun(_)), "{port}");
        }
    }

    #[tokio::test]
    async fn a_pool_that_is_dropped_retires_its_connections() {
        let (pool, connection) = (Pool::default(), connection());
        let Place::Open(opening) = place(&pool) else { panic!("nobody opens") };
        opening.opened(connection.clone());
        drop(pool);
        assert!(connection.is_accepting(), "an opening still holds it");
        drop(opening);
        assert!(!connection.is_accepting());
    }
}
