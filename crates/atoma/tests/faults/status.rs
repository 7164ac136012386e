//! Rows 107–113: the status and the headers of a response.

use crate::lab::{
    Good as _,
    Is::{ApiError, MayBeBilled, Retryable, Unexpected},
    Outcome, Script, memory, request,
    responses::{GOOD, response},
    serve, settle,
    tls::serve_tls,
    turn, within,
};
use atoma::{RetryConfig, RetryEvent};
use atoma_transport::FailureCause;
use std::{
    future::Future,
    io,
    net::TcpListener,
    sync::{Arc, Mutex},
    time::Duration,
};

const SECOND: Duration = Duration::from_secs(1);
const MOMENT: Duration = Duration::from_millis(1);
const MIB: u64 = 1 << 20;

/// The effect of the headers by which a server asks for a wait.
#[derive(Clone, Copy, Debug)]
enum Asked {
    /// Waits for this many milliseconds plus up to 10 %, but at least for 50.
    Wait(u64),
    /// Does not wait, because it would be too long; the error returns this many seconds.
    TooLong(u64),
    /// Uses the client's own backoff: a millisecond, here.
    Nothing,
}

const DATE: &str = "date: Sun, 06 Nov 1994 08:49:00 GMT";

const ASKED: [(&str, &[&str], Asked); 31] = [
    ("seconds", &["retry-after: 5"], Asked::Wait(5_000)),
    ("nothing", &["retry-after: 0"], Asked::Wait(0)),
    ("a fraction", &["retry-after: 1.5"], Asked::Wait(1_500)),
    ("blanks around", &["retry-after: \t 2  "], Asked::Wait(2_000)),
    ("the most that is waited for", &["retry-after: 60"], Asked::Wait(60_000)),
    ("a second more", &["retry-after: 61"], Asked::TooLong(61)),
    ("millennia", &["retry-after: 99999999999"], Asked::TooLong(99_999_999_999)),
    ("more than there is", &["retry-after: 99999999999999999999999"], Asked::TooLong(u64::MAX)),
    ("negative", &["retry-after: -1"], Asked::Nothing),
    ("an exponent", &["retry-after: 1e309"], Asked::Nothing),
    ("no number", &["retry-after: nan"], Asked::Nothing),
    ("infinite", &["retry-after: inf"], Asked::Nothing),
    ("empty", &["retry-after:"], Asked::Nothing),
    ("a dot", &["retry-after: ."], Asked::Nothing),
    ("two dots", &["retry-after: 1.2.3"], Asked::Nothing),
    ("garbage", &["retry-after: soon \u{1f980}"], Asked::Nothing),
    ("IMF-fixdate", &[DATE, "retry-after: Sun, 06 Nov 1994 08:49:37 GMT"], Asked::Wait(37_000)),
    ("RFC 850", &[DATE, "retry-after: Sunday, 06-Nov-94 08:49:37 GMT"], Asked::Wait(37_000)),
    ("asctime", &[DATE, "retry-after: Sun Nov  6 08:49:37 1994"], Asked::Wait(37_000)),
    ("an hour", &[DATE, "retry-after: Sun, 06 Nov 1994 09:49:00 GMT"], Asked::TooLong(3_600)),
    ("past", &[DATE, "retry-after: Sun, 06 Nov 1994 08:48:00 GMT"], Asked::Wait(0)),
    ("past here", &["retry-after: Sun, 06 Nov 1994 08:48:00 GMT"], Asked::Wait(0)),
    ("year 100000", &[DATE, "retry-after: Sun, 06 Nov 100000 08:49:37 GMT"], Asked::Nothing),
    ("no such day", &[DATE, "retry-after: Sun, 31 Feb 1994 08:49:37 GMT"], Asked::Nothing),
    ("two", &["retry-after: 1", "retry-after: 3"], Asked::Wait(3_000)),
    ("garbage and a number", &["retry-after: soon", "retry-after: 3"], Asked::Wait(3_000)),
    ("milliseconds", &["retry-after-ms: 250"], Asked::Wait(250)),
    ("milliseconds first", &["retry-after: 7", "retry-after-ms: 250"], Asked::Wait(250)),
    ("bad milliseconds", &["retry-after: 7", "retry-after-ms: x"], Asked::Wait(7_000)),
    ("a minute of milliseconds", &["retry-after-ms: 60001.5"], Asked::TooLong(60)),
    ("no header", &[], Asked::Nothing),
];

