use super::{
    format::{Content, Line, to_error},
    redaction::Redaction,
};
use crate::{
    Delivery, ErrorKind, Request, ResponseFuture, Timer, Transport, TransportError,
    testing::{Exchange, ScriptedTransport},
};
use http::Uri;
use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// Plays the exchanges of a recording, without the network.
///
/// A request gets the first exchange that has not been played and whose method, path, query and body
/// are the same; JSON bodies are compared as JSON. Servers and headers are not compared. Responses
/// have the recorded chunks, and with a [`timer`](Self::timer) the recorded times. Clones are the
/// same transport.
///
/// A request that matches nothing fails permanently with [`ErrorKind::Other`], and the error names
/// the closest exchange.
///
/// ```
/// use atoma_transport::{Transport, testing::{ManualTimer, record::ReplayTransport}};
///
/// let recording = r#"
/// {"request":{"method":"GET","uri":"https://api.test/health","headers":{}}}
/// {"response":{"at_ms":5,"status":200,"headers":{}}}
/// {"end":{"at_ms":5}}
/// "#;
/// let transport = ReplayTransport::parse(recording)?;
/// let request = http::Request::get("http://localhost/health").body(Default::default())?;
/// let response = ManualTimer::new().run(transport.send(request))?;
/// assert_eq!((response.status().as_u16(), transport.exchanges_left()), (200, 0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct ReplayTransport {
    exchanges: Arc<Mutex<Vec<Recorded>>>,
    timer: Option<Arc<dyn Timer>>,
    compares_bodies: bool,
}

/// An exchange of a recording.
struct Recorded {
    /// The number of its first line.
    line: usize,
    method: String,
    /// Path and query.
    target: String,
    body: Content,
    /// The lines after the request, with their numbers.
    lines: Vec<(usize, Line)>,
    was_played: bool,
}

impl ReplayTransport {
    /// Reads a recording from a file.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or a line is not part of a recording; the text names file and line.
    pub fn open(path: impl AsRef<Path>) -> io::Result<Self> {
        let path: PathBuf = path.as_ref().to_owned();
        let explain = |error: io::Error| {
            io::Error::new(error.kind(), format!("recording {}: {error}", path.display()))
        };
        Self::parse(&fs::read_to_string(&path).map_err(explain)?).map_err(explain)
    }

