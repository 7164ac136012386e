//! Rows 79–90: the content of an HTTP/1 body, and its pace.

use crate::lab::{
    Gate, Good as _,
    Is::{self, ApiError, MayBeBilled, Retryable, Timeout, TooLarge, Unexpected},
    Script, memory,
    responses::{
        CHUNKED, DONE, GOOD, LAST_CHUNK, STREAM, WHOLE, chunk, completion, event, events, finish,
        response, whole,
    },
    serve, settle, turn, within,
};
use atoma_transport::{ErrorKind, Phase};
use std::time::Duration;

const STALLED: [Is; 3] = [Timeout, Retryable, MayBeBilled];
const TOO_LARGE: [Is; 2] = [TooLarge, MayBeBilled];
const UNREADABLE: [Is; 2] = [Unexpected, MayBeBilled];

/// The default timeouts of a stream: until its first event, and between two events.
const BEFORE_FIRST: Duration = Duration::from_secs(300);
const BETWEEN: Duration = Duration::from_secs(120);
const SECOND: Duration = Duration::from_secs(1);
const MIB: u64 = 1 << 20;

#[tokio::test]
async fn row_079_silence_after_the_first_event() {
    let response = [CHUNKED, &chunk(&event("Hel"))].concat();
    let lab =
        serve([Script::on_request().write(response).until_closed()]).manual_clock().start().await;
    let outcome = lab.expires_after(BETWEEN, lab.stream()).await;
    outcome.stalled("Hel").lasted(BETWEEN).attempts(1).connections(1);
    lab.healthy().await;

    let response = &whole(GOOD)[..100];
    let lab =
        serve([Script::on_request().write(response).until_closed()]).manual_clock().start().await;
    let outcome = lab.expires_after(BETWEEN, lab.unary()).await;
    outcome
        .is(STALLED)
        .kind(ErrorKind::Timeout(Phase::Idle))
        .lasted(BETWEEN)
        .attempts(1)
        .connections(1);
    lab.healthy().await;
}

/// Sends `begin`, and then one byte of `bytes` each time the gate is opened.
fn trickling(begin: &str, bytes: &str, gate: &Gate) -> Script {
    let script = Script::on_request().write(begin).pass(gate);
    bytes.bytes().fold(script, |script, byte| script.write(vec![byte]).pass(gate))
}

#[tokio::test]
async fn row_080_a_byte_now_and_then() {
    let begun = [STREAM, &event("Hel")].concat();
    for (begin, text, limit) in [(STREAM, "", BEFORE_FIRST), (&begun, "Hel", BETWEEN)] {
        let gate = Gate::new();
        let lab = serve([trickling(begin, "data: {\"ab", &gate)]).manual_clock().start().await;
        let mut call = Box::pin(lab.stream());
        let (mut halts, mut left) = (1, limit);
        while left > 59 * SECOND {
            lab.halts(halts, &mut call).await;
            lab.clock().advance(59 * SECOND);
            gate.open();
            (halts, left) = (halts + 1, left - 59 * SECOND);
        }
        lab.halts(halts, &mut call).await;
        let outcome = lab.expires_in(left, &mut call).await;
        outcome.stalled(text).lasted(limit).attempts(1).connections(1);
        drop(call);
        lab.healthy().await;
    }
}

#[tokio::test]
async fn row_080_a_byte_of_a_unary_response_now_and_then() {
    let gate = Gate::new();
    let response = whole(GOOD);
    let (begin, rest) = response.split_at(response.len() - 20);
    let lab = serve([trickling(begin, rest, &gate)]).manual_clock().start().await;
    let mut call = Box::pin(lab.unary());
    for halts in 1..=10 {
        lab.halts(halts, &mut call).await;
        lab.clock().advance(59 * SECOND);
        gate.open();
    }
    lab.halts(11, &mut call).await;
    let outcome = lab.expires_in(10 * SECOND, &mut call).await;
    outcome
        .is(STALLED)
        .kind(ErrorKind::Timeout(Phase::Total))
        .lasted(600 * SECOND)
        .attempts(1)
        .connections(1);
    drop(call);
    lab.healthy().await;
}

