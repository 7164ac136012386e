use crate::{Delivery, ErrorKind};
use http::StatusCode;
use std::{
    fmt,
    time::{Duration, Instant},
};

/// How often a call was tried, how long it took, and what each failed try met.
///
/// [`Retry`](crate::Retry) puts it into the extensions of every response it returns, and into
/// every error.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Attempts {
    /// The number of times the request was handed to the transport.
    pub count: u32,
    /// From the first attempt until the outcome was known, waits included.
    pub elapsed: Duration,
    /// The attempts that failed, in order; the last one too if the call failed.
    pub failed: Vec<FailedAttempt>,
    /// Another attempt was due, but the [`RetryBudget`](crate::RetryBudget) of the origin was used
    /// up: the server fails for many calls, and is left alone.
    pub budget_exhausted: bool,
}

/// Which attempt of a call a request is, as a request extension.
///
/// [`Retry`](crate::Retry) sets it: a transport below can tell a retry from a first try, and the
/// time-outs of [`Timeout`](crate::Timeout) count from there, also if a layer between the two waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Attempt {
    /// Its number, counted from 1.
    pub number: u32,
    /// When it began.
    pub began: Instant,
}

impl Attempt {
    /// The attempt of this number that began then.
    pub const fn new(number: u32, began: Instant) -> Self {
        Self { number, began }
    }
}

/// One try that brought no usable answer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FailedAttempt {
    /// What it met.
    pub cause: FailureCause,
    /// Whether the server may have seen this try, and billed it.
    pub delivery: Delivery,
    /// The server's name for this request (`x-request-id`), if an answer came with one.
    pub request_id: Option<String>,
    /// How long this try took.
    pub elapsed: Duration,
    /// The wait that followed it; `None` after the last.
    pub wait: Option<Duration>,
}

/// What a failed attempt met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FailureCause {
    /// A refusing status.
    Status(StatusCode),
    /// No answer at all.
    Transport(ErrorKind),
}

impl fmt::Display for Attempts {
    /// `2 attempts in 2.5s: 503 Service Unavailable, timeout: no response headers`, on one line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.count == 1 { "" } else { "s" };
        write!(f, "{} attempt{plural} in {:.1?}", self.count, self.elapsed)?;
        for (index, attempt) in self.failed.iter().enumerate() {
            f.write_str(if index == 0 { ": " } else { ", " })?;
            attempt.cause.fmt(f)?;
        }
        if self.budget_exhausted {
            f.write_str("; no retries left for this server")?;
        }
        Ok(())
    }
}

impl fmt::Display for FailureCause {
    /// `503 Service Unavailable`, `520`, or what a [`TransportError`](crate::TransportError) of this
    /// kind says.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => {
                f.write_str(status.as_str())?;
                status.canonical_reason().map_or(Ok(()), |reason| write!(f, " {reason}"))
            }
            Self::Transport(kind) => kind.fmt(f),
        }
    }
}
