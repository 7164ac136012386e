//! The server: it accepts, plays a script on each connection, and remembers what it saw.

use super::Script;
use rustls::ServerConnection;
use std::{
    collections::VecDeque,
    future::Future,
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Notify,
    task::{JoinHandle, JoinSet},
};

/// Something that happened on the connection of that number, the first being 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    Accepted(usize),
    /// What was to be spoken over TCP did not come about.
    NotSpoken(usize, String),
    /// A request was read, head and body.
    Request(usize, String),
    /// So many bytes of a flood were taken.
    Flooded(usize, u64),
    /// The script stands at a gate, or waits for the client to close.
    Halted(usize),
    /// The gate was opened.
    WentOn(usize),
    /// The client has closed or reset.
    ClosedByClient(usize),
    /// The server's end is closed.
    Over(usize),
}

/// What speaks over a TCP stream, for instance TLS.
pub type Wrap = Arc<
    dyn Fn(TcpStream) -> Pin<Box<dyn Future<Output = io::Result<Box<dyn Io>>> + Send>>
        + Send
        + Sync,
>;

/// A stream of bytes that can be reset.
pub trait Io: AsyncRead + AsyncWrite + Unpin + Send {
    /// Makes the coming close a reset.
    fn reset_on_close(&self);

    /// The server's half of TLS, where that is spoken.
    fn tls(&mut self) -> Option<&mut ServerConnection> {
        None
    }
}

impl Io for TcpStream {
    fn reset_on_close(&self) {
        self.set_zero_linger().expect("SO_LINGER");
    }
}

/// Everything a server saw, in order; clones are the same log.
#[derive(Clone, Default)]
pub struct Log(Arc<Shared>);

#[derive(Default)]
struct Shared {
    events: Mutex<Vec<Event>>,
    changed: Notify,
}

impl Log {
    pub fn events(&self) -> MutexGuard<'_, Vec<Event>> {
        self.0.events.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn note(&self, event: Event) {
        self.events().push(event);
        self.0.changed.notify_waiters();
    }

    /// How many connections were accepted.
    pub fn accepted(&self) -> usize {
        self.count(|event| matches!(event, Event::Accepted(_)))
    }

    /// How many connections the client has closed.
    pub fn closed_by_client(&self) -> usize {
        self.count(|event| matches!(event, Event::ClosedByClient(_)))
    }

    /// Whether the server closed a connection and cannot tell whether the client did as well.
    pub fn closed_first(&self) -> bool {
        let events = self.events();
        let unseen = |event: &Event| match event {
            Event::Over(number) => !events.contains(&Event::ClosedByClient(*number)),
            _ => false,
        };
        events.iter().any(unseen)
    }

    /// How many bytes of floods the client and the kernel have taken.
    pub fn flooded(&self) -> u64 {
        let events = self.events();
        events
            .iter()
            .map(|event| if let Event::Flooded(_, bytes) = event { *bytes } else { 0 })
            .sum()
    }

    /// The requests that were read.
    pub fn requests(&self) -> Vec<String> {
        let text = |event: &Event| match event {
            Event::Request(_, text) => Some(text.clone()),
            _ => None,
        };
        self.events().iter().filter_map(text).collect()
    }

    /// How often a script came to a halt.
    pub fn halts(&self) -> usize {
        self.count(|event| matches!(event, Event::Halted(_)))
    }

    /// Waits until `condition` holds.
    pub async fn reach(&self, condition: impl Fn(&Self) -> bool) {
        loop {
            let changed = self.0.changed.notified();
            if condition(self) {
                return;
            }
            changed.await;
        }
    }

    fn count(&self, which: impl Fn(&Event) -> bool) -> usize {
        self.events().iter().filter(|event| which(event)).count()
    }
}

/// A server on loopback. Dropping it ends it; [`shut_down`](Self::shut_down) waits for that.
pub struct Server {
    pub address: SocketAddr,
    log: Log,
    closing: Arc<Notify>,
    task: JoinHandle<()>,
}

impl Server {
    /// Plays one script on each connection, and `then` on those after the last.
    pub async fn start(ip: IpAddr, scripts: Vec<Script>, then: Script, wrap: Option<Wrap>) -> Self {
        let listener = TcpListener::bind((ip, 0)).await.expect("a loopback port");
        Self::on(listener, scripts, then, wrap)
    }

    /// The same on a port that is open already.
    pub fn on(
        listener: TcpListener,
        scripts: Vec<Script>,
        then: Script,
        wrap: Option<Wrap>,
    ) -> Self {
        let address = listener.local_addr().expect("an address");
        let (log, closing) = (Log::default(), Arc::new(Notify::new()));
        let accept = accept(listener, scripts, then, wrap, log.clone(), closing.clone());
        let task = tokio::spawn(accept);
        Self { address, log, closing, task }
    }

    pub fn log(&self) -> Log {
        self.log.clone()
    }

    /// Waits until `condition` holds of what was seen.
    pub async fn wait_for(&self, condition: impl Fn(&Log) -> bool) {
        self.log.reach(condition).await;
    }

