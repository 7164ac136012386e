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

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn server() -> Uri {
        Uri::from_static("http://server.test/v1")
    }

    /// The seconds from `now` until an attempt may begin, for a random part of 0.
    fn left(pause: &RateLimitPause, now: Instant) -> Option<f64> {
        Some(pause.ends(&server(), now, 0.0)?.duration_since(now).as_secs_f64())
    }

    #[test]
    fn the_later_of_two_ends_counts() {
        for (first, second, after, expected) in
            [(10, 20, 0, 20.0), (10, 5, 0, 10.0), (10, 9, 1, 10.0), (10, 10, 1, 11.0)]
        {
            let (pause, now) = (RateLimitPause::new(), Instant::now());
            pause.start(&server(), now, first * SECOND);
            pause.start(&server(), now + after * SECOND, second * SECOND);
            assert_eq!(left(&pause, now), Some(expected), "{first} {second} {after}");
            assert_eq!(pause.lock().len(), 1, "{first} {second} {after}");
        }
    }

    #[test]
    fn attempts_begin_in_the_tenth_of_the_pause_after_its_end() {
        let (pause, now) = (RateLimitPause::new(), Instant::now());
        pause.start(&server(), now, 10 * SECOND);
        for (random, milliseconds) in [(0.0, 10_000), (0.5, 10_500), (1.0, 11_000)] {
            let end = pause.ends(&server(), now + 3 * SECOND, random);
            assert_eq!(end, Some(now + Duration::from_millis(milliseconds)), "{random}");
        }
        // An end that has not moved leaves the length, from which the random part is computed.
        pause.start(&server(), now + 9 * SECOND, SECOND);
        assert_eq!(pause.ends(&server(), now, 1.0), Some(now + 11 * SECOND));
    }

    #[test]
    fn a_pause_is_over_at_its_end_and_then_forgotten() {
        let (pause, now) = (RateLimitPause::new(), Instant::now());
        let other = Uri::from_static("http://other.test");
        pause.start(&server(), now, SECOND);
        assert!(left(&pause, now + SECOND - Duration::from_nanos(1)).is_some());
        assert_eq!(left(&pause, now + SECOND), None);
        assert_eq!(pause.ends(&other, now, 0.0), None, "another origin");
        pause.start(&other, now, 2 * SECOND);
        assert_eq!(pause.lock().len(), 2);
        pause.start(&other, now + SECOND, 2 * SECOND);
        assert_eq!(pause.lock().len(), 1);
        assert_eq!(pause.ends(&other, now + SECOND, 0.0), Some(now + 3 * SECOND));
    }
}
