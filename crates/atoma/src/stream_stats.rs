use crate::idle_timeout::IdleTimeout;
use atoma_types::Usage;
use std::time::{Duration, Instant};

/// The timing of a stream and its counts so far;
/// [`ResponseStream::stats`](crate::ResponseStream::stats) returns it.
///
/// All times are measured on the client's [timer](crate::ClientBuilder::timer) from the start of the
/// call, so that they include retries and the wait for the head. They are those at which the reader
/// received the data: a reader that pauses measures its own pauses too, except in
/// [`longest_gap`](Self::longest_gap).
#[derive(Clone, Debug)]
pub struct StreamStats {
    started: Instant,
    opened: Instant,
    first_chunk: Option<Instant>,
    first_token: Option<Instant>,
    /// The time of the last chunk whose time was read.
    last: Instant,
    ended: Option<Instant>,
    longest_gap: Duration,
    chunks: u64,
    /// The number of chunks at `last`.
    chunks_at_last: u64,
    events: u64,
    comments: u64,
    output_tokens: Option<u64>,
    /// The reader waits for data.
    is_waiting: bool,
    /// The time of the next chunk has to be read: the reader waited for it, or no token has
    /// arrived.
    needs_time: bool,
}

impl StreamStats {
    /// Returns the time to the head of the response.
    pub fn head(&self) -> Duration {
        self.since_start(self.opened)
    }

    /// Returns the time to the first chunk; `None` before it. Many servers send a first chunk without
    /// text immediately.
    pub fn first_chunk(&self) -> Option<Duration> {
        self.first_chunk.map(|time| self.since_start(time))
    }

    /// Returns the time to the first token: to the first chunk with text, reasoning or arguments of a
    /// tool call. `None` before it.
    pub fn first_token(&self) -> Option<Duration> {
        self.first_token.map(|time| self.since_start(time))
    }

    /// Returns the time to the end of the stream, whether it was complete or failed; `None` before it.
    pub fn duration(&self) -> Option<Duration> {
        self.ended.map(|time| self.since_start(time))
    }

    /// Returns the longest time between two chunks that the reader waited for, or between the last
    /// chunk and the end. Keep-alive comments do not end a gap, and pauses of the reader do not
    /// lengthen one. Zero before the second chunk.
    pub fn longest_gap(&self) -> Duration {
        self.longest_gap
    }

    /// Returns the number of chunks.
    pub fn chunks(&self) -> u64 {
        self.chunks
    }

    /// Returns the number of events, including those that are not chunks, such as `[DONE]`. Zero if
    /// the server sent a JSON body in place of a stream.
    pub fn events(&self) -> u64 {
        self.events
    }

    /// Returns the number of comments, which servers send to keep the connection open.
    pub fn comments(&self) -> u64 {
        self.comments
    }

    /// Returns the rate of chunks per second between the first and the last; `None` for fewer than
    /// two, or if all arrived at the same time. Most servers send one token per chunk.
    pub fn chunks_per_second(&self) -> Option<f64> {
        rate(self.chunks, self.last.saturating_duration_since(self.first_chunk?))
    }

    /// Returns the rate of output tokens per second between the first token and the last chunk.
    ///
    /// The tokens are those of the [usage](atoma_types::Usage), including reasoning. `None` if the
    /// server has not sent it: most send it in the last chunk, see
    /// [`stream_usage`](crate::ClientBuilder::stream_usage). Also `None` for fewer than two tokens,
    /// or if all arrived at the same time.
    pub fn tokens_per_second(&self) -> Option<f64> {
        rate(self.output_tokens?, self.last.saturating_duration_since(self.first_token?))
    }

    fn since_start(&self, time: Instant) -> Duration {
        time.saturating_duration_since(self.started)
    }
}

/// Measures a stream for its reader. The clock is read only when the reader had to wait: data that
/// is already there arrived no later than that.
impl StreamStats {
    /// Starts measuring a stream whose head has arrived now, `head` after the start of the call.
    pub(crate) fn new(now: Instant, head: Duration) -> Self {
        Self {
            started: now.checked_sub(head).unwrap_or(now),
            opened: now,
            first_chunk: None,
            first_token: None,
            last: now,
            ended: None,
            longest_gap: Duration::ZERO,
            chunks: 0,
            chunks_at_last: 0,
            events: 0,
            comments: 0,
            output_tokens: None,
            is_waiting: true,
            needs_time: true,
        }
    }

    /// Notes that the reader waits for data from now on.
    #[inline]
    pub(crate) fn wait(&mut self, clock: &IdleTimeout) {
        if !self.is_waiting {
            self.start_waiting(clock);
        }
    }

    #[inline(never)]
    fn start_waiting(&mut self, clock: &IdleTimeout) {
        (self.is_waiting, self.needs_time) = (true, true);
        if self.chunks > self.chunks_at_last {
            // They were there before, for an unknown time: the gap begins now.
            (self.last, self.chunks_at_last) = (clock.now(), self.chunks);
        }
    }

    #[inline]
    pub(crate) fn count_event(&mut self) {
        self.events += 1;
    }

    /// Counts a chunk; `has_token` returns whether there is any content by now.
    #[inline]
    pub(crate) fn count_chunk(&mut self, clock: &IdleTimeout, has_token: impl FnOnce() -> bool) {
        self.chunks += 1;
        if self.needs_time {
            self.note(clock.now(), has_token());
        }
    }

    #[inline(never)]
    fn note(&mut self, now: Instant, has_token: bool) {
        if self.first_chunk.is_some() && self.is_waiting {
            self.longest_gap = self.longest_gap.max(now.saturating_duration_since(self.last));
        }
        self.first_chunk.get_or_insert(now);
        if has_token {
            self.first_token.get_or_insert(now);
        }
        (self.last, self.chunks_at_last) = (now, self.chunks);
        (self.is_waiting, self.needs_time) = (false, !has_token);
    }

    pub(crate) fn end(&mut self, clock: &IdleTimeout) {
        if self.ended.is_none() {
            let now = clock.now();
            if self.is_waiting && self.first_chunk.is_some() {
                self.longest_gap = self.longest_gap.max(now.saturating_duration_since(self.last));
            }
            self.ended = Some(now);
        }
    }

    /// Returns the time from the head to the end, or to now.
    pub(crate) fn body_time(&self, clock: &IdleTimeout) -> Duration {
        self.ended.unwrap_or_else(|| clock.now()).saturating_duration_since(self.opened)
    }

    /// Returns a copy with the numbers that others count.
    pub(crate) fn with_counts(&self, comments: u64, usage: Option<&Usage>) -> Self {
        let output_tokens = usage.map(|usage| usage.completion_tokens);
        Self { comments, output_tokens, ..self.clone() }
    }
}

/// Returns the rate per second of `count` things, after the first, within `time`.
fn rate(count: u64, time: Duration) -> Option<f64> {
    let time = time.as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "a rate needs no more digits")]
    (count > 1 && time > 0.0).then(|| (count - 1) as f64 / time)
}
