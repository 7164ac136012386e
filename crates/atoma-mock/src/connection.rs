//! The server's side of HTTP: accepts connections, reads requests, writes what the script decides.
//!
//! ```text
//! accept ─► serve ─► respond: read the request, State::decide, wait, head ─► ScriptedBody
//!             │                                      │ no head, raw bytes        │ a fault
//!             │◄───────────── HangUpRequest ─────────┴──────────────────────────┘
//!             └─► write_raw, reset, close, or an orderly end
//! ```
//!
//! hyper writes well-formed responses only, and buffers them. A fault therefore asks for a hang-up: hyper's connection is ended
//! from below, by [`FaultyIo`], as soon as everything before the fault is written, and the bare socket does the rest.
use crate::{
    behavior::HeadTiming,
    body::ScriptedBody,
    body_script::{Flow, Step},
    hang_up::{HangUp, HangUpRequest},
    request::ReceivedRequest,
    state::{Exchange, State},
};
use bytes::BytesMut;
use http::{Request, Response};
use http_body::Body as _;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use std::{
    convert::Infallible,
    future::{pending, poll_fn},
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::oneshot,
    task::JoinSet,
    time::sleep,
};

/// Accepts connections until the server is dropped; its connections end with it.
pub(crate) async fn accept(
    listener: TcpListener,
    state: Arc<State>,
    mut stopped: oneshot::Receiver<()>,
) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(serve(stream, Arc::clone(&state)));
                }
                // Out of file descriptors, most likely: let some connections end first.
                Err(_) => sleep(Duration::from_millis(5)).await,
            },
            // Removes connections that have ended from the set.
            Some(_) = connections.join_next() => {}
            _ = &mut stopped => return,
        }
    }
}

/// Serves one connection until either side ends it.
async fn serve(stream: TcpStream, state: Arc<State>) {
    // Counts the connection as open until the end of this function.
    let _open = state.opened();
    // Otherwise the kernel joins small writes, and chunks do not arrive as the script splits them.
    let _ = stream.set_nodelay(true);
    let hang_up = Arc::new(HangUpRequest::default());
    let io = TokioIo::new(FaultyIo { stream, hang_up: Arc::clone(&hang_up) });
    let service =
        service_fn(|request| Box::pin(respond(Arc::clone(&state), Arc::clone(&hang_up), request)));
    let mut connection = http1::Builder::new().serve_connection(io, service);
    // Without shutting down, so that the socket is still usable for a fault.
    let served = poll_fn(|context| connection.poll_without_shutdown(context)).await;
    let mut stream = connection.into_parts().io.into_inner().stream;
    match hang_up.take() {
        Some(HangUp::WriteRaw(raw)) => write_raw(stream, raw.0, raw.1).await,
        Some(HangUp::Reset) => reset(stream),
        Some(HangUp::Close) => {}
        None => {
            if served.is_ok() {
                let _ = stream.shutdown().await;
            }
        }
    }
}

/// Decides about one request and waits as long as the script says. A response that never comes is a future that never ends.
async fn respond(
    state: Arc<State>,
    hang_up: Arc<HangUpRequest>,
    request: Request<Incoming>,
) -> Result<Response<ScriptedBody>, Infallible> {
    // The client has left: nobody waits for a response.
    let Some(request) = receive(request).await else { return pending().await };
    let (outgoing, exchange) = state.decide(request);
    match outgoing.timing {
        HeadTiming::Immediate => {}
        HeadTiming::After(delay) => sleep(delay).await,
        HeadTiming::Never => {
            let _kept_open = exchange;
            return pending().await;
        }
    }
    let Some(head) = outgoing.head else {
        hang_up.set(HangUp::WriteRaw(Box::new((outgoing.flow, exchange))));
        return pending().await;
    };
    let body =
        ScriptedBody::new(outgoing.flow, head.length, outgoing.keep_alive, hang_up, exchange);
    let mut response = Response::new(body);
    *response.status_mut() = head.status;
    *response.headers_mut() = head.headers;
    Ok(response)
}

/// Reads the whole request; `None` if the client leaves before its end.
async fn receive(request: Request<Incoming>) -> Option<ReceivedRequest> {
    let (head, mut incoming) = request.into_parts();
    let mut body = BytesMut::new();
    while let Some(frame) = poll_fn(|context| Pin::new(&mut incoming).poll_frame(context)).await {
        if let Ok(data) = frame.ok()?.into_data() {
            body.extend_from_slice(&data);
        }
    }
    let path = head.uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
    Some(ReceivedRequest {
        method: head.method,
        path,
        headers: head.headers,
        body: body.freeze(),
        plaintext: None,
    })
}

/// Writes a flow to the bare connection, until its end or until the client leaves.
async fn write_raw(mut stream: TcpStream, mut flow: Flow, mut exchange: Exchange) {
    let (mut reader, mut writer) = stream.split();
    // The client's end is noticed here: a bare socket has nobody else who reads from it.
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

/// Writes a flow, and returns its last step.
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
            Step::KeepAlive | Step::Stall => pending().await,
            end @ (Step::End | Step::Close | Step::Reset) => return Ok(end),
        }
    }
}

/// Waits until the client closes its side, and drops the bytes it sends until then.
async fn until_closed(reader: &mut (impl AsyncRead + Unpin)) {
    let mut ignored = [0; 1024];
    while reader.read(&mut ignored).await.is_ok_and(|count| count > 0) {}
}

/// Closes a connection with a reset: with a linger of zero the kernel sends RST instead of FIN.
fn reset(stream: TcpStream) {
    let _ = stream.set_zero_linger();
    drop(stream);
}

/// A socket that fails on purpose: when everything is written and a response has requested the hang-up.
struct FaultyIo {
    /// The socket itself.
    stream: TcpStream,
    /// Set by the response when it has reached its fault.
    hang_up: Arc<HangUpRequest>,
}

impl AsyncRead for FaultyIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for FaultyIo {
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
        // First, so that every byte before the fault is written.
        ready!(Pin::new(&mut self.stream).poll_flush(context))?;
        if self.hang_up.is_set() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
