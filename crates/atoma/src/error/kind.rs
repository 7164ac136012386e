use atoma_transport::{ErrorKind as Failure, Phase, TransportError};
use std::fmt;

/// The class of an [`Error`](crate::Error), for deciding how to react.
///
/// For an error response it is derived from the status, the error's `code` and `type`, and, where
/// those are not specific, the message. The rules cover the servers of OpenAI's protocol: Atoma,
/// OpenAI, Azure, Gemini, Anthropic, Mistral, Groq, vLLM, SGLang, llama.cpp, Ollama, LiteLLM,
/// OpenRouter and others.
///
/// ```
/// use atoma::{Error, ErrorKind};
///
/// fn advice(error: &Error) -> &'static str {
///     match error.kind() {
///         ErrorKind::Authentication => "check the API key",
///         ErrorKind::Quota => "add credits to the account",
///         ErrorKind::ContextLength => "shorten the conversation",
///         _ if error.is_retryable() => "try again later",
///         _ => "report it",
///     }
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The client or the call has an invalid setting: URL, key, header, option.
    Config,
    /// The request is invalid, as found before it was sent or by the server (400, 422).
    #[doc(alias("BadRequestError", "UnprocessableEntityError"))]
    InvalidRequest,
    /// The API key is missing, invalid or expired (401).
    #[doc(alias = "AuthenticationError")]
    Authentication,
    /// The API key does not permit the request (403): another project, model or country.
    #[doc(alias = "PermissionDeniedError")]
    Permission,
    /// The quota, balance or credits of the account are used up (402). Waiting does not help.
    Quota,
    /// Too many requests or tokens for now (429); see
    /// [`Error::retry_after`](crate::Error::retry_after).
    #[doc(alias = "RateLimitError")]
    RateLimit,
    /// The prompt, or the prompt and the requested output, exceed the context length of the model.
    ContextLength,
    /// The input or the output was rejected by a content filter.
    #[doc(alias = "ContentFilterFinishReasonError")]
    ContentFilter,
    /// The model does not exist, or the account has no access to it.
    ModelNotFound,
    /// The server has no such endpoint (404, 405, 501): check the server URL.
    #[doc(alias = "NotFoundError")]
    NotFound,
    /// The server or the model is out of capacity for now (423, 425, 503, 529).
    Overloaded,
    /// The server failed (5xx, 408, 424).
    #[doc(alias = "InternalServerError")]
    Server,
    /// A phase exceeded its timeout: no connection, no response headers or first event
    /// ([`Phase::Head`]), no further data or event ([`Phase::Idle`]), or the call as a whole.
    #[doc(alias = "APITimeoutError")]
    Timeout(Phase),
    /// No connection could be opened, or it closed before the response headers.
    #[doc(alias = "APIConnectionError")]
    Connection,
    /// The server's certificate is invalid.
    Certificate,
    /// The response ended before it was complete; [`Error::partial`](crate::Error::partial) has
    /// the rest.
    Truncated,
    /// The response exceeds one of the client's limits, or the request the server's (413).
    TooLarge,
    /// The response has unexpected content: not the endpoint's, a redirect, or invalid HTTP.
    #[doc(alias = "APIResponseValidationError")]
    UnexpectedResponse,
    /// An [inspector](crate::Inspect) of the client rejected the response.
    Rejected,
    /// The response is not signed as required: see
    /// [`Error::is_untrusted`](crate::Error::is_untrusted).
    Untrusted,
    /// Any other failure: a local resource is used up, or a custom transport failed.
    Other,
}

impl ErrorKind {
    pub(crate) fn of_transport(error: &TransportError) -> Self {
        match error.kind() {
            Failure::Connect | Failure::Proxy | Failure::Tls | Failure::ConnectionLost => {
                Self::Connection
            }
            Failure::Certificate => Self::Certificate,
            Failure::Timeout(phase) => Self::Timeout(phase),
            Failure::BodyInterrupted => Self::Truncated,
            Failure::TooLarge => Self::TooLarge,
            Failure::Protocol | Failure::Encoding => Self::UnexpectedResponse,
            Failure::Request => Self::Config,
            _ => Self::Other,
        }
    }
}

/// Words for a log line: `rate limit`, `context length`.
impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Config => "invalid configuration",
            Self::InvalidRequest => "invalid request",
            Self::Authentication => "authentication",
            Self::Permission => "permission",
            Self::Quota => "quota",
            Self::RateLimit => "rate limit",
            Self::ContextLength => "context length",
            Self::ContentFilter => "content filter",
            Self::ModelNotFound => "model not found",
            Self::NotFound => "endpoint not found",
            Self::Overloaded => "overloaded",
            Self::Server => "server",
            Self::Timeout(phase) => return write!(f, "timeout: {phase}"),
            Self::Connection => "connection",
            Self::Certificate => "certificate",
            Self::Truncated => "truncated",
            Self::TooLarge => "too large",
            Self::UnexpectedResponse => "unexpected response",
            Self::Rejected => "rejected",
            Self::Untrusted => "untrusted",
            Self::Other => "other",
        })
    }
}
