//! How the body of a stream is read: its beginning decides its format, and sizes are exact.

mod support;

use atoma::{ChatCompletionStream, transport::testing::Exchange};
use futures::{FutureExt, stream::FusedStream as _};
use support::{
    chunk, completion, event, hello_stream, last_chunk, request,
    scripted::{scripted, streamed},
};

const BLANK_LIMIT: usize = 64 << 10;

/// A response without a content type, in these frames.
fn unlabeled(frames: &[&str]) -> Exchange {
    let begin = Exchange::respond(200);
    frames.iter().fold(begin, |exchange, frame| exchange.body((*frame).to_owned()))
}

/// Opens the stream of this exchange.
fn open(exchange: Exchange) -> atoma::Result<ChatCompletionStream> {
    let (_, timer, builder) = scripted([exchange]);
    timer.run(builder.build().unwrap().chat().stream(request()))
}

#[test]
fn a_stream_without_a_label_is_opened_once_its_format_is_known() {
    let error = open(unlabeled(&["<html>"]).stall()).unwrap_err();
    assert!(error.is_unexpected_response(), "{error}");

    let (_, timer, builder) = scripted([unlabeled(&["\n", "d", "at"]).stall()]);
    let client = builder.build().unwrap();
    let opening = async { client.chat().stream(request()).now_or_never().is_none() };
    assert!(timer.run(opening), "the format is not known yet");
}

#[test]
fn a_stream_with_a_label_is_opened_before_its_first_byte() {
    let (_, timer, builder) = scripted([streamed().stall()]);
    let client = builder.build().unwrap();
    let opened = async { client.chat().stream(request()).now_or_never() };
    assert!(timer.run(opened).expect("the head is enough").is_ok());
}

#[test]
fn no_byte_of_a_beginning_in_several_frames_is_lost() {
    let body = hello_stream();
    let (first, rest) = body.split_at(1);
    for frames in
        [vec![first, rest], vec!["\n", first, rest], vec![&body[..2], &body[2..3], &body[3..]]]
    {
        let (_, timer, builder) = scripted([unlabeled(&frames)]);
        let chat = builder.build().unwrap().chat();
        let response = timer.run(async { chat.stream(request()).await?.into_response().await });
        assert_eq!(response.unwrap().text(), "hello", "{frames:?}");
    }
}

#[test]
fn at_most_64_kib_of_blanks_precede_a_response() {
    let body = completion("hello").to_string();
    for (blanks, is_read) in [(BLANK_LIMIT - 1, true), (BLANK_LIMIT, false)] {
        let blanks = "\n".repeat(blanks);
        let (_, timer, builder) = scripted([unlabeled(&[&blanks, &body])]);
        let chat = builder.build().unwrap().chat();
        let outcome = timer.run(async { chat.stream(request()).await?.into_response().await });
        match outcome {
            Ok(response) => assert!(is_read && response.text() == "hello"),
            Err(error) => assert!(!is_read && error.is_unexpected_response(), "{error}"),
        }
    }
}

#[test]
fn the_raw_body_of_a_reply_is_whole_where_it_was_labeled_as_a_stream() {
    let body = completion("hello").to_string();
    let (first, rest) = body.split_at(20);
    let exchange = streamed().body(first.to_owned()).body(rest.to_owned());
    let (_, timer, builder) = scripted([exchange]);
    let reply = timer.run(builder.build().unwrap().chat().create(request())).unwrap();
    assert_eq!(reply.text(), "hello");
    assert_eq!(reply.raw(), body.as_bytes());
}

#[test]
fn a_stream_yields_to_other_tasks_after_64_frames_without_a_chunk() {
    for (comments, yields) in [(62, false), (63, true)] {
        let flood = (0..comments).fold(streamed(), |exchange, _| exchange.body(": flood\n\n"));
        let exchange = flood.body(event(chunk("he"))).body(event(last_chunk()));
        let (_, timer, builder) = scripted([exchange]);
        let client = builder.build().unwrap();
        timer.run(async {
            let mut stream = client.chat().stream(request()).await.unwrap();
            assert_eq!(stream.next().now_or_never().is_none(), yields, "{comments} comments");
            assert!(stream.next().await.unwrap().is_ok(), "nothing is lost");
        });
    }
}

