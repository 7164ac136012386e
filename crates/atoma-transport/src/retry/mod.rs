mod after;
mod attempts;
mod budget;
mod config;
mod event;
mod policy;
mod refusal;

pub use after::retry_after;
pub use attempts::{Attempt, Attempts, FailedAttempt, FailureCause};
pub use budget::RetryBudget;
pub use config::{BackoffStrategy, InvalidRetryConfig, RetryConfig, RetryConnectionErrors};
pub use event::RetryEvent;
pub use policy::{AttemptOutcome, RetryContext, RetryDecision};

use crate::{
    Body, Deadline, Delivery, ErrorKind, Request, Response, ResponseFuture, Timeouts, Timer,
    Transport, TransportError, timeouts::WholeTotal,
};
use budget::Withdrawal;
use event::{OnResponse, OnRetry};
use http::HeaderName;
use std::{
    fmt, mem,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant, SystemTime},
};

/// Sends a request again where that is likely to help and cannot be billed twice.
///
/// It wraps any transport; put [`Timeout`](crate::Timeout) between the two, so that each attempt ends.
/// [`RetryConfig::decide`] holds the rules. What this layer adds to them:
///
/// * Nothing is sent again once the head of a 2xx answer is in, whatever becomes of its body.
/// * Every attempt sends the same request, an `Idempotency-Key` of the caller's included. Its
///   extensions carry the [`Attempt`] and, if [`Timeouts::total`] is set there or by
///   [`Retry::timeouts`], what is left of it.
/// * Before a refusal is retried its body is read, 64 KiB and 5 s at most. If the call ends with that
///   refusal all the same, the response carries what was read. Any other response passes through
///   with its body unread.
/// * Retries are paid for from a [`RetryBudget`], which clones of this value share.
/// * The outcome tells of every attempt: [`Attempts`] is in the extensions of a response and in
///   [`TransportError::attempts`].
/// * Dropping the future at any point ends the call and gives back what was not used.
///
/// ```
/// use atoma_transport::{Attempts, Retry, RetryConfig, Transport};
/// use atoma_transport::testing::{Exchange, ManualTimer, ScriptedTransport};
///
/// let server = ScriptedTransport::new([Exchange::respond(503), Exchange::respond(200)]);
/// let timer = ManualTimer::new();
/// let transport = Retry::new(server, timer.clone()).config(RetryConfig::default().max_attempts(2));
///
/// let response = timer.run(transport.send(http::Request::default()))?;
/// assert_eq!(response.status(), 200);
/// assert_eq!(response.extensions().get::<Attempts>().map(|attempts| attempts.count), Some(2));
/// # Ok::<(), atoma_transport::TransportError>(())
/// ```
pub struct Retry<T> {
    /// In one piece, since each call holds it.
    settings: Arc<Settings<T>>,
}

struct Settings<T> {
    transport: Arc<T>,
    timer: Arc<dyn Timer>,
    config: RetryConfig,
    timeouts: Option<Timeouts>,
    chance: Arc<Mutex<fastrand::Rng>>,
    refusal_check: Option<RefusalCheck>,
    budget: Option<RetryBudget>,
    on_response: Option<OnResponse>,
    on_retry: Option<OnRetry>,
}

type RefusalCheck = Arc<dyn Fn(&http::response::Parts, &[u8]) -> bool + Send + Sync>;

impl<T: Transport> Retry<T> {
    /// Retries what `transport` fails at, waiting by `timer`, with the default [`RetryConfig`] and a
    /// [`RetryBudget`] of its own.
    pub fn new(transport: T, timer: impl Timer) -> Self {
        let settings = Settings {
            transport: Arc::new(transport),
            timer: Arc::new(timer),
            config: RetryConfig::default(),
            timeouts: None,
            chance: Arc::new(Mutex::new(fastrand::Rng::new())),
            refusal_check: None,
            budget: Some(RetryBudget::default()),
            on_response: None,
            on_retry: None,
        };
        Self { settings: Arc::new(settings) }
    }