#[test]
fn row_081_comments_without_end() {
    memory::stays_within(16 * MIB, "content::row_081_comments_without_end", || async {
        let begun = [STREAM, &event("Hel")].concat();
        for (begin, text, limit) in [(STREAM, "", BEFORE_FIRST), (&begun, "Hel", BETWEEN)] {
            let comments = ":\n".repeat(1 << 14);
            let script = Script::on_request().write(begin);
            let lab = serve([script.flood(comments, 1 << 40)]).manual_clock().start().await;
            let mut call = Box::pin(lab.stream());
            for _ in 0..20 {
                assert!(turn(&mut call).await.is_none());
            }
            lab.clock().advance(limit - SECOND);
            for _ in 0..20 {
                assert!(turn(&mut call).await.is_none(), "it ended too early");
            }
            lab.clock().advance(SECOND);
            let outcome = settle(&mut call).await.expect("it should have ended by now");
            outcome.stalled(text).attempts(1).connections(1);
            drop(call);
            within(lab.server.wait_for(|log| log.flooded() > MIB)).await;
            lab.healthy().await;
        }
    });
}

#[test]
fn row_082_a_line_of_1_gb() {
    memory::stays_within(32 * MIB, "content::row_082_a_line_of_1_gb", || async {
        for (begin, text) in [("data: ", ""), (&format!("{}data: ", event("Hel")), "Hel")] {
            let script = Script::on_request().write([STREAM, begin].concat());
            let lab = serve([script.flood("x".repeat(1 << 16), 1 << 30)]).start().await;
            lab.stream().await.is(TOO_LARGE).after(text).attempts(1).connections(1);
            within(lab.server.wait_for(|log| log.flooded() > 0)).await;
            let taken = lab.server.log().flooded();
            assert!(taken < 32 * MIB, "{taken} bytes were taken");
            lab.healthy().await;
        }
    });
}

#[test]
fn row_083_a_response_over_the_limit() {
    memory::stays_within(128 * MIB, "content::row_083_a_response_over_the_limit", || async {
        let lying = "HTTP/1.1 200 OK\r\ncontent-length: 1099511627776\r\n\r\n{\"id\":\"";
        let unbounded = "HTTP/1.1 200 OK\r\n\r\n{\"id\":\"";
        for (head, most) in [(lying, 16 * MIB), (unbounded, 64 * MIB)] {
            let flood = Script::on_request().write(head).flood("x".repeat(1 << 16), 1 << 40);
            let lab = serve([flood]).start().await;
            lab.unary().await.is(TOO_LARGE).attempts(1).connections(1);
            within(lab.server.wait_for(|log| log.flooded() > 0)).await;
            let taken = lab.server.log().flooded();
            assert!(taken < most, "{taken} bytes were taken");
            lab.healthy().await;
        }
    });
}

#[tokio::test]
async fn row_084_bytes_that_are_not_utf_8() {
    let response = |text: &[u8]| {
        let said = events("TEXT").into_bytes();
        let at = said.windows(4).position(|four| four == b"TEXT").unwrap();
        [STREAM.as_bytes(), &said[..at], text, &said[at + 4..]].concat()
    };
    for (bytes, text) in [
        (&b"a\xffb"[..], "a\u{fffd}b"),
        (b"a\xe2\x82", "a\u{fffd}"),
        (b"\xed\xa0\x80", "\u{fffd}\u{fffd}\u{fffd}"),
        ("naïve ✓ 🦀".as_bytes(), "naïve ✓ 🦀"),
    ] {
        let response = response(bytes);
        let marked = [STREAM.as_bytes(), b"\xef\xbb\xbf", &response[STREAM.len()..]].concat();
        let lab = serve([
            Script::on_request().write(response.clone()),
            Script::on_request().drip(response),
            Script::on_request().drip(marked),
        ])
        .start()
        .await;
        for connections in 1..=3 {
            lab.stream().await.ok(text).attempts(1).connections(connections);
        }
        lab.healthy().await;
    }
}

