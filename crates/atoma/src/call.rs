use crate::{
    ApiKey, Client, Error, Result, builder::header, headers::set, outcome, reply::Head,
    server_url::ServerUrl,
};
use atoma_transport::{Body, Request, Response, ResponseFuture, RetryConfig, Timeouts};
use bytes::Bytes;
use http::{HeaderValue, Method, Uri, header::ACCEPT};
use std::{
    fmt,
    future::{Future, IntoFuture},
    pin::Pin,
    time::Duration,
};

/// A call that is not sent yet: set what it shall do otherwise than the client, then await it.
///
/// Nothing is sent before it is awaited. Dropping the future ends the call and closes its
/// connection at once.
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
#[must_use = "a call is sent when it is awaited"]
pub struct Call<O> {
    client: Client,
    operation: O,
    /// Boxed: they are large, and most calls have none.
    options: Option<Box<Options>>,
}

/// What a [`Call`] does once it is awaited; one for each method of the API.
pub trait Operation: Send + Sized + 'static {
    /// What the call resolves to.
    type Output: Send + 'static;

    #[doc(hidden)]
    fn run(self, prepared: Prepared) -> impl Future<Output = Result<Self::Output>> + Send;
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

impl<O: Operation> Call<O> {
    pub(crate) fn new(client: Client, operation: O) -> Self {
        Self { client, operation, options: None }
    }

    /// Retries of this call, in place of the client's. [`RetryConfig::none`] sends it once.
    pub fn retries(mut self, retries: RetryConfig) -> Self {
        self.options().retries = Some(retries);
        self
    }

    /// How long the whole call may take: all attempts, the waits between them, and the answer to
    /// its end, also where it streams. The client's other time-outs stay.
    pub fn timeout(mut self, total: Duration) -> Self {
        self.options().total = Some(total);
        self
    }

    /// The time-outs of this call, in place of the client's.
    pub fn timeouts(mut self, timeouts: Timeouts) -> Self {
        self.options().timeouts = Some(timeouts);
        self
    }

    /// The server of this call, in place of the client's. The key goes there.
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

    /// A header of this call; it wins over the client's of the same name. An `Idempotency-Key` is
    /// the same on all attempts.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.options().headers.push((name.into(), value.into()));
        self
    }

    fn options(&mut self) -> &mut Options {
        self.options.get_or_insert_default()
    }

    pub(crate) fn run(self) -> impl Future<Output = Result<O::Output>> + Send {
        let Self { client, operation, options } = self;
        operation.run(Prepared { client, options })
    }
}

impl<O: Operation> IntoFuture for Call<O> {
    type Output = Result<O::Output>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

impl<O: fmt::Debug> fmt::Debug for Call<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").field("operation", &self.operation).finish_non_exhaustive()
    }
}

/// A client and the options of one call, for an [`Operation`] to send with.
#[allow(missing_debug_implementations)]
pub struct Prepared {
    client: Client,
    options: Option<Box<Options>>,
}

/// A request under way, and what is needed to read its answer.
pub(crate) struct Sent {
    pub(crate) client: Client,
    response: ResponseFuture,
    pub(crate) timeouts: Timeouts,
}

/// The head of a 2xx and its body.
pub(crate) struct Answer {
    pub(crate) head: Head,
    /// What the call was made with, if that is not the client's own.
    key: Option<ApiKey>,
    pub(crate) body: Body,
}

impl Prepared {
    /// Posts `body` to `path`, with what headers this call has of its own: those of the client
    /// follow on the way down.
    ///
    /// If the answer `streams`, the time-out between two pieces of the body is left to the reader,
    /// which counts events.
    ///
    /// The request is made at once, so that the future holds neither it nor the options.
    pub(crate) fn post(
        self,
        path: &'static str,
        body: Result<Bytes>,
        streams: bool,
    ) -> Result<Sent> {
        let timeouts = self.timeouts(streams);
        let mut request = Request::new(body?);
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.uri(path)?;
        if streams {
            let accepted = HeaderValue::from_static("text/event-stream");
            set(request.headers_mut(), ACCEPT, accepted);
        }
        let sent = if streams { timeouts.idle(None) } else { timeouts };
        // The client's own are known below.
        if sent != self.client.inner().timeouts {
            request.extensions_mut().insert(sent);
        }
        if let Some(options) = &self.options {
            options.apply(&mut request)?;
        }
        let response = self.client.inner().transport.send(request);
        Ok(Sent { client: self.client, response, timeouts })
    }

    fn uri(&self, path: &'static str) -> Result<Uri> {
        let client = self.client.inner();
        let Some(options) = &self.options else { return client.server_url.join(path, &[]) };
        match &options.server_url {
            Some(url) => ServerUrl::parse(url, client.allow_http)?
                .with_query(&client.default_query)
                .join(path, &options.query),
            None => client.server_url.join(path, &options.query),
        }
    }

    fn timeouts(&self, streams: bool) -> Timeouts {
        let client = self.client.inner();
        let usual = if streams { client.stream_timeouts } else { client.timeouts };
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
            let (name, value) = header(name, value)?;
            set(request.headers_mut(), name, value);
        }
        if let Some(retries) = &self.retries {
            retries.validate().map_err(|error| Error::config(error.to_string()))?;
            request.extensions_mut().insert(retries.clone());
        }
        Ok(())
    }
}

impl Answer {
    fn of(response: Response) -> Self {
        let (mut parts, body) = response.into_parts();
        let key = parts.extensions.remove();
        let attempts = parts.extensions.remove().unwrap_or_default();
        let head = Head { status: parts.status, headers: parts.headers, attempts };
        Self { head, key, body }
    }
}

impl Sent {
    /// Waits for the head of a 2xx; any other status is an error.
    pub(crate) async fn answer(&mut self) -> Result<Answer> {
        let answer = Answer::of(self.response.as_mut().await?);
        if outcome::is_answer(answer.head.status) {
            return Ok(answer);
        }
        let (client, Answer { head, key, body }) = (self.client.inner(), answer);
        let key = key.as_ref().or(client.key.as_ref());
        // Boxed: it is large, and most calls never need it.
        Err(Box::pin(outcome::refusal(head, key, body, &*client.timer)).await)
    }

    /// The key that the call was made with, which the answer may repeat.
    pub(crate) fn key<'a>(&'a self, answer: &'a Answer) -> Option<&'a ApiKey> {
        answer.key.as_ref().or(self.client.inner().key.as_ref())
    }
}
