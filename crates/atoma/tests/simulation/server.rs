//! A server that responds, refuses, fails, stalls and hangs up, by chance.

use crate::{Protocol, network::server_config};
use bytes::Bytes;
use futures::{StreamExt, stream::FuturesUnordered};
use h2::{Reason, server::SendResponse};
use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    time::{sleep, timeout},
};
use tokio_rustls::TlsAcceptor;
use turmoil::net::{TcpListener, TcpStream};

const HOUR: Duration = Duration::from_secs(3_600);

/// The state of the server as seen from outside: its bills, its trace, and its mood. It outlives a
/// restart.
#[derive(Clone)]
pub(crate) struct Books(Arc<Mutex<Entries>>);

struct Entries {
    billed: BTreeMap<String, u32>,
    trace: Vec<String>,
    chance: fastrand::Rng,
}

/// The fate of one request.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Respond,
    /// An error response with this status before any work, perhaps with a wait in seconds.
    Refuse(u16, Option<u8>),
    /// Closed before any work.
    HangUp,
    /// Never read.
    Ignore,
    /// Processed and billed; then the connection is closed or falls silent after that share of the
    /// response, in eighths.
    Close(u8),
    Stall(u8),
}

const FATES: [Fate; 16] = [
    Fate::Respond,
    Fate::Respond,
    Fate::Respond,
    Fate::Respond,
    Fate::Respond,
    Fate::Refuse(429, Some(2)),
    Fate::Refuse(503, None),
    Fate::Refuse(500, Some(0)),
    Fate::Refuse(503, Some(200)),
    Fate::Refuse(401, None),
    Fate::HangUp,
    Fate::Ignore,
    Fate::Close(0),
    Fate::Close(5),
    Fate::Stall(0),
    Fate::Stall(5),
];

impl Books {
    pub(crate) fn new(seed: u64) -> Self {
        let chance = fastrand::Rng::with_seed(seed);
        let entries = Entries { billed: BTreeMap::new(), trace: Vec::new(), chance };
        Self(Arc::new(Mutex::new(entries)))
    }

    /// Returns how often each call was billed.
    pub(crate) fn billed(&self) -> BTreeMap<String, u32> {
        self.0.lock().unwrap().billed.clone()
    }

    /// Returns everything that happened, in its order and with its time.
    pub(crate) fn trace(&self) -> Vec<String> {
        self.0.lock().unwrap().trace.clone()
    }

    pub(crate) fn note(&self, event: impl std::fmt::Display) {
        let at = turmoil::sim_elapsed().unwrap_or_default();
        self.0.lock().unwrap().trace.push(format!("{at:?} {event}"));
    }

    fn bill(&self, call: &str) {
        self.note(format_args!("{call} is billed"));
        *self.0.lock().unwrap().billed.entry(call.to_owned()).or_default() += 1;
    }

    fn fate(&self) -> Fate {
        FATES[self.0.lock().unwrap().chance.usize(..FATES.len())]
    }

    /// Returns a pause within one response.
    fn pace(&self) -> Duration {
        let chance = &mut self.0.lock().unwrap().chance;
        Duration::from_millis(if chance.u8(..4) == 0 {
            chance.u64(..15_000)
        } else {
            chance.u64(..300)
        })
    }

    /// Returns how long an idle connection is kept.
    fn keep_alive(&self) -> Duration {
        Duration::from_millis(self.0.lock().unwrap().chance.u64(..20_000))
    }
}

/// The right completion for a call.
pub(crate) fn completion(call: &str) -> String {
    format!("the completion of {call} is {}", call.len() * 7)
}

pub(crate) async fn run(
    books: Books,
    protocol: Protocol,
) -> Result<(), Box<dyn std::error::Error>> {
    let listener = TcpListener::bind(("0.0.0.0", protocol.port())).await?;
    // Not tasks: a runtime that shuts down drops them in an order that depends on other runtimes.
    let mut connections = FuturesUnordered::new();
    loop {
        tokio::select! {
            biased;
            accepted = listener.accept() => {
                let (stream, _) = accepted?;
                connections.push(serve(stream, &books, protocol));
            }
            Some(_) = connections.next() => {}
        }
    }
}

async fn serve(stream: TcpStream, books: &Books, protocol: Protocol) -> io::Result<()> {
    if protocol == Protocol::Plain {
        return converse(stream, books).await;
    }
    let stream = TlsAcceptor::from(server_config(protocol)).accept(stream).await?;
    match protocol {
        Protocol::Http2 => multiplex(stream, books).await.map_err(io::Error::other),
        _ => converse(stream, books).await,
    }
}

