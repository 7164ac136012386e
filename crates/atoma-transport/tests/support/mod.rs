//! A server on loopback that does exactly what its script says, and remembers what it saw.

use atoma_transport::{
    Body, HyperTransport, HyperTransportBuilder, Proxy, Request, TransportError,
};
use bytes::Bytes;
use std::{
    future::{Future, poll_fn},
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Notify,
    task::JoinHandle,
};

/// A complete answer that leaves the connection open.
pub(crate) const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// Accepts connections and runs a script on each, until it is dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    log: Arc<Log>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct Log {
    accepted: AtomicUsize,
    requests: AtomicUsize,
    closed: AtomicUsize,
    changed: Notify,
}

impl Server {
    pub(crate) async fn start<F, R>(script: F) -> Self
    where
        F: Fn(Peer<TcpStream>) -> R + Send + Sync + 'static,
        R: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let log = Arc::new(Log::default());
        let seen = log.clone();
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                // Without it, a write waits for the client to acknowledge the one before.
                let _ = stream.set_nodelay(true);
                let number = seen.accepted.fetch_add(1, Ordering::SeqCst);
                let peer = Peer { stream, number, unread: Vec::new(), log: seen.clone() };
                seen.changed.notify_waiters();
                tokio::spawn(script(peer));
            }
        });
        Self { address, log, task }
    }

    /// A server that sends `answer` to each request and keeps the connection open.
    pub(crate) async fn answering(answer: impl Into<Vec<u8>>) -> Self {
        let answer: Arc<[u8]> = answer.into().into();
        Self::start(move |mut peer| {
            let answer = answer.clone();
            async move {
                while peer.request().await.is_some() {
                    peer.write(&answer).await;
                }
                peer.closed();
            }
        })
        .await
    }

    /// A server that sends `answer` to the first request of each connection and closes it then.
    pub(crate) async fn answering_once(answer: impl Into<Vec<u8>>) -> Self {
        let answer: Arc<[u8]> = answer.into().into();
        Self::start(move |mut peer| {
            let answer = answer.clone();
            async move {
                peer.request().await;
                peer.write(&answer).await;
            }
        })
        .await
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// How many connections were accepted.
    pub(crate) fn accepted(&self) -> usize {
        self.log.accepted.load(Ordering::SeqCst)
    }

    /// How many requests were read.
    pub(crate) fn requests(&self) -> usize {
        self.log.requests.load(Ordering::SeqCst)
    }

    /// Waits until clients have closed `count` connections.
    pub(crate) async fn until_closed(&self, count: usize) {
        loop {
            let changed = self.log.changed.notified();
            if self.log.closed.load(Ordering::SeqCst) >= count {
                return;
            }
            changed.await;
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The server's end of one connection.
pub(crate) struct Peer<S> {
    pub(crate) stream: S,
    /// 0 for the first connection, 1 for the second …
    pub(crate) number: usize,
    unread: Vec<u8>,
    log: Arc<Log>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Peer<S> {
    /// The next request with its body, as text; `None` if the client has closed.
    pub(crate) async fn request(&mut self) -> Option<String> {
        let head = loop {
            if let Some(end) = self.unread.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
            self.read().await?;
        };
        let text = String::from_utf8_lossy(&self.unread[..head]).into_owned();
        let length = text
            .lines()
            .filter_map(|line| line.split_once(": "))
            .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
            .map_or(0, |(_, length)| length.parse().unwrap());
        while self.unread.len() < head + length {
            self.read().await?;
        }
        let request: Vec<u8> = self.unread.drain(..head + length).collect();
        self.log.requests.fetch_add(1, Ordering::SeqCst);
        self.log.changed.notify_waiters();
        Some(String::from_utf8_lossy(&request).into_owned())
    }

    /// Reads some more; `None` at the end.
    pub(crate) async fn read(&mut self) -> Option<usize> {
        match self.stream.read_buf(&mut self.unread).await {
            Ok(0) | Err(_) => None,
            Ok(count) => Some(count),
        }
    }

    /// Sends `bytes`; a client that is gone does not matter.
    pub(crate) async fn write(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.stream.write_all(bytes.as_ref()).await;
        let _ = self.stream.flush().await;
    }

    /// Reads until the client closes, and notes it.
    pub(crate) async fn until_closed(&mut self) {
        while self.read().await.is_some() {}
        self.closed();
    }
}

impl<S> Peer<S> {
    /// Notes that the client has closed.
    pub(crate) fn closed(&self) {
        self.log.closed.fetch_add(1, Ordering::SeqCst);
        self.log.changed.notify_waiters();
    }

    /// The same connection with another stream, such as TLS over it.
    pub(crate) fn over<T>(self, wrap: impl FnOnce(S) -> T) -> Peer<T> {
        let Self { stream, number, unread, log } = self;
        Peer { stream: wrap(stream), number, unread, log }
    }
}

impl Peer<TcpStream> {
    /// Closes with a reset (RST) and not with an end (FIN).
    pub(crate) fn reset(self) {
        self.stream.set_zero_linger().unwrap();
    }
}

/// A transport that the environment's proxies do not reach.
pub(crate) fn transport() -> HyperTransport {
    builder().build().unwrap()
}

pub(crate) fn builder() -> HyperTransportBuilder {
    HyperTransport::builder().proxy(Proxy::none())
}

pub(crate) fn get(url: impl AsRef<str>) -> Request {
    http::Request::get(url.as_ref()).body(Bytes::new()).unwrap()
}

pub(crate) fn post(url: impl AsRef<str>, body: impl Into<Bytes>) -> Request {
    http::Request::post(url.as_ref()).body(body.into()).unwrap()
}

/// The next piece of a body.
pub(crate) async fn next(body: &mut Body) -> Option<Result<Bytes, TransportError>> {
    let frame = poll_fn(|cx| http_body::Body::poll_frame(Pin::new(&mut *body), cx)).await?;
    Some(frame.map(|frame| frame.into_data().expect("a transport drops trailers")))
}

/// A body to its end.
pub(crate) async fn read(mut body: Body) -> Result<String, TransportError> {
    let mut whole = Vec::new();
    while let Some(piece) = next(&mut body).await {
        whole.extend_from_slice(&piece?);
    }
    Ok(String::from_utf8(whole).unwrap())
}

/// Fails instead of hanging.
pub(crate) async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), future).await.expect("hangs")
}
