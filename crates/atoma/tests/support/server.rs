//! A server on loopback that follows a script exactly.

use bytes::Bytes;
use std::{collections::VecDeque, net::SocketAddr, sync::Arc};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream},
    sync::{Semaphore, watch},
    task::JoinHandle,
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
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

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

#[derive(Clone, Debug, Default)]
pub(crate) struct Log {
    pub(crate) accepted: usize,
    pub(crate) requests: Vec<Received>,
    /// Connections that the client closed.
    pub(crate) hung_up: usize,
    /// Bytes written in all.
    pub(crate) written: usize,
}

struct Shared {
    scripts: std::sync::Mutex<VecDeque<Script>>,
    log: watch::Sender<Log>,
    gate: Semaphore,
}

impl Server {
    /// Responds to the requests with these scripts in turn; the last one serves all that follow.
    pub(crate) async fn start(scripts: impl IntoIterator<Item = Script>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            scripts: std::sync::Mutex::new(scripts.into_iter().collect()),
            log: watch::Sender::default(),
            gate: Semaphore::new(0),
        });
        let serving = Arc::clone(&shared);
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                serving.log.send_modify(|log| log.accepted += 1);
                connections.spawn(serve(stream, Arc::clone(&serving)));
            }
        });
        Self { address, shared, task }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn push(&self, script: Script) {
        self.shared.scripts.lock().unwrap().push_back(script);
    }

    pub(crate) fn open_gate(&self) {
        self.shared.gate.add_permits(1);
    }

    /// Takes back the gate openings that nobody used.
    pub(crate) fn close_gate(&self) {
        self.shared.gate.forget_permits(usize::MAX);
    }

    pub(crate) fn log(&self) -> Log {
        self.shared.log.borrow().clone()
    }

    /// Waits until the log satisfies this condition.
    pub(crate) async fn until(&self, condition: impl FnMut(&Log) -> bool) {
        self.shared.log.subscribe().wait_for(condition).await.unwrap();
    }
}

impl Refusing {
    pub(crate) fn new() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        Self { address: socket.local_addr().unwrap(), _socket: socket }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Received {
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

async fn serve(mut stream: TcpStream, shared: Arc<Shared>) {
    stream.set_nodelay(true).unwrap();
    let mut unread = Vec::new();
    while let Some(request) = receive(&mut stream, &mut unread).await {
        shared.log.send_modify(|log| log.requests.push(request));
        let script = {
            let mut scripts = shared.scripts.lock().unwrap();
            match scripts.len() {
                0 | 1 => scripts.front().cloned().unwrap_or_default(),
                _ => scripts.pop_front().unwrap_or_default(),
            }
        };
        for step in script {
            if !play(step, &mut stream, &shared).await {
                return;
            }
        }
    }
    shared.log.send_modify(|log| log.hung_up += 1);
}

/// Returns whether the connection is still usable.
async fn play(step: Step, stream: &mut TcpStream, shared: &Shared) -> bool {
    match step {
        Step::Send(bytes) => {
            shared.log.send_modify(|log| log.written += bytes.len());
            if stream.write_all(&bytes).await.is_ok() {
                return true;
            }
        }
        Step::Gate => {
            tokio::select! {
                permit = shared.gate.acquire() => {
                    permit.unwrap().forget();
                    return true;
                }
                _ = stream.read_u8() => {}
            }
        }
        Step::Flood(bytes) => {
            while let Ok(written) = stream.write(&bytes).await {
                shared.log.send_modify(|log| log.written += written);
            }
        }
        Step::Stall => {
            let _ = stream.read_u8().await;
        }
        Step::Close => return false,
    }
    shared.log.send_modify(|log| log.hung_up += 1);
    false
}

async fn receive(stream: &mut TcpStream, unread: &mut Vec<u8>) -> Option<Received> {
    let end = loop {
        if let Some(end) = unread.windows(4).position(|four| four == b"\r\n\r\n") {
            break end;
        }
        if matches!(stream.read_buf(unread).await, Ok(0) | Err(_)) {
            return None;
        }
    };
    let head = String::from_utf8(unread[..end].to_vec()).unwrap();
    let mut lines = head.split("\r\n");
    let line = lines.next().unwrap_or_default().to_owned();
    let headers: Vec<_> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let length: usize = length.map_or(0, |(_, value)| value.parse().unwrap());
    while unread.len() < end + 4 + length {
        if matches!(stream.read_buf(unread).await, Ok(0) | Err(_)) {
            return None;
        }
    }
    let body = Bytes::copy_from_slice(&unread[end + 4..end + 4 + length]);
    unread.drain(..end + 4 + length);
    Some(Received { line, headers, body })
}
