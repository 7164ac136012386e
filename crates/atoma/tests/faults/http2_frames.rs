//! Rows 100–102 and 106: hostile frames, and frames that nobody reads.

use crate::{
    http2::{CUT, healthy, then},
    lab::{
        Gate,
        Is::{self, ApiError, MayBeBilled, Retryable, TooLarge, Unexpected},
        Lab, Script, arrived, asking,
        h2::{
            CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, NO_ERROR, PING, begin, data,
            fields, frame, good_body, head, on_request, opened, request as next_request,
            request_head, reset, responding, send_good, send_in_frames, serve_h2, setting,
            stream_head, streamed, window_update,
        },
        memory,
        responses::{GOOD, events},
        within,
    },
};
use atoma::ChatCompletionStream;
use atoma_transport::ErrorKind;
use bytes::Bytes;

const LOST: [Is; 2] = [Retryable, MayBeBilled];
const NOT_BELIEVED: [Is; 1] = [MayBeBilled];
const TOO_LARGE: [Is; 2] = [TooLarge, MayBeBilled];

/// Streams that have begun and that nobody reads, all on the first connection.
async fn unread(lab: &Lab, count: usize) -> Vec<ChatCompletionStream> {
    let mut streams = Vec::new();
    for _ in 0..count {
        streams.push(lab.open().await.unwrap());
    }
    assert_eq!(lab.server.log().accepted(), 1);
    streams
}

/// Sends `filler` on the first `count` streams, as far as the window allows, and then a good
/// response; responds to all others immediately. Opens `filled` each time the client has taken all
/// filler of a stream.
fn flooding(count: usize, filler: Bytes, size: usize, filled: &Gate) -> Script {
    let filled = filled.clone();
    responding(
        |_| {},
        move |number, request, respond| {
            let (filler, filled) = (filler.clone(), filled.clone());
            async move {
                if number >= count {
                    return send_good(&request, respond);
                }
                let mut stream = begin(&request, respond);
                if send_in_frames(&mut stream, filler.clone(), size).await == filler.len() {
                    filled.open();
                }
                let _ = stream.send_data(good_body(&request).into(), true);
            }
        },
    )
}

#[tokio::test]
async fn row_100_small_frames_at_slow_readers() {
    // 25,000 comments of ten bytes for each of four streams: less than the window of each.
    let comments = Bytes::from(": comment\n".repeat(25_000));
    let filled = Gate::new();
    let lab = serve_h2([flooding(4, comments, 10, &filled)]).start().await;
    let streams = unread(&lab, 4).await;
    for _ in 0..4 {
        within(filled.passed()).await;
    }
    lab.unary().await.ok(GOOD).connections(1);
    lab.stream().await.ok(GOOD).connections(1);
    for stream in streams {
        lab.rest_of(stream, "").await.ok(GOOD).connections(1);
    }
    healthy(lab).await;
}

#[test]
fn row_100_an_unread_stream_costs_its_window() {
    memory::stays_within(
        12 << 20,
        "http2_frames::row_100_an_unread_stream_costs_its_window",
        || async {
            // As many frames as the window has bytes.
            let flood = data(1, 0, "\n").repeat(262_144);
            let script = on_request().write(stream_head(1)).write(flood).run(next_request);
            let lab = serve_h2([script.write(streamed(3, GOOD)).until_closed()]).start().await;
            let unread = lab.open().await.unwrap();
            lab.stream().await.ok(GOOD).connections(1).requests(2);
            drop(unread);
            lab.closes("another call was made meanwhile").await;
        },
    );
}

#[tokio::test]
async fn row_101_streams_that_nobody_reads() {
    // Each of twelve streams has more to send than its window allows.
    let comments = Bytes::from(format!(":{}\n", "x".repeat(998)).repeat(1_000));
    let lab = serve_h2([flooding(12, comments, 16 << 10, &Gate::new())]).start().await;
    let streams = unread(&lab, 12).await;
    for _ in 0..4 {
        lab.stream().await.ok(GOOD).connections(1);
    }
    for stream in streams {
        lab.rest_of(stream, "").await.ok(GOOD).connections(1);
    }
    healthy(lab).await;
}

