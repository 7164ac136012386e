//! The retry loop of one call.
mod way_back;

use super::{
    config::RetryConfig,
    observed_call::ObservedCall,
    options::CallOptions,
    settings::{Settings, Source},
};
use crate::{
    Attempt, Attempts, Deadline, Delivery, Phase, Request, RequestSource, Response, ResponseFuture,
    Timeouts, Timer, Transport, TransportError,
    timeouts::earlier,
    timer::{check_slept, sleep_until},
};
use http::{Extensions, Uri};
use std::{
    future::{Future, poll_fn},
    mem,
    pin::pin,
    sync::Arc,
    task::{Poll, ready},
    time::Instant,
};

/// One call with all its attempts.
///
/// ```text
///        ┌────────────────────── sleep ◄── plan: wait, budget ◄─┐
///        ▼                                                      │ retry
///     request ──► send ──► response hooks ──► 2xx? ──no──► judge: policy, error body
///        │          │                          │                │ stop
///        │ Err      │ Err ──────► judge        │ yes            ▼
///        └────────► judge                      ▼              finish: Attempts
///                                           succeed           into response or error
/// ```
///
/// The loop keeps one rule: a request leaves this function only through `send`, and `send` is
/// reached again only through `judge` and `plan`. So whatever a response or an error is, the pure
/// policy has seen it before anything is sent a second time. The withdrawal from the budget is held
/// across the sleep and spent after it: a call that is dropped while it waits pays nothing.
pub(super) struct Call<T> {
    /// The settings of the layer, shared by all calls.
    settings: Arc<Settings<T>>,
    /// The call's own configuration, if it has one.
    config: Option<Box<RetryConfig>>,
    /// Where the requests come from: one that is cloned, or a [`RequestSource`].
    source: Source,
    /// `None` leaves the timeouts to the layers below.
    timeouts: Option<Timeouts>,
    /// Takes precedence over the total of `timeouts`.
    deadline: Option<Deadline>,
    /// The start of the total, and of the first attempt.
    began: Instant,
    /// The server that the requests go to, once the source no longer knows it.
    uri: Option<Box<Uri>>,
    /// The attempts so far, for the response's extensions or the error.
    attempts: Attempts,
    /// `None` if nobody observes the call, which then costs nothing.
    observed: Option<ObservedCall>,
}

impl<T: Transport> Call<T> {
    /// The options are borrowed, since they are large and mostly empty.
    pub(super) fn new(settings: Arc<Settings<T>>, source: Source, options: &CallOptions) -> Self {
        let began = settings.timer.now();
        let timeouts = options.timeouts.or(settings.timeouts);
        Self {
            config: options.retries.clone().map(Box::new),
            source,
            timeouts,
            deadline: options.deadline,
            began,
            uri: None,
            attempts: Attempts::default(),
            observed: ObservedCall::start(
                &settings.observers,
                options.call_id,
                &settings.timer,
                began,
            ),
            settings,
        }
    }

    /// Makes the attempts. A block and not an `async fn`, which would hold its arguments twice.
    pub(super) fn run(mut self) -> ResponseFuture {
        Box::pin(async move {
            // The clock is read once for the call and its first attempt.
            let mut began = self.began;
            loop {
                // Another caller may have extended the pause in the meantime.
                while let Some(end) = self.pause_ends() {
                    // Boxed: most calls never pause.
                    let pause = Box::pin(sleep_until(&*self.settings.timer, end));
                    if let Err(error) = pause.await {
                        return self.finish(Err(error));
                    }
                    began = self.settings.timer.now();
                }
                self.attempts.count += 1;
                let attempt = Attempt::new(self.attempts.count, began);
                // A request is large: it is made and passed on between two points of waiting, so that
                // this future has no room for it.
                let sending = match self.own_request().map(|request| self.send(request, attempt)) {
                    Some(sending) => Ok(sending),
                    // Boxed: it is half of this future, and most calls have the same request for
                    // all attempts.
                    None => {
                        Box::pin(self.ask(attempt)).await.map(|request| self.send(request, attempt))
                    }
                };
                // The block ends before the next point of waiting, and with it the room for the outcome.
                let failing = {
                    let mut outcome = match sending {
                        Ok(response) => {
                            let mut outcome = response.await;
                            self.received(attempt, &mut outcome);
                            outcome
                        }
                        Err(error) => Err(error),
                    };
                    if let Ok(response) = &mut outcome {
                        if response.status().is_success() {
                            self.succeed(response);
                            return outcome;
                        }
                    }
                    // Boxed: it is large, and most calls never need it.
                    Box::pin(self.fail(outcome, began))
                };
                if let Some(outcome) = failing.await {
                    return outcome;
                }
                began = self.settings.timer.now();
            }
        })
    }
}

