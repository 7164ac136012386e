//! Settings in configuration files.

use atoma_transport::{BackoffStrategy, RetryConfig, RetryConnectionErrors, Timeouts};
use proptest::prelude::*;
use serde_json::{from_str, json, to_value};
use std::time::Duration;

#[test]
fn missing_fields_have_their_defaults() {
    assert_eq!(from_str::<Timeouts>("{}").unwrap(), Timeouts::default());
    assert_eq!(from_str::<RetryConfig>("{}").unwrap(), RetryConfig::default());
    let read: RetryConfig = from_str(r#"{"backoff":{"max_interval":2.5}}"#).unwrap();
    let backoff = BackoffStrategy::default().max_interval(Duration::from_millis(2500));
    assert_eq!(read, RetryConfig::default().backoff(backoff));
}

#[test]
fn each_method_of_a_backoff_sets_its_own_field() {
    let second = Duration::from_secs(1);
    let (default, mut expected) = (BackoffStrategy::default(), BackoffStrategy::default());
    expected.initial_interval = second;
    assert_eq!(default.initial_interval(second), expected);
    expected.max_interval = 2 * second;
    assert_eq!(default.initial_interval(second).max_interval(2 * second), expected);
    let mut expected = default;
    expected.exponent = 3.0;
    assert_eq!(default.exponent(3.0), expected);
    expected.max_elapsed_time = Some(second);
    assert_eq!(default.exponent(3.0).max_elapsed_time(second), expected);
}

#[test]
fn settings_are_written_as_numbers_of_seconds() {
    let timeouts = Timeouts::default().head(Duration::from_millis(1500)).total(None);
    let text = json!({"connect": 10, "head": 1.5, "idle": 120, "total": "none"});
    assert_eq!(to_value(timeouts).unwrap(), text);
    let retries = RetryConfig::default().retry_connection_errors(RetryConnectionErrors::Always);
    let text = json!({
        "max_attempts": 3,
        "backoff": {
            "initial_interval": 0.5,
            "max_interval": 8,
            "exponent": 2.0,
            "max_elapsed_time": "none",
        },
        "retry_connection_errors": "always",
        "statuses": [408, 425, 429, 500, 502, 503, 504],
        "max_retry_after": 60,
    });
    assert_eq!(to_value(retries).unwrap(), text);
}

#[test]
fn a_timeout_is_removed_by_none_or_null() {
    for text in [r#"{"total":"none"}"#, r#"{"total":null}"#] {
        assert_eq!(from_str::<Timeouts>(text).unwrap(), Timeouts::default().total(None), "{text}");
    }
}

#[test]
fn a_wrong_setting_is_a_readable_error() {
    // (text, words of the error)
    let timeouts = [
        (r#"{"haed":1}"#, "haed"),
        (r#"{"head":-1}"#, "a number of seconds, at least 0"),
        (r#"{"head":-0.5}"#, "a number of seconds, at least 0"),
        (r#"{"head":1e300}"#, "a number of seconds, at least 0"),
        (r#"{"head":"1s"}"#, "or \"none\""),
        (r#"{"head":true}"#, "a number of seconds"),
    ];
    for (text, words) in timeouts {
        let error = from_str::<Timeouts>(text).unwrap_err().to_string();
        assert!(error.contains(words), "{text}: {error}");
    }
    let retries = [
        (r#"{"max_retry_after":"none"}"#, "a number of seconds, at least 0"),
        (r#"{"max_retry_after":null}"#, "a number of seconds, at least 0"),
        (r#"{"statuses":[99]}"#, "99 is not a status"),
        (r#"{"retry_connection_errors":"sometimes"}"#, "if_not_sent"),
        (r#"{"attempts":2}"#, "attempts"),
    ];
    for (text, words) in retries {
        let error = from_str::<RetryConfig>(text).unwrap_err().to_string();
        assert!(error.contains(words), "{text}: {error}");
    }
}

proptest! {
    #[test]
    fn settings_that_are_written_and_read_are_the_same(
        milliseconds in prop::collection::vec(prop::option::of(0_u64..1_000_000_000), 5),
        attempts in 1_u32..100,
        statuses in prop::collection::vec(300_u16..600, 0..5),
    ) {
        let time = |place: usize| milliseconds[place].map(Duration::from_millis);
        let timeouts = Timeouts::none().connect(time(0)).head(time(1)).idle(time(2)).total(time(3));
        let text = serde_json::to_string(&timeouts).unwrap();
        prop_assert_eq!(from_str::<Timeouts>(&text).unwrap(), timeouts);

        let backoff = BackoffStrategy::default().max_elapsed_time(time(4));
        let statuses = statuses.into_iter().map(|status| status.try_into().unwrap());
        let config = RetryConfig::default().max_attempts(attempts).statuses(statuses).backoff(backoff);
        let text = serde_json::to_string(&config).unwrap();
        prop_assert_eq!(from_str::<RetryConfig>(&text).unwrap(), config);
    }
}
