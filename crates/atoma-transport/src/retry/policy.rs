use super::{
    after::retry_after,
    config::{RetryConfig, RetryConnectionErrors, SHORTEST_WAIT},
};
use crate::{Delivery, ErrorKind, Phase, TransportError};
use http::{HeaderMap, HeaderName, StatusCode};
use std::time::{Duration, SystemTime};

/// The outcome of an attempt, as input of the retry decision.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum AttemptOutcome<'a> {
    /// A response with any status.
    Response {
        /// Its status.
        status: StatusCode,
        /// Its headers: `x-should-retry`, `retry-after-ms`, `Retry-After` and `Date` are read.
        headers: &'a HeaderMap,
        /// The decision of the [`RequestSource`](crate::RequestSource) or of
        /// [`Retry::final_response`](crate::Retry::final_response), whatever the status and
        /// headers. `None` if there is none.
        retry: Option<bool>,
    },
    /// No response.
    Error(&'a TransportError),
}

/// The state of a call when an attempt has ended, as input of the retry decision.
#[derive(Clone, Copy, Debug, PartialEq)]
#[allow(clippy::exhaustive_structs, reason = "tests of a policy make one")]
pub struct RetryContext {
    /// The number of the attempt that has ended, counted from 1.
    pub attempt: u32,
    /// The time since the call began.
    pub elapsed: Duration,
    /// The time until its deadline; `None` if it has none.
    pub time_left: Option<Duration>,
    /// The time of day, for a `Retry-After` date in a response without a `Date`.
    pub now: SystemTime,
    /// A random number between 0 and 1.
    pub random: f64,
}

/// The decision after an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(
    clippy::exhaustive_enums,
    reason = "policies make it, and a wrapper of a policy matches both cases"
)]
pub enum RetryDecision {
    /// Return its outcome to the caller.
    Stop,
    /// Send the request again after this wait.
    RetryAfter(Duration),
}

impl RetryConfig {
    /// Decides whether another attempt follows. A pure function: it reads neither a clock nor a
    /// random number generator.
    ///
    /// In this order:
    ///
    /// 1. A 2xx and the last attempt are not retried.
    /// 2. Another response is retried if [`retry`](AttemptOutcome::Response::retry) or else
    ///    `x-should-retry` is `true`, is not retried if it is `false`, and otherwise is if its status
    ///    is one of [`statuses`](Self::statuses). A status from 600 to 999 counts as 500.
    /// 3. An error is retried if it is transient and
    ///    [`retry_connection_errors`](Self::retry_connection_errors) allows it. An invalid
    ///    certificate and an exceeded total timeout are never retried.
    /// 4. The wait is that of [`retry_after`] plus a random part of up to 10 %, or else that of
    ///    [`backoff`](Self::backoff); at least 50 ms.
    /// 5. If the server asks for more than [`max_retry_after`](Self::max_retry_after), or if the wait
    ///    would end after the deadline or after
    ///    [`max_elapsed_time`](crate::BackoffStrategy::max_elapsed_time), the call stops now.
    ///
    /// ```
    /// use atoma_transport::{AttemptOutcome, RetryConfig, RetryDecision, RetryContext};
    /// use std::time::{Duration, SystemTime};
    ///
    /// let unavailable = AttemptOutcome::Response {
    ///     status: http::StatusCode::SERVICE_UNAVAILABLE,
    ///     headers: &http::HeaderMap::new(),
    ///     retry: None,
    /// };
    /// let first = RetryContext {
    ///     attempt: 1,
    ///     elapsed: Duration::ZERO,
    ///     time_left: None,
    ///     now: SystemTime::UNIX_EPOCH,
    ///     random: 0.5,
    /// };
    /// let decision = RetryConfig::default().decide(&unavailable, &first);
    /// assert_eq!(decision, RetryDecision::RetryAfter(Duration::from_millis(250)));
    /// ```
    pub fn decide(&self, outcome: &AttemptOutcome<'_>, at: &RetryContext) -> RetryDecision {
        let wanted = at.attempt < self.max_attempts
            && match outcome {
                AttemptOutcome::Response { status, headers, retry } => {
                    !status.is_success() && retry.unwrap_or_else(|| self.retries(*status, headers))
                }
                AttemptOutcome::Error(error) => self.retries_error(error),
            };
        if !wanted {
            return RetryDecision::Stop;
        }
        match self.wait(outcome, at).filter(|wait| self.has_time_for(*wait, at)) {
            Some(wait) => RetryDecision::RetryAfter(wait),
            None => RetryDecision::Stop,
        }
    }

