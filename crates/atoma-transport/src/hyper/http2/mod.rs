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
mod exchange;
mod failure;
mod keep_alive;
mod pool;
mod read_budget;
mod request;

use super::{
    Connection as Http1Connection, Once, Shared as Transport, destination::Target, pool::Origin,
    proxy::Route, response_head, tls::Protocols,
};
use crate::{Body, Response, TransportError};
use bytes::Bytes;
use connection::Connection;
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

/// What came of trying HTTP/2.
pub(super) enum Outcome {
    Answered(Response),
    /// HTTP/1.1 it is, over this connection if there is one already.
    Http1(Option<Box<Http1Connection>>),
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
            Self::Auto => Protocols::Http2Or1,
            Self::PriorKnowledge => Protocols::Http2,
        }
    }

    fn is_for(self, target: &Target, route: &Route) -> bool {
        let is_forwarded = matches!(route, Route::Forward(_));
        !is_forwarded && (target.https || self == Self::PriorKnowledge)
    }
}

/// What a transport that speaks HTTP/2 has besides.
pub(super) struct Shared {
    http2: Http2,
    pool: Pool,
}

impl Shared {
    pub(super) fn new(http2: Http2) -> Self {
        Self { http2, pool: Pool::default() }
    }

    /// Sends `request` over HTTP/2 where that is wanted and spoken.
    ///
    /// A request that its server certainly has not processed is sent once more over another
    /// connection (RFC 9113, section 8.7): it was refused, or the server was going away.
    pub(super) async fn exchange(
        &self,
        transport: &Transport,
        request: &http::Request<Once>,
        origin: &Origin,
        route: &Route,
        timeout: Option<Duration>,
    ) -> Result<Outcome, TransportError> {
        if !self.http2.is_for(&origin.target, route) {
            return Ok(Outcome::Http1(None));
        }
        let outgoing = request::outgoing(request, &origin.target)?;
        let mut may_go_again = true;
        loop {
            let is_fresh;
            let begin = Box::pin(self.begin(transport, &outgoing, origin, route));
            let mut exchange = match transport.in_time(timeout, begin).await? {
                Begun::Http2 { exchange, is_fresh: fresh } => {
                    is_fresh = fresh;
                    exchange
                }
                Begun::Http1(connection) => return Ok(Outcome::Http1(connection)),
            };
            match exchange.head().await {
                Ok(parts) => {
                    let checked = response_head::check(&parts)?;
                    let body = if exchange.is_at_end() || checked.is_encoded {
                        Body::empty()
                    } else {
                        Body::streamed(ExchangeBody::new(exchange, &parts.headers))
                    };
                    return Ok(Outcome::Answered(Response::from_parts(parts, body)));
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
        transport: &Transport,
        request: &http::Request<Bytes>,
        origin: &Origin,
        route: &Route,
    ) -> Result<Begun, TransportError> {
        loop {
            match self.pool.place(origin, request, transport.timer.now()) {
                Place::Begun(exchange) => {
                    return Ok(Begun::Http2 { exchange, is_fresh: false });
                }
                Place::Http1 => return Ok(Begun::Http1(None)),
                Place::Wait(opening) => opening.over().await,
                Place::Open(opening) => {
                    return self.open(transport, request, &opening, route).await;
                }
            }
        }
    }

    async fn open(
        &self,
        transport: &Transport,
        request: &http::Request<Bytes>,
        opening: &Opening,
        route: &Route,
    ) -> Result<Begun, TransportError> {
        let origin = opening.origin();
        let protocols = self.http2.protocols();
        let stream = transport
            .connector
            .connect(&origin.target, route, origin.plain_http, protocols)
            .await?;
        if self.http2 == Http2::Auto && !stream.speaks_http2() {
            opening.found_http1();
            let connection =
                Http1Connection::open(stream, transport.max_head, transport.timer.now()).await?;
            return Ok(Begun::Http1(Some(Box::new(connection))));
        }
        let settings = connection::Settings {
            timer: Arc::clone(&transport.timer),
            limits: transport.pool.limits(),
            max_head: transport.max_head,
        };
        let (connection, exchange) = Connection::open(stream, settings, request).await?;
        opening.opened(connection);
        Ok(Begun::Http2 { exchange, is_fresh: true })
    }
}
