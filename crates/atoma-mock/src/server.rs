use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use crate::connection;
use crate::gateway::Rules;
use crate::outgoing::Tempo;
use crate::request::ReceivedRequest;
use crate::response::Response;
use crate::state::State;

/// An Atoma server on loopback, for as long as this value lives.
///
/// Dropping it closes the port and every connection and ends all its tasks: as soon as the runtime
/// comes to it, or before `drop` returns if the server has a thread of its own.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// use atoma_mock::{Response, MockServer};
///
/// let server = MockServer::start().await;
/// server.respond(Response::text("Hello"));
/// assert!(server.url().starts_with("http://127.0.0.1:"));
/// # }
/// ```
#[derive(Debug)]
pub struct MockServer {
    address: SocketAddr,
    state: Arc<State>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl MockServer {
    /// Starts a server on a free port, in the tokio runtime of the caller.
    ///
    /// # Panics
    ///
    /// If no loopback port can be bound, or outside a tokio runtime.
    pub async fn start() -> Self {
        Self::builder().start().await
    }

    /// Starts a server on a free port, on a thread of its own: for synchronous tests and programs.
    /// It keeps real time, whatever the clock of a runtime around it does.
    ///
    /// # Panics
    ///
    /// If no loopback port can be bound or no thread started.
    pub fn start_blocking() -> Self {
        Self::builder().start_blocking()
    }

    /// A server to be configured first.
    pub fn builder() -> MockServerBuilder {
        MockServerBuilder::default()
    }

    /// The server's URL, `http://127.0.0.1:PORT`, without a path: clients append `/v1/…`.
    ///
    /// A client that has a path in its server URL works too: any path that ends in
    /// `/chat/completions` is answered.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Queues an answer: the next request gets it (see [`Response`] for which requests count).
    pub fn respond(&self, answer: Response) -> &Self {
        self.state.script().queue.push_back(answer);
        self
    }

    /// Gives this answer from now on to every request for which none is queued.
    pub fn always(&self, answer: Response) -> &Self {
        self.state.script().always = Some(answer);
        self
    }

    /// Lets one answer go on that is held back by
    /// [`hold_after_events`](Response::hold_after_events): the first that waits, or else the next that
    /// would wait.
    pub fn release(&self) {
        self.state.gate.add_permits(1);
    }

    /// The requests so far, in the order in which they were wholly received.
    pub fn requests(&self) -> Vec<ReceivedRequest> {
        self.state.script().requests.clone()
    }

    /// How many connections were accepted so far.
    pub fn connections(&self) -> usize {
        self.stats().connections
    }

    /// How many connections are open now.
    pub fn open_connections(&self) -> usize {
        self.stats().open_connections
    }

    /// What the server has counted so far.
    pub fn stats(&self) -> ServerStats {
        *self.state.stats.borrow()
    }

    /// Waits until the stats are as wanted, and returns it; at once if it is already.
    ///
    /// It waits without a limit. A test that may fail here puts a time-out around it.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// # let server = atoma_mock::MockServer::start().await;
    /// # let stream = tokio::net::TcpStream::connect(&server.url()[7..]).await.unwrap();
    /// # drop(stream);
    /// let state = server.wait_for(|state| state.connections == 1 && state.open_connections == 0).await;
    /// assert_eq!(state.requests, 0);
    /// # }
    /// ```
    pub async fn wait_for(&self, wanted: impl FnMut(&ServerStats) -> bool) -> ServerStats {
        let mut states = self.state.stats.subscribe();
        match states.wait_for(wanted).await {
            Ok(state) => *state,
            Err(_) => self.stats(),
        }
    }

    /// Waits until no connection is open; at once if none is.
    pub async fn wait_closed(&self) {
        self.wait_for(|state| state.open_connections == 0).await;
    }
}

impl Drop for MockServer {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Counts of what happened at a server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerStats {
    /// Connections accepted so far.
    pub connections: usize,
    /// Connections open now.
    pub open_connections: usize,
    /// Requests wholly received so far.
    pub requests: usize,
    /// Answers given to their end so far, the end being the one of the script.
    pub finished: usize,
    /// Answers that the client left before their end.
    pub abandoned: usize,
}

/// Configures a [`MockServer`].
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until it is started"]
pub struct MockServerBuilder {
    rules: Rules,
    tempo: Tempo,
    port: u16,
}

impl Default for MockServerBuilder {
    fn default() -> Self {
        let tempo = Tempo { pace: Duration::ZERO, keep_alive: Some(Duration::from_millis(15)) };
        Self { rules: Rules::default(), tempo, port: 0 }
    }
}

impl MockServerBuilder {
    /// Accepts only this key. Default: any that is not empty.
    pub fn api_key(mut self, key: impl Into<String>) -> Self {
        self.rules.api_key = Some(key.into());
        self
    }

