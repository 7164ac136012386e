//! A byte stream to a server: plain, or with one or two layers of TLS.
//!
//! ```text
//! https through an https proxy          https          http
//! Stream: TlsIo to the server           Stream: TlsIo  Stream: Socket
//! Stream: TlsIo to the proxy            Stream: Socket
//! Stream: Socket
//! ```
//!
//! Each stream below a TLS layer follows its records, so that a part of one on an idle connection is noticed.

use super::{
    delegate::delegate_write,
    read_state::{MessageTracker, ReadState, tls_record},
    socket::Socket,
};
use std::{
    io::{self, Read},
    pin::Pin,
    task::{Context, Poll},
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::client::TlsStream;

/// The layers are hidden behind one type, so that a connection, and everything that holds one, is
/// compiled once.
pub(super) struct Stream {
    /// The socket, or TLS over another stream.
    layer: Box<dyn Layer>,
    /// Shared by all layers.
    read_state: ReadState,
    /// The records of the TLS layer above, if there is one.
    records: Option<MessageTracker<5>>,
}

/// A stream whose type is hidden.
trait Layer: AsyncRead + AsyncWrite + Send + Unpin {
    /// The protocol that the server chose in the TLS handshake.
    fn alpn(&self) -> Option<&[u8]> {
        None
    }
}

impl Stream {
    /// A stream without TLS.
    pub(super) fn plain(socket: Socket) -> Self {
        let read_state = socket.read_state();
        Self { layer: Box::new(socket), read_state, records: None }
    }

    /// A stream of a test, in place of TCP.
    #[cfg(feature = "test-util")]
    pub(super) fn dialed(stream: Box<dyn super::dial::DialedStream>) -> Self {
        Self { layer: Box::new(stream), read_state: ReadState::default(), records: None }
    }

    /// A stream over TLS, whose handshake is done.
    pub(super) fn tls(stream: TlsStream<Self>) -> Self {
        let read_state = stream.get_ref().0.read_state();
        Self { layer: Box::new(TlsIo { stream, broken: None }), read_state, records: None }
    }

    /// Prepares the stream for a layer of TLS above it.
    pub(super) fn below_tls(mut self) -> Self {
        self.records = Some(MessageTracker::new(tls_record, self.read_state()));
        self
    }

    /// The state that it shares with its layers.
    pub(super) fn read_state(&self) -> ReadState {
        self.read_state.clone()
    }

    /// The protocol that the server chose in the TLS handshake, if it chose one.
    #[allow(dead_code, reason = "only a protocol that is optional asks")]
    pub(super) fn alpn(&self) -> Option<&[u8]> {
        self.layer.alpn()
    }
}

impl Layer for Socket {}

#[cfg(feature = "test-util")]
impl Layer for Box<dyn super::dial::DialedStream> {}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.layer).poll_read(cx, buf);
        // After the read, also one that ends in an error: the bytes have arrived.
        if let Some(records) = &mut self.records {
            records.follow(&buf.filled()[before..]);
        }
        polled
    }
}

impl AsyncWrite for Stream {
    delegate_write!(layer);
}

/// A stream with TLS over it.
struct TlsIo {
    /// rustls, over the stream below.
    stream: TlsStream<Stream>,
    /// The error of a record that could not be decrypted; plaintext before it may still be unread.
    broken: Option<io::Error>,
}

impl Layer for TlsIo {
    fn alpn(&self) -> Option<&[u8]> {
        self.stream.get_ref().1.alpn_protocol()
    }
}

impl AsyncRead for TlsIo {
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

impl AsyncWrite for TlsIo {
    delegate_write!(stream);
}
