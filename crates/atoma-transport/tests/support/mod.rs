//! The scripted server of these tests, and clients for it.

pub(crate) use atoma_transport::testing::server::Peer;
use atoma_transport::{
    Body, HyperTransport, HyperTransportBuilder, Proxy, Request, TransportError, testing::server,
};
use bytes::Bytes;
use std::{
    future::{Future, poll_fn},
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    time::Duration,
};
use tokio::net::TcpStream;

/// A complete response that leaves the connection open.
pub(crate) const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// The scripted server, with the scripts that most of these tests use.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    inner: server::Server,
}

impl Server {
    pub(crate) async fn start<F, R>(script: F) -> Self
    where
        F: Fn(Peer<TcpStream>) -> R + Send + Sync + 'static,
        R: Future<Output = ()> + Send + 'static,
    {
        let inner = server::Server::serve(script).await;
        Self { address: inner.address, inner }
    }

    /// Sends `response` to each request and keeps the connection open.
    pub(crate) async fn responding(response: impl Into<Vec<u8>>) -> Self {
        let response: Arc<[u8]> = response.into().into();
        Self::start(move |mut peer| {
            let response = response.clone();
            async move {
                while peer.request().await.is_some() {
                    peer.write(&response).await;
                }
            }
        })
        .await
    }

    /// Sends `response` to the first request of each connection and closes it.
    pub(crate) async fn responding_once(response: impl Into<Vec<u8>>) -> Self {
        let response: Arc<[u8]> = response.into().into();
        Self::start(move |mut peer| {
            let response = response.clone();
            async move {
                peer.request().await;
                peer.write(&response).await;
            }
        })
        .await
    }

    pub(crate) fn url(&self, path: &str) -> String {
        self.inner.url(path)
    }

    /// The number of accepted connections.
    pub(crate) fn accepted(&self) -> usize {
        self.inner.log().accepted()
    }

    /// The number of requests that were read.
    pub(crate) fn requests(&self) -> usize {
        self.inner.log().requests().len()
    }

    /// Waits until clients have closed `count` connections.
    pub(crate) async fn until_closed(&self, count: usize) {
        self.inner.wait_for(|log| log.closed_by_client() >= count).await;
    }
}

/// A transport that ignores the environment's proxies.
pub(crate) fn transport() -> HyperTransport {
    builder().build().unwrap()
}

/// Settings by which a busy machine changes no outcome: the default of 10 s for a connection could.
pub(crate) fn builder() -> HyperTransportBuilder {
    HyperTransport::builder().proxy(Proxy::none()).connect_timeout(HANG)
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

/// Reads a body to its end.
pub(crate) async fn read(mut body: Body) -> Result<String, TransportError> {
    let mut whole = Vec::new();
    while let Some(piece) = next(&mut body).await {
        whole.extend_from_slice(&piece?);
    }
    Ok(String::from_utf8(whole).unwrap())
}

/// The time after which a test has hung, however busy the machine is.
pub(crate) const HANG: Duration = Duration::from_secs(120);

/// Fails instead of hanging.
pub(crate) async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(HANG, future).await.expect("hangs")
}
