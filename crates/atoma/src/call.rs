use crate::{
    Endpoint, Error, Result, Streamed,
    core::Core,
    draft::{Draft, Options, Place},
};
use atoma_transport::{RetryConfig, Timeouts};
use atoma_types::StreamModel;
use http::{Method, Uri};
use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

/// A request that has not been sent yet. Override the client's settings, then await it.
///
/// It is a future: nothing is sent before it is first polled, and dropping it ends the call and
/// closes its connection. It can be spawned, joined and buffered like any other.
///
/// ```
/// # async fn run(client: atoma::Client, request: atoma::ChatCompletionRequest) -> atoma::Result<()> {
/// use atoma::RetryConfig;
/// use std::time::Duration;
///
/// let reply = client
///     .chat()
///     .create(request)
///     .timeout(Duration::from_secs(30))
///     .retries(RetryConfig::none())
///     .header("x-trace", "42")
///     .await?;
/// # Ok(())
/// # }
/// ```
#[must_use = "futures do nothing unless you `.await` or poll them"]
#[doc(alias = "with_options")]
pub struct Call<E: Endpoint> {
    draft: Draft,
    /// `None` once the call was polled.
    endpoint: Option<E>,
    future: Option<Pin<Box<dyn Future<Output = Result<E::Output>> + Send>>>,
}

impl<E: Endpoint> Call<E> {
    /// Sends `body` to the endpoint at `path`, which begins with a slash.
    pub(crate) fn post(
        core: &Arc<Core>,
        path: &'static str,
        body: Result<Vec<u8>, impl Into<Error>>,
        endpoint: E,
    ) -> Self {
        Self::new(core, Method::POST, path, body.map_err(Into::into), endpoint)
    }

    /// Reads the endpoint at `path`, which begins with a slash.
    pub(crate) fn get(core: &Arc<Core>, path: &'static str, endpoint: E) -> Self {
        Self::new(core, Method::GET, path, Ok(Vec::new()), endpoint)
    }

    /// Reads the endpoint at `path` outside the API, which begins with a slash.
    pub(crate) fn get_root(core: &Arc<Core>, path: &'static str, endpoint: E) -> Self {
        let mut call = Self::get(core, path, endpoint);
        call.draft.place = Place::Root;
        call
    }

    /// Reads a URL of any server, without the client's headers and key.
    pub(crate) fn get_foreign(core: &Arc<Core>, url: Result<Uri>, endpoint: E) -> Self {
        let (url, body) = match url {
            Ok(url) => (url, Ok(Vec::new())),
            Err(error) => (Uri::default(), Err(error)),
        };
        let mut call = Self::new(core, Method::GET, "", body, endpoint);
        call.draft.place = Place::Foreign(url);
        call
    }

    /// Fails before sending, with this reason, if the call goes to Atoma's own server.
    pub(crate) fn refused_by_atoma(mut self, why: Option<&'static str>) -> Self {
        self.draft.atoma_refuses = why;
        self
    }

    fn new(
        core: &Arc<Core>,
        method: Method,
        path: &'static str,
        body: Result<Vec<u8>>,
        endpoint: E,
    ) -> Self {
        let core = Arc::clone(core);
        let draft = Draft {
            core,
            method,
            path,
            place: Place::Api,
            atoma_refuses: None,
            body,
            asks_usage: None,
            options: None,
        };
        Self { draft, endpoint: Some(endpoint), future: None }
    }

    /// Sets the retries of this call, in place of the client's. [`RetryConfig::none`] sends it once.
    #[doc(alias = "max_retries")]
    pub fn retries(mut self, retries: RetryConfig) -> Self {
        self.options().retries = Some(retries);
        self
    }

    /// Sets the time limit of the whole call: all attempts, the waits between them, and the
    /// response to its end, also of a stream. The client's other timeouts stay.
    #[doc(alias = "timeout_ms")]
    pub fn timeout(mut self, total: Duration) -> Self {
        self.options().total = Some(total);
        self
    }

    /// Sets the timeouts of this call, in place of the client's.
    pub fn timeouts(mut self, timeouts: Timeouts) -> Self {
        self.options().timeouts = Some(timeouts);
        self
    }

    /// Sets the server of this call, in place of the client's. The API key is sent there.
    #[doc(alias = "base_url")]
    pub fn server_url(mut self, url: impl Into<String>) -> Self {
        self.options().server_url = Some(url.into());
        self
    }

    /// Adds a query parameter to the URL of this call, such as `api-version`. It replaces those of
    /// the client and of the server URL that have the same name.
    #[doc(alias = "extra_query")]
    pub fn query(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.options().query.push((name.into(), value.into()));
        self
    }

    /// Sets a header of this call. It overrides the client's header of that name; an
    /// `Idempotency-Key` is the same on all attempts.
    ///
    /// The call fails with [`Error::is_config`] for headers that frame the message or belong to the
    /// connection: `Host`, `Content-Length`, `Connection` and the like.
    #[doc(alias = "extra_headers")]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.options().headers.push((name.into(), value.into()));
        self
    }

    fn options(&mut self) -> &mut Options {
        self.draft.options.get_or_insert_default()
    }
}

impl<M: StreamModel> Call<Streamed<M>> {
    /// Sets whether this stream asks for the usage (`stream_options.include_usage`), in place of
    /// the client's [`stream_usage`](crate::ClientBuilder::stream_usage).
    ///
    /// It has no effect on a request that has `stream_options`.
    pub fn stream_usage(mut self, ask: bool) -> Self {
        self.draft.asks_usage = self.draft.asks_usage.and(Some(ask));
        self
    }

    /// Lets the client ask for the usage; `None` if the request has `stream_options`.
    pub(crate) fn asks_usage(mut self, ask: Option<bool>) -> Self {
        self.draft.asks_usage = ask;
        self
    }
}

#[cfg(feature = "blocking")]
impl<E: Endpoint> Call<E> {
    /// Returns the runtime of the blocking client that made this call.
    pub(crate) fn runtime(&self) -> Result<crate::runtime::BlockingRuntime> {
        self.draft.core.runtime.clone().ok_or_else(|| {
            Error::misuse(
                "send() needs a blocking client: await the call, or use atoma::blocking::Client",
            )
        })
    }
}

/// Only boxed values in a call are pinned.
impl<E: Endpoint> Unpin for Call<E> {}

impl<E: Endpoint> Future for Call<E> {
    type Output = Result<E::Output>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { draft, endpoint, future } = self.get_mut();
        if let Some(endpoint) = endpoint.take() {
            // The request is made here, so that the future holds neither it nor the options.
            *future = Some(Box::pin(endpoint.read(draft.send(E::IS_STREAM))));
        }
        let future = future.as_mut().expect("made at the first poll");
        future.as_mut().poll(cx)
    }
}

impl<E: Endpoint> fmt::Debug for Call<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("method", &self.draft.method)
            .field("path", &self.draft.path)
            .finish_non_exhaustive()
    }
}