    /// Accepts nothing more, and waits until the client has closed everything.
    pub async fn shut_down(mut self) {
        self.closing.notify_one();
        if let Err(error) = (&mut self.task).await {
            std::panic::resume_unwind(error.into_panic());
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(
    listener: TcpListener,
    scripts: Vec<Script>,
    then: Script,
    wrap: Option<Wrap>,
    log: Log,
    closing: Arc<Notify>,
) {
    let mut scripts = VecDeque::from(scripts);
    let mut connections = JoinSet::new();
    for number in 0.. {
        let stream = tokio::select! {
            accepted = listener.accept() => accepted.expect("a connection").0,
            () = closing.notified() => break,
        };
        log.note(Event::Accepted(number));
        let script = scripts.pop_front().unwrap_or_else(|| then.clone());
        connections.spawn(converse(stream, number, script, wrap.clone(), log.clone()));
    }
    drop(listener);
    while let Some(ended) = connections.join_next().await {
        ended.expect("a script does not panic");
    }
}

async fn converse(stream: TcpStream, number: usize, script: Script, wrap: Option<Wrap>, log: Log) {
    stream.set_nodelay(true).expect("TCP_NODELAY");
    let io: Box<dyn Io> = match wrap {
        None => Box::new(stream),
        Some(wrap) => match wrap(stream).await {
            Ok(io) => io,
            Err(error) => {
                log.note(Event::NotSpoken(number, error.to_string()));
                log.note(Event::Over(number));
                return;
            }
        },
    };
    script.play(Peer { io, number, unread: Vec::new(), is_closed: false, log: log.clone() }).await;
    log.note(Event::Over(number));
}

/// The server's end of a connection.
pub struct Peer {
    pub io: Box<dyn Io>,
    /// 0 for the first connection.
    pub number: usize,
    unread: Vec<u8>,
    is_closed: bool,
    log: Log,
}

impl Peer {
    /// The next request, head and body, as text; `None` if the client has closed.
    pub async fn request(&mut self) -> Option<String> {
        let head = loop {
            if let Some(end) = self.unread.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
            self.read().await?;
        };
        let text = String::from_utf8_lossy(&self.unread[..head]).to_ascii_lowercase();
        let length = text.split_once("content-length:").map_or(0, |(_, rest)| {
            let digits = rest.split("\r\n").next().unwrap_or_default();
            digits.trim().parse().expect("a length")
        });
        while self.unread.len() < head + length {
            self.read().await?;
        }
        let request: Vec<u8> = self.unread.drain(..head + length).collect();
        let request = String::from_utf8_lossy(&request).into_owned();
        self.log.note(Event::Request(self.number, request.clone()));
        Some(request)
    }

    /// The next `count` bytes; `None` if the client closes before.
    pub async fn take(&mut self, count: usize) -> Option<Vec<u8>> {
        self.read_at_least(count).await;
        (self.unread.len() >= count).then(|| self.unread.drain(..count).collect())
    }

    /// Passes everything on, and back, until both have closed.
    pub async fn pass_on(&mut self, mut onward: TcpStream) {
        assert!(self.unread.is_empty(), "the client spoke before it was told to");
        let _ = tokio::io::copy_bidirectional(&mut self.io, &mut onward).await;
    }

    pub fn log(&self) -> Log {
        self.log.clone()
    }

    pub async fn read_at_least(&mut self, count: usize) {
        while self.unread.len() < count && self.read().await.is_some() {}
    }

    /// Sends `bytes`; a client that is gone does not matter.
    pub async fn write(&mut self, bytes: &[u8]) {
        let _ = self.io.write_all(bytes).await;
        let _ = self.io.flush().await;
    }

    pub async fn flood(&mut self, bytes: &[u8], at_most: u64) {
        let mut taken = 0;
        while taken < at_most {
            let at = (taken % bytes.len() as u64) as usize;
            match self.io.write(&bytes[at..]).await {
                Ok(count) => taken += count as u64,
                Err(_) => break,
            }
        }
        self.log.note(Event::Flooded(self.number, taken));
    }

    pub async fn half_close(&mut self) {
        let _ = self.io.shutdown().await;
    }

    pub async fn until_closed(&mut self) {
        self.halts();
        while self.read().await.is_some() {
            self.unread.clear();
        }
    }

    pub fn reset(self) {
        self.io.reset_on_close();
    }

    /// Notes that the script stands still until someone else does something.
    pub fn halts(&self) {
        if !self.is_closed {
            self.log.note(Event::Halted(self.number));
        }
    }

    pub fn goes_on(&self) {
        self.log.note(Event::WentOn(self.number));
    }

    /// Reads some more; `None` if the client has closed.
    async fn read(&mut self) -> Option<usize> {
        match self.io.read_buf(&mut self.unread).await {
            Ok(count) if count > 0 => Some(count),
            _ => {
                if !self.is_closed {
                    self.is_closed = true;
                    self.log.note(Event::ClosedByClient(self.number));
                }
                None
            }
        }
    }
}
