//! Checks an implementation of [`Transport`] against what the trait promises, on any executor.
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

use crate::{Delivery, Request, Response, Timer, Transport, TransportError};
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

/// Checks every promise in turn; the first that is broken is the error.
///
/// `server` answers what `transport` sends. No wait lasts longer than 10 s by `timer`.
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
    contract.a_cut_body_is_an_error().await?;
    contract.a_lost_connection_may_have_sent().await?;
    contract.a_refused_connection_has_not_sent().await
}

/// The other side of the exchanges: one scene at a time.
///
/// [`LoopbackServer`](super::LoopbackServer) plays over TCP,
/// [`ScriptedTransport`](super::ScriptedTransport) in memory.
pub trait ContractServer: Send + Sync {
    /// Gets ready to play `scene` for the next requests, forgets those before, and says where to
    /// send them: an `http` address with a path and a query of the server's choosing.
    fn play(&self, scene: Scene) -> Uri;

    /// The requests of this scene, whole.
    fn received(&self) -> Vec<http::Request<Bytes>>;

    /// Resolves once a request of this scene is in.
    fn request_arrived(&self) -> Pin<Box<dyn Future<Output = ()> + Send>>;

    /// Resolves once no exchange of this scene is held open by the client.
    fn client_hung_up(&self) -> Pin<Box<dyn Future<Output = ()> + Send>>;
}

/// What a [`ContractServer`] does with the requests it gets.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Scene {
    /// Answers with this status, the headers `x-contract: kept`, `location: /elsewhere` and
    /// `retry-after: 0`, and a body in these pieces.
    Answer(u16, Vec<Bytes>),
    /// Answers 200 with one piece of a body, and then says nothing more.
    PieceThenSilence(Bytes),
    /// Reads the request and never answers.
    Silence,
    /// Answers 200 with one piece of a body, and then breaks off before its announced end.
    PieceThenCut(Bytes),
    /// Reads the request and closes the connection.
    HangUp,
    /// Takes no connection.
    Refuse,
}

/// A promise of [`Transport`] that was not kept, and what happened instead.
#[derive(Debug)]
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

const PATIENCE: Duration = Duration::from_secs(10);

