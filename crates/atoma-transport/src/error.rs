use std::{borrow::Cow, error::Error, fmt, time::Duration};

/// A boxed error of any type, the form in which foreign causes are kept.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// The reason why no response arrived, or why its body ended early.
///
/// Display is one line for this level only, without secrets, credentials or bodies; the cause is in
/// [`source`](Error::source). `{:?}` is that line followed by one line per cause, and `{:#?}` the
/// fields.
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
    limit: Option<Duration>,
    extensions: http::Extensions,
    source: Option<BoxError>,
}

/// The class of a [`TransportError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The host name could not be resolved, or no connection could be opened.
    Connect,
    /// The proxy could not be reached, or it rejected the connection.
    Proxy,
    /// The TLS handshake failed for a reason other than the certificate.
    Tls,
    /// The server's certificate is invalid: expired, for another name, or of an unknown issuer.
    /// Never retried.
    Certificate,
    /// A phase exceeded its timeout.
    Timeout(Phase),
    /// The connection closed before the response headers arrived.
    ConnectionLost,
    /// The server sent something that is not valid HTTP.
    Protocol,
    /// The response body ended before it was complete.
    BodyInterrupted,
    /// Part of the response exceeds a size limit.
    TooLarge,
    /// The body has a content encoding that was not requested.
    Encoding,
    /// The machine has no file descriptors, ports or memory left.
    ResourceExhausted,
    /// The request cannot be sent: an unsupported URL, a forbidden scheme.
    Request,
    /// Any other failure that a transport reports.
    Other,
}

/// A phase of an exchange that has its own timeout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Phase {
    /// Name lookup, TCP, proxy and TLS together.
    Connect,
    /// From the start of the attempt until the response headers.
    Head,
    /// Between two frames of the response body.
    Idle,
    /// The whole call: all attempts, the waits between them, and the body.
    Total,
}

/// Whether the server may have seen the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(
    clippy::exhaustive_enums,
    reason = "a request may have been sent or not: there is no third case"
)]
pub enum Delivery {
    /// Certainly not: sending it again cannot be billed twice.
    NotSent,
    /// It may have: some of it was written, or nobody can tell.
    Unknown,
}

impl TransportError {
    /// Creates an error without cause or detail.
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
            limit: None,
            extensions: http::Extensions::new(),
            source: None,
        }))
    }

    /// Creates the error for a phase that exceeded its timeout; see also
    /// [`with_limit`](Self::with_limit).
    pub fn timeout(phase: Phase, delivery: Delivery) -> Self {
        Self::new(ErrorKind::Timeout(phase), delivery)
    }

    /// Keeps `source` as the cause.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<BoxError>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// Sets the timeout that was exceeded, which Display then names: `timeout: no response headers
    /// within 60s`. Ignored by Display unless the kind is `Timeout`.
    #[must_use]
    pub fn with_limit(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.0.limit = limit.into();
        self
    }

    /// Adds a short lower-case phrase without secrets, which Display shows after the kind.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<Cow<'static, str>>) -> Self {
        self.0.detail = Some(detail.into());
        self
    }

    /// Marks the error as permanent: another attempt would fail in the same way.
    #[must_use]
    pub fn permanent(mut self) -> Self {
        self.0.transient = false;
        self
    }

    /// Sets whether the server may have seen the request.
    #[must_use]
    pub fn with_delivery(mut self, delivery: Delivery) -> Self {
        self.0.delivery = delivery;
        self
    }

    /// Returns the class of the error.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Returns whether the server may have seen the request, in any attempt.
    pub fn delivery(&self) -> Delivery {
        self.0.delivery
    }

    /// Returns true if the same request may succeed when sent again.
    pub fn is_transient(&self) -> bool {
        self.0.transient
    }

    /// Returns the detail that Display shows after the kind.
    pub fn detail(&self) -> Option<&str> {
        self.0.detail.as_deref()
    }

    /// Returns the timeout that was exceeded, if the layer that enforced it reported it.
    pub fn limit(&self) -> Option<Duration> {
        self.0.limit
    }

    /// Returns the values that layers have attached, like those of a response. The retry layer
    /// attaches [`Attempts`](crate::Attempts).
    pub fn extensions(&self) -> &http::Extensions {
        &self.0.extensions
    }

    /// Returns the attached values, to add one.
    pub fn extensions_mut(&mut self) -> &mut http::Extensions {
        &mut self.0.extensions
    }

    /// Returns true if no connection could be opened: name lookup, TCP, proxy, TLS or certificate.
    pub fn is_connect(&self) -> bool {
        use ErrorKind::{Certificate, Connect, Proxy, Timeout, Tls};
        matches!(self.kind(), Connect | Proxy | Tls | Certificate | Timeout(Phase::Connect))
    }

    /// Returns true if the server's certificate is invalid.
    pub fn is_certificate(&self) -> bool {
        self.kind() == ErrorKind::Certificate
    }

    /// Returns true if a phase exceeded its timeout; [`timeout_phase`](Self::timeout_phase) says
    /// which.
    pub fn is_timeout(&self) -> bool {
        self.timeout_phase().is_some()
    }

    /// Returns the phase that exceeded its timeout.
    pub fn timeout_phase(&self) -> Option<Phase> {
        match self.kind() {
            ErrorKind::Timeout(phase) => Some(phase),
            _ => None,
        }
    }

    /// Returns true if part of the response exceeds a size limit.
    pub fn is_too_large(&self) -> bool {
        self.kind() == ErrorKind::TooLarge
    }
}

impl fmt::Display for TransportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind().fmt(f)?;
        if let (true, Some(limit)) = (self.is_timeout(), self.limit()) {
            write!(f, " within {limit:?}")?;
        }
        self.detail().map_or(Ok(()), |detail| write!(f, ": {detail}"))
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "could not connect",
            Self::Proxy => "proxy connection failed",
            Self::Tls => "TLS handshake failed",
            Self::Certificate => "invalid server certificate",
            Self::Timeout(phase) => return write!(f, "timeout: {phase}"),
            Self::ConnectionLost => "connection closed before response headers",
            Self::Protocol => "invalid HTTP response",
            Self::BodyInterrupted => "response body ended unexpectedly",
            Self::TooLarge => "response too large",
            Self::Encoding => "response has a content encoding that was not requested",
            Self::ResourceExhausted => "out of a local resource (file descriptors, ports, memory)",
            Self::Request => "request cannot be sent",
            Self::Other => "transport failed",
        })
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Phase::Connect => "no connection",
            Phase::Head => "no response headers",
            Phase::Idle => "no response data",
            Phase::Total => "call not complete",
        })
    }
}

impl fmt::Debug for TransportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !f.alternate() {
            return write_with_causes(f, self);
        }
        f.debug_struct("TransportError")
            .field("kind", &self.0.kind)
            .field("delivery", &self.0.delivery)
            .field("transient", &self.0.transient)
            .field("detail", &self.0.detail)
            .field("limit", &self.0.limit)
            .field("source", &self.0.source)
            .finish()
    }
}

/// Writes an error and its causes, each on one line; a cause that the line above already contains
/// is skipped.
#[doc(hidden)]
pub fn write_with_causes(f: &mut fmt::Formatter<'_>, error: &dyn Error) -> fmt::Result {
    let mut above = error.to_string();
    f.write_str(&above)?;
    let mut cause = error.source();
    while let Some(error) = cause {
        let line = error.to_string();
        if !above.contains(&line) {
            write!(f, "\n  caused by: {line}")?;
            above = line;
        }
        cause = error.source();
    }
    Ok(())
}

impl Error for TransportError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

#[cfg(test)]
mod tests;
