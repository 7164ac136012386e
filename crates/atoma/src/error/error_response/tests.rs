use super::*;
use crate::ErrorKind::{
    Authentication, InvalidRequest, ModelNotFound, NotFound, Overloaded, Permission, Quota,
    RateLimit, Server, TooLarge, UnexpectedResponse,
};

fn error(json: &str) -> ApiError {
    ApiError::from_body(json.as_bytes()).unwrap_or_else(|| panic!("no error in {json}"))
}

/// One case per line: `name`, `status` (null: inside a 200), `body` as text, `kind`. The bodies are
/// those of real servers, shortened.
const CASES: &str = include_str!("../../../tests/fixtures/error-responses.jsonl");

#[test]
fn error_responses_of_real_servers_have_a_class() {
    for line in CASES.lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        let api = error(case["body"].as_str().unwrap());
        let status = match case["status"].as_u64() {
            None => status_inside(&api).map(|status| status.as_u16()),
            Some(status) => Some(u16::try_from(status).unwrap()),
        };
        let kind = format!("{:?}", classify(status, Some(&api)));
        assert_eq!(kind, case["kind"], "{}", case["name"]);
        let is_incurable = !["RateLimit", "Overloaded", "Server"].contains(&kind.as_str());
        if is_incurable {
            assert!(!is_retryable(status, Some(&api)), "{} is retryable", case["name"]);
        }
    }
    assert!(CASES.lines().count() >= 300);
}

#[test]
fn a_status_without_a_readable_body_has_a_class() {
    let table = [
        (101, UnexpectedResponse),
        (302, UnexpectedResponse),
        (399, UnexpectedResponse),
        (400, InvalidRequest),
        (401, Authentication),
        (402, Quota),
        (403, Permission),
        (404, NotFound),
        (405, NotFound),
        (408, Server),
        (409, InvalidRequest),
        (413, TooLarge),
        (415, InvalidRequest),
        (422, InvalidRequest),
        (423, Overloaded),
        (425, Overloaded),
        (407, Authentication),
        (410, NotFound),
        (424, Server),
        (429, RateLimit),
        (451, Permission),
        (498, Overloaded),
        (499, InvalidRequest),
        (500, Server),
        (501, NotFound),
        (502, Server),
        (503, Overloaded),
        (504, Server),
        (520, Server),
        (529, Overloaded),
        (599, Server),
        (600, Server),
        (999, Server),
    ];
    for (status, kind) in table {
        assert_eq!(classify(Some(status), None), kind, "{status}");
    }
    assert_eq!(classify(None, None), Server);
}

#[test]
fn a_limit_on_requests_is_found_by_its_words() {
    for body in [
        r#"{"error_code":18,"error_msg":"Open api qps request limit reached"}"#,
        r#"{"error_code":17,"error_msg":"Open api daily request limit reached"}"#,
        r#"{"code":"1","msg":"请求过于频繁，请稍后再试"}"#,
        r#"{"error":{"message":"Limit of 20 requests per minute exceeded"}}"#,
    ] {
        assert_eq!(classify(None, Some(&error(body))), RateLimit, "{body}");
    }
}

