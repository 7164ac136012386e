//! Reads the body of a streamed response: frames into events, and events into a model.
//!
//! Each poll takes turns until one yields a step. A turn does one thing, in this order of preference:
//!
//! ```text
//! the event has more values ──► next value
//! the body has ended ─────────► check that the response is complete
//! the frame has more bytes ───► next event, or all of a JSON body
//! otherwise ──────────────────► next frame, or the idle timeout
//! ```
//!
//! Nothing is read ahead: a frame is fetched when the one before it has been used up, so the server is slowed down to the speed of
//! the caller.

mod ending;

use crate::{
    Error, Metadata, Result,
    body_capture::Capture,
    body_format::{BodyFormat, event_decoder, is_event_stream},
    event_reader::{EventKind, EventReader},
    idle_timeout::IdleTimeout,
    observe::{CallResult, Observation},
    raw_event::RawEvent,
    response::OpenResponse,
    stream_stats::StreamStats,
};
use atoma_sse::Decoder;
use atoma_transport::{Body, Timer};
use atoma_types::StreamModel;
use bytes::Bytes;
use http_body::Body as _;
use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

/// The most bytes that may follow `[DONE]` before the connection is given up.
const DRAIN_LIMIT: usize = 64 << 10;
/// The most time that reading them may take.
const DRAIN_TIME: Duration = Duration::from_millis(200);
/// The number of frames without a chunk that are read before the task yields.
const QUIET_FRAMES: u32 = 64;
/// The number of blank bytes that may precede the first event.
const BLANK_LIMIT: usize = 64 << 10;

/// The reader of one streamed response.
///
/// ```text
/// Opening ──► Events ──► Draining ──┐
///    │           └──────────────┐   │
///    └──────► Json ──► Closing ◄┘   │
///                         └──► Ended ◄── any error
/// ```
pub(crate) struct BodyReader<M: StreamModel> {
    /// The format, and how far the body was read.
    mode: Mode,
    pub(crate) metadata: Box<Metadata>,
    body: Body,
    /// The current frame, of which `frame[read..]` is not decoded yet. It is kept until the next
    /// one is needed, because the raw text of the last event is in it.
    frame: Bytes,
    read: usize,
    /// Where the text of the last event is: in the frame, or copied.
    raw: RawEvent,
    /// The bytes of the whole body, if the caller wants them.
    pub(crate) capture: Capture,
    decoder: Decoder,
    /// The events joined so far.
    pub(crate) events: EventReader<M>,
    observation: Observation,
    /// The time since the last event, and the limits on it: before the first one, and between two.
    idle: IdleTimeout,
    before_first: Option<Duration>,
    between: Option<Duration>,
    /// Frames since the last chunk.
    quiet_frames: u32,
    event_limit: usize,
    response_limit: usize,
    stats: Box<StreamStats>,
}

/// The format that the body is read as.
enum Mode {
    /// Not known yet; the bytes so far.
    Opening { beginning: Vec<u8>, labeled: bool },
    /// An event stream.
    Events,
    /// One JSON value in its place; the bytes so far.
    Json(Vec<u8>),
    /// `[DONE]` was read. The rest of the body is read if it arrives soon: it counts, and the
    /// connection can be reused only at its end.
    Draining { left: usize },
    /// The body has ended. Whether the response is complete remains to be checked.
    Closing,
    /// Nothing more will arrive.
    Ended,
}

/// One step of a stream: a chunk, which is in [`EventReader::chunk`], or the error that ends it.
type Step = Result<()>;

