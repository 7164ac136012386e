use super::{Event, Log, Wrap};
use rustls::ServerConnection;
use std::fmt;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::server::TlsStream;

/// A byte stream that can be reset.
pub trait Io: AsyncRead + AsyncWrite + Unpin + Send {
    /// Makes the coming close a reset (RST).
    fn reset_on_close(&self);

    /// The server's TLS connection, if the stream has one.
    fn tls(&mut self) -> Option<&mut ServerConnection> {
        None
    }
}

impl Io for TcpStream {
    fn reset_on_close(&self) {
        self.set_zero_linger().expect("SO_LINGER can be set");
    }
}

impl<S: Io> Io for TlsStream<S> {
    fn reset_on_close(&self) {
        self.get_ref().0.reset_on_close();
    }

    fn tls(&mut self) -> Option<&mut ServerConnection> {
        Some(self.get_mut().1)
    }
}

/// The server's end of a connection.
pub struct Peer<S = Box<dyn Io>> {
    /// The stream under the HTTP exchange.
    pub stream: S,
    /// The number of the connection. The first is 0.
    pub number: usize,
    unread: Vec<u8>,
    is_closed: bool,
    log: Log,
}

impl<S> Peer<S> {
    pub(super) fn new(stream: S, number: usize, log: Log) -> Self {
        Self { stream, number, unread: Vec::new(), is_closed: false, log }
    }

    /// The log of the server.
    pub fn log(&self) -> Log {
        self.log.clone()
    }

    /// Notes that the client has closed the connection.
    pub fn closed(&mut self) {
        if !self.is_closed {
            self.is_closed = true;
            self.log.note(Event::ClosedByClient(self.number));
        }
    }

    /// Replaces the stream, for example with TLS over it.
    pub fn over<T>(self, wrap: impl FnOnce(S) -> T) -> Peer<T> {
        let Self { stream, number, unread, is_closed, log } = self;
        Peer { stream: wrap(stream), number, unread, is_closed, log }
    }

    /// Notes that the script waits for the client or the test.
    pub fn halts(&self) {
        if !self.is_closed {
            self.log.note(Event::Halted(self.number));
        }
    }

    pub(super) fn resumes(&self) {
        self.log.note(Event::Resumed(self.number));
    }
}

impl Peer<TcpStream> {
    /// Closes with a reset (RST) instead of an end (FIN).
    pub fn reset(self) {
        self.stream.reset_on_close();
    }

    /// Applies `wrap`. Returns `None` if it fails.
    pub(super) async fn wrapped(self, wrap: Option<Wrap>) -> Option<Peer> {
        let Self { stream, number, log, .. } = self;
        let stream: Box<dyn Io> = match wrap {
            None => Box::new(stream),
            Some(wrap) => match wrap(stream).await {
                Ok(stream) => stream,
                Err(error) => {
                    log.note(Event::WrapFailed(number, error.to_string()));
                    return None;
                }
            },
        };
        Some(Peer::new(stream, number, log))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Peer<S> {
    /// Reads a request, head and body, as text. Returns `None` if the client has closed.
    ///
    /// # Panics
    ///
    /// The `Content-Length` is not a number.
    pub async fn request(&mut self) -> Option<String> {
        let head = loop {
            if let Some(end) = self.unread.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
            self.read().await?;
        };
        let text = String::from_utf8_lossy(&self.unread[..head]).to_ascii_lowercase();
        let length = text.split_once("\ncontent-length:").map_or(0, |(_, rest)| {
            let digits = rest.split("\r\n").next().unwrap_or_default();
            digits.trim().parse().expect("the length is a number")
        });
        while self.unread.len() < head + length {
            self.read().await?;
        }
        let request: Vec<u8> = self.unread.drain(..head + length).collect();
        let request = String::from_utf8_lossy(&request).into_owned();
        self.log.note(Event::Request(self.number, request.clone()));
        Some(request)
    }

    /// Reads the next `count` bytes. Returns `None` if the client closes first.
    pub async fn take(&mut self, count: usize) -> Option<Vec<u8>> {
        self.read_at_least(count).await;
        (self.unread.len() >= count).then(|| self.unread.drain(..count).collect())
    }

    /// Reads until `count` bytes are buffered or the client closes.
    pub async fn read_at_least(&mut self, count: usize) {
        while self.unread.len() < count && self.read().await.is_some() {}
    }

    /// Reads some bytes. Returns `None` if the client has closed.
    pub async fn read(&mut self) -> Option<usize> {
        match self.stream.read_buf(&mut self.unread).await {
            Ok(count) if count > 0 => Some(count),
            _ => {
                self.closed();
                None
            }
        }
    }

    /// Sends `bytes`. A closed connection is not an error.
    pub async fn write(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.stream.write_all(bytes.as_ref()).await;
        let _ = self.stream.flush().await;
    }

    /// Sends `bytes` repeatedly until the client closes or `at_most` bytes were taken.
    pub async fn flood(&mut self, bytes: &[u8], at_most: u64) {
        let mut taken = 0;
        while taken < at_most {
            let at = (taken % bytes.len() as u64) as usize;
            match self.stream.write(&bytes[at..]).await {
                Ok(count) => taken += count as u64,
                Err(_) => break,
            }
        }
        self.log.note(Event::Flooded(self.number, taken));
    }

    /// Ends the server's side of the connection (FIN).
    pub async fn half_close(&mut self) {
        let _ = self.stream.shutdown().await;
    }

    /// Reads until the client closes.
    pub async fn until_closed(&mut self) {
        self.halts();
        while self.read().await.is_some() {
            self.unread.clear();
        }
    }

    /// Forwards bytes in both directions until both sides have closed.
    ///
    /// # Panics
    ///
    /// The client sent bytes that were not read yet.
    pub async fn forward(&mut self, mut onward: TcpStream) {
        assert!(self.unread.is_empty(), "the client sent bytes too early");
        let _ = tokio::io::copy_bidirectional(&mut self.stream, &mut onward).await;
    }
}

impl<S> fmt::Debug for Peer<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Peer").field("number", &self.number).finish_non_exhaustive()
    }
}