/// Speaks HTTP/1.1: one request after the other on a connection, until it has been idle too long.
async fn converse(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    books: &Books,
) -> io::Result<()> {
    loop {
        let fate = books.fate();
        if let Fate::Ignore = fate {
            sleep(HOUR).await;
        }
        let Ok(request) = timeout(books.keep_alive(), read(&mut stream)).await else {
            return Ok(());
        };
        let request = request?;
        let call = call_of(&request);
        books.note(format_args!("{call} is received: {fate:?}"));
        sleep(books.pace()).await;
        let (eighths, is_silent) = match fate {
            Fate::HangUp | Fate::Ignore => return Ok(()),
            Fate::Refuse(status, busy) => {
                let busy = busy.map_or(String::new(), |busy| format!("retry-after: {busy}\r\n"));
                let head = format!("HTTP/1.1 {status} No\r\n{busy}content-length: 2\r\n\r\nno");
                stream.write_all(head.as_bytes()).await?;
                continue;
            }
            Fate::Respond => (8, false),
            Fate::Close(eighths) => (eighths, false),
            Fate::Stall(eighths) => (eighths, true),
        };
        books.bill(call);
        let text = if is_streamed(&request) {
            let events = events(call);
            format!(
                "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n\
                 {:x}\r\n{events}\r\n0\r\n\r\n",
                events.len()
            )
        } else {
            let body = body(call);
            format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len())
        };
        let text = &text[..text.len() * usize::from(eighths) / 8];
        for piece in text.as_bytes().chunks(150) {
            sleep(books.pace()).await;
            stream.write_all(piece).await?;
        }
        if is_silent {
            sleep(HOUR).await;
        }
        if eighths < 8 {
            return Ok(());
        }
    }
}

/// Speaks HTTP/2: several requests on a connection.
async fn multiplex(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    books: &Books,
) -> Result<(), h2::Error> {
    let mut connection = h2::server::handshake(stream).await?;
    let mut exchanges = FuturesUnordered::new();
    loop {
        tokio::select! {
            biased;
            accepted = connection.accept() => {
                let Some(accepted) = accepted else { return Ok(()) };
                let (request, respond) = accepted?;
                exchanges.push(exchange(request.into_body(), respond, books));
            }
            Some(_) = exchanges.next() => {}
        }
    }
}

async fn exchange(
    mut body_of_request: h2::RecvStream,
    mut respond: SendResponse<Bytes>,
    books: &Books,
) -> Result<(), h2::Error> {
    let fate = books.fate();
    if let Fate::Ignore = fate {
        sleep(HOUR).await;
    }
    let mut request = Vec::new();
    while let Some(data) = body_of_request.data().await {
        let data = data?;
        let _ = body_of_request.flow_control().release_capacity(data.len());
        request.extend_from_slice(&data);
    }
    let request = String::from_utf8_lossy(&request).into_owned();
    let call = call_of(&request);
    books.note(format_args!("{call} is received: {fate:?}"));
    sleep(books.pace()).await;
    let head = http::Response::builder();
    let (eighths, is_silent) = match fate {
        Fate::HangUp | Fate::Ignore => {
            respond.send_reset(Reason::REFUSED_STREAM);
            return Ok(());
        }
        Fate::Refuse(status, busy) => {
            let mut head = head.status(status);
            if let Some(busy) = busy {
                head = head.header("retry-after", busy.to_string());
            }
            let mut body = respond.send_response(head.body(()).expect("a head"), false)?;
            return body.send_data(Bytes::from_static(b"no"), true);
        }
        Fate::Respond => (8, false),
        Fate::Close(eighths) => (eighths, false),
        Fate::Stall(eighths) => (eighths, true),
    };
    books.bill(call);
    let (content_type, text) = if is_streamed(&request) {
        ("text/event-stream", events(call))
    } else {
        ("application/json", body(call))
    };
    if eighths > 0 {
        let head = head.header("content-type", content_type).body(()).expect("a head");
        let mut stream = respond.send_response(head, false)?;
        for piece in text.as_bytes()[..text.len() * usize::from(eighths) / 8].chunks(150) {
            sleep(books.pace()).await;
            stream.send_data(Bytes::copy_from_slice(piece), false)?;
        }
        if is_silent {
            sleep(HOUR).await;
        }
        if eighths == 8 {
            return stream.send_data(Bytes::new(), true);
        }
        stream.send_reset(Reason::INTERNAL_ERROR);
        return Ok(());
    }
    if is_silent {
        sleep(HOUR).await;
    }
    respond.send_reset(Reason::INTERNAL_ERROR);
    Ok(())
}

async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<String> {
    let mut read = Vec::new();
    while !read.ends_with(b"}") {
        if stream.read_buf(&mut read).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(String::from_utf8_lossy(&read).into_owned())
}

fn call_of(request: &str) -> &str {
    request.split('#').nth(1).unwrap_or_default()
}

fn is_streamed(request: &str) -> bool {
    request.contains("\"stream\":true")
}

fn events(call: &str) -> String {
    let mut text = String::new();
    for word in completion(call).split_inclusive(' ') {
        let delta = format!("{{\"delta\":{{\"content\":\"{word}\"}},\"index\":0}}");
        text += &format!("data: {{\"id\":\"1\",\"choices\":[{delta}]}}\n\n");
    }
    let finish = "{\"delta\":{},\"index\":0,\"finish_reason\":\"stop\"}";
    text + &format!("data: {{\"id\":\"1\",\"choices\":[{finish}]}}\n\ndata: [DONE]\n\n")
}

fn body(call: &str) -> String {
    let message = format!("{{\"role\":\"assistant\",\"content\":\"{}\"}}", completion(call));
    let choice = format!("{{\"index\":0,\"message\":{message},\"finish_reason\":\"stop\"}}");
    format!("{{\"id\":\"1\",\"choices\":[{choice}]}}")
}
