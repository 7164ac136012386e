//! Rate limit headers in the spellings of several servers: pure functions over headers and a time.

use http::{HeaderMap, header::DATE};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The rate limits of the account, as the headers of a response report them.
///
/// | server | headers |
/// |---|---|
/// | OpenAI, Azure, Groq, vLLM routers | `x-ratelimit-{limit,remaining,reset}-{requests,tokens}` |
/// | Anthropic | `anthropic-ratelimit-{requests,tokens}-{limit,remaining,reset}` |
/// | others, for requests | `ratelimit-{limit,remaining,reset}`, the same with `x-`, `ratelimit` of IETF drafts |
///
/// ```
/// use atoma::RateLimits;
/// use std::time::{Duration, SystemTime};
///
/// let headers = http::HeaderMap::from_iter([
///     (http::HeaderName::from_static("x-ratelimit-remaining-tokens"), "149984".parse()?),
///     (http::HeaderName::from_static("x-ratelimit-reset-tokens"), "6m0s".parse()?),
/// ]);
/// let limits = RateLimits::from_headers(&headers, SystemTime::now()).unwrap();
/// assert_eq!(limits.tokens.remaining, Some(149_984));
/// assert_eq!(limits.tokens.reset, Some(Duration::from_secs(360)));
/// assert_eq!(limits.requests.limit, None);
/// # Ok::<(), http::header::InvalidHeaderValue>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RateLimits {
    /// The limit on the number of requests.
    pub requests: RateLimit,
    /// The limit on the number of tokens.
    pub tokens: RateLimit,
}

/// One rate limit; the members that the server did not send, or sent malformed, are `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RateLimit {
    /// The limit of one period.
    pub limit: Option<u64>,
    /// The rest of the current period.
    pub remaining: Option<u64>,
    /// The time from the response until the limit is full again.
    pub reset: Option<Duration>,
}

impl RateLimits {
    /// Reads the rate limits from the headers of a response; `None` if they have none.
    ///
    /// A reset given as an instant is measured against the response's `Date`, or against `now` if
    /// there is none.
    #[must_use]
    pub fn from_headers(headers: &HeaderMap, now: SystemTime) -> Option<Self> {
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let date = text(headers, DATE.as_str()).and_then(http_date);
        let reader = Reader { headers, now: date.unwrap_or(now) };
        let limits = Self { requests: reader.first_of(REQUESTS), tokens: reader.first_of(TOKENS) };
        Some(limits).filter(|limits| *limits != Self::default())
    }
}

/// The names of limit, remaining and reset. Of several spellings the first counts; later ones fill in
/// the members that it lacks.
type Spelling = [&'static str; 3];

const REQUESTS: &[Spelling] = &[
    ["x-ratelimit-limit-requests", "x-ratelimit-remaining-requests", "x-ratelimit-reset-requests"],
    [
        "anthropic-ratelimit-requests-limit",
        "anthropic-ratelimit-requests-remaining",
        "anthropic-ratelimit-requests-reset",
    ],
    ["x-ratelimit-limit-req-minute", "x-ratelimit-remaining-req-minute", ""],
    [
        "x-ratelimit-limit-requests-day",
        "x-ratelimit-remaining-requests-day",
        "x-ratelimit-reset-requests-day",
    ],
    [
        "x-ratelimit-limit-requests-minute",
        "x-ratelimit-remaining-requests-minute",
        "x-ratelimit-reset-requests-minute",
    ],
    ["ratelimit-policy", "ratelimit", "ratelimit"],
    ["ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"],
    ["x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"],
    ["x-rate-limit-limit", "x-rate-limit-remaining", "x-rate-limit-reset"],
];

const TOKENS: &[Spelling] = &[
    ["x-ratelimit-limit-tokens", "x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens"],
    [
        "anthropic-ratelimit-tokens-limit",
        "anthropic-ratelimit-tokens-remaining",
        "anthropic-ratelimit-tokens-reset",
    ],
    [
        "anthropic-ratelimit-input-tokens-limit",
        "anthropic-ratelimit-input-tokens-remaining",
        "anthropic-ratelimit-input-tokens-reset",
    ],
    [
        "x-ratelimit-limit-tokens-minute",
        "x-ratelimit-remaining-tokens-minute",
        "x-ratelimit-reset-tokens-minute",
    ],
    [
        "x-ratelimit-limit-tokens-day",
        "x-ratelimit-remaining-tokens-day",
        "x-ratelimit-reset-tokens-day",
    ],
    [
        "x-ratelimit-limit-tokens-prompt",
        "x-ratelimit-remaining-tokens-prompt",
        "x-ratelimit-reset-tokens-prompt",
    ],
    ["x-tokenlimit-limit", "x-tokenlimit-remaining", "x-tokenlimit-reset"],
];

struct Reader<'a> {
    headers: &'a HeaderMap,
    /// Since 1970.
    now: Duration,
}