    /// Knows only these models, and lists them. Default: lists a few, and knows any.
    pub fn models(mut self, models: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.rules.models = Some(models.into_iter().map(Into::into).collect());
        self
    }

    /// The pause between two events of a stream. Default: none.
    pub fn event_interval(mut self, pause: Duration) -> Self {
        self.tempo.pace = pause;
        self
    }

    /// The silence after which a stream sends a keep-alive comment, again and again.
    /// Default: 15 ms, as the proxy.
    pub fn keep_alive(mut self, silence: Duration) -> Self {
        self.tempo.keep_alive = Some(silence);
        self
    }

    /// Sends no keep-alive comments.
    pub fn no_keep_alive(mut self) -> Self {
        self.tempo.keep_alive = None;
        self
    }

    /// Listens on this port of 127.0.0.1. Default: 0, a free one.
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Starts the server in the tokio runtime of the caller.
    ///
    /// # Panics
    ///
    /// If the port cannot be bound, or outside a tokio runtime.
    pub async fn start(self) -> MockServer {
        self.try_start().await.expect("a loopback port is to be had")
    }

    /// As [`start`](Self::start).
    ///
    /// # Errors
    ///
    /// If the port cannot be bound, for instance because another program has it.
    pub async fn try_start(self) -> io::Result<MockServer> {
        let (server, serving) = self.bind()?;
        tokio::spawn(serving);
        Ok(server)
    }

    /// Starts the server on a thread of its own, for synchronous tests and programs.
    ///
    /// # Panics
    ///
    /// If the port cannot be bound or the thread cannot be started.
    pub fn start_blocking(self) -> MockServer {
        self.on_a_thread().expect("a loopback port and a thread are to be had")
    }

    fn on_a_thread(self) -> io::Result<MockServer> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (mut server, serving) = {
            let _inside = runtime.enter();
            self.bind()?
        };
        let thread = thread::Builder::new().name("atoma-mock".to_owned());
        server.thread = Some(thread.spawn(move || runtime.block_on(serving))?);
        Ok(server)
    }

    /// The server, and the future that serves. It ends when the server is dropped.
    fn bind(self) -> io::Result<(MockServer, impl Future<Output = ()> + Send + use<>)> {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, self.port))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let listener = TcpListener::from_std(listener)?;
        let state = Arc::new(State::new(self.rules, self.tempo));
        let (stop, stopped) = oneshot::channel();
        let serving = accept(listener, Arc::clone(&state), stopped);
        Ok((MockServer { address, state, stop: Some(stop), thread: None }, serving))
    }
}

/// Accepts connections until the server is dropped; its connections end with it.
async fn accept(listener: TcpListener, state: Arc<State>, mut stopped: oneshot::Receiver<()>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection::serve(stream, Arc::clone(&state)));
                }
                // Out of file descriptors, most likely: let some connections end first.
                Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
            },
            Some(_) = connections.join_next() => {}
            _ = &mut stopped => return,
        }
    }
}
