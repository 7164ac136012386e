use bytes::Bytes;
use serde_json::{Value, json};

/// A response of the proxy itself.
#[derive(Debug, PartialEq)]
pub(crate) struct DirectResponse {
    pub(crate) status: u16,
    /// `None`: an empty body.
    pub(crate) content_type: Option<&'static str>,
    pub(crate) body: Bytes,
    pub(crate) allow: Option<&'static str>,
}

impl DirectResponse {
    pub(crate) fn new(
        status: u16,
        content_type: Option<&'static str>,
        body: impl Into<Bytes>,
    ) -> Self {
        Self { status, content_type, body: body.into(), allow: None }
    }

    pub(crate) fn json(body: &Value) -> Self {
        Self::new(200, Some("application/json"), body.to_string())
    }

    /// The proxy's error: a code and a message as JSON.
    pub(crate) fn error(status: u16, code: &str, message: &str) -> Self {
        let body = json!({"error": {"code": code, "message": message}});
        Self { status, ..Self::json(&body) }
    }

    pub(crate) fn bad_request(message: &str) -> Self {
        Self::error(400, "REQUEST_ERROR", &format!("Request error: {message}"))
    }

    pub(crate) fn internal(message: &str) -> Self {
        Self::error(500, "INTERNAL_ERROR", message)
    }

    /// An error of the proxy's HTTP framework: plain text.
    pub(crate) fn text(status: u16, body: &str) -> Self {
        Self::new(status, Some("text/plain; charset=utf-8"), body.to_owned())
    }

    pub(crate) fn empty(status: u16) -> Self {
        Self::new(status, None, Bytes::new())
    }
}
