use std::convert::Infallible;
use std::future::{pending, poll_fn};
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use http::{Request, Response};
use http_body::Body as _;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::sleep;

use crate::behavior::HeadTiming;
use crate::body::ScriptedBody;
use crate::body_script::{Flow, Step};
use crate::request::ReceivedRequest;
use crate::state::{Exchange, State};

/// Serves one connection until either side ends it.
pub(crate) async fn serve(stream: TcpStream, state: Arc<State>) {
    let _open = state.opened();
    let _ = stream.set_nodelay(true);
    let line = Arc::new(Line::default());
    let wire = TokioIo::new(Wire { stream, line: Arc::clone(&line) });
    let service =
        service_fn(|request| Box::pin(answer(Arc::clone(&state), Arc::clone(&line), request)));
    let mut connection = http1::Builder::new().serve_connection(wire, service);
    let served = poll_fn(|context| connection.poll_without_shutdown(context)).await;
    let mut stream = connection.into_parts().io.into_inner().stream;
    match line.take() {
        Some(HangUp::Instead(takeover)) => speak(stream, takeover.0, takeover.1).await,
        Some(HangUp::Reset) => reset(stream),
        Some(HangUp::Close) => {}
        None => {
            if served.is_ok() {
                let _ = stream.shutdown().await;
            }
        }
    }
}

/// How a script ends a connection over the head of the HTTP machinery.
#[derive(Debug)]
pub(crate) enum HangUp {
    Close,
    Reset,
    /// Speaks by itself, then closes.
    Instead(Box<(Flow, Exchange)>),
}

/// By which an answer asks for the end of its connection. It comes about as soon as everything
/// before it is written.
#[derive(Debug, Default)]
pub(crate) struct Line(Mutex<Option<HangUp>>);

impl Line {
    pub(crate) fn hang_up(&self, how: HangUp) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(how);
    }

    fn is_over(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    fn take(&self) -> Option<HangUp> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

async fn answer(
    state: Arc<State>,
    line: Arc<Line>,
    request: Request<Incoming>,
) -> Result<Response<ScriptedBody>, Infallible> {
    let Some(request) = receive(request).await else { return pending().await };
    let (outgoing, exchange) = state.decide(request);
    match outgoing.timing {
        HeadTiming::AtOnce => {}
        HeadTiming::After(delay) => sleep(delay).await,
        HeadTiming::Never => {
            let _kept_open = exchange;
            return pending().await;
        }
    }
    let Some(head) = outgoing.head else {
        line.hang_up(HangUp::Instead(Box::new((outgoing.flow, exchange))));
        return pending().await;
    };
    let body = ScriptedBody::new(outgoing.flow, head.length, outgoing.keep_alive, line, exchange);
    let mut response = Response::new(body);
    *response.status_mut() = head.status;
    *response.headers_mut() = head.headers;
    Ok(response)
}

/// The request with its whole body; `None` if the client left before.
async fn receive(request: Request<Incoming>) -> Option<ReceivedRequest> {
    let (head, mut incoming) = request.into_parts();
    let mut body = BytesMut::new();
    while let Some(frame) = poll_fn(|context| Pin::new(&mut incoming).poll_frame(context)).await {
        if let Ok(data) = frame.ok()?.into_data() {
            body.extend_from_slice(&data);
        }
    }
    let path = head.uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
    Some(ReceivedRequest { method: head.method, path, headers: head.headers, body: body.freeze() })
}

/// Writes a flow to the bare connection, until its end or until the client leaves.
async fn speak(mut stream: TcpStream, mut flow: Flow, mut exchange: Exchange) {
    let (mut reader, mut writer) = stream.split();
    let end = tokio::select! {
        end = write(&mut writer, &mut flow, &exchange) => end,
        () = until_closed(&mut reader) => return,
    };
    exchange.finish();
    match end {
        Ok(Step::Reset) => reset(stream),
        _ => drop(stream),
    }
}

async fn write(
    writer: &mut (impl AsyncWrite + Unpin),
    flow: &mut Flow,
    exchange: &Exchange,
) -> io::Result<Step> {
    loop {
        match flow.next() {
            Step::Send(bytes) => writer.write_all(&bytes).await?,
            Step::Flush => tokio::task::yield_now().await,
            Step::Pause(pause) => sleep(pause).await,
            Step::Hold => exchange.released().await,
            Step::Silence | Step::Stall => pending().await,
            end @ (Step::End | Step::Close | Step::Reset) => return Ok(end),
        }
    }
}

async fn until_closed(reader: &mut (impl AsyncRead + Unpin)) {
    let mut ignored = [0; 1024];
    while reader.read(&mut ignored).await.is_ok_and(|count| count > 0) {}
}

fn reset(stream: TcpStream) {
    let _ = stream.set_zero_linger();
    drop(stream);
}

/// A socket that fails on purpose, once everything is written and the line is to be hung up.
struct Wire {
    stream: TcpStream,
    line: Arc<Line>,
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_flush(context))?;
        if self.line.is_over() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
