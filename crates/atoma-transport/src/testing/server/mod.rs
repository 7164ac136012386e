//! A server on loopback that follows a script byte by byte, for tests of HTTP clients.
//!
//! ```
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! use atoma_transport::testing::server::{Script, Server};
//! use atoma_transport::{HyperTransport, Proxy, Transport};
//!
//! let head = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n";
//! let script = Script::on_request().write(head).write("he").close();
//! let server = Server::scripted([script], Script::default()).await;
//! let transport = HyperTransport::builder().proxy(Proxy::none()).build().unwrap();
//!
//! let request = http::Request::get(server.url("/")).body(Default::default()).unwrap();
//! let response = transport.send(request).await.unwrap();
//! assert_eq!(response.status(), 200); // and the body ends early
//! assert_eq!(server.log().requests().len(), 1);
//! # });
//! ```
//!
//! Unlike the rest of the crate, this module names the types of tokio and rustls. It exists for
//! the tests of this workspace.

mod connection;
mod log;
mod script;

pub use connection::{Io, Peer};
pub use log::{Event, Log};
pub use script::{Gate, Script};
use std::{
    future::{Future, poll_fn},
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    pin::{Pin, pin},
    sync::Arc,
    task::Poll,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Notify,
    task::{JoinHandle, JoinSet},
};

/// A layer over the TCP stream of each connection, such as TLS.
pub type Wrap = Arc<
    dyn Fn(TcpStream) -> Pin<Box<dyn Future<Output = io::Result<Box<dyn Io>>> + Send>>
        + Send
        + Sync,
>;

/// A scripted server on loopback. It must be started inside a tokio runtime.
///
/// Dropping it closes its connections; [`shut_down`](Self::shut_down) waits for the client instead.
#[derive(Debug)]
pub struct Server {
    /// The address that the server listens on.
    pub address: SocketAddr,
    log: Log,
    closing: Arc<Notify>,
    task: JoinHandle<()>,
}

impl Server {
    /// Plays one script on each connection, and `then` on those after the last.
    pub async fn scripted(scripts: impl IntoIterator<Item = Script>, then: Script) -> Self {
        let scripts = scripts.into_iter().collect();
        Self::scripted_on(bind(Ipv4Addr::LOCALHOST.into()).await, scripts, then, None)
    }

    /// As [`scripted`](Self::scripted), on `listener` and over `wrap`.
    pub fn scripted_on(
        listener: TcpListener,
        scripts: Vec<Script>,
        then: Script,
        wrap: Option<Wrap>,
    ) -> Self {
        Self::serve_on(listener, move |peer| {
            let script = scripts.get(peer.number).unwrap_or(&then).clone();
            let wrap = wrap.clone();
            async move {
                if let Some(peer) = peer.wrapped(wrap).await {
                    script.play(peer).await;
                }
            }
        })
    }

    /// Runs `serve` on each connection.
    pub async fn serve<F, R>(serve: F) -> Self
    where
        F: Fn(Peer<TcpStream>) -> R + Send + Sync + 'static,
        R: Future<Output = ()> + Send + 'static,
    {
        Self::serve_on(bind(Ipv4Addr::LOCALHOST.into()).await, serve)
    }

    /// Runs `serve` on each connection to `listener`.
    pub fn serve_on<F, R>(listener: TcpListener, serve: F) -> Self
    where
        F: Fn(Peer<TcpStream>) -> R + Send + Sync + 'static,
        R: Future<Output = ()> + Send + 'static,
    {
        let address = listener.local_addr().expect("a listener has an address");
        let (log, closing) = (Log::default(), Arc::new(Notify::new()));
        let task = tokio::spawn(accept(listener, serve, log.clone(), closing.clone()));
        Self { address, log, closing, task }
    }

    /// The URL of `path` on this server.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The events so far. Clones share the log.
    #[must_use]
    pub fn log(&self) -> Log {
        self.log.clone()
    }

    /// Waits until `condition` holds for the log.
    pub async fn wait_for(&self, condition: impl Fn(&Log) -> bool) {
        self.log.reach(condition).await;
    }

    /// Stops accepting connections, and waits until all scripts have ended.
    ///
    /// # Panics
    ///
    /// A script panicked.
    pub async fn shut_down(mut self) {
        self.closing.notify_one();
        if let Err(error) = (&mut self.task).await {
            std::panic::resume_unwind(error.into_panic());
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Listens on a free port of `ip`.
pub async fn bind(ip: IpAddr) -> TcpListener {
    TcpListener::bind((ip, 0)).await.expect("a loopback port is free")
}

async fn accept<F, R>(listener: TcpListener, serve: F, log: Log, closing: Arc<Notify>)
where
    F: Fn(Peer<TcpStream>) -> R,
    R: Future<Output = ()> + Send + 'static,
{
    let mut connections = JoinSet::new();
    let mut closed = pin!(closing.notified());
    for number in 0.. {
        let accepted = poll_fn(|cx| match closed.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(None),
            Poll::Pending => listener.poll_accept(cx).map(Some),
        });
        let Some(accepted) = accepted.await else { break };
        let (stream, _) = accepted.expect("the listener accepts connections");
        // Without it, a write waits until the client acknowledges the previous one.
        let _ = stream.set_nodelay(true);
        log.note(Event::Accepted(number));
        let served = serve(Peer::new(stream, number, log.clone()));
        let log = log.clone();
        connections.spawn(async move {
            served.await;
            log.note(Event::Ended(number));
        });
    }
    drop(listener);
    while let Some(ended) = connections.join_next().await {
        ended.expect("a script does not panic");
    }
}
