pub(crate) mod error_response;
mod kind;
mod partial;

pub use self::kind::ErrorKind;
pub(crate) use self::partial::Partial;

use self::error_response::{classify, is_rejected_unprocessed, is_retryable, status_inside};
use crate::redact::excerpt;
use atoma_transport::{
    Attempts, Delivery, ErrorKind as Failure, FailureCause, Phase, TransportError,
};
use atoma_types::{ApiError, ChatCompletionResponse, InvalidRequest};
use http::StatusCode;
use std::{borrow::Cow, fmt, sync::Arc, time::Duration};

/// Why a call gave no answer, or not a whole one.
///
/// Ask it what you need to know to act; match on nothing. An error told inside a stream answers
/// the same questions as one told by an HTTP status.
///
/// | question | method |
/// |---|---|
/// | did I build it wrong? | [`is_config`](Self::is_config), [`is_invalid_request`](Self::is_invalid_request) |
/// | did the server refuse, and how? | [`status`](Self::status), [`api_error`](Self::api_error), [`request_id`](Self::request_id) |
/// | is it worth trying again, and when? | [`is_retryable`](Self::is_retryable), [`retry_after`](Self::retry_after) |
/// | may it have cost money? | [`may_have_been_processed`](Self::may_have_been_processed) |
/// | what was tried? | [`attempts`](Self::attempts) |
/// | what had arrived? | [`is_truncated`](Self::is_truncated), [`partial`](Self::partial) |
/// | was it the network? | [`is_connect`](Self::is_connect), [`is_timeout`](Self::is_timeout), [`is_certificate`](Self::is_certificate), [`transport`](Self::transport) |
///
/// Display is one short line of this level only; causes are in
/// [`source`](std::error::Error::source). No key, header or body is ever in either.
///
/// Clones share everything and are cheap.
#[derive(Clone)]
pub struct Error(Arc<Inner>);

struct Inner {
    kind: Kind,
    head: Head,
    partial: Option<Partial>,
}

/// What is known of the exchange.
#[derive(Default)]
struct Head {
    status: Option<StatusCode>,
    request_id: Option<String>,
    retry_after: Option<Duration>,
    attempts: Attempts,
}

