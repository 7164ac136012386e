//! Rows 39–58: the head over HTTP/1.

use crate::lab::{
    Gate, Good as _,
    Is::{self, ApiError, MayBeBilled, Retryable, Timeout, TooLarge, Truncated},
    Script, quick_retries,
    responses::{CHUNKED, GOOD, LAST_CHUNK, chunk, completion, event, events, response, whole},
    serve, within,
};
use atoma_transport::{ErrorKind, Phase, RetryConnectionErrors::Always};
use std::time::Duration;

const LOST: [Is; 2] = [Retryable, MayBeBilled];
const LATE: [Is; 3] = [Timeout, Retryable, MayBeBilled];
const NOT_BELIEVED: [Is; 1] = [MayBeBilled];
const TOO_LARGE: [Is; 2] = [TooLarge, MayBeBilled];

/// The default timeout for the head of a stream.
const PATIENCE: Duration = Duration::from_secs(300);

/// Sends each response, then closes: unary and streaming calls fail alike, immediately and without
/// a retry.
async fn fails<const N: usize>(
    kind: ErrorKind,
    is: [Is; N],
    responses: impl IntoIterator<Item = (&str, impl AsRef<[u8]>)>,
) {
    for (name, response) in responses {
        println!("case: {name}");
        let script = Script::on_request().write(response);
        let lab = serve([script.clone(), script]).start().await;
        let outcome = lab.unary().await;
        outcome.is(is).kind(kind).after("").attempts(1).connections(1).requests(1);
        let outcome = lab.stream().await;
        outcome.is(is).kind(kind).after("").attempts(1).connections(2).requests(2);
        lab.healthy().await;
    }
}

