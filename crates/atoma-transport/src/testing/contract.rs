//! Checks an implementation of [`Transport`] against the contract of the trait, on any executor.
//!
//! ```
//! use atoma_transport::testing::{ManualTimer, ScriptedTransport, contract};
//!
//! let timer = ManualTimer::new();
//! let transport = ScriptedTransport::new([]).timer(timer.clone());
//! timer.run(contract::check(&transport, &transport, &timer))?;
//! # Ok::<(), contract::BrokenPromise>(())
//! ```
//!
//! A transport that opens connections is checked against a [`LoopbackServer`], inside its runtime
//! and with that runtime's clock:
//!
//! ```no_run
//! # #[cfg(feature = "tokio")]
//! # async fn in_a_tokio_test(
//! #     transport: impl atoma_transport::Transport,
//! # ) -> Result<(), Box<dyn std::error::Error>> {
//! use atoma_transport::{TokioTimer, testing::{LoopbackServer, contract}};
//!
//! let server = LoopbackServer::start()?;
//! contract::check(&transport, &server, &TokioTimer).await?;
//! # Ok(())
//! # }
//! ```
//!
//! [`LoopbackServer`]: super::LoopbackServer

use crate::{
    Delivery, Request, Response, Timer, Transport, TransportError, error::write_with_causes,
};
use bytes::{Bytes, BytesMut};
use http::{Method, Uri};
use std::{
    error::Error,
    fmt,
    future::{Future, poll_fn},
    pin::{Pin, pin},
    task::Poll,
    time::Duration,
};

/// Checks every clause of the contract in turn.
///
/// `server` responds to the requests of `transport`. No wait takes longer than 60 s of `timer`.
///
/// # Errors
///
/// The first promise that the transport breaks.
pub async fn check(
    transport: &dyn Transport,
    server: &dyn ContractServer,
    timer: &dyn Timer,
) -> Result<(), BrokenPromise> {
    let contract = Contract { transport, server, timer };
    contract.requests_and_bodies_are_whole().await?;
    for status in [200, 204, 301, 308, 400, 401, 404, 408, 429, 500, 503] {
        contract.any_status_is_ok_and_one_exchange(status).await?;
    }
    contract.the_head_comes_first().await?;
    contract.dropping_the_body_cancels().await?;
    contract.dropping_the_future_cancels().await?;
    contract.an_interrupted_body_is_an_error().await?;
    contract.a_lost_connection_may_have_sent().await?;
    contract.a_refused_connection_has_not_sent().await
}

/// The server of the contract suite: it plays one scene at a time.
///
/// [`LoopbackServer`](super::LoopbackServer) plays over TCP,
/// [`ScriptedTransport`](super::ScriptedTransport) in memory.
pub trait ContractServer: Send + Sync {
    /// Prepares `scene` for the next requests, forgets the earlier ones, and returns their URL: an
    /// `http` address with any path and query.
    fn play(&self, scene: Scene) -> Uri;

    /// Returns the complete requests of this scene.
    fn received(&self) -> Vec<http::Request<Bytes>>;

    /// Resolves once a request of this scene has arrived.
    fn request_arrived(&self) -> Pin<Box<dyn Future<Output = ()> + Send>>;

    /// Resolves once the client has closed all exchanges of this scene.
    fn client_hung_up(&self) -> Pin<Box<dyn Future<Output = ()> + Send>>;
}

/// The behavior of a [`ContractServer`] towards the requests it receives.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Scene {
    /// Responds with this status, the headers `x-contract: kept`, `location: /elsewhere` and
    /// `retry-after: 0`, and a body of these chunks.
    Respond(u16, Vec<Bytes>),
    /// Responds with a 200 and one chunk of the body, and then sends nothing.
    ChunkThenSilence(Bytes),
    /// Reads the request and never responds.
    Silence,
    /// Responds with a 200 and one chunk of the body, and closes before its announced end.
    ChunkThenInterruption(Bytes),
    /// Reads the request and closes the connection.
    HangUp,
    /// Accepts no connection.
    Refuse,
}

/// The error for a transport that breaks a clause of the contract of [`Transport`].
pub struct BrokenPromise {
    promise: &'static str,
    instead: String,
    source: Option<TransportError>,
}

impl fmt::Display for BrokenPromise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "broken promise: {}; instead: {}", self.promise, self.instead)
    }
}

/// The line and its causes; the fields under `{:#?}`.
impl fmt::Debug for BrokenPromise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !f.alternate() {
            return write_with_causes(f, self);
        }
        f.debug_struct("BrokenPromise")
            .field("promise", &self.promise)
            .field("instead", &self.instead)
            .field("source", &self.source)
            .finish()
    }
}

impl Error for BrokenPromise {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_ref().map(|source| source as _)
    }
}

