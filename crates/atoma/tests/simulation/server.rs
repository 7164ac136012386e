//! A server that responds, fails, stalls and hangs up at random.

use crate::network::SERVER;
use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::sleep,
};
use turmoil::net::{TcpListener, TcpStream};

/// The state of the server as seen from outside: the calls that it billed, and its mood. It
/// outlives a restart.
#[derive(Clone)]
pub(crate) struct Books(Arc<Mutex<(BTreeMap<String, u32>, fastrand::Rng)>>);

/// The fate of one request.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Respond,
    /// An error response with this status before any work, perhaps with a wait in seconds.
    Fail(u16, Option<u8>),
    /// Closed before any work.
    HangUp,
    /// Never read.
    Ignore,
    /// Processed and billed; then the connection is closed or goes silent after that share of the
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
    Fate::Fail(429, Some(2)),
    Fate::Fail(503, None),
    Fate::Fail(500, Some(0)),
    Fate::Fail(503, Some(200)),
    Fate::Fail(401, None),
    Fate::HangUp,
    Fate::Ignore,
    Fate::Close(0),
    Fate::Close(5),
    Fate::Stall(0),
    Fate::Stall(5),
];

impl Books {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new((BTreeMap::new(), fastrand::Rng::with_seed(seed)))))
    }

    /// The number of times that each call was billed.
    pub(crate) fn billed(&self) -> BTreeMap<String, u32> {
        self.0.lock().unwrap().0.clone()
    }

    fn bill(&self, call: &str) {
        *self.0.lock().unwrap().0.entry(call.to_owned()).or_default() += 1;
    }

    fn fate(&self) -> Fate {
        FATES[self.0.lock().unwrap().1.usize(..FATES.len())]
    }

    /// The pauses within one response.
    fn pace(&self) -> Duration {
        let rng = &mut self.0.lock().unwrap().1;
        Duration::from_millis(if rng.u8(..4) == 0 { rng.u64(..15_000) } else { rng.u64(..300) })
    }
}

/// The right response to a call.
pub(crate) fn response(call: &str) -> String {
    format!("the response to {call} is {}", call.len() * 7)
}

pub(crate) async fn run(books: Books) -> Result<(), Box<dyn std::error::Error>> {
    let listener = TcpListener::bind(("0.0.0.0", SERVER.1)).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        let books = books.clone();
        tokio::spawn(async move {
            let _ = converse(stream, &books).await;
        });
    }
}

async fn converse(mut stream: TcpStream, books: &Books) -> io::Result<()> {
    let fate = books.fate();
    if let Fate::Ignore = fate {
        sleep(Duration::from_secs(3_600)).await;
    }
    let request = read(&mut stream).await?;
    let call = request.split('#').nth(1).unwrap_or_default();
    sleep(books.pace()).await;
    let (eighths, is_silent) = match fate {
        Fate::HangUp | Fate::Ignore => return Ok(()),
        Fate::Fail(status, busy) => {
            let busy = busy.map_or(String::new(), |busy| format!("retry-after: {busy}\r\n"));
            let head = format!("HTTP/1.1 {status} No\r\n{busy}content-length: 2\r\n\r\nno");
            return stream.write_all(head.as_bytes()).await;
        }
        Fate::Respond => (8, false),
        Fate::Close(eighths) => (eighths, false),
        Fate::Stall(eighths) => (eighths, true),
    };
    books.bill(call);
    let text = if request.contains("\"stream\":true") { streamed(call) } else { whole(call) };
    let text = &text[..text.len() * usize::from(eighths) / 8];
    for piece in text.as_bytes().chunks(150) {
        sleep(books.pace()).await;
        stream.write_all(piece).await?;
    }
    if is_silent {
        sleep(Duration::from_secs(3_600)).await;
    }
    Ok(())
}

async fn read(stream: &mut TcpStream) -> io::Result<String> {
    let mut read = Vec::new();
    while !read.ends_with(b"}") {
        if stream.read_buf(&mut read).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(String::from_utf8_lossy(&read).into_owned())
}

fn streamed(call: &str) -> String {
    let mut text =
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"
            .to_owned();
    for word in response(call).split_inclusive(' ') {
        let delta = format!("{{\"delta\":{{\"content\":\"{word}\"}},\"index\":0}}");
        text += &format!("data: {{\"id\":\"1\",\"choices\":[{delta}]}}\n\n");
    }
    let finish = "{\"delta\":{},\"index\":0,\"finish_reason\":\"stop\"}";
    text + &format!("data: {{\"id\":\"1\",\"choices\":[{finish}]}}\n\ndata: [DONE]\n\n")
}

fn whole(call: &str) -> String {
    let message = format!("{{\"role\":\"assistant\",\"content\":\"{}\"}}", response(call));
    let choice = format!("{{\"index\":0,\"message\":{message},\"finish_reason\":\"stop\"}}");
    let body = format!("{{\"id\":\"1\",\"choices\":[{choice}]}}");
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}
