//! Finding an error that a response reports in other members than `error`.
//!
//! Servers report failures with status 200, in bodies that look like a response: a vendor's member, the members of an error
//! without the object around them, or a message with a `status`. Others send notices in the same form while they work. The words
//! below decide between the two, and only if there is nothing else in the response:
//!
//! ```text
//! a vendor's member with a failure code ───────────────────────────────► error
//! choices or usage ────────────────────────────────────────────────────► response
//! a type, status or code that names a failure ─────────────────────────► error
//! a type or status that names a notice ────────────────────────────────► response
//! a message, and neither choices nor the name of a completion ─────────► error
//! ```

use super::{ApiError, CODES, from_value, means_success, message_in, read_member, text_of};
use crate::{Extra, FinishReason, Usage, json};
use serde_json::{Map, Value};

/// Words in the type, object or status of objects that report how a request is doing, not that it failed.
const NOTICES: [&str; 36] = [
    "status",
    "ping",
    "pong",
    "progress",
    "info",
    "keepalive",
    "keep",
    "heartbeat",
    "queue",
    "queued",
    "pending",
    "waiting",
    "position",
    "processing",
    "running",
    "loading",
    "start",
    "started",
    "starting",
    "begin",
    "metadata",
    "notice",
    "warning",
    "log",
    "debug",
    "update",
    "event",
    "step",
    "ok",
    "success",
    "done",
    "end",
    "close",
    "complete",
    "completed",
    "finished",
];

/// Members that name the kind of an object.
const KINDS: [&str; 4] = ["type", "status", "event", "kind"];

/// Words in a type or a status that report a failure.
const FAILURES: [&str; 5] = ["error", "exception", "fail", "exceeded", "invalid"];

/// The response that an error is looked for in.
pub(crate) struct ErrorPlace<'a> {
    /// The number of its choices.
    pub(crate) choices: usize,
    /// Whether it has a list of choices, even an empty one.
    pub(crate) has_choices: bool,
    /// The usage, if there is one.
    pub(crate) usage: Option<&'a Usage>,
    /// The id; servers give one to completions.
    pub(crate) id: &'a str,
    /// The name of the object, such as `chat.completion`.
    pub(crate) object: &'a str,
}

impl<'a> ErrorPlace<'a> {
    /// Finds an error in the `extra` of a response, unless it is where the response has a field for it.
    #[inline]
    pub(crate) fn search(
        error: &mut Option<Box<ApiError>>,
        extra: &mut Extra,
        place: impl FnOnce() -> Self,
    ) {
        // Nearly every chunk has no unknown members.
        if error.is_none() && !extra.is_empty() {
            *error = ApiError::reported_in(extra, &place());
        }
    }

    /// Returns whether the response has neither choices nor usage.
    fn is_empty(&self) -> bool {
        self.choices == 0 && self.usage.is_none_or(Usage::is_zero)
    }
}

impl ApiError {
    /// Finds the error that a response reports in members without a field: a vendor's, or, if the response is empty, flat ones.
    #[cold]
    fn reported_in(extra: &mut Extra, place: &ErrorPlace<'_>) -> Option<Box<Self>> {
        if let Some(error) = extra.iter().find_map(|(name, value)| in_vendor_member(name, value)) {
            return Some(Box::new(error));
        }
        if !place.is_empty() {
            return None;
        }
        let members: Map<String, Value> =
            extra.iter().map(|(name, value)| (name.to_owned(), value.clone())).collect();
        let is_notice = is_notice(place.object, &members);
        // A notice may have a code; a code anywhere else is that of a failure.
        let is_failure = names_failure(place.object)
            || says_failure(&members)
            || (!is_notice && has_failure_code(&members));
        // A message alone is a failure only where there are no choices, or nothing says that this is a completion.
        let is_completion = ["chat.completion", "text_completion"]
            .iter()
            .any(|name| place.object.starts_with(name));
        let may_be_failure = !place.has_choices || (!is_completion && place.id.is_empty());
        if !is_failure && (!may_be_failure || is_notice) {
            return None;
        }
        let is_stated = names_failure(place.object) || states_failure(&members);
        let kind = KINDS.iter().find_map(|name| members.get(*name)?.as_str().map(str::to_owned));
        let error = match from_value(&Value::Object(members)) {
            Some(error) => error,
            None if is_stated => {
                let message = "the response reports a failure".to_owned();
                Self { message, kind, ..Self::default() }
            }
            None => return None,
        };
        // It is in the field from now on.
        extra.remove("error");
        Some(Box::new(error))
    }

    /// The error of a choice that ended with one, if no other member reports it.
    #[inline]
    pub(crate) fn of_finish_reason(reason: Option<&FinishReason>) -> Option<Box<Self>> {
        match reason? {
            FinishReason::Other(reason) if reason.eq_ignore_ascii_case("error") => {
                let message = "the choice ended with finish_reason error".to_owned();
                Some(Box::new(Self { message, ..Self::default() }))
            }
            _ => None,
        }
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

/// Returns whether members report a failure by their names. A plain `code` does not: notices have
/// one as well.
fn says_failure(members: &Map<String, Value>) -> bool {
    let is_error = |error: &Value| !error.is_null() && *error != Value::Bool(false);
    let is_failure_status =
        |name: &str| members.get(name).and_then(Value::as_u64).is_some_and(|status| status >= 400);
    states_failure(members)
        || members.get("error").is_some_and(is_error)
        || CODES.iter().any(|name| is_failure_code(members.get(*name)))
        || ["status", "status_code", "statusCode"].iter().any(|name| is_failure_status(name))
}

/// Returns whether members report a failure by themselves, even without its reason.
fn states_failure(members: &Map<String, Value>) -> bool {
    let text = |name: &str| members.get(name).and_then(Value::as_str).unwrap_or_default();
    members.get("success") == Some(&Value::Bool(false))
        || KINDS.iter().any(|name| names_failure(text(name)))
}

fn has_failure_code(members: &Map<String, Value>) -> bool {
    is_failure_code(members.get("code"))
}

fn is_failure_code(code: Option<&Value>) -> bool {
    code.and_then(text_of).is_some_and(|code| !means_success(&code))
}

/// Returns whether the name of an object or an event reports a failure: `error`,
/// `modelStreamErrorException`.
pub(crate) fn names_failure(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    FAILURES.iter().any(|word| name.contains(word))
}

/// Returns whether a name is that of a notice, such as `queue_update`.
pub(crate) fn names_notice(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| NOTICES.contains(&word))
}

/// Returns whether an object calls itself a report, such as `{"type": "status", "message": "queue position 3"}`, or anything else that is
/// neither a completion nor an error.
fn is_notice(object: &str, members: &Map<String, Value>) -> bool {
    let mut names = KINDS.iter().filter_map(|name| members.get(*name)).filter_map(Value::as_str);
    let is_other = !object.is_empty() && !object.contains("completion") && !names_failure(object);
    let shows_progress = |name: &String| {
        name.split(['_', '-']).any(|word| ["progress", "queue", "position"].contains(&word))
    };
    is_other || names.any(names_notice) || members.keys().any(shows_progress)
}

/// Returns whether a JSON text reports an error by itself: in an event named `status`, a message or
/// a code does not.
pub(crate) fn is_explicit(json: &str) -> bool {
    match json::from_slice(json.as_bytes()) {
        Ok(Value::Object(members)) => {
            let vendor =
                members.iter().any(|(name, value)| in_vendor_member(name, value).is_some());
            let object = members.get("object").and_then(Value::as_str).unwrap_or_default();
            vendor || names_failure(object) || says_failure(&members)
        }
        _ => false,
    }
}
