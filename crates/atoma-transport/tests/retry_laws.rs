//! Laws of the retry layer, over arbitrary servers.

use atoma_transport::{
    Attempts, Delivery, ErrorKind, Phase, Request, Retry, RetryBudget, RetryConfig,
    RetryConnectionErrors, Timeout, Timeouts, Transport, TransportError, retry_after,
    testing::{Exchange, ManualTimer, ScriptedTransport},
};
use http::{HeaderMap, HeaderValue, StatusCode, Uri};
use proptest::{collection::vec, prelude::*};
use std::time::{Duration, SystemTime};

const SECOND: Duration = Duration::from_secs(1);

/// The server's reaction to one request.
#[derive(Clone, Debug)]
enum Deed {
    Response { status: u16, after: u64, retry_after: Option<String> },
    Fail { kind: ErrorKind, sent: Delivery },
    Silence,
}

impl Deed {
    fn exchange(&self) -> Exchange {
        match self {
            Self::Response { status, after, retry_after } => {
                let exchange = Exchange::respond(*status).head_after(Duration::from_millis(*after));
                match retry_after {
                    Some(value) => exchange.header("retry-after", value),
                    None => exchange,
                }
            }
            Self::Fail { kind, sent } => Exchange::fail(TransportError::new(*kind, *sent)),
            Self::Silence => Exchange::never(),
        }
    }
}

fn deeds(most: usize) -> impl Strategy<Value = Vec<Deed>> {
    let status = prop::sample::select(vec![200, 301, 400, 401, 408, 429, 500, 501, 503, 504]);
    let retry_after = prop::option::of("[0-9]{1,3}(\\.[0-9]{1,3})?|[ -~]{0,12}");
    let response = (status, 0..5000u64, retry_after)
        .prop_map(|(status, after, retry_after)| Deed::Response { status, after, retry_after });
    let kind = prop::sample::select(vec![
        ErrorKind::Connect,
        ErrorKind::Certificate,
        ErrorKind::ConnectionLost,
        ErrorKind::Protocol,
        ErrorKind::Timeout(Phase::Connect),
    ]);
    let sent = prop::sample::select(vec![Delivery::NotSent, Delivery::Unknown]);
    let fail = (kind, sent).prop_map(|(kind, sent)| Deed::Fail { kind, sent });
    vec(prop_oneof![4 => response, 2 => fail, 1 => Just(Deed::Silence)], most)
}

fn connection_errors() -> impl Strategy<Value = RetryConnectionErrors> {
    use RetryConnectionErrors::{Always, IfNotSent, Never};
    prop::sample::select(vec![Never, IfNotSent, Always])
}

fn request() -> Request {
    let mut request = Request::default();
    *request.uri_mut() = Uri::from_static("http://server.test/");
    request
}

