//! `RetryConfig::decide` and `retry_after`, as tables: pure functions, without a clock or
//! randomness.

use atoma_transport::{
    AttemptOutcome, BackoffStrategy, Delivery, ErrorKind, Phase, RetryConfig,
    RetryConnectionErrors, RetryContext, RetryDecision, TransportError, retry_after,
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use std::time::{Duration, SystemTime};

type Headers = &'static [(&'static str, &'static str)];

fn headers(list: &[(&str, &str)]) -> HeaderMap {
    let name = |name: &str| HeaderName::from_bytes(name.as_bytes()).unwrap();
    let value = |value: &str| HeaderValue::from_bytes(value.as_bytes()).unwrap();
    list.iter().map(|(n, v)| (name(n), value(v))).fold(HeaderMap::new(), |mut map, (n, v)| {
        map.append(n, v);
        map
    })
}

/// Sun, 06 Nov 1994 08:49:37 GMT, the date of RFC 9110's examples.
fn noon() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777)
}

fn first() -> RetryContext {
    RetryContext { attempt: 1, elapsed: Duration::ZERO, time_left: None, now: noon(), random: 1.0 }
}

const MS: fn(u64) -> Duration = Duration::from_millis;
const NS: fn(u64) -> Duration = Duration::from_nanos;

/// Row 107 of the fault table.
#[test]
fn retry_after_reads_valid_values_and_ignores_the_rest() {
    let table: &[(&str, Headers, Option<Duration>)] = &[
        ("absent", &[], None),
        ("seconds", &[("retry-after", "5")], Some(MS(5000))),
        ("zero", &[("retry-after", "0")], Some(MS(0))),
        ("a fraction", &[("retry-after", "1.5")], Some(MS(1500))),
        ("a fraction without a whole", &[("retry-after", ".5")], Some(MS(500))),
        ("a point without a fraction", &[("retry-after", "5.")], Some(MS(5000))),
        ("to a nanosecond", &[("retry-after", "0.1234567899")], Some(NS(123_456_789))),
        ("spaces around", &[("retry-after", " 7 ")], Some(MS(7000))),
        ("negative", &[("retry-after", "-1")], None),
        ("signed", &[("retry-after", "+1")], None),
        ("an exponent beyond a double", &[("retry-after", "1e309")], None),
        ("an exponent", &[("retry-after", "1e1")], None),
        ("nan", &[("retry-after", "nan")], None),
        ("inf", &[("retry-after", "inf")], None),
        ("empty", &[("retry-after", "")], None),
        ("a point alone", &[("retry-after", ".")], None),
        ("two points", &[("retry-after", "1.2.3")], None),
        ("garbage", &[("retry-after", "soon")], None),
        ("a list", &[("retry-after", "5, 6")], None),
        ("not ASCII", &[("retry-after", "5\u{e9}")], None),
        ("3,170 years", &[("retry-after", "99999999999")], Some(MS(99_999_999_999_000))),
        ("more than fits", &[("retry-after", "99999999999999999999999")], Some(Duration::MAX)),
        ("IMF-fixdate", &[("retry-after", "Sun, 06 Nov 1994 08:50:07 GMT")], Some(MS(30_000))),
        ("RFC 850", &[("retry-after", "Sunday, 06-Nov-94 08:50:07 GMT")], Some(MS(30_000))),
        ("asctime", &[("retry-after", "Sun Nov  6 08:50:07 1994")], Some(MS(30_000))),
        ("a past date", &[("retry-after", "Sun, 06 Nov 1994 08:49:07 GMT")], Some(MS(0))),
        ("the year 100000", &[("retry-after", "Sun, 06 Nov 100000 08:49:37 GMT")], None),
        ("the 31st of February", &[("retry-after", "Sun, 31 Feb 1994 08:49:37 GMT")], None),
        (
            "a date against the server's own, an hour before ours",
            &[
                ("date", "Sun, 06 Nov 1994 07:49:37 GMT"),
                ("retry-after", "Sun, 06 Nov 1994 07:49:47 GMT"),
            ],
            Some(MS(10_000)),
        ),
        (
            "a date with an unreadable one of the server's",
            &[("date", "today"), ("retry-after", "Sun, 06 Nov 1994 08:49:47 GMT")],
            Some(MS(10_000)),
        ),
        ("two: the longer", &[("retry-after", "5"), ("retry-after", "9")], Some(MS(9000))),
        ("two, one garbage", &[("retry-after", "x"), ("retry-after", "2")], Some(MS(2000))),
        ("milliseconds", &[("retry-after-ms", "250")], Some(MS(250))),
        ("a fraction of one", &[("retry-after-ms", "0.5")], Some(Duration::from_micros(500))),
        ("a millionth of one", &[("retry-after-ms", "0.0000019")], Some(NS(1))),
        ("both", &[("retry-after-ms", "250"), ("retry-after", "1")], Some(MS(250))),
        ("ms garbage", &[("retry-after-ms", "nan"), ("retry-after", "1")], Some(MS(1000))),
    ];
    for (name, given, expected) in table {
        assert_eq!(retry_after(&headers(given), noon()), *expected, "{name}");
    }
    let digits = "9".repeat(5000);
    assert_eq!(retry_after(&headers(&[("retry-after", &digits)]), noon()), Some(Duration::MAX));
}

