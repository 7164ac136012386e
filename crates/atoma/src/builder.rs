mod defaults;
mod timeouts;

use self::defaults::{
    Key, credentials, default_headers, default_timer, default_transport, log, variable,
};
use crate::{
    ApiKeyProvider, Client, Error, Inspect, LogLevel, Observer,
    allow_http::AllowHttp,
    core::{Core, Limits},
    error::error_response::{classify, is_final, parse_error_body},
    headers::{Headers, redact},
    observe::{OnRetry, TransportEvents},
    server_url::{DEFAULT_SERVER_URL, ServerUrl},
};
use atoma_transport::{
    RateLimitPause, Retry, RetryBudget, RetryConfig, RetryEvent, Timeout, Timeouts, Timer,
    Transport,
};
use std::{fmt, sync::Arc, time::Duration};

/// The environment variable of the API key.
const KEY_VARIABLE: &str = "ATOMASDK_BEARER_AUTH";
/// The environment variable of the server URL.
const URL_VARIABLE: &str = "ATOMASDK_SERVER_URL";

/// Configures a [`Client`]. Nothing is checked before [`build`](Self::build).
pub struct ClientBuilder {
    key: Option<Key>,
    server_url: Option<String>,
    allow_http: bool,
    query: Vec<(String, String)>,
    headers: Vec<(String, String)>,
    user_agent: Option<String>,
    timeouts: Timeouts,
    stream_timeouts: Option<Timeouts>,
    /// For every call, in place of the totals of both.
    total: Option<Duration>,
    stream_usage: bool,
    retries: Option<RetryConfig>,
    /// `None` is the default one, `Some(None)` is none.
    retry_budget: Option<Option<RetryBudget>>,
    rate_limit_pause: Option<RateLimitPause>,
    inspectors: Vec<Arc<dyn Inspect>>,
    observers: Vec<Arc<dyn Observer>>,
    log: Option<LogLevel>,
    transport: Option<Arc<dyn Transport>>,
    timer: Option<Arc<dyn Timer>>,
    limits: Limits,
}

impl ClientBuilder {
    /// Sets the API key of your Atoma account, sent as a bearer token. Required, unless
    /// [`api_key_provider`](Self::api_key_provider) or [`without_api_key`](Self::without_api_key)
    /// is called.
    #[must_use]
    #[doc(alias("bearer_auth", "with_api_key"))]
    pub fn api_key(mut self, key: impl Into<String>) -> Self {
        self.key = Some(Key::Text(key.into()));
        self
    }

    /// Asks `provider` for the key before each attempt of each call, within the attempt's timeouts.
    ///
    /// ```
    /// use atoma::{ApiKey, Client};
    ///
    /// let builder = Client::builder().api_key_provider(|| async {
    ///     let key = "read from a vault";
    ///     Ok(ApiKey::new(key.replace(' ', "-"))?)
    /// });
    /// ```
    #[must_use]
    pub fn api_key_provider(mut self, provider: impl ApiKeyProvider) -> Self {
        self.key = Some(Key::Provider(Arc::new(provider)));
        self
    }

    /// Sends no API key: for a server that needs none.
    #[must_use]
    pub fn without_api_key(mut self) -> Self {
        self.key = Some(Key::None);
        self
    }

    /// Reads the API key and the server URL from the environment, as [`Client::from_env`] does.
    ///
    /// # Errors
    ///
    /// [`Error::is_config`] if `ATOMASDK_BEARER_AUTH` is not set or either is not Unicode.
    pub fn from_env(mut self) -> Result<Self, Error> {
        let key = variable(KEY_VARIABLE)?.ok_or_else(|| {
            Error::config(format!("no API key: set the environment variable {KEY_VARIABLE}"))
        })?;
        self.server_url = variable(URL_VARIABLE)?.or(self.server_url);
        Ok(self.api_key(key))
    }

    /// Sets the base URL of the server. Default `https://api.atoma.network`.
    ///
    /// It is used as given: a path is kept, with or without a slash at its end, and the endpoint's
    /// path is appended (`/chat/completions`). Only where the URL has no path, `/v1` is added; an
    /// API at the root of a server has the path `/.`. Query parameters are kept; see
    /// [`default_query`](Self::default_query).
    ///
    /// Plain `http://` is for this machine only, unless [`allow_http`](Self::allow_http) is set.
    ///
    /// | server | base URL |
    /// |---|---|
    /// | vLLM, llama.cpp, Ollama | `http://localhost:8000` or `http://localhost:8000/v1` |
    /// | Gemini | `https://generativelanguage.googleapis.com/v1beta/openai/` |
    /// | Groq | `https://api.groq.com/openai/v1` |
    /// | Perplexity | `https://api.perplexity.ai/.` |
    ///
    /// Azure takes the version as a query parameter and the key in another header:
    ///
    /// ```
    /// let builder = atoma::Client::builder()
    ///     .server_url("https://NAME.openai.azure.com/openai/deployments/DEPLOYMENT")
    ///     .default_query("api-version", "2024-10-21")
    ///     .without_api_key()
    ///     .default_header("api-key", "secret");
    /// ```
    #[must_use]
    #[doc(alias("base_url", "api_base", "with_api_base"))]
    pub fn server_url(mut self, url: impl Into<String>) -> Self {
        self.server_url = Some(url.into());
        self
    }