proptest! {
    #[test]
    fn a_call_ends_in_time_within_its_attempts_and_reports_them(
        deeds in deeds(6),
        max_attempts in 1..6u32,
        retry in connection_errors(),
        total in 1..100u32,
        seed: u64,
    ) {
        let timer = ManualTimer::new();
        let server = ScriptedTransport::new(deeds.iter().map(Deed::exchange)).timer(timer.clone());
        let config = RetryConfig::default().max_attempts(max_attempts).retry_connection_errors(retry);
        let timed = Timeout::new(server.clone(), timer.clone(), Timeouts::none());
        let client = Retry::new(timed, timer.clone()).config(config).seed(seed);
        let mut request = request();
        request.extensions_mut().insert(Timeouts::none().head(4 * SECOND).total(total * SECOND));
        let outcome = timer.run(client.send(request));

        let attempts = match &outcome {
            Ok(response) => response.extensions().get::<Attempts>().unwrap(),
            Err(error) => error.attempts(),
        };
        prop_assert!(attempts.count <= max_attempts);
        prop_assert_eq!(attempts.count as usize, server.requests().len());
        prop_assert!(timer.elapsed() <= total * SECOND);
        prop_assert_eq!(attempts.elapsed, timer.elapsed());

        let has_succeeded = outcome.as_ref().is_ok_and(|response| response.status().is_success());
        prop_assert_eq!(attempts.failed.len(), attempts.count as usize - usize::from(has_succeeded));
        let waits = attempts.failed.iter().filter_map(|failed| failed.wait);
        prop_assert_eq!(waits.clone().count(), attempts.count as usize - 1);
        prop_assert!(waits.clone().all(|wait| wait >= Duration::from_millis(50)));
        prop_assert!(waits.clone().all(|wait| wait <= 66 * SECOND));
        let tried: Duration = attempts.failed.iter().map(|failed| failed.elapsed).sum();
        prop_assert!(tried + waits.sum::<Duration>() <= attempts.elapsed);

        if retry != RetryConnectionErrors::Always {
            let ambiguous = |deed: &&Deed| {
                matches!(deed, Deed::Silence | Deed::Fail { sent: Delivery::Unknown, .. })
            };
            let earlier = &deeds[..attempts.count as usize - 1];
            prop_assert_eq!(earlier.iter().find(ambiguous).map(|deed| format!("{deed:?}")), None);
        }
        drop(outcome);
        prop_assert_eq!((server.in_flight(), server.live_bodies(), timer.waiters()), (0, 0, 0));
    }

    /// Row 117.
    #[test]
    fn a_budget_bounds_the_attempts_that_a_server_receives(outcomes in vec(any::<bool>(), 400)) {
        let timer = ManualTimer::new();
        let status = |ok: &bool| Exchange::respond(if *ok { 200 } else { 503 });
        let server = ScriptedTransport::new(outcomes.iter().map(status));
        let budget = RetryBudget::default();
        let client = Retry::new(server.clone(), timer.clone()).budget(budget.clone());
        let (mut calls, mut successes) = (0, 0);
        while server.exchanges_left() > 3 {
            calls += 1;
            let response = timer.run(client.send(request())).unwrap();
            successes += usize::from(response.status().is_success());
            let received = outcomes.len() - server.exchanges_left();
            prop_assert!(received <= calls + 20 + successes / 5);
            prop_assert!(budget.tokens(request().uri()) <= 100);
        }
    }

    #[test]
    fn any_response_header_can_be_read(
        after in vec(any::<u8>(), 0..40),
        milliseconds in vec(any::<u8>(), 0..40),
        date in "(Sun|Mon), [0-9]{1,2} [A-Z][a-z]{2} [0-9]{2,6} [0-9:]{5,8} GMT|.{0,40}",
    ) {
        let mut headers = HeaderMap::new();
        for (name, bytes) in
            [("retry-after", &after[..]), ("retry-after-ms", &milliseconds), ("date", date.as_bytes())]
        {
            if let Ok(value) = HeaderValue::from_bytes(bytes) {
                headers.append(name, value);
            }
        }
        retry_after(&headers, SystemTime::now());
        retry_after(&headers, SystemTime::UNIX_EPOCH);
    }

    #[test]
    fn plain_seconds_are_read_exactly(seconds in 0..1_000_000_000u32, hundredths in 0..100u32) {
        let mut headers = HeaderMap::new();
        let text = format!("{seconds}.{hundredths:02}");
        headers.insert("retry-after", text.parse().unwrap());
        let read = retry_after(&headers, SystemTime::now()).unwrap();
        let exact = Duration::from_secs(seconds.into()) + Duration::from_millis(10) * hundredths;
        prop_assert!(read.abs_diff(exact) < Duration::from_micros(1), "{text}: {read:?}");
    }

    #[test]
    fn a_date_is_measured_from_the_server_s_date(at in 0..4_000_000_000u64, wait in 0..100_000u64) {
        let date = |seconds| {
            httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
        };
        let mut headers = HeaderMap::new();
        headers.insert("date", date(at).parse().unwrap());
        headers.insert("retry-after", date(at + wait).parse().unwrap());
        prop_assert_eq!(
            retry_after(&headers, SystemTime::UNIX_EPOCH),
            Some(Duration::from_secs(wait))
        );
    }
}

#[test]
fn many_failing_origins_use_bounded_memory() {
    let timer = ManualTimer::new();
    let server = ScriptedTransport::default();
    let client =
        Retry::new(server.clone(), timer.clone()).config(RetryConfig::default().max_attempts(2));
    for number in 0..3000 {
        server.push(Exchange::respond(503));
        server.push(Exchange::respond(503));
        let mut request = request();
        *request.uri_mut() = format!("http://server-{number}.test/").parse().unwrap();
        let response = timer.run(client.send(request)).unwrap();
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    }
    assert!(format!("{client:?}").contains("origins_not_full: 1024"), "{client:?}");
}
