use super::{
    budget::RetryBudget,
    call::Call,
    config::RetryConfig,
    options::CallOptions,
    pause::RateLimitPause,
    settings::{Settings, Source},
};
use crate::{
    Delivery, ErrorKind, Observer, Observers, Request, RequestSource, Response, ResponseFuture,
    RetryEvent, Timeouts, Timer, Transport, TransportError, observe::OnRetry,
};
use http::response;
use std::{
    fmt,
    sync::{Arc, Mutex},
};

/// Retries failed requests if that is likely to help and cannot be billed twice.
///
/// It wraps any transport. Put [`Timeout`](crate::Timeout) between the two, so that each attempt
/// ends. [`RetryConfig::decide`] holds the rules; this layer adds:
///
/// * Nothing is sent again once the head of a 2xx response has arrived, even if its body fails.
/// * Every attempt sends the same request, including the caller's `Idempotency-Key`, unless a
///   [`RequestSource`] makes a new one. Its extensions carry the [`Attempt`](crate::Attempt) and,
///   if [`Timeouts::total`] is set in the request or by [`Retry::timeouts`], the time that is left.
/// * Before an error response is retried, up to 64 KiB of its body are read, for up to 5 s. If the
///   call ends with that response all the same, it carries the bytes that were read. Any other
///   response to a plain [`Request`] passes through with its body unread.
/// * Retries are paid for from a [`RetryBudget`], which clones of this value share. A wait that the
///   server asks for with a 429 or 503 is free.
/// * [`Attempts`](crate::Attempts) is in the extensions of the response or in
///   [`TransportError::attempts`].
/// * Dropping the future at any point ends the call and returns an unused part of the budget.
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
    /// Shared, since each call holds it.
    settings: Arc<Settings<T>>,
}

impl<T: Transport> Retry<T> {
    /// Retries the calls of `transport`, waiting with `timer`, with the default [`RetryConfig`] and
    /// a new [`RetryBudget`].
    pub fn new(transport: T, timer: impl Timer) -> Self {
        let settings = Settings {
            transport: Arc::new(transport),
            timer: Arc::new(timer),
            config: RetryConfig::default(),
            timeouts: None,
            random: Arc::new(Mutex::new(fastrand::Rng::new())),
            final_response: None,
            budget: Some(RetryBudget::default()),
            pause: None,
            on_response: None,
            observers: Observers::new(),
        };
        Self { settings: Arc::new(settings) }
    }

    /// Sends the requests that `source` makes: one for each attempt.
    ///
    /// `options` replace the settings of this layer; extensions of the requests do not. The time
    /// that the source takes is under the head and total timeouts of `options` or of
    /// [`Retry::timeouts`]; if it runs out, the error is
    /// [`Timeout`](ErrorKind::Timeout) and [not sent](Delivery::NotSent).
    ///
    /// ```
    /// use atoma_transport::{CallOptions, Request, Retry};
    /// use atoma_transport::testing::{Exchange, ManualTimer, ScriptedTransport};
    /// use std::sync::Arc;
    ///
    /// let timer = ManualTimer::new();
    /// let retry = Retry::new(ScriptedTransport::new([Exchange::respond(200)]), timer.clone());
    /// let response = timer.run(retry.send_from(Arc::new(Request::default()), CallOptions::default()));
    /// assert_eq!(response?.status(), 200);
    /// # Ok::<(), atoma_transport::TransportError>(())
    /// ```
    #[allow(clippy::needless_pass_by_value, reason = "a call is the only use of its options")]
    pub fn send_from(
        &self,
        source: Arc<dyn RequestSource>,
        options: CallOptions,
    ) -> ResponseFuture {
        self.call(Source::Shared(source), &options)
    }