enum Kind {
    /// The client was built wrong.
    Config(Cow<'static, str>),
    /// The request can never be right.
    InvalidRequest(InvalidRequest),
    /// The request is for another method, or a header is malformed.
    Misuse(Cow<'static, str>),
    /// No answer, or a body that broke off.
    Transport(TransportError),
    /// A status outside 2xx.
    Refused(Option<ApiError>),
    /// A 2xx whose body says that it failed after all.
    Told(ApiError),
    /// A 2xx with something else than an answer.
    Unexpected { what: &'static str, excerpt: String, source: Option<Source> },
    /// The stream ended before the answer did.
    Truncated { stray: String },
    /// No event for too long.
    Stalled { first: bool, limit: Duration },
    /// The answer is larger than the client's limits.
    TooLarge(Limit, usize),
    /// An inspector rejected the response.
    Rejected(Source),
}

/// A size limit of the client.
#[derive(Clone, Copy)]
enum Limit {
    Response,
    Event,
}

type Source = Box<dyn std::error::Error + Send + Sync>;

impl Error {
    pub(crate) fn config(why: impl Into<Cow<'static, str>>) -> Self {
        Self::from_kind(Kind::Config(why.into()))
    }

    pub(crate) fn misuse(why: impl Into<Cow<'static, str>>) -> Self {
        Self::from_kind(Kind::Misuse(why.into()))
    }

    pub(crate) fn refused(api: Option<ApiError>) -> Self {
        Self::from_kind(Kind::Refused(api))
    }

    pub(crate) fn told(api: ApiError) -> Self {
        Self::from_kind(Kind::Told(api))
    }

    pub(crate) fn unexpected(what: &'static str, body: &[u8]) -> Self {
        Self::from_kind(Kind::Unexpected { what, excerpt: excerpt(body), source: None })
    }

    pub(crate) fn unreadable(source: impl Into<Source>, body: &[u8]) -> Self {
        let what = "the answer cannot be read";
        let source = Some(source.into());
        Self::from_kind(Kind::Unexpected { what, excerpt: excerpt(body), source })
    }

    pub(crate) fn truncated(stray: &[u8]) -> Self {
        Self::from_kind(Kind::Truncated { stray: excerpt(stray) })
    }

    pub(crate) fn stalled(first: bool, limit: Duration) -> Self {
        Self::from_kind(Kind::Stalled { first, limit })
    }

    pub(crate) fn response_too_large(limit: usize) -> Self {
        Self::from_kind(Kind::TooLarge(Limit::Response, limit))
    }

    pub(crate) fn event_too_large(limit: usize) -> Self {
        Self::from_kind(Kind::TooLarge(Limit::Event, limit))
    }

    pub(crate) fn rejected(source: Source) -> Self {
        Self::from_kind(Kind::Rejected(source))
    }

    #[cold]
    fn from_kind(kind: Kind) -> Self {
        Self(Arc::new(Inner { kind, head: Head::default(), partial: None }))
    }

    /// Adds what the response's head told.
    pub(crate) fn with_head(mut self, head: &crate::Metadata) -> Self {
        let now = std::time::SystemTime::now();
        self.inner_mut().head = Head {
            status: Some(head.status()),
            request_id: head.request_id().map(str::to_owned),
            retry_after: atoma_transport::retry_after(head.headers(), now),
            attempts: head.attempts().clone(),
        };
        self
    }

    /// Says that the answer went on for `time` after its head, until this.
    pub(crate) fn with_body_time(mut self, time: Duration) -> Self {
        let attempts = &mut self.inner_mut().head.attempts;
        attempts.elapsed = attempts.elapsed.saturating_add(time);
        self
    }

    pub(crate) fn with_partial(mut self, partial: Option<Partial>) -> Self {
        self.inner_mut().partial = partial;
        self
    }

    fn inner_mut(&mut self) -> &mut Inner {
        Arc::get_mut(&mut self.0).expect("an error is complete before it is cloned")
    }

    /// Returns the class of the error.
    pub fn kind(&self) -> ErrorKind {
        let number = |status: StatusCode| status.as_u16();
        match &self.0.kind {
            Kind::Config(_) => ErrorKind::Config,
            Kind::InvalidRequest(_) | Kind::Misuse(_) => ErrorKind::InvalidRequest,
            Kind::Transport(error) => ErrorKind::of_transport(error),
            Kind::Refused(api) => classify(self.0.head.status.map(number), api.as_ref()),
            Kind::Told(api) => classify(status_inside(api).map(number), Some(api)),
            Kind::Unexpected { .. } => ErrorKind::UnexpectedResponse,
            Kind::Truncated { .. } => ErrorKind::Truncated,
            Kind::Stalled { first: true, .. } => ErrorKind::Timeout(Phase::Head),
            Kind::Stalled { first: false, .. } => ErrorKind::Timeout(Phase::Idle),
            Kind::TooLarge(..) => ErrorKind::TooLarge,
            Kind::Rejected(_) => ErrorKind::Rejected,
        }
    }

    /// The client was built wrong: a bad URL, key, header or option. The text says what to do.
    pub fn is_config(&self) -> bool {
        matches!(self.0.kind, Kind::Config(_))
    }

    /// The request was refused before anything was sent: the text names the member, or the method
    /// that should have been called.
    pub fn is_invalid_request(&self) -> bool {
        matches!(self.0.kind, Kind::InvalidRequest(_) | Kind::Misuse(_))
    }

    /// The server answered and refused: by a status outside 2xx, or by an error inside a 200.
    pub fn is_api_error(&self) -> bool {
        matches!(self.0.kind, Kind::Refused(_) | Kind::Told(_))
    }

    /// What the server said of its refusal, if it could be read.
    pub fn api_error(&self) -> Option<&ApiError> {
        match &self.0.kind {
            Kind::Refused(api) => api.as_ref(),
            Kind::Told(api) => Some(api),
            _ => None,
        }
    }

    /// The refusing status; for an error told inside a 200, the status it stands for if it says
    /// one (`"code": 429`), else none.
    pub fn status(&self) -> Option<StatusCode> {
        match &self.0.kind {
            Kind::Told(api) => status_inside(api),
            _ => self.0.head.status,
        }
    }

    /// The server's name for the request (`x-request-id`), if an answer came with one.
    pub fn request_id(&self) -> Option<&str> {
        self.0.head.request_id.as_deref()
    }

    /// How long the server asks to wait before the next try (`Retry-After`, `retry-after-ms`).
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.head.retry_after
    }

    /// How often the request was sent, how long that took, and what each try met.
    pub fn attempts(&self) -> &Attempts {
        match &self.0.kind {
            Kind::Transport(error) if error.attempts().count > 0 => error.attempts(),
            _ => &self.0.head.attempts,
        }
    }

    /// The same request may well succeed if sent again later.
    ///
    /// The client retries fewer errors by itself: only the statuses of
    /// [`RetryConfig::statuses`](crate::RetryConfig::statuses), and errors without a response only
    /// where the request was not sent, since a completion costs money. So an error may be retryable
    /// here although the client did not retry it.
    ///
    /// It says nothing of the price: see [`may_have_been_processed`](Self::may_have_been_processed).
    /// Never true for an exhausted quota or balance, a bad key, or a request that can never be
    /// right.
    pub fn is_retryable(&self) -> bool {
        match &self.0.kind {
            Kind::Refused(api) => {
                is_retryable(self.0.head.status.map(|status| status.as_u16()), api.as_ref())
            }
            Kind::Told(api) => {
                is_retryable(status_inside(api).map(|status| status.as_u16()), Some(api))
            }
            Kind::Transport(error) => {
                error.is_transient() || error.kind() == Failure::BodyInterrupted
            }
            Kind::Truncated { .. } | Kind::Stalled { .. } => true,
            Kind::Config(_)
            | Kind::InvalidRequest(_)
            | Kind::Misuse(_)
            | Kind::Unexpected { .. }
            | Kind::TooLarge(..)
            | Kind::Rejected(_) => false,
        }
    }

    /// The server may have worked on the request, and billed it.
    ///
    /// False only where that is certain: nothing was sent, or a 4xx refused it.
    pub fn may_have_been_processed(&self) -> bool {
        match &self.0.kind {
            Kind::Config(_) | Kind::InvalidRequest(_) | Kind::Misuse(_) => false,
            Kind::Transport(error) => error.delivery() == Delivery::Unknown,
            Kind::Refused(_) => {
                self.0.head.status.is_none_or(|status| !is_rejected_unprocessed(status))
            }
            _ => true,
        }
    }

    /// The answer had begun and was cut: its stream ended too early, broke off, or stopped coming;
    /// [`partial`](Self::partial) has what came.
    ///
    /// Not where the server itself told of a failure ([`is_api_error`](Self::is_api_error)) or the answer
    /// was too large ([`is_too_large`](Self::is_too_large)); those hold a partial answer, too.
    pub fn is_truncated(&self) -> bool {
        match &self.0.kind {
            Kind::Truncated { .. } | Kind::Stalled { first: false, .. } => true,
            Kind::Transport(error) => {
                error.kind() == Failure::BodyInterrupted
                    || (error.is_timeout() && self.0.partial.is_some())
            }
            _ => false,
        }
    }

    /// Returns the part of a chat completion that arrived before the error: text, reasoning, tool
    /// calls and usage. Only streams have one; see [`partial_as`](Self::partial_as) for the others.
    pub fn partial(&self) -> Option<&ChatCompletionResponse> {
        self.partial_as()
    }

    /// Takes the partial chat completion out of the error.
    pub fn into_partial(self) -> Option<ChatCompletionResponse> {
        self.into_partial_as()
    }

    /// Returns the part of the response that arrived before the error, if the call returns a `T`
    /// and anything arrived.
    ///
    /// ```
    /// use atoma::{ChatCompletionResponse, Error};
    ///
    /// fn text_so_far(error: &Error) -> Option<String> {
    ///     Some(error.partial_as::<ChatCompletionResponse>()?.text().into_owned())
    /// }
    /// ```
    pub fn partial_as<T: 'static>(&self) -> Option<&T> {
        self.0.partial.as_ref()?.get()
    }

    /// Takes the partial response out of the error.
    pub fn into_partial_as<T: Clone + Send + Sync + 'static>(self) -> Option<T> {
        match Arc::try_unwrap(self.0) {
            Ok(inner) => inner.partial?.into(),
            Err(shared) => shared.partial.clone()?.into(),
        }
    }

