use super::*;
use crate::ErrorKind as Class;

type Predicate = (&'static str, fn(&Error) -> bool);

const PREDICATES: [Predicate; 13] = [
    ("config", Error::is_config),
    ("invalid request", Error::is_invalid_request),
    ("untrusted", Error::is_untrusted),
    ("rejected", Error::is_rejected),
    ("API error", Error::is_api_error),
    ("unexpected", Error::is_unexpected_response),
    ("too large", Error::is_too_large),
    ("truncated", Error::is_truncated),
    ("timeout", Error::is_timeout),
    ("connect", Error::is_connect),
    ("certificate", Error::is_certificate),
    ("retryable", Error::is_retryable),
    ("maybe processed", Error::may_have_been_processed),
];

/// The names of the predicates that are true.
fn predicates(error: &Error) -> Vec<&'static str> {
    PREDICATES.iter().filter(|(_, is_true)| is_true(error)).map(|(name, _)| *name).collect()
}

fn transport(kind: Failure) -> Error {
    TransportError::new(kind, Delivery::Unknown).into()
}

fn status(status: u16) -> Error {
    let status = StatusCode::from_u16(status).unwrap();
    let head = Metadata::new(status, HeaderMap::new(), Attempts::default());
    Error::error_status(None).with_head(&head)
}

fn api(json: &str) -> ApiError {
    ApiError::from_body(json.as_bytes()).unwrap()
}

