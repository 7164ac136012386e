//! From a server's name to a byte stream: name lookup, TCP, proxy, TLS.
//!
//! ```text
//! Direct     lookup ─► TCP ──────────────────────────────► TLS ─► stream
//! Tunnel     lookup ─► TCP ─► (TLS) ─► CONNECT ──────────► TLS ─► stream      the name goes to the proxy
//! Socks      lookup ─► TCP ─► SOCKS5 with name or address ─► TLS ─► stream
//! Forward    lookup ─► TCP ─► (TLS) ─────────────────────────────► stream     plain http: requests go to the proxy
//! ```
//!
//! Everything here happens before a byte of the request is written, so every error is [`Delivery::NotSent`], and the caller limits
//! the time of it all with one timeout.

use super::{
    classify,
    connection::handshake,
    destination::Target,
    proxy::{Protocol, ProxyServer, Route},
    resolve::Resolver,
    socket, socks,
    stream::Stream,
    tls::{HTTP1, Protocols, Tls},
    tracked_io::ExchangeProgress,
};
use crate::{Delivery, ErrorKind, PlainHttp, Timer, TransportError, loopback::is_loopback_address};
use bytes::Bytes;
use http::{HeaderValue, Method, Request, header};
use http_body_util::Full;
use hyper::client::conn::TrySendError;
use std::{
    future::{Future, poll_fn},
    io,
    net::{IpAddr, SocketAddr},
    pin::{Pin, pin},
    sync::Arc,
    task::Poll,
    time::Duration,
};

/// The head of a response to CONNECT may take this many bytes.
const MAX_TUNNEL_HEAD: usize = 8 * 1024;

/// Opens connections.
pub(super) struct Connector {
    /// Looks names up: the system's resolver, unless the builder set another.
    pub(super) resolver: Arc<dyn Resolver>,
    /// The settings for `https`: root certificates, client certificate, versions.
    pub(super) tls: Tls,
    /// Starts the next address if one is slow.
    pub(super) timer: Arc<dyn Timer>,
    /// When an idle socket is probed; `None` leaves it to the system.
    pub(super) tcp_keepalive: Option<Duration>,
    /// Replaces TCP in tests.
    #[cfg(feature = "test-util")]
    pub(super) dialer: Option<Arc<dyn super::dial::Dialer>>,
}

impl Connector {
    /// Opens a stream to `target`.
    ///
    /// `protocols` are offered where there is TLS. Without TLS, only loopback addresses are
    /// connected to, unless `plain_http` allows more.
    pub(super) async fn connect(
        &self,
        target: &Target,
        route: &Route,
        plain_http: PlainHttp,
        protocols: Protocols,
    ) -> Result<Stream, TransportError> {
        let stream = match route {
            Route::Direct => {
                let only_loopback = !target.https && plain_http == PlainHttp::LoopbackOnly;
                self.tcp(ErrorKind::Connect, target.host(), target.port(), only_loopback).await?
            }
            Route::Forward(server) => return self.proxy(server).await,
            Route::Tunnel { server, user_agent } => {
                let stream = self.proxy(server).await?;
                // Boxed: it would double the size of the future that opens a direct connection.
                Box::pin(tunnel(stream, target, server, user_agent.as_ref())).await?
            }
            Route::Socks { server, names_here } => self.socks(target, server, *names_here).await?,
        };
        // TLS with the server itself, also through a proxy: the proxy sees only the host and the port.
        if !target.https {
            return Ok(stream);
        }
        self.tls.handshake(target.host(), stream, protocols).await
    }