struct Contract<'a> {
    transport: &'a dyn Transport,
    server: &'a dyn ContractServer,
    timer: &'a dyn Timer,
}

/// The time after which a transport hangs, however busy the machine is.
const TIMEOUT: Duration = Duration::from_secs(60);

impl Contract<'_> {
    async fn requests_and_bodies_are_whole(&self) -> Result<(), BrokenPromise> {
        let promise = Promise("requests and bodies arrive complete and unchanged");
        let chunks: Vec<Bytes> = (1..=20u8).map(|n| vec![n; usize::from(n) * 997].into()).collect();
        let uri = self.server.play(Scene::Respond(200, chunks.clone()));
        let request = request(&uri);
        let response = promise.response(self.within(self.transport.send(request.clone())).await)?;
        promise.holds(
            response.headers().get("x-contract").is_some_and(|value| value == "kept"),
            "a response header is missing",
        )?;
        let body = self.read(response.into_body()).await;
        let (body, end) = body.ok_or_else(|| promise.broken("the body never ended"))?;
        promise.holds(end.is_none(), "a complete body ended in an error")?;
        promise.holds(body == chunks.concat(), "the body differs")?;

        let received = self.server.received();
        let [received] = &received[..] else {
            return Err(promise.broken(format!("the server saw {} requests", received.len())));
        };
        promise.holds(received.method() == request.method(), "the method differs")?;
        let paths = [received.uri().path_and_query(), request.uri().path_and_query()];
        promise.holds(paths[0] == paths[1], "path and query differ")?;
        let header = received.headers().get("idempotency-key");
        promise.holds(header.is_some_and(|key| key == "one"), "a request header is missing")?;
        promise.holds(received.body() == request.body(), "the request body differs")
    }

    async fn any_status_is_ok_and_one_exchange(&self, status: u16) -> Result<(), BrokenPromise> {
        let promise = Promise("any status is Ok, after exactly one exchange");
        let body = if status == 204 { vec![] } else { vec![Bytes::from_static(b"unchanged")] };
        let uri = self.server.play(Scene::Respond(status, body.clone()));
        let response = promise.response(self.within(self.transport.send(request(&uri))).await)?;
        let got = response.status();
        promise.holds(got == status, format!("{status} became {got}"))?;
        let read = self.read(response.into_body()).await;
        let (read, end) = read.ok_or_else(|| promise.broken("the body never ended"))?;
        promise.holds(end.is_none() && read == body.concat(), format!("the body of a {status}"))?;
        let count = self.server.received().len();
        promise.holds(count == 1, format!("the server saw {count} requests for a {status}"))
    }

    async fn the_head_comes_first(&self) -> Result<(), BrokenPromise> {
        let promise = Promise("the head is returned before the body, and each chunk as it arrives");
        let chunk = Bytes::from_static(b"first");
        let uri = self.server.play(Scene::ChunkThenSilence(chunk.clone()));
        let response = promise.response(self.within(self.transport.send(request(&uri))).await)?;
        let mut body = response.into_body();
        let mut read = BytesMut::new();
        while read.len() < chunk.len() {
            match self.within(next(&mut body)).await {
                Some(Some(Ok(data))) => read.extend_from_slice(&data),
                Some(_) => return Err(promise.broken("the body ended")),
                None => return Err(promise.broken("a chunk that had arrived was held back")),
            }
        }
        promise.holds(read == chunk, "the first chunk differs")
    }

    async fn dropping_the_body_cancels(&self) -> Result<(), BrokenPromise> {
        let promise = Promise("dropping the body ends the exchange");
        let uri = self.server.play(Scene::ChunkThenSilence(Bytes::from_static(b"first")));
        let response = promise.response(self.within(self.transport.send(request(&uri))).await)?;
        drop(response);
        let hung_up = self.within(self.server.client_hung_up()).await;
        promise.holds(hung_up.is_some(), "the exchange is still open")
    }

    async fn dropping_the_future_cancels(&self) -> Result<(), BrokenPromise> {
        let promise = Promise("dropping the future ends the exchange");
        let uri = self.server.play(Scene::Silence);
        let mut exchange = self.transport.send(request(&uri));
        let mut arrived = self.server.request_arrived();
        let both = poll_fn(|cx| {
            if exchange.as_mut().poll(cx).is_ready() {
                return Poll::Ready(false);
            }
            arrived.as_mut().poll(cx).map(|()| true)
        });
        let arrived = self.within(both).await;
        promise.holds(arrived.is_some(), "the request never arrived")?;
        promise.holds(arrived == Some(true), "the future was ready before a response")?;
        drop(exchange);
        let hung_up = self.within(self.server.client_hung_up()).await;
        promise.holds(hung_up.is_some(), "the exchange is still open")
    }

    async fn an_interrupted_body_is_an_error(&self) -> Result<(), BrokenPromise> {
        let promise = Promise("an interrupted body ends in one error with its cause");
        let chunk = Bytes::from_static(b"first");
        let uri = self.server.play(Scene::ChunkThenInterruption(chunk.clone()));
        let response = promise.response(self.within(self.transport.send(request(&uri))).await)?;
        let mut body = response.into_body();
        let read = self.read(&mut body).await;
        let (read, end) = read.ok_or_else(|| promise.broken("the body never ended"))?;
        promise.holds(read == chunk, "the chunks before the interruption were lost")?;
        let error = end.ok_or_else(|| promise.broken("the interruption looks like a clean end"))?;
        promise.has_source(error)?;
        let after = self.within(next(&mut body)).await;
        promise.holds(matches!(after, Some(None)), "the body continued after its error")
    }

    async fn a_lost_connection_may_have_sent(&self) -> Result<(), BrokenPromise> {
        let promise = Promise("an error without a response has Delivery::Unknown");
        let uri = self.server.play(Scene::HangUp);
        let error = promise.failed(self.within(self.transport.send(request(&uri))).await)?;
        let count = self.server.received().len();
        promise.holds(count == 1, format!("the server saw {count} requests"))?;
        promise.holds(error.delivery() == Delivery::Unknown, "it has Delivery::NotSent")?;
        promise.has_source(error)
    }

    async fn a_refused_connection_has_not_sent(&self) -> Result<(), BrokenPromise> {
        let promise = Promise("an error without a connection has Delivery::NotSent");
        let uri = self.server.play(Scene::Refuse);
        let error = promise.failed(self.within(self.transport.send(request(&uri))).await)?;
        promise.holds(error.delivery() == Delivery::NotSent, "it has Delivery::Unknown")?;
        promise.holds(error.is_connect(), format!("the error is of kind {:?}", error.kind()))?;
        promise.has_source(error)
    }

    /// Returns the body and the error it ended in; `None` if it did not end in time.
    async fn read(
        &self,
        body: impl http_body::Body<Data = Bytes, Error = TransportError>,
    ) -> Option<(Bytes, Option<TransportError>)> {
        let mut body = pin!(body);
        let mut read = BytesMut::new();
        loop {
            match self.within(next(&mut body)).await? {
                Some(Ok(data)) => read.extend_from_slice(&data),
                Some(Err(error)) => return Some((read.freeze(), Some(error))),
                None => return Some((read.freeze(), None)),
            }
        }
    }

    async fn within<F: Future>(&self, future: F) -> Option<F::Output> {
        let mut future = pin!(future);
        let mut timeout = self.timer.sleep_until(self.timer.now() + TIMEOUT);
        poll_fn(|cx| match future.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending => timeout.as_mut().poll(cx).map(|()| None),
        })
        .await
    }
}

