//! Names to addresses.

use super::classify;
use std::{
    fmt,
    future::{Future, poll_fn},
    io,
    net::{Ipv4Addr, SocketAddr, ToSocketAddrs, UdpSocket},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    thread,
};

/// The future that [`Resolver::resolve`] returns.
pub type ResolveFuture = Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send>>;

/// Looks up the addresses of a host: a cache, a fixed table, a guard against inner networks.
///
/// The default is the operating system's resolver. Addresses in URLs are not looked up.
///
/// ```
/// use atoma_transport::{HyperTransport, Resolver, ResolveFuture};
///
/// /// Sends every name to this machine.
/// #[derive(Debug)]
/// struct Here;
///
/// impl Resolver for Here {
///     fn resolve(&self, _host: &str, port: u16) -> ResolveFuture {
///         Box::pin(async move { Ok(vec![([127, 0, 0, 1], port).into()]) })
///     }
/// }
///
/// # fn main() -> Result<(), atoma_transport::ConfigError> {
/// let transport = HyperTransport::builder().resolver(Here).build()?;
/// # Ok(())
/// # }
/// ```
pub trait Resolver: fmt::Debug + Send + Sync + 'static {
    /// Returns the addresses of `host`, in the order in which to try them.
    ///
    /// `port` is that of the request's URL, and is the one to connect to. An error of the kind
    /// [`io::ErrorKind::NotFound`] means that the name does not exist; any other that it could not
    /// be looked up this time.
    fn resolve(&self, host: &str, port: u16) -> ResolveFuture;
}

/// The operating system's `getaddrinfo`.
///
/// It blocks and cannot be cancelled. So each lookup runs on a separate thread, which a runtime that
/// shuts down does not wait for, and concurrent lookups of one name share a thread.
pub(super) struct SystemResolver {
    look_up: LookUp,
    running: Arc<Mutex<Vec<(Name, Arc<Lookup>)>>>,
}

type LookUp = Arc<dyn Fn(&str, u16) -> io::Result<Vec<SocketAddr>> + Send + Sync>;

/// A host and a port.
type Name = (String, u16);

/// A lookup that some wait for.
#[derive(Default)]
struct Lookup(Mutex<LookupState>);

#[derive(Default)]
struct LookupState {
    found: Option<io::Result<Vec<SocketAddr>>>,
    waiting: Vec<Waker>,
}

impl SystemResolver {
    pub(super) fn new() -> Self {
        Self::with(|host, port| match (host, port).to_socket_addrs() {
            Ok(found) => Ok(found.collect()),
            Err(error) => Err(out_of_files().unwrap_or(error)),
        })
    }

    fn with(
        look_up: impl Fn(&str, u16) -> io::Result<Vec<SocketAddr>> + Send + Sync + 'static,
    ) -> Self {
        Self { look_up: Arc::new(look_up), running: Arc::default() }
    }

    /// Returns the lookup in progress for this name, or a new one.
    fn join(&self, host: &str, port: u16) -> io::Result<Arc<Lookup>> {
        let name = (host.to_owned(), port);
        let mut running = lock(&self.running);
        if let Some((_, lookup)) = running.iter().find(|(known, _)| *known == name) {
            return Ok(lookup.clone());
        }
        let lookup = Arc::new(Lookup::default());
        let (look_up, table, result) = (self.look_up.clone(), self.running.clone(), lookup.clone());
        let work = move |name: Name| {
            let found = look_up(&name.0, name.1);
            lock(&table).retain(|(known, _)| *known != name);
            result.finish(found);
        };
        let thread = thread::Builder::new().name("name lookup".to_owned());
        let named = name.clone();
        thread.spawn(move || work(named))?;
        running.push((name, lookup.clone()));
        Ok(lookup)
    }
}

impl Lookup {
    fn poll(&self, cx: &mut Context<'_>) -> Poll<io::Result<Vec<SocketAddr>>> {
        let mut state = lock(&self.0);
        if let Some(found) = &state.found {
            return Poll::Ready(found.as_ref().map_err(copied).cloned());
        }
        if !state.waiting.iter().any(|known| known.will_wake(cx.waker())) {
            state.waiting.push(cx.waker().clone());
        }
        Poll::Pending
    }

    fn finish(&self, found: io::Result<Vec<SocketAddr>>) {
        let mut state = lock(&self.0);
        state.found = Some(found);
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        waiting.into_iter().for_each(Waker::wake);
    }
}

impl Resolver for SystemResolver {
    fn resolve(&self, host: &str, port: u16) -> ResolveFuture {
        let lookup = self.join(host, port);
        Box::pin(async move {
            let lookup = lookup?;
            poll_fn(|cx| lookup.poll(cx)).await
        })
    }
}

impl fmt::Debug for SystemResolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SystemResolver")
    }
}

/// The error of a process that can open nothing more. In such a process, `getaddrinfo` reports
/// every name as unknown.
fn out_of_files() -> Option<io::Error> {
    UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).err().filter(classify::is_too_many_files)
}

/// A copy of `error` for another waiting task.
fn copied(error: &io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(code) => io::Error::from_raw_os_error(code),
        None => io::Error::new(error.kind(), error.to_string()),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{
        atomic::{AtomicUsize, Ordering},
        mpsc,
    };

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread().build().unwrap()
    }

    #[test]
    fn this_machine_has_an_address() {
        let found = runtime().block_on(SystemResolver::new().resolve("localhost", 7)).unwrap();
        assert!(found.iter().all(|address| address.ip().is_loopback() && address.port() == 7));
        assert!(!found.is_empty());
    }

    #[test]
    fn concurrent_lookups_share_a_result() {
        let (go, gate) = mpsc::channel::<()>();
        let (gate, asked) = (Mutex::new(gate), Arc::new(AtomicUsize::new(0)));
        let count = asked.clone();
        let resolver = SystemResolver::with(move |_, _| {
            count.fetch_add(1, Ordering::SeqCst);
            let _ = gate.lock().unwrap().recv();
            Err(io::Error::new(io::ErrorKind::NotFound, "nobody"))
        });
        let asking = [(); 3].map(|()| resolver.resolve("a.test", 1));
        go.send(()).unwrap();
        for found in asking {
            let error = runtime().block_on(found).unwrap_err();
            assert_eq!(
                (error.kind(), error.to_string()),
                (io::ErrorKind::NotFound, "nobody".into())
            );
        }
        assert_eq!(asked.load(Ordering::SeqCst), 1);
        drop(go);
        assert!(runtime().block_on(resolver.resolve("a.test", 1)).is_err());
        assert_eq!(asked.load(Ordering::SeqCst), 2);
    }

    #[test]
    fn a_runtime_does_not_wait_for_a_lookup() {
        let (held, gate) = mpsc::channel::<()>();
        let gate = Mutex::new(gate);
        let resolver = SystemResolver::with(move |_, _| {
            let _ = gate.lock().unwrap().recv();
            Ok(Vec::new())
        });
        let runtime = runtime();
        runtime.spawn(resolver.resolve("a.test", 1));
        runtime.block_on(tokio::task::yield_now());
        drop(runtime);
        drop(held);
    }
}