#[test]
fn only_errors_that_may_pass_are_retryable() {
    let table = [
        (400, r#"{"error":{"code":"REQUEST_ERROR","message":"Model not supported"}}"#, false),
        (400, r#"{"error":{"message":"A stack is being bought. Please retry."}}"#, true),
        (400, r#"{"error":{"code":"FIAT_PAYMENTS_ONLY","message":"Only fiat"}}"#, false),
        (401, r#"{"error":{"code":"AUTH_ERROR","message":"Authentication failed"}}"#, false),
        (402, r#"{"error":{"code":"BALANCE_ERROR","message":"Insufficient balance"}}"#, false),
        (404, r#"{"error":{"code":"NOT_FOUND","message":"Resource not found"}}"#, false),
        (423, r#"{"error":{"code":"LOCKED","message":"Locked"}}"#, true),
        (425, r#"{"error":{"code":"UNAVAILABLE_STACK","message":"Stack unavailable"}}"#, true),
        (429, r#"{"error":{"code":"TOO_MANY_REQUESTS","message":"Too many requests"}}"#, true),
        (429, r#"{"error":{"type":"insufficient_quota","message":"You exceeded it"}}"#, false),
        (500, r#"{"error":{"code":"INTERNAL_ERROR","message":"Internal server error"}}"#, true),
        (500, r#"{"error":{"message":"This model's maximum context length is 8"}}"#, false),
        (501, r#"{"error":{"code":"NOT_IMPLEMENTED","message":"no"}}"#, false),
        (505, r#"{"error":{"message":"no"}}"#, false),
        (520, r#"{"error":{"message":"unknown error"}}"#, true),
        (529, r#"{"error":{"type":"overloaded_error","message":"Overloaded"}}"#, true),
        (600, r#"{"error":{"message":"no"}}"#, true),
        (999, r#"{"error":{"message":"no"}}"#, true),
    ];
    for (status, body, expected) in table {
        assert_eq!(is_retryable(Some(status), Some(&error(body))), expected, "{status} {body}");
    }
    // Inside a 200.
    let table = [
        (r#"{"error":{"message":"boom"}}"#, true),
        (r#"{"error":{"message":"no","type":"server_error"}}"#, true),
        (r#"{"error":{"message":"no","type":"rate_limit_error"}}"#, true),
        (r#"{"error":{"message":"no","type":"overloaded_error"}}"#, true),
        (r#"{"error":{"message":"no","type":"invalid_request_error"}}"#, false),
        (r#"{"error":{"message":"no","type":"BadRequestError"}}"#, false),
        (r#"{"error":{"message":"no","type":"not_found_error"}}"#, false),
        (r#"{"error":{"message":"no","type":"request_too_large"}}"#, false),
        (r#"{"error":{"message":"no","type":"forbidden"}}"#, false),
    ];
    for (body, expected) in table {
        assert_eq!(is_retryable(None, Some(&error(body))), expected, "{body}");
    }
}

#[test]
fn a_status_alone_decides_whether_an_error_is_retryable() {
    const RETRYABLE: [u16; 9] = [408, 409, 423, 425, 429, 500, 502, 503, 504];
    for status in 300..=999 {
        let is_gateway = status > 505 && status != 511;
        // 498 is Groq's for a full queue, which classifies as overloaded.
        let expected = RETRYABLE.contains(&status) || status == 498 || is_gateway;
        assert_eq!(is_retryable(Some(status), None), expected, "{status}");
    }
    assert!(is_retryable(None, None));
}

#[test]
fn a_client_error_except_408_is_rejected_unprocessed() {
    for (status, expected) in
        [(200, false), (399, false), (400, true), (407, true), (408, false), (409, true)]
    {
        let status = StatusCode::from_u16(status).unwrap();
        assert_eq!(is_rejected_unprocessed(status), expected, "{status}");
    }
    assert!(is_rejected_unprocessed(StatusCode::from_u16(499).unwrap()));
    assert!(!is_rejected_unprocessed(StatusCode::INTERNAL_SERVER_ERROR));
}

#[test]
fn the_parts_of_a_phrase_occur_in_order_and_do_not_overlap() {
    for (phrase, text, expected) in [
        (&["exceed", "limit"][..], "exceeds the limit", true),
        (&["exceed", "limit"], "the limit is exceeded", false),
        (&["aba", "aba"], "ababa", false),
        (&["aba", "aba"], "abaaba", true),
        (&["a", "b"], "ab", true),
        (&[], "", true),
    ] {
        assert_eq!(occurs(phrase, text), expected, "{phrase:?} {text}");
    }
}

#[test]
fn a_404_about_the_model_is_a_model_not_found() {
    for (status, body, kind) in [
        (404, r#"{"error":{"message":"no","param":"model"}}"#, ModelNotFound),
        (404, r#"{"error":{"message":"model: m","param":null}}"#, ModelNotFound),
        (404, r#"{"error":{"message":"no","param":"user"}}"#, NotFound),
        (422, r#"{"error":{"message":"no","param":"model"}}"#, InvalidRequest),
        (422, r#"{"error":{"message":"model: m"}}"#, InvalidRequest),
    ] {
        assert_eq!(classify(Some(status), Some(&error(body))), kind, "{status} {body}");
    }
}

#[test]
fn a_specific_name_takes_precedence_over_the_status() {
    for (status, code, kind) in [
        (400, "Insufficient-Quota", Quota),
        (500, "rate_limit_exceeded", RateLimit),
        (400, "insufficient_funds", Quota),
        // Only a prefix if its pattern ends in `*`.
        (400, "insufficient_funds_too", InvalidRequest),
        (400, "an_insufficient_quota", InvalidRequest),
    ] {
        let api = error(&format!(r#"{{"error":{{"message":"m","code":"{code}"}}}}"#));
        assert_eq!(classify(Some(status), Some(&api)), kind, "{code}");
    }
    let own = format!(r#"{{"error":{{"message":"m","code":"{}x"}}}}"#, "b".repeat(64));
    assert_eq!(names(&error(&own)), ["b".repeat(64)]);
}

#[test]
fn an_error_body_may_be_an_event() {
    let message = |body: &[u8]| parse_error_body(body).map(|error| error.message);
    let table = [
        ("data: {\"error\":{\"message\":\"no\"}}\n\n", Some("no")),
        (": hi\n\nevent: error\ndata: {\"message\":\"no\"}\n\ndata: [DONE]\n\n", Some("no")),
        ("error: it broke", Some("error: it broke")),
        ("id", Some("id")),
        ("", None),
    ];
    for (body, expected) in table {
        assert_eq!(message(body.as_bytes()).as_deref(), expected, "{body}");
    }
}

#[test]
fn an_error_inside_a_200_may_name_its_status() {
    let table = [
        (r#"{"error":{"code":502,"message":"m"}}"#, Some(502)),
        (r#"{"error":{"code":"429","message":"m"}}"#, Some(429)),
        (r#"{"error":{"code":"tool_use_failed","message":"m","status_code":400}}"#, Some(400)),
        (r#"{"error":{"code":"server_error","message":"m"}}"#, None),
        (r#"{"error":{"code":20013,"message":"m"}}"#, None),
        (r#"{"error":{"code":200,"message":"m"}}"#, None),
        (r#"{"error":{"code":399,"message":"m"}}"#, None),
        (r#"{"error":{"code":400,"message":"m"}}"#, Some(400)),
        (r#"{"error":{"code":499,"message":"m"}}"#, Some(499)),
        (r#"{"error":{"code":599,"message":"m"}}"#, Some(599)),
        (r#"{"error":{"code":999,"message":"m"}}"#, Some(999)),
        (r#"{"error":{"code":1000,"message":"m"}}"#, None),
        (r#"{"error":{"code":65936,"message":"m"}}"#, None),
        (r#"{"error":{"message":"m","status_code":503}}"#, Some(503)),
        (r#"{"error":{"message":"m","status":503}}"#, Some(503)),
        (r#"{"error":{"message":"m","status":504,"status_code":503}}"#, Some(503)),
    ];
    for (body, expected) in table {
        let status = status_inside(&error(body)).map(|status| status.as_u16());
        assert_eq!(status, expected, "{body}");
    }
}
