//! The memory of streams that wait, counted by an allocator: while they wait for the head of their response, and between two events.
//!
//! Three blocks of hyper and Tokio are 25 kB of it, of which a stream touches half: the read buffer, the write buffer, and the
//! queue of requests. The limits are on the rest as well, so that a kilobyte more in a future or a reader is noticed.
#![cfg(all(target_os = "linux", target_pointer_width = "64"))]

use allocation_counter::{AllocationInfo, measure};
use atoma::{ChatCompletionMessage, ChatCompletionRequest, ChatCompletionStream, Client};
use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener},
    sync::mpsc,
    thread,
};
use tokio::{runtime, sync::oneshot, task::JoinHandle};

const STREAMS: usize = 50;

/// A server that responds only when all streams wait for their heads.
struct Server {
    address: SocketAddr,
    /// Sent to when all requests have arrived.
    arrived: Option<oneshot::Receiver<()>>,
    respond: mpsc::Sender<()>,
}

impl Server {
    fn start(event: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (all, arrived) = oneshot::channel();
        let (respond, responds) = mpsc::channel();
        thread::spawn(move || {
            let mut open = Vec::new();
            for stream in listener.incoming().take(STREAMS) {
                let mut stream = stream.unwrap();
                let mut request = Vec::new();
                while !request.ends_with(b"}") {
                    let mut piece = [0; 1024];
                    let read = stream.read(&mut piece).unwrap();
                    request.extend_from_slice(&piece[..read]);
                }
                open.push(stream);
            }
            all.send(()).unwrap();
            responds.recv().unwrap();
            for stream in &mut open {
                let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
                let chunk = format!("{:x}\r\n{event}\r\n", event.len());
                stream.write_all(format!("{head}{chunk}").as_bytes()).unwrap();
            }
            // Until the client is done.
            responds.recv().unwrap_err();
        });
        Self { address, arrived: Some(arrived), respond }
    }
}

fn event() -> String {
    let chunk = r#"{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":"Hello"},"finish_reason":null}]}"#;
    format!("data: {chunk}\n\n")
}

/// Counts what the runtime of this thread allocates while it runs `work`.
fn count(runtime: &runtime::Runtime, work: impl Future<Output = ()>) -> AllocationInfo {
    let mut work = Some(work);
    measure(|| runtime.block_on(work.take().unwrap()))
}

fn per_stream(bytes: i64) -> i64 {
    bytes / i64::try_from(STREAMS).unwrap()
}

#[test]
fn a_waiting_stream_holds_little_memory() {
    let mut server = Server::start(event());
    let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let url = format!("http://{}", server.address);
    let client = Client::builder().api_key("key").server_url(url).build().unwrap();

    let mut tasks: Vec<JoinHandle<ChatCompletionStream>> = Vec::with_capacity(STREAMS);
    let opening = count(&runtime, async {
        for _ in 0..STREAMS {
            let client = client.clone();
            tasks.push(tokio::spawn(async move {
                let message = ChatCompletionMessage::user("Hello!");
                let request = ChatCompletionRequest::new("m", [message]);
                let mut stream = client.chat().stream(request).await.unwrap();
                assert_eq!(stream.next_ref().await.unwrap().unwrap().text(), "Hello");
                stream
            }));
        }
        server.arrived.take().unwrap().await.unwrap();
    });

    let mut waiting = Vec::with_capacity(STREAMS);
    let reading = count(&runtime, async {
        server.respond.send(()).unwrap();
        for task in tasks.drain(..) {
            let mut stream = task.await.unwrap();
            waiting.push(tokio::spawn(async move {
                stream.next_ref().await.unwrap();
            }));
        }
        // Each of them finds nothing, and sleeps.
        for _ in 0..4 {
            tokio::task::yield_now().await;
        }
    });
    assert!(waiting.iter().all(|stream| !stream.is_finished()));

    let opening = per_stream(opening.bytes_current);
    let idle = opening + per_stream(reading.bytes_current);
    println!("per stream: {opening} bytes while waiting for the head, {idle} between two events");
    assert!(opening < 33_000, "{opening} bytes while waiting for the head");
    assert!(idle < 33_000, "{idle} bytes between two events");
}
