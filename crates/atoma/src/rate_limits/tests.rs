use super::*;
use http::{HeaderName, HeaderValue};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Sat, 28 Nov 2026 09:00:00 GMT.
const NOW: u64 = 1_795_856_400;

fn read(headers: &[(&str, &str)]) -> Option<RateLimits> {
    let header = |(name, value): &(&str, &str)| {
        (HeaderName::try_from(*name).unwrap(), HeaderValue::try_from(*value).unwrap())
    };
    let headers: HeaderMap = headers.iter().map(header).collect();
    RateLimits::from_headers(&headers, UNIX_EPOCH + Duration::from_secs(NOW))
}

fn limit(limit: u64, remaining: u64, reset: f64) -> RateLimit {
    let reset = Some(Duration::from_secs_f64(reset));
    RateLimit { limit: Some(limit), remaining: Some(remaining), reset }
}

#[test]
fn the_spellings_of_real_servers_are_read() {
    let none = RateLimit::default();
    let table: [(&str, &[(&str, &str)], RateLimit, RateLimit); 16] = [
        (
            "OpenAI",
            &[
                ("x-ratelimit-limit-requests", "60"),
                ("x-ratelimit-limit-tokens", "150000"),
                ("x-ratelimit-remaining-requests", "59"),
                ("x-ratelimit-remaining-tokens", "149984"),
                ("x-ratelimit-reset-requests", "20ms"),
                ("x-ratelimit-reset-tokens", "6m0s"),
            ],
            limit(60, 59, 0.02),
            limit(150_000, 149_984, 360.0),
        ),
        (
            "Groq",
            &[
                ("x-ratelimit-limit-requests", "14400"),
                ("x-ratelimit-remaining-requests", "14370"),
                ("x-ratelimit-reset-requests", "2m59.56s"),
                ("x-ratelimit-limit-tokens", "18000"),
                ("x-ratelimit-remaining-tokens", "17997"),
                ("x-ratelimit-reset-tokens", "7.66s"),
            ],
            limit(14_400, 14_370, 179.56),
            limit(18_000, 17_997, 7.66),
        ),
        (
            "seconds",
            &[
                ("x-ratelimit-limit-requests", "10"),
                ("x-ratelimit-remaining-requests", "0"),
                ("x-ratelimit-reset-requests", "12.5"),
            ],
            limit(10, 0, 12.5),
            none,
        ),
        (
            "Anthropic",
            &[
                ("anthropic-ratelimit-requests-limit", "50"),
                ("anthropic-ratelimit-requests-remaining", "49"),
                ("anthropic-ratelimit-requests-reset", "2026-11-28T09:00:30Z"),
                ("anthropic-ratelimit-tokens-limit", "40000"),
                ("anthropic-ratelimit-tokens-remaining", "39000"),
                ("anthropic-ratelimit-tokens-reset", "2026-11-28T11:01:00.5+02:00"),
            ],
            limit(50, 49, 30.0),
            limit(40_000, 39_000, 60.5),
        ),
        (
            "IETF, three headers",
            &[
                ("ratelimit-limit", "100, 100;w=60"),
                ("ratelimit-remaining", "42"),
                ("ratelimit-reset", "18"),
            ],
            limit(100, 42, 18.0),
            none,
        ),
        (
            "IETF, one header with named items",
            &[("ratelimit", "limit=100, remaining=42, reset=18")],
            limit(100, 42, 18.0),
            none,
        ),
        (
            "IETF, policy",
            &[
                ("ratelimit-policy", "\"default\";q=100;w=60"),
                ("ratelimit", "\"default\";r=42;t=18"),
            ],
            limit(100, 42, 18.0),
            none,
        ),
        (
            "IETF, policy next to three headers",
            &[
                ("ratelimit-policy", "100;w=60"),
                ("ratelimit-limit", "100"),
                ("ratelimit-remaining", "42"),
                ("ratelimit-reset", "18"),
            ],
            limit(100, 42, 18.0),
            none,
        ),
        (
            "members in two spellings",
            &[
                ("x-ratelimit-limit-requests", "100"),
                ("x-ratelimit-remaining", "42"),
                ("ratelimit-reset", "18"),
                ("x-ratelimit-limit-tokens", "soon"),
                ("anthropic-ratelimit-tokens-limit", "7"),
                ("anthropic-ratelimit-tokens-remaining", "6"),
                ("anthropic-ratelimit-tokens-reset", "2026-11-28T09:00:01Z"),
            ],
            limit(100, 42, 18.0),
            limit(7, 6, 1.0),
        ),
        (
            "Fireworks",
            &[
                ("x-ratelimit-limit-tokens-prompt", "60000"),
                ("x-ratelimit-remaining-tokens-prompt", "59000"),
                ("x-ratelimit-reset-tokens-prompt", "250ms"),
            ],
            none,
            limit(60_000, 59_000, 0.25),
        ),
        (
            "a duration in parts",
            &[
                ("x-ratelimit-limit", "5"),
                ("x-ratelimit-remaining", "4"),
                ("x-ratelimit-reset", "1h 2m 3.5s"),
            ],
            limit(5, 4, 3_723.5),
            none,
        ),
        (
            "OpenRouter, milliseconds since 1970",
            &[
                ("x-ratelimit-limit", "20"),
                ("x-ratelimit-remaining", "0"),
                ("x-ratelimit-reset", "1795856460500"),
            ],
            limit(20, 0, 60.5),
            none,
        ),
        (
            "seconds since 1970, in the past",
            &[
                ("x-ratelimit-limit", "20"),
                ("x-ratelimit-remaining", "20"),
                ("x-ratelimit-reset", "1795856399"),
            ],
            limit(20, 20, 0.0),
            none,
        ),
        (
            "Together",
            &[
                ("x-ratelimit-limit", "600"),
                ("x-ratelimit-remaining", "599"),
                ("x-ratelimit-reset", "1"),
                ("x-tokenlimit-limit", "180000"),
                ("x-tokenlimit-remaining", "179000"),
                ("x-tokenlimit-reset", "1"),
            ],
            limit(600, 599, 1.0),
            limit(180_000, 179_000, 1.0),
        ),
        (
            "Cerebras",
            &[
                ("x-ratelimit-limit-requests-day", "1000000000"),
                ("x-ratelimit-remaining-requests-day", "999999999"),
                ("x-ratelimit-reset-requests-day", "33011.382867"),
                ("x-ratelimit-limit-tokens-minute", "1000000000"),
                ("x-ratelimit-remaining-tokens-minute", "999999242"),
                ("x-ratelimit-reset-tokens-minute", "11.382867"),
            ],
            limit(1_000_000_000, 999_999_999, 33_011.382_867),
            limit(1_000_000_000, 999_999_242, 11.382_867),
        ),
        (
            "an instant as an HTTP date, against the server's own clock",
            &[
                ("date", "Sat, 28 Nov 2026 08:00:00 GMT"),
                ("x-ratelimit-limit", "5"),
                ("x-ratelimit-remaining", "1"),
                ("x-ratelimit-reset", "Sat, 28 Nov 2026 08:00:09 GMT"),
            ],
            limit(5, 1, 9.0),
            none,
        ),
    ];
    for (name, headers, requests, tokens) in table {
        assert_eq!(read(headers), Some(RateLimits { requests, tokens }), "{name}");
    }
}

