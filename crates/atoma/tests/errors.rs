//! The texts, classes and metadata of errors.

mod support;

use atoma::{
    Client, Error, ErrorKind, Phase, RetryConfig, Timeouts,
    transport::{
        Delivery, ErrorKind as Failure, TransportError,
        testing::{Exchange, ManualTimer, ScriptedTransport},
    },
};
use std::time::Duration;
use support::{chunk, completion, event, request};

const API_ERROR: &str = r#"{"error":{"code":"AUTH_ERROR","message":"Authentication failed"}}"#;
const NUMBERED: &str = r#"{"error":{"code":429,"message":"Provider returned error"}}"#;
const OVERLOADED: &str = r#"{"error":{"code":503,"message":"overloaded"}}"#;

fn client(exchanges: impl IntoIterator<Item = Exchange>) -> (Client, ManualTimer) {
    let timer = ManualTimer::new();
    let server = ScriptedTransport::new(exchanges).timer(timer.clone());
    let builder = Client::builder().api_key("sk-test").server_url("http://localhost:1");
    let timeouts = Timeouts::default().total(Duration::from_secs(60));
    let builder = builder.timeouts(timeouts).retries(RetryConfig::none());
    (builder.transport(server).timer(timer.clone()).build().unwrap(), timer)
}

fn unary(exchange: Exchange) -> Error {
    let (client, timer) = client([exchange]);
    timer.run(async { client.chat().create(request()).await.unwrap_err() })
}

fn streamed(exchange: Exchange) -> Error {
    let (client, timer) = client([exchange]);
    timer.run(async {
        let call = client.chat().stream(request()).timeout(Duration::from_secs(200));
        match call.await {
            Ok(stream) => stream.into_response().await.unwrap_err(),
            Err(error) => error,
        }
    })
}

fn status(status: u16) -> Exchange {
    Exchange::respond(status)
}

fn json(body: &str) -> Exchange {
    status(200).header("content-type", "application/json").body(body.to_owned())
}

fn events() -> Exchange {
    status(200).header("content-type", "text/event-stream")
}

#[test]
fn texts_begin_with_the_reason_in_words_that_users_search_for() {
    let failure = |kind| Exchange::fail(TransportError::new(kind, Delivery::NotSent));
    let begun = || events().body(event(chunk("he")));
    let table = [
        (unary(status(401).body(API_ERROR)), "401 Unauthorized: AUTH_ERROR, Authentication failed"),
        (unary(status(429).body(NUMBERED)), "429 Too Many Requests: Provider returned error"),
        (unary(status(500)), "500 Internal Server Error"),
        (unary(status(520).body("<html>")), "status 520"),
        (unary(status(799)), "status 799"),
        (
            unary(status(302)),
            "302 Found (redirects are not followed: the API key must not go elsewhere)",
        ),
        (unary(json(OVERLOADED)), "the server reported an error in the response: 503, overloaded"),
        (
            streamed(begun().body(event(OVERLOADED))),
            "the server reported an error in the stream: 503, overloaded",
        ),
        (streamed(begun()), "stream ended before the response was complete"),
        (streamed(begun().stall()), "no event received for 120s"),
        (streamed(events().stall()), "timeout: call not complete within 200s"),
        (unary(Exchange::never()), "timeout: call not complete within 60s"),
        (unary(failure(Failure::Certificate)), "invalid server certificate"),
        (unary(failure(Failure::ConnectionLost)), "connection closed before response headers"),
        (unary(failure(Failure::BodyInterrupted)), "response body ended unexpectedly"),
        (unary(failure(Failure::Connect)), "could not connect"),
        (unary(json("")), "the response body is empty"),
    ];
    for (error, text) in table {
        assert_eq!(error.to_string(), text);
        assert_eq!(format!("{error:?}"), text, "no causes");
    }
}

