use atoma_transport::{Sleep, Timer};
use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

/// Tells when nothing has moved for too long, at no cost while something moves.
///
/// Movement is only noted; the time is read when there is nothing to do but wait, and a sleep that
/// is under way is left to run out rather than set anew.
pub(crate) struct Clock {
    timer: Arc<dyn Timer>,
    /// When it was last seen that something had moved.
    since: Instant,
    has_moved: bool,
    sleep: Option<(Instant, Sleep)>,
}

impl Clock {
    /// A clock that starts now.
    pub(crate) fn new(timer: Arc<dyn Timer>) -> Self {
        Self { since: timer.now(), timer, has_moved: false, sleep: None }
    }

    pub(crate) fn time_since(&self, earlier: Instant) -> Duration {
        self.timer.now().saturating_duration_since(earlier)
    }

    pub(crate) fn moved(&mut self) {
        self.has_moved = true;
    }

    /// Whether nothing has moved for `limit`; never without a limit.
    pub(crate) fn has_passed(&mut self, limit: Option<Duration>) -> bool {
        let now = self.timer.now();
        if std::mem::take(&mut self.has_moved) {
            self.since = now;
        }
        limit.is_some_and(|limit| now.saturating_duration_since(self.since) >= limit)
    }

    /// Ready when nothing has moved for `limit`.
    pub(crate) fn poll_passed(
        &mut self,
        cx: &mut Context<'_>,
        limit: Option<Duration>,
    ) -> Poll<()> {
        loop {
            if self.has_passed(limit) {
                return Poll::Ready(());
            }
            let Some(deadline) = limit.and_then(|limit| self.since.checked_add(limit)) else {
                return Poll::Pending;
            };
            if self.sleep.as_ref().is_none_or(|(until, _)| deadline < *until) {
                self.sleep = Some((deadline, self.timer.sleep_until(deadline)));
            }
            if let Some((_, sleep)) = &mut self.sleep {
                ready!(sleep.as_mut().poll(cx));
            }
            self.sleep = None;
        }
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clock").field("timer", &self.timer).finish_non_exhaustive()
    }
}
