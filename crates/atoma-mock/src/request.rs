use bytes::Bytes;
use http::{HeaderMap, Method, header};
use serde_json::Value;

/// One request as the server received it, whether it passed the checks or not.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ReceivedRequest {
    /// The method, normally `POST`.
    pub method: Method,
    /// The path with the query string if there was one, such as `/v1/chat/completions`.
    pub path: String,
    /// The headers, names in lower case.
    pub headers: HeaderMap,
    /// The whole body, as it was sent.
    pub body: Bytes,
    pub(crate) plaintext: Option<Bytes>,
}

impl ReceivedRequest {
    /// Returns the body read as JSON; `Value::Null` if it is not JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// Returns the decrypted body of a confidential request; `None` for other requests, and if the
    /// request was rejected before decryption.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// # let server = atoma_mock::MockServer::start().await;
    /// for request in server.requests() {
    ///     let text = String::from_utf8_lossy(request.plaintext().unwrap_or(&request.body));
    ///     println!("{} {text}", request.path);
    /// }
    /// # }
    /// ```
    pub fn plaintext(&self) -> Option<&Bytes> {
        self.plaintext.as_ref()
    }

    /// Returns the value of a header as text; `None` if it is missing or not visible ASCII.
    ///
    /// Of a header that was sent several times, the first value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Returns the token of `Authorization: Bearer <token>`, with exactly one space, as the proxy reads it.
    pub fn bearer(&self) -> Option<&str> {
        self.header(header::AUTHORIZATION.as_str())?.strip_prefix("Bearer ")
    }

    pub(crate) fn path_without_query(&self) -> &str {
        self.path.split('?').next().unwrap_or("")
    }
}
