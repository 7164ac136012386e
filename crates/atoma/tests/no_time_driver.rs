//! A runtime without a time driver cannot wait. Whatever needs a wait is an error that says so: it
//! neither hangs, nor panics, nor passes for a timeout that has not elapsed, nor hammers the server.

#![cfg(feature = "hyper")]

mod support;

use atoma::{
    ApiKey, Client, ClientBuilder, Error, ErrorKind, Result,
    transport::{
        RateLimitPause,
        testing::{Exchange, ScriptedTransport},
    },
};
use std::{future::pending, time::Duration};
use support::{
    chunk, event, request,
    scripted::{json_body, streamed},
};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Unary,
    Stream,
}

/// Makes a call in a runtime without drivers, and returns its error and the number of requests.
fn call(builder: ClientBuilder, kind: Kind, exchanges: Vec<Exchange>) -> (Result<()>, usize) {
    let transport = ScriptedTransport::new(exchanges);
    let builder = builder.server_url("http://localhost:1").transport(transport.clone());
    let client = builder.build().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let outcome = runtime.block_on(async {
        match kind {
            Kind::Unary => client.chat().create(request()).await.map(drop),
            Kind::Stream => client.chat().stream(request()).await?.into_response().await.map(drop),
        }
    });
    (outcome, transport.requests().len())
}

fn builder() -> ClientBuilder {
    Client::builder().api_key("sk-test-key")
}

fn assert_says_so(name: &str, error: &Error) {
    let text = format!("{error}");
    assert!(text.contains("enable_time"), "{name}: {text}");
    assert!(!error.is_timeout() && !error.is_retryable(), "{name}: {error:?}");
}

#[test]
fn a_wait_is_an_error_that_says_what_is_missing() {
    let half = || json_body("{\"choices\":").stall();
    let limited = || Exchange::respond(429).header("retry-after", "1");
    let begun = || streamed().body(event(chunk("he")));
    let table: Vec<(&str, Kind, Vec<Exchange>)> = vec![
        ("no head", Kind::Unary, vec![Exchange::never()]),
        ("no head of a stream", Kind::Stream, vec![Exchange::never()]),
        ("half a body", Kind::Unary, vec![half()]),
        ("no first event", Kind::Stream, vec![streamed().stall()]),
        ("comments only", Kind::Stream, vec![streamed().body(": ping\n\n").stall()]),
        ("half a stream", Kind::Stream, vec![begun().stall()]),
        ("half an event", Kind::Stream, vec![begun().body("data: {").stall()]),
        ("a failure", Kind::Unary, vec![Exchange::respond(503), Exchange::respond(503)]),
        ("a failure of a stream", Kind::Stream, vec![Exchange::respond(500), streamed()]),
        ("a rate limit", Kind::Unary, vec![limited(), limited()]),
        ("half an error body", Kind::Unary, vec![Exchange::respond(500).body("{").stall()]),
    ];
    for (name, kind, exchanges) in table {
        let (outcome, requests) = call(builder(), kind, exchanges);
        assert_says_so(name, &outcome.unwrap_err());
        assert_eq!(requests, 1, "{name}");
    }
}

#[test]
fn a_wait_for_a_key_or_for_a_rate_limit_is_an_error_too() {
    let locked = Client::builder().api_key_provider(|| async {
        pending::<()>().await;
        Ok(ApiKey::new("sk-test-key")?)
    });
    let (outcome, requests) = call(locked, Kind::Unary, vec![]);
    assert_says_so("a key", &outcome.unwrap_err());
    assert_eq!(requests, 0);

    let pausing = builder().rate_limit_pause(RateLimitPause::new());
    let limited = Exchange::respond(429).header("retry-after", "1");
    let (outcome, _) = call(pausing, Kind::Unary, vec![limited]);
    assert_says_so("a pause", &outcome.unwrap_err());
}

#[test]
fn calls_without_a_wait_need_no_time_driver() {
    let good = || streamed().body(event(chunk("he")) + &event(support::last_chunk()));
    let (outcome, requests) = call(builder(), Kind::Stream, vec![good()]);
    assert!(outcome.is_ok() && requests == 1, "{outcome:?}");
    let rejected = Exchange::respond(400).body("{\"error\":{\"message\":\"no\"}}");
    let (outcome, _) = call(builder(), Kind::Unary, vec![rejected]);
    assert_eq!(outcome.unwrap_err().kind(), ErrorKind::InvalidRequest);
    let short = builder().timeouts(atoma::Timeouts::none().total(Duration::from_millis(5)));
    let (outcome, _) = call(short, Kind::Unary, vec![Exchange::never()]);
    assert!(outcome.unwrap_err().is_timeout(), "too short to notice");
}
