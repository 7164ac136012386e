use crate::{Delivery, ErrorKind, Request, Response, TransportError, request_id};
use http::{HeaderMap, StatusCode, Uri, response};
use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, Instant},
};

/// Makes the request of each attempt of a call.
///
/// A [`Request`] is the simplest source: every attempt sends a clone of it. A custom source can
/// make each attempt different: with a key that rotates, a fresh signature, a new encryption. Pass
/// it to [`Retry::send_from`](crate::Retry::send_from).
///
/// ```
/// use atoma_transport::{Attempt, FailedAttempt, Request, RequestFuture, RequestSource};
///
/// /// Signs each attempt anew.
/// struct Signed {
///     body: bytes::Bytes,
/// }
///
/// impl RequestSource for Signed {
///     fn request(&self, attempt: Attempt, _last: Option<&FailedAttempt>) -> RequestFuture<'_> {
///         RequestFuture::new(async move {
///             let mut request = Request::new(self.body.clone());
///             request.headers_mut().insert("x-attempt", attempt.number.into());
///             Ok(request)
///         })
///     }
/// }
/// ```
pub trait RequestSource: Send + Sync + 'static {
    /// Makes the request of this attempt; `last` is the failure of the previous one.
    ///
    /// The time it takes is part of the attempt: the head and total timeouts include it. An error
    /// ends the call, unless it is transient and [not sent](Delivery::NotSent), which is retried
    /// like any other.
    fn request(&self, attempt: Attempt, last: Option<&FailedAttempt>) -> RequestFuture<'_>;

    /// Sees the response of an attempt before the retry layer does, with its body unread.
    ///
    /// It may change the response, for example remove a secret that the server repeats in a header.
    /// Default: nothing.
    fn response(&self, attempt: Attempt, response: &mut Response) {
        let _ = (attempt, response);
    }

    /// Decides whether a response that is not a 2xx is retried, whatever its status. `None` leaves
    /// the decision to [`RetryConfig::decide`](crate::RetryConfig::decide), and is the default.
    ///
    /// `body` holds at most 64 KiB. It is not called after the last attempt.
    fn retries_response(&self, head: &response::Parts, body: &[u8]) -> Option<bool> {
        let _ = (head, body);
        None
    }

    /// Returns the URL that the requests go to, if it is known before they are made. Default
    /// `None`: the URL of the previous attempt.
    fn uri(&self) -> Option<&Uri> {
        None
    }
}

impl RequestSource for Request {
    /// Returns a clone.
    fn request(&self, _: Attempt, _: Option<&FailedAttempt>) -> RequestFuture<'_> {
        RequestFuture::ready(Ok(self.clone()))
    }

    fn uri(&self) -> Option<&Uri> {
        Some(Request::uri(self))
    }
}

/// The future that [`RequestSource::request`] returns.
///
/// A request that needs no waiting costs no allocation.
#[must_use = "futures do nothing unless awaited"]
pub struct RequestFuture<'a>(Making<'a>);

#[allow(clippy::large_enum_variant, reason = "a box would be an allocation for each attempt")]
enum Making<'a> {
    /// `None` once it has been returned.
    Ready(Option<Result<Request, TransportError>>),
    Waiting(Pin<Box<dyn Future<Output = Result<Request, TransportError>> + Send + 'a>>),
}

impl<'a> RequestFuture<'a> {
    /// Wraps a future.
    pub fn new<F>(future: F) -> Self
    where
        F: Future<Output = Result<Request, TransportError>> + Send + 'a,
    {
        Self(Making::Waiting(Box::pin(future)))
    }

    /// Wraps a request, or an error, that is already known.
    pub fn ready(outcome: Result<Request, TransportError>) -> Self {
        Self(Making::Ready(Some(outcome)))
    }
}

impl Future for RequestFuture<'_> {
    type Output = Result<Request, TransportError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            Making::Ready(outcome) => {
                Poll::Ready(outcome.take().expect("polled after it was ready"))
            }
            Making::Waiting(future) => future.as_mut().poll(cx),
        }
    }
}

impl fmt::Debug for RequestFuture<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RequestFuture")
    }
}

