use crate::{
    Error, Result,
    body_format::{BodyFormat, is_event_stream, trimmed},
    call::{Answer, Sent},
    events::{Events, Said},
    idle_timeout::IdleTimeout,
    outcome::{answer_too_large, read_unfinished, too_large},
    reply::Head,
};
use atoma_sse::Decoder;
use atoma_transport::{Attempts, Body, TransportError};
use atoma_types::{ChatCompletionChunk, ChatCompletionResponse};
use bytes::{Buf, Bytes};
use futures_core::{FusedStream, Stream};
use http::{HeaderMap, StatusCode};
use http_body::Body as _;
use std::{
    fmt,
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

/// The answer as it is written, chunk by chunk.
///
/// It ends with `None` only when the answer is whole: `[DONE]` was seen, or a finish reason for
/// every choice. Anything else ends it with one error, which still holds what had arrived
/// ([`Error::partial`]); after that comes `None`. Dropping it closes the connection at once, which
/// on Atoma stops the billing.
///
/// Keep-alive comments are not seen and do not count as life: if no *event* comes for
/// [`stream_timeouts`](crate::ClientBuilder::stream_timeouts), the stream ends with
/// [`Error::is_timeout`].
///
/// Nothing is read ahead: a reader that pauses slows the server down, and no more than about
/// 64 KiB wait for it here.
pub struct ChatCompletionStream {
    mode: Mode,
    head: Head,
    /// When the head arrived.
    arrived: Instant,
    body: Body,
    /// What of the last frame is not decoded yet.
    frame: Bytes,
    /// A chunk was read while the stream was opened, and is still to be handed out.
    has_first: bool,
    decoder: Decoder,
    events: Events,
    idle: IdleTimeout,
    before_first: Option<Duration>,
    between: Option<Duration>,
    /// Frames since the last event.
    quiet_frames: u32,
    event_limit: usize,
    response_limit: usize,
}

/// What the body is being read as.
enum Mode {
    /// Not known yet; the bytes so far.
    Opening { beginning: Vec<u8>, labelled: bool },
    /// An event stream.
    Events,
    /// One JSON object in place of it; the bytes so far.
    Json(Vec<u8>),
    /// `[DONE]` was seen; what follows is read so that the connection can be used again.
    Draining { left: usize },
    /// The body is over; whether the answer is whole remains to be said.
    Closing,
    /// Nothing more will come.
    Ended,
}

/// How much may follow `[DONE]` before the connection is given up.
const DRAIN_LIMIT: usize = 64 << 10;
/// How long it may take.
const DRAIN_TIME: Duration = Duration::from_millis(200);
/// How long the usage and the end of the body may take once every choice is finished.
const SETTLED_TIME: Duration = Duration::from_secs(10);
/// How many frames without an event are read at a stretch.
const QUIET_FRAMES: u32 = 64;
/// How many blank bytes may come before the first event.
const BLANK_LIMIT: usize = 64 << 10;

/// A chunk to be handed out, which is in [`Events::chunk`], or the error that ends the stream.
type Step = Result<()>;

impl ChatCompletionStream {
    /// Waits, under another label than `text/event-stream`, until it is known what the body is.
    pub(crate) async fn open(sent: Sent, answer: Answer, choices: u32) -> Result<Self> {
        let (client, timeouts) = (sent.client.inner(), sent.timeouts);
        let key = sent.key(&answer).cloned();
        let Answer { head, body, .. } = answer;
        let labelled = is_event_stream(&head.headers);
        let mut stream = Self {
            mode: Mode::Opening { beginning: Vec::new(), labelled },
            head,
            arrived: client.timer.now(),
            body,
            frame: Bytes::new(),
            has_first: false,
            decoder: Events::decoder(client.limits.event),
            events: Events::new(choices, key, client.limits.response),
            idle: IdleTimeout::new(Arc::clone(&client.timer)),
            before_first: timeouts.head,
            between: timeouts.idle,
            quiet_frames: 0,
            event_limit: client.limits.event,
            response_limit: client.limits.response,
        };
        if !labelled {
            poll_fn(|cx| stream.poll_opened(cx)).await?;
        }
        Ok(stream)
    }

    /// The next chunk; `None` once the answer is whole.
    ///
    /// Cancel-safe: dropping the future loses nothing.
    ///
    /// # Errors
    ///
    /// Once, as the last item: [`Error::is_truncated`], [`Error::is_timeout`],
    /// [`Error::is_api_error`] and others, with [`Error::partial`].
    pub async fn try_next(&mut self) -> Result<Option<ChatCompletionChunk>> {
        Ok(if self.step().await? { Some(self.events.take_chunk()) } else { None })
    }

    /// The next chunk, lent until the next call; `None` once the answer is whole.
    ///
    /// For those who only look at each chunk: it is not copied, and most chunks cost no allocation.
    ///
    /// ```
    /// # async fn run(mut chunks: atoma::ChatCompletionStream) -> atoma::Result<()> {
    /// while let Some(chunk) = chunks.next_ref().await? {
    ///     print!("{}", chunk.text());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`try_next`](Self::try_next).
    pub async fn next_ref(&mut self) -> Result<Option<&ChatCompletionChunk>> {
        Ok(if self.step().await? { Some(self.events.chunk()) } else { None })
    }

    /// The next item of the stream, as `StreamExt::next` gives it.
    pub async fn next(&mut self) -> Option<Result<ChatCompletionChunk>> {
        self.try_next().await.transpose()
    }

    /// Reads to the end and puts the chunks together, as [`create`](crate::Chat::create) would
    /// have answered. Chunks already taken are part of it.
    ///
    /// # Errors
    ///
    /// As [`try_next`](Self::try_next).
    pub async fn into_response(mut self) -> Result<ChatCompletionResponse> {
        while self.step().await? {}
        Ok(self.events.into_response())
    }

    /// The answer as far as it has come; `None` before the first chunk.
    pub fn partial(&self) -> Option<ChatCompletionResponse> {
        self.events.partial()
    }

    /// The status; always a 2xx.
    pub fn status(&self) -> StatusCode {
        self.head.status
    }

    /// The response's headers.
    pub fn headers(&self) -> &HeaderMap {
        &self.head.headers
    }

    /// The server's name for this request (`x-request-id`), for its support; Atoma sends none.
    pub fn request_id(&self) -> Option<&str> {
        self.head.request_id()
    }

    /// How often the request was sent until the head came, how long it took, what failed before.
    pub fn attempts(&self) -> &Attempts {
        &self.head.attempts
    }

    /// Goes on to the next chunk; false once the answer is whole.
    async fn step(&mut self) -> Result<bool> {
        poll_fn(|cx| self.poll_step(cx)).await.transpose().map(|step| step.is_some())
    }

    fn poll_step(&mut self, cx: &mut Context<'_>) -> Poll<Option<Step>> {
        if std::mem::take(&mut self.has_first) {
            return Poll::Ready(Some(Ok(())));
        }
        loop {
            if let Mode::Ended = self.mode {
                return Poll::Ready(None);
            }
            if let Some(step) = ready!(self.poll_turn(cx)) {
                return Poll::Ready(Some(step));
            }
        }
    }

    /// Reads until it is known what the body is; a JSON answer is read to its end.
    fn poll_opened(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        while matches!(self.mode, Mode::Opening { .. } | Mode::Json(_)) {
            if let Some(step) = ready!(self.poll_turn(cx)) {
                step?;
                self.has_first = true;
            }
        }
        Poll::Ready(Ok(()))
    }

    /// One turn: takes something from the frame in hand, or fetches the next frame.
    fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<Option<Step>> {
        if let Mode::Closing = self.mode {
            return Poll::Ready(self.close());
        }
        if !self.frame.is_empty() {
            return Poll::Ready(self.consume());
        }
        match Pin::new(&mut self.body).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                self.frame = frame.into_data().unwrap_or_default();
                self.quiet_frames += 1;
                if self.quiet_frames < QUIET_FRAMES {
                    return Poll::Ready(None);
                }
                // Comments alone must neither hold the task for ever nor outrun the clock.
                self.quiet_frames = 0;
                if self.idle.has_expired(self.patience()) {
                    return Poll::Ready(self.out_of_time());
                }
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Poll::Ready(Some(Err(error))) => Poll::Ready(self.broken(error)),
            Poll::Ready(None) => Poll::Ready(self.end_of_body()),
            Poll::Pending => {
                let patience = self.patience();
                ready!(self.idle.poll_expired(cx, patience));
                Poll::Ready(self.out_of_time())
            }
        }
    }

    /// Takes the next item from the frame in hand, or all of the frame if there is none in it.
    fn consume(&mut self) -> Option<Step> {
        match &mut self.mode {
            Mode::Events => self.decode(),
            Mode::Opening { beginning, labelled } => {
                let labelled = *labelled;
                if !beginning.is_empty() {
                    beginning.extend_from_slice(&self.frame);
                    self.frame = std::mem::take(beginning).into();
                }
                match BodyFormat::detect(&self.frame, labelled) {
                    BodyFormat::Events => self.mode = Mode::Events,
                    BodyFormat::Json => self.mode = Mode::Json(Vec::new()),
                    BodyFormat::Unknown if self.frame.len() < BLANK_LIMIT => {
                        let beginning = std::mem::take(&mut self.frame).to_vec();
                        self.mode = Mode::Opening { beginning, labelled };
                    }
                    BodyFormat::Unknown | BodyFormat::Other => {
                        let what = "the answer is neither an event stream nor JSON";
                        let error = Error::unexpected(what, &self.events.cleansed(&self.frame));
                        return self.fail(error);
                    }
                }
                None
            }
            Mode::Json(json) => {
                let frame = std::mem::take(&mut self.frame);
                if json.len() + frame.len() > self.response_limit {
                    return self.fail(answer_too_large(self.response_limit));
                }
                json.extend_from_slice(&frame);
                None
            }
            Mode::Draining { left } => {
                let frame = std::mem::take(&mut self.frame);
                *left = left.saturating_sub(frame.len());
                if *left == 0 { self.finish() } else { None }
            }
            Mode::Closing | Mode::Ended => self.finish(),
        }
    }

    fn decode(&mut self) -> Option<Step> {
        let mut input = &self.frame[..];
        let said = match self.decoder.decode(&mut input) {
            Ok(Some(event)) => self.events.read(&event),
            Ok(None) => Ok(Said::Nothing),
            Err(_) => Err(too_large(self.event_limit)),
        };
        match input.len() {
            0 => self.frame = Bytes::new(),
            left => self.frame.advance(self.frame.len() - left),
        }
        match said {
            Ok(Said::Chunk) => {
                self.quiet_frames = 0;
                self.idle.reset();
                Some(Ok(()))
            }
            Ok(Said::Nothing) => None,
            Ok(Said::Done) => {
                self.frame = Bytes::new();
                self.mode = Mode::Draining { left: DRAIN_LIMIT };
                self.idle.reset();
                None
            }
            Err(error) => self.fail(error),
        }
    }

    /// How long the next event may take.
    fn patience(&self) -> Option<Duration> {
        let settled = |limit| self.between.map_or(limit, |between| between.min(limit));
        match &self.mode {
            Mode::Draining { .. } => Some(DRAIN_TIME),
            _ if self.events.is_settled() => Some(settled(SETTLED_TIME)),
            _ if self.events.has_begun() => self.between,
            _ => self.before_first,
        }
    }

    fn out_of_time(&mut self) -> Option<Step> {
        if self.events.is_settled() {
            return self.finish();
        }
        let limit = self.patience().unwrap_or_default();
        self.fail(Error::stalled(!self.events.has_begun(), limit))
    }

    fn end_of_body(&mut self) -> Option<Step> {
        let mode = std::mem::replace(&mut self.mode, Mode::Closing);
        let said = match mode {
            Mode::Json(json) => self.events.read_json(trimmed(&json)),
            Mode::Events => match self.decoder.finish() {
                Some(unfinished) => read_unfinished(&mut self.events, unfinished.data()),
                None => Ok(Said::Nothing),
            },
            _ => Ok(Said::Nothing),
        };
        match said {
            Ok(Said::Chunk) => Some(Ok(())),
            Ok(_) => None,
            Err(error) => self.fail(error),
        }
    }

    /// The body failed; that is no loss once the answer is whole.
    fn broken(&mut self, error: TransportError) -> Option<Step> {
        if self.events.is_complete() { self.finish() } else { self.fail(error.into()) }
    }

    fn close(&mut self) -> Option<Step> {
        match self.events.end() {
            Ok(()) => self.finish(),
            Err(error) => self.fail(error),
        }
    }

    fn fail(&mut self, error: Error) -> Option<Step> {
        self.finish();
        let error = error
            .with_head(&self.head)
            .with_body_time(self.idle.now().saturating_duration_since(self.arrived));
        Some(Err(error.with_partial(self.events.fail())))
    }

    /// Lets go of the connection; it goes back to its pool only if its body was read to the end.
    fn finish(&mut self) -> Option<Step> {
        self.mode = Mode::Ended;
        self.body = Body::empty();
        self.frame = Bytes::new();
        None
    }
}

impl Stream for ChatCompletionStream {
    type Item = Result<ChatCompletionChunk>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let step = ready!(self.poll_step(cx));
        Poll::Ready(step.map(|step| step.map(|()| self.events.take_chunk())))
    }
}

impl FusedStream for ChatCompletionStream {
    fn is_terminated(&self) -> bool {
        matches!(self.mode, Mode::Ended) && !self.has_first
    }
}

impl fmt::Debug for ChatCompletionStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChatCompletionStream")
            .field("head", &self.head)
            .field("terminated", &self.is_terminated())
            .finish_non_exhaustive()
    }
}
