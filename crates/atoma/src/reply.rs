use crate::RateLimits;
use atoma_transport::{Attempts, request_id};
use bytes::Bytes;
use http::{Extensions, HeaderMap, StatusCode};
use std::{
    fmt,
    ops::{Deref, DerefMut},
    time::SystemTime,
};

/// A response with its metadata.
///
/// It derefs to the response itself: `reply.text()`, `reply.choices`.
#[derive(Clone)]
#[doc(alias("with_raw_response", "APIResponse"))]
pub struct Reply<T> {
    value: T,
    metadata: Metadata,
    raw: Bytes,
}

impl<T> Reply<T> {
    pub(crate) fn new(value: T, metadata: Metadata, raw: Bytes) -> Self {
        Self { value, metadata, raw }
    }

    /// Returns the response without its metadata.
    pub fn into_inner(self) -> T {
        self.value
    }

    /// Replaces the response, and keeps its metadata and raw body.
    pub fn map<U>(self, map: impl FnOnce(T) -> U) -> Reply<U> {
        Reply { value: map(self.value), metadata: self.metadata, raw: self.raw }
    }

    /// Returns the status, headers and attempts of the response.
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// Returns the status; always a 2xx.
    pub fn status(&self) -> StatusCode {
        self.metadata.status()
    }

    /// Returns the headers of the response.
    pub fn headers(&self) -> &HeaderMap {
        self.metadata.headers()
    }

    /// Returns the server's identifier of this request (`x-request-id` and others), for its support.
    /// Atoma sends none.
    pub fn request_id(&self) -> Option<&str> {
        self.metadata.request_id()
    }

    /// Returns how often the request was sent, how long it took, and why earlier attempts failed.
    pub fn attempts(&self) -> &Attempts {
        self.metadata.attempts()
    }

    /// Returns the rate limits of the account, if the response reports them.
    pub fn rate_limits(&self) -> Option<RateLimits> {
        self.metadata.rate_limits()
    }

    /// Returns the body exactly as it was received: the text that `signature` and `response_hash`
    /// refer to.
    ///
    /// If the server streamed the response without being asked, this is the event stream; empty if
    /// that is larger than [`max_response_size`](crate::ClientBuilder::max_response_size).
    #[doc(alias = "bytes")]
    pub fn raw(&self) -> &Bytes {
        &self.raw
    }
}

impl<T> Deref for Reply<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> DerefMut for Reply<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.value
    }
}

impl<T: fmt::Debug> fmt::Debug for Reply<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { value, metadata, .. } = self;
        #[cfg(feature = "confidential")]
        if metadata.extensions().get::<crate::LockedNode>().is_some() {
            return f.debug_struct("Reply").field("metadata", metadata).finish_non_exhaustive();
        }
        f.debug_struct("Reply").field("value", value).field("metadata", metadata).finish()
    }
}

/// The metadata of a response: everything except its content.
#[derive(Clone, Default)]
pub struct Metadata {
    status: StatusCode,
    headers: HeaderMap,
    attempts: Attempts,
    extensions: Extensions,
}

impl Metadata {
    pub(crate) fn new(status: StatusCode, headers: HeaderMap, attempts: Attempts) -> Self {
        Self { status, headers, attempts, extensions: Extensions::new() }
    }

    pub(crate) fn extensions_mut(&mut self) -> &mut Extensions {
        &mut self.extensions
    }

    /// Returns the status of the response.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// Returns the headers of the response, with the API key redacted.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// Returns the server's identifier of the request: `x-request-id` and others, see
    /// [`request_id`](crate::transport::request_id()).
    pub fn request_id(&self) -> Option<&str> {
        request_id(self.headers())
    }

    /// Returns how often the request was sent, how long it took, and why earlier attempts failed.
    pub fn attempts(&self) -> &Attempts {
        &self.attempts
    }

    pub(crate) fn attempts_mut(&mut self) -> &mut Attempts {
        &mut self.attempts
    }

    /// Returns the rate limits of the account, if the headers report them.
    ///
    /// A reset that is given as an instant is measured against the `Date` of the response, or
    /// against the present time if it has none.
    pub fn rate_limits(&self) -> Option<RateLimits> {
        RateLimits::from_headers(self.headers(), SystemTime::now())
    }

    /// Returns the results of the client's [inspectors](crate::Inspect), by their types.
    pub fn extensions(&self) -> &Extensions {
        &self.extensions
    }
}

/// Headers are left out: a server may repeat anything in them.
impl fmt::Debug for Metadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metadata")
            .field("status", &self.status)
            .field("attempts", &self.attempts)
            .finish_non_exhaustive()
    }
}
