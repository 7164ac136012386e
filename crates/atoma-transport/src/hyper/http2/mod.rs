//! HTTP/2 (RFC 9113), opt-in: many streams over few connections.
//!
//! Over HTTP/1.1 each stream has a separate connection, and TCP alone ensures that a slow reader
//! does not slow the others. HTTP/2 needs other settings than the usual ones for that:
//!
//! | setting | value | why |
//! | --- | --- | --- |
//! | stream window | 256 KiB | the most that one stream may have unread |
//! | connection window | 2³⁰ bytes | never the bound: with the usual 5 MiB three unread streams starve a fourth |
//! | adaptive window | never | it shrinks the connection's window |
//! | streams per connection | 32 | more of them go over another connection, so that few share its failures |
//! | ping | after 20 s of silence, 10 s for its response | a dead connection is noticed; idle ones are not pinged |
//! | head | [`max_head_size`](super::HyperTransportBuilder::max_head_size), 100 lines | as over HTTP/1.1 |
//! | read at a time | 64 KiB | `h2` keeps each frame apart until it is taken: a burst of small ones must not pile up |
//! | push | refused | it is never asked for |
//!
//! It is built on `h2` itself instead of hyper, for two reasons. hyper leaves each frame in `h2` until
//! it is read, and a token is a small frame: an unread stream then holds frames instead of bytes, each
//! with a place in a queue and a buffer that it keeps alive. Since `h2` 0.4.16, a connection with too
//! many of them is closed with all of its streams. Here one task per connection takes every frame as
//! it arrives and joins it to the unread bytes of its stream, so that an unread stream costs about its
//! window, however small the frames are. And hyper reports a stream that was reset without an error as
//! one that ended.
//!
//! ```text
//!   callers                       the task of a connection               h2
//!
//!   Exchange ──► Connection ──queue──► Driver ──send──► SendRequest ───► socket
//!      ▲             │                   │ ▲
//!      │             └── DriverWaker ────┘ │ poll
//!      └──── ResponseBuffer ◄──────────────┴────────── RecvStream ◄───── socket
//! ```

mod classify;
mod connection;
mod driver;
mod driver_waker;
mod exchange;
mod failure;
mod keep_alive;
mod open;
mod pool;
mod read_budget;
mod request;

use super::{
    builder::HyperTransportBuilder,
    connection::Connection as Http1Connection,
    core::{HyperCore, Multiplexed, MultiplexedFuture, Multiplexer},
    destination::Target,
    keep_alive::Limits,
    pool::Origin,
    proxy::Route,
    response_head,
    tls::Protocols,
};
use crate::{Body, Request, Response, ResponseFuture, TransportError};
use bytes::Bytes;
use exchange::{Exchange, ExchangeBody};
use failure::{Failure, Resend};
use pool::{Opening, Place, Pool};
use std::{sync::Arc, time::Duration};

/// The servers with which [`HyperTransportBuilder::http2`](super::HyperTransportBuilder::http2)
/// uses HTTP/2.
///
/// Requests through a forward proxy, as for `http` URLs, use HTTP/1.1 in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Http2 {
    /// Servers that choose it in the TLS handshake (ALPN, RFC 7301); HTTP/1.1 with all others.
    Auto,
    /// Every server, also for `http` URLs (RFC 9113, section 3.3). A server that does not speak it
    /// fails with [`ErrorKind::Protocol`](crate::ErrorKind::Protocol).
    PriorKnowledge,
}

/// The connection for an exchange.
enum Begun {
    /// One that served others before, or a new one.
    Http2 {
        exchange: Exchange,
        is_fresh: bool,
    },
    Http1(Option<Box<Http1Connection>>),
}

impl Http2 {
    fn protocols(self) -> Protocols {
        match self {
            Self::Auto => &[H2, "http/1.1"],
            Self::PriorKnowledge => &[H2],
        }
    }

    fn is_for(self, target: &Target, route: &Route) -> bool {
        let is_forwarded = matches!(route, Route::Forward(_));
        !is_forwarded && (target.https || self == Self::PriorKnowledge)
    }
}

/// The name of HTTP/2 in ALPN.
const H2: &str = "h2";

/// The connections of a transport that speaks HTTP/2.
struct Http2Multiplexer {
    http2: Http2,
    pool: Pool,
}

impl Multiplexer for Http2Multiplexer {
    fn start(&self) -> fn(Arc<HyperCore>, Request) -> ResponseFuture {
        |core, request| Box::pin(core.multiplexed(request))
    }

    fn exchange<'a>(
        &'a self,
        core: &'a HyperCore,
        request: &'a Request,
        origin: &'a Origin,
        route: &'a Route,
        connect_timeout: Option<Duration>,
    ) -> MultiplexedFuture<'a> {
        Box::pin(self.exchange(core, request, origin, route, connect_timeout))
    }
}

/// HTTP/2 (feature `http2`).
impl HyperTransportBuilder {
    /// Speaks HTTP/2 with the servers that `http2` names. Default none, which is best for streams:
    /// over HTTP/1.1 they cannot slow each other down.
    ///
    /// HTTP/2 pays where hundreds of streams from one server are open at a time. Up to 32 of them
    /// share a connection, each may have 256 KiB unread, and a slow reader does not slow the
    /// others. A connection has a separate task, which ends with it. A connection whose server has
    /// sent nothing for 20 s while streams were open, and then did not acknowledge a ping for 10 s,
    /// is given up; a server that computes for longer but acknowledges pings is not.
    ///
    /// ```
    /// use atoma_transport::{Http2, HyperTransport};
    ///
    /// # fn main() -> Result<(), atoma_transport::ConfigError> {
    /// let transport = HyperTransport::builder().http2(Http2::Auto).build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn http2(mut self, http2: impl Into<Option<Http2>>) -> Self {
        self.multiplexer = http2.into().map(|http2| {
            Box::new(Http2Multiplexer { http2, pool: Pool::default() }) as Box<dyn Multiplexer>
        });
        self
    }
}

