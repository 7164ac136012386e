use crate::idle_timeout::IdleTimeout;
use std::time::{Duration, Instant};

/// The timing of a stream, as far as it has come.
///
/// All times are measured from the arrival of the head, on the client's
/// [timer](crate::ClientBuilder::timer).
#[derive(Clone, Debug)]
pub struct StreamStats {
    opened: Instant,
    first: Option<Instant>,
    last: Instant,
    chunks: u64,
    longest_gap: Duration,
    ended: Option<Instant>,
    /// The time of the next chunk has to be read: it is the first, or the reader waited for it.
    pub(crate) is_waiting: bool,
}

impl StreamStats {
    pub(crate) fn new(opened: Instant) -> Self {
        Self {
            opened,
            first: None,
            last: opened,
            chunks: 0,
            longest_gap: Duration::ZERO,
            ended: None,
            is_waiting: true,
        }
    }

    /// Counts a chunk. The time is read only where the reader had to wait for it.
    #[inline]
    pub(crate) fn count_chunk(&mut self, clock: &IdleTimeout) {
        self.chunks += 1;
        if self.is_waiting {
            self.notice(clock.now());
        }
    }

    #[inline(never)]
    fn notice(&mut self, now: Instant) {
        self.is_waiting = false;
        if self.first.is_some() {
            self.longest_gap = self.longest_gap.max(now.saturating_duration_since(self.last));
        }
        self.first.get_or_insert(now);
        self.last = now;
    }

    pub(crate) fn end(&mut self, clock: &IdleTimeout) {
        self.ended.get_or_insert_with(|| clock.now());
    }

    pub(crate) fn elapsed(&self, clock: &IdleTimeout) -> Duration {
        self.ended.unwrap_or_else(|| clock.now()).saturating_duration_since(self.opened)
    }

    /// Returns how many chunks came.
    pub fn chunks(&self) -> u64 {
        self.chunks
    }

    /// Returns the time from the head to the first chunk; `None` before it.
    pub fn first_chunk(&self) -> Option<Duration> {
        Some(self.first?.saturating_duration_since(self.opened))
    }

    /// Returns the longest time between two chunks that the reader waited for.
    pub fn longest_gap(&self) -> Duration {
        self.longest_gap
    }

    /// Returns the time from the head to the end of the stream; `None` before it.
    pub fn duration(&self) -> Option<Duration> {
        Some(self.ended?.saturating_duration_since(self.opened))
    }

    /// Returns the rate of chunks per second between the first and the last; `None` for less than
    /// two. Most servers send one token per chunk.
    pub fn chunks_per_second(&self) -> Option<f64> {
        let time = self.last.saturating_duration_since(self.first?).as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "a rate needs no more digits")]
        (self.chunks > 1 && time > 0.0).then(|| (self.chunks - 1) as f64 / time)
    }
}
