//! The way back of a call: another attempt, or the outcome.
//!
//! ```text
//! fail: judge ─► pause_all ─► plan ─┬─ no ──► record ─► finish: the caller gets the outcome
//!                                   └─ wait ─► record ─► announce ─► sleep ─► spend ─► next attempt
//! ```
//!
//! The order matters: the pause holds for other callers whatever this call does, the plan needs the decision, the record needs the
//! wait, and the observers see a record that is complete.

use super::{
    super::{
        after::retry_after,
        budget::Withdrawal,
        error_body,
        policy::{AttemptOutcome, RetryContext, RetryDecision, is_rate_limit},
        settings::Source,
    },
    Call,
};
use crate::{
    Body, CallOutcome, Delivery, FailedAttempt, Response, Sleep, Timer, Transport, TransportError,
    timer::sleep_until,
};
use http::StatusCode;
use std::{
    mem,
    time::{Duration, Instant, SystemTime},
};

impl<T: Transport> Call<T> {
    /// Waits for the next attempt; returns the outcome if the caller receives it.
    pub(super) async fn fail(
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
        // Without a source, a response that is not retried keeps its body unread, for the caller.
        if source.is_none() && self.decide(&outcome(None), random) == RetryDecision::Stop {
            return (Ok(Response::from_parts(head, body)), RetryDecision::Stop);
        }
        // From here on the body is in memory: the policy, the source or the check may need it.
        let body = error_body::read(body, self.error_body_timeout()).await;
        let by_source = source.and_then(|source| source.retries_response(&head, &body));
        let is_final = || self.settings.final_response.as_ref().is_some_and(|f| f(&head, &body));
        let decision =
            self.decide(&outcome(by_source.or_else(|| is_final().then_some(false))), random);
        (Ok(Response::from_parts(head, Body::from(body))), decision)
    }

    /// Asks the policy, with everything that it may know about the call.
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

    /// Returns the time that reading an error body may take: 5 s, or less if the call has less.
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
        // Recorded for the caller, who would otherwise not know why there was no retry.
        self.attempts.budget_exhausted = withdrawal.is_none();
        Some((wait, until, Some(withdrawal?)))
    }

    /// Adds the failed attempt to the list that the caller receives.
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

    /// Reports the retry to the observers.
    fn announce(&self, wait: Duration) {
        let (Some(observed), Some(failed)) = (&self.observed, self.attempts.failed.last()) else {
            return;
        };
        let budget = self.settings.budget.as_ref().zip(self.uri());
        let tokens_left = budget.map(|(budget, uri)| budget.tokens(uri));
        observed.retry(self.attempts.count, failed, wait, tokens_left);
    }

    /// Ends a call with a response of status 2xx, which refills the budget.
    pub(super) fn succeed(&mut self, response: &mut Response) {
        let now = self.settings.timer.now();
        self.attempts.elapsed = now.saturating_duration_since(self.began);
        if let (Some(budget), Some(uri)) = (&self.settings.budget, self.uri()) {
            budget.deposit(uri);
        }
        self.hand_over(response);
    }

    /// Ends a call with an outcome that is not retried.
    pub(super) fn finish(
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

    /// Puts the list of attempts into the response, and lets the observers see its body.
    fn hand_over(&mut self, response: &mut Response) {
        if let Some(observed) = self.observed.take() {
            observed.response_head(response, &self.attempts);
            let body = mem::take(response.body_mut());
            *response.body_mut() = observed.around(body);
        }
        response.extensions_mut().insert(mem::take(&mut self.attempts));
    }
}
