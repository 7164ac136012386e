use super::{budget::RetryBudget, config::RetryConfig, pause::RateLimitPause};
use crate::{Observers, Request, RequestSource, Response, Timeouts, Timer};
use http::response;
use std::sync::{Arc, Mutex, PoisonError};

/// The settings of a [`Retry`](crate::Retry) layer.
pub(super) struct Settings<T> {
    pub(super) transport: Arc<T>,
    pub(super) timer: Arc<dyn Timer>,
    pub(super) config: RetryConfig,
    pub(super) timeouts: Option<Timeouts>,
    pub(super) random: Arc<Mutex<fastrand::Rng>>,
    pub(super) final_response: Option<FinalResponse>,
    pub(super) budget: Option<RetryBudget>,
    pub(super) pause: Option<RateLimitPause>,
    pub(super) on_response: Option<Arc<dyn Fn(&mut Response) + Send + Sync>>,
    pub(super) observers: Observers,
}

impl<T> Settings<T> {
    /// Returns a random number between 0 and 1.
    pub(super) fn random(&self) -> f64 {
        self.random.lock().unwrap_or_else(PoisonError::into_inner).f64()
    }
}

type FinalResponse = Arc<dyn Fn(&response::Parts, &[u8]) -> bool + Send + Sync>;

/// The source of a call's requests.
#[allow(clippy::large_enum_variant, reason = "a box would be an allocation for each call")]
pub(super) enum Source {
    /// A request that is cloned here. It costs neither a shared pointer nor a boxed future, and the
    /// last attempt takes it.
    Own(Request),
    Shared(Arc<dyn RequestSource>),
}

impl<T> Clone for Settings<T> {
    fn clone(&self) -> Self {
        Self {
            transport: Arc::clone(&self.transport),
            timer: Arc::clone(&self.timer),
            config: self.config.clone(),
            timeouts: self.timeouts,
            random: Arc::clone(&self.random),
            final_response: self.final_response.clone(),
            budget: self.budget.clone(),
            pause: self.pause.clone(),
            on_response: self.on_response.clone(),
            observers: self.observers.clone(),
        }
    }
}
