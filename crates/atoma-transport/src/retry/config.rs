use http::StatusCode;
use std::{error::Error, fmt, time::Duration};

/// The settings of retries: which failures are retried, how often, and after which wait.
///
/// In the extensions of a request it applies to that call and replaces the settings of the
/// [`Retry`](crate::Retry) layer as a whole.
///
/// ```
/// use atoma_transport::{BackoffStrategy, RetryConfig, RetryConnectionErrors};
/// use std::time::Duration;
///
/// let config = RetryConfig::default()
///     .max_attempts(5)
///     .retry_connection_errors(RetryConnectionErrors::Always)
///     .backoff(BackoffStrategy::default().initial_interval(Duration::from_secs(1)));
/// assert!(config.validate().is_ok());
/// assert!(RetryConfig::default().max_attempts(0).validate().is_err());
/// ```
///
/// With the feature `serde`, durations are numbers of seconds, statuses are numbers, and
/// [`RetryConnectionErrors`] is `"never"`, `"if_not_sent"` or `"always"`. Missing fields have their
/// default, unknown ones are an error: `{ "max_attempts": 5, "backoff": { "max_interval": 2.5 } }`.
/// Reading does not [validate](Self::validate).
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct RetryConfig {
    /// The maximum number of attempts, including the first. Default 3, at least 1.
    pub max_attempts: u32,
    /// The waits between attempts, unless the server asks for a wait.
    pub backoff: BackoffStrategy,
    /// Whether an attempt without a response is retried. Default
    /// [`IfNotSent`](RetryConnectionErrors::IfNotSent).
    pub retry_connection_errors: RetryConnectionErrors,
    /// The statuses that are retried. Default 408, 425, 429, 500, 502, 503, 504.
    ///
    /// The response header `x-should-retry: true` or `false` takes precedence. A 2xx is invalid here.
    /// A status from 600 to 999 is retried if 500 is.
    #[cfg_attr(feature = "serde", serde(with = "statuses"))]
    pub statuses: Vec<StatusCode>,
    /// The longest wait a server may ask for. Default 60 s.
    ///
    /// If it asks for a longer one, the call ends immediately with that response, from which
    /// [`retry_after`](crate::retry_after) reads the value.
    #[cfg_attr(feature = "serde", serde(with = "crate::seconds"))]
    pub max_retry_after: Duration,
}

impl RetryConfig {
    /// Returns settings with one attempt: no retries.
    pub fn none() -> Self {
        Self { max_attempts: 1, ..Self::default() }
    }

    /// Sets [`max_attempts`](Self::max_attempts).
    #[must_use]
    pub fn max_attempts(mut self, attempts: u32) -> Self {
        self.max_attempts = attempts;
        self
    }

    /// Sets [`backoff`](Self::backoff).
    #[must_use]
    pub fn backoff(mut self, backoff: BackoffStrategy) -> Self {
        self.backoff = backoff;
        self
    }

    /// Sets [`retry_connection_errors`](Self::retry_connection_errors).
    #[must_use]
    pub fn retry_connection_errors(mut self, retry: RetryConnectionErrors) -> Self {
        self.retry_connection_errors = retry;
        self
    }

    /// Sets [`statuses`](Self::statuses), replacing the default ones.
    #[must_use]
    pub fn statuses(mut self, statuses: impl IntoIterator<Item = StatusCode>) -> Self {
        self.statuses = statuses.into_iter().collect();
        self
    }

    /// Sets [`max_retry_after`](Self::max_retry_after).
    #[must_use]
    pub fn max_retry_after(mut self, longest: Duration) -> Self {
        self.max_retry_after = longest;
        self
    }

    /// Checks the settings.
    ///
    /// [`Retry`](crate::Retry) does so before each call, which fails with
    /// [`ErrorKind::Request`](crate::ErrorKind::Request) before anything is sent.
    ///
    /// # Errors
    ///
    /// `max_attempts` is 0, `exponent` is not a finite number of at least 1, or `statuses` holds a
    /// 2xx.
    pub fn validate(&self) -> Result<(), InvalidRetryConfig> {
        let exponent = self.backoff.exponent;
        if self.max_attempts == 0 {
            return Err(InvalidRetryConfig("max_attempts must be at least 1"));
        }
        if !exponent.is_finite() || exponent < 1.0 {
            return Err(InvalidRetryConfig("exponent must be a finite number of at least 1"));
        }
        if self.statuses.iter().any(StatusCode::is_success) {
            return Err(InvalidRetryConfig("a 2xx status cannot be retried"));
        }
        Ok(())
    }
}

impl Default for RetryConfig {
    fn default() -> Self {
        Self {
            max_attempts: 3,
            backoff: BackoffStrategy::default(),
            retry_connection_errors: RetryConnectionErrors::default(),
            statuses: vec![
                StatusCode::REQUEST_TIMEOUT,
                StatusCode::TOO_EARLY,
                StatusCode::TOO_MANY_REQUESTS,
                StatusCode::INTERNAL_SERVER_ERROR,
                StatusCode::BAD_GATEWAY,
                StatusCode::SERVICE_UNAVAILABLE,
                StatusCode::GATEWAY_TIMEOUT,
            ],
            max_retry_after: Duration::from_secs(60),
        }
    }
}

