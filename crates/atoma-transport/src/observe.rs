use crate::{Attempts, FailureCause, Response, TransportError};
use http::{Method, Uri};
use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

/// Watches calls: for metrics, logs and traces.
///
/// Every method does nothing by default, so implement those you need. Methods are called in the
/// task of the call and must not block. [`Retry::observer`](crate::Retry::observer) adds one to a
/// list; the observers of a list are independent of each other.
///
/// The order of a call's events is `call_started`, then for each attempt `attempt_started`,
/// `attempt_ended` and, if another follows, `retry`; then `response_head`, if there is a response;
/// and last `call_ended`, exactly once, also if the call is dropped. [`CallId`] connects them.
///
/// ```
/// use atoma_transport::{AttemptEnded, CallEnded, Observer, RetryEvent};
/// use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
///
/// #[derive(Default)]
/// struct Metrics {
///     retries: AtomicU64,
///     bytes: AtomicU64,
/// }
///
/// impl Observer for Metrics {
///     fn retry(&self, _: &RetryEvent) {
///         self.retries.fetch_add(1, Relaxed);
///     }
///
///     fn call_ended(&self, call: &CallEnded<'_>) {
///         self.bytes.fetch_add(call.body_bytes, Relaxed);
///     }
/// }
/// ```
pub trait Observer: Send + Sync + 'static {
    /// A call has started; no request has been made yet.
    fn call_started(&self, event: &CallStarted) {
        let _ = event;
    }

    /// An attempt's request has been made and is about to be sent.
    fn attempt_started(&self, event: &AttemptStarted<'_>) {
        let _ = event;
    }

    /// A started attempt has received the head of a response, or has failed.
    fn attempt_ended(&self, event: &AttemptEnded<'_>) {
        let _ = event;
    }

    /// A retry has been decided; its wait begins now.
    fn retry(&self, event: &RetryEvent) {
        let _ = event;
    }

    /// The head of the response that the caller receives has arrived, whatever its status.
    fn response_head(&self, event: &ResponseHead<'_>) {
        let _ = event;
    }

    /// The call has ended: its body was read to the end, it failed, or it was dropped.
    fn call_ended(&self, event: &CallEnded<'_>) {
        let _ = event;
    }
}

/// The identity of a call in its events, unique in this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(u64);

impl CallId {
    /// Returns an identity that no other call has.
    pub fn next() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The start of a call: see [`Observer::call_started`].
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct CallStarted {
    /// The call.
    pub call: CallId,
}

/// The start of an attempt: see [`Observer::attempt_started`].
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct AttemptStarted<'a> {
    /// The call.
    pub call: CallId,
    /// The attempt's number, counted from 1.
    pub attempt: u32,
    /// The request's method.
    pub method: &'a Method,
    /// The request's URL.
    pub uri: &'a Uri,
}

/// The end of an attempt: see [`Observer::attempt_ended`].
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct AttemptEnded<'a> {
    /// The call.
    pub call: CallId,
    /// The attempt's number, counted from 1.
    pub attempt: u32,
    /// The response, of which only the head is here, or why there is none.
    pub outcome: Result<&'a Response, &'a TransportError>,
    /// From the start of the attempt, with the time it took to make the request.
    pub elapsed: Duration,
    /// The server's [identifier](crate::request_id()) of the request.
    pub request_id: Option<&'a str>,
}

/// A retry that has been decided: see [`Observer::retry`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RetryEvent {
    /// The call.
    pub call: CallId,
    /// The number of the attempt that failed, counted from 1.
    pub attempt: u32,
    /// Why it failed.
    pub cause: FailureCause,
    /// The wait that begins now.
    pub wait: Duration,
    /// The server's [identifier](crate::request_id()) of the request, if a response named one.
    pub request_id: Option<String>,
    /// The tokens that the origin's [`RetryBudget`](crate::RetryBudget) holds now, 0 to 100; `None`
    /// without a budget.
    pub tokens_left: Option<u32>,
}

