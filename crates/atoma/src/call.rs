#[cfg(feature = "confidential")]
use crate::confidential::{LockedSource, Settings, opener, settings};
use crate::{
    ApiKey, CallInfo, Endpoint, Error, Result, Streamed,
    api_key::Credentials,
    core::Core,
    headers::{WithoutClientHeaders, parse_header, set},
    inspect::Inspection,
    key_source::KeySource,
    observe::Observation,
    response::{PendingResponse, SentKey},
    server_url::ServerUrl,
};
use atoma_transport::{
    CallId, CallOptions, Request, ResponseFuture, RetryConfig, Timeouts, Transport as _,
};
use atoma_types::StreamModel;
use bytes::Bytes;
use http::{
    HeaderValue, Method, Uri,
    header::{ACCEPT, AUTHORIZATION},
};
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
pub struct Call<E: Endpoint> {
    draft: Draft,
    /// `None` once the call was polled.
    endpoint: Option<E>,
    future: Option<Pin<Box<dyn Future<Output = Result<E::Output>> + Send>>>,
}

/// A request that is still to be made.
struct Draft {
    core: Arc<Core>,
    method: Method,
    path: &'static str,
    place: Place,
    /// The reason why Atoma's own server rejects the request; other servers accept it.
    atoma_refuses: Option<&'static str>,
    body: Result<Vec<u8>>,
    /// Whether to ask for the usage of a stream; `None` leaves that to the request.
    asks_usage: Option<bool>,
    /// Boxed: they are large, and most calls have none.
    options: Option<Box<Options>>,
}

/// The base of the path of a call.
enum Place {
    /// Below the base URL.
    Api,
    /// At the root of the server, where the base URL has a `/v1`.
    Root,
    /// This URL, on any server: it gets neither the client's headers nor its key.
    Foreign(Uri),
}

#[derive(Default)]
struct Options {
    retries: Option<RetryConfig>,
    timeouts: Option<Timeouts>,
    total: Option<Duration>,
    server_url: Option<String>,
    query: Vec<(String, String)>,
    headers: Vec<(String, String)>,
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
    pub fn retries(mut self, retries: RetryConfig) -> Self {
        self.options().retries = Some(retries);
        self
    }

    /// Sets the time limit of the whole call: all attempts, the waits between them, and the
    /// response to its end, also of a stream. The client's other timeouts stay.
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
    pub fn server_url(mut self, url: impl Into<String>) -> Self {
        self.options().server_url = Some(url.into());
        self
    }

    /// Adds a query parameter to the URL of this call, such as `api-version`. It replaces those of
    /// the client and of the server URL that have the same name.
    pub fn query(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.options().query.push((name.into(), value.into()));
        self
    }

    /// Sets a header of this call. It overrides the client's header of that name; an
    /// `Idempotency-Key` is the same on all attempts.
    ///
    /// The call fails with [`Error::is_config`] for headers that frame the message or belong to the
    /// connection: `Host`, `Content-Length`, `Connection` and the like.
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

impl Draft {
    /// Makes the request and passes it to the transport. The layer below adds the client's headers
    /// to each attempt.
    ///
    /// The reader of a stream enforces the idle timeout, because it counts events, not bytes.
    fn send(&mut self, is_stream: bool) -> Result<PendingResponse> {
        let mut request = Request::new(self.take_body()?);
        #[cfg(feature = "confidential")]
        let plaintext = self.take_plaintext(&mut request, is_stream)?;
        let core = &*self.core;
        let timeouts = self.timeouts(is_stream);
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.uri()?;
        if is_stream {
            let accepted = HeaderValue::from_static("text/event-stream");
            set(request.headers_mut(), ACCEPT, accepted);
        }
        let sent = if is_stream { timeouts.idle(None) } else { timeouts };
        // The layers below know the client's own timeouts.
        if sent != core.timeouts {
            request.extensions_mut().insert(sent);
        }
        if let Some(options) = &self.options {
            options.apply(&mut request)?;
        }
        #[cfg(feature = "confidential")]
        if let Some((settings, plaintext)) = plaintext {
            let lock_uri = self.server_uri("/nodes/lock")?;
            let (inspection, observation) = self.watch(&mut request, &plaintext, is_stream);
            let (path, core) = (self.path, Arc::clone(&self.core));
            let source =
                LockedSource::new(core, settings, request, lock_uri, path, plaintext, is_stream)?;
            return Ok(opener::send(source, timeouts, inspection, observation));
        }
        let body = request.body().clone();
        let (inspection, observation) = self.watch(&mut request, &body, is_stream);
        drop(body);
        let (response, key) = match self.place {
            Place::Foreign(_) => {
                request.extensions_mut().insert(WithoutClientHeaders);
                (core.transport.send(request), SentKey::Fixed(None))
            }
            Place::Api | Place::Root => core.send(request),
        };
        let core = Arc::clone(&self.core);
        Ok(PendingResponse { core, response, timeouts, key, inspection, observation })
    }