// The way down: a request for the attempt, and its sending.
impl<T: Transport> Call<T> {
    /// The request, if it is the same for all attempts.
    fn own_request(&mut self) -> Option<Request> {
        // The last attempt takes the request itself: with one attempt there is no copy at all.
        let is_last = self.attempts.count == self.config().max_attempts;
        match &mut self.source {
            Source::Own(request) if is_last => {
                self.uri = Some(Box::new(request.uri().clone()));
                Some(mem::take(request))
            }
            Source::Own(request) => Some(request.clone()),
            Source::Shared(_) => None,
        }
    }

    /// Puts the settings of the attempt into the extensions of its request.
    fn prepare(&self, extensions: &mut Extensions, mut attempt: Attempt) {
        if let Some(mut timeouts) = self.timeouts {
            // A later attempt has only the rest of the total; its errors still name the whole.
            if let (true, Some(total)) = (attempt.began > self.began, timeouts.total) {
                attempt.whole_total = Some(total);
                let left = self.ends();
                timeouts.total = left.map(|end| end.saturating_duration_since(attempt.began));
            }
            if extensions.get() != Some(&timeouts) {
                extensions.insert(timeouts);
            }
        }
        if let Some(deadline) = self.deadline {
            extensions.insert(deadline);
        }
        extensions.insert(attempt);
    }

    /// Asks the source for a request, within the attempt's timeouts.
    async fn ask(&mut self, attempt: Attempt) -> Result<Request, TransportError> {
        let request = match &self.source {
            Source::Own(request) => request.clone(),
            Source::Shared(source) => self.ask_source(&**source, attempt).await?,
        };
        self.uri = Some(Box::new(request.uri().clone()));
        Ok(request)
    }

    /// Waits for the source, until the earlier of the head and the total timeout.
    async fn ask_source(
        &self,
        source: &dyn RequestSource,
        attempt: Attempt,
    ) -> Result<Request, TransportError> {
        // The source sees the last failure: it may renew a key, or choose another server.
        let mut making = pin!(source.request(attempt, self.attempts.failed.last()));
        let head = self.timeouts.and_then(|timeouts| attempt.began.checked_add(timeouts.head?));
        let mut sleep = None;
        poll_fn(|cx| {
            if let Poll::Ready(request) = making.as_mut().poll(cx) {
                return Poll::Ready(request);
            }
            let Some(end) = earlier(head, self.ends()) else { return Poll::Pending };
            // Armed on the first wait: most sources have the request ready.
            let sleep = sleep.get_or_insert_with(|| self.settings.timer.sleep_until(end));
            ready!(sleep.as_mut().poll(cx));
            check_slept(&*self.settings.timer, end, Delivery::NotSent)?;
            let error = if self.ends() == Some(end) {
                let total = self.timeouts.and_then(|timeouts| timeouts.total);
                TransportError::timeout(Phase::Total, Delivery::NotSent)
                    .with_limit(total.filter(|_| self.deadline.is_none()))
            } else {
                TransportError::timeout(Phase::Head, Delivery::NotSent)
                    .with_limit(self.timeouts.and_then(|timeouts| timeouts.head))
            };
            Poll::Ready(Err(error.with_detail("while making the request")))
        })
        .await
    }

    /// Passes a request to the transport below.
    fn send(&self, mut request: Request, attempt: Attempt) -> ResponseFuture {
        self.prepare(request.extensions_mut(), attempt);
        if let Some(observed) = &self.observed {
            observed.attempt_started(attempt, &request);
        }
        self.settings.transport.send(request)
    }

    /// Shows the outcome of an attempt to the hooks, before the loop decides about it.
    fn received(&self, attempt: Attempt, outcome: &mut Result<Response, TransportError>) {
        if let Ok(response) = outcome {
            if let Some(hook) = &self.settings.on_response {
                hook(response);
            }
            if let Source::Shared(source) = &self.source {
                source.response(attempt, response);
            }
        }
        if let Some(observed) = &self.observed {
            observed.attempt_ended(attempt, outcome.as_ref());
        }
    }

    /// Where the requests go, if that is known.
    fn uri(&self) -> Option<&Uri> {
        self.uri.as_deref().or_else(|| match &self.source {
            Source::Own(request) => Some(request.uri()),
            Source::Shared(source) => source.uri(),
        })
    }

    /// When the pause for the server ends, if there is one and the call has the time.
    fn pause_ends(&self) -> Option<Instant> {
        let pause = self.settings.pause.as_ref()?;
        let end = pause.ends(self.uri()?, self.settings.timer.now(), self.settings.random())?;
        self.ends().is_none_or(|deadline| end < deadline).then_some(end)
    }

    fn config(&self) -> &RetryConfig {
        self.config.as_deref().unwrap_or(&self.settings.config)
    }

    /// When the call must be over.
    fn ends(&self) -> Option<Instant> {
        match self.deadline {
            Some(Deadline(end)) => Some(end),
            None => self.began.checked_add(self.timeouts?.total?),
        }
    }
}
