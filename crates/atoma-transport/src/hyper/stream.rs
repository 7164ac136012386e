//! A byte stream to a server: plain, or with one or two layers of TLS.

use hyper_util::{
    client::legacy::connect::{Connected, Connection},
    rt::TokioIo,
};
use socket2::SockRef;
use std::{
    io::{self, Read},
    mem::MaybeUninit,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::client::TlsStream;

/// Whatever is inside is known to its constructor alone: a connection, and all that holds one, is
/// compiled for this one type.
pub(super) struct Stream {
    layer: Box<dyn Layer>,
    direct_reads: DirectReads,
}

/// A switch that is shared with the socket under a [`Stream`]: while it is on, a read asks the
/// operating system even if the runtime has not seen the socket become readable.
///
/// Tokio remembers whether a socket is readable, and learns that it has become so only when the
/// runtime polls its I/O driver. If no one has driven the runtime since a connection became idle
/// (one `block_on` per call, computation between calls), a FIN or bytes that have arrived long ago
/// are invisible to an ordinary read. A direct read costs one system call if nothing has arrived.
#[derive(Clone, Debug, Default)]
pub(super) struct DirectReads(Arc<AtomicBool>);

impl DirectReads {
    pub(super) fn set(&self, is_on: bool) {
        self.0.store(is_on, Ordering::Relaxed);
    }

    fn is_on(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

trait Layer: AsyncRead + AsyncWrite + Send + Unpin {
    /// Whether the server chose HTTP/2 in the TLS handshake.
    #[cfg(feature = "http2")]
    fn speaks_http2(&self) -> bool {
        false
    }
}

impl Stream {
    pub(super) fn plain(stream: TcpStream) -> Self {
        let direct_reads = DirectReads::default();
        let layer = Box::new(Socket { stream, direct_reads: direct_reads.clone() });
        Self { layer, direct_reads }
    }

    pub(super) fn tls(stream: TlsStream<TokioIo<TokioIo<Self>>>) -> Self {
        let direct_reads = stream.get_ref().0.inner().inner().direct_reads();
        Self { layer: Box::new(Secured { stream, broken: None }), direct_reads }
    }

    /// The switch of the socket at the bottom.
    pub(super) fn direct_reads(&self) -> DirectReads {
        self.direct_reads.clone()
    }

    /// Whether the server chose HTTP/2 in the TLS handshake.
    #[cfg(feature = "http2")]
    pub(super) fn speaks_http2(&self) -> bool {
        self.layer.speaks_http2()
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
        Pin::new(&mut self.layer).poll_read(cx, buf)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.layer).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.layer).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.layer.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.layer).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.layer).poll_shutdown(cx)
    }
}

/// A TCP connection that can be read past Tokio's memory of it.
struct Socket {
    stream: TcpStream,
    direct_reads: DirectReads,
}

impl Layer for Socket {}

impl Socket {
    /// Reads what the operating system has, without waiting.
    fn read_directly(&self, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let socket = SockRef::from(&self.stream);
        // Almost always nothing is there. A look costs less than preparing the buffer.
        match socket.peek(&mut [MaybeUninit::uninit()]) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Poll::Pending,
            Err(error) => return Poll::Ready(Err(error)),
            Ok(0) => return Poll::Ready(Ok(())),
            Ok(_) => {}
        }
        match (&*socket).read(buf.initialize_unfilled()) {
            Ok(count) => {
                buf.advance(count);
                Poll::Ready(Ok(()))
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Poll::Pending,
            Err(error) => Poll::Ready(Err(error)),
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.stream).poll_read(cx, buf) {
            Poll::Pending if self.direct_reads.is_on() => self.read_directly(buf),
            polled => polled,
        }
    }
}

impl AsyncWrite for Socket {
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
