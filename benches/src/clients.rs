//! The measured clients: ours, the peers, and the floors, which are hyper by hand without limits,
//! timeouts or checks.

use crate::{memory, shapes::Shape, traffic::Mode};
use cpu_time::ProcessTime;
use std::{
    fmt,
    future::Future,
    hint::black_box,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

mod floor;
mod ours;
#[cfg(feature = "peers")]
mod peers;

pub use floor::Chunk as FloorChunk;

/// A failure in a client, with its text only.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// A call in progress.
pub type Call<'a> = Pin<Box<dyn Future<Output = Result<(), Error>> + Send + 'a>>;

/// A client of chat completions.
pub trait Client: Send {
    /// Streams one response into `tally`, to the end of the body.
    fn stream<'a>(&'a mut self, mode: Mode, tally: &'a mut Tally) -> Call<'a>;

    /// Reads one unary response into `tally`.
    fn unary<'a>(&'a mut self, tally: &'a mut Tally) -> Call<'a>;

    /// Reads one response of a shape. Only the floors and our client do.
    fn shape<'a>(&'a mut self, _shape: &'a Shape) -> Call<'a> {
        Box::pin(async { Err("this client reads no shapes".into()) })
    }
}

/// A measured client.
#[derive(Clone, Copy)]
pub struct Contender {
    /// The name, as in the results.
    pub name: &'static str,
    /// Makes a client of the server at that address.
    pub open: fn(SocketAddr) -> Result<Box<dyn Client>, Error>,
}

/// The name of the floor, the base of all ratios.
pub const FLOOR: &str = "floor: hyper, memchr, serde_json";
/// The name of our client.
pub const OURS: &str = "atoma";

/// All measured clients, in the order of the results.
pub fn contenders() -> Vec<Contender> {
    #[cfg_attr(not(feature = "peers"), expect(unused_mut))]
    let mut contenders = vec![
        Contender { name: FLOOR, open: floor::spawned },
        Contender { name: "floor, connection driven inline", open: floor::inline },
        Contender { name: OURS, open: ours::open },
        Contender { name: "atoma, lending", open: ours::open_lending },
    ];
    #[cfg(feature = "peers")]
    contenders.extend(peers::PEERS);
    contenders
}

/// Our client with observers, to compare with it alone. They are not among the results.
pub const OBSERVED: [Contender; 2] = [
    Contender { name: "atoma, observed", open: ours::open_observed },
    Contender { name: "atoma, logged", open: ours::open_logged },
];

/// The floor, with its connection over TLS.
pub fn floor_over_tls(address: SocketAddr, config: Arc<rustls::ClientConfig>) -> Box<dyn Client> {
    floor::spawned_over_tls(address, config)
}

/// Returns the client of that name.
pub fn contender(name: &str) -> Option<Contender> {
    contenders().into_iter().chain(OBSERVED).find(|contender| contender.name == name)
}

/// The contents of a stream, as a client read them.
#[derive(Debug, Default)]
pub struct Tally {
    /// The number of pieces of text that were not empty.
    pub events: usize,
    /// The sum of their lengths.
    pub length: usize,
    /// The text itself, if it is to be kept.
    pub text: Option<String>,
    /// The growth of the process, in bytes, while the reader paused.
    pub growth: Option<i64>,
    /// The time to the first piece of text, if it is to be measured.
    pub first: Option<Duration>,
    start: Option<Instant>,
    hold_after: Option<usize>,
    before: u64,
    opening: Option<Arc<Opening>>,
}

/// The processor time of this process until many streams have each read their first text.
#[derive(Debug)]
pub struct Opening {
    left: AtomicUsize,
    time: OnceLock<Duration>,
    start: ProcessTime,
}

impl Opening {
    /// Starts measuring the opening of this many streams.
    pub fn of(streams: usize) -> Arc<Self> {
        let (left, time) = (AtomicUsize::new(streams), OnceLock::new());
        Arc::new(Self { left, time, start: ProcessTime::now() })
    }

    /// The time until the last stream was open, and since then; zero if one is not yet.
    pub fn times(&self) -> (Duration, Duration) {
        let all = self.start.elapsed();
        let opening = self.time.get().copied().unwrap_or(all);
        (opening, all.saturating_sub(opening))
    }

    fn opened(&self) {
        if self.left.fetch_sub(1, Ordering::Relaxed) == 1 {
            let _ = self.time.set(self.start.elapsed());
        }
    }
}

impl Tally {
    /// Counts, and keeps the text to be compared.
    pub fn keeping() -> Self {
        Self { text: Some(String::new()), ..Self::default() }
    }

    /// Counts, and pauses the reader for a while after this many pieces.
    pub fn holding(after: usize) -> Self {
        Self { hold_after: Some(after), before: memory::anonymous(), ..Self::default() }
    }

    /// Counts, and reports the first piece of text.
    pub fn opening(opening: &Arc<Opening>) -> Self {
        Self { opening: Some(Arc::clone(opening)), ..Self::default() }
    }

    /// Counts, and measures the time from then to the first piece of text.
    pub fn timing(start: Instant) -> Self {
        Self { start: Some(start), ..Self::default() }
    }

    /// Adds a piece of text; returns true if the reader should now pause and then stop.
    pub fn add(&mut self, text: &str) -> bool {
        if text.is_empty() {
            return false;
        }
        self.events += 1;
        if self.events == 1 {
            self.first = self.start.map(|start| start.elapsed());
            if let Some(opening) = &self.opening {
                opening.opened();
            }
        }
        self.length += black_box(text).len();
        if let Some(kept) = &mut self.text {
            kept.push_str(text);
        }
        self.hold_after == Some(self.events)
    }

    /// Pauses for three seconds.
    pub async fn hold(&mut self) {
        tokio::time::sleep(Duration::from_secs(3)).await;
        self.growth = Some(memory::anonymous() as i64 - self.before as i64);
    }

    /// Checks that nothing was lost and nothing was added.
    ///
    /// # Errors
    ///
    /// Returns the difference.
    pub fn check(&self, mode: Mode) -> Result<(), Error> {
        let wanted = mode.text();
        let (events, length) = (self.events, self.length);
        if events != mode.events() || length != wanted.len() {
            let (wanted_events, wanted) = (mode.events(), wanted.len());
            let found = format!("{events} events and {length} bytes of text");
            return Err(format!("{found}, not {wanted_events} and {wanted}").into());
        }
        match &self.text {
            Some(text) if *text != wanted => Err("the text is another".into()),
            _ => Ok(()),
        }
    }
}

impl fmt::Debug for Contender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// The request that all of them send.
fn request_body(model: &str, streams: bool) -> String {
    format!(
        "{{\"model\":\"{model}\",\"messages\":[{{\"role\":\"user\",\"content\":\"Hello!\"}}],\
         \"stream\":{streams}}}"
    )
}