#[test]
fn headers_without_limits_and_malformed_values_are_none() {
    assert_eq!(read(&[]), None);
    assert_eq!(read(&[("content-type", "application/json")]), None);
    for value in ["", "-1", "soon", "nan", "inf", "1e400", "5x", "9999-99-99T99:99:99Z", "é"] {
        let found = read(&[
            ("x-ratelimit-limit-requests", value),
            ("x-ratelimit-remaining-requests", value),
            ("x-ratelimit-reset-requests", value),
        ]);
        assert_eq!(found, None, "{value}");
    }
    let large = read(&[("x-ratelimit-limit-requests", &"9".repeat(40))]).unwrap();
    assert_eq!(large.requests.limit, Some(u64::MAX));
}

#[test]
fn a_duration_has_units_from_days_to_nanoseconds() {
    let table = [
        ("2d", Some(Duration::from_secs(172_800))),
        ("2h", Some(Duration::from_secs(7_200))),
        ("2m", Some(Duration::from_secs(120))),
        ("2s", Some(Duration::from_secs(2))),
        ("2ms", Some(Duration::from_millis(2))),
        ("2us", Some(Duration::from_micros(2))),
        ("2µs", Some(Duration::from_micros(2))),
        ("2μs", Some(Duration::from_micros(2))),
        ("2ns", Some(Duration::from_nanos(2))),
        ("1d2h3m4s", Some(Duration::from_secs(93_784))),
        ("2w", None),
        ("2", None),
        ("s", None),
        ("", None),
    ];
    for (text, expected) in table {
        assert_eq!(duration(text), expected, "{text}");
    }
}

