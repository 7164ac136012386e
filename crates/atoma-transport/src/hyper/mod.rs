//! A transport on hyper, rustls and tokio.

mod body;
mod builder;
mod classify;
mod config_error;
mod connect;
mod connection;
mod connection_waker;
mod destination;
#[cfg(feature = "http2")]
mod http2;
mod keep_alive;
mod pool;
mod proxy;
mod resolve;
mod response_head;
mod socket;
mod socks;
mod stream;
mod tls;
mod tracked_io;

pub use builder::HyperTransportBuilder;
pub use config_error::ConfigError;
#[cfg(feature = "http2")]
pub use http2::Http2;
pub use proxy::Proxy;
pub use resolve::{ResolveFuture, Resolver};
pub use tls::Crypto;

use crate::{
    Body, Delivery, ErrorKind, Phase, PlainHttp, Request, Response, ResponseFuture, Timeouts,
    Timer, Transport, TransportError,
};
use body::{PooledConnection, StreamedBody};
use connect::Connector;
use connection::{Connection, Once, SendError};
use destination::Target;
use http::{StatusCode, Uri, header, uri::Scheme};
use hyper::body::Incoming;
use pool::{Origin, Pool};
use proxy::{Proxies, Route};
use std::{
    fmt,
    future::{Future, poll_fn},
    mem,
    pin::Pin,
    sync::Arc,
    task::Poll,
    time::Duration,
};
use tls::Protocols;

/// HTTP/1.1 over TCP, TLS and proxies: the transport to use unless you have your own.
///
/// Each exchange has a connection of its own while it lasts, and drives it itself: no task runs
/// behind it, a reader that stops reading stops the server, and dropping the response's body, or
/// the future before it, closes the connection at once. When a body was read to its end, or came
/// whole with its head, its connection serves the next request to the same server. Clones share
/// their connections. With the feature `http2`, and a builder that is told so, it speaks HTTP/2 as
/// well: then up to 32 exchanges share a connection and the task behind it, and what is dropped
/// early is reset.
///
/// It needs a Tokio runtime with I/O and time enabled; without one, sending is an error (in a program
/// built with `panic = "abort"`, a runtime without I/O or time aborts it, as Tokio does). It may be
/// used from several runtimes. After `fork`, a child process must not use a transport of its parent:
/// both would write to the same sockets, and a Tokio runtime does not survive a fork. Build a new
/// runtime and a new transport in the child. Only `http` and `https` URLs are sent to; redirects are not
/// followed, nothing is decompressed, and heads that leave in doubt where a body ends are refused.
///
/// ```no_run
/// use atoma_transport::{HyperTransport, Transport};
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let transport = HyperTransport::new()?;
/// let request = http::Request::get("https://api.atoma.network/v1/models").body("".into())?;
/// let response = transport.send(request).await?;
/// println!("{}", response.status());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct HyperTransport(Arc<Shared>);

struct Shared {
    proxies: Proxies,
    connector: Connector,
    pool: Arc<Pool>,
    timer: Arc<dyn Timer>,
    connect_timeout: Option<Duration>,
    max_head: usize,
    plain_http: PlainHttp,
    #[cfg(feature = "http2")]
    http2: Option<http2::Shared>,
}

impl HyperTransport {
    /// A transport with the defaults of its [builder](Self::builder).
    pub fn new() -> Result<Self, ConfigError> {
        Self::builder().build()
    }

    /// Begins a transport with settings of its own.
    pub fn builder() -> HyperTransportBuilder {
        HyperTransportBuilder::new()
    }

    /// Reads the roots of trust now and not with the first `https` request.
    ///
    /// Fails if there are none: then no `https` request can succeed, and each would say so. A
    /// client that knows it will need TLS calls this when it is built. Reading takes some
    /// milliseconds; calling it again costs nothing.
    pub fn load_root_certificates(&self) -> Result<(), ConfigError> {
        self.0.connector.tls.config().map(drop)
    }

    /// Returns the error that each request to `url` would meet because a proxy setting of the
    /// environment cannot be used.
    ///
    /// A client that knows its server calls this when it is built. A URL that cannot be sent to is
    /// not an error here.
    pub fn check_proxy(&self, url: &Uri) -> Result<(), ConfigError> {
        match Target::of(url) {
            Ok(target) => self.0.proxies.route(&target, None).map(drop),
            Err(_) => Ok(()),
        }
    }
}

const NO_TIME_DRIVER: &str =
    "the Tokio runtime has no time driver: build it with enable_time or enable_all";

impl Transport for HyperTransport {
    fn send(&self, request: Request) -> ResponseFuture {
        self.0.clone().exchange(request)
    }
}

impl fmt::Debug for HyperTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HyperTransport").field("pool", &self.0.pool).finish_non_exhaustive()
    }
}