/// Exponential backoff with full jitter.
///
/// The wait after attempt *n* (counted from 0) is random, between 50 ms and
/// `min(initial_interval × exponentⁿ, max_interval)`. The names are those of the API reference,
/// which has times in milliseconds; here they are [`Duration`]s.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct BackoffStrategy {
    /// The longest wait after the first attempt. Default 500 ms.
    #[cfg_attr(feature = "serde", serde(with = "crate::seconds"))]
    pub initial_interval: Duration,
    /// The upper bound of all waits. Default 8 s. A value below 50 ms is the lower bound as well.
    #[cfg_attr(feature = "serde", serde(with = "crate::seconds"))]
    pub max_interval: Duration,
    /// The factor by which the longest wait grows after each attempt. Default 2, at least 1.
    pub exponent: f64,
    /// The time after the start of the call in which retries may begin. Default none: the number of
    /// attempts and the total timeout bound the call.
    #[cfg_attr(feature = "serde", serde(with = "crate::seconds::optional"))]
    pub max_elapsed_time: Option<Duration>,
}

impl BackoffStrategy {
    /// Sets [`initial_interval`](Self::initial_interval).
    #[must_use]
    pub fn initial_interval(mut self, interval: Duration) -> Self {
        self.initial_interval = interval;
        self
    }

    /// Sets [`max_interval`](Self::max_interval).
    #[must_use]
    pub fn max_interval(mut self, interval: Duration) -> Self {
        self.max_interval = interval;
        self
    }

    /// Sets [`exponent`](Self::exponent).
    #[must_use]
    pub fn exponent(mut self, exponent: f64) -> Self {
        self.exponent = exponent;
        self
    }

    /// Sets [`max_elapsed_time`](Self::max_elapsed_time); `None` removes it.
    #[must_use]
    pub fn max_elapsed_time(mut self, time: impl Into<Option<Duration>>) -> Self {
        self.max_elapsed_time = time.into();
        self
    }

    /// Returns the wait after attempt `attempt`, counted from 1, for a `random` factor from 0 to 1.
    pub(crate) fn wait(&self, attempt: u32, random: f64) -> Duration {
        let floor = SHORTEST_WAIT.min(self.max_interval);
        let doublings = i32::try_from(attempt.saturating_sub(1)).unwrap_or(i32::MAX);
        let grown = self.initial_interval.as_secs_f64() * self.exponent.max(1.0).powi(doublings);
        let longest = grown.min(self.max_interval.as_secs_f64());
        Duration::try_from_secs_f64(longest * random)
            .unwrap_or(floor)
            .clamp(floor, self.max_interval)
    }
}

impl Default for BackoffStrategy {
    fn default() -> Self {
        Self {
            initial_interval: Duration::from_millis(500),
            max_interval: Duration::from_secs(8),
            exponent: 2.0,
            max_elapsed_time: None,
        }
    }
}

/// Whether a request without a response is sent again.
///
/// A completion costs money. An attempt that failed after the request was sent may have been
/// processed and billed, although the response never arrived.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum RetryConnectionErrors {
    /// Never.
    Never,
    /// Only if the server certainly never saw it: a refused connection, a failed name lookup.
    #[default]
    IfNotSent,
    /// Also if it may have been processed, and would be billed twice: a lost connection, a timeout.
    Always,
}

impl From<bool> for RetryConnectionErrors {
    /// Converts the two states of the API reference: `true` is `Always`, `false` is `Never`.
    fn from(retry: bool) -> Self {
        if retry { Self::Always } else { Self::Never }
    }
}

/// The shortest wait, also if the server asks for none.
pub(super) const SHORTEST_WAIT: Duration = Duration::from_millis(50);

/// The error for an invalid [`RetryConfig`]. Display names the setting and its valid values.
#[derive(Clone, PartialEq, Eq)]
pub struct InvalidRetryConfig(&'static str);

impl fmt::Display for InvalidRetryConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// The line; the field under `{:#?}`.
impl fmt::Debug for InvalidRetryConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if f.alternate() {
            return f.debug_tuple("InvalidRetryConfig").field(&self.0).finish();
        }
        fmt::Display::fmt(self, f)
    }
}

impl Error for InvalidRetryConfig {}

/// Statuses as numbers.
#[cfg(feature = "serde")]
mod statuses {
    use http::StatusCode;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(all: &[StatusCode], to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(all.iter().map(StatusCode::as_u16))
    }

    pub(super) fn deserialize<'de, D>(from: D) -> Result<Vec<StatusCode>, D::Error>
    where
        D: Deserializer<'de>,
    {
        let numbers = Vec::<u16>::deserialize(from)?;
        let status = |number| {
            StatusCode::from_u16(number)
                .map_err(|_| D::Error::custom(format!("{number} is not a status, 100 to 999")))
        };
        numbers.into_iter().map(status).collect()
    }
}
