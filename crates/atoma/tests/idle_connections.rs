//! Row 119 of the faults: a server closes an idle connection or writes to it, and nothing drives
//! the client's runtime between calls, neither in the blocking client nor with a `block_on` per
//! call.
#![cfg(feature = "hyper")]

#[cfg(target_os = "linux")]
#[path = "support/memory.rs"]
mod memory;

use atoma::{ChatCompletionMessage, ChatCompletionRequest, Client};
use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
};

/// The server's action on each connection after its response.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Closed,
    TimedOut,
    Stray,
}

const STRAY: &str = r#"{"id":"x","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"stray"},"finish_reason":"stop"}]}"#;

fn response(body: &str, content_type: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// A server that responds to one request on each connection. After `go`, it acts as `fate` says,
/// and reports on `done`.
struct Server {
    address: SocketAddr,
    accepted: Arc<AtomicUsize>,
    go: mpsc::Sender<()>,
    done: mpsc::Receiver<()>,
}

impl Server {
    fn start(fate: Fate) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let accepted = Arc::new(AtomicUsize::new(0));
        let count = accepted.clone();
        let ((go, gate), (done, reports)) = (mpsc::channel(), mpsc::channel());
        thread::spawn(move || {
            let mut kept = Vec::new();
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                count.fetch_add(1, Ordering::SeqCst);
                stream.set_nodelay(true).unwrap();
                respond(&mut stream);
                if gate.recv().is_err() {
                    return;
                }
                match fate {
                    // Dropped only, it would stay open while a process that another test has just started holds a copy.
                    Fate::Closed => stream.shutdown(Shutdown::Both).unwrap(),
                    Fate::TimedOut => {
                        let text = "HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\n\r\n";
                        stream.write_all(text.as_bytes()).unwrap();
                    }
                    Fate::Stray => {
                        let text = response(STRAY, "application/json");
                        stream.write_all(text.as_bytes()).unwrap();
                        kept.push(stream);
                    }
                }
                done.send(()).unwrap();
            }
        });
        Self { address, accepted, go, done: reports }
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Makes the server act on the last connection.
    fn next(&self) {
        self.go.send(()).unwrap();
        self.done.recv().unwrap();
    }
}

/// Reads a request and responds to it.
fn respond(stream: &mut TcpStream) {
    let mut request = Vec::new();
    let is_whole = |request: &[u8]| {
        let text = String::from_utf8_lossy(request);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        body.len() >= length.map_or(0, |length| length.parse().unwrap())
    };
    while !is_whole(&request) {
        let mut piece = [0; 4096];
        let count = stream.read(&mut piece).unwrap();
        assert!(count > 0, "the client hung up");
        request.extend_from_slice(&piece[..count]);
    }
    let text = String::from_utf8_lossy(&request);
    let response = if text.contains("\"stream\":true") {
        let chunk = r#"{"id":"x","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":"hello"},"finish_reason":"stop"}]}"#;
        response(&format!("data: {chunk}\n\ndata: [DONE]\n\n"), "text/event-stream")
    } else {
        response(&STRAY.replace("stray", "hello"), "application/json")
    };
    stream.write_all(response.as_bytes()).unwrap();
}

fn request() -> ChatCompletionRequest {
    ChatCompletionRequest::new("m", [ChatCompletionMessage::user("Hello?")])
}

const CALLS: usize = 8;

#[test]
fn row_119_one_block_on_per_call() {
    for fate in [Fate::Closed, Fate::TimedOut, Fate::Stray] {
        let server = Server::start(fate);
        let client = Client::builder().api_key("k").server_url(server.url()).build().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        for call in 0..CALLS {
            let (text, attempts) = runtime.block_on(async {
                if call % 2 == 0 {
                    let reply = client.chat().create(request()).await.unwrap();
                    (reply.text().into_owned(), reply.attempts().count)
                } else {
                    let stream = client.chat().stream(request()).await.unwrap();
                    (stream.into_response().await.unwrap().text().into_owned(), 1)
                }
            });
            assert_eq!((text.as_str(), attempts), ("hello", 1), "{fate:?} {call}");
            server.next();
        }
        assert_eq!(server.accepted.load(Ordering::SeqCst), CALLS, "{fate:?}");
    }
}

#[cfg(feature = "blocking")]
#[test]
fn row_119_the_blocking_client() {
    for fate in [Fate::Closed, Fate::TimedOut, Fate::Stray] {
        let server = Server::start(fate);
        let client = Client::builder().api_key("k").server_url(server.url()).build().unwrap();
        let client = atoma::blocking::Client::from_client(client).unwrap();
        for call in 0..CALLS {
            let (text, attempts) = if call % 2 == 0 {
                let reply = client.chat().create(request()).send().unwrap();
                (reply.text().into_owned(), reply.attempts().count)
            } else {
                let stream = client.chat().stream(request()).send().unwrap();
                (stream.into_response().unwrap().text().into_owned(), 1)
            };
            assert_eq!((text.as_str(), attempts), ("hello", 1), "{fate:?} {call}");
            server.next();
        }
        assert_eq!(server.accepted.load(Ordering::SeqCst), CALLS, "{fate:?}");
    }
}
