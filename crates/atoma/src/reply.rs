use atoma_transport::Attempts;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, StatusCode};
use std::{
    fmt,
    ops::{Deref, DerefMut},
};

/// An answer, with what came beside it.
///
/// It derefs to the answer itself: `reply.text()`, `reply.choices`.
#[derive(Clone)]
pub struct Reply<T> {
    value: T,
    head: Head,
    raw: Bytes,
}

/// What a head tells, kept for replies, streams and errors.
#[derive(Clone)]
pub(crate) struct Head {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) attempts: Attempts,
}

impl<T> Reply<T> {
    pub(crate) fn new(value: T, head: Head, raw: Bytes) -> Self {
        Self { value, head, raw }
    }

    /// The answer alone.
    pub fn into_inner(self) -> T {
        self.value
    }

    /// The status; always a 2xx.
    pub fn status(&self) -> StatusCode {
        self.head.status
    }

    /// The response's headers.
    pub fn headers(&self) -> &HeaderMap {
        &self.head.headers
    }

    /// The server's name for this request (`x-request-id`), for its support; Atoma sends none.
    pub fn request_id(&self) -> Option<&str> {
        self.head.request_id()
    }

    /// How often the request was sent, how long it took, and what failed before.
    pub fn attempts(&self) -> &Attempts {
        &self.head.attempts
    }

    /// The body exactly as it came: what `signature` and `response_hash` speak of. Empty if the
    /// server streamed its answer although it was not asked to.
    pub fn raw(&self) -> &Bytes {
        &self.raw
    }
}

impl<T: fmt::Debug> fmt::Debug for Reply<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { value, head, .. } = self;
        f.debug_struct("Reply").field("value", value).field("head", head).finish_non_exhaustive()
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

/// Headers stay out: a server may echo anything in them.
impl fmt::Debug for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { status, attempts, .. } = self;
        f.debug_struct("Head").field("status", status).field("attempts", attempts).finish()
    }
}

impl Head {
    pub(crate) fn request_id(&self) -> Option<&str> {
        REQUEST_ID.iter().find_map(|name| self.headers.get(name))?.to_str().ok()
    }
}

/// What servers call their name for a request.
const REQUEST_ID: [HeaderName; 2] =
    [HeaderName::from_static("x-request-id"), HeaderName::from_static("request-id")];
