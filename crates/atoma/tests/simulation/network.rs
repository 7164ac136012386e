//! A transport over the simulated network: one connection for each exchange.

use atoma_transport::{
    Body, Delivery, ErrorKind, Phase, Request, Response, ResponseFuture, Transport, TransportError,
};
use bytes::Bytes;
use http::{HeaderValue, Uri, header::HOST};
use http_body::Frame;
use hyper::{body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};
use tokio::{task::JoinHandle, time::timeout};
use turmoil::net::TcpStream;

/// The address of the server.
pub(crate) const SERVER: (&str, u16) = ("server", 80);

#[derive(Clone, Copy, Debug)]
pub(crate) struct SimulatedNetwork {
    pub(crate) connect_timeout: Duration,
}

impl Transport for SimulatedNetwork {
    fn send(&self, request: Request) -> ResponseFuture {
        let connect_timeout = self.connect_timeout;
        Box::pin(async move {
            let stream = match timeout(connect_timeout, TcpStream::connect(SERVER)).await {
                Ok(connected) => connected.map_err(|error| {
                    TransportError::new(ErrorKind::Connect, Delivery::NotSent).with_source(error)
                })?,
                Err(_) => return Err(TransportError::timeout(Phase::Connect, Delivery::NotSent)),
            };
            exchange(stream, request).await
        })
    }
}

async fn exchange(stream: TcpStream, request: Request) -> Result<Response, TransportError> {
    let lost = |error: hyper::Error| {
        TransportError::new(ErrorKind::ConnectionLost, Delivery::Unknown).with_source(error)
    };
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(lost)?;
    let driver = Driver(tokio::spawn(async {
        let _ = connection.await;
    }));
    let mut request = request.map(Body::from);
    *request.uri_mut() = Uri::from_static("/v1/chat/completions");
    request.headers_mut().insert(HOST, HeaderValue::from_static(SERVER.0));
    let response = sender.send_request(request).await.map_err(lost)?;
    Ok(response.map(|incoming| Body::new(Received { incoming, _driver: driver })))
}

/// Ends the connection when it is dropped.
struct Driver(JoinHandle<()>);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

struct Received {
    incoming: Incoming,
    _driver: Driver,
}

impl http_body::Body for Received {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        Pin::new(&mut self.incoming).poll_frame(cx)
    }
}
