use std::time::{Duration, Instant};

/// The time limits of the phases of a call; `None` removes a limit.
///
/// The default is for a unary call: 10 s to connect, no separate limit for the head, 120 s between
/// two chunks of the body, 600 s in total. For a stream that may run for hours, use
/// `Timeouts::default().total(None)`.
///
/// [`Timeout`](crate::Timeout) enforces all of them except `connect`, which the transport enforces.
/// In the extensions of a request they apply to that call and replace the defaults as a whole.
/// [`Retry::timeouts`](crate::Retry::timeouts) adds them to calls without their own.
///
/// ```
/// use atoma_transport::Timeouts;
/// use std::time::Duration;
///
/// let patient = Timeouts::default().head(Duration::from_secs(300)).total(None);
/// assert_eq!(patient.connect, Some(Duration::from_secs(10)));
/// assert_eq!(patient.total, None);
/// ```
///
/// With the feature `serde`, each field is a number of seconds or `"none"`. Missing fields have
/// their default, unknown ones are an error: `{ "head": 1.5, "total": "none" }`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct Timeouts {
    /// The time for name lookup, TCP, proxy and TLS together, for each connection. Default 10 s.
    #[cfg_attr(feature = "serde", serde(with = "crate::seconds::optional"))]
    pub connect: Option<Duration>,
    /// The time from the start of an attempt until the head of its response. Default none: the total
    /// bounds it.
    ///
    /// Interim (1xx) responses and single bytes do not restart it.
    #[cfg_attr(feature = "serde", serde(with = "crate::seconds::optional"))]
    pub head: Option<Duration>,
    /// The time between two chunks of the body. Default 120 s.
    ///
    /// Only time spent waiting for the server counts, not the time that the reader takes.
    #[cfg_attr(feature = "serde", serde(with = "crate::seconds::optional"))]
    pub idle: Option<Duration>,
    /// The time for the whole call: all attempts, the waits between them, and the body. Default
    /// 600 s.
    #[cfg_attr(feature = "serde", serde(with = "crate::seconds::optional"))]
    pub total: Option<Duration>,
}

impl Timeouts {
    /// Returns no limits: a silent server is waited for indefinitely.
    pub const fn none() -> Self {
        Self { connect: None, head: None, idle: None, total: None }
    }

    /// Sets [`connect`](Self::connect); `None` removes it.
    #[must_use]
    pub fn connect(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.connect = timeout.into();
        self
    }

    /// Sets [`head`](Self::head); `None` removes it.
    #[must_use]
    pub fn head(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.head = timeout.into();
        self
    }

    /// Sets [`idle`](Self::idle); `None` removes it.
    #[must_use]
    pub fn idle(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.idle = timeout.into();
        self
    }

    /// Sets [`total`](Self::total); `None` removes it.
    #[must_use]
    pub fn total(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.total = timeout.into();
        self
    }
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Some(Duration::from_secs(10)),
            head: None,
            idle: Some(Duration::from_secs(120)),
            total: Some(Duration::from_secs(600)),
        }
    }
}

/// The instant by which a call must be over, as a request extension. It takes precedence over
/// [`Timeouts::total`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(clippy::exhaustive_structs, reason = "callers make it from an instant")]
pub struct Deadline(pub Instant);

impl Deadline {
    /// When a request must be over: its deadline, or else `now` plus `timeouts.total`. A total beyond
    /// the range of the clock is ignored.
    ///
    /// With the timeout behind it, for the text of an error; unknown where the caller gave an
    /// instant.
    pub(crate) fn of(
        extensions: &http::Extensions,
        timeouts: &Timeouts,
        now: Instant,
    ) -> (Option<Instant>, Option<Duration>) {
        match extensions.get() {
            Some(Self(deadline)) => (Some(*deadline), None),
            None => (timeouts.total.and_then(|total| now.checked_add(total)), timeouts.total),
        }
    }
}

/// The earlier of two instants, either of which may be missing.
pub(crate) fn earlier(a: Option<Instant>, b: Option<Instant>) -> Option<Instant> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}
