//! What a refusal means: whether to try again, and what an error inside a 200 stands for.

use crate::{body_format::BodyFormat, events::Events};
use atoma_types::ApiError;
use http::StatusCode;

/// What the body of a refusal tells; gateways may send it as an event of the stream asked for.
pub(crate) fn told_by(body: &[u8]) -> Option<ApiError> {
    if BodyFormat::detect(body, false) == BodyFormat::Events {
        let mut decoder = Events::decoder(body.len());
        let mut rest = body;
        while let Ok(Some(event)) = decoder.decode(&mut rest) {
            if event.data().starts_with('{') {
                return ApiError::from_body(event.data().as_bytes());
            }
        }
    }
    ApiError::from_body(body)
}

/// The status an error inside a 200 stands for.
pub(crate) fn status_told(api: &ApiError) -> Option<StatusCode> {
    let spelled = |name| api.extra.get(name).and_then(serde_json::Value::as_u64);
    let code = api.code.as_deref().and_then(|code| code.parse().ok());
    let number = code.or_else(|| spelled("status_code")).or_else(|| spelled("status"))?;
    StatusCode::from_u16(u16::try_from(number).ok()?).ok().filter(|status| status.as_u16() >= 400)
}

/// A refusal before any work: 4xx, but for those that stand for a lost or late answer.
pub(crate) fn is_plain_refusal(status: StatusCode) -> bool {
    status.is_client_error() && status != StatusCode::REQUEST_TIMEOUT
}

/// Whether the same request may be accepted later.
pub(crate) fn is_retryable(status: u16, api: Option<&ApiError>) -> bool {
    if api.is_some_and(is_final) {
        return false;
    }
    // Atoma: a stack of compute units is being bought; the text is all that tells it apart.
    let try_again = || api.is_some_and(|api| api.message.contains("Please retry"));
    match status {
        408 | 409 | 423 | 425 | 429 | 500 | 502 | 503 | 504 => true,
        400 => try_again(),
        505 | 511 => false,
        status => status > 504,
    }
}

/// Whether waiting is of no use: quota, balance and authorisation do not mend themselves.
pub(crate) fn is_final(api: &ApiError) -> bool {
    const FINAL: [&str; 9] = [
        "insufficient_quota",
        "billing_hard_limit_reached",
        "billing_not_active",
        "insufficient_balance",
        "insufficient_credits",
        "balance_error",
        "fiat_payments_only",
        "auth_error",
        "invalid_api_key",
    ];
    let named = |name: &Option<String>| {
        name.as_ref().is_some_and(|name| FINAL.iter().any(|word| name.eq_ignore_ascii_case(word)))
    };
    named(&api.code) || named(&api.kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(json: &str) -> ApiError {
        ApiError::from_body(json.as_bytes()).unwrap()
    }

    #[test]
    fn waiting_helps_against_some_refusals_only() {
        let cases = [
            (400, r#"{"error":{"code":"REQUEST_ERROR","message":"Model not supported"}}"#, false),
            (
                400,
                r#"{"error":{"code":"REQUEST_ERROR","message":"Many concurrent requests, a stack is being bought. Please retry."}}"#,
                true,
            ),
            (
                400,
                r#"{"error":{"code":"FIAT_PAYMENTS_ONLY","message":"Only fiat payments are supported"}}"#,
                false,
            ),
            (401, r#"{"error":{"code":"AUTH_ERROR","message":"Authentication failed"}}"#, false),
            (402, r#"{"error":{"code":"BALANCE_ERROR","message":"Insufficient balance"}}"#, false),
            (404, r#"{"error":{"code":"NOT_FOUND","message":"Resource not found"}}"#, false),
            (423, r#"{"error":{"code":"LOCKED","message":"Locked"}}"#, true),
            (425, r#"{"error":{"code":"UNAVAILABLE_STACK","message":"Stack unavailable"}}"#, true),
            (429, r#"{"error":{"code":"TOO_MANY_REQUESTS","message":"Too many requests"}}"#, true),
            (
                429,
                r#"{"error":{"type":"insufficient_quota","message":"You exceeded your quota"}}"#,
                false,
            ),
            (500, r#"{"error":{"code":"INTERNAL_ERROR","message":"Internal server error"}}"#, true),
            (501, r#"{"error":{"code":"NOT_IMPLEMENTED","message":"no"}}"#, false),
            (505, r#"{"error":{"message":"no"}}"#, false),
            (520, r#"{"error":{"message":"unknown error"}}"#, true),
        ];
        for (status, body, expected) in cases {
            assert_eq!(is_retryable(status, Some(&error(body))), expected, "{status} {body}");
        }
    }

    #[test]
    fn a_refusal_may_be_told_by_an_event() {
        let message = |body: &[u8]| told_by(body).map(|error| error.message);
        let cases = [
            ("data: {\"error\":{\"message\":\"no\"}}\n\n", Some("no")),
            (": hi\n\nevent: error\ndata: {\"message\":\"no\"}\n\ndata: [DONE]\n\n", Some("no")),
            ("error: it broke", Some("error: it broke")),
            ("id", Some("id")),
            ("", None),
        ];
        for (body, expected) in cases {
            assert_eq!(message(body.as_bytes()).as_deref(), expected, "{body}");
        }
    }

    #[test]
    fn an_error_inside_a_200_may_say_its_status() {
        let cases = [
            (r#"{"error":{"code":502,"message":"m"}}"#, Some(502)),
            (r#"{"error":{"code":"429","message":"m"}}"#, Some(429)),
            (r#"{"error":{"code":"tool_use_failed","message":"m","status_code":400}}"#, Some(400)),
            (r#"{"error":{"code":"server_error","message":"m"}}"#, None),
            (r#"{"error":{"code":20013,"message":"m"}}"#, None),
            (r#"{"error":{"code":200,"message":"m"}}"#, None),
        ];
        for (body, expected) in cases {
            let status = status_told(&error(body)).map(|status| status.as_u16());
            assert_eq!(status, expected, "{body}");
        }
    }
}