    /// Takes the body, and adds the request for usage as its last member.
    fn take_body(&mut self) -> Result<Bytes> {
        const USAGE: &[u8] = br#","stream_options":{"include_usage":true}}"#;
        let mut body = std::mem::replace(&mut self.body, Ok(Vec::new()))?;
        if self.asks_usage == Some(true) && body.pop().is_some() {
            body.extend_from_slice(USAGE);
        }
        Ok(body.into())
    }

    /// Takes the body out of the request if it must not be sent unencrypted.
    #[cfg(feature = "confidential")]
    fn take_plaintext(
        &self,
        request: &mut Request,
        is_stream: bool,
    ) -> Result<Option<(Settings, Bytes)>> {
        let Some(settings) = &self.core.confidential else { return Ok(None) };
        if !matches!(self.place, Place::Api) || settings::path(self.path).is_none() {
            return Err(Error::misuse("a confidential client makes no call in plain text"));
        }
        if is_stream && self.path == "/completions" {
            return Err(Error::misuse(
                "Atoma returns confidential streams of completions empty: call create, or chat().stream",
            ));
        }
        Ok(Some((settings.clone(), std::mem::take(request.body_mut()))))
    }

    /// Starts the inspection and the observation of the call. Observers see the body that is sent,
    /// inspectors the original one.
    fn watch(
        &self,
        request: &mut Request,
        body: &Bytes,
        is_stream: bool,
    ) -> (Inspection, Observation) {
        let Core { inspectors, observers, timer, credentials, .. } = &*self.core;
        if inspectors.is_empty() && observers.is_empty() {
            return Default::default();
        }
        let own = request.headers().get(AUTHORIZATION).and_then(ApiKey::inside);
        let info = CallInfo {
            method: request.method(),
            path: self.path,
            uri: request.uri(),
            body: request.body(),
            is_stream,
            is_confidential: self.core.is_confidential(),
            plaintext: body,
            key: own.as_ref().or(credentials.secret()),
        };
        let inspection = Inspection::begin(inspectors, &CallInfo { body, ..info });
        if observers.is_empty() {
            return (inspection, Observation::default());
        }
        let call = CallId::next();
        let observation = Observation::start(observers, timer, call, &info);
        // The events of the transport carry the same id.
        request.extensions_mut().insert(call);
        (inspection, observation)
    }

    fn uri(&self) -> Result<Uri> {
        #[cfg(feature = "confidential")]
        if let (Some(_), Some(path)) = (&self.core.confidential, settings::path(self.path)) {
            return self.server_uri(path);
        }
        self.server_uri(self.path)
    }

    /// The URL of this path on the server of the call.
    fn server_uri(&self, path: &'static str) -> Result<Uri> {
        let core = &*self.core;
        let other = self.options.as_ref().and_then(|options| options.server_url.as_deref());
        let other = match other {
            Some(url) => {
                Some(ServerUrl::parse(url, core.allow_http)?.with_query(&core.default_query))
            }
            None => None,
        };
        let server = other.as_ref().unwrap_or(&core.server_url);
        if let Some(why) = self.atoma_refuses.filter(|_| server.is_atoma()) {
            return Err(Error::misuse(why));
        }
        let query = self.options.as_ref().map_or(&[][..], |options| &options.query);
        match &self.place {
            Place::Api => server.join(path, query),
            Place::Root => server.join_root(path, query),
            Place::Foreign(url) => Ok(url.clone()),
        }
    }

    fn timeouts(&self, is_stream: bool) -> Timeouts {
        let usual = if is_stream { self.core.stream_timeouts } else { self.core.timeouts };
        self.options.as_ref().map_or(usual, |options| options.timeouts(usual))
    }
}

impl Options {
    fn timeouts(&self, usual: Timeouts) -> Timeouts {
        let timeouts = self.timeouts.unwrap_or(usual);
        self.total.map_or(timeouts, |total| timeouts.total(total))
    }

    fn apply(&self, request: &mut Request) -> Result<()> {
        for (name, value) in &self.headers {
            let (name, value) = parse_header(name, value)?;
            set(request.headers_mut(), name, value);
        }
        if let Some(retries) = &self.retries {
            retries.validate().map_err(|error| Error::config(error.to_string()))?;
            request.extensions_mut().insert(retries.clone());
        }
        Ok(())
    }
}

impl Core {
    /// Hands the request to the transport, with the key of the call, the client or the provider.
    fn send(&self, mut request: Request) -> (ResponseFuture, SentKey) {
        let own = request.headers().get(AUTHORIZATION).map(ApiKey::inside);
        let key = match (own, &self.credentials) {
            (Some(own), _) => own,
            (None, Credentials::Key(key) | Credentials::OtherHeader(key)) => Some(key.clone()),
            (None, Credentials::None) => None,
            (None, Credentials::Provider(provider)) => {
                let extensions = request.extensions_mut();
                let options = CallOptions::default()
                    .retries(extensions.remove::<RetryConfig>())
                    .timeouts(extensions.remove::<Timeouts>())
                    .call_id(extensions.remove::<CallId>());
                let source = Arc::new(KeySource::new(request, Arc::clone(provider)));
                let response = self.transport.send_from(Arc::<KeySource>::clone(&source), options);
                return (response, SentKey::Provided(source));
            }
        };
        (self.transport.send(request), SentKey::Fixed(key))
    }
}