#[tokio::test]
async fn row_102_attacks() {
    let grow = |stream| window_update(stream, u32::MAX >> 1);
    let continued = |count: usize| {
        let begin = frame(HEADERS, 0, 1, &fields(&[(":status", "200")]));
        let more = frame(CONTINUATION, 0, 1, &fields(&[("x", "y")]));
        [begin, more.repeat(count)].concat()
    };
    let attacks = [
        ("a window grown by nothing", window_update(0, 0), ErrorKind::BodyInterrupted),
        ("a stream's window grown by nothing", window_update(1, 0), ErrorKind::BodyInterrupted),
        ("a window too large", [grow(0), grow(0)].concat(), ErrorKind::BodyInterrupted),
        ("a stream's window too large", [grow(1), grow(1)].concat(), ErrorKind::BodyInterrupted),
        (
            "headers that are not HPACK",
            frame(HEADERS, 5, 1, &[0xff; 40]),
            ErrorKind::BodyInterrupted,
        ),
        ("an index that does not exist", frame(HEADERS, 5, 1, &[0xbe]), ErrorKind::BodyInterrupted),
        (
            "a frame longer than allowed",
            frame(DATA, 0, 1, &[b':'; 20_000]),
            ErrorKind::BodyInterrupted,
        ),
        (
            "more than the window",
            data(1, 0, &" ".repeat(16_000)).repeat(17),
            ErrorKind::BodyInterrupted,
        ),
        ("101 empty frames", data(1, 0, "").repeat(101), ErrorKind::TooLarge),
        ("data for a stream that is none", data(3, 0, "x"), ErrorKind::BodyInterrupted),
        ("settings out of range", setting(4, u32::MAX), ErrorKind::BodyInterrupted),
        ("a ping of the wrong size", frame(PING, 0, 0, &[0; 7]), ErrorKind::BodyInterrupted),
    ];
    for (name, frames, kind) in attacks {
        println!("case: {name}");
        let lab = serve_h2([then(&[frames])]).start().await;
        let outcome = lab.stream().await;
        outcome.kind(kind).after("Hel").attempts(1).connections(1).requests(1);
        healthy(lab).await;
    }
    for (name, frames) in [
        ("endless CONTINUATION", continued(1_000)),
        ("a head without a status, and again", head(1, 0, &[("x", "y")]).repeat(2)),
    ] {
        println!("case: {name}");
        let lab = serve_h2([on_request().write(frames)]).start().await;
        let outcome = lab.stream().await;
        assert!(outcome.error().may_have_been_processed(), "{:?}", outcome.error());
        outcome.attempts(1).connections(1).requests(1);
        healthy(lab).await;
    }
    // The client acknowledges what it must, and a call succeeds all the same.
    let flood = [frame(PING, 0, 0, &[0; 8]), setting(3, 100)].concat().repeat(10_000);
    let lab = serve_h2([on_request().write(flood).write(streamed(1, GOOD))]).start().await;
    lab.stream().await.ok(GOOD).attempts(1).connections(1);
    healthy(lab).await;
}

#[tokio::test]
async fn row_102_rapid_resets() {
    // The server refuses each of 500 streams as soon as it is open, and keeps the connection open.
    let refusing = responding(
        |_| {},
        |number, request, mut respond| async move {
            if number < 500 {
                return respond.send_reset(h2::Reason::INTERNAL_ERROR);
            }
            send_good(&request, respond);
        },
    );
    let lab = serve_h2([refusing]).start().await;
    for _ in 0..500 {
        lab.unary().await.is(LOST).kind(ErrorKind::ConnectionLost).attempts(1).connections(1);
    }
    lab.unary().await.ok(GOOD).connections(1);
    healthy(lab).await;
}