/// The number and start of an attempt; also a request extension.
///
/// [`Retry`](crate::Retry) sets it: a transport below can distinguish a retry from a first attempt,
/// and [`Timeout`](crate::Timeout) measures from its start, also if a layer in between waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Attempt {
    /// Its number, counted from 1.
    pub number: u32,
    /// When it began.
    pub began: Instant,
    /// The total timeout of the call, where less than that is left for this attempt.
    pub(crate) whole_total: Option<Duration>,
}

impl Attempt {
    /// Creates the attempt with this number and start.
    pub const fn new(number: u32, began: Instant) -> Self {
        Self { number, began, whole_total: None }
    }
}

/// The attempts of a call: how many there were, how long they took, and how each failed.
///
/// [`Retry`](crate::Retry) puts it into the extensions of every response that it returns; an error
/// has [`attempts`](TransportError::attempts).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Attempts {
    /// The number of attempts, including the last one.
    pub count: u32,
    /// From the first attempt until the outcome was known, waits included.
    pub elapsed: Duration,
    /// The attempts that failed, in order; the last one too if the call failed.
    pub failed: Vec<FailedAttempt>,
    /// Whether a retry was due but the origin's [`RetryBudget`](crate::RetryBudget) was used up,
    /// because many calls to that server fail.
    pub budget_exhausted: bool,
}

// Here, so that the error module does not depend on attempts.
impl TransportError {
    /// Returns the attempts of the call that failed; empty below the retry layer.
    pub fn attempts(&self) -> &Attempts {
        static NONE: Attempts = Attempts {
            count: 0,
            elapsed: Duration::ZERO,
            failed: Vec::new(),
            budget_exhausted: false,
        };
        self.extensions().get().unwrap_or(&NONE)
    }
}

/// An attempt without a usable response.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FailedAttempt {
    /// Why it failed.
    pub cause: FailureCause,
    /// Whether the server may have seen this attempt, and billed it.
    pub delivery: Delivery,
    /// The server's [identifier](crate::request_id()) of the request, if a response named one.
    pub request_id: Option<String>,
    /// How long this attempt took.
    pub elapsed: Duration,
    /// The wait that followed it; `None` after the last.
    pub wait: Option<Duration>,
    headers: HeaderMap,
}

impl FailedAttempt {
    /// Records an attempt. If another follows, after `wait`, the response's headers are moved here:
    /// the response itself is dropped.
    pub(crate) fn new(
        outcome: &mut Result<Response, TransportError>,
        elapsed: Duration,
        wait: Option<Duration>,
    ) -> Self {
        let (cause, delivery) = match outcome {
            Ok(response) => (FailureCause::Status(response.status()), Delivery::Unknown),
            Err(error) => (FailureCause::Transport(error.kind()), error.delivery()),
        };
        let response = outcome.as_mut().ok();
        let request_id = response.as_deref().and_then(|response| request_id(response.headers()));
        let request_id = request_id.map(str::to_owned);
        let headers = response.filter(|_| wait.is_some()).map(http::Response::headers_mut);
        let headers = headers.map(std::mem::take).unwrap_or_default();
        Self { cause, delivery, request_id, elapsed, wait, headers }
    }

    /// Returns the response's headers, if there was a response and another attempt followed.
    ///
    /// They are empty for the last attempt of a call: its response goes to the caller.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }
}

/// Why an attempt failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FailureCause {
    /// The response's status.
    Status(StatusCode),
    /// There was no response.
    Transport(ErrorKind),
}

impl fmt::Display for Attempts {
    /// One line: `2 attempts in 2.5s: 503 Service Unavailable, timeout: no response headers`.
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

impl fmt::Debug for FailedAttempt {
    /// Without the headers, which may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FailedAttempt")
            .field("cause", &self.cause)
            .field("delivery", &self.delivery)
            .field("request_id", &self.request_id)
            .field("elapsed", &self.elapsed)
            .field("wait", &self.wait)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for FailureCause {
    /// `503 Service Unavailable`, `520`, or the text of the [`ErrorKind`].
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

#[cfg(test)]
mod tests;