impl<M: StreamModel> BodyReader<M> {
    pub(crate) fn new(response: OpenResponse, choices: u32) -> Self {
        let OpenResponse { core, metadata, body, timeouts, key, inspection, observation } =
            response;
        let labeled = is_event_stream(metadata.headers());

        let limits = core.limits;
        let stats = StreamStats::new(core.timer.now(), metadata.attempts().elapsed);
        Self {
            mode: Mode::Opening { beginning: Vec::new(), labeled },
            metadata: Box::new(metadata),
            body,
            frame: Bytes::new(),
            read: 0,
            raw: RawEvent::default(),
            capture: Capture::default(),
            decoder: event_decoder(limits.event),
            events: EventReader::new(choices, inspection, key, limits.response),
            observation,
            stats: Box::new(stats),
            idle: IdleTimeout::new(Arc::clone(&core.timer)),
            before_first: timeouts.head,
            between: timeouts.idle,
            quiet_frames: 0,
            event_limit: limits.event,
            response_limit: limits.response,
        }
    }

    /// Returns whether the format of the body is not known yet.
    pub(crate) fn is_unlabeled(&self) -> bool {
        matches!(self.mode, Mode::Opening { labeled: false, .. })
    }

    pub(crate) fn is_ended(&self) -> bool {
        matches!(self.mode, Mode::Ended)
    }

    pub(crate) fn timer(&self) -> Arc<dyn Timer> {
        self.idle.timer()
    }

    /// Keeps all bytes of the body from now on.
    pub(crate) fn start_capture(&mut self) {
        self.capture.start(&self.frame);
    }

    /// Returns the timing and the counts so far.
    pub(crate) fn stats(&self) -> StreamStats {
        self.stats.with_counts(self.decoder.comments(), self.events.usage().as_ref())
    }

    /// Returns the raw data of the last event.
    pub(crate) fn raw(&self) -> &str {
        self.raw.text(&self.frame)
    }

    /// Moves to the next chunk; `None` once the response has ended.
    pub(crate) fn poll_step(&mut self, cx: &mut Context<'_>) -> Poll<Option<Step>> {
        loop {
            if self.is_ended() {
                return Poll::Ready(None);
            }
            if let Some(step) = ready!(self.poll_turn(cx)) {
                return Poll::Ready(Some(step));
            }
        }
    }

    /// Reads until the format of the body is known, and a JSON body to its end. Returns whether a
    /// chunk was read meanwhile.
    pub(crate) fn poll_open(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool>> {
        while matches!(self.mode, Mode::Opening { .. } | Mode::Json(_)) {
            if let Some(step) = ready!(self.poll_turn(cx)) {
                return Poll::Ready(step.map(|()| true));
            }
        }
        Poll::Ready(Ok(false))
    }

    /// One step: takes an item from the current event or frame, or fetches the next frame.
    fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<Option<Step>> {
        if self.events.has_rest() {
            let kind = self.events.read_rest();
            return Poll::Ready(self.handle(kind));
        }
        if let Mode::Closing = self.mode {
            return Poll::Ready(self.close());
        }
        if self.read < self.frame.len() {
            return Poll::Ready(self.consume());
        }
        self.release_frame();
        match Pin::new(&mut self.body).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                self.frame = frame.into_data().unwrap_or_default();
                // Before decoding, which may end the response in the middle of the frame.
                self.capture.push(&self.frame, self.response_limit);
                self.quiet_frames += 1;
                if self.quiet_frames < QUIET_FRAMES {
                    return Poll::Ready(None);
                }
                // Yield after 64 frames without a chunk, so that a flood of comments cannot starve
                // the task or the idle timeout.
                self.quiet_frames = 0;
                if self.idle.has_expired(self.idle_limit()) {
                    return Poll::Ready(self.time_out());
                }
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Poll::Ready(Some(Err(error))) => Poll::Ready(self.interrupt(error)),
            Poll::Ready(None) => Poll::Ready(self.end_of_body()),
            Poll::Pending => {
                self.stats.wait(&self.idle);
                let limit = self.idle_limit();
                Poll::Ready(match ready!(self.idle.poll_expired(cx, limit)) {
                    Ok(()) => self.time_out(),
                    Err(error) => self.interrupt(error),
                })
            }
        }
    }

    /// Drops the frame, so that a stream that waits holds no memory of the connection.
    fn release_frame(&mut self) {
        self.frame = Bytes::new();
        self.read = 0;
        self.raw.leave_frame();
    }