    /// Some phase took longer than it may.
    pub fn is_timeout(&self) -> bool {
        match &self.0.kind {
            Kind::Stalled { .. } => true,
            Kind::Transport(error) => error.is_timeout(),
            _ => false,
        }
    }

    /// No connection could be opened: name, TCP, proxy, TLS or certificate.
    pub fn is_connect(&self) -> bool {
        self.transport().is_some_and(TransportError::is_connect)
    }

    /// The server's certificate is not to be trusted.
    pub fn is_certificate(&self) -> bool {
        self.transport().is_some_and(TransportError::is_certificate)
    }

    /// The answer, or one event of it, is larger than the client's limits.
    pub fn is_too_large(&self) -> bool {
        matches!(self.0.kind, Kind::TooLarge(..))
            || self.transport().is_some_and(TransportError::is_too_large)
    }

    /// Returns whether an [inspector](crate::Inspect) rejected the response; its reason is the
    /// [`source`](std::error::Error::source).
    pub fn is_rejected(&self) -> bool {
        matches!(self.0.kind, Kind::Rejected(_))
    }

    /// A 2xx that is no answer: another content type, an empty or unreadable body.
    pub fn is_unexpected_response(&self) -> bool {
        matches!(self.0.kind, Kind::Unexpected { .. })
    }

