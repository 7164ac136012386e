mod create;
pub(crate) mod error_response;
mod kind;
#[cfg(feature = "schemars")]
mod not_parsed;
mod partial;
mod text;

use self::error_response::{classify, is_rejected_unprocessed, is_retryable, status_inside};
pub use self::kind::ErrorKind;
#[cfg(feature = "schemars")]
pub(crate) use self::not_parsed::NotParsed;
pub(crate) use self::partial::Partial;
use crate::{Metadata, RateLimits};
use atoma_transport::{Attempts, Delivery, ErrorKind as Failure, Phase, TransportError};
use atoma_types::{ApiError, ChatCompletionResponse, InvalidRequest};
use http::{HeaderMap, StatusCode};
use std::{
    borrow::Cow,
    sync::{Arc, LazyLock},
    time::Duration,
};

/// The reason why a call returned no response, or not all of it.
///
/// [`kind`](Self::kind) sorts errors into classes; the other methods return the details that a
/// program needs to react. An error inside a stream has the same predicates as one with an HTTP
/// status.
///
/// | question | method |
/// |---|---|
/// | What class of error is it? | [`kind`](Self::kind) |
/// | Is the client or the request invalid? | [`is_config`](Self::is_config), [`is_invalid_request`](Self::is_invalid_request) |
/// | What did the server report? | [`status`](Self::status), [`api_error`](Self::api_error), [`request_id`](Self::request_id), [`headers`](Self::headers) |
/// | Is it worth another call, and when? | [`is_retryable`](Self::is_retryable), [`retry_after`](Self::retry_after), [`rate_limits`](Self::rate_limits) |
/// | May it have cost money? | [`may_have_been_processed`](Self::may_have_been_processed) |
/// | Which attempts failed, and why? | [`attempts`](Self::attempts) |
/// | What had arrived? | [`is_truncated`](Self::is_truncated), [`partial`](Self::partial) |
/// | Was it the network? | [`is_connect`](Self::is_connect), [`is_timeout`](Self::is_timeout), [`is_certificate`](Self::is_certificate), [`transport`](Self::transport) |
///
/// Display is one short line for this level only; the causes are in
/// [`source`](std::error::Error::source). `{:?}` is that line followed by one line per cause, as
/// `fn main() -> Result<(), Box<dyn Error>>` prints it, and `{:#?}` shows the fields. None of them
/// contains a key, a header or a body. Clones share everything and are cheap.
#[derive(Clone)]
#[doc(alias("APIError", "APIStatusError", "OpenAIError"))]
pub struct Error(Arc<Inner>);

struct Inner {
    kind: Kind,
    /// The head of the response, if one arrived.
    metadata: Option<Metadata>,
    /// Read when the response arrived: it is relative to that time.
    retry_after: Option<Duration>,
    partial: Option<Partial>,
}