    /// Allows `http://` to other machines and through proxies, where anyone on the way can read the
    /// API key. Default false: then `http://` goes only to loopback addresses, whatever a name in
    /// the URL resolves to, and through no proxy.
    #[must_use]
    pub fn allow_http(mut self, allow: bool) -> Self {
        self.allow_http = allow;
        self
    }

    /// Adds a query parameter to the URL of every request, such as `api-version`.
    ///
    /// It replaces those of the server URL that have the same name, and
    /// [`Call::query`](crate::Call::query) replaces it. Name and value are percent-encoded.
    #[must_use]
    pub fn default_query(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.query.push((name.into(), value.into()));
        self
    }

    /// Adds a header to every request. Later values replace earlier ones; per-call headers override
    /// client headers.
    ///
    /// [`build`](Self::build) fails for those that the client sets itself: `Accept`,
    /// `Content-Type`, `Host`, `Content-Length`, `Connection`, `Proxy-Authorization` and the like,
    /// or a second `User-Agent`. An `Authorization` takes precedence over the API key.
    #[must_use]
    #[doc(alias("default_headers", "with_header"))]
    pub fn default_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Sets the `User-Agent`. Default `atoma-rust/` and the version of this crate.
    #[must_use]
    pub fn user_agent(mut self, user_agent: impl Into<String>) -> Self {
        self.user_agent = Some(user_agent.into());
        self
    }

    /// Sets whether streams ask for the usage (`stream_options.include_usage`). Default true.
    ///
    /// Set it to false for a server that rejects `stream_options`.
    /// [`Call::stream_usage`](crate::Call::stream_usage) sets it for one call, and the
    /// `stream_options` of a request take precedence over both.
    #[must_use]
    pub fn stream_usage(mut self, ask: bool) -> Self {
        self.stream_usage = ask;
        self
    }

    /// Sets when and how failed calls are retried. Default [`RetryConfig::default`];
    /// [`RetryConfig::none`] disables retries.
    #[must_use]
    #[doc(alias("max_retries", "retry_config", "with_backoff"))]
    pub fn retries(mut self, retries: RetryConfig) -> Self {
        self.retries = Some(retries);
        self
    }

    /// Sets the budget for retries during an outage, which other clients may share; `None` removes it.
    /// Default: [`RetryBudget::default`].
    ///
    /// ```
    /// let patient = atoma::Client::builder().retry_budget(None);
    /// ```
    #[must_use]
    pub fn retry_budget(mut self, budget: impl Into<Option<RetryBudget>>) -> Self {
        self.retry_budget = Some(budget.into());
        self
    }

    /// Makes all calls wait when the server responds to one of them with a 429 and a `Retry-After`.
    /// Default: each call waits for itself.
    ///
    /// ```
    /// use atoma::transport::RateLimitPause;
    ///
    /// let builder = atoma::Client::builder().rate_limit_pause(RateLimitPause::new());
    /// ```
    #[must_use]
    pub fn rate_limit_pause(mut self, pause: impl Into<Option<RateLimitPause>>) -> Self {
        self.rate_limit_pause = pause.into();
        self
    }

    /// Calls `hook` each time a retry is decided, before its wait begins: to log or count.
    ///
    /// ```
    /// let builder = atoma::Client::builder().on_retry(|event| {
    ///     eprintln!("attempt {} failed, the next in {:?}", event.attempt, event.wait);
    /// });
    /// ```
    #[must_use]
    pub fn on_retry(self, hook: impl Fn(&RetryEvent) + Send + Sync + 'static) -> Self {
        self.observer(OnRetry(hook))
    }

    /// Adds an observer, which watches the calls: for metrics, logs and traces. Default none.
    #[must_use]
    pub fn observer(mut self, observer: impl Observer) -> Self {
        self.observers.push(Arc::new(observer));
        self
    }

    /// Sets how much the client writes about its calls to standard error; see [`Log`](crate::Log).
    ///
    /// Default: the environment decides in [`build`](Self::build), by `ATOMASDK_LOG` (`off`, `info` or
    /// `debug`), or else by `ATOMASDK_DEBUG`, of which any value but `0` and `false` is `debug`.
    #[must_use]
    #[doc(alias = "debug_logger")]
    pub fn log(mut self, level: LogLevel) -> Self {
        self.log = Some(level);
        self
    }

    /// Adds an inspector, which sees the exact text of each response before it is parsed.
    #[must_use]
    pub fn inspect(mut self, inspector: impl Inspect) -> Self {
        self.inspectors.push(Arc::new(inspector));
        self
    }

