//! One exchange: finds or opens a connection, sends the request, checks the head.
//!
//! ```text
//! request ─► origin, route ─► HTTP/2? ─ yes ─► multiplexer ─► response
//!                                │ no
//!                                ▼
//!            ┌─► idle connection, or a new one ─► send ─┬─ head ─► check ─► response
//!            │                                          │
//!            └───── unsent, on a connection that was idle ◄─┘
//! ```
//!
//! The loop ends: each turn takes an idle connection out of the pool, and a fresh connection is not tried twice. Sending again is
//! safe without asking anyone, because hyper returned the request with no byte written.

use super::{
    body::{PooledConnection, StreamedBody},
    classify,
    connect::Connector,
    connection::{Connection, SendError},
    destination::{self, Target},
    pool::{Origin, Pool},
    proxy::{Proxies, Route},
    response_head,
    tls::HTTP1,
};
use crate::{
    Body, Delivery, ErrorKind, Phase, PlainHttp, Request, Response, ResponseFuture, Timeouts,
    Timer, TransportError, timer::check_slept,
};
use bytes::Bytes;
use http::{Extensions, HeaderMap, StatusCode, Uri, header, uri::Scheme};
use http_body_util::Full;
use hyper::body::Incoming;
use std::{
    future::{Future, poll_fn},
    mem,
    pin::Pin,
    sync::Arc,
    task::Poll,
    time::Duration,
};

/// Everything that the clones of a transport share.
pub(super) struct HyperCore {
    /// The proxy settings, which choose the route of each request.
    pub(super) proxies: Proxies,
    /// Opens connections.
    pub(super) connector: Connector,
    /// Idle HTTP/1.1 connections.
    pub(super) pool: Arc<Pool>,
    pub(super) timer: Arc<dyn Timer>,
    /// For requests without [`Timeouts`]; `None` waits as long as the system does.
    pub(super) connect_timeout: Option<Duration>,
    /// The most bytes of a response's head.
    pub(super) max_head: usize,
    /// For requests without a [`PlainHttp`] in their extensions.
    pub(super) plain_http: PlainHttp,
    /// HTTP/2, if it is compiled in and wanted.
    pub(super) multiplexer: Option<Box<dyn Multiplexer>>,
}

/// A protocol that carries many exchanges over one connection, tried before HTTP/1.1.
pub(super) trait Multiplexer: Send + Sync {
    /// Returns the function that begins an exchange: [`HyperCore::multiplexed`]. The protocol names it, so
    /// that a program without one does not contain its code.
    fn start(&self) -> fn(Arc<HyperCore>, Request) -> ResponseFuture;

    /// Sends `request` if the protocol is wanted and the server speaks it.
    fn exchange<'a>(
        &'a self,
        core: &'a HyperCore,
        request: &'a Request,
        origin: &'a Origin,
        route: &'a Route,
        connect_timeout: Option<Duration>,
    ) -> MultiplexedFuture<'a>;
}

/// The future of [`Multiplexer::exchange`].
pub(super) type MultiplexedFuture<'a> =
    Pin<Box<dyn Future<Output = Result<Multiplexed, TransportError>> + Send + 'a>>;

/// The outcome of trying a [`Multiplexer`].
#[allow(dead_code, reason = "constructed by a protocol that is optional")]
pub(super) enum Multiplexed {
    Response(Response),
    /// The server speaks HTTP/1.1, over this connection if one is open already.
    Http1(Option<Box<Connection>>),
}

/// The server that a request goes to, and how to get there.
struct Way {
    origin: Arc<Origin>,
    route: Route,
    /// The most time that opening a connection may take.
    timeout: Option<Duration>,
}

impl HyperCore {
    /// Sends `request`.
    pub(super) fn exchange(self: Arc<Self>, request: Request) -> ResponseFuture {
        if let Some(start) = self.multiplexer.as_ref().map(|multiplexer| multiplexer.start()) {
            return start(self, request);
        }
        self.http1(Box::new(request.map(Full::new)), None)
    }

    /// Sends `request` through the multiplexer, or over HTTP/1.1 if the server does not speak its protocol.
    #[allow(dead_code, reason = "used by a protocol that is optional")]
    pub(super) async fn multiplexed(
        self: Arc<Self>,
        request: Request,
    ) -> Result<Response, TransportError> {
        let mut opened = None;
        if let Some(multiplexer) = &self.multiplexer {
            let Way { origin, route, timeout } =
                self.way(request.uri(), request.headers(), request.extensions())?;
            let exchange = multiplexer.exchange(&self, &request, &origin, &route, timeout);
            match exchange.await? {
                Multiplexed::Response(response) => return Ok(response),
                Multiplexed::Http1(connection) => opened = connection,
            }
        }
        self.http1(Box::new(request.map(Full::new)), opened).await
    }

