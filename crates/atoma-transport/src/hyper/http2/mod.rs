//! HTTP/2 (RFC 9113), for those who ask for it: many streams over few connections.
//!
//! Over HTTP/1.1 each stream has a connection of its own, and TCP alone sees to it that a slow
//! reader slows nobody else. HTTP/2 has to be set up for that, and its usual settings are not:
//!
//! | setting | value | why |
//! | --- | --- | --- |
//! | stream window | 256 KiB | the most that one stream may have unread |
//! | connection window | 2³⁰ bytes | never the bound: with the usual 5 MiB three unread streams starve a fourth |
//! | adaptive window | never | it makes the connection's window small again |
//! | streams per connection | 32 | more of them go over another connection: the shared fate has an end |
//! | ping | after 20 s of silence, 10 s for its response | a dead connection is noticed; idle ones are not pinged |
//! | head | [`max_head_size`](super::HyperTransportBuilder::max_head_size), 100 lines | as over HTTP/1.1 |
//! | read at a time | 64 KiB | `h2` keeps each frame apart until it is taken: a burst of small ones must not pile up |
//! | push | refused | nobody asked |
//!
//! It stands on `h2` itself. Between `h2` and its readers hyper leaves each frame where it arrived,
//! and a token is a small frame: what an unread stream holds is then not its bytes but its frames,
//! each with its place in a queue and a buffer it keeps alive. Since `h2` 0.4.16 a connection with
//! too many of them is closed with all of its streams. Here one task for each connection takes every
//! frame as it comes and joins it to what its stream has unread, so that an unread stream costs about
//! its window, however small the frames. hyper also takes a stream that was reset without an error for one that ended.

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
use crate::{Body, Request, Response, TransportError};
use bytes::Bytes;
use exchange::{Exchange, ExchangeBody};
use failure::{Failure, Resend};
use pool::{Opening, Place, Pool};
use std::{sync::Arc, time::Duration};

/// Where [`HyperTransportBuilder::http2`](super::HyperTransportBuilder::http2) has HTTP/2 spoken.
///
/// Through a forward proxy, which `http` URLs take, it is HTTP/1.1 in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Http2 {
    /// With servers that choose it in the TLS handshake (ALPN, RFC 7301), HTTP/1.1 with all others.
    Auto,
    /// With every server, of `http` URLs as well (RFC 9113, section 3.3). One that does not speak it
    /// fails with [`ErrorKind::Protocol`](crate::ErrorKind::Protocol).
    PriorKnowledge,
}

/// Where an exchange takes place.
enum Begun {
    /// On a connection that served others before, or on a new one.
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
    /// Speaks HTTP/2 where that is possible or certain. Default nowhere, which suits streams best:
    /// over HTTP/1.1 none can be in the way of another.
    ///
    /// It pays where hundreds of streams from one server are open at a time. Up to 32 of them share
    /// a connection, each may have 256 KiB unread, and a slow reader is not in the way of the others.
    /// A connection has a task of its own, which ends with it; one whose server has been silent for
    /// 30 s while streams were open is given up. Such a silence is its ping not being answered: a
    /// server that only thinks long is not meant.
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
    /// Sends `request` over HTTP/2 where that is wanted and spoken.
    ///
    /// A request that its server certainly has not processed is sent once more over another
    /// connection (RFC 9113, section 8.7): it was refused, or the server was going away.
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