impl Shared {
    /// A block and not an `async fn`, which would hold its arguments twice.
    fn exchange(self: Arc<Self>, request: Request) -> ResponseFuture {
        let mut request = request.map(Once::new);
        Box::pin(async move {
            let runtime = tokio::runtime::Handle::try_current().map_err(|error| {
                TransportError::new(ErrorKind::Other, Delivery::NotSent)
                    .with_detail("there is no Tokio runtime")
                    .with_source(error)
                    .permanent()
            })?;
            let plain_http = self.plain_http(&request);
            let origin = match self.pool.known(request.uri(), runtime.id(), plain_http) {
                Some(origin) => origin,
                None => Arc::new(Origin {
                    target: Target::of(request.uri())?,
                    runtime: runtime.id(),
                    plain_http,
                }),
            };
            let route = match origin.is_plain_restricted() {
                true => Route::Direct,
                false => {
                    let user_agent = request.headers().get(header::USER_AGENT);
                    let route = self.proxies.route(&origin.target, user_agent);
                    route.map_err(classify::proxy_setting)?
                }
            };
            let timeouts = request.extensions().get::<Timeouts>();
            let timeout = timeouts.map_or(self.connect_timeout, |timeouts| timeouts.connect);

            #[allow(unused_mut, reason = "HTTP/2 may have opened it, where that is compiled in")]
            let mut opened = None;
            #[cfg(feature = "http2")]
            if let Some(http2) = &self.http2 {
                match Box::pin(http2.exchange(&self, &request, &origin, &route, timeout)).await? {
                    http2::Outcome::Answered(response) => return Ok(response),
                    http2::Outcome::Http1(connection) => opened = connection,
                }
            }
            self.prepare(&mut request, &origin.target, &route)?;
            // What layers above put into the response's finds its room here.
            let mut extensions = mem::take(request.extensions_mut());
            extensions.clear();
            loop {
                let idle = if opened.is_none() { self.pool.take(&origin) } else { None };
                let is_fresh = idle.is_none();
                let mut connection = match opened.take().or(idle) {
                    Some(connection) => connection,
                    // Boxed: it is large, and most exchanges never need it.
                    None => {
                        let connect = Box::pin(self.connect(&origin, &route));
                        self.in_time(timeout, connect).await?
                    }
                };
                match connection.send(&mut request).await {
                    Ok(mut response) => {
                        *response.extensions_mut() = extensions;
                        return self.received(response, connection, origin, &route);
                    }
                    Err(SendError::Unsent(_)) if !is_fresh => {}
                    Err(SendError::Unsent(error) | SendError::Failed(error)) => return Err(error),
                }
            }
        })
    }

    /// The same for all `https` requests, so that they share their connections.
    fn plain_http(&self, request: &http::Request<Once>) -> PlainHttp {
        if request.uri().scheme() != Some(&Scheme::HTTP) {
            return PlainHttp::LoopbackOnly;
        }
        request.extensions().get().copied().unwrap_or(self.plain_http)
    }

    fn prepare(
        &self,
        request: &mut http::Request<Once>,
        target: &Target,
        route: &Route,
    ) -> Result<(), TransportError> {
        let Route::Forward(server) = route else {
            return destination::prepare(request, target, false);
        };
        destination::prepare(request, target, true)?;
        if let Some(basic) = server.basic() {
            request.headers_mut().insert(header::PROXY_AUTHORIZATION, basic);
        }
        Ok(())
    }

    async fn connect(
        &self,
        origin: &Origin,
        route: &Route,
    ) -> Result<Box<Connection>, TransportError> {
        let (target, plain_http) = (&origin.target, origin.plain_http);
        let stream = self.connector.connect(target, route, plain_http, Protocols::Http1).await?;
        Connection::open(stream, self.max_head, self.timer.now()).await.map(Box::new)
    }

    /// Gives `connect` no more time than `timeout`.
    async fn in_time<T>(
        &self,
        timeout: Option<Duration>,
        mut connect: Pin<Box<dyn Future<Output = Result<T, TransportError>> + Send + '_>>,
    ) -> Result<T, TransportError> {
        let deadline = timeout.and_then(|timeout| self.timer.now().checked_add(timeout));
        let mut late = deadline.map(|deadline| self.timer.sleep_until(deadline));
        poll_fn(|cx| {
            if let Poll::Ready(connected) = connect.as_mut().poll(cx) {
                return Poll::Ready(connected);
            }
            let is_late = late.as_mut().is_some_and(|late| late.as_mut().poll(cx).is_ready());
            if !is_late {
                return Poll::Pending;
            }
            if deadline.is_some_and(|deadline| self.timer.now() < deadline) {
                // `TokioTimer` cannot wait in this runtime.
                return Poll::Ready(Err(classify::no_driver(NO_TIME_DRIVER)));
            }
            let late = TransportError::timeout(Phase::Connect, Delivery::NotSent);
            Poll::Ready(Err(late.with_limit(timeout)))
        })
        .await
    }

    fn received(
        &self,
        response: http::Response<Incoming>,
        mut connection: Box<Connection>,
        origin: Arc<Origin>,
        route: &Route,
    ) -> Result<Response, TransportError> {
        let (mut head, incoming) = response.into_parts();
        let checked = response_head::check(&head)?;
        connection.lifetime.heed(checked.keep_alive);
        if let (Route::Forward(server), StatusCode::PROXY_AUTHENTICATION_REQUIRED) =
            (route, head.status)
        {
            return Err(classify::tunnel(&server.place(), head.status));
        }
        let origin = checked.is_reusable.then_some(origin);
        let pooled = PooledConnection { connection, pool: self.pool.clone(), origin };
        let body = if http_body::Body::is_end_stream(&incoming) {
            pooled.release();
            Body::empty()
        } else if checked.is_encoded {
            Body::empty()
        } else {
            StreamedBody::of(incoming, pooled)
        };
        if !body.is_whole() {
            response_head::detach(&mut head.headers);
        }
        Ok(Response::from_parts(head, body))
    }
}
