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

#[cfg(test)]
mod tests {
    use super::*;
    use atoma_transport::testing::ManualTimer;
    use std::sync::Arc;

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// Measures a stream whose head came 2 s after the start of its call. A digit lets this many
    /// seconds pass; `w` waits, `r` and `c` count a chunk before and after the first token, `e` ends, and `v`
    /// counts an event.
    fn measured(steps: &str) -> (StreamStats, Duration) {
        let timer = ManualTimer::new();
        let clock = IdleTimeout::new(Arc::new(timer.clone()));
        let mut stats = StreamStats::new(clock.now(), seconds(2));
        for step in steps.chars() {
            match step {
                'w' => stats.wait(&clock),
                'r' => stats.count_chunk(&clock, || false),
                'c' => stats.count_chunk(&clock, || true),
                'e' => stats.end(&clock),
                'v' => stats.count_event(),
                digit => timer.advance(seconds(digit.to_digit(10).unwrap().into())),
            }
        }
        let body_time = stats.body_time(&clock);
        (stats, body_time)
    }

    #[test]
    fn times_begin_with_the_call_and_gaps_are_waits() {
        for (name, steps, first_chunk, first_token, gap, end, body) in [
            ("nothing has come", "3", None, None, 0, None, 3),
            ("the end without a chunk", "3e", None, None, 0, Some(5), 3),
            ("a chunk without a token", "3r", Some(5), None, 0, None, 3),
            ("a token in the first chunk", "3c1", Some(5), Some(5), 0, None, 4),
            ("a token in a later chunk", "3rw4c", Some(5), Some(9), 4, None, 7),
            ("a later token that was not waited for", "3r4c", Some(5), Some(9), 0, None, 7),
            ("a wait in two parts", "3cw2w2c", Some(5), Some(5), 4, None, 7),
            ("two waits", "3cw2cw1c", Some(5), Some(5), 2, None, 6),
            ("a wait for the end", "3cw4e", Some(5), Some(5), 4, Some(9), 7),
            ("a pause before the end", "3c4e", Some(5), Some(5), 0, Some(9), 7),
            ("the first end counts", "3cw4e1e", Some(5), Some(5), 4, Some(9), 7),
            ("a pause between two awaited chunks", "3c5w4c", Some(5), Some(5), 9, None, 12),
            ("a pause after a chunk at an unknown time", "3cc5w4c", Some(5), Some(5), 4, None, 12),
            ("a chunk after a pause", "3c5cw4c", Some(5), Some(5), 4, None, 12),
        ] {
            let (stats, body_time) = measured(steps);
            assert_eq!(stats.head(), seconds(2), "{name}");
            assert_eq!(stats.first_chunk(), first_chunk.map(seconds), "{name}");
            assert_eq!(stats.first_token(), first_token.map(seconds), "{name}");
            assert_eq!(stats.longest_gap(), seconds(gap), "{name}");
            assert_eq!((stats.duration(), body_time), (end.map(seconds), seconds(body)), "{name}");
        }
    }

    #[test]
    fn a_rate_needs_two_things_and_a_time_between_them() {
        let usage = |tokens| {
            let mut usage = Usage::default();
            usage.completion_tokens = tokens;
            usage
        };
        for (name, steps, tokens, chunk_rate, token_rate) in [
            ("no chunk", "3", 9, None, None),
            ("one chunk", "3cw1", 9, None, None),
            ("two chunks at one time", "3ccw", 9, None, None),
            ("two chunks", "3cw4c", 9, Some(0.25), Some(2.0)),
            ("one token", "3cw4c", 1, Some(0.25), None),
            ("two tokens", "3cw4c", 2, Some(0.25), Some(0.25)),
            ("a chunk that was not waited for", "3cw4cc", 9, Some(0.5), Some(2.0)),
            ("a first chunk without a token", "1rw2cw2c", 5, Some(0.5), Some(2.0)),
        ] {
            let stats = measured(steps).0.with_counts(7, Some(&usage(tokens)));
            assert_eq!(stats.chunks_per_second(), chunk_rate, "{name}");
            assert_eq!(stats.tokens_per_second(), token_rate, "{name}");
            assert_eq!((stats.comments(), stats.chunks()), (7, stats.chunks), "{name}");
        }
        assert_eq!(measured("3cw4c").0.with_counts(0, None).tokens_per_second(), None);
        assert_eq!((measured("3").0.events(), measured("3vcvcv").0.events()), (0, 3));
    }
}