/// The head of a call's response: see [`Observer::response_head`].
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ResponseHead<'a> {
    /// The call.
    pub call: CallId,
    /// The response; its body is not read yet.
    pub response: &'a Response,
    /// From the start of the call.
    pub elapsed: Duration,
    /// All attempts of the call.
    pub attempts: &'a Attempts,
}

/// The end of a call: see [`Observer::call_ended`].
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct CallEnded<'a> {
    /// The call.
    pub call: CallId,
    /// How it ended.
    pub outcome: CallOutcome<'a>,
    /// From the start of the call.
    pub elapsed: Duration,
    /// The bytes of the response body that were read.
    pub body_bytes: u64,
}

/// How a call ended.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum CallOutcome<'a> {
    /// The body was read to its end. The status may be an error.
    Complete,
    /// There was no response, or reading its body failed.
    Failed(&'a TransportError),
    /// The caller dropped the call or the body.
    Dropped,
}

/// A list of observers; cheap to clone. An empty list costs nothing.
#[derive(Clone, Default)]
pub struct Observers(Option<Arc<[Arc<dyn Observer>]>>);

impl Observers {
    /// Creates an empty list.
    pub const fn new() -> Self {
        Self(None)
    }

    /// Appends an observer.
    pub fn push(&mut self, observer: impl Observer) {
        let observer: Arc<dyn Observer> = Arc::new(observer);
        self.0 = Some(self.iter().cloned().chain([observer]).collect());
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Returns the observers, in the order in which they were added.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<dyn Observer>> {
        self.0.as_deref().unwrap_or_default().iter()
    }
}

impl fmt::Debug for Observers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Observers({})", self.iter().count())
    }
}

/// The methods of [`Observer`], each passing its event on to `$observers`, an iterator.
macro_rules! pass_on {
    ($self:ident, $observers:expr) => {
        pass_on!($self, $observers, {
            call_started: CallStarted,
            attempt_started: AttemptStarted<'_>,
            attempt_ended: AttemptEnded<'_>,
            retry: RetryEvent,
            response_head: ResponseHead<'_>,
            call_ended: CallEnded<'_>,
        });
    };
    ($self:ident, $observers:expr, { $($method:ident: $event:ty,)* }) => { $(
        fn $method(&$self, event: &$event) {
            $observers.for_each(|observer| observer.$method(event));
        }
    )* };
}

/// Forwards each event to all observers of the list.
impl Observer for Observers {
    pass_on!(self, self.iter());
}

impl<T: Observer + ?Sized> Observer for Arc<T> {
    pass_on!(self, std::iter::once(&**self));
}

/// The observer that calls a closure for each retry.
pub(crate) struct OnRetry<F>(pub(crate) F);

impl<F: Fn(&RetryEvent) + Send + Sync + 'static> Observer for OnRetry<F> {
    fn retry(&self, event: &RetryEvent) {
        (self.0)(event);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_empty_until_an_observer_is_added() {
        let mut observers = Observers::new();
        assert!(observers.is_empty() && observers.iter().next().is_none());
        for count in 1..=2 {
            observers.push(OnRetry(|_: &RetryEvent| {}));
            assert!(!observers.is_empty());
            assert_eq!(observers.iter().count(), count);
        }
    }

    #[test]
    fn a_hook_is_called_for_a_retry_alone() {
        let attempts = Arc::new(std::sync::Mutex::new(Vec::new()));
        let seen = attempts.clone();
        let hook = OnRetry(move |event: &RetryEvent| seen.lock().unwrap().push(event.attempt));
        let (call, wait) = (CallId::next(), Duration::ZERO);
        let cause = FailureCause::Transport(crate::ErrorKind::Other);
        hook.call_started(&CallStarted { call });
        hook.retry(&RetryEvent {
            call,
            attempt: 7,
            cause,
            wait,
            request_id: None,
            tokens_left: None,
        });
        assert_eq!(*attempts.lock().unwrap(), [7]);
    }

    #[test]
    fn an_identity_is_a_number_that_grows() {
        let numbers =
            [CallId::next(), CallId::next()].map(|id| id.to_string().parse::<u64>().unwrap());
        assert!(numbers[0] < numbers[1], "{numbers:?}");
    }
}