#[test]
fn each_error_has_its_class_and_its_predicates_alone() {
    let limited = api(r#"{"error":{"message":"m","code":"429"}}"#);
    let second = Duration::from_secs(1);
    let partial = || Some(Partial::new(ChatCompletionResponse::default()));
    let not_sent = || TransportError::new(Failure::Connect, Delivery::NotSent);
    let cases: &[(Error, Class, &[&str])] = &[
        (Error::config("c"), Class::Config, &["config"]),
        (Error::misuse("m"), Class::InvalidRequest, &["invalid request"]),
        (status(400), Class::InvalidRequest, &["API error"]),
        (status(408), Class::Server, &["API error", "retryable", "maybe processed"]),
        (status(500), Class::Server, &["API error", "retryable", "maybe processed"]),
        (status(302), Class::UnexpectedResponse, &["API error", "maybe processed"]),
        (
            Error::in_stream(limited),
            Class::RateLimit,
            &["API error", "retryable", "maybe processed"],
        ),
        (
            Error::unexpected("u", b""),
            Class::UnexpectedResponse,
            &["unexpected", "maybe processed"],
        ),
        (Error::truncated(b""), Class::Truncated, &["truncated", "retryable", "maybe processed"]),
        (
            Error::stalled(true, second),
            Class::Timeout(Phase::Head),
            &["timeout", "retryable", "maybe processed"],
        ),
        (
            Error::stalled(false, second),
            Class::Timeout(Phase::Idle),
            &["truncated", "timeout", "retryable", "maybe processed"],
        ),
        (Error::response_too_large(1), Class::TooLarge, &["too large", "maybe processed"]),
        (Error::event_too_large(1), Class::TooLarge, &["too large", "maybe processed"]),
        (Error::rejected("r".into()), Class::Rejected, &["rejected", "maybe processed"]),
        (
            Error::tool_rounds(1, ChatCompletionResponse::default()),
            Class::Other,
            &["maybe processed"],
        ),
        (not_sent().into(), Class::Connection, &["connect", "retryable"]),
        (
            transport(Failure::Certificate),
            Class::Certificate,
            &["connect", "certificate", "maybe processed"],
        ),
        (transport(Failure::ConnectionLost), Class::Connection, &["retryable", "maybe processed"]),
        (
            transport(Failure::BodyInterrupted),
            Class::Truncated,
            &["truncated", "retryable", "maybe processed"],
        ),
        (transport(Failure::TooLarge), Class::TooLarge, &["too large", "maybe processed"]),
        (transport(Failure::Protocol), Class::UnexpectedResponse, &["maybe processed"]),
        (
            transport(Failure::Timeout(Phase::Total)),
            Class::Timeout(Phase::Total),
            &["timeout", "retryable", "maybe processed"],
        ),
        (
            transport(Failure::Timeout(Phase::Total)).with_partial(partial()),
            Class::Timeout(Phase::Total),
            &["truncated", "timeout", "retryable", "maybe processed"],
        ),
        (
            transport(Failure::Protocol).with_partial(partial()),
            Class::UnexpectedResponse,
            &["maybe processed"],
        ),
    ];
    for (error, class, expected) in cases {
        assert_eq!(error.kind(), *class, "{error:#?}");
        assert_eq!(predicates(error), *expected, "{error:#?}");
    }
}

#[cfg(feature = "confidential")]
#[test]
fn errors_of_confidential_calls_have_their_predicates() {
    use Delivery::{NotSent, Unknown};
    let limited = || Some(api(r#"{"error":{"message":"m","code":"rate_limit_exceeded"}}"#));
    let refused = |delivery| Error::node_refused("n".into(), delivery);
    let cases: &[(Error, Class, &[&str])] = &[
        (Error::no_lock(None, NotSent), Class::Server, &["API error", "retryable"]),
        (
            Error::no_lock(limited(), Unknown),
            Class::RateLimit,
            &["API error", "retryable", "maybe processed"],
        ),
        (refused(NotSent), Class::Untrusted, &["untrusted"]),
        (refused(Unknown), Class::Untrusted, &["untrusted", "maybe processed"]),
    ];
    for (error, class, expected) in cases {
        assert_eq!(error.kind(), *class, "{error:#?}");
        assert_eq!(predicates(error), *expected, "{error:#?}");
    }
    assert_eq!(Error::no_lock(limited(), Unknown).api_error().unwrap().message, "m");
    assert!(refused(NotSent).api_error().is_none());
}

#[test]
fn an_error_has_the_reason_of_the_inspector_and_no_other_error_has_one() {
    let rejected = Error::rejected("because".into());
    #[cfg(any(feature = "verify", feature = "confidential"))]
    {
        assert_eq!(rejected.rejection().unwrap().to_string(), "because");
        assert!(Error::config("c").rejection().is_none());
    }
    let source = std::error::Error::source(&rejected).unwrap();
    assert_eq!(source.to_string(), "because");
}

#[test]
fn a_partial_response_is_returned_as_its_own_type_only() {
    let error = Error::truncated(b"").with_partial(Some(Partial::new(7_u32)));
    assert_eq!(error.partial_as::<u32>(), Some(&7));
    assert_eq!(error.partial_as::<u64>(), None);
    let shared = error.clone();
    assert_eq!(error.into_partial_as::<u32>(), Some(7), "from a clone");
    assert_eq!(shared.clone().into_partial_as::<u64>(), None);
    assert_eq!(shared.into_partial_as::<u32>(), Some(7), "from the last one");
}

#[test]
fn the_excerpt_is_that_of_an_unexpected_body_or_of_stray_data() {
    assert_eq!(Error::unexpected("u", b"<html>").body_excerpt(), Some("<html>"));
    assert_eq!(Error::truncated(b"upstream").body_excerpt(), Some("upstream"));
    assert_eq!(Error::truncated(b"").body_excerpt(), None);
    assert_eq!(Error::config("c").body_excerpt(), None);
    for error in [Error::unexpected("u", b"<html>"), Error::truncated(b"upstream")] {
        assert_eq!(error.without_text().body_excerpt(), None);
    }
}

#[test]
fn the_attempts_are_those_of_the_transport_or_else_of_the_response() {
    let attempts = |count| {
        let mut attempts = Attempts::default();
        attempts.count = count;
        attempts
    };
    let mut unsent = TransportError::new(Failure::Connect, Delivery::NotSent);
    unsent.extensions_mut().insert(attempts(3));
    assert_eq!(Error::from(unsent).attempts().count, 3);

    let head = Metadata::new(StatusCode::OK, HeaderMap::new(), attempts(2));
    for error in [transport(Failure::BodyInterrupted), Error::truncated(b"")] {
        assert_eq!(error.attempts().count, 0, "{error:#?}");
        assert_eq!(error.with_head(&head).attempts().count, 2);
    }
}

#[test]
fn a_request_for_the_other_method_is_an_error_that_names_the_method() {
    for (asked, stream, method) in [
        (None, true, None),
        (None, false, None),
        (Some(true), true, None),
        (Some(false), false, None),
        (Some(true), false, Some("the request has stream: true: call chat().stream(request)")),
        (Some(false), true, Some("the request has stream: false: call chat().create(request)")),
    ] {
        let mut member = asked;
        let checked = Error::check_stream("chat", &mut member, stream);
        let text = checked.err().map(|error| error.to_string());
        assert_eq!(text.as_deref(), method, "{asked:?} for {stream}");
        assert_eq!(member, Some(stream));
    }
}

#[cfg(feature = "verify")]
#[test]
fn the_reports_of_inspectors_are_about_a_partial_response_only() {
    let mut head = Metadata::new(StatusCode::OK, HeaderMap::new(), Attempts::default());
    head.extensions_mut().insert(7_u32);
    let report = |error: &Error| error.extensions_of_partial()?.get::<u32>().copied();
    let partial = || Some(Partial::new(7_u64));
    assert_eq!(report(&Error::truncated(b"").with_head(&head).with_partial(partial())), Some(7));
    assert_eq!(report(&Error::truncated(b"").with_head(&head)), None, "without a response");
    assert_eq!(report(&Error::truncated(b"").with_partial(partial())), None, "without a head");
}

#[test]
fn each_error_without_a_report_of_the_server_has_its_text() {
    let response = ChatCompletionResponse::default;
    #[cfg_attr(not(any(feature = "schemars", feature = "confidential")), expect(unused_mut))]
    let mut cases = vec![
        (Error::response_too_large(7), "response too large: more than 7 bytes (max_response_size)"),
        (Error::event_too_large(7), "event too large: more than 7 bytes (max_event_size)"),
        (
            Error::stalled(true, Duration::from_secs(7)),
            "no event received within 7s of the response headers",
        ),
        (Error::stalled(false, Duration::from_secs(7)), "no event received for 7s"),
        (
            Error::tool_rounds(7, response()),
            "the model still calls tools after 7 rounds (max_rounds)",
        ),
        (Error::rejected("r".into()), "response rejected by an inspector"),
    ];
    #[cfg(feature = "schemars")]
    for (why, class, text) in [
        (NotParsed::Refused, Class::Other, "the model refused to write the output"),
        (
            NotParsed::Truncated,
            Class::Other,
            "output truncated at the limit of tokens (max_completion_tokens)",
        ),
        (NotParsed::ContentFilter, Class::ContentFilter, "output removed by a content filter"),
        (NotParsed::Invalid, Class::UnexpectedResponse, "output is not JSON that fits the type"),
    ] {
        let error = Error::not_parsed(why, response());
        assert_eq!((error.kind(), predicates(&error)), (class, vec!["maybe processed"]));
        assert!(error.partial().is_some());
        cases.push((error, text));
    }
    #[cfg(feature = "confidential")]
    {
        let no_lock = |status| {
            let head = Metadata::new(status, HeaderMap::new(), Attempts::default());
            let api = Some(api(r#"{"error":{"message":"m"}}"#));
            Error::no_lock(api, Delivery::NotSent).with_head(&head)
        };
        cases.push((
            no_lock(StatusCode::SERVICE_UNAVAILABLE),
            "no confidential node serves the model: 503 Service Unavailable: m",
        ));
        cases.push((
            no_lock(StatusCode::BAD_GATEWAY),
            "no node was locked for the confidential request: 502 Bad Gateway: m",
        ));
        let refused = Error::node_refused("n".into(), Delivery::NotSent);
        cases.push((refused, "confidential request not sent"));
    }
    for (error, text) in cases {
        assert_eq!(error.to_string(), text);
    }
}

#[test]
fn the_text_ends_with_the_attempts_and_an_exhausted_budget() {
    let head = |count, is_exhausted| {
        let mut attempts = Attempts::default();
        attempts.count = count;
        attempts.elapsed = Duration::from_millis(1500);
        attempts.budget_exhausted = is_exhausted;
        Metadata::new(StatusCode::OK, HeaderMap::new(), attempts)
    };
    for (count, is_exhausted, end) in [
        (0, false, ""),
        (1, false, ""),
        (2, false, " (after 2 attempts in 1.5s)"),
        (1, true, " (the retry budget of this server is exhausted)"),
        (2, true, " (after 2 attempts in 1.5s) (the retry budget of this server is exhausted)"),
    ] {
        let error = Error::unexpected("u", b"").with_head(&head(count, is_exhausted));
        assert_eq!(error.to_string(), format!("u{end}"));
    }
}

#[test]
fn the_source_is_the_cause_and_is_dropped_with_the_text_of_the_response() {
    let source = |error: &Error| std::error::Error::source(error).map(ToString::to_string);
    let lost = TransportError::new(Failure::Connect, Delivery::NotSent);
    for (error, expected) in [
        (lost.into(), None),
        (
            TransportError::new(Failure::Connect, Delivery::NotSent).with_source("s").into(),
            Some("s"),
        ),
        (Error::unreadable("s", b"body"), Some("s")),
        (Error::unexpected("u", b"body"), None),
        (Error::rejected("s".into()), Some("s")),
        #[cfg(feature = "confidential")]
        (Error::node_refused("s".into(), Delivery::NotSent), Some("s")),
        (Error::truncated(b"s"), None),
    ] {
        assert_eq!(source(&error).as_deref(), expected, "{error}");
    }
    let without = Error::unreadable("s", b"body").without_text();
    assert_eq!((source(&without), without.body_excerpt()), (None, None));
}

#[test]
fn the_time_of_a_body_is_added_to_that_of_the_head_if_there_is_one() {
    let second = Duration::from_secs(1);
    let mut attempts = Attempts::default();
    attempts.elapsed = second;
    let head = Metadata::new(StatusCode::OK, HeaderMap::new(), attempts);
    let with_time = |error: Error, time| error.with_body_time(time).attempts().elapsed;
    assert_eq!(with_time(Error::truncated(b"").with_head(&head), 2 * second), 3 * second);
    assert_eq!(with_time(Error::truncated(b"").with_head(&head), Duration::MAX), Duration::MAX);
    assert_eq!(with_time(Error::truncated(b""), second), Duration::ZERO);
}

#[test]
fn the_details_of_an_error_are_those_of_its_response() {
    let headers =
        [("x-request-id", "req-7"), ("retry-after", "20"), ("x-ratelimit-remaining-requests", "3")];
    let headers = headers.map(|(name, value)| {
        (http::HeaderName::from_static(name), http::HeaderValue::from_static(value))
    });
    let status = StatusCode::TOO_MANY_REQUESTS;
    let head = Metadata::new(status, HeaderMap::from_iter(headers), Attempts::default());
    let limited = api(r#"{"error":{"message":"m","code":"429"}}"#);
    let mut response = ChatCompletionResponse::default();
    response.id = "c".into();
    let partial = Some(Partial::new(response));
    let error = Error::error_status(Some(limited)).with_head(&head).with_partial(partial);
    assert_eq!(error.api_error().unwrap().message, "m");
    assert_eq!(error.headers().unwrap().len(), 3);
    assert_eq!(error.request_id(), Some("req-7"));
    assert_eq!(error.retry_after(), Some(Duration::from_secs(20)));
    assert_eq!(error.rate_limits().unwrap().requests.remaining, Some(3));
    assert_eq!(error.into_partial().unwrap().id, "c");
    let error = Error::truncated(b"");
    assert!(error.headers().is_none() && error.request_id().is_none());
    assert!(error.retry_after().is_none() && error.rate_limits().is_none());
    assert!(error.api_error().is_none() && error.into_partial().is_none());
}

#[test]
fn each_kind_has_words_for_a_log_line() {
    for (kind, words) in [
        (Class::Config, "invalid configuration"),
        (Class::InvalidRequest, "invalid request"),
        (Class::Authentication, "authentication"),
        (Class::Permission, "permission"),
        (Class::Quota, "quota"),
        (Class::RateLimit, "rate limit"),
        (Class::ContextLength, "context length"),
        (Class::ContentFilter, "content filter"),
        (Class::ModelNotFound, "model not found"),
        (Class::NotFound, "endpoint not found"),
        (Class::Overloaded, "overloaded"),
        (Class::Server, "server"),
        (Class::Timeout(Phase::Idle), "timeout: no response data"),
        (Class::Connection, "connection"),
        (Class::Certificate, "certificate"),
        (Class::Truncated, "truncated"),
        (Class::TooLarge, "too large"),
        (Class::UnexpectedResponse, "unexpected response"),
        (Class::Rejected, "rejected"),
        (Class::Untrusted, "untrusted"),
        (Class::Other, "other"),
    ] {
        assert_eq!(kind.to_string(), words);
    }
}
