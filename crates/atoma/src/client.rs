#[cfg(feature = "hyper")]
use crate::Error;
use crate::{
    Chat, ClientBuilder, Completions, Embeddings, Health, Images, Inspect, Models, Nodes,
    OpenRouter, core::Core,
};
use std::{fmt, sync::Arc};

/// A client of Atoma, or of any server with an OpenAI-compatible API.
///
/// Cloning it is cheap, and clones share connections, so make one and keep it.
///
/// ```
/// # #[cfg(feature = "hyper")]
/// # fn main() -> atoma::Result<()> {
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
#[doc(alias("AtomaSDK", "OpenAI", "AsyncOpenAI"))]
pub struct Client {
    core: Arc<Core>,
}

impl Client {
    /// Makes a client for `https://api.atoma.network` with this API key and default settings.
    ///
    /// It can be called in async code: a thread reads the root certificates of the system meanwhile.
    /// If the system has none, each call fails with [`Error::is_connect`].
    ///
    /// # Errors
    ///
    /// [`Error::is_config`] if the key cannot be sent in a header.
    #[cfg(feature = "hyper")]
    pub fn new(api_key: impl Into<String>) -> Result<Self, Error> {
        Self::builder().api_key(api_key).build()
    }

    /// Makes a client from the environment: the API key from `ATOMASDK_BEARER_AUTH`, and the server
    /// from `ATOMASDK_SERVER_URL` if that is set.
    ///
    /// # Errors
    ///
    /// [`Error::is_config`] if the key is missing or either variable is malformed.
    #[cfg(feature = "hyper")]
    pub fn from_env() -> Result<Self, Error> {
        Self::builder().from_env()?.build()
    }

    /// Configures a client.
    #[doc(alias("Config", "OpenAIConfig", "with_config"))]
    pub fn builder() -> ClientBuilder {
        ClientBuilder::default()
    }

    /// Returns the chat completions.
    pub fn chat(&self) -> Chat {
        Chat::new(&self.core)
    }

    /// Returns the completions of plain text.
    pub fn completions(&self) -> Completions {
        Completions::new(&self.core)
    }

    /// Returns the generation of images.
    pub fn images(&self) -> Images {
        Images::new(&self.core)
    }

    /// Returns the nodes of the network.
    pub fn nodes(&self) -> Nodes {
        Nodes::new(&self.core)
    }

    /// Returns the state of the server.
    pub fn health(&self) -> Health {
        Health::new(&self.core)
    }

    /// Returns the list of models for OpenRouter.
    pub fn open_router(&self) -> OpenRouter {
        OpenRouter::new(&self.core)
    }

    /// Returns the embeddings.
    pub fn embeddings(&self) -> Embeddings {
        Embeddings::new(&self.core)
    }

    /// Returns the list of models.
    pub fn models(&self) -> Models {
        Models::new(&self.core)
    }

    /// Returns a client whose responses this inspector sees as well, after those that the client
    /// has. It shares connections and settings with this one.
    ///
    /// See [`ClientBuilder::inspect`].
    #[must_use]
    pub fn inspected(&self, inspector: impl Inspect) -> Self {
        let mut core = Core::clone(&self.core);
        core.inspectors.push(Arc::new(inspector));
        Self::from_core(core)
    }

    /// Returns the calls that only the node can read, with this client's settings and connections.
    /// See [`Confidential`](crate::Confidential).
    #[cfg(feature = "confidential")]
    #[cfg_attr(docsrs, doc(cfg(feature = "confidential")))]
    pub fn confidential(&self) -> crate::Confidential {
        crate::Confidential::new(&self.core)
    }

    /// Returns the base URL that calls are sent to by default, without its query and without a slash
    /// at its end.
    pub fn server_url(&self) -> String {
        format!("{:?}", self.core.server_url)
    }

    pub(crate) fn from_core(core: Core) -> Self {
        Self { core: Arc::new(core) }
    }

    /// Returns the same client, with a runtime for blocking calls.
    #[cfg(feature = "blocking")]
    pub(crate) fn with_runtime(self, runtime: crate::runtime::BlockingRuntime) -> Self {
        Self::from_core(Core { runtime: Some(runtime), ..Arc::unwrap_or_clone(self.core) })
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Core { server_url, timeouts, stream_timeouts, transport, .. } = &*self.core;
        f.debug_struct("Client")
            .field("server_url", server_url)
            .field("timeouts", timeouts)
            .field("stream_timeouts", stream_timeouts)
            .field("transport", transport)
            .finish_non_exhaustive()
    }
}
