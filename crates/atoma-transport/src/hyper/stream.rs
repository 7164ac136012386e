//! A byte stream to a server: plain, or with one or two layers of TLS.

use hyper_util::{
    client::legacy::connect::{Connected, Connection},
    rt::TokioIo,
};
use std::{
    io::{self, Read},
    pin::Pin,
    task::{Context, Poll},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::client::TlsStream;

/// Whatever is inside is known to its constructor alone: a connection, and all that holds one, is
/// compiled for this one type.
pub(super) struct Stream(Box<dyn Layer>);

trait Layer: AsyncRead + AsyncWrite + Send + Unpin {
    /// Whether the server chose HTTP/2 in the TLS handshake.
    #[cfg(feature = "http2")]
    fn speaks_http2(&self) -> bool {
        false
    }
}

impl Stream {
    pub(super) fn plain(stream: TcpStream) -> Self {
        Self(Box::new(stream))
    }

    pub(super) fn tls(stream: TlsStream<TokioIo<TokioIo<Self>>>) -> Self {
        Self(Box::new(Secured { stream, broken: None }))
    }

    /// Whether the server chose HTTP/2 in the TLS handshake.
    #[cfg(feature = "http2")]
    pub(super) fn speaks_http2(&self) -> bool {
        self.0.speaks_http2()
    }
}

impl Connection for Stream {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

impl Layer for TcpStream {}

/// A stream with TLS over it.
struct Secured {
    stream: TlsStream<TokioIo<TokioIo<Stream>>>,
    /// A record could not be taken. What came before it may still have to be read.
    broken: Option<io::Error>,
}

impl Layer for Secured {
    #[cfg(feature = "http2")]
    fn speaks_http2(&self) -> bool {
        self.stream.get_ref().1.alpn_protocol() == Some(b"h2")
    }
}

impl AsyncRead for Secured {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.broken.is_none() {
            match Pin::new(&mut self.stream).poll_read(cx, buf) {
                Poll::Ready(Err(error)) => self.broken = Some(error),
                polled => return polled,
            }
        }
        // rustls has decrypted the records before the one it could not take.
        let rest = self.stream.get_mut().1.reader().read(buf.initialize_unfilled());
        match (rest, self.broken.take()) {
            (Ok(count), error @ Some(_)) if count > 0 => {
                self.broken = error;
                buf.advance(count);
                Poll::Ready(Ok(()))
            }
            (_, error) => Poll::Ready(error.map_or(Ok(()), Err)),
        }
    }
}

impl AsyncWrite for Secured {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
