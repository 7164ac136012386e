//! Observation of calls, for metrics, logs and traces.

use crate::{ApiKey, CallInfo, Error, StreamStats};
use atoma_transport::{AttemptEnded, AttemptStarted, CallId, ResponseHead, RetryEvent, Timer};
use atoma_types::{ResponseModel, Usage};
use std::{
    any::Any,
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

/// Watches the calls of a client: for metrics, logs and traces.
///
/// Every method does nothing by default, so implement those you need. Methods are called in the
/// task of the call and must not block. Add an observer with
/// [`ClientBuilder::observer`](crate::ClientBuilder::observer); the observers of a client are
/// independent of each other, and a client without observers pays nothing.
///
/// The order of a call's events is `call_started`; for each attempt `attempt_started`,
/// `attempt_ended` and, if another follows, `retry`; `response_head`, if there is a response; for a
/// stream `first_event`, and `event` for each of its events; and last `call_ended`, exactly once,
/// also if the call is dropped. [`CallId`] connects them.
///
/// ```
/// use atoma::{CallEnd, Client, Observer};
/// use std::sync::{Arc, atomic::{AtomicU64, Ordering::Relaxed}};
///
/// #[derive(Default)]
/// struct Tokens(AtomicU64);
///
/// impl Observer for Tokens {
///     fn call_ended(&self, end: &CallEnd<'_>) {
///         self.0.fetch_add(end.usage.map_or(0, |usage| usage.total_tokens), Relaxed);
///     }
/// }
///
/// let tokens = Arc::new(Tokens::default());
/// let builder = Client::builder().observer(Arc::clone(&tokens));
/// ```
pub trait Observer: Send + Sync + 'static {
    /// A call has started. Its request is made, and nothing is sent yet.
    fn call_started(&self, call: CallId, info: &CallInfo<'_>) {
        let _ = (call, info);
    }

    /// An attempt is about to be sent.
    fn attempt_started(&self, event: &AttemptStarted<'_>) {
        let _ = event;
    }

    /// An attempt has received the head of a response, or has failed.
    fn attempt_ended(&self, event: &AttemptEnded<'_>) {
        let _ = event;
    }

    /// A retry was decided; its wait begins now.
    fn retry(&self, event: &RetryEvent) {
        let _ = event;
    }

    /// The head of the response has arrived, whatever its status.
    fn response_head(&self, event: &ResponseHead<'_>) {
        let _ = event;
    }

    /// The first event of a stream has arrived. [`event`](Self::event) follows for the same event.
    fn first_event(&self, event: &StreamEvent<'_>) {
        let _ = event;
    }

    /// An event of a stream has arrived.
    fn event(&self, event: &StreamEvent<'_>) {
        let _ = event;
    }

    /// The call has ended: complete, failed or dropped.
    fn call_ended(&self, end: &CallEnd<'_>) {
        let _ = end;
    }
}

/// An event of a stream; see [`Observer::event`].
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct StreamEvent<'a> {
    /// The call.
    pub call: CallId,
    /// The data of the event as it was received, with the API key redacted. It holds a part of the
    /// completion.
    pub data: &'a str,
    /// The time since the call started.
    pub elapsed: Duration,
    /// Whether the call is confidential: then the data is encrypted.
    pub is_confidential: bool,
}

/// The end of a call; see [`Observer::call_ended`].
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct CallEnd<'a> {
    /// The call.
    pub call: CallId,
    /// How it ended.
    pub outcome: CallResult<'a>,
    /// The tokens used, if the server reported them.
    pub usage: Option<&'a Usage>,
    /// The timing of a stream; `None` for other calls, and if no response was opened.
    pub stats: Option<&'a StreamStats>,
    /// The time since the call started.
    pub elapsed: Duration,
    /// Whether the call is confidential.
    pub is_confidential: bool,
    /// Set for a confidential call too: it must leave the crate only without its content.
    pub(crate) response: Option<Response<'a>>,
    /// The API key, to be redacted from texts.
    #[cfg_attr(not(feature = "tracing"), allow(dead_code, reason = "only spans hold texts"))]
    pub(crate) key: Option<&'a ApiKey>,
}

/// A response of any model.
pub(crate) type Response<'a> = &'a (dyn Any + Send + Sync);

impl<'a> CallEnd<'a> {
    /// Returns the response so far, if it is a `T`: a
    /// [`ChatCompletionResponse`](crate::ChatCompletionResponse), for example, whether it was
    /// streamed or not. Always `None` for a confidential call.
    ///
    /// ```
    /// use atoma::{CallEnd, ChatCompletionResponse};
    ///
    /// fn finish_reason(end: &CallEnd<'_>) -> Option<String> {
    ///     let response = end.response::<ChatCompletionResponse>()?;
    ///     Some(response.choices.first()?.finish_reason.as_ref()?.to_string())
    /// }
    /// ```
    pub fn response<T: ResponseModel>(&self) -> Option<&'a T> {
        if self.is_confidential { None } else { self.response?.downcast_ref() }
    }
}

