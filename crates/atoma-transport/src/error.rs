use crate::Attempts;
use std::{borrow::Cow, error::Error, fmt};

/// Any error, boxed: what foreign causes are kept as.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// Why a request got no answer, or why the answer's body broke off.
///
/// Display speaks for this level only, in one line without secrets, addresses with credentials or
/// bodies; the cause is in [`source`](Error::source).
///
/// ```
/// use atoma_transport::{ErrorKind, Delivery, TransportError};
///
/// let refused = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
/// let error = TransportError::new(ErrorKind::Connect, Delivery::NotSent).with_source(refused);
/// assert!(error.is_connect() && error.is_transient());
/// assert_eq!(error.to_string(), "could not connect");
/// ```
pub struct TransportError(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    delivery: Delivery,
    transient: bool,
    detail: Option<Cow<'static, str>>,
    attempts: Attempts,
    source: Option<BoxError>,
}

/// What went wrong, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The name could not be resolved or no connection could be opened.
    Connect,
    /// The proxy could not be reached, or refused.
    Proxy,
    /// The TLS handshake failed for another reason than the certificate.
    Tls,
    /// The server's certificate is not to be trusted: expired, for another name, of an unknown
    /// issuer. Never retried.
    Certificate,
    /// A phase took longer than it may.
    Timeout(Phase),
    /// The connection was lost before the head of an answer had arrived.
    ConnectionLost,
    /// What came is not HTTP, or not HTTP that may be believed.
    Protocol,
    /// The body broke off before its end.
    BodyInterrupted,
    /// Something was larger than its limit.
    TooLarge,
    /// The body is encoded in a way that was not asked for.
    Encoding,
    /// The machine has no more of something: file descriptors, ports, memory.
    ResourceExhausted,
    /// The request itself cannot be sent: a bad URL, a forbidden scheme.
    Request,
    /// Anything else, as a foreign transport reports it.
    Other,
}

/// A phase of an exchange that has its own time-out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Phase {
    /// Name lookup, TCP, proxy and TLS together.
    Connect,
    /// From the start of the attempt until the head of the answer.
    Head,
    /// Between two pieces of the body.
    Idle,
    /// The whole call: all attempts, the waits between them, and the body.
    Total,
}

/// Whether the server may have seen the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Delivery {
    /// Certainly not: sending it again cannot be billed twice.
    NotSent,
    /// It may have: some of it was written, or nobody can tell.
    Unknown,
}

impl TransportError {
    /// A new error without cause or detail.
    ///
    /// It is [transient](Self::is_transient) if its kind is `Connect`, `Proxy`, `Tls`, `Timeout`,
    /// `ConnectionLost`, `ResourceExhausted` or `Other`.
    #[cold]
    pub fn new(kind: ErrorKind, delivery: Delivery) -> Self {
        use ErrorKind::{Connect, ConnectionLost, Other, Proxy, ResourceExhausted, Timeout, Tls};
        let transient = matches!(
            kind,
            Connect | Proxy | Tls | Timeout(_) | ConnectionLost | ResourceExhausted | Other
        );
        Self(Box::new(Inner {
            kind,
            delivery,
            transient,
            detail: None,
            attempts: Attempts::default(),
            source: None,
        }))
    }

    /// A phase that took longer than it may.
    pub fn timeout(phase: Phase, delivery: Delivery) -> Self {
        Self::new(ErrorKind::Timeout(phase), delivery)
    }

    /// Keeps `source` as the cause.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<BoxError>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// Says more than the kind does: a short lower-case phrase without secrets, shown after it.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<Cow<'static, str>>) -> Self {
        self.0.detail = Some(detail.into());
        self
    }

    /// Marks the error as one that another try would only meet again.
    #[must_use]
    pub fn permanent(mut self) -> Self {
        self.0.transient = false;
        self
    }

    /// Remembers the attempts of which this error ended the last.
    ///
    /// If any of them may have reached the server, the request [may have been
    /// sent](Self::delivery), although the last one was not.
    #[must_use]
    pub fn with_attempts(mut self, attempts: Attempts) -> Self {
        if attempts.failed.iter().any(|attempt| attempt.delivery == Delivery::Unknown) {
            self.0.delivery = Delivery::Unknown;
        }
        self.0.attempts = attempts;
        self
    }

    /// What went wrong, in one word.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Whether the server may have seen the request, in any attempt.
    pub fn delivery(&self) -> Delivery {
        self.0.delivery
    }

    /// Whether the same request may well succeed if tried again.
    pub fn is_transient(&self) -> bool {
        self.0.transient
    }

    /// The detail shown after the kind, if there is one.
    pub fn detail(&self) -> Option<&str> {
        self.0.detail.as_deref()
    }

    /// How often the request was tried and what each try met; empty below the retry layer.
    pub fn attempts(&self) -> &Attempts {
        &self.0.attempts
    }

    /// The connection could not be opened: name, TCP, proxy, TLS or certificate.
    pub fn is_connect(&self) -> bool {
        use ErrorKind::{Certificate, Connect, Proxy, Timeout, Tls};
        matches!(self.kind(), Connect | Proxy | Tls | Certificate | Timeout(Phase::Connect))
    }

    /// The server's certificate is not to be trusted.
    pub fn is_certificate(&self) -> bool {
        self.kind() == ErrorKind::Certificate
    }

    /// A phase took longer than it may; [`timeout_phase`](Self::timeout_phase) says which.
    pub fn is_timeout(&self) -> bool {
        self.timeout_phase().is_some()
    }

    /// The phase that took too long.
    pub fn timeout_phase(&self) -> Option<Phase> {
        match self.kind() {
            ErrorKind::Timeout(phase) => Some(phase),
            _ => None,
        }
    }

    /// Something was larger than its limit.
    pub fn is_too_large(&self) -> bool {
        self.kind() == ErrorKind::TooLarge
    }
}

impl fmt::Display for TransportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind().fmt(f)?;
        self.detail().map_or(Ok(()), |detail| write!(f, ": {detail}"))
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "could not connect",
            Self::Proxy => "the proxy failed",
            Self::Tls => "the TLS handshake failed",
            Self::Certificate => "the server's certificate is not to be trusted",
            Self::Timeout(phase) => return write!(f, "timed out: {phase}"),
            Self::ConnectionLost => "the connection was lost before an answer came",
            Self::Protocol => "the answer is not valid HTTP",
            Self::BodyInterrupted => "the answer broke off",
            Self::TooLarge => "the answer is over a limit",
            Self::Encoding => "the answer is encoded in a way that was not asked for",
            Self::ResourceExhausted => "the machine is out of a resource",
            Self::Request => "the request cannot be sent",
            Self::Other => "the transport failed",
        })
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Phase::Connect => "no connection in time",
            Phase::Head => "no answer in time",
            Phase::Idle => "the answer stopped coming",
            Phase::Total => "the whole call took too long",
        })
    }
}

impl fmt::Debug for TransportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TransportError")
            .field("kind", &self.0.kind)
            .field("delivery", &self.0.delivery)
            .field("transient", &self.0.transient)
            .field("detail", &self.0.detail)
            .field("attempts", &self.0.attempts)
            .field("source", &self.0.source)
            .finish()
    }
}

impl Error for TransportError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}