#[test]
fn debug_is_the_line_and_each_cause_once_and_alternate_debug_the_fields() {
    let cause = std::io::Error::other("connection refused");
    let failure = TransportError::new(Failure::Connect, Delivery::NotSent)
        .with_detail("127.0.0.1:1")
        .with_source(cause);
    let error = unary(Exchange::fail(failure));
    let text = "could not connect: 127.0.0.1:1\n  caused by: connection refused";
    assert_eq!(format!("{error:?}"), text);
    let fields = format!("{error:#?}");
    assert!(fields.starts_with("Error {\n    kind: Connection,\n"), "{fields}");
    let unreadable = unary(json("{\"choices\": 1,}"));
    let shown = format!("{unreadable:?}");
    assert!(shown.starts_with("the response cannot be parsed\n  caused by: "), "{shown}");
}

#[test]
fn earlier_attempts_are_named_where_their_causes_differ() {
    let busy = || status(503).header("retry-after", "0");
    let late = || Exchange::fail(TransportError::new(Failure::Connect, Delivery::NotSent));
    let table = [
        (vec![late(), late(), late()], "could not connect (after 3 attempts in 100.0ms)"),
        (vec![busy(), busy(), busy()], "503 Service Unavailable (after 3 attempts in 100.0ms)"),
        (
            vec![status(429).header("retry-after", "0"), late(), busy()],
            "503 Service Unavailable (after 3 attempts in ; others: 429 Too Many Requests, could not connect)",
        ),
    ];
    for (exchanges, text) in table {
        let (client, timer) = client(exchanges);
        let call = client.chat().create(request()).retries(RetryConfig::default());
        let shown = timer.run(call).unwrap_err().to_string();
        // The waits are random.
        let (before, after) = shown.split_once("attempts in ").unwrap();
        let after =
            after.trim_start_matches(|char: char| char.is_ascii_digit() || ".ms".contains(char));
        let (expected, rest) = text.split_once("attempts in ").unwrap();
        let rest =
            rest.trim_start_matches(|char: char| char.is_ascii_digit() || ".ms".contains(char));
        assert_eq!((before, after), (expected, rest), "{shown}");
    }
}

#[test]
fn every_error_has_a_class() {
    let failure = |kind| Exchange::fail(TransportError::new(kind, Delivery::NotSent));
    let begun = || events().body(event(chunk("he")));
    let (client, timer) = client([]);
    let invalid = timer.run(client.chat().create(request().temperature(9.0))).unwrap_err();
    let table = [
        (Client::builder().build().unwrap_err(), ErrorKind::Config),
        (invalid, ErrorKind::InvalidRequest),
        (unary(status(401).body(API_ERROR)), ErrorKind::Authentication),
        (unary(status(429).body(NUMBERED)), ErrorKind::RateLimit),
        (unary(status(799)), ErrorKind::Server),
        (unary(status(302)), ErrorKind::UnexpectedResponse),
        (unary(status(204)), ErrorKind::UnexpectedResponse),
        (unary(json("")), ErrorKind::UnexpectedResponse),
        (unary(json(OVERLOADED)), ErrorKind::Overloaded),
        (streamed(begun().body(event(NUMBERED))), ErrorKind::RateLimit),
        (streamed(begun()), ErrorKind::Truncated),
        (streamed(begun().stall()), ErrorKind::Timeout(Phase::Idle)),
        (unary(Exchange::never()), ErrorKind::Timeout(Phase::Total)),
        (unary(failure(Failure::Timeout(Phase::Connect))), ErrorKind::Timeout(Phase::Connect)),
        (unary(failure(Failure::Timeout(Phase::Head))), ErrorKind::Timeout(Phase::Head)),
        (unary(failure(Failure::Certificate)), ErrorKind::Certificate),
        (unary(failure(Failure::Connect)), ErrorKind::Connection),
        (unary(failure(Failure::Proxy)), ErrorKind::Connection),
        (unary(failure(Failure::Tls)), ErrorKind::Connection),
        (unary(failure(Failure::ConnectionLost)), ErrorKind::Connection),
        (unary(failure(Failure::BodyInterrupted)), ErrorKind::Truncated),
        (unary(failure(Failure::Protocol)), ErrorKind::UnexpectedResponse),
        (unary(failure(Failure::Encoding)), ErrorKind::UnexpectedResponse),
        (unary(failure(Failure::TooLarge)), ErrorKind::TooLarge),
        (unary(failure(Failure::Request)), ErrorKind::Config),
        (unary(failure(Failure::Other)), ErrorKind::Other),
        (unary(failure(Failure::ResourceExhausted)), ErrorKind::Other),
    ];
    for (error, kind) in table {
        assert_eq!(error.kind(), kind, "{error:?}");
    }
}

