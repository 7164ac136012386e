#[cfg(feature = "hyper")]
use crate::Error;
use crate::{ApiKey, Chat, ClientBuilder, server_url::ServerUrl};
use atoma_transport::{Timeouts, Timer, Transport};
use std::{fmt, sync::Arc};

/// The environment variable that [`Client::from_env`] takes the key from.
pub(crate) const KEY_VARIABLE: &str = "ATOMASDK_BEARER_AUTH";
/// The environment variable that [`Client::from_env`] takes the server from.
pub(crate) const URL_VARIABLE: &str = "ATOMASDK_SERVER_URL";

/// A client of Atoma, or of any server that speaks OpenAI's chat API.
///
/// Cloning it is cheap, and clones share connections, so make one and keep it.
///
/// ```
/// # #[cfg(feature = "hyper")]
/// # fn main() -> atoma::Result<()> {
/// use std::time::Duration;
///
/// let client = atoma::Client::builder()
///     .api_key("sk-secret")
///     .server_url("http://localhost:8000")
///     .build()?;
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "hyper"))]
/// # fn main() {}
/// ```
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

pub(crate) struct Inner {
    /// Retries, headers, authorisation and time-outs around the transport proper.
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) timer: Arc<dyn Timer>,
    /// That of all calls which bring none and ask no provider.
    pub(crate) key: Option<ApiKey>,
    pub(crate) server_url: ServerUrl,
    /// Contained in `server_url`; for calls that name another server.
    pub(crate) default_query: Vec<(String, String)>,
    pub(crate) allow_http: bool,
    pub(crate) timeouts: Timeouts,
    pub(crate) stream_timeouts: Timeouts,
    pub(crate) limits: Limits,
}

/// How large what a server sends may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) response: usize,
    pub(crate) event: usize,
}

impl Client {
    /// A client for `https://api.atoma.network` with this key and the defaults of everything.
    ///
    /// # Errors
    ///
    /// [`Error::is_config`] if the key cannot stand in a header, or the machine has no trusted
    /// certificates.
    #[cfg(feature = "hyper")]
    pub fn new(api_key: impl Into<String>) -> Result<Self, Error> {
        Self::builder().api_key(api_key).build()
    }

    /// A client from the environment: the key from `ATOMASDK_BEARER_AUTH`, and the server from
    /// `ATOMASDK_SERVER_URL` if that is set.
    ///
    /// # Errors
    ///
    /// [`Error::is_config`] if the key is missing or either variable is malformed.
    #[cfg(feature = "hyper")]
    pub fn from_env() -> Result<Self, Error> {
        Self::builder().from_env()?.build()
    }

    /// A client in which something is not the default.
    pub fn builder() -> ClientBuilder {
        ClientBuilder::default()
    }

    /// Chat completions.
    pub fn chat(&self) -> Chat {
        Chat::new(self.clone())
    }

    /// Returns the base URL that calls go to unless they name another, without its query and
    /// without a slash at its end.
    pub fn server_url(&self) -> String {
        format!("{:?}", self.inner.server_url)
    }

    pub(crate) fn from_parts(inner: Inner) -> Self {
        Self { inner: Arc::new(inner) }
    }

    pub(crate) fn inner(&self) -> &Inner {
        &self.inner
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self { response: 32 << 20, event: 4 << 20 }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("server_url", &self.inner.server_url)
            .field("timeouts", &self.inner.timeouts)
            .field("stream_timeouts", &self.inner.stream_timeouts)
            .field("transport", &self.inner.transport)
            .finish_non_exhaustive()
    }
}