#[test]
fn a_json_body_in_place_of_a_stream_may_be_as_large_as_the_limit() {
    let body = completion("hello").to_string();
    for (limit, is_read) in [(body.len(), true), (body.len() - 1, false)] {
        let (first, rest) = body.split_at(20);
        let (_, timer, builder) = scripted([unlabeled(&[first, rest])]);
        let client = builder.max_response_size(limit).build().unwrap();
        let outcome = timer.run(client.chat().stream(request()));
        match outcome {
            Ok(_) => assert!(is_read, "{limit}"),
            Err(error) => assert!(!is_read && error.is_too_large(), "{limit}: {error}"),
        }
    }
}

#[test]
fn events_after_the_mark_of_the_end_count_whatever_its_frame_holds_before_it() {
    let before = [event(chunk(&"x".repeat(40 << 10))), event(last_chunk()), event("[DONE]")];
    let usage = r#"{"choices":[],"usage":{"total_tokens":7}}"#;
    let frame = before.concat() + &event("{}") + &event(usage);
    let (_, timer, builder) = scripted([streamed().body(frame)]);
    let chat = builder.build().unwrap().chat();
    let response = timer.run(async { chat.stream(request()).await?.into_response().await });
    assert_eq!(response.unwrap().usage().unwrap().total_tokens, 7);
}

#[test]
fn an_event_that_is_too_large_is_an_error_only_before_the_mark_of_the_end() {
    let large = event("x".repeat(3000));
    for (body, is_error) in [(hello_stream() + &large, false), (large + &hello_stream(), true)] {
        let (_, timer, builder) = scripted([streamed().body(body)]);
        let chat = builder.max_event_size(2000).build().unwrap().chat();
        let outcome = timer.run(async { chat.stream(request()).await?.into_response().await });
        match outcome {
            Ok(response) => assert!(!is_error && response.text() == "hello"),
            Err(error) => assert!(is_error && error.is_too_large(), "{error}"),
        }
    }
}

#[test]
fn a_stream_is_terminated_once_it_has_returned_its_end() {
    let whole = completion("hello").to_string();
    for (name, exchange, is_complete) in [
        ("a stream", streamed().body(hello_stream()), true),
        ("a stream of unknown format", unlabeled(&[&hello_stream()]), true),
        ("a JSON body", unlabeled(&[&whole]), true),
        ("a truncated stream", streamed().body(event(chunk("hello"))), false),
    ] {
        let (_, timer, builder) = scripted([exchange]);
        let client = builder.build().unwrap();
        timer.run(async {
            let mut stream = client.chat().stream(request()).await.unwrap();
            let mut text = String::new();
            while let Some(Ok(chunk)) = stream.next().await {
                assert!(!stream.is_terminated(), "{name}");
                text += &chunk.text();
            }
            assert_eq!((stream.is_terminated(), text.as_str()), (true, "hello"), "{name}");
            assert!(stream.next().await.is_none(), "{name}: an error is an item once");
            assert_eq!(stream.partial().unwrap().text(), "hello", "{name}");
            assert_eq!(stream.into_response().await.is_ok(), is_complete, "{name}");
        });
    }
}

#[test]
fn streams_and_replies_have_the_status_the_headers_and_the_attempts() {
    let labeled = |label| {
        let exchange = Exchange::respond(201).header("content-type", label);
        exchange.header("x-a", "b").header("x-request-id", "req-7")
    };
    let stream = labeled("text/event-stream").body(hello_stream());
    let body = completion("hello").to_string();
    let (_, timer, builder) = scripted([stream, labeled("application/json").body(body.clone())]);
    let chat = builder.build().unwrap().chat();
    timer.run(async {
        let stream = chat.stream(request()).await.unwrap();
        assert_eq!((stream.status().as_u16(), stream.attempts().count), (201, 1));
        assert_eq!(
            (&stream.headers()["x-a"], stream.request_id()),
            (&"b".parse().unwrap(), Some("req-7"))
        );
        assert_eq!(stream.metadata().status().as_u16(), 201);
        drop(stream);
        let reply = chat.create(request()).await.unwrap();
        assert_eq!((reply.status().as_u16(), reply.attempts().count), (201, 1));
        assert_eq!(
            (&reply.headers()["x-a"], reply.request_id()),
            (&"b".parse().unwrap(), Some("req-7"))
        );
        let mut text = reply.map(|response| response.text().into_owned());
        assert_eq!((text.status().as_u16(), text.raw()), (201, &body.clone().into()));
        text.push('!');
        assert_eq!(text.into_inner(), "hello!");
    });
}
