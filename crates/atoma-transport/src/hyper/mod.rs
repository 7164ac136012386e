//! A transport on hyper, rustls and tokio.

mod body;
mod builder;
mod classify;
mod config_error;
mod connect;
mod connection;
mod connection_waker;
mod core;
mod delegate;
mod destination;
#[cfg(feature = "test-util")]
mod dial;
#[cfg(feature = "http2")]
mod http2;
mod keep_alive;
mod pool;
mod proxy;
mod read_state;
mod resolve;
mod response_head;
mod socket;
mod socks;
mod stream;
mod tls;
mod tracked_io;

use crate::{Request, ResponseFuture, Transport};
pub use builder::HyperTransportBuilder;
pub use config_error::ConfigError;
use core::HyperCore;
use destination::Target;
#[cfg(feature = "test-util")]
#[doc(hidden)]
pub use dial::{DialFuture, DialedStream, Dialer};
use http::Uri;
#[cfg(feature = "http2")]
pub use http2::Http2;
pub use proxy::Proxy;
pub use resolve::{ResolveFuture, Resolver};
use std::{fmt, sync::Arc};
pub use tls::Crypto;

/// HTTP/1.1 over TCP, TLS and proxies: the transport to use unless you have another.
///
/// Each exchange has a separate connection while it lasts, and drives it itself: no task runs
/// behind it, a reader that stops reading stops the server, and dropping the response's body, or
/// the future before it, closes the connection immediately. When a body was read to its end, or
/// came whole with its head, its connection serves the next request to the same server, unless the
/// server has closed it or written to it in the meantime. Clones share their connections. With the
/// feature `http2` and the builder's `http2`, up to 32 exchanges share a connection and the task
/// behind it, and a body that is dropped early resets its stream.
///
/// It sends only to `http` and `https` URLs, and to `http` only on this machine unless
/// [`plain_http`](HyperTransportBuilder::plain_http) allows more. Redirects are not followed,
/// nothing is decompressed, and a head that does not determine where its body ends is an error.
///
/// # Runtimes
///
/// It needs a Tokio runtime with I/O and time enabled; without one, sending is an error. In a
/// program built with `panic = "abort"`, a runtime without I/O or time aborts it, as Tokio does. It
/// may be used from several runtimes: each keeps its connections, and those of a runtime that has
/// shut down are dropped.
///
/// After `fork`, a child process must not use its parent's transport: both would write to the same
/// sockets, and a Tokio runtime does not survive a fork. Build a new runtime and a new transport in
/// the child.
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
pub struct HyperTransport(Arc<HyperCore>);

impl HyperTransport {
    /// Creates a transport with the defaults of its [builder](Self::builder).
    pub fn new() -> Result<Self, ConfigError> {
        Self::builder().build()
    }

    /// Creates a builder.
    pub fn builder() -> HyperTransportBuilder {
        HyperTransportBuilder::new()
    }

    /// Reads the root certificates now instead of with the first `https` request.
    ///
    /// Fails if there are none: each `https` request would fail with the same error. Reading takes
    /// some milliseconds; calling it again costs nothing.
    pub fn load_root_certificates(&self) -> Result<(), ConfigError> {
        self.0.connector.tls.config().map(drop)
    }

    /// Starts to read the operating system's root certificates in a thread, which ends when they are
    /// read.
    ///
    /// A client that needs TLS calls this when it is built: its first request then opens its TCP
    /// connection meanwhile, and waits only for the rest. If the system has no root certificates,
    /// each `https` request fails, as it does without this call.
    ///
    /// Fails if no cryptography or no source of root certificates is compiled in.
    pub fn preload_root_certificates(&self) -> Result<(), ConfigError> {
        let tls = &self.0.connector.tls;
        if !tls.reads_system_roots() {
            return self.load_root_certificates();
        }
        let transport = self.clone();
        let read = move || drop(transport.load_root_certificates());
        // A system that starts no thread is not an error: the first request reads them.
        let _ = std::thread::Builder::new().name("root certificates".into()).spawn(read);
        Ok(())
    }

    /// Returns the error of each request to `url` if a proxy setting of the environment cannot be
    /// used.
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