/// Sends each response and checks that the call succeeds.
async fn accepted(responses: impl IntoIterator<Item = (&'static str, String)>) {
    for (name, response) in responses {
        println!("case: {name}");
        let lab = serve([Script::on_request().write(response)]).start().await;
        let outcome = lab.unary().await;
        outcome.ok(GOOD).attempts(1).connections(1);
        lab.healthy().await;
    }
}

/// Sends a piece of a head after each `pause`: the pieces do not extend the timeout.
async fn late_in_spite_of(pieces: impl IntoIterator<Item = &str>, pause: Duration) {
    let gate = Gate::new();
    let slow = Script::on_request();
    let slow = pieces.into_iter().fold(slow, |slow, piece| slow.write(piece).pass(&gate));
    let lab = serve([slow]).manual_clock().start().await;
    let mut call = Box::pin(lab.stream());
    let (mut halts, mut left) = (1, PATIENCE);
    while left > pause {
        lab.halts(halts, &mut call).await;
        lab.clock().advance(pause);
        gate.open();
        (halts, left) = (halts + 1, left - pause);
    }
    lab.halts(halts, &mut call).await;
    let outcome = lab.expires_in(left, &mut call).await;
    drop(call);
    outcome.is(LATE).kind(ErrorKind::Timeout(Phase::Head)).lasted(PATIENCE);
    outcome.attempts(1).connections(1);
    lab.healthy().await;
}

#[tokio::test]
async fn row_039_never_responds() {
    let silent = Script::on_request().until_closed();
    let lab = serve([silent.clone()]).manual_clock().start().await;
    let outcome = lab.expires_after(PATIENCE, lab.stream()).await;
    outcome
        .is(LATE)
        .kind(ErrorKind::Timeout(Phase::Head))
        .lasted(PATIENCE)
        .attempts(1)
        .connections(1);
    lab.healthy().await;

    let lab = serve([silent]).manual_clock().start().await;
    let outcome = lab.expires_after(Duration::from_secs(600), lab.unary()).await;
    outcome
        .is(LATE)
        .kind(ErrorKind::Timeout(Phase::Total))
        .lasted(2 * PATIENCE)
        .attempts(1)
        .connections(1);
    lab.healthy().await;
}

#[tokio::test]
async fn row_040_half_a_head_and_then_silence() {
    let half = Script::on_request().write(&CHUNKED[..CHUNKED.len() / 2]);
    let lab = serve([half.until_closed()]).manual_clock().start().await;
    let outcome = lab.expires_after(PATIENCE, lab.stream()).await;
    outcome
        .is(LATE)
        .kind(ErrorKind::Timeout(Phase::Head))
        .lasted(PATIENCE)
        .attempts(1)
        .connections(1);
    lab.healthy().await;
}

#[tokio::test]
async fn row_040_a_head_byte_by_byte() {
    late_in_spite_of(CHUNKED.split_inclusive(|_| true), Duration::from_secs(29)).await;
}

#[tokio::test]
async fn row_041_half_a_head_and_then_closed() {
    let half = Script::on_request().write(&CHUNKED[..CHUNKED.len() / 2]);
    for ended in [half.clone().half_close(), half.clone().close(), half.reset()] {
        let lab = serve([ended.clone()]).start().await;
        let outcome = lab.stream().await;
        outcome.is(LOST).kind(ErrorKind::ConnectionLost).attempts(1).connections(1).requests(1);
        lab.healthy().await;

        let twice = quick_retries().retry_connection_errors(Always);
        let lab = serve([ended]).client(|client| client.retries(twice)).start().await;
        let outcome = lab.stream().await;
        outcome.ok(GOOD).attempts(2).connections(2).requests(2);
        lab.healthy().await;
    }
}

#[tokio::test]
async fn row_042_not_http() {
    fails(
        ErrorKind::Protocol,
        NOT_BELIEVED,
        [
            ("garbage", &b"\x00\x01\x02\xff\xfe garbage"[..]),
            ("a line of garbage", b"garbage\r\n\r\n"),
            ("HTTP/0.9", b"<html>hello</html>\n"),
            ("a banner", b"SSH-2.0-OpenSSH_9.6\r\n"),
            ("another protocol", b"220 mail.example ESMTP\r\n"),
        ],
    )
    .await;
}

#[tokio::test]
async fn row_043_a_status_line_of_http_2() {
    let response = whole(GOOD).replacen("HTTP/1.1", "HTTP/2.0", 1);
    fails(ErrorKind::Protocol, NOT_BELIEVED, [("HTTP/2.0", response)]).await;
}

#[tokio::test]
async fn row_044_http_1_0() {
    let head = "HTTP/1.0 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";
    let lab = serve([
        Script::on_request().write([head, &events(GOOD)].concat()),
        Script::on_request().write([head, &event("Hel")].concat()),
    ])
    .start()
    .await;
    lab.stream().await.ok(GOOD).attempts(1).connections(1);
    let cut = lab.stream().await;
    cut.is([Truncated, Retryable, MayBeBilled]).after("Hel").attempts(1).connections(2);
    lab.healthy().await;
}

#[tokio::test]
async fn row_044_http_1_0_connections_are_not_reused() {
    let response =
        whole(GOOD).replacen("HTTP/1.1 200 OK", "HTTP/1.0 200 OK\r\nconnection: keep-alive", 1);
    let lab = serve([Script::on_request().write(response).then_good()]).start().await;
    lab.unary().await.ok(GOOD).connections(1);
    lab.unary().await.ok(GOOD).attempts(1).connections(2);
    lab.healthy().await;
}

#[tokio::test]
async fn row_045_bare_line_feeds() {
    let bare = |response: String| response.replace("\r\n", "\n");
    let mixed = whole(GOOD).replacen("\r\n", "\n", 1);
    accepted([("all lines", bare(whole(GOOD))), ("one line", mixed)]).await;
}

#[tokio::test]
async fn row_046_a_status_without_three_digits() {
    let with = |status| whole(GOOD).replacen("200 OK", status, 1);
    let responses = ["099 Low", "99 Low", "2000 High", "-200 OK", "abc", ""].map(|s| (s, with(s)));
    fails(ErrorKind::Protocol, NOT_BELIEVED, responses).await;
}

#[tokio::test]
async fn row_047_a_status_of_999() {
    for (status, line) in [(600, "600 Odd"), (799, "799 "), (999, "999 Odd")] {
        for streams in [false, true] {
            let response = whole(GOOD).replacen("200 OK", line, 1);
            let script = Script::on_request().write(response);
            let lab = serve([script.clone(), script.clone(), script]).start().await;
            let outcome = if streams { lab.stream().await } else { lab.unary().await };
            outcome.is([ApiError, Retryable, MayBeBilled]).status(status).attempts(3);
            lab.healthy().await;
        }
    }
}

#[tokio::test]
async fn row_048_no_reason() {
    let with = |status| whole(GOOD).replacen("200 OK", status, 1);
    accepted([("a space", with("200 ")), ("no space", with("200"))]).await;
}

#[tokio::test]
async fn row_049_interim_responses() {
    let hints = "HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n".repeat(3);
    let response = ["HTTP/1.1 100 Continue\r\n\r\n", &hints, &whole(GOOD)].concat();
    accepted([("100 and three times 103", response)]).await;
}

#[tokio::test]
async fn row_050_interim_responses_without_end() {
    let flood = Script::on_request().flood("HTTP/1.1 102 Processing\r\n\r\n".repeat(100), 1 << 30);
    let lab = serve([flood]).start().await;
    let outcome = lab.stream().await;
    outcome.is(TOO_LARGE).kind(ErrorKind::TooLarge).says("headers").attempts(1).connections(1);
    within(lab.server.wait_for(|log| log.flooded() > 0)).await;
    let taken = lab.server.log().flooded();
    assert!(taken < 16 << 20, "{taken} bytes were taken");
    lab.healthy().await;
}

#[tokio::test]
async fn row_050_interim_responses_do_not_restart_the_timeout() {
    let processing = ["HTTP/1.1 102 Processing\r\n\r\n"; 4];
    late_in_spite_of(processing, Duration::from_secs(99)).await;
}

#[tokio::test]
async fn row_051_an_unrequested_upgrade() {
    let response =
        b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\nxxxx";
    fails(ErrorKind::Protocol, NOT_BELIEVED, [("101", response)]).await;
}

#[tokio::test]
async fn row_052_a_head_of_1_mib() {
    let line = format!("x: {}", "y".repeat(1 << 20));
    let lines =
        vec!["x-padding: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy"; 15_000];
    let one = response("200 OK", &[&line], &completion(GOOD));
    let many = response("200 OK", &lines, &completion(GOOD));
    let responses = [("one line", one), ("many lines", many)];
    fails(ErrorKind::TooLarge, TOO_LARGE, responses).await;
}

#[tokio::test]
async fn row_053_101_header_lines() {
    let lines: Vec<String> = (0..101).map(|number| format!("x-{number}: y")).collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let response = |lines: &[&str]| response("200 OK", lines, &completion(GOOD));
    let over = response(&lines);
    fails(ErrorKind::TooLarge, TOO_LARGE, [("102 with the length", over)]).await;
    accepted([("100 with the length", response(&lines[..99]))]).await;
}

#[tokio::test]
async fn row_054_header_values_that_are_not_ascii() {
    for bytes in [&b"caf\xe9"[..], b"\xff\xfe\x80", "naïve ✓".as_bytes()] {
        for name in ["x-request-id", "content-type", "retry-after", "server", "x-should-retry"] {
            let mut response = format!("HTTP/1.1 200 OK\r\n{name}: ").into_bytes();
            response.extend_from_slice(bytes);
            let body = completion(GOOD);
            response.extend_from_slice(
                format!("\r\ncontent-length: {}\r\n\r\n{body}", body.len()).as_bytes(),
            );
            let error_response =
                [b"HTTP/1.1 404 Not Found", &response["HTTP/1.1 200 OK".len()..]].concat();
            let lab = serve([Script::on_request()
                .write(response.clone())
                .request()
                .write(error_response)
                .then_good()])
            .start()
            .await;
            lab.unary().await.ok(GOOD).attempts(1).connections(1);
            lab.unary().await.is([ApiError]).status(404).attempts(1).connections(1);
            lab.healthy().await;
        }
    }
}

#[tokio::test]
async fn row_055_malformed_header_lines() {
    let lines = [
        ("a NUL", "x: y\0z"),
        ("a folded line", "x: y\r\n z"),
        ("a space before the colon", "x : y"),
        ("no colon", "xy"),
        ("a space in the name", "x y: z"),
    ];
    let responses =
        lines.map(|(name, line)| (name, response("200 OK", &[line], &completion(GOOD))));
    fails(ErrorKind::Protocol, NOT_BELIEVED, responses).await;
}

#[tokio::test]
async fn row_056_lengths_that_cannot_be() {
    let cases = [
        ("two that differ", "content-length: 2\r\ncontent-length: 3"),
        ("a list that differs", "content-length: 2, 3"),
        ("negative", "content-length: -2"),
        ("signed", "content-length: +2"),
        ("no number", "content-length: two"),
        ("larger than any number", "content-length: 18446744073709551616"),
    ];
    let responses =
        cases.map(|(name, lines)| (name, format!("HTTP/1.1 200 OK\r\n{lines}\r\n\r\n{{}}")));
    fails(ErrorKind::Protocol, NOT_BELIEVED, responses).await;
}

#[tokio::test]
async fn row_057_a_length_and_a_transfer_coding() {
    let head = CHUNKED.replacen("transfer", "content-length: 5\r\ntransfer", 1);
    let response = [&head, &chunk(&events(GOOD))[..], LAST_CHUNK].concat();
    let lab = serve([Script::on_request().write(response).then_good()]).start().await;
    lab.stream().await.ok(GOOD).attempts(1).connections(1);
    lab.stream().await.ok(GOOD).attempts(1).connections(2);
    lab.healthy().await;
}

#[tokio::test]
async fn row_058_a_transfer_coding_that_is_not_chunked() {
    let codings = ["gzip, chunked", "gzip", "identity", "chunked, gzip", "chunked, chunked", "x"];
    let body = [&chunk(&events(GOOD)), LAST_CHUNK].concat();
    let responses = codings.map(|coding| {
        (coding, format!("HTTP/1.1 200 OK\r\ntransfer-encoding: {coding}\r\n\r\n{body}"))
    });
    fails(ErrorKind::Protocol, NOT_BELIEVED, responses).await;
}
