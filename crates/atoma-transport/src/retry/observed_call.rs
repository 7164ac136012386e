//! Reports one call to its observers.
//!
//! ```text
//! start ─► attempt_started ─► attempt_ended ─┬─ retry ─► attempt_started …
//!                                            ├─ response_head ─► around: body … ─► end
//!                                            └─ end (failed)
//! drop at any time ─────────────────────────────────────────────────────────────► end (dropped)
//! ```
//!
//! The end is reported exactly once: at the end of the body, with the error, or when the call or its body is dropped.
use crate::{
    Attempt, AttemptEnded, AttemptStarted, Attempts, Body, CallEnded, CallId, CallOutcome,
    CallStarted, FailedAttempt, Observer, Observers, Request, Response, ResponseHead, RetryEvent,
    Timer, TransportError, body::PolledFrame, request_id,
};
use bytes::Bytes;
use http_body::SizeHint;
use std::{
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

/// A call that is being observed. Dropping it reports the end of the call, unless that has already
/// been reported.
pub(super) struct ObservedCall {
    /// Connects the events of one call.
    call: CallId,
    observers: Observers,
    timer: Arc<dyn Timer>,
    /// The start of the call: `elapsed` counts from here, over all attempts.
    began: Instant,
    /// The bytes of the body that were read so far.
    body_bytes: u64,
    /// Whether the end was reported.
    has_ended: bool,
}

impl ObservedCall {
    /// Reports the start of a call. `None` if nobody observes it.
    pub(super) fn start(
        observers: &Observers,
        call: Option<CallId>,
        timer: &Arc<dyn Timer>,
        began: Instant,
    ) -> Option<Self> {
        // Nothing is allocated for a call that nobody observes.
        if observers.is_empty() {
            return None;
        }
        // The facade chooses the id if it observes the call too.
        let call = call.unwrap_or_else(CallId::next);
        observers.call_started(&CallStarted { call });
        let (observers, timer) = (observers.clone(), Arc::clone(timer));
        Some(Self { call, observers, timer, began, body_bytes: 0, has_ended: false })
    }

    /// Reports a request that is about to be sent.
    pub(super) fn attempt_started(&self, attempt: Attempt, request: &Request) {
        self.observers.attempt_started(&AttemptStarted {
            call: self.call,
            attempt: attempt.number,
            method: request.method(),
            uri: request.uri(),
        });
    }

    /// Reports a head or an error, before it is judged.
    pub(super) fn attempt_ended(
        &self,
        attempt: Attempt,
        outcome: Result<&Response, &TransportError>,
    ) {
        self.observers.attempt_ended(&AttemptEnded {
            call: self.call,
            attempt: attempt.number,
            outcome,
            elapsed: self.timer.now().saturating_duration_since(attempt.began),
            request_id: outcome.ok().and_then(|response| request_id(response.headers())),
        });
    }

    /// Reports that the call will be retried after `wait`.
    pub(super) fn retry(
        &self,
        attempt: u32,
        failed: &FailedAttempt,
        wait: Duration,
        tokens_left: Option<u32>,
    ) {
        self.observers.retry(&RetryEvent {
            call: self.call,
            attempt,
            cause: failed.cause,
            wait,
            request_id: failed.request_id.clone(),
            tokens_left,
        });
    }

    /// Reports the head of the response that the caller gets.
    pub(super) fn response_head(&self, response: &Response, attempts: &Attempts) {
        self.observers.response_head(&ResponseHead {
            call: self.call,
            response,
            elapsed: self.elapsed(),
            attempts,
        });
    }

    /// The time since the call began.
    fn elapsed(&self) -> Duration {
        self.timer.now().saturating_duration_since(self.began)
    }

    /// Reports the end of the call.
    pub(super) fn end(&mut self, outcome: CallOutcome<'_>) {
        // Dropping reports the end too.
        if mem::replace(&mut self.has_ended, true) {
            return;
        }
        let (elapsed, body_bytes) = (self.elapsed(), self.body_bytes);
        self.observers.call_ended(&CallEnded { call: self.call, outcome, elapsed, body_bytes });
    }

    /// Returns `body`, observed until its end.
    pub(super) fn around(mut self, body: Body) -> Body {
        // All of it is here: there is nothing to observe while it is read.
        if body.is_whole() {
            self.body_bytes = http_body::Body::size_hint(&body).lower();
            self.end(CallOutcome::Complete);
            return body;
        }
        Body::streamed(ObservedBody { body, call: self })
    }
}

/// A call whose future or body is dropped has ended too.
impl Drop for ObservedCall {
    fn drop(&mut self) {
        self.end(CallOutcome::Dropped);
    }
}

/// Counts the bytes of a body and reports its end.
struct ObservedBody {
    body: Body,
    call: ObservedCall,
}

impl http_body::Body for ObservedBody {
    type Data = Bytes;
    type Error = TransportError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> PolledFrame {
        let this = &mut *self;
        let frame = ready!(Pin::new(&mut this.body).poll_frame(cx));
        match &frame {
            Some(Ok(frame)) => {
                this.call.body_bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
                // A reader that knows the length does not ask for the end.
                if http_body::Body::is_end_stream(&this.body) {
                    this.call.end(CallOutcome::Complete);
                }
            }
            Some(Err(error)) => this.call.end(CallOutcome::Failed(error)),
            None => this.call.end(CallOutcome::Complete),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        http_body::Body::is_end_stream(&self.body)
    }

    fn size_hint(&self) -> SizeHint {
        http_body::Body::size_hint(&self.body)
    }
}