    fn set(mut self, set: impl FnOnce(&mut Settings<T>)) -> Self {
        set(Arc::make_mut(&mut self.settings));
        self
    }

    /// Sets the configuration of calls that bring none in their extensions.
    #[must_use]
    pub fn config(self, config: RetryConfig) -> Self {
        self.set(|settings| settings.config = config)
    }

    /// Sets the time-outs of calls that bring none in their extensions: each attempt then has them
    /// in its own, and their total is that of all attempts. Default: none.
    #[must_use]
    pub fn timeouts(self, timeouts: Timeouts) -> Self {
        self.set(|settings| settings.timeouts = Some(timeouts))
    }

    /// Makes the waits the same in every run. Without it they differ.
    #[must_use]
    pub fn seed(self, seed: u64) -> Self {
        let chance = Arc::new(Mutex::new(fastrand::Rng::with_seed(seed)));
        self.set(|settings| settings.chance = chance)
    }

    /// Sets a check that sees a refusal, with up to 64 KiB of its body, before it is retried:
    /// `true` says that it is final, whatever its status and headers. Default: none is.
    ///
    /// ```
    /// # use atoma_transport::{Retry, testing::{ManualTimer, ScriptedTransport}};
    /// # let retry = Retry::new(ScriptedTransport::new([]), ManualTimer::new());
    /// let out_of_credit = |_: &http::response::Parts, body: &[u8]| {
    ///     body.windows(18).any(|part| part == b"insufficient_quota")
    /// };
    /// let retry = retry.refusal_check(out_of_credit);
    /// ```
    #[must_use]
    pub fn refusal_check<F>(self, is_final: F) -> Self
    where
        F: Fn(&http::response::Parts, &[u8]) -> bool + Send + Sync + 'static,
    {
        self.set(|settings| settings.refusal_check = Some(Arc::new(is_final)))
    }

    /// Sets the budget that pays for retries; several layers may share one. `None`: no bound.
    #[must_use]
    pub fn budget(self, budget: impl Into<Option<RetryBudget>>) -> Self {
        self.set(|settings| settings.budget = budget.into())
    }

    /// Sets what sees the response of each attempt before this layer does, with its body unread: to
    /// log it, to measure, or to change its head. Default: nothing does.
    #[must_use]
    pub fn on_response(self, hook: impl Fn(&mut Response) + Send + Sync + 'static) -> Self {
        self.set(|settings| settings.on_response = Some(Arc::new(hook)))
    }

    /// Sets what is called each time a retry has been decided on, before its wait begins.
    #[must_use]
    pub fn on_retry(self, hook: impl Fn(&RetryEvent) + Send + Sync + 'static) -> Self {
        self.set(|settings| settings.on_retry = Some(Arc::new(hook)))
    }
}

impl<T: Transport> Transport for Retry<T> {
    fn send(&self, request: Request) -> ResponseFuture {
        let config = request.extensions().get::<RetryConfig>().cloned().map(Box::new);
        let settings = Arc::clone(&self.settings);
        if let Err(invalid) = config.as_deref().unwrap_or(&settings.config).validate() {
            let error = TransportError::new(ErrorKind::Request, Delivery::NotSent);
            let error = error.with_detail("invalid retry settings").with_source(invalid);
            return Box::pin(std::future::ready(Err(error)));
        }
        Call::new(settings, config, request).run()
    }
}

/// One call: all its attempts.
struct Call<T> {
    retry: Arc<Settings<T>>,
    /// The call's own, if it brought one.
    config: Option<Box<RetryConfig>>,
    /// As each attempt sends it; of the last one, only its URL stays.
    request: Request,
    began: Instant,
    deadline: Option<Instant>,
    attempts: Attempts,
}

impl<T: Transport> Call<T> {
    fn new(retry: Arc<Settings<T>>, config: Option<Box<RetryConfig>>, request: Request) -> Self {
        let began = retry.timer.now();
        Self { retry, config, request, began, deadline: None, attempts: Attempts::default() }
    }

    fn config(&self) -> &RetryConfig {
        self.config.as_deref().unwrap_or(&self.retry.config)
    }