impl Contract<'_> {
    async fn requests_and_bodies_are_whole(&self) -> Result<(), BrokenPromise> {
        let promise = Promise("requests and bodies are carried whole and unchanged");
        let pieces: Vec<Bytes> = (1..=20u8).map(|n| vec![n; usize::from(n) * 997].into()).collect();
        let uri = self.server.play(Scene::Answer(200, pieces.clone()));
        let request = request(&uri);
        let response = promise.answered(self.within(self.transport.send(request.clone())).await)?;
        promise.holds(
            response.headers().get("x-contract").is_some_and(|value| value == "kept"),
            "a header of the answer is missing",
        )?;
        let body = self.read(response.into_body()).await;
        let (body, end) = body.ok_or_else(|| promise.broken("the body never ended"))?;
        promise.holds(end.is_none(), "a whole body ended in an error")?;
        promise.holds(body == pieces.concat(), "the body is another one")?;

        let received = self.server.received();
        let [received] = &received[..] else {
            return Err(promise.broken(format!("the server saw {} requests", received.len())));
        };
        promise.holds(received.method() == request.method(), "the method is another one")?;
        let paths = [received.uri().path_and_query(), request.uri().path_and_query()];
        promise.holds(paths[0] == paths[1], "path and query are others")?;
        let header = received.headers().get("idempotency-key");
        promise
            .holds(header.is_some_and(|key| key == "one"), "a header of the request is missing")?;
        promise.holds(received.body() == request.body(), "the request's body is another one")
    }

    async fn any_status_is_ok_and_one_exchange(&self, status: u16) -> Result<(), BrokenPromise> {
        let promise = Promise("any status is Ok, after exactly one exchange");
        let body = if status == 204 { vec![] } else { vec![Bytes::from_static(b"as it is")] };
        let uri = self.server.play(Scene::Answer(status, body.clone()));
        let response = promise.answered(self.within(self.transport.send(request(&uri))).await)?;
        let got = response.status();
        promise.holds(got == status, format!("{status} became {got}"))?;
        let read = self.read(response.into_body()).await;
        let (read, end) = read.ok_or_else(|| promise.broken("the body never ended"))?;
        promise.holds(end.is_none() && read == body.concat(), format!("the body of a {status}"))?;
        let count = self.server.received().len();
        promise.holds(count == 1, format!("the server saw {count} requests for a {status}"))
    }

    async fn the_head_comes_first(&self) -> Result<(), BrokenPromise> {
        let promise = Promise("the head is handed on before the body, and its pieces as they come");
        let piece = Bytes::from_static(b"first");
        let uri = self.server.play(Scene::PieceThenSilence(piece.clone()));
        let response = promise.answered(self.within(self.transport.send(request(&uri))).await)?;
        let mut body = response.into_body();
        let mut read = BytesMut::new();
        while read.len() < piece.len() {
            match self.within(next(&mut body)).await {
                Some(Some(Ok(data))) => read.extend_from_slice(&data),
                Some(_) => return Err(promise.broken("the body ended")),
                None => return Err(promise.broken("a piece that had come was held back")),
            }
        }
        promise.holds(read == piece, "the first piece is another one")
    }

    async fn dropping_the_body_cancels(&self) -> Result<(), BrokenPromise> {
        let promise = Promise("dropping the body ends the exchange");
        let uri = self.server.play(Scene::PieceThenSilence(Bytes::from_static(b"first")));
        let response = promise.answered(self.within(self.transport.send(request(&uri))).await)?;
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
        promise.holds(arrived == Some(true), "there was an outcome although no answer had come")?;
        drop(exchange);
        let hung_up = self.within(self.server.client_hung_up()).await;
        promise.holds(hung_up.is_some(), "the exchange is still open")
    }

    async fn a_cut_body_is_an_error(&self) -> Result<(), BrokenPromise> {
        let promise = Promise("a body that breaks off ends in an error with its cause, once");
        let piece = Bytes::from_static(b"first");
        let uri = self.server.play(Scene::PieceThenCut(piece.clone()));
        let response = promise.answered(self.within(self.transport.send(request(&uri))).await)?;
        let mut body = response.into_body();
        let read = self.read(&mut body).await;
        let (read, end) = read.ok_or_else(|| promise.broken("the body never ended"))?;
        promise.holds(read == piece, "what came before the cut was lost")?;
        let error = end.ok_or_else(|| promise.broken("the cut looks like a clean end"))?;
        promise.has_source(error)?;
        let after = self.within(next(&mut body)).await;
        promise.holds(matches!(after, Some(None)), "the body went on after its error")
    }

    async fn a_lost_connection_may_have_sent(&self) -> Result<(), BrokenPromise> {
        let promise =
            Promise("without an answer, an error says that the request may have been sent");
        let uri = self.server.play(Scene::HangUp);
        let error = promise.failed(self.within(self.transport.send(request(&uri))).await)?;
        let count = self.server.received().len();
        promise.holds(count == 1, format!("the server saw {count} requests"))?;
        promise.holds(error.delivery() == Delivery::Unknown, "it says that it was not")?;
        promise.has_source(error)
    }

    async fn a_refused_connection_has_not_sent(&self) -> Result<(), BrokenPromise> {
        let promise = Promise("without a connection, an error says that nothing was sent");
        let uri = self.server.play(Scene::Refuse);
        let error = promise.failed(self.within(self.transport.send(request(&uri))).await)?;
        promise.holds(error.delivery() == Delivery::NotSent, "it says that it may have been")?;
        promise.holds(error.is_connect(), format!("the error is of kind {:?}", error.kind()))?;
        promise.has_source(error)
    }

    /// The body, and the error it ended in; `None` if it did not end in time.
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
        let mut patience = self.timer.sleep_until(self.timer.now() + PATIENCE);
        poll_fn(|cx| match future.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending => patience.as_mut().poll(cx).map(|()| None),
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

type Sent = Option<Result<Response, TransportError>>;

#[derive(Clone, Copy)]
struct Promise(&'static str);

impl Promise {
    fn broken(self, instead: impl Into<String>) -> BrokenPromise {
        BrokenPromise { promise: self.0, instead: instead.into(), source: None }
    }

    fn holds(self, kept: bool, instead: impl Into<String>) -> Result<(), BrokenPromise> {
        if kept { Ok(()) } else { Err(self.broken(instead)) }
    }

    fn answered(self, sent: Sent) -> Result<Response, BrokenPromise> {
        match sent {
            Some(Ok(response)) => Ok(response),
            Some(Err(error)) => {
                Err(BrokenPromise { source: Some(error), ..self.broken("there was no answer") })
            }
            None => Err(self.broken("there was no answer in time")),
        }
    }

    fn failed(self, sent: Sent) -> Result<TransportError, BrokenPromise> {
        match sent {
            Some(Err(error)) => Ok(error),
            Some(Ok(response)) => Err(self.broken(format!("an answer: {}", response.status()))),
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