enum Kind {
    /// An invalid setting of the client or the call.
    Config(Cow<'static, str>),
    /// A request that can never succeed.
    InvalidRequest(InvalidRequest),
    /// A request for another method.
    Misuse(Cow<'static, str>),
    /// No response, or a body that ended early.
    Transport(TransportError),
    /// A status that is not a 2xx.
    ErrorStatus(Option<ApiError>),
    /// An error inside a 2xx.
    ErrorInside { api: ApiError, in_stream: bool },
    /// A 2xx whose content is not the one of the endpoint.
    Unexpected { what: &'static str, excerpt: String, source: Option<Source> },
    /// A stream that ended before its response was complete.
    Truncated { stray: String },
    /// No event within the limit.
    Stalled { first: bool, limit: Duration },
    /// A response that exceeds a limit of the client.
    TooLarge(Limit, usize),
    /// An inspector rejected the response.
    Rejected(Source),
    /// The server refused to lock a node for a confidential call.
    #[cfg(feature = "confidential")]
    NoLock { api: Option<ApiError>, delivery: Delivery },
    /// The locked node cannot be used for a confidential call.
    #[cfg(feature = "confidential")]
    NodeRefused { source: Source, delivery: Delivery },
    /// The model still calls tools after this many responses.
    ToolRounds(usize),
    /// A complete response whose output has no value.
    #[cfg(feature = "schemars")]
    NotParsed(NotParsed),
}

/// A size limit of the client.
#[derive(Clone, Copy)]
enum Limit {
    Response,
    Event,
}

type Source = Box<dyn std::error::Error + Send + Sync>;

impl Error {
    /// Returns the class of the error.
    pub fn kind(&self) -> ErrorKind {
        match &self.0.kind {
            Kind::Config(_) => ErrorKind::Config,
            Kind::InvalidRequest(_) | Kind::Misuse(_) => ErrorKind::InvalidRequest,
            Kind::Transport(error) => ErrorKind::of_transport(error),
            Kind::ErrorStatus(api) => classify(self.status_number(), api.as_ref()),
            Kind::ErrorInside { api, .. } => classify(self.status_number(), Some(api)),
            Kind::Unexpected { .. } => ErrorKind::UnexpectedResponse,
            Kind::Truncated { .. } => ErrorKind::Truncated,
            Kind::Stalled { first: true, .. } => ErrorKind::Timeout(Phase::Head),
            Kind::Stalled { first: false, .. } => ErrorKind::Timeout(Phase::Idle),
            Kind::TooLarge(..) => ErrorKind::TooLarge,
            Kind::Rejected(_) if self.is_untrusted() => ErrorKind::Untrusted,
            Kind::Rejected(_) => ErrorKind::Rejected,
            #[cfg(feature = "confidential")]
            Kind::NoLock { api, .. } => classify(self.status_number(), api.as_ref()),
            #[cfg(feature = "confidential")]
            Kind::NodeRefused { .. } => ErrorKind::Untrusted,
            Kind::ToolRounds(_) => ErrorKind::Other,
            #[cfg(feature = "schemars")]
            Kind::NotParsed(why) => why.kind(),
        }
    }

    /// Returns true if the client or the call has an invalid setting: a URL, key, header or option.
    /// The text says what to change.
    pub fn is_config(&self) -> bool {
        matches!(self.0.kind, Kind::Config(_))
    }

    /// Returns true if the request was found invalid before it was sent. The text names the member,
    /// or the method to call instead.
    pub fn is_invalid_request(&self) -> bool {
        matches!(self.0.kind, Kind::InvalidRequest(_) | Kind::Misuse(_))
    }

    /// Returns true if the response was not trusted: its signature is missing, wrong, or by a signer
    /// that was not expected, or the response to a confidential call is not one that the node
    /// encrypted for it, or the locked node was refused before anything was sent. Never retried.
    ///
    /// Needs the feature `verify` or `confidential`; false without them.
    pub fn is_untrusted(&self) -> bool {
        #[cfg(feature = "confidential")]
        if matches!(self.0.kind, Kind::NodeRefused { .. }) || self.open_failure().is_some() {
            return true;
        }
        #[cfg(feature = "verify")]
        return self.trust_failure().is_some();
        #[cfg(not(feature = "verify"))]
        false
    }

    /// Returns why the response to a confidential call was not opened, if that is the error.
    #[cfg(feature = "confidential")]
    #[cfg_attr(docsrs, doc(cfg(feature = "confidential")))]
    pub fn open_failure(&self) -> Option<&crate::OpenError> {
        self.rejection()?.downcast_ref()
    }

    /// Returns the error of the inspector that rejected the response.
    #[cfg(any(feature = "verify", feature = "confidential"))]
    pub(crate) fn rejection(&self) -> Option<&(dyn std::error::Error + Send + Sync + 'static)> {
        match &self.0.kind {
            Kind::Rejected(source) => Some(&**source),
            _ => None,
        }
    }

    /// Returns true if the server reported an error: by a status that is not a 2xx, or inside a 200.
    pub fn is_api_error(&self) -> bool {
        #[cfg(feature = "confidential")]
        if let Kind::NoLock { .. } = self.0.kind {
            return true;
        }
        matches!(self.0.kind, Kind::ErrorStatus(_) | Kind::ErrorInside { .. })
    }

    /// Returns the error that the server reported, if its body could be read.
    pub fn api_error(&self) -> Option<&ApiError> {
        match &self.0.kind {
            #[cfg(feature = "confidential")]
            Kind::NoLock { api, .. } => api.as_ref(),
            Kind::ErrorStatus(api) => api.as_ref(),
            Kind::ErrorInside { api, .. } => Some(api),
            _ => None,
        }
    }

    /// Returns the status of the response, if one arrived.
    ///
    /// It is a 2xx if the response itself is at fault: truncated, too large, unexpected. For an
    /// error inside a 200 it is the status that the error names (`"code": 429`), or `None`. To ask
    /// whether the server reported an error, use [`is_api_error`](Self::is_api_error).
    pub fn status(&self) -> Option<StatusCode> {
        match &self.0.kind {
            Kind::ErrorInside { api, .. } => status_inside(api),
            _ => self.0.metadata.as_ref().map(Metadata::status),
        }
    }

    fn status_number(&self) -> Option<u16> {
        self.status().map(|status| status.as_u16())
    }

    /// Returns the headers of the response, if one arrived, with the API key redacted.
    pub fn headers(&self) -> Option<&HeaderMap> {
        self.0.metadata.as_ref().map(Metadata::headers)
    }

    /// Returns the server's identifier of the request (`x-request-id` and others), if a response
    /// named one.
    pub fn request_id(&self) -> Option<&str> {
        self.0.metadata.as_ref()?.request_id()
    }

    /// Returns how long the server asks to wait before the next request (`Retry-After`,
    /// `retry-after-ms`), counted from the response.
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// Returns the rate limits of the account, if the response reports them. See [`RateLimits`].
    pub fn rate_limits(&self) -> Option<RateLimits> {
        self.0.metadata.as_ref()?.rate_limits()
    }

    /// Returns the record of the attempts: their number, how long they took, and why each failed.
    pub fn attempts(&self) -> &Attempts {
        static NONE: LazyLock<Attempts> = LazyLock::new(Attempts::default);
        match &self.0.kind {
            Kind::Transport(error) if error.attempts().count > 0 => error.attempts(),
            _ => self.0.metadata.as_ref().map_or(&NONE, Metadata::attempts),
        }
    }

    /// Returns true if the same request may succeed when it is sent again later.
    ///
    /// For the price, see [`may_have_been_processed`](Self::may_have_been_processed). It is false for
    /// every class that a later attempt cannot cure: a key, a permission, a quota, the context
    /// length, a content filter, an unknown model, an invalid request (other than a conflict, 409).
    /// The client itself retries fewer errors: the statuses of
    /// [`RetryConfig::statuses`](crate::RetryConfig::statuses), errors without a response only if
    /// the request was not sent, because a completion costs money, and nothing after the headers.
    pub fn is_retryable(&self) -> bool {
        match &self.0.kind {
            #[cfg(feature = "confidential")]
            Kind::NoLock { api, .. } => is_retryable(self.status_number(), api.as_ref()),
            #[cfg(feature = "confidential")]
            Kind::NodeRefused { .. } => false,
            Kind::ErrorStatus(api) => is_retryable(self.status_number(), api.as_ref()),
            Kind::ErrorInside { api, .. } => is_retryable(self.status_number(), Some(api)),
            Kind::Transport(error) => {
                error.is_transient() || error.kind() == Failure::BodyInterrupted
            }
            Kind::Truncated { .. } | Kind::Stalled { .. } => true,
            Kind::Config(_)
            | Kind::InvalidRequest(_)
            | Kind::Misuse(_)
            | Kind::Unexpected { .. }
            | Kind::TooLarge(..)
            | Kind::Rejected(_)
            | Kind::ToolRounds(_) => false,
            #[cfg(feature = "schemars")]
            Kind::NotParsed(_) => false,
        }
    }

    /// Returns true if the server may have worked on the request, and billed it.
    ///
    /// It is false only where that is certain: nothing was sent, or a 4xx rejected the request.
    pub fn may_have_been_processed(&self) -> bool {
        match &self.0.kind {
            Kind::Config(_) | Kind::InvalidRequest(_) | Kind::Misuse(_) => false,
            #[cfg(feature = "confidential")]
            Kind::NoLock { delivery, .. } | Kind::NodeRefused { delivery, .. } => {
                *delivery == Delivery::Unknown
            }
            Kind::Transport(error) => error.delivery() == Delivery::Unknown,
            Kind::ErrorStatus(_) => {
                self.status().is_none_or(|status| !is_rejected_unprocessed(status))
            }
            _ => true,
        }
    }

    /// Returns true if the response had begun and ended before it was complete: its stream ended,
    /// broke or timed out. [`partial`](Self::partial) returns the part that arrived.
    ///
    /// It is false if the server reported an error ([`is_api_error`](Self::is_api_error)) or the
    /// response was too large ([`is_too_large`](Self::is_too_large)); those have a partial response
    /// as well.
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

    /// Returns true if a phase exceeded its timeout; [`kind`](Self::kind) says which.
    pub fn is_timeout(&self) -> bool {
        match &self.0.kind {
            Kind::Stalled { .. } => true,
            Kind::Transport(error) => error.is_timeout(),
            _ => false,
        }
    }

    /// Returns true if no connection could be opened: name lookup, TCP, proxy, TLS or certificate.
    pub fn is_connect(&self) -> bool {
        self.transport().is_some_and(TransportError::is_connect)
    }

    /// Returns true if the server's certificate is invalid.
    pub fn is_certificate(&self) -> bool {
        self.transport().is_some_and(TransportError::is_certificate)
    }

    /// Returns true if the response, or one event of it, exceeds a limit of the client.
    pub fn is_too_large(&self) -> bool {
        matches!(self.0.kind, Kind::TooLarge(..))
            || self.transport().is_some_and(TransportError::is_too_large)
    }

    /// Returns true if an [inspector](crate::Inspect) rejected the response; its reason is the
    /// [`source`](std::error::Error::source).
    pub fn is_rejected(&self) -> bool {
        matches!(self.0.kind, Kind::Rejected(_))
    }

    /// Returns true if the content of a 2xx is not the one of the endpoint: another content type,
    /// an empty or unreadable body.
    pub fn is_unexpected_response(&self) -> bool {
        matches!(self.0.kind, Kind::Unexpected { .. })
    }

    /// Returns the beginning of an unexpected body, at most 200 characters, without control
    /// characters.
    ///
    /// Display leaves it out, because a server or a gateway can write anything into it.
    pub fn body_excerpt(&self) -> Option<&str> {
        match &self.0.kind {
            Kind::Unexpected { excerpt, .. } | Kind::Truncated { stray: excerpt } => {
                Some(excerpt.as_str()).filter(|excerpt| !excerpt.is_empty())
            }
            _ => None,
        }
    }

    /// Returns the error of the transport, if it caused this one.
    pub fn transport(&self) -> Option<&TransportError> {
        match &self.0.kind {
            Kind::Transport(error) => Some(error),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