    /// A block and not an `async fn`, which would hold its arguments twice.
    fn run(mut self) -> ResponseFuture {
        Box::pin(async move {
            let mut began = self.began;
            loop {
                self.attempts.count += 1;
                let attempt = self.next(began);
                let mut outcome = self.retry.transport.send(attempt).await;
                if let Ok(answer) = &mut outcome {
                    if let Some(hook) = &self.retry.on_response {
                        hook(answer);
                    }
                    if answer.status().is_success() {
                        self.succeed(answer);
                        return outcome;
                    }
                }
                // Boxed: it is large, and most calls never need it.
                if let Some(outcome) = Box::pin(self.fail(outcome, began)).await {
                    return outcome;
                }
                began = self.retry.timer.now();
            }
        })
    }

    /// Waits for the next attempt; the outcome comes back if it is to be returned.
    async fn fail(
        &mut self,
        outcome: Result<Response, TransportError>,
        began: Instant,
    ) -> Option<Result<Response, TransportError>> {
        let (outcome, decision) = self.judge(outcome).await;
        let planned = self.plan(&outcome, decision);
        self.record(&outcome, began, planned.as_ref().map(|(wait, ..)| *wait));
        let Some((wait, until, withdrawal)) = planned else { return Some(self.finish(outcome)) };
        drop(outcome);
        self.announce(wait);
        self.retry.timer.sleep_until(until).await;
        if let Some(withdrawal) = withdrawal {
            withdrawal.spend();
        }
        None
    }

    /// The request of the attempt that begins now. It stays here, to be sent again, as long as
    /// another attempt may follow.
    fn next(&mut self, now: Instant) -> Request {
        let number = self.attempts.count;
        let is_last = number == self.config().max_attempts;
        let mut attempt = if is_last {
            let uri = self.request.uri().clone();
            let attempt = mem::take(&mut self.request);
            *self.request.uri_mut() = uri;
            attempt
        } else {
            self.request.clone()
        };
        let extensions = attempt.extensions_mut();
        let timeouts = match self.retry.timeouts {
            Some(usual) => *extensions.get_or_insert(usual),
            None => extensions.get().copied().unwrap_or(Timeouts::none()),
        };
        self.deadline = Deadline::of(extensions, &timeouts, self.began);
        if let (true, Some(total)) = (number > 1, timeouts.total) {
            let left = self.deadline.map(|deadline| deadline.saturating_duration_since(now));
            extensions.insert(timeouts.total(left));
            extensions.insert(WholeTotal(total));
        }
        extensions.insert(Attempt::new(number, now));
        attempt
    }

    /// Decides what follows, for which the body of a refusal may have to be read.
    async fn judge(
        &self,
        outcome: Result<Response, TransportError>,
    ) -> (Result<Response, TransportError>, RetryDecision) {
        let random = self.retry.chance.lock().unwrap_or_else(PoisonError::into_inner).f64();
        let response = match outcome {
            Err(error) => {
                let decision = self.decide(&AttemptOutcome::Error(&error), random);
                return (Err(error), decision);
            }
            Ok(response) => response,
        };
        let (head, body) = response.into_parts();
        let answered = |is_final| AttemptOutcome::Response {
            status: head.status,
            headers: &head.headers,
            is_final,
        };
        let decision = self.decide(&answered(false), random);
        if decision == RetryDecision::Stop {
            return (Ok(Response::from_parts(head, body)), decision);
        }
        let body = refusal::read(body, self.patience()).await;
        let is_final = self.retry.refusal_check.as_ref().is_some_and(|check| check(&head, &body));
        let decision = self.decide(&answered(is_final), random);
        (Ok(Response::from_parts(head, Body::from(body))), decision)
    }

    fn decide(&self, outcome: &AttemptOutcome<'_>, random: f64) -> RetryDecision {
        let now = self.retry.timer.now();
        let situation = RetryContext {
            attempt: self.attempts.count,
            elapsed: now.saturating_duration_since(self.began),
            time_left: self.deadline.map(|deadline| deadline.saturating_duration_since(now)),
            now: SystemTime::now(),
            random,
        };
        self.config().decide(outcome, &situation)
    }