#[tokio::test]
async fn row_106_invalid_heads() {
    let label = ("content-type", "text/event-stream");
    let many: Vec<_> = (0..101).map(|_| ("x", "y")).chain([(":status", "200")]).rev().collect();
    let long = "y".repeat(70_000);
    let in_two = |block: Vec<u8>| {
        let pieces: Vec<_> = block.chunks(16_000).collect();
        let last = pieces.len() - 1;
        let frames = pieces.iter().enumerate().map(|(number, piece)| {
            let kind = if number == 0 { HEADERS } else { CONTINUATION };
            frame(kind, if number == last { END_HEADERS } else { 0 }, 1, piece)
        });
        frames.collect::<Vec<_>>().concat()
    };
    for (name, frames, is, kind) in [
        ("no :status", head(1, END_STREAM, &[label]), &NOT_BELIEVED[..], ErrorKind::Protocol),
        (
            "a :status that is none",
            head(1, 0, &[(":status", "2x0")]),
            &NOT_BELIEVED,
            ErrorKind::Protocol,
        ),
        (
            "70 KB",
            in_two(fields(&[(":status", "200"), ("x", &long)])),
            &TOO_LARGE,
            ErrorKind::TooLarge,
        ),
        ("102 lines", in_two(fields(&many)), &TOO_LARGE, ErrorKind::TooLarge),
    ] {
        println!("case: {name}");
        let lab = serve_h2([on_request().write(frames)]).start().await;
        let outcome = lab.stream().await;
        match is {
            [_] => outcome.is(NOT_BELIEVED),
            _ => outcome.is(TOO_LARGE),
        };
        outcome.kind(kind).attempts(1).connections(1).requests(1);
        healthy(lab).await;
    }

    let status = (":status", "200");
    let trailers = head(1, END_STREAM, &[("grpc-status", "0")]);
    for (name, frames) in [
        ("nothing but a head", head(1, END_STREAM, &[status, label])),
        ("trailers immediately", [stream_head(1), trailers].concat()),
    ] {
        println!("case: {name}");
        let lab = serve_h2([on_request().write(frames.clone()), on_request().write(frames)]);
        let lab = lab.start().await;
        lab.stream().await.is(CUT).after("").status(200).attempts(1).connections(1);
        arrived().await;
        let outcome = lab.unary().await;
        outcome.is([Unexpected, MayBeBilled]).status(200).attempts(1).connections(2);
        healthy(lab).await;
    }

    let wide = [(":status", "200"), label, ("x", &long[..40_000])];
    let frames = [in_two(fields(&wide)), data(1, END_STREAM, &events(GOOD))].concat();
    let lab = serve_h2([on_request().write(frames)]).start().await;
    lab.stream().await.ok(GOOD).attempts(1).connections(1);
    healthy(lab).await;
}

#[tokio::test]
async fn interim_responses_count_like_the_head() {
    let interim = |count: usize| head(1, 0, &[(":status", "103"), ("link", "</x>")]).repeat(count);
    let lab = serve_h2([on_request().write(interim(100)).write(streamed(1, GOOD))]).start().await;
    lab.stream().await.ok(GOOD).attempts(1).connections(1);
    healthy(lab).await;

    let lab = serve_h2([on_request().write(interim(1_000)).write(streamed(1, GOOD))]).start().await;
    let outcome = lab.stream().await;
    outcome.is(TOO_LARGE).kind(ErrorKind::TooLarge).attempts(1).connections(1);
    healthy(lab).await;
}

#[tokio::test]
async fn a_refusal_before_the_request_was_read_counts() {
    // 1 MB is more than the server's window, and the server reads no further.
    let error_response = head(1, END_STREAM, &[(":status", "413")]);
    let error_response = [error_response, reset(1, NO_ERROR), window_update(0, 1 << 20)].concat();
    let script = opened().run(request_head).write(error_response).run(next_request);
    let lab = serve_h2([script.write(streamed(3, GOOD)).until_closed()]).start().await;
    let outcome = lab.unary_of(asking(&"?".repeat(1 << 20))).await;
    outcome.is([ApiError]).status(413).attempts(1).connections(1);
    lab.stream().await.ok(GOOD).connections(1);
    lab.closes("the stream above is the next call").await;
}