impl Reader<'_> {
    fn first_of(&self, spellings: &[Spelling]) -> RateLimit {
        let found = spellings.iter().map(|spelling| self.read(spelling));
        found.fold(RateLimit::default(), |first, next| RateLimit {
            limit: first.limit.or(next.limit),
            remaining: first.remaining.or(next.remaining),
            reset: first.reset.or(next.reset),
        })
    }

    fn read(&self, [limit, remaining, reset]: &Spelling) -> RateLimit {
        let text = |name: &str| text(self.headers, name);
        // Older drafts put the limit next to the rest, newer ones into the policy.
        let in_remaining = || text(remaining).and_then(|text| named_item(text, &["limit"]));
        let limit = text(limit).map(|text| item(text, &["q", "limit"])).or_else(in_remaining);
        RateLimit {
            limit: limit.and_then(number),
            remaining: text(remaining).and_then(|text| number(item(text, &["r", "remaining"]))),
            reset: text(reset).and_then(|text| self.until(item(text, &["t", "reset"]))),
        }
    }

    /// Reads a time to wait, or the wait until an instant. A number of more than thirty years is
    /// such an instant, in seconds or milliseconds since 1970.
    fn until(&self, text: &str) -> Option<Duration> {
        let wait = |instant: Duration| instant.saturating_sub(self.now);
        if let Ok(number) = text.parse::<f64>() {
            let seconds = if number >= 1e12 { number / 1e3 } else { number };
            let time = Duration::try_from_secs_f64(seconds).ok()?;
            return Some(if number >= 1e9 { wait(time) } else { time });
        }
        duration(text).or_else(|| rfc3339(text).or_else(|| http_date(text)).map(wait))
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let text = headers.get(name)?.to_str().ok()?.trim_ascii();
    Some(text).filter(|text| !text.is_empty())
}

/// Finds an item of the IETF drafts, `limit=10, remaining=5, reset=3` or `"default";r=5;t=3`.
fn named_item<'a>(text: &'a str, names: &[&str]) -> Option<&'a str> {
    text.split([',', ';']).find_map(|part| {
        let (name, value) = part.split_once('=')?;
        let is_one = names.iter().any(|known| name.trim_ascii().eq_ignore_ascii_case(known));
        is_one.then(|| value.trim_ascii())
    })
}

/// Returns the named item of a header, or else the value itself without its parameters.
fn item<'a>(text: &'a str, names: &[&str]) -> &'a str {
    named_item(text, names).unwrap_or_else(|| {
        // The comma of an HTTP date does not separate values.
        let has_values = text.starts_with(|char: char| char.is_ascii_digit());
        let end = text.find([',', ';']).filter(|_| has_values).unwrap_or(text.len());
        text[..end].trim_ascii()
    })
}

fn number(text: &str) -> Option<u64> {
    let whole = text.split('.').next().unwrap_or_default();
    let is_number = !whole.is_empty() && whole.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| whole.parse().unwrap_or(u64::MAX))
}

/// Reads `6m0s`, `1h2m3.5s`, `20ms`, `1d`, with spaces between the parts or without.
fn duration(text: &str) -> Option<Duration> {
    let text = text.replace(' ', "");
    let mut sum = Duration::ZERO;
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (number, after) = split_at(rest, |char| !char.is_ascii_digit() && char != '.');
        let (unit, after) = split_at(after, |char| char.is_ascii_digit());
        let seconds = match unit {
            "d" => 86_400.0,
            "h" => 3_600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 1e-3,
            "us" | "µs" | "μs" => 1e-6,
            "ns" => 1e-9,
            _ => return None,
        };
        let number: f64 = number.parse().ok()?;
        let part = Duration::try_from_secs_f64(number * seconds).ok()?;
        sum = sum.saturating_add(part);
        rest = after;
    }
    (!text.is_empty()).then_some(sum)
}

fn split_at(text: &str, ends: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(ends).unwrap_or(text.len()))
}

/// An HTTP date as the time since 1970.
fn http_date(text: &str) -> Option<Duration> {
    httpdate::parse_http_date(text).ok()?.duration_since(UNIX_EPOCH).ok()
}

/// Reads `2026-11-28T09:10:11.5Z`, also with an offset, as the time since 1970.
fn rfc3339(text: &str) -> Option<Duration> {
    let (date, time) = text.split_once(['T', 't', ' '])?;
    let mut date = date.splitn(3, '-').map(two_or_four_digits);
    let (year, month, day) = (date.next()??, date.next()??, date.next()??);
    let clock_end = time.find(['Z', 'z', '+', '-'])?;
    let (clock, zone) = time.split_at(clock_end);
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    let mut clock = clock.splitn(3, ':').map(two_or_four_digits);
    let (hour, minute, second) = (clock.next()??, clock.next()??, clock.next()??);
    let is_valid = (1970..=9999).contains(&year)
        && (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && hour < 24
        && minute < 60
        && second <= 60;
    if !is_valid {
        return None;
    }
    let seconds = days_since_1970(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second;
    let seconds = u64::try_from(seconds - offset(zone)?).ok()?;
    let fraction: f64 = format!("0.{fraction}").parse().ok()?;
    Some(Duration::from_secs(seconds).saturating_add(Duration::try_from_secs_f64(fraction).ok()?))
}

fn two_or_four_digits(text: &str) -> Option<i64> {
    let is_number = matches!(text.len(), 2 | 4) && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok())?
}

/// The seconds that a zone (`Z`, `+02:00`) is ahead.
fn offset(zone: &str) -> Option<i64> {
    let sign = match zone.as_bytes().first()? {
        b'Z' | b'z' => return (zone.len() == 1).then_some(0),
        b'+' => 1,
        _ => -1,
    };
    let (hours, minutes) = zone[1..].split_once(':')?;
    Some(sign * (two_or_four_digits(hours)? * 3_600 + two_or_four_digits(minutes)? * 60))
}

/// The days of the Gregorian calendar; years count from March, so that a leap day is their last.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leap_days = year / 4 - year / 100 + year / 400;
    let days_before_1970 = 719_468;
    year * 365 + leap_days + (153 * month + 2) / 5 + day - 1 - days_before_1970
}

#[cfg(test)]
mod tests;
