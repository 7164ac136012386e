//! Finding an error that a response reports in other members than `error`.

use serde_json::{Map, Value};

use super::{ApiError, CODES, from_value, means_success, message_in, read_member, text_of};
use crate::{Extra, json};

/// Types of objects that report how a request is doing, not that it failed.
const NOTICES: [&str; 17] = [
    "status",
    "ping",
    "pong",
    "progress",
    "info",
    "keepalive",
    "heartbeat",
    "queue",
    "queued",
    "start",
    "started",
    "metadata",
    "notice",
    "warning",
    "log",
    "update",
    "event",
];

/// Words in a type or a status that say that something failed.
const FAILURES: [&str; 5] = ["error", "exception", "fail", "exceeded", "invalid"];

/// The response that an error is looked for in.
pub(crate) struct ErrorPlace<'a> {
    /// Whether it has neither choices nor usage.
    pub(crate) is_empty: bool,
    /// Whether it has a list of choices, be it empty.
    pub(crate) has_choices: bool,
    pub(crate) id: &'a str,
    pub(crate) object: &'a str,
}

impl ApiError {
    /// Finds the error that a response reports in members without a field: a vendor's, or, if the response is empty, flat ones.
    #[cold]
    pub(crate) fn reported_in(extra: &mut Extra, place: &ErrorPlace<'_>) -> Option<Box<Self>> {
        if let Some(error) = extra.iter().find_map(|(name, value)| in_vendor_member(name, value)) {
            return Some(Box::new(error));
        }
        if !place.is_empty {
            return None;
        }
        let members: Map<String, Value> =
            extra.iter().map(|(name, value)| (name.to_owned(), value.clone())).collect();
        let is_failure = place.object.eq_ignore_ascii_case("error") || says_failure(&members);
        // A message alone is a failure only where there are no choices, or nothing says that this is a completion.
        let is_completion = ["chat.completion", "text_completion"]
            .iter()
            .any(|name| place.object.starts_with(name));
        let may_be_failure = !place.has_choices || (!is_completion && place.id.is_empty());
        if !is_failure && (!may_be_failure || is_notice(&members)) {
            return None;
        }
        let error = from_value(&Value::Object(members))?;
        extra.remove("error");
        Some(Box::new(error))
    }

    /// Takes the error out of the unknown members of a message or a delta.
    pub(crate) fn take_from(extra: &mut Extra) -> Option<Box<Self>> {
        let error = read_member(extra.get("error")?.clone()).ok()??;
        extra.remove("error");
        Some(error)
    }
}

/// The error in a member of a vendor: `base_resp` of MiniMax with a code other than zero, `x_groq.error`.
fn in_vendor_member(name: &str, value: &Value) -> Option<ApiError> {
    if name == "base_resp" {
        let code = text_of(value.get("status_code")?).filter(|code| !means_success(code))?;
        let message = value.get("status_msg").and_then(message_in).unwrap_or_default();
        return Some(ApiError { message, code: Some(code), ..ApiError::default() });
    }
    let error = value.get("error").filter(|_| name.starts_with("x_"))?;
    read_member(error.clone()).ok()?.map(|error| *error)
}

/// Whether members say that something failed, not only what.
fn says_failure(members: &Map<String, Value>) -> bool {
    let fails = |name: &str| {
        let text =
            members.get(name).and_then(Value::as_str).unwrap_or_default().to_ascii_lowercase();
        FAILURES.iter().any(|word| text.contains(word))
    };
    let code =
        |name: &str| members.get(name).and_then(text_of).is_some_and(|code| !means_success(&code));
    let is_status =
        |name: &str| members.get(name).and_then(Value::as_u64).is_some_and(|status| status >= 400);
    fails("type")
        || fails("status")
        || members.get("success") == Some(&Value::Bool(false))
        || members
            .get("error")
            .is_some_and(|error| !error.is_null() && *error != Value::Bool(false))
        || code("code")
        || CODES.iter().any(|name| code(name))
        || ["status", "status_code", "statusCode"].iter().any(|name| is_status(name))
}

/// Whether an object calls itself a report, such as `{"type": "status", "message": "queue position 3"}`.
fn is_notice(members: &Map<String, Value>) -> bool {
    let kind = members.get("type").and_then(Value::as_str).unwrap_or_default().to_ascii_lowercase();
    kind.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| NOTICES.contains(&word))
}

/// Whether a JSON text reports an error by itself: in an event named `status`, a message does not.
pub(crate) fn is_explicit(json: &str) -> bool {
    match json::from_slice(json.as_bytes()) {
        Ok(Value::Object(members)) => {
            let vendor =
                members.iter().any(|(name, value)| in_vendor_member(name, value).is_some());
            let is_error = members.get("object").is_some_and(|object| object == "error");
            vendor || is_error || says_failure(&members)
        }
        _ => false,
    }
}