    /// Reads a recording from a text. Empty lines are ignored.
    ///
    /// # Errors
    ///
    /// A line is not part of a recording; the text names its number.
    pub fn parse(text: &str) -> io::Result<Self> {
        let mut exchanges: Vec<Recorded> = Vec::new();
        for (index, text) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let number = index + 1;
            let invalid = |problem: &dyn fmt::Display| {
                io::Error::new(io::ErrorKind::InvalidData, format!("line {number}: {problem}"))
            };
            match serde_json::from_str(text).map_err(|error| invalid(&error))? {
                Line::Request { method, uri, body, .. } => {
                    let uri: Uri = uri.parse().map_err(|error| invalid(&error))?;
                    let (target, lines) = (target(&uri), Vec::new());
                    let line = number;
                    exchanges.push(Recorded {
                        line,
                        method,
                        target,
                        body,
                        lines,
                        was_played: false,
                    });
                }
                line => {
                    let exchange = exchanges.last_mut();
                    let exchange = exchange.ok_or_else(|| invalid(&"a request must come first"))?;
                    exchange.lines.push((number, line));
                }
            }
        }
        // An exchange that cannot be played is reported now, and not in the middle of a test.
        for exchange in &exchanges {
            exchange
                .play(false)
                .map_err(|text| io::Error::new(io::ErrorKind::InvalidData, text))?;
        }
        let exchanges = Arc::new(Mutex::new(exchanges));
        Ok(Self { exchanges, timer: None, compares_bodies: true })
    }

    /// Sets the clock, and plays the recorded times with it. Default: everything is available
    /// immediately.
    #[must_use]
    pub fn timer(mut self, timer: impl Timer) -> Self {
        self.timer = Some(Arc::new(timer));
        self
    }

    /// Stops comparing request bodies: method, path and query are enough.
    #[must_use]
    pub fn ignore_bodies(mut self) -> Self {
        self.compares_bodies = false;
        self
    }

    /// Returns the number of exchanges that have not been played.
    pub fn exchanges_left(&self) -> usize {
        self.lock().iter().filter(|exchange| !exchange.was_played).count()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Recorded>> {
        self.exchanges.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(&self, request: &Request) -> Result<Exchange, String> {
        // Recorded requests have no secrets, so this one is compared without its own.
        let secrets = Redaction::default().secrets_of(request);
        let target = secrets.text(&target(request.uri()));
        let body = Content::body(&secrets.bytes(request.body()));
        let mut exchanges = self.lock();
        let mut closest = None;
        for exchange in exchanges.iter_mut() {
            if exchange.method != request.method().as_str() || exchange.target != target {
                continue;
            }
            if self.compares_bodies && exchange.body != body {
                closest = closest.or(Some((exchange.line, "has another body")));
            } else if exchange.was_played {
                closest = closest.or(Some((exchange.line, "has been played")));
            } else {
                exchange.was_played = true;
                return exchange.play(self.timer.is_some());
            }
        }
        let hint = closest.map(|(line, why)| format!(": the one in line {line} {why}"));
        let (method, hint) = (request.method(), hint.unwrap_or_default());
        Err(format!("no recorded exchange for {method} {target}{hint}"))
    }
}

impl Recorded {
    /// Returns the exchange to play, or the line that cannot be played.
    fn play(&self, with_times: bool) -> Result<Exchange, String> {
        let mut now = 0;
        let mut wait = |at_ms: u64| {
            let wait = Duration::from_millis(at_ms.saturating_sub(now));
            now = now.max(at_ms);
            Some(wait).filter(|wait| with_times && !wait.is_zero())
        };
        let mut playing: Option<Exchange> = None;
        let mut has_ended = false;
        for (number, line) in &self.lines {
            let invalid = |problem: &str| format!("line {number}: {problem}");
            if has_ended {
                return Err(invalid("the exchange has ended before"));
            }
            playing = Some(match (line, playing.take()) {
                (Line::Response { at_ms, status, headers }, None) => {
                    if !(100..=999).contains(status) {
                        return Err(invalid("a status is from 100 to 999"));
                    }
                    let head = later_head(Exchange::respond(*status), wait(*at_ms));
                    let mut values = headers.iter().flat_map(|(name, values)| {
                        values.as_slice().iter().map(move |v| (name, v))
                    });
                    values.try_fold(head, |head, (name, value)| {
                        head.try_header(name, value).map_err(|error| invalid(&error))
                    })?
                }
                (Line::Chunk { at_ms, data }, Some(exchange)) => {
                    let data = data.to_bytes().map_err(|problem| invalid(&problem))?;
                    later(exchange, wait(*at_ms)).body(data)
                }
                (Line::Error { at_ms, kind, delivery, transient, message }, exchange) => {
                    has_ended = true;
                    let error = to_error(kind, delivery, *transient, message);
                    let error = error.map_err(|problem| invalid(&problem))?;
                    match exchange {
                        None => later_head(Exchange::fail(error), wait(*at_ms)),
                        Some(exchange) => later(exchange, wait(*at_ms)).body_error(error),
                    }
                }
                (Line::End { at_ms }, Some(exchange)) => {
                    has_ended = true;
                    later(exchange, wait(*at_ms))
                }
                (Line::Dropped { .. }, exchange) => {
                    has_ended = true;
                    let error = no_more("the recorded call was dropped here");
                    match exchange {
                        None => Exchange::fail(error),
                        Some(exchange) => exchange.body_error(error),
                    }
                }
                (_, Some(_)) => return Err(invalid("an exchange has one response")),
                (_, None) => return Err(invalid("a response or an error must come first")),
            });
        }
        let last = self.lines.last().map_or(self.line, |(number, _)| *number);
        playing
            .filter(|_| has_ended)
            .ok_or_else(|| format!("line {last}: the exchange has no `end`, `error` or `dropped`"))
    }
}

fn later_head(exchange: Exchange, wait: Option<Duration>) -> Exchange {
    match wait {
        Some(wait) => exchange.head_after(wait),
        None => exchange,
    }
}

fn later(exchange: Exchange, wait: Option<Duration>) -> Exchange {
    match wait {
        Some(wait) => exchange.pause(wait),
        None => exchange,
    }
}

fn no_more(detail: impl Into<std::borrow::Cow<'static, str>>) -> TransportError {
    TransportError::new(ErrorKind::Other, Delivery::NotSent).permanent().with_detail(detail)
}

fn target(uri: &Uri) -> String {
    uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str).to_owned()
}

impl Transport for ReplayTransport {
    fn send(&self, request: Request) -> ResponseFuture {
        match self.find(&request) {
            Ok(exchange) => {
                let mut playing = ScriptedTransport::new([exchange]);
                if let Some(timer) = &self.timer {
                    playing = playing.timer(Arc::clone(timer));
                }
                playing.send(request)
            }
            Err(problem) => Box::pin(std::future::ready(Err(no_more(problem)))),
        }
    }
}

impl fmt::Debug for ReplayTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplayTransport")
            .field("exchanges_left", &self.exchanges_left())
            .finish_non_exhaustive()
    }
}