#[test]
fn the_status_the_headers_and_the_body_decide_in_this_order() {
    use RetryDecision::{RetryAfter, Stop};
    let backoff = RetryAfter(MS(500));
    let table: &[(&str, u16, Headers, bool, RetryDecision)] = &[
        ("ok", 200, &[], false, Stop),
        ("a 2xx with x-should-retry", 200, &[("x-should-retry", "true")], false, Stop),
        ("a redirect", 307, &[], false, Stop),
        ("bad request", 400, &[], false, Stop),
        ("no key", 401, &[], false, Stop),
        ("forbidden", 403, &[], false, Stop),
        ("not found", 404, &[], false, Stop),
        ("request timeout", 408, &[], false, backoff),
        ("conflict", 409, &[], false, Stop),
        ("unprocessable", 422, &[], false, Stop),
        ("too early", 425, &[], false, backoff),
        ("too many requests", 429, &[], false, backoff),
        ("too many requests for this credit", 429, &[], true, Stop),
        ("internal error", 500, &[], false, backoff),
        ("not implemented", 501, &[], false, Stop),
        ("bad gateway", 502, &[], false, backoff),
        ("unavailable", 503, &[], false, backoff),
        ("gateway timeout", 504, &[], false, backoff),
        ("HTTP version", 505, &[], false, Stop),
        ("beyond 599", 600, &[], false, backoff),
        ("beyond 599", 999, &[], false, backoff),
        ("x-should-retry: false", 503, &[("x-should-retry", "false")], false, Stop),
        ("x-should-retry: true", 409, &[("x-should-retry", "true")], false, backoff),
        ("x-should-retry: true, but final", 429, &[("x-should-retry", "true")], true, Stop),
        ("an unknown x-should-retry", 503, &[("x-should-retry", "maybe")], false, backoff),
        ("asked for 10 s", 503, &[("retry-after", "10")], false, RetryAfter(MS(11_000))),
        ("asked for none", 503, &[("retry-after", "0")], false, RetryAfter(MS(50))),
        ("asked for the limit", 503, &[("retry-after", "60")], false, RetryAfter(MS(66_000))),
        ("asked for more", 503, &[("retry-after", "60.001")], false, Stop),
        ("asked for an hour", 503, &[("retry-after", "3600")], false, Stop),
        (
            "asked for a huge number",
            503,
            &[("retry-after", "99999999999999999999999")],
            false,
            Stop,
        ),
        ("asked for nonsense", 503, &[("retry-after", "nan")], false, backoff),
    ];
    for (name, status, given, is_final, expected) in table {
        let outcome = AttemptOutcome::Response {
            status: StatusCode::from_u16(*status).unwrap(),
            headers: &headers(given),
            retry: is_final.then_some(false),
        };
        assert_eq!(RetryConfig::default().decide(&outcome, &first()), *expected, "{name}");
    }
}

