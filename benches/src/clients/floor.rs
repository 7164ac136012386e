//! The minimum that can be done over hyper.

use super::{Call, Client, Error, Tally, request_body};
use crate::{shapes::Shape, traffic::Mode};
use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    body::{Body as _, Incoming},
    client::conn::http1::{Connection, SendRequest, handshake},
};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use std::{
    future::{Future, poll_fn},
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

/// A chunk with the members that everybody needs, owned.
#[derive(Debug, Deserialize)]
#[allow(dead_code, missing_docs)]
pub struct Chunk {
    pub id: String,
    pub object: String,
    pub created: u64,
    pub model: String,
    pub choices: Vec<Choice>,
}

/// The delta of one choice.
#[derive(Debug, Deserialize)]
#[allow(dead_code, missing_docs)]
pub struct Choice {
    pub index: u32,
    pub delta: Delta,
    pub finish_reason: Option<String>,
}

/// The addition to a message.
#[derive(Debug, Deserialize)]
#[allow(dead_code, missing_docs)]
pub struct Delta {
    pub role: Option<String>,
    pub content: Option<String>,
}

#[derive(Debug, Deserialize)]
#[allow(dead_code)]
pub(super) struct Response {
    id: String,
    object: String,
    created: u64,
    model: String,
    pub(super) choices: Vec<WholeChoice>,
    usage: Usage,
}

#[derive(Debug, Deserialize)]
#[allow(dead_code)]
pub(super) struct WholeChoice {
    index: u32,
    pub(super) message: Delta,
    finish_reason: Option<String>,
}

#[derive(Debug, Deserialize)]
#[allow(dead_code)]
pub(super) struct Usage {
    prompt_tokens: u64,
    completion_tokens: u64,
    total_tokens: u64,
}

/// The connection in a separate task, as in hyper's own client.
pub(super) fn spawned(address: SocketAddr) -> Result<Box<dyn Client>, Error> {
    Ok(Box::new(Floor { connect: Plain(address), driver: Driver::Spawned, open: None }))
}

/// The same over TLS.
pub(super) fn spawned_over_tls(
    address: SocketAddr,
    config: Arc<rustls::ClientConfig>,
) -> Box<dyn Client> {
    let connect = Tls(Plain(address), TlsConnector::from(config));
    Box::new(Floor { connect, driver: Driver::Spawned, open: None })
}

/// The connection driven by the task that reads from it.
pub(super) fn inline(address: SocketAddr) -> Result<Box<dyn Client>, Error> {
    Ok(Box::new(Floor { connect: Plain(address), driver: Driver::Inline(None), open: None }))
}

trait Connect: Send {
    type Io: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    fn address(&self) -> SocketAddr;

    fn connect(&self) -> impl Future<Output = Result<Self::Io, Error>> + Send;
}

struct Plain(SocketAddr);

impl Connect for Plain {
    type Io = TcpStream;

    fn address(&self) -> SocketAddr {
        self.0
    }

    async fn connect(&self) -> Result<TcpStream, Error> {
        let stream = TcpStream::connect(self.0).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

struct Tls(Plain, TlsConnector);

impl Connect for Tls {
    type Io = TlsStream<TcpStream>;

    fn address(&self) -> SocketAddr {
        self.0.address()
    }

    async fn connect(&self) -> Result<Self::Io, Error> {
        let stream = self.0.connect().await?;
        Ok(self.1.connect(self.address().ip().into(), stream).await?)
    }
}

struct Floor<C: Connect> {
    connect: C,
    driver: Driver<C::Io>,
    open: Option<SendRequest<Full<Bytes>>>,
}

enum Driver<I: AsyncRead + AsyncWrite + Unpin + 'static> {
    Spawned,
    Inline(Option<Pin<Box<Connection<TokioIo<I>, Full<Bytes>>>>>),
}

impl<C: Connect> Floor<C> {
    async fn send(&mut self, model: &str, streams: bool) -> Result<Incoming, Error> {
        let body = Full::new(Bytes::from(request_body(model, streams)));
        let request = http::Request::post("/v1/chat/completions")
            .header("host", self.connect.address().to_string())
            .header("authorization", "Bearer key")
            .header("content-type", "application/json")
            .body(body)?;
        let sender = match &mut self.open {
            Some(sender) => sender,
            none => {
                let stream = self.connect.connect().await?;
                let (sender, connection) = handshake(TokioIo::new(stream)).await?;
                match &mut self.driver {
                    Driver::Spawned => drop(tokio::spawn(connection)),
                    Driver::Inline(slot) => *slot = Some(Box::pin(connection)),
                }
                none.insert(sender)
            }
        };
        let mut response = std::pin::pin!(sender.send_request(request));
        let driver = &mut self.driver;
        let response = poll_fn(|cx| driver.alternate(cx, |cx| response.as_mut().poll(cx))).await?;
        Ok(response.into_body())
    }

    /// Passes each line of a body to `read`, to the end or until that returns true.
    async fn read_lines(
        &mut self,
        body: &mut Incoming,
        mut read: impl FnMut(&[u8]) -> Result<bool, Error>,
    ) -> Result<bool, Error> {
        let mut rest = Vec::new();
        while let Some(frame) = self.frame(body).await {
            let frame = frame?;
            let mut bytes = &frame[..];
            while let Some(end) = memchr::memchr(b'\n', bytes) {
                let (line, after) = (&bytes[..end], &bytes[end + 1..]);
                bytes = after;
                let is_enough = if rest.is_empty() {
                    read(line)?
                } else {
                    rest.extend_from_slice(line);
                    let is_enough = read(&rest)?;
                    rest.clear();
                    is_enough
                };
                if is_enough {
                    return Ok(true);
                }
            }
            rest.extend_from_slice(bytes);
        }
        Ok(false)
    }

    async fn read_whole(&mut self, model: &str) -> Result<Vec<u8>, Error> {
        let mut body = self.send(model, false).await?;
        let mut whole = Vec::new();
        while let Some(frame) = self.frame(&mut body).await {
            whole.extend_from_slice(&frame?);
        }
        Ok(whole)
    }

    async fn frame(&mut self, body: &mut Incoming) -> Option<Result<Bytes, hyper::Error>> {
        let driver = &mut self.driver;
        let frame =
            poll_fn(|cx| driver.alternate(cx, |cx| Pin::new(&mut *body).poll_frame(cx))).await?;
        Some(frame.map(|frame| frame.into_data().unwrap_or_default()))
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin> Driver<I> {
    /// Polls `wanted`, and the connection if nothing else drives it.
    fn alternate<T>(
        &mut self,
        cx: &mut Context<'_>,
        mut wanted: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        if let Poll::Ready(found) = wanted(cx) {
            return Poll::Ready(found);
        }
        let Self::Inline(Some(connection)) = self else { return Poll::Pending };
        let _ = connection.as_mut().poll(cx);
        wanted(cx)
    }
}

impl<C: Connect> Client for Floor<C> {
    fn stream<'a>(&'a mut self, mode: Mode, tally: &'a mut Tally) -> Call<'a> {
        Box::pin(async move {
            let mut body = self.send(mode.name(), true).await?;
            let is_held = self.read_lines(&mut body, |line| read_line(line, tally)).await?;
            if is_held {
                tally.hold().await;
            }
            Ok(())
        })
    }

    fn unary<'a>(&'a mut self, tally: &'a mut Tally) -> Call<'a> {
        Box::pin(async move {
            let whole = self.read_whole(Mode::Unary.name()).await?;
            let response: Response = serde_json::from_slice(&whole)?;
            for choice in &response.choices {
                tally.add(choice.message.content.as_deref().unwrap_or_default());
            }
            Ok(())
        })
    }

    fn shape<'a>(&'a mut self, shape: &'a Shape) -> Call<'a> {
        Box::pin(async move {
            if !shape.is_stream() {
                shape.read_floor(&self.read_whole(shape.name).await?);
                return Ok(());
            }
            let mut body = self.send(shape.name, true).await?;
            let mut events = 0;
            let read = |line: &[u8]| {
                if let Some(data) = line.strip_prefix(b"data: ").filter(|data| *data != b"[DONE]") {
                    shape.read_floor(data);
                    events += 1;
                }
                Ok(false)
            };
            self.read_lines(&mut body, read).await?;
            if events != shape.events {
                return Err(format!("{events} events, not {}", shape.events).into());
            }
            Ok(())
        })
    }
}

fn read_line(line: &[u8], tally: &mut Tally) -> Result<bool, Error> {
    let Some(data) = line.strip_prefix(b"data: ") else { return Ok(false) };
    if data == b"[DONE]" {
        return Ok(false);
    }
    let chunk: Chunk = serde_json::from_slice(data)?;
    let text = chunk.choices.first().and_then(|choice| choice.delta.content.as_deref());
    Ok(tally.add(text.unwrap_or_default()))
}
