//! Tables over error responses: their class, whether they are worth a retry, and the status of an
//! error inside a 200. Pure functions of status and body.

mod tables;

use self::tables::{
    BARRED, BUSY, CAPACITY, CONTEXT, FILTER, GENERAL_NAMES, KEY, MODEL, Names, Phrases, QUOTA,
    RATE, SPECIFIC_NAMES,
};
use super::ErrorKind;
use crate::body_format::{BodyFormat, event_decoder};
use atoma_types::ApiError;
use http::StatusCode;
use serde_json::Value;

/// Reads the body of an error response. Gateways may send it as an event of the requested stream.
pub(crate) fn parse_error_body(body: &[u8]) -> Option<ApiError> {
    if BodyFormat::detect(body, false) == BodyFormat::Events {
        let mut decoder = event_decoder(body.len());
        let mut rest = body;
        while let Ok(Some(event)) = decoder.decode(&mut rest) {
            if event.data().starts_with('{') {
                return ApiError::from_body(event.data().as_bytes());
            }
        }
    }
    ApiError::from_body(body)
}

/// Returns the status that an error inside a 200 names, if it is an error status.
pub(crate) fn status_inside(api: &ApiError) -> Option<StatusCode> {
    let spelled = |name| api.extra.get(name).and_then(Value::as_u64);
    let code = api.code.as_deref().and_then(|code| code.parse().ok());
    let number = code.or_else(|| spelled("status_code")).or_else(|| spelled("status"))?;
    StatusCode::from_u16(u16::try_from(number).ok()?).ok().filter(|status| status.as_u16() >= 400)
}

/// Returns true if the server rejected the request before any work: a 4xx, except 408.
pub(crate) fn is_rejected_unprocessed(status: StatusCode) -> bool {
    status.is_client_error() && status != StatusCode::REQUEST_TIMEOUT
}

/// Returns true if the same request may succeed later. An error inside a 200 without a status
/// counts as a 500.
pub(crate) fn is_retryable(status: Option<u16>, api: Option<&ApiError>) -> bool {
    match (classify(status, api), status) {
        (kind, _) if is_final(kind) => false,
        (ErrorKind::Overloaded, _) => true,
        (kind, None) => matches!(kind, ErrorKind::RateLimit | ErrorKind::Server),
        // With the 52x of gateways, and 600 to 999, which count as 5xx.
        (_, Some(status)) => matches!(
            status,
            408 | 409 | 423 | 425 | 429 | 500 | 502..=504 | 506..=510 | 512..
        ),
    }
}

/// Returns true if sending the request again cannot help, whatever the status: some servers report
/// such errors with 429 or 500.
pub(crate) fn is_final(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::Authentication
            | ErrorKind::Permission
            | ErrorKind::Quota
            | ErrorKind::ContextLength
            | ErrorKind::ContentFilter
            | ErrorKind::ModelNotFound
    )
}

/// Returns the class of an error response, or of an error inside a 200 whose status is `None`
/// unless it names one.
///
/// From specific to general: a `code` or `type` with one meaning, the phrases of servers whose codes
/// have none, the status, and then the `code` and `type` that only restate a status.
pub(crate) fn classify(status: Option<u16>, api: Option<&ApiError>) -> ErrorKind {
    let names: Vec<String> = api.map(names).unwrap_or_default();
    let named = |table| names.iter().find_map(|name| lookup(table, name));
    if let Some(kind) = named(SPECIFIC_NAMES) {
        return kind;
    }
    let text = api.map(text).unwrap_or_default();
    if let Some(kind) = by_phrase(status, &text) {
        return kind;
    }
    // Anthropic's message is `model: NAME`.
    let is_about_model = api.and_then(|api| api.param.as_deref()) == Some("model");
    if status == Some(404) && (is_about_model || text.starts_with("model:")) {
        return ErrorKind::ModelNotFound;
    }
    match status {
        Some(status) => by_status(status),
        None => named(GENERAL_NAMES).unwrap_or(ErrorKind::Server),
    }
}

fn by_status(status: u16) -> ErrorKind {
    match status {
        401 | 407 => ErrorKind::Authentication,
        402 => ErrorKind::Quota,
        403 | 451 => ErrorKind::Permission,
        404 | 405 | 410 | 501 => ErrorKind::NotFound,
        // TGI reports a generation that failed with 424.
        408 | 424 => ErrorKind::Server,
        413 => ErrorKind::TooLarge,
        423 | 425 | 498 | 503 | 529 => ErrorKind::Overloaded,
        429 => ErrorKind::RateLimit,
        400..=499 => ErrorKind::InvalidRequest,
        500.. => ErrorKind::Server,
        _ => ErrorKind::UnexpectedResponse,
    }
}

/// The names of the error for programs, most specific first, in lower case without separators:
/// servers disagree on `rate_limit_error`, `RateLimitError` and `Rate-Limit`.
fn names(api: &ApiError) -> Vec<String> {
    let extra = |name| api.extra.get(name);
    let inner = extra("innererror").and_then(|inner| inner.get("code"));
    let spelled = [inner, extra("status"), extra("error_type"), extra("error_code")];
    let spelled = spelled.into_iter().flatten().filter_map(Value::as_str);
    let own = api.code.as_deref().into_iter().chain(api.kind.as_deref());
    own.chain(spelled).map(plain).filter(|name| !name.is_empty()).collect()
}

fn plain(name: &str) -> String {
    let is_kept = |char: &char| char.is_ascii_alphanumeric();
    name.chars().filter(is_kept).take(64).map(|char| char.to_ascii_lowercase()).collect()
}

/// The message in lower case; OpenRouter keeps that of the provider in its metadata.
fn text(api: &ApiError) -> String {
    let raw = api.extra.get("metadata").and_then(|metadata| metadata.get("raw"));
    let raw = raw.and_then(Value::as_str).unwrap_or_default();
    let mut text = format!("{} {raw}", api.message);
    // All phrases are ASCII.
    text.make_ascii_lowercase();
    text
}

/// Names that end in `*` are prefixes.
fn lookup(table: Names, name: &str) -> Option<ErrorKind> {
    let fits = |pattern: &str| match pattern.strip_suffix('*') {
        Some(prefix) => name.starts_with(prefix),
        None => name == pattern,
    };
    table.iter().find(|(pattern, _)| fits(pattern)).map(|(_, kind)| *kind)
}

/// Looks for phrases of servers whose codes are not specific. Each phrase is a list of texts that
/// occur in this order.
fn by_phrase(status: Option<u16>, text: &str) -> Option<ErrorKind> {
    let table: &[Phrases] = match status {
        // The status is more specific than any text.
        Some(401 | 402 | 405 | 408 | 423 | 425 | 501..) => &[],
        Some(429) => &[QUOTA, CAPACITY],
        Some(500) => &[CONTEXT, QUOTA, FILTER, KEY, RATE],
        Some(403) => &[QUOTA, FILTER, KEY, MODEL, RATE],
        None => &[CONTEXT, QUOTA, FILTER, KEY, MODEL, RATE, CAPACITY],
        Some(_) => &[CONTEXT, QUOTA, FILTER, KEY, MODEL, BARRED, BUSY],
    };
    let found = |phrases: &&Phrases| phrases.0.iter().any(|phrase| occurs(phrase, text));
    table.iter().find(found).map(|phrases| phrases.1)
}

fn occurs(phrase: &[&str], text: &str) -> bool {
    let mut rest = text;
    phrase.iter().all(|part| match rest.find(part) {
        Some(at) => {
            rest = &rest[at + part.len()..];
            true
        }
        None => false,
    })
}

#[cfg(test)]
mod tests;