    /// Sends `request` over HTTP/1.1, at first over `opened` if that is a connection.
    ///
    /// The request is boxed until it is sent: its room in the future, a quarter of a kilobyte, would
    /// be held until the head has arrived. The future is boxed here, and not by each caller, so that a
    /// program has the code of an exchange once: 17 kB less (measured).
    fn http1(
        self: Arc<Self>,
        mut request: Box<http::Request<Full<Bytes>>>,
        mut opened: Option<Box<Connection>>,
    ) -> ResponseFuture {
        Box::pin(async move {
            let Way { origin, route, timeout } =
                self.way(request.uri(), request.headers(), request.extensions())?;
            self.prepare(&mut request, &origin.target, &route)?;
            // The map is reused for the response, where the layers above put their values.
            let mut extensions = mem::take(request.extensions_mut());
            extensions.clear();
            // See the drawing above: `opened` is set for the first turn at most.
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
                match connection.send(request, self.max_head).await {
                    Ok(mut response) => {
                        *response.extensions_mut() = extensions;
                        return self.received(response, connection, origin, &route);
                    }
                    // The server closed it while it was idle: the next one, or a fresh one, takes the request.
                    Err(SendError::Unsent(_, unsent)) if !is_fresh => request = unsent,
                    Err(SendError::Unsent(error, _) | SendError::Failed(error)) => {
                        return Err(error);
                    }
                }
            }
        })
    }

    /// Returns the way that a request with these parts takes.
    fn way(
        &self,
        uri: &Uri,
        headers: &HeaderMap,
        extensions: &Extensions,
    ) -> Result<Way, TransportError> {
        let runtime = tokio::runtime::Handle::try_current().map_err(|error| {
            TransportError::new(ErrorKind::Other, Delivery::NotSent)
                .with_detail("there is no Tokio runtime")
                .with_source(error)
                .permanent()
        })?;
        let plain_http = self.plain_http(uri, extensions);
        let origin = self.pool.origin(uri, runtime.id(), plain_http)?;
        // A proxy would have to be asked to open what may only be a loopback connection.
        let route = match origin.is_plain_restricted() {
            true => Route::Direct,
            false => {
                let user_agent = headers.get(header::USER_AGENT);
                let route = self.proxies.route(&origin.target, user_agent);
                route.map_err(classify::proxy_setting)?
            }
        };
        let timeouts = extensions.get::<Timeouts>();
        let timeout = timeouts.map_or(self.connect_timeout, |timeouts| timeouts.connect);
        Ok(Way { origin, route, timeout })
    }

    /// The same for all `https` requests, so that they share their connections.
    fn plain_http(&self, uri: &Uri, extensions: &Extensions) -> PlainHttp {
        if uri.scheme() != Some(&Scheme::HTTP) {
            return PlainHttp::LoopbackOnly;
        }
        extensions.get().copied().unwrap_or(self.plain_http)
    }

    /// Writes the request's target in the form that its route requires, with the credentials of a forwarding proxy.
    fn prepare(
        &self,
        request: &mut http::Request<Full<Bytes>>,
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

    /// Opens an HTTP/1.1 connection, without a time limit.
    async fn connect(
        &self,
        origin: &Origin,
        route: &Route,
    ) -> Result<Box<Connection>, TransportError> {
        let (target, plain_http) = (&origin.target, origin.plain_http);
        let stream = self.connector.connect(target, route, plain_http, HTTP1).await?;
        Connection::open(stream, self.max_head, self.timer.now()).await.map(Box::new)
    }

    /// Gives `connect` no more time than `timeout`.
    pub(super) async fn in_time<T>(
        &self,
        timeout: Option<Duration>,
        mut connect: Pin<Box<dyn Future<Output = Result<T, TransportError>> + Send + '_>>,
    ) -> Result<T, TransportError> {
        let deadline = timeout.and_then(|timeout| self.timer.now().checked_add(timeout));
        let mut late = deadline.map(|deadline| self.timer.sleep_until(deadline));
        poll_fn(|cx| {
            // First, so that a connection that is ready at the last moment is used.
            if let Poll::Ready(connected) = connect.as_mut().poll(cx) {
                return Poll::Ready(connected);
            }
            let is_late = late.as_mut().is_some_and(|late| late.as_mut().poll(cx).is_ready());
            if !is_late {
                return Poll::Pending;
            }
            if let Some(deadline) = deadline {
                check_slept(&*self.timer, deadline, Delivery::NotSent)?;
            }
            let late = TransportError::timeout(Phase::Connect, Delivery::NotSent);
            Poll::Ready(Err(late.with_limit(timeout)))
        })
        .await
    }

    /// Checks a head, and returns the response with a body that gives the connection back to the pool at its end.
    fn received(
        &self,
        response: http::Response<Incoming>,
        mut connection: Box<Connection>,
        origin: Arc<Origin>,
        route: &Route,
    ) -> Result<Response, TransportError> {
        let (mut head, incoming) = response.into_parts();
        let checked = response_head::check(&head)?;
        // Before the body: a response without one returns the connection here.
        connection.lifetime.heed(checked.keep_alive);
        // The proxy's own response, not the server's: a 407 of a server passes.
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
        // An error response that is compressed unasked: only its status counts. The connection is dropped with it.
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