    /// Opens a stream to a proxy, with TLS if the proxy wants it.
    ///
    /// Boxed: otherwise the future that opens a direct connection would have room for this one, and a
    /// program would contain this code once for each kind of proxy.
    fn proxy<'a>(
        &'a self,
        server: &'a ProxyServer,
    ) -> Pin<Box<dyn Future<Output = Result<Stream, TransportError>> + Send + 'a>> {
        Box::pin(async move {
            let stream = self.tcp(ErrorKind::Proxy, &server.host, server.port, false).await?;
            if server.protocol == Protocol::Https {
                self.tls.handshake(&server.host, stream, HTTP1).await
            } else {
                Ok(stream)
            }
        })
    }

    /// Connects to `host`, or only to its loopback addresses.
    async fn tcp(
        &self,
        kind: ErrorKind,
        host: &str,
        port: u16,
        only_loopback: bool,
    ) -> Result<Stream, TransportError> {
        let mut addresses = self.lookup(kind, host, port).await?;
        // After the lookup: a name such as `gateway.test` may resolve to a loopback address.
        if only_loopback {
            addresses.retain(|address| is_loopback_address(address.ip()));
            if addresses.is_empty() {
                return Err(classify::plain_http(host));
            }
        }
        let stream = self.open(addresses).await;
        stream.map_err(|error| classify::connect(kind, &format!("{host}:{port}"), error))
    }

    /// Connects to the first address that responds.
    async fn open(&self, addresses: Vec<SocketAddr>) -> io::Result<Stream> {
        #[cfg(feature = "test-util")]
        if let Some(dialer) = &self.dialer {
            let dial = |address| dialer.dial(address);
            return socket::connect_first(addresses, &*self.timer, dial).await.map(Stream::dialed);
        }
        let socket = socket::connect(addresses, self.tcp_keepalive, &*self.timer).await?;
        Ok(Stream::plain(socket))
    }

    /// Returns the addresses of a host; at least one.
    async fn lookup(
        &self,
        kind: ErrorKind,
        host: &str,
        port: u16,
    ) -> Result<Vec<SocketAddr>, TransportError> {
        // An address needs no lookup, and some resolvers reject it.
        if let Ok(address) = host.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(address, port)]);
        }
        let found = match self.resolver.resolve(host, port).await {
            // A name that a resolver does not know: asked once more before that is final.
            Err(error) if classify::is_unknown_name(&error) => {
                self.resolver.resolve(host, port).await
            }
            found => found,
        };
        match found {
            Ok(addresses) if addresses.is_empty() => {
                let failed = TransportError::new(kind, Delivery::NotSent);
                Err(failed.with_detail(format!("{host} has no address")).permanent())
            }
            Ok(addresses) => Ok(addresses),
            Err(error) => Err(classify::dns(kind, host, error)),
        }
    }

    /// Opens a stream through a SOCKS proxy, which gets the name of the server, or with `names_here` its first address.
    async fn socks(
        &self,
        target: &Target,
        server: &ProxyServer,
        names_here: bool,
    ) -> Result<Stream, TransportError> {
        let host = if names_here {
            let found = self.lookup(ErrorKind::Connect, target.host(), target.port()).await?;
            found.first().map(|address| address.ip().to_string()).unwrap_or_default()
        } else {
            target.host().to_owned()
        };
        let mut stream = self.proxy(server).await?;
        socks::connect(&mut stream, server, &host, target.port()).await?;
        Ok(stream)
    }
}

/// Asks the proxy at the other end of `stream` to connect it to `target` (RFC 9110, 9.3.6).
/// hyper speaks HTTP on the stream until the head of the response has arrived, and then returns the stream. A status other than
/// 2xx is an error; of its body nothing is read.
async fn tunnel(
    stream: Stream,
    target: &Target,
    server: &ProxyServer,
    user_agent: Option<&HeaderValue>,
) -> Result<Stream, TransportError> {
    let place = server.place();
    let failed = |detail: &str| {
        TransportError::new(ErrorKind::Proxy, Delivery::NotSent)
            .with_detail(format!("{place} {detail}"))
    };
    let request = connect_request(target, server, user_agent)
        .map_err(|error| failed("cannot be asked").with_source(error).permanent())?;

    let progress = ExchangeProgress::new(stream.read_state());
    let (mut sender, mut driver) = handshake(stream, progress, MAX_TUNNEL_HEAD)
        .await
        .map_err(|error| failed("cannot be connected to").with_source(error))?;
    let mut response = pin!(sender.try_send_request(request));
    let mut ended = false;
    let response = poll_fn(|cx| {
        // The connection is polled first: it delivers the response that the next line polls for.
        ended = ended || driver.poll_without_shutdown(cx).is_ready();
        match response.as_mut().poll(cx) {
            // A proxy that closes immediately leaves the request in hyper's queue.
            Poll::Pending if ended => Poll::Ready(None),
            response => response.map_err(TrySendError::into_error).map(Some),
        }
    })
    .await;
    match response {
        Some(Ok(response)) if response.status().is_success() => {}
        Some(Ok(response)) => return Err(classify::tunnel(&place, response.status())),
        Some(Err(error)) if classify::is_head_too_large(&error) => {
            return Err(failed("sent too large a head").with_source(error).permanent());
        }
        Some(Err(error)) if error.is_parse() => {
            return Err(failed("does not speak HTTP").with_source(error).permanent());
        }
        Some(Err(error)) => return Err(failed("sent no response").with_source(error)),
        None => return Err(failed("sent no response")),
    }
    let (stream, unread) = driver.into_parts();
    // Bytes before the TLS handshake are from the proxy, or from a server that speaks first: neither is TLS.
    if !unread.is_empty() {
        return Err(failed("spoke before the server could").permanent());
    }
    Ok(stream)
}

/// The CONNECT request to a proxy.
fn connect_request(
    target: &Target,
    server: &ProxyServer,
    user_agent: Option<&HeaderValue>,
) -> http::Result<Request<Full<Bytes>>> {
    let authority = target.host_and_port();
    let mut request = Request::new(Full::default());
    *request.method_mut() = Method::CONNECT;
    *request.uri_mut() = authority.parse()?;
    let defaults = [
        Some((header::HOST, authority.try_into()?)),
        user_agent.map(|value| (header::USER_AGENT, value.clone())),
        server.basic().map(|value| (header::PROXY_AUTHORIZATION, value)),
    ];
    // The caller's choice replaces the defaults, which come first: `Host` should be the first (RFC 9110, 7.2).
    let defaults = defaults.into_iter().flatten();
    let defaults = defaults.filter(|(name, _)| !server.connect_headers.contains_key(name));
    let chosen = server.connect_headers.iter().map(|(name, value)| (name.clone(), value.clone()));
    for (name, value) in defaults.chain(chosen) {
        request.headers_mut().append(name, value);
    }
    Ok(request)
}