    fn call(&self, source: Source, options: &CallOptions) -> ResponseFuture {
        // Checked per call: a call may bring its own configuration.
        let config = options.retries.as_ref().unwrap_or(&self.settings.config);
        if let Err(invalid) = config.validate() {
            let error = TransportError::new(ErrorKind::Request, Delivery::NotSent);
            let error = error.with_detail("invalid retry settings").with_source(invalid);
            return Box::pin(std::future::ready(Err(error)));
        }
        // The options are not kept: the call copies the parts it needs.
        Call::new(Arc::clone(&self.settings), source, options).run()
    }

    fn set(mut self, set: impl FnOnce(&mut Settings<T>)) -> Self {
        // Copied if a clone of this layer shares them: settings are per layer, not per transport.
        set(Arc::make_mut(&mut self.settings));
        self
    }

    /// Sets the configuration of calls without their own.
    #[must_use]
    pub fn config(self, config: RetryConfig) -> Self {
        self.set(|settings| settings.config = config)
    }

    /// Sets the timeouts of calls without their own. They are put into the extensions of each
    /// attempt, and their total bounds all attempts together. Default: none.
    #[must_use]
    pub fn timeouts(self, timeouts: Timeouts) -> Self {
        self.set(|settings| settings.timeouts = Some(timeouts))
    }

    /// Seeds the random part of the waits, so that they are the same in every run. Default: random.
    #[must_use]
    pub fn seed(self, seed: u64) -> Self {
        let random = Arc::new(Mutex::new(fastrand::Rng::with_seed(seed)));
        self.set(|settings| settings.random = random)
    }

    /// Sets a check for error responses that must not be retried whatever their status and headers.
    /// It sees the response with up to 64 KiB of its body before a retry. Default: none.
    ///
    /// ```
    /// # use atoma_transport::{Retry, testing::{ManualTimer, ScriptedTransport}};
    /// # let retry = Retry::new(ScriptedTransport::new([]), ManualTimer::new());
    /// let out_of_credit = |_: &http::response::Parts, body: &[u8]| {
    ///     body.windows(18).any(|part| part == b"insufficient_quota")
    /// };
    /// let retry = retry.final_response(out_of_credit);
    /// ```
    #[must_use]
    pub fn final_response<F>(self, is_final: F) -> Self
    where
        F: Fn(&response::Parts, &[u8]) -> bool + Send + Sync + 'static,
    {
        self.set(|settings| settings.final_response = Some(Arc::new(is_final)))
    }

    /// Sets the budget that pays for retries; several layers may share one. `None` removes it.
    #[must_use]
    pub fn budget(self, budget: impl Into<Option<RetryBudget>>) -> Self {
        self.set(|settings| settings.budget = budget.into())
    }

    /// Sets the pause that all callers share when a server limits the rate; several layers may share
    /// one. Default: none.
    #[must_use]
    pub fn rate_limit_pause(self, pause: impl Into<Option<RateLimitPause>>) -> Self {
        self.set(|settings| settings.pause = pause.into())
    }

    /// Sets a hook that sees the response of each attempt before this layer does, with its body
    /// unread, and may change its head. Default: none.
    #[must_use]
    pub fn on_response(self, hook: impl Fn(&mut Response) + Send + Sync + 'static) -> Self {
        self.set(|settings| settings.on_response = Some(Arc::new(hook)))
    }

    /// Adds an observer of all calls. Default: none.
    #[must_use]
    pub fn observer(self, observer: impl Observer) -> Self {
        self.set(|settings| settings.observers.push(observer))
    }

    /// Adds an [observer](Self::observer) that is called for each retry, before its wait begins.
    #[must_use]
    pub fn on_retry(self, hook: impl Fn(&RetryEvent) + Send + Sync + 'static) -> Self {
        self.observer(OnRetry(hook))
    }
}

impl<T: Transport> Transport for Retry<T> {
    fn send(&self, mut request: Request) -> ResponseFuture {
        // As a plain transport, it finds the options of the call in the request.
        let options = CallOptions::take(request.extensions_mut());
        self.call(Source::Own(request), &options)
    }
}

impl<T> Clone for Retry<T> {
    fn clone(&self) -> Self {
        Self { settings: Arc::clone(&self.settings) }
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
