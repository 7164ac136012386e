use super::{ClientBuilder, defaults::stream_timeouts};
use atoma_transport::Timeouts;
use std::time::Duration;

/// Timeouts.
impl ClientBuilder {
    /// Sets the timeouts of calls that are not streamed. Default [`Timeouts::default`]: 10 s to
    /// connect, 120 s between two reads of the body, 600 s in total.
    #[must_use]
    pub fn timeouts(mut self, timeouts: Timeouts) -> Self {
        self.timeouts = timeouts;
        self
    }

    /// Sets the timeouts of streams. Default: 10 s to connect, 300 s to the first event, 120 s
    /// between two events, no total.
    ///
    /// `head` limits the time to the head, and again the time to the first event. `idle` counts
    /// events, not bytes: keep-alive comments do not reset it.
    #[must_use]
    pub fn stream_timeouts(mut self, timeouts: Timeouts) -> Self {
        self.stream_timeouts = Some(timeouts);
        self
    }

    /// Sets the time limit of every call, streams included: all attempts, the waits between them, and
    /// the response to its end. Default 600 s, and none for streams.
    ///
    /// It takes precedence over the totals of [`timeouts`](Self::timeouts) and
    /// [`stream_timeouts`](Self::stream_timeouts), whose other limits stay.
    /// [`Call::timeout`](crate::Call::timeout) sets it for one call.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let builder = atoma::Client::builder().timeout(Duration::from_secs(60));
    /// ```
    #[must_use]
    pub fn timeout(mut self, total: Duration) -> Self {
        self.total = Some(total);
        self
    }

    /// Returns the timeouts of calls that are not streamed, and those of streams.
    pub(super) fn all_timeouts(&self) -> (Timeouts, Timeouts) {
        let with_total = |timeouts: Timeouts| match self.total {
            Some(total) => timeouts.total(total),
            None => timeouts,
        };
        let streams = self.stream_timeouts.unwrap_or_else(stream_timeouts);
        (with_total(self.timeouts), with_total(streams))
    }
}