impl Http2Multiplexer {
    /// Sends `request` over HTTP/2 if that is wanted and the server speaks it.
    ///
    /// A request that its server certainly has not processed is sent once more over another
    /// connection (RFC 9113, section 8.7): the server refused its stream, or sent GOAWAY.
    async fn exchange(
        &self,
        core: &HyperCore,
        request: &Request,
        origin: &Origin,
        route: &Route,
        timeout: Option<Duration>,
    ) -> Result<Multiplexed, TransportError> {
        if !self.http2.is_for(&origin.target, route) {
            return Ok(Multiplexed::Http1(None));
        }
        let outgoing = request::outgoing(request, &origin.target)?;
        let mut may_go_again = true;
        loop {
            let is_fresh;
            let begin = Box::pin(self.begin(core, &outgoing, origin, route));
            let mut exchange = match core.in_time(timeout, begin).await? {
                Begun::Http2 { exchange, is_fresh: fresh } => {
                    is_fresh = fresh;
                    exchange
                }
                Begun::Http1(connection) => return Ok(Multiplexed::Http1(connection)),
            };
            match exchange.head().await {
                Ok(parts) => {
                    let checked = response_head::check(&parts)?;
                    let body = if exchange.is_at_end() || checked.is_encoded {
                        Body::empty()
                    } else {
                        Body::streamed(ExchangeBody::new(exchange, &parts.headers))
                    };
                    return Ok(Multiplexed::Response(Response::from_parts(parts, body)));
                }
                // A pooled connection had ended; it is not found again, so this comes to an end.
                Err(Failure { resend: Resend::Unsent, .. }) if !is_fresh => {}
                Err(Failure { resend: Resend::Unsent | Resend::Once, .. }) if may_go_again => {
                    may_go_again = false;
                }
                Err(Failure { error, .. }) => return Err(error),
            }
        }
    }

    /// Begins the exchange on a connection with room for it, opening one if there is none.
    async fn begin(
        &self,
        core: &HyperCore,
        request: &http::Request<Bytes>,
        origin: &Origin,
        route: &Route,
    ) -> Result<Begun, TransportError> {
        loop {
            match self.pool.place(origin, request, core.timer.now()) {
                Place::Begun(exchange) => {
                    return Ok(Begun::Http2 { exchange, is_fresh: false });
                }
                Place::Http1 => return Ok(Begun::Http1(None)),
                Place::Wait(opening) => opening.over().await,
                Place::Open(opening) => {
                    return self.open(core, request, &opening, route).await;
                }
            }
        }
    }

    async fn open(
        &self,
        core: &HyperCore,
        request: &http::Request<Bytes>,
        opening: &Opening,
        route: &Route,
    ) -> Result<Begun, TransportError> {
        let origin = opening.origin();
        let protocols = self.http2.protocols();
        let stream =
            core.connector.connect(&origin.target, route, origin.plain_http, protocols).await?;
        if self.http2 == Http2::Auto && stream.alpn() != Some(H2.as_bytes()) {
            opening.found_http1();
            let connection = Http1Connection::open(stream, core.max_head, core.timer.now()).await?;
            return Ok(Begun::Http1(Some(Box::new(connection))));
        }
        let limits = match core.pool.per_origin {
            0 => Limits { idle: Some(Duration::ZERO), ..core.pool.limits },
            _ => core.pool.limits,
        };
        let settings =
            open::Settings { timer: Arc::clone(&core.timer), limits, max_head: core.max_head };
        let (connection, exchange) = open::open(stream, settings, request).await?;
        opening.opened(connection);
        Ok(Begun::Http2 { exchange, is_fresh: true })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hyper::proxy::{Protocol, ProxyServer};

    #[test]
    fn http_2_is_for_https_or_for_every_server_but_never_through_a_forward_proxy() {
        let server = || {
            Arc::new(ProxyServer {
                protocol: Protocol::Http,
                host: "p".to_owned(),
                port: 80,
                login: None,
                connect_headers: http::HeaderMap::new(),
            })
        };
        let tunnel = || Route::Tunnel { server: server(), user_agent: None };
        let forward = || Route::Forward(server());
        for (http2, url, route, expected) in [
            (Http2::Auto, "https://a.test", Route::Direct, true),
            (Http2::Auto, "https://a.test", tunnel(), true),
            (Http2::Auto, "http://a.test", Route::Direct, false),
            (Http2::PriorKnowledge, "https://a.test", Route::Direct, true),
            (Http2::PriorKnowledge, "http://a.test", Route::Direct, true),
            (Http2::PriorKnowledge, "http://a.test", forward(), false),
            (Http2::Auto, "http://a.test", forward(), false),
        ] {
            let target = Target::of(&url.parse().unwrap()).unwrap();
            assert_eq!(http2.is_for(&target, &route), expected, "{http2:?} {url} {route:?}");
        }
        assert_eq!(Http2::Auto.protocols(), ["h2", "http/1.1"]);
        assert_eq!(Http2::PriorKnowledge.protocols(), ["h2"]);
    }
}