    /// The beginning of an unexpected answer, at most 200 characters, without control characters.
    ///
    /// Not part of Display: it is whatever a server, or something before it, chose to send.
    pub fn body_excerpt(&self) -> Option<&str> {
        match &self.0.kind {
            Kind::Unexpected { excerpt, .. } | Kind::Truncated { stray: excerpt } => {
                Some(excerpt.as_str()).filter(|excerpt| !excerpt.is_empty())
            }
            _ => None,
        }
    }

    /// The transport's error, if it was one.
    pub fn transport(&self) -> Option<&TransportError> {
        match &self.0.kind {
            Kind::Transport(error) => Some(error),
            _ => None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.kind {
            Kind::Config(why) | Kind::Misuse(why) => f.write_str(why),
            Kind::TooLarge(Limit::Response, limit) => {
                write!(f, "response too large: more than {limit} bytes (max_response_size)")
            }
            Kind::TooLarge(Limit::Event, limit) => {
                write!(f, "event too large: more than {limit} bytes (max_event_size)")
            }
            Kind::Rejected(_) => f.write_str("response rejected by an inspector"),
            Kind::InvalidRequest(error) => error.fmt(f),
            Kind::Transport(error) if error.is_timeout() && self.0.partial.is_some() => {
                f.write_str("the answer was not whole in time")
            }
            Kind::Transport(error) => error.fmt(f),
            Kind::Refused(api) => {
                f.write_str("the server refused the request")?;
                if let Some(status) = self.0.head.status {
                    write!(f, ": {}", FailureCause::Status(status))?;
                    if status.is_redirection() {
                        f.write_str(" (redirects are not followed, the key must not travel)")?;
                    }
                }
                api.as_ref().map_or(Ok(()), |api| told(f, ": ", api))
            }
            Kind::Told(api) => {
                f.write_str("the server failed while answering")?;
                told(f, ": ", api)
            }
            Kind::Unexpected { what, .. } => f.write_str(what),
            Kind::Truncated { .. } => f.write_str("the stream ended before the answer did"),
            Kind::Stalled { first: true, limit } => {
                write!(f, "the answer did not begin within {limit:?}")
            }
            Kind::Stalled { first: false, limit } => {
                write!(f, "the answer stopped: nothing new for {limit:?}")
            }
        }?;
        let attempts = self.attempts();
        if attempts.count > 1 {
            write!(f, " (after {attempts})")?;
        }
        Ok(())
    }
}

fn told(f: &mut fmt::Formatter<'_>, separator: &str, api: &ApiError) -> fmt::Result {
    let text = api.to_string();
    if text.is_empty() { Ok(()) } else { write!(f, "{separator}{}", excerpt(text.as_bytes())) }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Error");
        debug.field("message", &format_args!("{self}"));
        if let Some(status) = self.status() {
            debug.field("status", &status);
        }
        if let Some(request_id) = self.request_id() {
            debug.field("request_id", &request_id);
        }
        if self.attempts().count > 0 {
            debug.field("attempts", self.attempts());
        }
        if self.0.partial.is_some() {
            debug.field("has_partial", &true);
        }
        if let Some(source) = std::error::Error::source(self) {
            debug.field("source", &source);
        }
        debug.finish()
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.0.kind {
            // Its own line is this error's: nothing is said twice.
            Kind::Transport(error) => error.source(),
            Kind::Rejected(source) => Some(&**source),
            Kind::Unexpected { source, .. } => source.as_deref().map(|source| source as _),
            _ => None,
        }
    }
}

impl From<InvalidRequest> for Error {
    fn from(error: InvalidRequest) -> Self {
        Self::from_kind(Kind::InvalidRequest(error))
    }
}

impl From<TransportError> for Error {
    fn from(error: TransportError) -> Self {
        Self::from_kind(Kind::Transport(error))
    }
}
