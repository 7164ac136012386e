//! The time that a connection may be used, by its server's announcement and the builder's settings.

use http::HeaderValue;
use std::time::{Duration, Instant};

/// A connection is given up this long before its server would close it, so that no request is in
/// flight then; half the timeout if that is less.
const MARGIN: Duration = Duration::from_secs(1);

/// The values of `Keep-Alive` in a response (RFC 2068, section 19.7.1.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct KeepAlive {
    /// How long the server keeps an idle connection open.
    pub(super) timeout: Option<Duration>,
    /// How many more requests it serves on this connection.
    pub(super) max: Option<u32>,
}

impl KeepAlive {
    /// Adds one line of the header. Unknown and unreadable parameters are ignored, and the smaller
    /// of two values counts.
    ///
    /// Servers separate the parameters with commas, semicolons or spaces, quote the values and add
    /// units and fractions to them. So each `=` or `:` is taken with the word before it and the
    /// digits after it.
    pub(super) fn read(&mut self, line: &HeaderValue) {
        let text = String::from_utf8_lossy(line.as_bytes());
        for (at, sign) in text.match_indices(['=', ':']) {
            let is_separator = |c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '_';
            let name = text[..at].trim_end().rsplit(is_separator).next().unwrap_or_default();
            let value = text[at + sign.len()..].trim_start().trim_start_matches(['"', '\'']);
            let end = value.find(|c: char| !c.is_ascii_digit()).unwrap_or(value.len());
            // A number too large to be read sets no limit.
            let Ok(number) = value[..end].parse::<u64>() else { continue };
            if name.eq_ignore_ascii_case("timeout") {
                let timeout = Duration::from_secs(number);
                self.timeout = Some(self.timeout.map_or(timeout, |known| known.min(timeout)));
            } else if name.eq_ignore_ascii_case("max") {
                let max = u32::try_from(number).unwrap_or(u32::MAX);
                self.max = Some(self.max.map_or(max, |known| known.min(max)));
            }
        }
    }
}

/// The time and the number of requests that one connection has left.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lifetime {
    /// For the limit on the age.
    opened: Instant,
    /// The last values that the server announced.
    announced: KeepAlive,
}

impl Lifetime {
    pub(super) fn new(opened: Instant) -> Self {
        Self { opened, announced: KeepAlive::default() }
    }

    /// Applies a response's header. A value that is not repeated stays in force.
    pub(super) fn heed(&mut self, announced: KeepAlive) {
        // The server counts down itself; one that announces `max` only once is counted for.
        let counted = self.announced.max.map(|left| left.saturating_sub(1));
        self.announced.max = announced.max.or(counted);
        self.announced.timeout = announced.timeout.or(self.announced.timeout);
    }

    /// Returns until when the connection may serve another request if it becomes idle `now`: `None`
    /// if it may not, `Some(None)` if there is no limit.
    pub(super) fn usable_until(&self, now: Instant, limits: Limits) -> Option<Option<Instant>> {
        if self.announced.max == Some(0) {
            return None;
        }
        let announced = self.announced.timeout.map(|timeout| timeout - MARGIN.min(timeout / 2));
        let ends = [
            limits.idle.and_then(|idle| now.checked_add(idle)),
            announced.and_then(|announced| now.checked_add(announced)),
            limits.age.and_then(|age| self.opened.checked_add(age)),
        ];
        let end = ends.into_iter().flatten().min();
        if end.is_some_and(|end| end <= now) { None } else { Some(end) }
    }
}

