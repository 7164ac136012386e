use super::config::RetryConfig;
use crate::{CallId, Deadline, Timeouts};
use http::Extensions;

/// The settings of one call, for [`Retry::send_from`](crate::Retry::send_from).
///
/// The same settings as in the extensions of a [`Request`](crate::Request). A setting that is `None`
/// is that of the [`Retry`](crate::Retry) layer.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct CallOptions {
    /// When the call is retried.
    pub retries: Option<RetryConfig>,
    /// The timeouts; `total` bounds all attempts together.
    pub timeouts: Option<Timeouts>,
    /// The instant by which the call must be over. It takes precedence over `timeouts.total`.
    pub deadline: Option<Deadline>,
    /// The call's identity in the events that observers see. Default: a new one.
    pub call_id: Option<CallId>,
}

impl CallOptions {
    /// Sets [`retries`](Self::retries).
    #[must_use]
    pub fn retries(mut self, retries: impl Into<Option<RetryConfig>>) -> Self {
        self.retries = retries.into();
        self
    }

    /// Sets [`timeouts`](Self::timeouts).
    #[must_use]
    pub fn timeouts(mut self, timeouts: impl Into<Option<Timeouts>>) -> Self {
        self.timeouts = timeouts.into();
        self
    }

    /// Sets [`deadline`](Self::deadline).
    #[must_use]
    pub fn deadline(mut self, deadline: impl Into<Option<Deadline>>) -> Self {
        self.deadline = deadline.into();
        self
    }

    /// Sets [`call_id`](Self::call_id).
    #[must_use]
    pub fn call_id(mut self, call_id: impl Into<Option<CallId>>) -> Self {
        self.call_id = call_id.into();
        self
    }

    /// Reads the settings from a request's extensions. Takes those that each attempt gets anew, and
    /// the map with them if nothing else is in it: a call keeps its request until it is over, with
    /// 290 bytes less.
    pub(super) fn take(extensions: &mut Extensions) -> Self {
        let options = Self {
            retries: extensions.get().cloned(),
            timeouts: extensions.remove(),
            deadline: extensions.remove(),
            call_id: extensions.get().copied(),
        };
        if extensions.is_empty() {
            *extensions = Extensions::new();
        }
        options
    }
}
