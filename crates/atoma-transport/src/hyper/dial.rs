//! A seam below everything: TCP connections of a simulation in place of the operating system's.

use std::{fmt, future::Future, io, net::SocketAddr, pin::Pin};
use tokio::io::{AsyncRead, AsyncWrite};

/// A connection that is being opened.
pub type DialFuture = Pin<Box<dyn Future<Output = io::Result<Box<dyn DialedStream>>> + Send>>;

/// Opens connections in a simulated network, or in memory. Pool, timeouts, proxies, TLS and HTTP
/// above it are those of every [`HyperTransport`](super::HyperTransport).
pub trait Dialer: fmt::Debug + Send + Sync + 'static {
    /// Connects to `address`. Dropping the future gives the attempt up.
    fn dial(&self, address: SocketAddr) -> DialFuture;
}

/// An open connection.
///
/// A read must return whatever has arrived, however long ago the runtime ran last.
pub trait DialedStream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> DialedStream for T {}