/// Large enough for several writes.
const REQUEST_BODY: usize = 100_000;

fn request(uri: &Uri) -> Request {
    let body: Vec<u8> = (0..REQUEST_BODY).map(|n| (n % 251) as u8).collect();
    let mut request = http::Request::new(Bytes::from(body));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = uri.clone();
    request.headers_mut().insert("idempotency-key", http::HeaderValue::from_static("one"));
    request
}

async fn next<B>(body: &mut B) -> Option<Result<Bytes, TransportError>>
where
    B: http_body::Body<Data = Bytes, Error = TransportError> + Unpin,
{
    poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx))
        .await
        .map(|frame| frame.map(|frame| frame.into_data().unwrap_or_default()))
}

type Outcome = Option<Result<Response, TransportError>>;

#[derive(Clone, Copy)]
struct Promise(&'static str);

impl Promise {
    fn broken(self, instead: impl Into<String>) -> BrokenPromise {
        BrokenPromise { promise: self.0, instead: instead.into(), source: None }
    }

    fn holds(self, kept: bool, instead: impl Into<String>) -> Result<(), BrokenPromise> {
        if kept { Ok(()) } else { Err(self.broken(instead)) }
    }

    fn response(self, outcome: Outcome) -> Result<Response, BrokenPromise> {
        match outcome {
            Some(Ok(response)) => Ok(response),
            Some(Err(error)) => {
                Err(BrokenPromise { source: Some(error), ..self.broken("there was no response") })
            }
            None => Err(self.broken("there was no response in time")),
        }
    }

    fn failed(self, outcome: Outcome) -> Result<TransportError, BrokenPromise> {
        match outcome {
            Some(Err(error)) => Ok(error),
            Some(Ok(response)) => Err(self.broken(format!("a response: {}", response.status()))),
            None => Err(self.broken("there was no outcome in time")),
        }
    }

    fn has_source(self, error: TransportError) -> Result<(), BrokenPromise> {
        if error.source().is_some() {
            return Ok(());
        }
        Err(BrokenPromise { source: Some(error), ..self.broken("the error has no cause") })
    }
}
