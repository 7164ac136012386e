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
    call: CallId,
    observers: Observers,
    timer: Arc<dyn Timer>,
    began: Instant,
    body_bytes: u64,
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
        if observers.is_empty() {
            return None;
        }
        let call = call.unwrap_or_else(CallId::next);
        observers.call_started(&CallStarted { call });
        let (observers, timer) = (observers.clone(), Arc::clone(timer));
        Some(Self { call, observers, timer, began, body_bytes: 0, has_ended: false })
    }

    pub(super) fn attempt_started(&self, attempt: Attempt, request: &Request) {
        self.observers.attempt_started(&AttemptStarted {
            call: self.call,
            attempt: attempt.number,
            method: request.method(),
            uri: request.uri(),
        });
    }

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

    pub(super) fn response_head(&self, response: &Response, attempts: &Attempts) {
        self.observers.response_head(&ResponseHead {
            call: self.call,
            response,
            elapsed: self.elapsed(),
            attempts,
        });
    }

    fn elapsed(&self) -> Duration {
        self.timer.now().saturating_duration_since(self.began)
    }

    /// Reports the end of the call.
    pub(super) fn end(&mut self, outcome: CallOutcome<'_>) {
        if mem::replace(&mut self.has_ended, true) {
            return;
        }
        let (elapsed, body_bytes) = (self.elapsed(), self.body_bytes);
        self.observers.call_ended(&CallEnded { call: self.call, outcome, elapsed, body_bytes });
    }

    /// Returns `body`, observed until its end.
    pub(super) fn around(mut self, body: Body) -> Body {
        if body.is_whole() {
            self.body_bytes = http_body::Body::size_hint(&body).lower();
            self.end(CallOutcome::Complete);
            return body;
        }
        Body::streamed(ObservedBody { body, call: self })
    }
}

impl Drop for ObservedCall {
    fn drop(&mut self) {
        self.end(CallOutcome::Dropped);
    }
}

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