#[test]
fn an_error_is_retried_if_it_cannot_be_billed_twice() {
    use RetryConnectionErrors::{Always, IfNotSent, Never};
    let new = TransportError::new;
    // (name, error, never, if not sent, always)
    let table = [
        ("refused", new(ErrorKind::Connect, Delivery::NotSent), false, true, true),
        ("connect timeout", timeout(Phase::Connect, Delivery::NotSent), false, true, true),
        ("proxy", new(ErrorKind::Proxy, Delivery::NotSent), false, true, true),
        (
            "refused permanently",
            new(ErrorKind::Connect, Delivery::NotSent).permanent(),
            false,
            false,
            false,
        ),
        ("certificate", new(ErrorKind::Certificate, Delivery::NotSent), false, false, false),
        ("reset", new(ErrorKind::ConnectionLost, Delivery::Unknown), false, false, true),
        ("reset, unwritten", new(ErrorKind::ConnectionLost, Delivery::NotSent), false, true, true),
        ("no head", timeout(Phase::Head, Delivery::Unknown), false, false, true),
        ("out of time", timeout(Phase::Total, Delivery::NotSent), false, false, false),
        ("not HTTP", new(ErrorKind::Protocol, Delivery::Unknown), false, false, false),
        ("over a limit", new(ErrorKind::TooLarge, Delivery::Unknown), false, false, false),
        ("bad URL", new(ErrorKind::Request, Delivery::NotSent), false, false, false),
    ];
    for (name, error, never, if_not_sent, always) in table {
        for (states, expected) in [(Never, never), (IfNotSent, if_not_sent), (Always, always)] {
            let config = RetryConfig::default().retry_connection_errors(states);
            let decision = config.decide(&AttemptOutcome::Error(&error), &first());
            let expected =
                if expected { RetryDecision::RetryAfter(MS(500)) } else { RetryDecision::Stop };
            assert_eq!(decision, expected, "{name}, {states:?}");
        }
    }
}

fn timeout(phase: Phase, sent: Delivery) -> TransportError {
    TransportError::timeout(phase, sent)
}

#[test]
fn the_state_of_the_call_decides_too() {
    let at = first();
    let left = |ms| RetryContext { time_left: Some(MS(ms)), ..at };
    let table = [
        ("the first of three", at, Some(500)),
        ("the second", RetryContext { attempt: 2, ..at }, Some(1000)),
        ("the last", RetryContext { attempt: 3, ..at }, None),
        ("beyond the last", RetryContext { attempt: u32::MAX, ..at }, None),
        ("time for the wait and more", left(501), Some(500)),
        ("time for the wait alone", left(500), None),
        ("no time", left(0), None),
        ("half the chance", RetryContext { random: 0.5, ..at }, Some(250)),
        ("no chance: the shortest wait", RetryContext { random: 0.0, ..at }, Some(50)),
        ("chance above one", RetryContext { random: 7.0, ..at }, Some(500)),
        ("chance below zero", RetryContext { random: -7.0, ..at }, Some(50)),
        ("random is not a number", RetryContext { random: f64::NAN, ..at }, Some(50)),
        ("too late to begin", RetryContext { elapsed: MS(9501), ..at }, None),
        ("just in time", RetryContext { elapsed: MS(9500), ..at }, Some(500)),
        ("ages", RetryContext { elapsed: Duration::MAX, ..at }, None),
    ];
    let backoff = BackoffStrategy::default().max_elapsed_time(MS(10_000));
    let config = RetryConfig::default().backoff(backoff);
    for (name, situation, expected) in table {
        assert_eq!(
            config.decide(&unavailable(&HeaderMap::new()), &situation),
            wait(expected),
            "{name}"
        );
    }
}

fn unavailable(headers: &HeaderMap) -> AttemptOutcome<'_> {
    AttemptOutcome::Response { status: StatusCode::SERVICE_UNAVAILABLE, headers, retry: None }
}

fn wait(milliseconds: Option<u64>) -> RetryDecision {
    milliseconds.map_or(RetryDecision::Stop, |ms| RetryDecision::RetryAfter(MS(ms)))
}

#[test]
fn the_longest_wait_doubles_up_to_its_limit() {
    let config = RetryConfig::default().max_attempts(u32::MAX);
    let waits = [500, 1000, 2000, 4000, 8000, 8000, 8000];
    for (attempt, expected) in (1..).zip(waits) {
        let situation = RetryContext { attempt, ..first() };
        assert_eq!(
            config.decide(&unavailable(&HeaderMap::new()), &situation),
            wait(Some(expected))
        );
    }
    let situation = RetryContext { attempt: u32::MAX - 1, ..first() };
    assert_eq!(config.decide(&unavailable(&HeaderMap::new()), &situation), wait(Some(8000)));
}

