//! A server for the contract suite, on threads of the standard library.
//!
//! ```text
//! test:    play(scene) ─► URI      request_arrived, client_hung_up: futures of any executor
//! threads: one listener, one per connection ─ read a request ─ respond as the scene says ─ wait for the client
//! ```
//!
//! It uses neither hyper nor Tokio: a transport is checked against another implementation of HTTP than its own.
use super::contract::{ContractServer, Scene};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Uri};
use std::{
    fmt,
    future::{Future, poll_fn},
    io::{self, BufRead, BufReader, Write},
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Poll, Waker},
    thread,
};

/// A small HTTP/1.1 server on loopback that plays the scenes of the contract suite.
///
/// It runs on its own threads and needs no runtime. Request bodies must have a `Content-Length`.
/// Dropping it closes all of its connections.
pub struct LoopbackServer {
    /// The address of the listener.
    address: SocketAddr,
    /// The state that the threads share.
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
}

/// The current scene and its progress. A new scene starts the counts again.
#[derive(Default)]
struct State {
    /// The scene that the next request is part of.
    scene: Option<Scene>,
    /// The number of the scene: exchanges of an earlier one are not counted.
    number: u64,
    /// The requests of this scene.
    received: Vec<http::Request<Bytes>>,
    /// The exchanges that the client has not closed.
    open: usize,
    /// All connections, so that dropping the server closes them.
    connections: Vec<TcpStream>,
    /// The tasks that wait for a change.
    watchers: Vec<Waker>,
    /// Whether the server was dropped.
    stopped: bool,
}

impl LoopbackServer {
    /// Starts the server on a free port.
    ///
    /// # Errors
    ///
    /// No port or thread is available.
    pub fn start() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared::default());
        let server = Self { address, shared: Arc::clone(&shared) };
        thread::Builder::new().name("loopback server".into()).spawn(move || {
            for connection in listener.incoming() {
                if shared.lock().stopped {
                    break;
                }
                let Ok(connection) = connection else { continue };
                let shared = Arc::clone(&shared);
                thread::spawn(move || shared.serve(&connection));
            }
        })?;
        Ok(server)
    }
}

impl ContractServer for LoopbackServer {
    fn play(&self, scene: Scene) -> Uri {
        // Nothing listens on port 1, and no ephemeral port is that low.
        let port = if scene == Scene::Refuse { 1 } else { self.address.port() };
        let mut state = self.shared.lock();
        state.number += 1;
        state.scene = Some(scene);
        state.received.clear();
        state.open = 0;
        let uri = format!("http://127.0.0.1:{port}/scene/{}?kept=%20yes", state.number);
        uri.parse().expect("the address above is valid")
    }

    fn received(&self) -> Vec<http::Request<Bytes>> {
        self.shared.lock().received.clone()
    }

    fn request_arrived(&self) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        self.shared.until(|state| !state.received.is_empty())
    }

    fn client_hung_up(&self) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        self.shared.until(|state| state.open == 0)
    }
}

impl Drop for LoopbackServer {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.stopped = true;
        for connection in state.connections.drain(..) {
            let _ = connection.shutdown(Shutdown::Both);
        }
        drop(state);
        // Wakes the listener, which then stops.
        let _ = TcpStream::connect(self.address);
    }
}

impl fmt::Debug for LoopbackServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoopbackServer").field("address", &self.address).finish()
    }
}

impl Shared {
    /// Serves one exchange: no connection is used twice, so that a closed one is a closed exchange.
    fn serve(&self, connection: &TcpStream) {
        let Ok(watched) = connection.try_clone() else { return };
        self.lock().connections.push(watched);
        let mut reader = BufReader::new(connection);
        let Ok(Some(request)) = read_request(&mut reader) else { return };

        let mut state = self.lock();
        let Some(scene) = state.scene.clone() else { return };
        let number = state.number;
        state.received.push(request);
        state.open += 1;
        state.wake();
        drop(state);

        // Without the lock: a response may take as long as the client likes.
        let holds_open = respond(connection, &scene).unwrap_or(false);
        if holds_open {
            let _ = io::copy(&mut reader, &mut io::sink());
        }
        let mut state = self.lock();
        // Otherwise the test has gone to another scene.
        if state.number == number {
            state.open -= 1;
            state.wake();
        }
        drop(state);
        let _ = connection.shutdown(Shutdown::Both);
    }

    /// Resolves when the state fulfills a condition.
    fn until(
        self: &Arc<Self>,
        reached: fn(&State) -> bool,
    ) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let shared = Arc::clone(self);
        Box::pin(poll_fn(move |cx| {
            let mut state = shared.lock();
            if reached(&state) {
                return Poll::Ready(());
            }
            state.watchers.push(cx.waker().clone());
            Poll::Pending
        }))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Wakes all waiting tasks, each of which checks its condition again.
    fn wake(&mut self) {
        self.watchers.drain(..).for_each(Waker::wake);
    }
}

/// Plays `scene`. Returns `true` if the connection stays open until the client closes it.
fn respond(mut connection: &TcpStream, scene: &Scene) -> io::Result<bool> {
    match scene {
        Scene::Respond(status, chunks) => {
            let length: usize = chunks.iter().map(Bytes::len).sum();
            let length = if *status == 204 { None } else { Some(length) };
            write_head(connection, *status, length)?;
            for chunk in chunks {
                connection.write_all(chunk)?;
            }
            // The end of the body is announced, and the client's close is still to be seen.
            connection.shutdown(Shutdown::Write)?;
            Ok(true)
        }
        Scene::ChunkThenSilence(chunk) => {
            write_head(connection, 200, Some(chunk.len() + 1))?;
            connection.write_all(chunk)?;
            Ok(true)
        }
        Scene::ChunkThenInterruption(chunk) => {
            write_head(connection, 200, Some(chunk.len() + 1))?;
            connection.write_all(chunk)?;
            Ok(false)
        }
        Scene::Silence => Ok(true),
        Scene::HangUp | Scene::Refuse => Ok(false),
    }
}

/// Writes the head that all scenes share. Without a length, the body ends with the connection.
fn write_head(mut connection: &TcpStream, status: u16, length: Option<usize>) -> io::Result<()> {
    let mut head = format!(
        "HTTP/1.1 {status} Scripted\r\nconnection: close\r\nx-contract: kept\r\n\
         location: /elsewhere\r\nretry-after: 0\r\n"
    );
    if let Some(length) = length {
        head.push_str(&format!("content-length: {length}\r\n"));
    }
    head.push_str("\r\n");
    connection.write_all(head.as_bytes())
}

/// Returns `None` if the client closes before a request begins, or sends something other than HTTP.
fn read_request(reader: &mut impl BufRead) -> io::Result<Option<http::Request<Bytes>>> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut words = line.split_ascii_whitespace();
    let (Some(method), Some(target)) = (words.next(), words.next()) else { return Ok(None) };
    let (Ok(method), Ok(uri)) = (method.parse::<Method>(), target.parse::<Uri>()) else {
        return Ok(None);
    };
    let mut request = http::Request::new(Bytes::new());
    *request.method_mut() = method;
    *request.uri_mut() = uri;
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        let (name, value) = (name.parse::<HeaderName>(), value.trim().parse::<HeaderValue>());
        if let (Ok(name), Ok(value)) = (name, value) {
            request.headers_mut().append(name, value);
        }
    }
    let length = request.headers().get(http::header::CONTENT_LENGTH);
    let length = length.and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body)?;
    *request.body_mut() = body.into();
    Ok(Some(request))
}