    fn retries(&self, status: StatusCode, headers: &HeaderMap) -> bool {
        match headers.get(SHOULD_RETRY).map(http::HeaderValue::as_bytes) {
            Some(b"true") => true,
            Some(b"false") => false,
            // A status beyond 599 is invalid; clients treat it as a 5xx (RFC 9110 §15).
            _ => self.statuses.contains(&status) || self.statuses.contains(&class(status)),
        }
    }

    fn retries_error(&self, error: &TransportError) -> bool {
        let never = [ErrorKind::Certificate, ErrorKind::Timeout(Phase::Total)];
        if !error.is_transient() || never.contains(&error.kind()) {
            return false;
        }
        match self.retry_connection_errors {
            RetryConnectionErrors::Never => false,
            RetryConnectionErrors::IfNotSent => error.delivery() == Delivery::NotSent,
            RetryConnectionErrors::Always => true,
        }
    }

    /// `None` if the server asks for a longer wait than is allowed.
    fn wait(&self, outcome: &AttemptOutcome<'_>, at: &RetryContext) -> Option<Duration> {
        let random = if at.random.is_nan() { 0.0 } else { at.random.clamp(0.0, 1.0) };
        let asked = match outcome {
            AttemptOutcome::Response { headers, .. } => retry_after(headers, at.now),
            AttemptOutcome::Error(_) => None,
        };
        match asked {
            None => Some(self.backoff.wait(at.attempt, random)),
            Some(asked) if asked > self.max_retry_after => None,
            Some(asked) => {
                let jitter = Duration::try_from_secs_f64(asked.as_secs_f64() * 0.1 * random);
                let wait = asked.saturating_add(jitter.unwrap_or_default());
                Some(wait.max(SHORTEST_WAIT))
            }
        }
    }

    fn has_time_for(&self, wait: Duration, at: &RetryContext) -> bool {
        let over = at.elapsed.saturating_add(wait);
        at.time_left.is_none_or(|left| wait < left)
            && self.backoff.max_elapsed_time.is_none_or(|longest| over <= longest)
    }
}

/// A status outside the defined classes (600 to 999) counts as a server error like 500.
fn class(status: StatusCode) -> StatusCode {
    if status.as_u16() >= 600 { StatusCode::INTERNAL_SERVER_ERROR } else { status }
}

const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");

/// Returns whether the server limits the rate and names the wait: such a wait costs no budget.
pub(super) fn is_rate_limit(status: StatusCode, headers: &HeaderMap, now: SystemTime) -> bool {
    matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE)
        && retry_after(headers, now).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_limit_is_a_429_or_503_that_names_the_wait() {
        for (status, wait, expected) in [
            (429, Some("1"), true),
            (503, Some("1"), true),
            (429, None, false),
            (503, None, false),
            (429, Some("soon"), false),
            (502, Some("1"), false),
            (500, Some("1"), false),
        ] {
            let mut headers = HeaderMap::new();
            headers.extend(wait.map(|wait| (http::header::RETRY_AFTER, wait.parse().unwrap())));
            let status = StatusCode::from_u16(status).unwrap();
            let found = is_rate_limit(status, &headers, SystemTime::UNIX_EPOCH);
            assert_eq!(found, expected, "{status} {wait:?}");
        }
    }
}