    /// How long the body of a refusal is waited for.
    fn patience(&self) -> crate::Sleep {
        let now = self.retry.timer.now();
        let end = now.checked_add(REFUSAL_PATIENCE).unwrap_or(now);
        self.retry.timer.sleep_until(self.deadline.map_or(end, |deadline| deadline.min(end)))
    }

    /// The wait before the next attempt, its end, and what was paid for it; `None` if the outcome is
    /// to be returned.
    fn plan(
        &mut self,
        outcome: &Result<Response, TransportError>,
        decision: RetryDecision,
    ) -> Option<(Duration, Instant, Option<Withdrawal>)> {
        let RetryDecision::RetryAfter(wait) = decision else { return None };
        let until = self.retry.timer.now().checked_add(wait)?;
        let Some(budget) = &self.retry.budget else { return Some((wait, until, None)) };
        let after_timeout = outcome.as_ref().is_err_and(TransportError::is_timeout);
        let withdrawal = budget.withdraw(self.request.uri(), after_timeout);
        self.attempts.budget_exhausted = withdrawal.is_none();
        Some((wait, until, Some(withdrawal?)))
    }

    fn record(
        &mut self,
        outcome: &Result<Response, TransportError>,
        began: Instant,
        wait: Option<Duration>,
    ) {
        let now = self.retry.timer.now();
        self.attempts.elapsed = now.saturating_duration_since(self.began);
        let (cause, delivery, request_id) = match outcome {
            Ok(response) => {
                let id = response.headers().get(REQUEST_ID).and_then(|id| id.to_str().ok());
                (FailureCause::Status(response.status()), Delivery::Unknown, id.map(str::to_owned))
            }
            Err(error) => (FailureCause::Transport(error.kind()), error.delivery(), None),
        };
        let elapsed = now.saturating_duration_since(began);
        let failed = FailedAttempt { cause, delivery, request_id, elapsed, wait };
        self.attempts.failed.push(failed);
    }

    fn announce(&self, wait: Duration) {
        let (Some(hook), Some(failed)) = (&self.retry.on_retry, self.attempts.failed.last()) else {
            return;
        };
        hook(&RetryEvent {
            attempt: self.attempts.count,
            cause: failed.cause,
            wait,
            request_id: failed.request_id.clone(),
            tokens_left: self.retry.budget.as_ref().map(|budget| budget.tokens(self.request.uri())),
        });
    }

    fn succeed(&mut self, response: &mut Response) {
        let now = self.retry.timer.now();
        self.attempts.elapsed = now.saturating_duration_since(self.began);
        if let Some(budget) = &self.retry.budget {
            budget.deposit(self.request.uri());
        }
        response.extensions_mut().insert(mem::take(&mut self.attempts));
    }

    fn finish(
        &mut self,
        outcome: Result<Response, TransportError>,
    ) -> Result<Response, TransportError> {
        let attempts = mem::take(&mut self.attempts);
        match outcome {
            Ok(mut response) => {
                response.extensions_mut().insert(attempts);
                Ok(response)
            }
            Err(error) => Err(error.with_attempts(attempts)),
        }
    }
}

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const REFUSAL_PATIENCE: Duration = Duration::from_secs(5);

impl<T> Clone for Retry<T> {
    fn clone(&self) -> Self {
        Self { settings: Arc::clone(&self.settings) }
    }
}

impl<T> Clone for Settings<T> {
    fn clone(&self) -> Self {
        Self {
            transport: Arc::clone(&self.transport),
            timer: Arc::clone(&self.timer),
            config: self.config.clone(),
            timeouts: self.timeouts,
            chance: Arc::clone(&self.chance),
            refusal_check: self.refusal_check.clone(),
            budget: self.budget.clone(),
            on_response: self.on_response.clone(),
            on_retry: self.on_retry.clone(),
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for Retry<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Settings { transport, config, budget, .. } = &*self.settings;
        f.debug_struct("Retry")
            .field("transport", transport)
            .field("config", config)
            .field("budget", budget)
            .finish_non_exhaustive()
    }
}