#[test]
fn a_wait_the_server_asks_for_is_not_kept_past_the_deadline() {
    let asked = headers(&[("retry-after", "30")]);
    let situation = RetryContext { time_left: Some(MS(20_000)), ..first() };
    assert_eq!(RetryConfig::default().decide(&unavailable(&asked), &situation), wait(None));
}

#[test]
fn a_wait_the_server_asks_for_grows_by_a_random_tenth_at_most() {
    let asked = headers(&[("retry-after", "10")]);
    for (random, expected) in [(0.0, 10_000), (0.25, 10_250), (0.5, 10_500), (1.0, 11_000)] {
        let situation = RetryContext { random, ..first() };
        let decision = RetryConfig::default().decide(&unavailable(&asked), &situation);
        assert_eq!(decision, wait(Some(expected)), "{random}");
    }
}

#[test]
fn settings_at_their_extremes_neither_panic_nor_overflow() {
    let durations = [Duration::ZERO, Duration::from_nanos(1), MS(10), Duration::MAX];
    let exponents = [f64::NAN, f64::INFINITY, f64::MAX, -1.0, 0.0, 1.0, 2.0];
    let asked = headers(&[("retry-after", "99999999999999999999999")]);
    for initial in durations {
        for max in durations {
            for exponent in exponents {
                for attempt in [0, 1, 2, 1000, u32::MAX - 1] {
                    let backoff = BackoffStrategy::default()
                        .initial_interval(initial)
                        .max_interval(max)
                        .exponent(exponent);
                    let config = RetryConfig::default()
                        .max_attempts(u32::MAX)
                        .max_retry_after(Duration::MAX)
                        .backoff(backoff);
                    let situation = RetryContext { attempt, ..first() };
                    config.decide(&unavailable(&asked), &situation);
                    let decision = config.decide(&unavailable(&HeaderMap::new()), &situation);
                    let RetryDecision::RetryAfter(wait) = decision else { panic!("{config:?}") };
                    assert!(wait >= max.min(MS(50)) && wait <= max, "{config:?}: {wait:?}");
                }
            }
        }
    }
}

#[test]
fn invalid_settings_are_named_in_the_error() {
    let exponent =
        |exponent| RetryConfig::default().backoff(BackoffStrategy::default().exponent(exponent));
    let table = [
        (RetryConfig::default(), None),
        (RetryConfig::none(), None),
        (RetryConfig::default().statuses([]), None),
        (exponent(1.0), None),
        (RetryConfig::default().max_attempts(0), Some("max_attempts must be at least 1")),
        (exponent(0.9), Some("exponent must be a finite number of at least 1")),
        (exponent(f64::NAN), Some("exponent must be a finite number of at least 1")),
        (exponent(f64::INFINITY), Some("exponent must be a finite number of at least 1")),
        (RetryConfig::default().statuses([StatusCode::OK]), Some("a 2xx status cannot be retried")),
    ];
    for (config, expected) in table {
        let said = config.validate().err().map(|error| error.to_string());
        assert_eq!(said.as_deref(), expected, "{config:?}");
    }
}

#[test]
fn the_defaults_are_the_documented_ones() {
    let config = RetryConfig::default();
    let statuses: Vec<u16> = config.statuses.iter().map(StatusCode::as_u16).collect();
    assert_eq!(statuses, [408, 425, 429, 500, 502, 503, 504]);
    assert_eq!((config.max_attempts, RetryConfig::none().max_attempts), (3, 1));
    assert_eq!(config.max_retry_after, MS(60_000));
    assert_eq!(config.retry_connection_errors, RetryConnectionErrors::IfNotSent);
    assert_eq!(RetryConnectionErrors::from(true), RetryConnectionErrors::Always);
    assert_eq!(RetryConnectionErrors::from(false), RetryConnectionErrors::Never);
    let backoff = config.backoff;
    assert_eq!((backoff.initial_interval, backoff.max_interval), (MS(500), MS(8000)));
    assert_eq!((backoff.exponent, backoff.max_elapsed_time), (2.0, None));
}