/// The limits that the builder sets for every connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) idle: Option<Duration>,
    pub(super) age: Option<Duration>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &[&str]) -> (Option<u64>, Option<u32>) {
        let mut announced = KeepAlive::default();
        for line in lines {
            announced.read(&HeaderValue::from_bytes(line.as_bytes()).unwrap());
        }
        (announced.timeout.map(|timeout| timeout.as_secs()), announced.max)
    }

    #[test]
    fn the_header_is_read_in_every_form() {
        for (lines, timeout, max) in [
            (&["timeout=5"][..], Some(5), None),
            (&["timeout=5, max=100"], Some(5), Some(100)),
            (&["Timeout = 5 ,MAX=1"], Some(5), Some(1)),
            (&["timeout=\"5\""], Some(5), None),
            (&["max=3", "timeout=7"], Some(7), Some(3)),
            (&["timeout=9", "timeout=7"], Some(7), None),
            (&["timeout=5; max=2"], Some(5), Some(2)),
            (&["timeout=5 max=100"], Some(5), Some(100)),
            (&["timeout=5\tmax=100"], Some(5), Some(100)),
            (&["timeout=5,,max=100,"], Some(5), Some(100)),
            (&["max=100,timeout=5"], Some(5), Some(100)),
            (&["timeout='5'"], Some(5), None),
            (&["timeout=\"5\", max=\"7\""], Some(5), Some(7)),
            (&["\"timeout=5\""], Some(5), None),
            (&["timeout = \" 5\""], None, None),
            (&["timeout: 5, max: 100"], Some(5), Some(100)),
            (&["timeout=5s"], Some(5), None),
            (&["timeout=5.9"], Some(5), None),
            (&["timeout=05"], Some(5), None),
            (&["timeout=0"], Some(0), None),
            (&["max=0"], None, Some(0)),
            (&["timeout=5, max=99999999999"], Some(5), Some(u32::MAX)),
            (&["timeout=5, caf\u{e9}=1"], Some(5), None),
            (&["idle-timeout=5, x_max=1"], None, None),
            (&["5"], None, None),
            (&["=5"], None, None),
            (&["timeout=-1, max=x"], None, None),
            (&["timeout", "", "other=1"], None, None),
            (&["timeout=99999999999999999999"], None, None),
        ] {
            assert_eq!(read(lines), (timeout, max), "{lines:?}");
        }
    }

    #[test]
    fn the_earliest_limit_ends_a_connection() {
        let opened = Instant::now();
        let secs = Duration::from_secs;
        let limits = |idle: Option<u64>, age: Option<u64>| Limits {
            idle: idle.map(secs),
            age: age.map(secs),
        };
        let usable = |timeout: Option<u64>, after: u64, limits: Limits| {
            let mut lifetime = Lifetime::new(opened);
            lifetime.heed(KeepAlive { timeout: timeout.map(secs), max: None });
            let now = opened + secs(after);
            let end = lifetime.usable_until(now, limits)?;
            Some(end.map(|end| end.duration_since(now).as_millis()))
        };
        for (timeout, after, idle, age, left) in [
            (None, 0, None, None, Some(None)),
            (None, 0, Some(45), None, Some(Some(45_000))),
            (Some(5), 0, Some(45), None, Some(Some(4_000))),
            (Some(1), 0, Some(45), None, Some(Some(500))),
            (Some(0), 0, Some(45), None, None),
            (Some(60), 0, Some(45), Some(300), Some(Some(45_000))),
            (None, 290, Some(45), Some(300), Some(Some(10_000))),
            (None, 300, Some(45), Some(300), None),
            (Some(u64::MAX), 0, None, None, Some(None)),
        ] {
            assert_eq!(usable(timeout, after, limits(idle, age)), left, "{timeout:?} {after}");
        }
    }

    #[test]
    fn requests_are_counted_down_from_the_last_maximum() {
        let limits = Limits { idle: None, age: None };
        let mut lifetime = Lifetime::new(Instant::now());
        let mut usable = |max| {
            lifetime.heed(KeepAlive { timeout: None, max });
            lifetime.usable_until(Instant::now(), limits).is_some()
        };
        assert_eq!([usable(Some(2)), usable(None), usable(None)], [true, true, false]);
        assert_eq!([usable(Some(1)), usable(Some(0))], [true, false]);
    }

    proptest::proptest! {
        #[test]
        fn any_header_is_read(line in "[ -~é\t]{0,40}", seconds in 0_u64..1000, end in "[ ,;s.\"]") {
            let announced = read(&[&format!("{line},timeout={seconds}{end}{line}")]);
            proptest::prop_assert!(announced.0.is_some_and(|timeout| timeout <= seconds));
        }
    }
}