#[tokio::test]
async fn row_084_a_unary_response_that_is_not_utf_8() {
    for bytes in [&b"a\xff"[..], b"\xe2\x82", b"\xed\xa0\x80"] {
        let json = completion("TEXT").into_bytes();
        let at = json.windows(4).position(|four| four == b"TEXT").unwrap();
        let json = [&json[..at], bytes, &json[at + 4..]].concat();
        let lab = serve([Script::on_request().write([WHOLE.as_bytes(), &json].concat())]);
        let lab = lab.start().await;
        let outcome = lab.unary().await;
        outcome.ok(&String::from_utf8_lossy(bytes)).attempts(1).connections(1);
        lab.healthy().await;
    }
}

#[tokio::test]
async fn row_085_compressed_without_being_asked() {
    let gzip = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03";
    let bomb = [&gzip[..], &[0xed, 0xc1, 0x01, 0x0d, 0x00], &[0; 10_000]].concat();
    for (coding, body) in [
        ("gzip", &b"garbage"[..]),
        ("gzip", &bomb),
        ("gzip", gzip),
        ("br", b"\x0b\x02\x80"),
        ("deflate, gzip", gzip),
        ("gzip", events("poison").as_bytes()),
    ] {
        let head = format!("{}content-encoding: {coding}\r\n\r\n", &STREAM[..STREAM.len() - 2]);
        let script = Script::on_request().write([head.as_bytes(), body].concat());
        let lab = serve([script.clone(), script]).start().await;
        for outcome in [lab.stream().await, lab.unary().await] {
            outcome.is([MayBeBilled]).kind(ErrorKind::Encoding).after("").attempts(1).requests(2);
        }
        lab.healthy().await;
    }
}

#[tokio::test]
async fn row_086_json_that_cannot_be_read() {
    let good = completion(GOOD);
    let deep = "[".repeat(100_000);
    for (name, json) in [
        ("cut", good[..good.len() / 2].to_owned()),
        ("a string that is cut", good[..good.find("lab-model").unwrap() + 3].to_owned()),
        ("nested without end, where it is read", good.replacen("[{", &deep, 1)),
        ("nested without end, where it is not", good.replacen("{", &format!("{{\"x\":{deep}"), 1)),
        ("objects nested without end", "{\"a\":".repeat(100_000)),
    ] {
        println!("case: {name}");
        let unary = response("200 OK", &[], &json);
        let stream =
            [CHUNKED, &chunk(&event("Hel")), &chunk(&format!("data: {json}\n\n")), LAST_CHUNK];
        let lab =
            serve([Script::on_request().write(unary), Script::on_request().write(stream.concat())])
                .start()
                .await;
        let outcome = lab.unary().await;
        outcome.is(UNREADABLE).status(200).attempts(1).requests(1);
        assert!(outcome.error().body_excerpt().unwrap().chars().count() <= 201);
        let outcome = lab.stream().await;
        outcome.is(UNREADABLE).status(200).after("Hel").attempts(1).requests(2);
        assert!(outcome.error().body_excerpt().unwrap().chars().count() <= 201);
        lab.healthy().await;
    }
}

#[tokio::test]
async fn row_086_repeated_keys_and_nan_are_read() {
    let twice = |json: &str| {
        let nan = json.replace("\"created\":1", "\"created\":NaN,\"x\":-Infinity");
        nan.replace("\"model\":", "\"model\":\"other\",\"model\":")
    };
    let unary = response("200 OK", &[], &twice(&completion(GOOD)));
    let stream = [STREAM, &twice(&events(GOOD))].concat();
    let lab =
        serve([unary, stream].map(|response| Script::on_request().write(response))).start().await;
    lab.unary().await.ok(GOOD).attempts(1);
    lab.stream().await.ok(GOOD).attempts(1);
    lab.healthy().await;
}

