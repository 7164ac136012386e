// The lines of the input are the values of headers by which a server can ask for a wait. Whatever
// they say, nothing panics, and no wait is longer than the settings allow.

use atoma_transport::{AttemptOutcome, RetryConfig, RetryContext, RetryDecision, retry_after};
use http::{HeaderMap, HeaderValue, StatusCode, header::HeaderName};
use std::time::{Duration, SystemTime};

const NAMES: [&str; 5] = ["retry-after", "retry-after-ms", "date", "x-should-retry", "retry-after"];

pub(crate) fn check(input: &[u8]) {
    let mut headers = HeaderMap::new();
    for (name, value) in NAMES.iter().zip(input.split(|byte| *byte == b'\n')) {
        if let Ok(value) = HeaderValue::from_bytes(value) {
            headers.append(HeaderName::from_static(name), value);
        }
    }
    let config = RetryConfig::default();
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    let asked = retry_after(&headers, now);
    let outcome = AttemptOutcome::Response {
        status: StatusCode::TOO_MANY_REQUESTS,
        headers: &headers,
        retry: None,
    };
    for random in [0.0, 0.5, 1.0] {
        let situation = RetryContext {
            attempt: 1,
            elapsed: Duration::ZERO,
            time_left: Some(Duration::from_secs(600)),
            now,
            random,
        };
        let RetryDecision::RetryAfter(wait) = config.decide(&outcome, &situation) else { continue };
        assert!(wait >= Duration::from_millis(50));
        assert!(wait <= config.max_retry_after * 11 / 10);
        assert!(asked.is_none_or(|asked| asked <= config.max_retry_after && asked <= wait));
    }
}
