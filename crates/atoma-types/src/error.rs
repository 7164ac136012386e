mod report;

use crate::{
    json,
    wire::{Boxed, Codec, ErrorMember, Piece, by_value, object, settle},
};
pub(crate) use report::{ErrorPlace, is_explicit, names_failure, names_notice};
use serde_json::{Map, Value};
use std::fmt;

object! {
    /// An error that a server reports: in an error response, or inside a stream.
    ///
    /// Atoma sends `{"error": {"code": "AUTH_ERROR", "message": "Authentication failed"}}`; other servers send many other shapes.
    /// [`ApiError::from_body`] reads them all into this one.
    pub struct ApiError {
        /// The message, for people.
        pub message: String,
        /// The code, for programs: `AUTH_ERROR`, `insufficient_quota`. Numbers are read as text.
        pub code: Option<String>,
        /// The kind of error, as OpenAI's servers name it: `invalid_request_error`.
        pub kind: Option<String> = "type",
        /// The parameter at fault.
        pub param: Option<String>,
    }
}

/// The longest message taken from a body that is plain text, in characters.
const LONGEST_TEXT: usize = 500;

/// The most messages of a list that are joined.
const MOST_JOINED: usize = 8;

/// Members with the message if `message` does not have it, best first.
const MESSAGES: [&str; 18] = [
    "message",
    "detail",
    "details",
    "msg",
    "error_description",
    "error_message",
    "errorMessage",
    "error_msg",
    "err_msg",
    "errmsg",
    "status_msg",
    "Message",
    "errors",
    "error",
    "title",
    "reason",
    "fault",
    "faultstring",
];

/// Members with the code if `code` does not have it.
const CODES: [&str; 3] = ["error_code", "errcode", "err_code"];

impl ApiError {
    /// Reads the body of an error response, in every shape that real servers send:
    ///
    /// - `{"error": {…}}`, `{"error": "…"}`, `{"error": true, "message": …}`, and a list around one of them;
    /// - the members without a wrapper: `{"code", "message"}`, `{"code", "details"}`, `{"object": "error", "message"}`;
    /// - `{"detail": "…"}` and `{"detail": [{"loc", "msg"}]}` of FastAPI, `{"errors": […]}`;
    /// - `{"title", "detail"}` of RFC 9457;
    /// - plain text, of which the first 500 characters are taken.
    ///
    /// Returns `None` if there is no error in it: an empty body, HTML, or JSON that does not mention one.
    ///
    /// ```
    /// use atoma_types::ApiError;
    ///
    /// let error = ApiError::from_body(br#"{"error": {"code": 400, "message": "no such model"}}"#).unwrap();
    /// assert_eq!(error.code.as_deref(), Some("400"));
    /// assert_eq!(error.to_string(), "400, no such model");
    /// ```
    #[must_use]
    pub fn from_body(body: &[u8]) -> Option<Self> {
        match json::from_slice(body) {
            Ok(value @ (Value::Object(_) | Value::Array(_))) => from_value(&value),
            _ => match std::str::from_utf8(body).ok().map(json::from_str) {
                Some(Ok(Value::String(text))) => Self::from_body(text.as_bytes()),
                Some(Ok(_)) => None,
                Some(Err(_)) | None => from_text(&String::from_utf8_lossy(body)),
            },
        }
    }

    /// Fills in a message or a code from members of other names.
    fn with_message(mut self) -> Option<Self> {
        if self.message.is_empty() {
            let found = MESSAGES.iter().find_map(|name| message_in(self.extra.get(name)?));
            self.message = found.unwrap_or_default();
            settle(&mut self);
        }
        let code = || CODES.iter().find_map(|name| text_of(self.extra.get(name)?));
        if let Some(code) = self.code.is_none().then(code).flatten() {
            self.code = Some(code);
        }
        let is_success = self.code.as_deref().is_some_and(means_success)
            && (self.message.is_empty() || means_success(&self.message));
        let says_something = !self.message.is_empty() || self.code.is_some() || self.kind.is_some();
        (says_something && !is_success).then_some(self)
    }
}

/// One line: the code or else the kind, and the message.
impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.code.as_deref().or(self.kind.as_deref()).unwrap_or_default();
        let message = one_line(&self.message);
        match (name.is_empty(), message.is_empty()) {
            (true, true) => f.write_str("unknown error"),
            (true, false) => f.write_str(&message),
            (false, true) => f.write_str(&one_line(name)),
            (false, false) => write!(f, "{}, {message}", one_line(name)),
        }
    }
}

impl std::error::Error for ApiError {}

impl Codec<Option<Box<ApiError>>> for ErrorMember {
    const OMIT: bool = true;

    by_value!(Option<Box<ApiError>>, read_member);

    fn is_absent(value: &Option<Box<ApiError>>) -> bool {
        value.is_none()
    }

    fn piece(value: &Option<Box<ApiError>>) -> Piece<'_> {
        Boxed::piece(value)
    }
}

/// Reads the value of a member `error`.
fn read_member(value: Value) -> Result<Option<Box<ApiError>>, Value> {
    let error = match &value {
        Value::String(text) if text.trim_ascii().is_empty() => None,
        Value::String(text) => Some(ApiError { message: text.clone(), ..ApiError::default() }),
        Value::Object(_) => json::object_from_value(&value).and_then(ApiError::with_message),
        _ => None,
    };
    error.map(|error| Some(Box::new(error))).ok_or(value)
}

