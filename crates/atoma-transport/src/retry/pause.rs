use super::origin::Origin;
use http::Uri;
use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// Makes all callers wait when a server limits the rate, instead of each meeting the limit itself.
///
/// A 429 with a `Retry-After` starts a pause for its origin. Until it ends, no attempt is sent to
/// that origin by any [`Retry`](crate::Retry) layer that shares this value: the attempts wait, and
/// begin in random order within 10 % of the pause after its end. Clones share their pauses.
///
/// A pause is bounded by [`max_retry_after`](crate::RetryConfig::max_retry_after) of the call that
/// met the limit. A call whose deadline is before the end of the pause does not wait.
///
/// Off by default, since servers may limit each model or key separately: see
/// [`Retry::rate_limit_pause`](crate::Retry::rate_limit_pause). It helps where one client sends many
/// requests under one limit.
#[derive(Clone, Default)]
pub struct RateLimitPause {
    pauses: Arc<Mutex<Vec<Pause>>>,
}

struct Pause {
    origin: Origin,
    until: Instant,
    length: Duration,
}

impl RateLimitPause {
    /// Creates one without pauses.
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts a pause, or extends the one there is.
    pub(super) fn start(&self, uri: &Uri, now: Instant, length: Duration) {
        let (origin, Some(until)) = (Origin::of(uri), now.checked_add(length)) else { return };
        let mut pauses = self.lock();
        pauses.retain(|pause| pause.until > now);
        match pauses.iter_mut().find(|pause| pause.origin == origin) {
            Some(pause) if pause.until >= until => {}
            Some(pause) => (pause.until, pause.length) = (until, length),
            None => pauses.push(Pause { origin, until, length }),
        }
    }

    /// Returns when an attempt may begin, if not now. `random` is between 0 and 1.
    pub(super) fn ends(&self, uri: &Uri, now: Instant, random: f64) -> Option<Instant> {
        let pauses = self.lock();
        if pauses.is_empty() {
            return None;
        }
        let origin = Origin::of(uri);
        let pause = pauses.iter().find(|pause| pause.origin == origin && pause.until > now)?;
        let jitter = Duration::try_from_secs_f64(pause.length.as_secs_f64() * 0.1 * random);
        pause.until.checked_add(jitter.unwrap_or_default())
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Pause>> {
        self.pauses.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for RateLimitPause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateLimitPause").finish_non_exhaustive()
    }
}
