use super::{
    format::{Content, Line},
    redaction::{Redaction, Secrets},
};
use crate::{
    Body, Delivery, ErrorKind, Request, ResponseFuture, Timer, Transport, TransportError,
    body::PolledFrame,
};
use bytes::Bytes;
use http::HeaderName;
use http_body::SizeHint;
use std::{
    fmt,
    fs::File,
    io::{self, Write as _},
    mem,
    path::{Path, PathBuf},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
    time::Instant,
};

/// Writes the exchanges of another transport to a file, for [`ReplayTransport`](super::ReplayTransport).
///
/// Secrets are [redacted](super). Times are those of the system's clock, unless a
/// [`timer`](Self::timer) is set. Each exchange is written, with blocking I/O, when it ends: when its
/// body has been read or dropped, or the call failed or was dropped.
///
/// ```no_run
/// use atoma_transport::{Transport, testing::record::RecordingTransport};
///
/// # fn record(inner: impl Transport) -> std::io::Result<()> {
/// let transport = RecordingTransport::new(inner, "tests/recordings/hello.jsonl")?;
/// // … make calls …
/// transport.finish()?; // reports errors of writing
/// # Ok(())
/// # }
/// ```
pub struct RecordingTransport<T> {
    inner: Arc<T>,
    file: Arc<Mutex<RecordingFile>>,
    redaction: Redaction,
    timer: Option<Arc<dyn Timer>>,
}

struct RecordingFile {
    file: File,
    path: PathBuf,
    error: Option<io::Error>,
}

impl<T: Transport> RecordingTransport<T> {
    /// Records the exchanges of `inner` in a new file. An old file of that name is replaced.
    ///
    /// # Errors
    ///
    /// The file cannot be created; the text names it.
    pub fn new(inner: T, path: impl AsRef<Path>) -> io::Result<Self> {
        let path = path.as_ref().to_owned();
        let file = File::create(&path).map_err(|error| explain(&path, &error))?;
        let file = Arc::new(Mutex::new(RecordingFile { file, path, error: None }));
        Ok(Self { inner: Arc::new(inner), file, redaction: Redaction::default(), timer: None })
    }

    /// Redacts the values of another header, in requests and responses.
    ///
    /// # Panics
    ///
    /// If `name` is not a valid header name.
    #[must_use]
    pub fn redact_header(mut self, name: &str) -> Self {
        self.redaction.add(HeaderName::from_bytes(name.as_bytes()).expect("a valid header name"));
        self
    }

    /// Sets the clock. Default: the system's.
    #[must_use]
    pub fn timer(mut self, timer: impl Timer) -> Self {
        self.timer = Some(Arc::new(timer));
        self
    }

    /// Checks that every exchange that has ended was written.
    ///
    /// # Errors
    ///
    /// The first error of writing; later calls fail with it too.
    pub fn finish(&self) -> io::Result<()> {
        let mut file = lock(&self.file);
        match file.error.take() {
            Some(error) => Err(error),
            None => file.file.flush(),
        }
    }
}

impl<T: Transport> Transport for RecordingTransport<T> {
    fn send(&self, request: Request) -> ResponseFuture {
        if let Some(error) = &lock(&self.file).error {
            let failed = TransportError::new(ErrorKind::Other, Delivery::NotSent).permanent();
            let failed = failed.with_detail("the recording failed").with_source(error.to_string());
            return Box::pin(std::future::ready(Err(failed)));
        }
        let mut recorder = Recorder::start(self, &request);
        let exchange = self.inner.send(request);
        Box::pin(async move {
            let response = match exchange.await {
                Ok(response) => response,
                Err(error) => {
                    recorder.end(|at_ms| Line::error(at_ms, &error));
                    return Err(error);
                }
            };
            let at_ms = recorder.at_ms();
            let headers = recorder.secrets.headers(response.headers());
            recorder.add(&Line::Response { at_ms, status: response.status().as_u16(), headers });
            Ok(response.map(|body| Body::streamed(RecordedBody { body, recorder })))
        })
    }
}

/// The lines of one exchange. Dropping it writes them.
struct Recorder {
    file: Arc<Mutex<RecordingFile>>,
    timer: Option<Arc<dyn Timer>>,
    began: Instant,
    secrets: Secrets,
    lines: String,
    has_ended: bool,
}

impl Recorder {
    fn start<T>(transport: &RecordingTransport<T>, request: &Request) -> Self {
        let secrets = transport.redaction.secrets_of(request);
        let line = Line::Request {
            method: request.method().to_string(),
            uri: secrets.uri(request.uri()),
            headers: secrets.headers(request.headers()),
            body: Content::body(&secrets.bytes(request.body())),
        };
        let mut recorder = Self {
            file: Arc::clone(&transport.file),
            timer: transport.timer.clone(),
            began: Instant::now(),
            secrets,
            lines: String::new(),
            has_ended: false,
        };
        recorder.began = recorder.now();
        recorder.add(&line);
        recorder
    }

    fn now(&self) -> Instant {
        self.timer.as_ref().map_or_else(Instant::now, Timer::now)
    }

    fn at_ms(&self) -> u64 {
        let elapsed = self.now().saturating_duration_since(self.began);
        elapsed.as_millis().try_into().unwrap_or(u64::MAX)
    }

    fn add(&mut self, line: &Line) {
        match serde_json::to_string(line) {
            Ok(line) => self.lines += &line,
            Err(error) => lock(&self.file).error = Some(error.into()),
        }
        self.lines.push('\n');
    }

    /// Adds the last line and writes the exchange, unless that has been done.
    fn end(&mut self, last: impl FnOnce(u64) -> Line) {
        if mem::replace(&mut self.has_ended, true) {
            return;
        }
        let mut last = last(self.at_ms());
        if let Line::Error { message, .. } = &mut last {
            *message = self.secrets.text(message);
        }
        self.add(&last);
        let mut file = lock(&self.file);
        if let Err(error) = file.file.write_all(self.lines.as_bytes()) {
            file.error = Some(explain(&file.path, &error));
        }
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.end(|at_ms| Line::Dropped { at_ms });
    }
}

struct RecordedBody {
    body: Body,
    recorder: Recorder,
}

impl http_body::Body for RecordedBody {
    type Data = Bytes;
    type Error = TransportError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> PolledFrame {
        let Self { body, recorder } = &mut *self;
        let frame = ready!(Pin::new(&mut *body).poll_frame(cx));
        match &frame {
            Some(Ok(frame)) => {
                if let Some(data) = frame.data_ref() {
                    let data = Content::bytes(&recorder.secrets.bytes(data));
                    recorder.add(&Line::Chunk { at_ms: recorder.at_ms(), data });
                }
                // A reader that knows the length does not ask for the end.
                if http_body::Body::is_end_stream(body) {
                    recorder.end(|at_ms| Line::End { at_ms });
                }
            }
            Some(Err(error)) => recorder.end(|at_ms| Line::error(at_ms, error)),
            None => recorder.end(|at_ms| Line::End { at_ms }),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        http_body::Body::is_end_stream(&self.body)
    }

    fn size_hint(&self) -> SizeHint {
        http_body::Body::size_hint(&self.body)
    }
}

impl<T: fmt::Debug> fmt::Debug for RecordingTransport<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordingTransport")
            .field("inner", &self.inner)
            .field("path", &lock(&self.file).path)
            .finish_non_exhaustive()
    }
}

fn lock(file: &Mutex<RecordingFile>) -> MutexGuard<'_, RecordingFile> {
    file.lock().unwrap_or_else(PoisonError::into_inner)
}

fn explain(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("cannot write the recording {}: {error}", path.display()))
}