    /// Replaces hyper by another transport. Retries, timeouts and the API key stay around it.
    #[must_use]
    #[doc(alias("http_client", "with_http_client"))]
    pub fn transport(mut self, transport: impl Transport) -> Self {
        self.transport = Some(Arc::new(transport));
        self
    }

    /// Replaces Tokio's clock by another: for another runtime, or a test.
    #[must_use]
    pub fn timer(mut self, timer: impl Timer) -> Self {
        self.timer = Some(Arc::new(timer));
        self
    }

    /// Limits the size of a response body, in bytes; of a stream, the size of its text, arguments
    /// and log probabilities together. Default 32 MiB.
    #[must_use]
    pub fn max_response_size(mut self, bytes: usize) -> Self {
        self.limits.response = bytes;
        self
    }

    /// Limits the size of one event of a stream, in bytes. Default 16 MiB.
    #[must_use]
    pub fn max_event_size(mut self, bytes: usize) -> Self {
        self.limits.event = bytes;
        self
    }

    /// Checks the settings and makes the client.
    ///
    /// It connects to nothing. For an `https` URL, a thread reads the root certificates of the
    /// operating system meanwhile; the first call waits for it. If
    /// there are none, each call fails with [`Error::is_connect`].
    ///
    /// # Errors
    ///
    /// [`Error::is_config`], with a text that says what to do: a missing or malformed API key, a
    /// malformed URL, `http://` to another machine, a malformed header or proxy, impossible
    /// retries, another `ATOMASDK_LOG` than `off`, `info` and `debug`, no cryptography compiled in.
    pub fn build(mut self) -> Result<Client, Error> {
        let credentials = credentials(self.key.take())?;
        let url = self.server_url.as_deref().unwrap_or(DEFAULT_SERVER_URL);
        let server_url = ServerUrl::parse(url, self.allow_http)?.with_query(&self.query);
        let headers = default_headers(&self.headers, self.user_agent.as_deref())?;
        let (timeouts, stream_timeouts) = self.all_timeouts();
        let retries = self.retries.unwrap_or_default();
        retries.validate().map_err(|error| Error::config(error.to_string()))?;
        let timer = match self.timer {
            Some(timer) => timer,
            None => default_timer()?,
        };
        let transport = match self.transport {
            Some(transport) => transport,
            None => default_transport(&server_url)?,
        };
        let transport = if self.allow_http { Arc::new(AllowHttp(transport)) } else { transport };
        let credentials = credentials.or_in_headers(&headers);
        let sent = Headers::new(transport, headers, credentials.key());
        let timed = Timeout::new(sent, Arc::clone(&timer), Timeouts::none());
        let mut transport = Retry::new(timed, Arc::clone(&timer))
            .config(retries)
            .timeouts(timeouts)
            .final_response(|head, body| {
                let api = parse_error_body(body);
                is_final(classify(Some(head.status.as_u16()), api.as_ref()))
            });
        if let Some(budget) = self.retry_budget {
            transport = transport.budget(budget);
        }
        transport = transport.rate_limit_pause(self.rate_limit_pause);
        if let Some(key) = credentials.secret().cloned() {
            transport = transport.on_response(move |response| redact(&key, response));
        }
        #[cfg(feature = "confidential")]
        let lock_transport =
            transport.clone().config(RetryConfig::none()).budget(None).rate_limit_pause(None);
        if let Some(log) = log(self.log, credentials.secret())? {
            self.observers.insert(0, Arc::new(log));
        }
        for observer in &self.observers {
            transport = transport.observer(TransportEvents(Arc::clone(observer)));
        }
        Ok(Client::from_core(Core {
            transport,
            timer,
            credentials,
            server_url: Arc::new(server_url),
            default_query: self.query,
            allow_http: self.allow_http,
            timeouts,
            stream_timeouts,
            limits: self.limits,
            stream_usage: self.stream_usage,
            inspectors: self.inspectors,
            observers: self.observers.into(),
            #[cfg(feature = "confidential")]
            lock_transport,
            #[cfg(feature = "confidential")]
            confidential: None,
            #[cfg(feature = "blocking")]
            runtime: None,
        }))
    }
}

impl Default for ClientBuilder {
    fn default() -> Self {
        Self {
            key: None,
            server_url: None,
            allow_http: false,
            query: Vec::new(),
            headers: Vec::new(),
            user_agent: None,
            timeouts: Timeouts::default(),
            stream_timeouts: None,
            total: None,
            stream_usage: true,
            retries: None,
            retry_budget: None,
            rate_limit_pause: None,
            inspectors: Vec::new(),
            observers: Vec::new(),
            log: None,
            transport: None,
            timer: None,
            limits: Limits::default(),
        }
    }
}

impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder")
            .field("timeouts", &self.timeouts)
            .field("stream_timeouts", &self.stream_timeouts)
            .field("retries", &self.retries)
            .field("transport", &self.transport)
            .finish_non_exhaustive()
    }
}