#[tokio::test]
async fn row_107_retry_after_in_every_form() {
    for (name, headers, asked) in ASKED {
        let error_response = response("429 Too Many Requests", headers, "");
        let waits = Arc::new(Mutex::new(Vec::new()));
        let hears = Arc::clone(&waits);
        let hook = move |event: &RetryEvent| hears.lock().unwrap().push(event.wait);
        let script = Script::on_request()
            .write(&error_response)
            .request()
            .write(&error_response)
            .then_good();
        let lab =
            serve([script]).manual_clock().client(|client| client.on_retry(hook)).start().await;

        let once = lab.client.chat().create(request()).retries(RetryConfig::none());
        let error = within(once.into_future()).await.unwrap_err();
        let actual = error.retry_after();
        let outcome = Outcome::failed(lab.server.log(), String::new(), error);
        outcome.is([ApiError, Retryable]).status(429).attempts(1).requests(1);
        match asked {
            Asked::Nothing => assert_eq!(actual, None, "{name}"),
            Asked::Wait(wait) => assert_eq!(actual, Some(Duration::from_millis(wait)), "{name}"),
            Asked::TooLong(least) => assert_eq!(actual.unwrap().as_secs(), least, "{name}"),
        }

        let mut call = Box::pin(lab.unary());
        if let Asked::TooLong(_) = asked {
            let outcome = within(call.as_mut()).await;
            outcome.is([ApiError, Retryable]).status(429).attempts(1).requests(2);
            assert_eq!(waits.lock().unwrap().len(), 0, "{name}");
        } else {
            let wait = within(first_wait(&waits, &mut call)).await;
            let (least, most) = match asked {
                Asked::Wait(wait) => (wait.max(50), (wait * 11 / 10).max(50)),
                _ => (1, 1),
            };
            let range = Duration::from_millis(least)..=Duration::from_millis(most);
            assert!(range.contains(&wait), "{name}: {wait:?}");
            let nearly = wait.saturating_sub(MOMENT / 2);
            lab.clock().advance(nearly);
            assert!(settle(&mut call).await.is_none(), "{name}: it did not wait");
            lab.clock().advance(wait - nearly);
            within(call.as_mut()).await.ok(GOOD).attempts(2).requests(3);
        }
        drop(call);
        lab.healthy().await;
    }
}

/// Runs `call`, which must not end, until it has announced the wait before a retry.
async fn first_wait(waits: &Mutex<Vec<Duration>>, call: &mut (impl Future + Unpin)) -> Duration {
    loop {
        assert!(turn(call).await.is_none(), "it ended without a retry");
        if let Some(wait) = waits.lock().unwrap().first() {
            return *wait;
        }
    }
}

