//! A server on loopback that plays a script for each request, on the scripted server of the transport.

use atoma_transport::testing::server::{Gate, Log as Events, Peer, Server as LoopbackServer};
use bytes::Bytes;
use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{Arc, Mutex},
};
use tokio::{
    io::AsyncWriteExt,
    net::{TcpSocket, TcpStream},
};

/// A step of the response to one request.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// Writes these bytes in one write.
    Send(Bytes),
    /// Waits until [`Server::open_gate`] is called once more.
    Gate,
    /// Writes these bytes repeatedly until the client hangs up.
    Flood(Bytes),
    /// Sends nothing more until the client hangs up.
    Stall,
    /// Closes the connection.
    Close,
}

/// The response to one request.
pub(crate) type Script = Vec<Step>;

/// A server that runs as long as this value lives.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    server: LoopbackServer,
    scripts: Scripts,
    gate: Gate,
}

type Scripts = Arc<Mutex<VecDeque<Script>>>;

/// A port that refuses connections as long as this value lives: it is bound, and nobody listens.
pub(crate) struct Refusing {
    pub(crate) address: SocketAddr,
    _socket: TcpSocket,
}

/// A request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) line: String,
    /// Names in lower case, in order.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Bytes,
}

pub(crate) struct Log {
    pub(crate) accepted: usize,
    /// Connections that the client closed.
    pub(crate) hung_up: usize,
    events: Events,
}

impl Server {
    /// Responds to the requests with these scripts in turn; the last one serves all that follow.
    pub(crate) async fn start(scripts: impl IntoIterator<Item = Script>) -> Self {
        let scripts: Scripts = Arc::new(Mutex::new(scripts.into_iter().collect()));
        let gate = Gate::new();
        let (serving, waiting) = (Arc::clone(&scripts), gate.clone());
        let server =
            LoopbackServer::serve(move |peer| serve(peer, Arc::clone(&serving), waiting.clone()))
                .await;
        Self { address: server.address, server, scripts, gate }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn push(&self, script: Script) {
        self.scripts.lock().unwrap().push_back(script);
    }

    pub(crate) fn open_gate(&self) {
        self.gate.open();
    }

    /// Takes back the gate openings that nobody used.
    pub(crate) fn close_gate(&self) {
        self.gate.close();
    }

    pub(crate) fn log(&self) -> Log {
        Log::of(&self.server.log())
    }

    /// Waits until the log satisfies this condition.
    pub(crate) async fn until(&self, condition: impl Fn(&Log) -> bool) {
        self.server.wait_for(|events| condition(&Log::of(events))).await;
    }
}

impl Log {
    fn of(events: &Events) -> Self {
        let events = events.clone();
        Self { accepted: events.accepted(), hung_up: events.closed_by_client(), events }
    }

    pub(crate) fn requests(&self) -> Vec<Received> {
        self.events.requests().iter().map(|text| Received::new(text)).collect()
    }
}

impl Refusing {
    pub(crate) fn new() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        Self { address: socket.local_addr().unwrap(), _socket: socket }
    }
}

impl Received {
    fn new(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let mut lines = head.split("\r\n");
        let line = lines.next().unwrap_or_default().to_owned();
        let headers = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        Self { line, headers, body: Bytes::copy_from_slice(body.as_bytes()) }
    }

    /// The values of a header.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        let named = self.headers.iter().filter(|(known, _)| known == name);
        named.map(|(_, value)| value.as_str()).collect()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// These bytes as they are.
pub(crate) fn send(bytes: impl Into<Bytes>) -> Step {
    Step::Send(bytes.into())
}

/// A head with chunked framing; an empty type is left out.
pub(crate) fn head(status: u16, content_type: &str) -> Step {
    let label = match content_type {
        "" => String::new(),
        label => format!("content-type: {label}\r\n"),
    };
    send(format!("HTTP/1.1 {status} X\r\n{label}transfer-encoding: chunked\r\n\r\n"))
}

/// The head of an event stream.
pub(crate) fn stream_head() -> Step {
    head(200, "text/event-stream")
}

/// `data` as one chunk of HTTP's chunked framing.
pub(crate) fn framed(data: impl AsRef<[u8]>) -> Step {
    let data = data.as_ref();
    let size = format!("{:x}\r\n", data.len());
    send([size.as_bytes(), data, b"\r\n"].concat())
}

/// The end of a chunked body.
pub(crate) fn end() -> Step {
    send("0\r\n\r\n")
}

/// A response with a length, in one write; an empty type is left out.
pub(crate) fn whole(status: u16, content_type: &str, body: impl AsRef<[u8]>) -> Script {
    let label = [("content-type", content_type)];
    response(status, if content_type.is_empty() { &[] } else { &label }, body)
}

/// As [`whole`], with these headers.
pub(crate) fn response(status: u16, headers: &[(&str, &str)], body: impl AsRef<[u8]>) -> Script {
    let body = body.as_ref();
    let lines: String =
        headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let head = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n{lines}\r\n", body.len());
    vec![send([head.as_bytes(), body].concat())]
}

/// An event stream of these pieces, each in a separate HTTP chunk, with its proper end.
pub(crate) fn events<T: AsRef<[u8]>>(pieces: impl IntoIterator<Item = T>) -> Script {
    pieces_of(200, "text/event-stream", pieces)
}

/// A response of these pieces, each in a separate HTTP chunk, with its proper end.
pub(crate) fn pieces_of<T: AsRef<[u8]>>(
    status: u16,
    content_type: &str,
    pieces: impl IntoIterator<Item = T>,
) -> Script {
    let mut script = vec![head(status, content_type)];
    script.extend(pieces.into_iter().map(framed));
    script.push(end());
    script
}

async fn serve(mut peer: Peer<TcpStream>, scripts: Scripts, gate: Gate) {
    while peer.request().await.is_some() {
        let script = {
            let mut scripts = scripts.lock().unwrap();
            match scripts.len() {
                0 | 1 => scripts.front().cloned().unwrap_or_default(),
                _ => scripts.pop_front().unwrap_or_default(),
            }
        };
        for step in script {
            if !play(step, &mut peer, &gate).await {
                return;
            }
        }
    }
}

/// Returns whether the connection is still usable.
async fn play(step: Step, peer: &mut Peer<TcpStream>, gate: &Gate) -> bool {
    match step {
        Step::Send(bytes) => {
            let is_sent = peer.stream.write_all(&bytes).await.is_ok();
            if !is_sent {
                peer.closed();
            }
            is_sent
        }
        // A client that has closed must not use up an opening that is meant for another connection.
        Step::Gate => tokio::select! {
            biased;
            _ = peer.read() => false,
            () = gate.passed() => true,
        },
        Step::Flood(bytes) => {
            peer.flood(&bytes, u64::MAX).await;
            peer.closed();
            false
        }
        Step::Stall => {
            peer.until_closed().await;
            false
        }
        Step::Close => false,
    }
}