    /// Takes the next item from the current frame, or all of the frame if there is none in it.
    fn consume(&mut self) -> Option<Step> {
        match &mut self.mode {
            Mode::Events => self.decode(),
            Mode::Opening { beginning, labeled } => {
                let labeled = *labeled;
                // The format was not clear from the bytes before: read them again together with this frame.
                if !beginning.is_empty() {
                    beginning.extend_from_slice(&self.frame);
                    self.frame = std::mem::take(beginning).into();
                }
                match BodyFormat::detect(&self.frame, labeled) {
                    BodyFormat::Events => self.mode = Mode::Events,
                    BodyFormat::Json => self.mode = Mode::Json(Vec::new()),
                    BodyFormat::Unknown if self.frame.len() < BLANK_LIMIT => {
                        let beginning = std::mem::take(&mut self.frame).to_vec();
                        self.mode = Mode::Opening { beginning, labeled };
                    }
                    BodyFormat::Unknown | BodyFormat::Other => {
                        let what = "the response is neither an event stream nor JSON";
                        let error = Error::unexpected(what, &self.events.redacted(&self.frame));
                        return self.fail(error);
                    }
                }
                None
            }
            Mode::Json(json) => {
                if json.len() + self.frame.len() > self.response_limit {
                    return self.fail(Error::response_too_large(self.response_limit));
                }
                json.extend_from_slice(&self.frame);
                self.release_frame();
                None
            }
            Mode::Draining { left: 0 } => self.close(),
            Mode::Draining { left } => {
                let (left, start) = (*left, self.read);
                // Events after `[DONE]` count; only the bytes are limited.
                let step = self.decode();
                if let Mode::Draining { left: remaining } = &mut self.mode {
                    *remaining = left.saturating_sub(self.read - start);
                }
                step
            }
            Mode::Closing | Mode::Ended => self.finish(),
        }
    }

    /// Reads the next event of the frame, or all of the frame if no event ends in it.
    fn decode(&mut self) -> Option<Step> {
        let mut input = &self.frame[self.read..];
        let kind = match self.decoder.decode(&mut input) {
            Ok(Some(event)) => {
                self.raw.set(event.data(), &self.frame);
                self.stats.count_event();
                self.observation.event(event.data());
                self.events.read(&event)
            }
            Ok(None) => Ok(EventKind::Nothing),
            // An oversized event after `[DONE]` cannot be part of the response.
            Err(_) if self.events.is_done() => return self.close(),
            Err(_) => Err(Error::event_too_large(self.event_limit)),
        };
        self.read = self.frame.len() - input.len();
        self.handle(kind)
    }

    /// Turns the kind of a value into a step.
    #[inline]
    fn handle(&mut self, kind: Result<EventKind>) -> Option<Step> {
        match kind {
            Ok(EventKind::Chunk) => {
                self.quiet_frames = 0;
                // Only events count as activity: bytes and comments do not.
                self.idle.reset();
                self.stats.count_chunk(&self.idle, || self.events.model().size() > 0);
                Some(Ok(()))
            }
            Ok(EventKind::Nothing) => None,
            Ok(EventKind::Done) => {
                // The body need not end here: read a little further, so that the connection can be reused.
                if !matches!(self.mode, Mode::Closing) {
                    self.mode = Mode::Draining { left: DRAIN_LIMIT };
                }
                self.idle.reset();
                None
            }
            Err(error) => self.fail(error),
        }
    }

    /// Returns how long the next event may take.
    fn idle_limit(&self) -> Option<Duration> {
        match &self.mode {
            Mode::Draining { .. } => Some(DRAIN_TIME),
            _ if self.stats.chunks() > 0 => self.between,
            _ => self.before_first,
        }
    }
}

/// The caller may drop a stream at any time; the observers then receive its state so far.
impl<M: StreamModel> Drop for BodyReader<M> {
    fn drop(&mut self) {
        self.report(CallResult::Dropped);
    }
}
