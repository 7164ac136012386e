use http::{
    HeaderMap,
    header::{DATE, HeaderName, RETRY_AFTER},
};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const RETRY_AFTER_MS: HeaderName = HeaderName::from_static("retry-after-ms");
const SECOND: Duration = Duration::from_secs(1);
const MILLISECOND: Duration = Duration::from_millis(1);

/// Returns the wait that a response asks for before the next attempt.
///
/// Reads `retry-after-ms` (milliseconds, sent by some model servers, takes precedence) and
/// `Retry-After` of [RFC 9110 §10.2.3]: seconds, with or without a fraction, or a date in any of the
/// three forms of §5.6.7. A date is measured against the response's `Date` header, so that the two
/// clocks need not agree; without one it is measured against `now`, the local time of day. A date in
/// the past is zero.
///
/// Of several values the longest counts. Values that cannot be read are ignored; a number too large
/// for a [`Duration`] becomes [`Duration::MAX`].
///
/// ```
/// use atoma_transport::retry_after;
/// use std::time::{Duration, SystemTime};
///
/// let (head, ()) = http::Response::builder().header("retry-after", "1.5").body(())?.into_parts();
/// assert_eq!(retry_after(&head.headers, SystemTime::now()), Some(Duration::from_millis(1500)));
/// # Ok::<(), http::Error>(())
/// ```
///
/// [RFC 9110 §10.2.3]: https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3
pub fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let milliseconds = longest(headers, &RETRY_AFTER_MS, &|text| decimal(text, MILLISECOND));
    milliseconds.or_else(|| {
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let sent_at = longest(headers, &DATE, &date).unwrap_or(now);
        longest(headers, &RETRY_AFTER, &|text| {
            let until = |date: Duration| date.saturating_sub(sent_at);
            decimal(text, SECOND).or_else(|| date(text).map(until))
        })
    })
}

fn longest(
    headers: &HeaderMap,
    name: &HeaderName,
    read: &dyn Fn(&str) -> Option<Duration>,
) -> Option<Duration> {
    let texts = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    texts.filter_map(|text| read(text.trim_ascii())).max()
}

/// Reads digits with at most one point among them: no sign, no exponent, no `nan`. Parts of a
/// nanosecond are dropped.
fn decimal(text: &str, unit: Duration) -> Option<Duration> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let is_digit = |byte: u8| byte.is_ascii_digit();
    if matches!(text, "" | ".") || !whole.bytes().chain(fraction.bytes()).all(is_digit) {
        return None;
    }
    let times = |unit: Duration, digit: u8| unit * u32::from(digit - b'0');
    let (mut sum, mut place) = (Duration::ZERO, unit);
    for digit in whole.bytes() {
        sum = sum.saturating_mul(10).saturating_add(times(unit, digit));
    }
    for digit in fraction.bytes() {
        place /= 10;
        sum = sum.saturating_add(times(place, digit));
    }
    Some(sum)
}

/// Reads a date as the time since 1970. HTTP has no earlier dates.
fn date(text: &str) -> Option<Duration> {
    httpdate::parse_http_date(text).ok()?.duration_since(UNIX_EPOCH).ok()
}