#[test]
fn headers_and_rate_limits_are_on_errors_replies_and_streams() {
    let limited = |exchange: Exchange| {
        exchange
            .header("x-ratelimit-remaining-requests", "3")
            .header("x-ratelimit-reset-requests", "6m0s")
            .header("request-id", "req-7")
            .header("x-a", "b")
    };
    let error = unary(limited(status(429)).header("retry-after", "20").body(NUMBERED));
    let limits = error.rate_limits().unwrap();
    assert_eq!(limits.requests.remaining, Some(3));
    assert_eq!(limits.requests.reset, Some(Duration::from_secs(360)));
    assert_eq!(error.headers().unwrap()["x-a"], "b");
    assert_eq!(error.request_id(), Some("req-7"));
    assert_eq!(error.attempts().failed[0].request_id.as_deref(), Some("req-7"));
    assert_eq!(error.retry_after(), Some(Duration::from_secs(20)));

    let cut = streamed(limited(events()).body(event(chunk("he"))));
    assert_eq!(cut.rate_limits(), Some(limits));

    let stream = limited(events()).body(event(chunk("he")));
    let (client, timer) = client([limited(json(&completion("hi").to_string())), stream]);
    let reply = timer.run(client.chat().create(request())).unwrap();
    assert_eq!((reply.rate_limits(), reply.metadata().rate_limits()), (Some(limits), Some(limits)));
    let stream = timer.run(client.chat().stream(request())).unwrap();
    assert_eq!((stream.rate_limits(), stream.request_id()), (Some(limits), Some("req-7")));

    let unsent = Client::builder().build().unwrap_err();
    assert!(unsent.headers().is_none() && unsent.rate_limits().is_none());
    assert!(unary(status(429)).rate_limits().is_none());
}

/// The status is a 2xx for an invalid response, and the status in the error for an error inside a
/// 200.
#[test]
fn the_status_is_that_of_the_response() {
    let table = [
        (unary(status(401)), Some(401)),
        (unary(status(799)), Some(799)),
        (unary(json("")), Some(200)),
        (streamed(events().body(event(chunk("he")))), Some(200)),
        (unary(json(OVERLOADED)), Some(503)),
        (unary(json(API_ERROR)), None),
        (unary(Exchange::never()), None),
    ];
    for (error, status) in table {
        assert_eq!(error.status().map(|status| status.as_u16()), status, "{error:?}");
    }
}

/// Statuses from 600 on are server errors, and keep their number.
#[test]
fn a_status_of_600_to_999_is_a_server_error() {
    for number in [600, 620, 799, 999] {
        let error = unary(status(number).body(r#"{"error":{"message":"odd"}}"#));
        assert_eq!((error.kind(), error.status().unwrap().as_u16()), (ErrorKind::Server, number));
        assert!(error.is_api_error() && error.is_retryable() && error.may_have_been_processed());
        assert_eq!(error.to_string(), format!("status {number}: odd"));
    }
}

#[test]
fn the_time_of_an_error_includes_that_of_its_body() {
    let second = Duration::from_secs(1);
    let late = |exchange: Exchange| exchange.head_after(second);
    for (name, error, elapsed) in [
        ("a unary body", unary(late(json("{")).pause(second).body("]").pause(second)), 3),
        ("a unary body that is here", unary(late(json("{]"))), 1),
        ("a stream", streamed(late(events()).pause(second).body(event("{]"))), 2),
    ] {
        assert!(error.is_unexpected_response(), "{name}: {error}");
        assert_eq!(error.attempts().elapsed, elapsed * second, "{name}");
    }
}

/// A stream has no other limit for it.
#[test]
fn the_body_of_an_error_status_is_waited_for_up_to_5_s() {
    for (pause, text) in
        [(4, "401 Unauthorized: AUTH_ERROR, Authentication failed"), (6, "401 Unauthorized")]
    {
        let late = || status(401).pause(Duration::from_secs(pause)).body(API_ERROR);
        for error in [unary(late()), streamed(late())] {
            assert_eq!(error.to_string(), text, "after {pause} s");
        }
    }
}
