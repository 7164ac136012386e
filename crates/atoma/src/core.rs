//! The settings and the transport that all calls of a client share.

use crate::{Inspect, Observer, api_key::Credentials, headers::Headers, server_url::ServerUrl};
use atoma_transport::{Retry, Timeout, Timeouts, Timer, Transport};
use std::{fmt, sync::Arc};

/// The shared part of a client. Resources and calls hold it instead of the client.
///
/// Cloning it is cheap, so that a client with one more inspector is a changed clone.
#[derive(Clone)]
pub(crate) struct Core {
    /// Retries, headers, credentials and timeouts around the actual transport.
    pub(crate) transport: Retry<Timeout<Headers<Arc<dyn Transport>>>>,
    pub(crate) timer: Arc<dyn Timer>,
    pub(crate) credentials: Credentials,
    pub(crate) server_url: Arc<ServerUrl>,
    /// Contained in `server_url`; for calls to another server.
    pub(crate) default_query: Vec<(String, String)>,
    pub(crate) allow_http: bool,
    pub(crate) timeouts: Timeouts,
    pub(crate) stream_timeouts: Timeouts,
    pub(crate) limits: Limits,
    /// Whether streams ask for usage if the request does not decide it.
    pub(crate) stream_usage: bool,
    pub(crate) inspectors: Vec<Arc<dyn Inspect>>,
    pub(crate) observers: Arc<[Arc<dyn Observer>]>,
    /// Takes locks: as `transport`, but without retries and observers.
    #[cfg(feature = "confidential")]
    pub(crate) lock_transport: Retry<Timeout<Headers<Arc<dyn Transport>>>>,
    /// Set on the core of a confidential handle: no call of it is sent in plain text.
    #[cfg(feature = "confidential")]
    pub(crate) confidential: Option<crate::confidential::Settings>,
    #[cfg(feature = "blocking")]
    pub(crate) runtime: Option<crate::runtime::BlockingRuntime>,
}

impl Core {
    /// Returns whether calls are encrypted for a node.
    #[cfg(feature = "confidential")]
    pub(crate) fn is_confidential(&self) -> bool {
        self.confidential.is_some()
    }

    #[cfg(not(feature = "confidential"))]
    #[allow(clippy::unused_self, reason = "it does with the feature")]
    pub(crate) fn is_confidential(&self) -> bool {
        false
    }
}

/// Size limits on responses, in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) response: usize,
    pub(crate) event: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { response: 32 << 20, event: 16 << 20 }
    }
}

impl fmt::Debug for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Core")
            .field("server_url", &self.server_url)
            .field("timeouts", &self.timeouts)
            .field("stream_timeouts", &self.stream_timeouts)
            .field("transport", &self.transport)
            .finish_non_exhaustive()
    }
}