/// How a call ended.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum CallResult<'a> {
    /// The response was complete.
    Complete,
    /// The call returned this error.
    Failed(&'a Error),
    /// The caller dropped the call or its stream.
    Dropped,
}

/// The methods of [`Observer`] for the events of the transport, each passing its event on to `$observer`.
macro_rules! pass_on {
    ($self:ident, $observer:expr) => {
        pass_on!($self, $observer, {
            attempt_started: AttemptStarted<'_>,
            attempt_ended: AttemptEnded<'_>,
            retry: RetryEvent,
            response_head: ResponseHead<'_>,
        });
    };
    ($self:ident, $observer:expr, { $($method:ident: $event:ty,)* }) => { $(
        fn $method(&$self, event: &$event) {
            $observer.$method(event);
        }
    )* };
}

impl<T: Observer + ?Sized> Observer for Arc<T> {
    pass_on!(self, **self);

    fn call_started(&self, call: CallId, info: &CallInfo<'_>) {
        (**self).call_started(call, info);
    }

    fn first_event(&self, event: &StreamEvent<'_>) {
        (**self).first_event(event);
    }

    fn event(&self, event: &StreamEvent<'_>) {
        (**self).event(event);
    }

    fn call_ended(&self, end: &CallEnd<'_>) {
        (**self).call_ended(end);
    }
}

/// The observer that [`ClientBuilder::on_retry`](crate::ClientBuilder::on_retry) makes.
pub(crate) struct OnRetry<F>(pub(crate) F);

impl<F: Fn(&RetryEvent) + Send + Sync + 'static> Observer for OnRetry<F> {
    fn retry(&self, event: &RetryEvent) {
        (self.0)(event);
    }
}

/// Passes the events of the transport on to an observer.
pub(crate) struct TransportEvents(pub(crate) Arc<dyn Observer>);

impl atoma_transport::Observer for TransportEvents {
    pass_on!(self, self.0);
}

/// The observation of one call. Empty for a client without observers.
#[derive(Default)]
pub(crate) struct Observation(Option<Box<Observed>>);

struct Observed {
    observers: Arc<[Arc<dyn Observer>]>,
    timer: Arc<dyn Timer>,
    call: CallId,
    started: Instant,
    is_confidential: bool,
    key: Option<ApiKey>,
    has_event: bool,
}

impl Observation {
    pub(crate) fn start(
        observers: &Arc<[Arc<dyn Observer>]>,
        timer: &Arc<dyn Timer>,
        call: CallId,
        info: &CallInfo<'_>,
    ) -> Self {
        observers.iter().for_each(|observer| observer.call_started(call, info));
        Self(Some(Box::new(Observed {
            observers: Arc::clone(observers),
            timer: Arc::clone(timer),
            call,
            started: timer.now(),
            is_confidential: info.is_confidential,
            key: info.key.cloned(),
            has_event: false,
        })))
    }

    /// Notes the API key, if it was not known when the call started.
    pub(crate) fn set_key(&mut self, key: Option<&ApiKey>) {
        if let (Some(observed), Some(key)) = (&mut self.0, key) {
            observed.key = Some(key.clone());
        }
    }

    #[inline]
    pub(crate) fn event(&mut self, data: &str) {
        if let Some(observed) = &mut self.0 {
            observed.event(data);
        }
    }

    /// Whether anyone observes the call and its end was not reported yet.
    #[inline]
    pub(crate) fn is_active(&self) -> bool {
        self.0.is_some()
    }

    /// Reports the end of the call, once.
    pub(crate) fn end(
        &mut self,
        outcome: CallResult<'_>,
        usage: Option<&Usage>,
        stats: Option<&StreamStats>,
        response: Option<Response<'_>>,
    ) {
        let Some(observed) = self.0.take() else { return };
        let Observed { call, is_confidential, .. } = *observed;
        let (elapsed, key) = (observed.elapsed(), observed.key.as_ref());
        let end = CallEnd { call, outcome, usage, stats, elapsed, is_confidential, response, key };
        observed.observers.iter().for_each(|observer| observer.call_ended(&end));
    }
}

impl Observed {
    #[inline(never)]
    fn event(&mut self, data: &str) {
        let &mut Self { call, is_confidential, .. } = self;
        let elapsed = self.elapsed();
        // In case the server repeated the key.
        let data = self.key.as_ref().map_or(data.into(), |key| key.redact_text(data));
        let data = &*data;
        let event = StreamEvent { call, data, elapsed, is_confidential };
        if !std::mem::replace(&mut self.has_event, true) {
            self.observers.iter().for_each(|observer| observer.first_event(&event));
        }
        self.observers.iter().for_each(|observer| observer.event(&event));
    }

    fn elapsed(&self) -> Duration {
        self.timer.now().saturating_duration_since(self.started)
    }
}

impl Drop for Observation {
    fn drop(&mut self) {
        self.end(CallResult::Dropped, None, None, None);
    }
}

/// Leaves the data out: it is a part of the completion.
impl fmt::Debug for StreamEvent<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamEvent")
            .field("call", &self.call)
            .field("elapsed", &self.elapsed)
            .finish_non_exhaustive()
    }
}