/// Reads an error out of any JSON value.
fn from_value(value: &Value) -> Option<ApiError> {
    let members = match value {
        Value::Array(list) => return list.iter().find_map(from_value),
        Value::Object(members) => members,
        _ => return None,
    };
    match members.get("error") {
        Some(inner @ Value::Object(_)) => {
            let mut error = json::object_from_value::<ApiError>(inner)?.with_message()?;
            keep_neighbours(&mut error, members);
            Some(error)
        }
        Some(Value::String(text)) if !text.trim_ascii().is_empty() => {
            let text = text.clone();
            let mut error: ApiError = json::object_from_value(value)?;
            error.extra.remove("error");
            error.name_or_tell(text);
            Some(error)
        }
        Some(errors @ Value::Array(list)) => {
            let message = || message_in(errors);
            let flat = || Some(ApiError { message: message()?, ..ApiError::default() });
            list.iter().find_map(from_value).or_else(flat)
        }
        _ if !speaks_of_an_error(members) => None,
        _ => {
            let mut error: ApiError = json::object_from_value(value)?;
            error.extra.remove("error");
            let is_success =
                |error: &ApiError| error.code.is_none() && means_success(&error.message);
            let flat = error.with_message();
            flat.filter(|error| !error.message.is_empty() && !is_success(error))
                .or_else(|| in_named_member(members))
        }
    }
}

impl ApiError {
    /// `{"error": "…"}` is the message, or the kind if there is a message next to it.
    fn name_or_tell(&mut self, text: String) {
        let next_to_it = MESSAGES.iter().find_map(|name| message_in(self.extra.get(name)?));
        if self.message.is_empty() {
            self.message = next_to_it.unwrap_or_default();
        }
        if self.message.is_empty() {
            self.message = text;
        } else if self.kind.is_none() {
            self.kind = Some(text);
        }
        settle(self);
    }
}

/// Finds an error in a member whose name reports it: `{"internalServerException": {"message": "…"}}`.
fn in_named_member(members: &Map<String, Value>) -> Option<ApiError> {
    members.iter().filter(|(name, _)| names_failure(name)).find_map(|(name, value)| {
        let message = message_in(value)?;
        Some(ApiError { message, kind: Some(name.clone()), ..ApiError::default() })
    })
}

/// A code that is text or a number, as text.
fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.trim_ascii().to_owned()).filter(|text| !text.is_empty()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// Returns whether a code or a message reports success.
fn means_success(text: &str) -> bool {
    ["0", "200", "ok", "success", "none", "null"].iter().any(|word| text.eq_ignore_ascii_case(word))
}

/// Returns whether members may report an error: those of a completion do not.
fn speaks_of_an_error(members: &Map<String, Value>) -> bool {
    let is_denied = members.get("error") == Some(&Value::Bool(false));
    let has_choices =
        members.get("choices").and_then(Value::as_array).is_some_and(|choices| !choices.is_empty());
    !is_denied && !has_choices
}

/// Keeps the members next to `error`, such as a request id. Those of the error take precedence.
fn keep_neighbours(error: &mut ApiError, members: &Map<String, Value>) {
    let own = std::mem::take(&mut error.extra);
    for (name, value) in members {
        if !matches!(name.as_str(), "error" | "message" | "code" | "type" | "param" | "object") {
            error.extra.push(name.clone(), value.clone());
        }
    }
    for (name, value) in own.iter() {
        error.extra.push(name.to_owned(), value.clone());
    }
    error.extra.settle(&|_| false);
}

/// Returns the message in a value: text, an object with a message, or a list of either.
fn message_in(value: &Value) -> Option<String> {
    let message = match value {
        Value::String(text) => text.trim_ascii().to_owned(),
        Value::Object(members) => {
            let message = MESSAGES.iter().find_map(|name| message_in(members.get(*name)?))?;
            let location = members.get("loc").and_then(Value::as_array).map(|path| dotted(path));
            location
                .filter(|path| !path.is_empty())
                .map_or(message.clone(), |path| format!("{path}: {message}"))
        }
        Value::Array(list) => {
            joined(&mut list.iter().filter_map(message_in).take(MOST_JOINED), "; ")
        }
        _ => return None,
    };
    (!message.is_empty()).then_some(message)
}

fn dotted(path: &[Value]) -> String {
    let step =
        |step: &Value| step.as_str().map_or_else(|| crate::wire::text_of(step), str::to_owned);
    joined(&mut path.iter().map(step), ".")
}

fn joined(texts: &mut dyn Iterator<Item = String>, separator: &str) -> String {
    let mut all = texts.next().unwrap_or_default();
    for text in texts {
        all.push_str(separator);
        all.push_str(&text);
    }
    all
}

/// Reads plain text as an error. Markup, invalid JSON and binary data are not text.
fn from_text(text: &str) -> Option<ApiError> {
    let text = text.trim_ascii().trim_start_matches('\u{feff}');
    let is_binary = |c: char| c == '\u{fffd}' || (c.is_control() && !c.is_whitespace());
    let is_markup = ["<", "{", "[{", "[\""].iter().any(|start| text.starts_with(start));
    if text.is_empty() || is_markup || text.contains(is_binary) {
        return None;
    }
    Some(ApiError { message: text.chars().take(LONGEST_TEXT).collect(), ..ApiError::default() })
}

/// Text on one line, cut where it is too long to be a message.
fn one_line(text: &str) -> String {
    let mut line = String::new();
    for word in
        text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty())
    {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
        if line.len() > LONGEST_TEXT {
            let end = (0..=LONGEST_TEXT).rev().find(|&end| line.is_char_boundary(end)).unwrap_or(0);
            line.truncate(end);
            line.push('…');
            break;
        }
    }
    line
}
