use crate::stream::{ResponseModel, whole::WholeBody};
use crate::wire::object;
use crate::{ApiError, ParseError, json};

object! {
    /// The state of a server.
    pub struct HealthResponse {
        /// `ok` if the server works.
        pub message: String,
    }
}

impl HealthResponse {
    /// Whether the server says that it works: `{"message": "ok"}`, or `{"status": "ok"}` as other servers write it.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        let status = self.extra.get("status").and_then(|status| status.as_str());
        [Some(self.message.as_str()), status]
            .into_iter()
            .flatten()
            .any(|text| text.eq_ignore_ascii_case("ok"))
    }
}

impl ResponseModel for HealthResponse {
    type Stream = WholeBody<Self>;

    fn from_slice(body: &[u8]) -> Result<Self, ParseError> {
        json::object_from_slice(body)
    }

    fn error(&self) -> Option<&ApiError> {
        None
    }

    fn has_content(&self) -> bool {
        !self.extra.contains("error")
    }
}
