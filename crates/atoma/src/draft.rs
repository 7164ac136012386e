#[cfg(feature = "confidential")]
use crate::confidential::{LockedSource, Settings, opener, settings};
use crate::{
    ApiKey, CallInfo, Error, Result,
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
use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Method, Uri,
    header::{ACCEPT, AUTHORIZATION},
};
use std::{sync::Arc, time::Duration};

/// A request that is still to be made.
pub(crate) struct Draft {
    pub(crate) core: Arc<Core>,
    pub(crate) method: Method,
    pub(crate) path: &'static str,
    pub(crate) place: Place,
    /// The reason why Atoma's own server rejects the request; other servers accept it.
    pub(crate) atoma_refuses: Option<&'static str>,
    pub(crate) body: Result<Vec<u8>>,
    /// Whether to ask for the usage of a stream; `None` leaves that to the request.
    pub(crate) asks_usage: Option<bool>,
    /// Boxed: they are large, and most calls have none.
    pub(crate) options: Option<Box<Options>>,
}

/// The base of the path of a call.
pub(crate) enum Place {
    /// Below the base URL.
    Api,
    /// At the root of the server, where the base URL has a `/v1`.
    Root,
    /// This URL, on any server: it gets neither the client's headers nor its key.
    Foreign(Uri),
}

#[derive(Default)]
pub(crate) struct Options {
    pub(crate) retries: Option<RetryConfig>,
    pub(crate) timeouts: Option<Timeouts>,
    pub(crate) total: Option<Duration>,
    pub(crate) server_url: Option<String>,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) headers: Vec<(String, String)>,
}

impl Draft {
    /// Makes the request and passes it to the transport. The layer below adds the client's headers
    /// to each attempt.
    ///
    /// The reader of a stream enforces the idle timeout, because it counts events, not bytes.
    pub(crate) fn send(&mut self, is_stream: bool) -> Result<PendingResponse> {
        let mut request = Request::new(self.take_body()?);
        #[cfg(feature = "confidential")]
        let plaintext = self.take_plaintext(&mut request, is_stream)?;
        let core = &*self.core;
        let timeouts = self.timeouts(is_stream);
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.uri()?;
        if is_stream {
            let accepted = HeaderValue::from_static("text/event-stream");
            // Most streams have no other header, and an empty map would make room for six.
            *request.headers_mut() = HeaderMap::with_capacity(1);
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
            let (inspection, observation) = self.watch(&mut request, Some(&plaintext), is_stream);
            let (path, core) = (self.path, Arc::clone(&self.core));
            let source =
                LockedSource::new(core, settings, request, lock_uri, path, plaintext, is_stream)?;
            return Ok(opener::send(source, timeouts, inspection, observation));
        }
        let (inspection, observation) = self.watch(&mut request, None, is_stream);
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
    /// inspectors the original one, which is `plaintext` if that is encrypted.
    fn watch(
        &self,
        request: &mut Request,
        plaintext: Option<&Bytes>,
        is_stream: bool,
    ) -> (Inspection, Observation) {
        let Core { inspectors, observers, timer, credentials, .. } = &*self.core;
        if inspectors.is_empty() && observers.is_empty() {
            return Default::default();
        }
        let body = &plaintext.unwrap_or(request.body()).clone();
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
