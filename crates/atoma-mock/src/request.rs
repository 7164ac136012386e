use bytes::Bytes;
use http::{HeaderMap, Method, header};
use serde_json::Value;

/// One request as the server received it, before anything was judged.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ReceivedRequest {
    /// The method, normally `POST`.
    pub method: Method,
    /// The path with the query string if there was one, such as `/v1/chat/completions`.
    pub path: String,
    /// The headers, names in lower case.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
}

impl ReceivedRequest {
    /// The body read as JSON; `Value::Null` if it is not JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// The value of a header as text; `None` if it is missing or not visible ASCII.
    ///
    /// The first one, if the header was sent several times.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The token of `Authorization: Bearer <token>`, with exactly one space, as the proxy reads it.
    pub fn bearer(&self) -> Option<&str> {
        self.header(header::AUTHORIZATION.as_str())?.strip_prefix("Bearer ")
    }
}
