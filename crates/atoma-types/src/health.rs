use crate::{
    ApiError, ParseError, json,
    stream::{ResponseModel, whole::WholeBody},
    wire::object,
};
use serde_json::Value;

object! {
    /// The state of a server.
    pub struct HealthResponse {
        /// `ok` if the server works. The text itself if another server sends plain text in place of
        /// JSON; empty if it sends nothing.
        pub message: String,
    }
}

/// The members in which servers report their state.
const STATES: [&str; 6] = ["status", "state", "healthy", "ready", "alive", "ok"];

/// The words for a server that works.
const GOOD: [&str; 11] = [
    "ok",
    "okay",
    "healthy",
    "up",
    "alive",
    "ready",
    "running",
    "connected",
    "success",
    "pass",
    "true",
];

impl HealthResponse {
    /// Returns whether the server reports that it works: `{"message": "ok"}`, or in the words of
    /// other servers, such as `{"status": "healthy"}` or `Ollama is running`.
    ///
    /// An empty body counts as well, which vLLM, SGLang and TEI send with a status of success.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        let message = (!self.message.is_empty()).then(|| is_good(&self.message));
        let mut states = STATES.iter().filter_map(|name| match self.extra.get(name)? {
            Value::Bool(state) => Some(*state),
            Value::String(state) => Some(is_good(state)),
            _ => None,
        });
        message.or_else(|| states.next()).unwrap_or(true)
    }
}

fn is_good(text: &str) -> bool {
    let words = || text.split(|letter: char| !letter.is_ascii_alphanumeric());
    let has = |known: &[&str]| {
        words().any(|word| known.iter().any(|known| word.eq_ignore_ascii_case(known)))
    };
    has(&GOOD) && !has(&["not", "no"])
}

impl ResponseModel for HealthResponse {
    type Stream = WholeBody<Self>;

    /// Reads a body. An object inside a list is the object.
    fn from_slice(body: &[u8]) -> Result<Self, ParseError> {
        match json::from_slice(body)? {
            Value::Array(list) => {
                let first = list.first().and_then(json::object_from_value);
                first.map_or_else(|| json::object_from_slice(body), Ok)
            }
            _ => json::object_from_slice(body),
        }
    }

    /// Reads plain text, a JSON string, or an empty body. A page is not a state.
    fn from_text(body: &str) -> Option<Self> {
        let text = match json::from_str(body) {
            Ok(Value::String(text)) => text,
            _ => body.trim().to_owned(),
        };
        let is_line = !text.contains('\n') && !text.starts_with('<');
        is_line.then(|| Self { message: text, ..Self::default() })
    }

    fn error(&self) -> Option<&ApiError> {
        None
    }

    fn has_content(&self) -> bool {
        !self.extra.reports_error()
    }
}
