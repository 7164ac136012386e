use super::{
    after::retry_after,
    budget::Withdrawal,
    config::RetryConfig,
    error_body,
    observed_call::ObservedCall,
    options::CallOptions,
    policy::{AttemptOutcome, RetryContext, RetryDecision, is_rate_limit},
    settings::{Settings, Source},
};
use crate::{
    Attempt, Attempts, Body, CallOutcome, Deadline, Delivery, FailedAttempt, Phase, Request,
    RequestSource, Response, ResponseFuture, Sleep, Timeouts, Timer, Transport, TransportError,
    timeouts::earlier,
    timer::{check_slept, sleep_until},
};
use http::{Extensions, StatusCode, Uri};
use std::{
    future::{Future, poll_fn},
    mem,
    pin::pin,
    sync::Arc,
    task::{Poll, ready},
    time::{Duration, Instant, SystemTime},
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
    settings: Arc<Settings<T>>,
    /// The call's own configuration, if it has one.
    config: Option<Box<RetryConfig>>,
    source: Source,
    /// `None` leaves the timeouts to the layers below.
    timeouts: Option<Timeouts>,
    deadline: Option<Deadline>,
    began: Instant,
    /// The server that the requests go to, once the source no longer knows it.
    uri: Option<Uri>,
    attempts: Attempts,
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
                    if let Err(error) = sleep_until(&*self.settings.timer, end).await {
                        return self.finish(Err(error));
                    }
                    began = self.settings.timer.now();
                }
                self.attempts.count += 1;
                let attempt = Attempt::new(self.attempts.count, began);
                // A request is large: it is made and passed on between two points of waiting, so that
                // this future has no room for it.
                let sending = match self.own_request() {
                    Some(request) => Ok(self.send(request, attempt)),
                    None => self.ask(attempt).await.map(|request| self.send(request, attempt)),
                };
                let is_sent = sending.is_ok();
                let mut outcome = match sending {
                    Ok(response) => response.await,
                    Err(error) => Err(error),
                };
                if is_sent {
                    self.received(attempt, &mut outcome);
                }
                if let Ok(response) = &mut outcome {
                    if response.status().is_success() {
                        self.succeed(response);
                        return outcome;
                    }
                }
                // Boxed: it is large, and most calls never need it.
                if let Some(outcome) = Box::pin(self.fail(outcome, began)).await {
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
        let is_last = self.attempts.count == self.config().max_attempts;
        match &mut self.source {
            Source::Own(request) if is_last => {
                self.uri = Some(request.uri().clone());
                Some(mem::take(request))
            }
            Source::Own(request) => Some(request.clone()),
            Source::Shared(_) => None,
        }
    }

    /// Puts the settings of the attempt into the extensions of its request.
    fn prepare(&self, extensions: &mut Extensions, mut attempt: Attempt) {
        if let Some(mut timeouts) = self.timeouts {
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
        self.uri = Some(request.uri().clone());
        Ok(request)
    }

    async fn ask_source(
        &self,
        source: &dyn RequestSource,
        attempt: Attempt,
    ) -> Result<Request, TransportError> {
        let mut making = pin!(source.request(attempt, self.attempts.failed.last()));
        let head = self.timeouts.and_then(|timeouts| attempt.began.checked_add(timeouts.head?));
        let mut sleep = None;
        poll_fn(|cx| {
            if let Poll::Ready(request) = making.as_mut().poll(cx) {
                return Poll::Ready(request);
            }
            let Some(end) = earlier(head, self.ends()) else { return Poll::Pending };
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

    fn send(&self, mut request: Request, attempt: Attempt) -> ResponseFuture {
        self.prepare(request.extensions_mut(), attempt);
        if let Some(observed) = &self.observed {
            observed.attempt_started(attempt, &request);
        }
        self.settings.transport.send(request)
    }

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
        self.uri.as_ref().or_else(|| match &self.source {
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

// The way back: another attempt, or the outcome.
impl<T: Transport> Call<T> {
    /// Waits for the next attempt; returns the outcome if the caller receives it.
    async fn fail(
        &mut self,
        outcome: Result<Response, TransportError>,
        began: Instant,
    ) -> Option<Result<Response, TransportError>> {
        let (mut outcome, decision) = self.judge(outcome).await;
        self.pause_all(&outcome, decision);
        let planned = self.plan(&outcome, decision);
        self.record(&mut outcome, began, planned.as_ref().map(|(wait, ..)| *wait));
        let Some((wait, until, withdrawal)) = planned else { return Some(self.finish(outcome)) };
        // The old exchange ends before the wait.
        drop(outcome);
        self.announce(wait);
        if let Err(error) = sleep_until(&*self.settings.timer, until).await {
            return Some(self.finish(Err(error)));
        }
        if let Some(withdrawal) = withdrawal {
            withdrawal.spend();
        }
        None
    }

    /// Decides the next step. The body of an error response is read only if it can matter.
    async fn judge(
        &self,
        outcome: Result<Response, TransportError>,
    ) -> (Result<Response, TransportError>, RetryDecision) {
        let random = self.settings.random();
        let response = match outcome {
            Err(error) => {
                let decision = self.decide(&AttemptOutcome::Error(&error), random);
                return (Err(error), decision);
            }
            Ok(response) => response,
        };
        let (head, body) = response.into_parts();
        let outcome =
            |retry| AttemptOutcome::Response { status: head.status, headers: &head.headers, retry };
        let source = match &self.source {
            Source::Shared(source) if self.attempts.count < self.config().max_attempts => {
                Some(source)
            }
            _ => None,
        };
        if source.is_none() && self.decide(&outcome(None), random) == RetryDecision::Stop {
            return (Ok(Response::from_parts(head, body)), RetryDecision::Stop);
        }
        let body = error_body::read(body, self.error_body_timeout()).await;
        let by_source = source.and_then(|source| source.retries_response(&head, &body));
        let is_final = || self.settings.final_response.as_ref().is_some_and(|f| f(&head, &body));
        let decision =
            self.decide(&outcome(by_source.or_else(|| is_final().then_some(false))), random);
        (Ok(Response::from_parts(head, Body::from(body))), decision)
    }

    fn decide(&self, outcome: &AttemptOutcome<'_>, random: f64) -> RetryDecision {
        let now = self.settings.timer.now();
        let context = RetryContext {
            attempt: self.attempts.count,
            elapsed: now.saturating_duration_since(self.began),
            time_left: self.ends().map(|end| end.saturating_duration_since(now)),
            now: SystemTime::now(),
            random,
        };
        self.config().decide(outcome, &context)
    }

    fn error_body_timeout(&self) -> Sleep {
        let now = self.settings.timer.now();
        let end = now.checked_add(error_body::TIMEOUT).unwrap_or(now);
        self.settings.timer.sleep_until(self.ends().map_or(end, |deadline| deadline.min(end)))
    }

    /// Makes all callers wait if the server limits the rate and names the wait.
    fn pause_all(&self, outcome: &Result<Response, TransportError>, decision: RetryDecision) {
        let (Some(pause), Some(uri), Ok(response)) = (&self.settings.pause, self.uri(), outcome)
        else {
            return;
        };
        // A final response, such as an exhausted quota, ends the call before its last attempt.
        let is_last = self.attempts.count >= self.config().max_attempts;
        let is_final = decision == RetryDecision::Stop && !is_last;
        if response.status() != StatusCode::TOO_MANY_REQUESTS || is_final {
            return;
        }
        let asked = retry_after(response.headers(), SystemTime::now());
        if let Some(asked) = asked.filter(|asked| *asked <= self.config().max_retry_after) {
            pause.start(uri, self.settings.timer.now(), asked);
        }
    }

    /// The wait before the next attempt, its end, and its price; `None` if the caller
    /// receives the outcome.
    fn plan(
        &mut self,
        outcome: &Result<Response, TransportError>,
        decision: RetryDecision,
    ) -> Option<(Duration, Instant, Option<Withdrawal>)> {
        let RetryDecision::RetryAfter(wait) = decision else { return None };
        let until = self.settings.timer.now().checked_add(wait)?;
        // A server that names the wait is not failing: the budget is for outages.
        let is_free = outcome.as_ref().is_ok_and(|response| {
            is_rate_limit(response.status(), response.headers(), SystemTime::now())
        });
        let (false, Some(budget), Some(uri)) = (is_free, &self.settings.budget, self.uri()) else {
            return Some((wait, until, None));
        };
        let after_timeout = outcome.as_ref().is_err_and(TransportError::is_timeout);
        let withdrawal = budget.withdraw(uri, after_timeout);
        self.attempts.budget_exhausted = withdrawal.is_none();
        Some((wait, until, Some(withdrawal?)))
    }

    fn record(
        &mut self,
        outcome: &mut Result<Response, TransportError>,
        began: Instant,
        wait: Option<Duration>,
    ) {
        let now = self.settings.timer.now();
        self.attempts.elapsed = now.saturating_duration_since(self.began);
        let elapsed = now.saturating_duration_since(began);
        self.attempts.failed.push(FailedAttempt::new(outcome, elapsed, wait));
    }

    fn announce(&self, wait: Duration) {
        let (Some(observed), Some(failed)) = (&self.observed, self.attempts.failed.last()) else {
            return;
        };
        let budget = self.settings.budget.as_ref().zip(self.uri());
        let tokens_left = budget.map(|(budget, uri)| budget.tokens(uri));
        observed.retry(self.attempts.count, failed, wait, tokens_left);
    }

    fn succeed(&mut self, response: &mut Response) {
        let now = self.settings.timer.now();
        self.attempts.elapsed = now.saturating_duration_since(self.began);
        if let (Some(budget), Some(uri)) = (&self.settings.budget, self.uri()) {
            budget.deposit(uri);
        }
        self.hand_over(response);
    }

    fn finish(
        &mut self,
        outcome: Result<Response, TransportError>,
    ) -> Result<Response, TransportError> {
        match outcome {
            Ok(mut response) => {
                self.hand_over(&mut response);
                Ok(response)
            }
            Err(mut error) => {
                // The last attempt may not have been sent, but an earlier one was.
                if self.attempts.failed.iter().any(|one| one.delivery == Delivery::Unknown) {
                    error = error.with_delivery(Delivery::Unknown);
                }
                error.extensions_mut().insert(mem::take(&mut self.attempts));
                if let Some(observed) = &mut self.observed {
                    observed.end(CallOutcome::Failed(&error));
                }
                Err(error)
            }
        }
    }

    fn hand_over(&mut self, response: &mut Response) {
        if let Some(observed) = self.observed.take() {
            observed.response_head(response, &self.attempts);
            let body = mem::take(response.body_mut());
            *response.body_mut() = observed.around(body);
        }
        response.extensions_mut().insert(mem::take(&mut self.attempts));
    }
}