#[tokio::test]
async fn row_087_an_error_inside_a_stream() {
    for (error, status, is) in [
        ("{\"code\":503,\"message\":\"overloaded\"}", 503, &[ApiError, Retryable, MayBeBilled][..]),
        ("{\"code\":429,\"message\":\"overloaded\"}", 429, &[ApiError, Retryable, MayBeBilled]),
        ("{\"code\":400,\"message\":\"overloaded\"}", 400, &[ApiError, MayBeBilled]),
    ] {
        for actual in [format!("data: {{\"error\":{error}}}\n\n"), format!("error: {error}\n\n")] {
            for begin in [String::new(), event("Hel")] {
                let response = [STREAM, &begin, &actual, &events("lo")].concat();
                let lab = serve([Script::on_request().write(response)]).start().await;
                let outcome = lab.stream().await;
                match is {
                    [a, b, c] => outcome.is([*a, *b, *c]),
                    is => outcome.is([is[0], is[1]]),
                };
                let text = if begin.is_empty() { "" } else { "Hel" };
                outcome.status(status).after(text).attempts(1).connections(1);
                assert_eq!(outcome.error().api_error().unwrap().message, "overloaded");
                lab.healthy().await;
            }
        }
    }
}

#[tokio::test]
async fn row_087_an_error_in_place_of_a_unary_response() {
    for body in [
        "{\"error\":{\"code\":503,\"message\":\"overloaded\"}}",
        "{\"error\":{\"code\":503,\"message\":\"overloaded\"},\"choices\":[]}",
    ] {
        let lab = serve([Script::on_request().write(response("200 OK", &[], body)).then_good()]);
        let lab = lab.start().await;
        let outcome = lab.unary().await;
        outcome.is([ApiError, Retryable, MayBeBilled]).status(503).attempts(1).connections(1);
        assert_eq!(outcome.error().api_error().unwrap().message, "overloaded");
        lab.healthy().await;
    }
}

#[tokio::test]
async fn row_088_bytes_after_done() {
    let counted = format!("{GOOD} and more");
    let more = [
        ("data: more\n\n".to_owned(), GOOD),
        ("x".repeat(60_000), GOOD),
        ("data: {\"choices\":[{\n\n".to_owned(), GOOD),
        // A gateway that puts several responses together marks the end of each.
        (event(" and more"), &counted),
    ];
    for (more, text) in more {
        let response = [CHUNKED, &chunk(&events(GOOD)), &chunk(&more), LAST_CHUNK].concat();
        let lab = serve([Script::on_request().write(response).then_good()]).start().await;
        lab.stream().await.ok(text).attempts(1).connections(1);
        lab.stream().await.ok(GOOD).attempts(1).connections(1);
        lab.healthy().await;
    }

    // On a paused clock, so that only the limit can end it.
    let flood = Script::on_request().write([CHUNKED, &chunk(&events(GOOD))].concat());
    let flood = flood.flood(chunk(&"x".repeat(60_000)), 1 << 40);
    let lab = serve([flood]).manual_clock().start().await;
    lab.stream().await.ok(GOOD).attempts(1).connections(1);
    within(lab.server.wait_for(|log| log.flooded() > 0)).await;
    assert!(lab.server.log().flooded() < 16 * MIB);
    lab.healthy().await;
}

#[tokio::test]
async fn row_088_a_body_that_never_ends_after_done() {
    let response = [CHUNKED, &chunk(&events(GOOD))].concat();
    let lab =
        serve([Script::on_request().write(response).until_closed()]).manual_clock().start().await;
    let outcome = lab.expires_after(Duration::from_millis(200), lab.stream()).await;
    outcome.ok(GOOD).attempts(1).connections(1);
    lab.healthy().await;
}

#[tokio::test]
async fn row_089_ten_minutes_of_events_from_a_server_that_stopped_reading() {
    let gate = Gate::new();
    let said = ["a", "b", "c", "d", "e", "f"];
    let script = Script::on_request().write(STREAM);
    let script = said.iter().fold(script, |script, text| script.write(event(text)).pass(&gate));
    let lab = serve([script.write(finish() + DONE).until_closed()]).manual_clock().start().await;
    let mut call = Box::pin(lab.stream());
    for halts in 1..=said.len() {
        lab.halts(halts, &mut call).await;
        lab.clock().advance(BETWEEN - SECOND);
        assert_eq!(lab.server.log().closed_by_client(), 0, "the client closed its half");
        gate.open();
    }
    lab.halts(said.len() + 1, &mut call).await;
    let outcome = lab.expires_in(Duration::from_millis(200), &mut call).await;
    outcome.ok("abcdef").attempts(1).connections(1);
    drop(call);
    lab.healthy().await;
}