#[tokio::test]
async fn row_108_a_quota_that_is_used_up() {
    for (status, body) in [
        ("429 Too Many Requests", r#"{"error":{"message":"m","code":"insufficient_quota"}}"#),
        ("429 Too Many Requests", r#"{"error":{"message":"m","type":"insufficient_quota"}}"#),
        ("429 Too Many Requests", r#"{"error":{"code":"BALANCE_ERROR","message":"m"}}"#),
        ("402 Payment Required", r#"{"error":{"code":"BALANCE_ERROR","message":"m"}}"#),
    ] {
        for headers in [&[][..], &["retry-after: 1"], &["x-should-retry: true"]] {
            let error_response = response(status, headers, body);
            let script =
                Script::on_request().write(&error_response).request().write(&error_response);
            let lab = serve([script.then_good()]).start().await;
            let number = status[..3].parse().unwrap();
            lab.unary().await.is([ApiError]).status(number).attempts(1).requests(1);
            lab.stream().await.is([ApiError]).status(number).attempts(1).requests(2);
            lab.healthy().await;
        }
    }
}

#[tokio::test]
async fn row_109_a_retry_after_of_an_hour() {
    for (status, number) in [("503 Service Unavailable", 503), ("429 Too Many Requests", 429)] {
        let error_response = response(status, &["retry-after: 3600"], "");
        let lab = serve([Script::on_request().write(error_response).then_good()]);
        let lab = lab.manual_clock().start().await;
        let outcome = lab.stream().await;
        outcome.status(number).attempts(1).requests(1).lasted(Duration::ZERO);
        assert_eq!(outcome.error().retry_after(), Some(3_600 * SECOND));
        assert!(outcome.error().is_retryable());
        lab.healthy().await;
    }
}

#[test]
fn row_110_a_page_of_10_mb() {
    memory::stays_within(24 * MIB, "status::row_110_a_page_of_10_mb", || async {
        let head = "HTTP/1.1 502 Bad Gateway\r\ncontent-type: text/html\r\n\r\n<html>";
        let page = Script::on_request().write(head).flood("<p>\n".repeat(1 << 14), 10_000_000);
        let lab = serve([page.clone(), page.clone(), page.clone()]).start().await;
        let outcome = lab.unary().await;
        outcome.is([ApiError, Retryable, MayBeBilled]).status(502).attempts(3).connections(3);
        lab.healthy().await;

        let lab = serve([page.clone(), page]).start().await;
        lab.stream().await.ok(GOOD).attempts(3).connections(3);
        lab.healthy().await;
    });
}

#[tokio::test]
async fn row_110_a_page_that_is_empty_or_interrupted() {
    const HEAD: &str = "HTTP/1.1 500 Internal Server Error\r\n";
    let with_page = |rest: &str| Script::on_request().write([HEAD, rest].concat());
    for (name, script) in [
        ("empty", with_page("content-length: 0\r\nconnection: close\r\n\r\n")),
        ("empty, until closed", with_page("\r\n")),
        ("cut", with_page("content-length: 9\r\n\r\n<ht")),
        ("reset", with_page("content-length: 9\r\n\r\n<ht").reset()),
        ("malformed chunks", with_page("transfer-encoding: chunked\r\n\r\nzz\r\n")),
        ("compressed", with_page("content-encoding: gzip\r\n\r\n\x1f\x08")),
    ] {
        for streams in [false, true] {
            let lab = serve([script.clone(), script.clone(), script.clone()]).start().await;
            let outcome = if streams { lab.stream().await } else { lab.unary().await };
            let error = outcome.error();
            assert_eq!(error.status().map(|status| status.as_u16()), Some(500), "{name}");
            outcome.is([ApiError, Retryable, MayBeBilled]).attempts(3).connections(3);
            lab.healthy().await;
        }
    }
}

#[tokio::test]
async fn row_110_a_page_that_stalls() {
    const PATIENCE: Duration = Duration::from_secs(5);
    for streams in [false, true] {
        let head = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 100\r\n\r\n{\"error\":";
        let stalled = Script::on_request().write(head).until_closed();
        let lab = serve([stalled.clone(), stalled.clone(), stalled]).manual_clock().start().await;
        let mut call =
            Box::pin(async { if streams { lab.stream().await } else { lab.unary().await } });
        for attempt in 1..=2 {
            lab.halts(attempt, &mut call).await;
            lab.clock().advance(PATIENCE);
            assert!(settle(&mut call).await.is_none());
            lab.clock().advance(MOMENT);
        }
        lab.halts(3, &mut call).await;
        let outcome = lab.expires_in(PATIENCE, &mut call).await;
        outcome.is([ApiError, Retryable, MayBeBilled]).status(503).attempts(3).connections(3);
        drop(call);
        lab.healthy().await;
    }
}

#[tokio::test]
async fn row_111_final_api_errors() {
    for (status, body, code) in [
        ("400 Bad Request", r#"{"error":{"code":"REQUEST_ERROR","message":"m"}}"#, "REQUEST_ERROR"),
        ("401 Unauthorized", r#"{"error":{"code":"AUTH_ERROR","message":"m"}}"#, "AUTH_ERROR"),
        ("403 Forbidden", r#"{"error":{"code":"FORBIDDEN","message":"m"}}"#, "FORBIDDEN"),
        ("404 Not Found", r#"{"error":{"code":"NOT_FOUND","message":"m"}}"#, "NOT_FOUND"),
        ("404 Not Found", "", ""),
        ("405 Method Not Allowed", "no", ""),
        ("413 Payload Too Large", "<html>too large</html>", ""),
        ("415 Unsupported Media Type", "Expected JSON", ""),
        (
            "422 Unprocessable Entity",
            r#"{"detail":[{"loc":["body"],"msg":"m","type":"missing"}]}"#,
            "",
        ),
        ("422 Unprocessable Entity", "Failed to deserialize", ""),
    ] {
        let error_response = response(status, &["x-request-id: req-7"], body);
        let script = Script::on_request()
            .write(&error_response)
            .request()
            .write(&error_response)
            .then_good();
        let lab = serve([script]).start().await;
        let number = status[..3].parse().unwrap();
        for outcome in [lab.unary().await, lab.stream().await] {
            outcome.is([ApiError]).status(number).attempts(1).says(status);
            outcome.connections(1).requests(2);
            let error = outcome.error();
            assert_eq!(error.request_id(), Some("req-7"));
            let [attempt] = &error.attempts().failed[..] else { panic!("{error:?}") };
            assert_eq!(attempt.cause, FailureCause::Status(error.status().unwrap()));
            if !code.is_empty() {
                assert_eq!(error.api_error().unwrap().code.as_deref(), Some(code));
            }
        }
        lab.healthy().await;
    }
}

#[tokio::test]
async fn row_112_redirects_are_not_followed() {
    let elsewhere = TcpListener::bind("127.0.0.1:0").unwrap();
    elsewhere.set_nonblocking(true).unwrap();
    let there = elsewhere.local_addr().unwrap();
    let port = there.port();
    for status in [
        "301 Moved",
        "302 Found",
        "303 See Other",
        "307 Temporary Redirect",
        "308 Permanent Redirect",
    ] {
        for location in [
            Some("/v2/chat/completions".to_owned()),
            Some("/v1/chat/completions".to_owned()),
            Some(format!("http://{there}/v1/chat/completions")),
            Some(format!("http://localhost:{port}/v1/chat/completions")),
            Some(format!("https://{there}/v1/chat/completions")),
            Some(format!("//{there}/v1/chat/completions")),
            Some("http:// no url".to_owned()),
            None,
        ] {
            let lines: Vec<_> = location.iter().map(|to| format!("location: {to}")).collect();
            let lines: Vec<_> = lines.iter().map(String::as_str).collect();
            let redirect = response(status, &lines, "");
            let script = Script::on_request().write(&redirect).request().write(&redirect);
            let lab = serve([script.then_good()]).start().await;
            for outcome in [lab.unary().await, lab.stream().await] {
                outcome.is([ApiError, MayBeBilled]).attempts(1).connections(1).requests(2);
                outcome.status(status[..3].parse().unwrap()).says("redirects are not followed");
            }
            lab.healthy().await;
        }
    }
    let nobody = elsewhere.accept().expect_err("the key has travelled");
    assert_eq!(nobody.kind(), io::ErrorKind::WouldBlock);
}

#[tokio::test]
async fn row_112_a_redirect_out_of_tls() {
    let elsewhere = TcpListener::bind("127.0.0.1:0").unwrap();
    elsewhere.set_nonblocking(true).unwrap();
    for status in ["301 Moved Permanently", "308 Permanent Redirect"] {
        let to = format!("location: http://{}/", elsewhere.local_addr().unwrap());
        let redirect = response(status, &[&to], "");
        let script = Script::on_request().write(&redirect).request().write(&redirect);
        let lab = serve_tls([], [script.then_good()]).start().await;
        for outcome in [lab.unary().await, lab.stream().await] {
            outcome.is([ApiError, MayBeBilled]).attempts(1).connections(1).requests(2);
        }
        lab.healthy().await;
    }
    let nobody = elsewhere.accept().expect_err("the key has travelled in the clear");
    assert_eq!(nobody.kind(), io::ErrorKind::WouldBlock);
}

#[tokio::test]
async fn row_113_a_page_in_place_of_a_response() {
    let page = "<!doctype html>\n<title>Log in to the hotel's network</title>";
    for headers in [&["content-type: text/html"][..], &["content-type: application/json"], &[]] {
        let portal = response("200 OK", headers, page);
        let script = Script::on_request().write(&portal).request().write(&portal).then_good();
        let lab = serve([script]).start().await;
        for outcome in [lab.unary().await, lab.stream().await] {
            outcome.is([Unexpected, MayBeBilled]).attempts(1);
            outcome.body_excerpt("<!doctype html> <title>Log in to the hotel's network</title>");
        }
        lab.healthy().await;
    }
}