#[test]
fn an_instant_has_a_month_a_day_and_a_time_of_day() {
    for (text, is_valid) in [
        ("2026-01-01T00:00:00Z", true),
        ("2026-00-01T00:00:00Z", false),
        ("2026-12-01T00:00:00Z", true),
        ("2026-13-01T00:00:00Z", false),
        ("2026-01-00T00:00:00Z", false),
        ("2026-01-31T00:00:00Z", true),
        ("2026-01-32T00:00:00Z", false),
        ("1969-12-31T23:59:59Z", false),
        ("2026-01-01T23:00:00Z", true),
        ("2026-01-01T24:00:00Z", false),
        ("2026-01-01T00:59:00Z", true),
        ("2026-01-01T00:60:00Z", false),
        ("2026-01-01T00:00:60Z", true),
        ("2026-01-01T00:00:61Z", false),
    ] {
        assert_eq!(rfc3339(text).is_some(), is_valid, "{text}");
    }
}

#[test]
fn dates_are_those_of_the_calendar() {
    let table = [
        ("1970-01-01T00:00:00Z", Some(0)),
        ("2000-02-29T23:59:59Z", Some(951_868_799)),
        ("2000-03-01T00:00:00z", Some(951_868_800)),
        ("2026-11-28T09:00:00Z", Some(NOW)),
        ("2026-11-28T10:30:00+01:30", Some(NOW)),
        ("2026-11-28T01:00:00-08:00", Some(NOW)),
        ("2026-11-28 09:00:00.25Z", Some(NOW)),
        ("1970-01-01T00:00:00+01:00", None),
        ("2026-13-01T00:00:00Z", None),
        ("2026-11-28T09:00:00", None),
        ("2026-11-28", None),
        ("26-11-28T09:00:00Z", None),
        ("2026-1-28T09:00:00Z", None),
        ("2026-+1-28T09:00:00Z", None),
        ("2026-11-028T09:00:00Z", None),
        ("2026-11-28T9:00:00Z", None),
        ("T", None),
        ("--T::Z", None),
        ("2026-11-28T09:00:00+2", None),
    ];
    for (text, expected) in table {
        assert_eq!(rfc3339(text).map(|time| time.as_secs()), expected, "{text}");
    }
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(NOW);
    assert_eq!(http_date(&httpdate::fmt_http_date(now)), Some(Duration::from_secs(NOW)));
}

proptest::proptest! {
    #[test]
    fn no_header_makes_reading_panic(value in "[ -~]{0,40}", name in 0_usize..8) {
        let [limit, remaining, reset] = REQUESTS[name];
        let names = [limit, remaining, reset].into_iter().filter(|name| !name.is_empty());
        let headers: Vec<_> = names.map(|name| (name, value.as_str())).collect();
        read(&headers);
    }
}
