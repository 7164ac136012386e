//! The stream and body adapters, over sources that are scripted chunk by chunk.

#![cfg(all(feature = "stream", feature = "http-body"))]

use atoma_sse::{DecodeError, Decoder, EventBody, EventStream, Limits, StreamError};
use bytes::{Buf, Bytes};
use futures_core::Stream;
use http_body::{Body, Frame};
use std::{
    collections::VecDeque,
    error::Error,
    fmt,
    pin::Pin,
    task::{Context, Poll, Waker},
};

/// One poll of the source. It ends after the last.
#[derive(Debug, Clone, Copy)]
enum Step {
    Chunk(&'static str),
    Wait,
    Trailers,
    Fail,
}

use Step::{Chunk, Fail, Trailers, Wait};

struct Script(VecDeque<Step>);

impl Script {
    fn new(steps: &[Step]) -> Self {
        Self(steps.iter().copied().collect())
    }
}

#[derive(Debug, Clone, PartialEq)]
struct Broken;

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the wire broke")
    }
}

impl Error for Broken {}

impl Stream for Script {
    type Item = Result<&'static str, Broken>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match self.0.pop_front() {
            None => Poll::Ready(None),
            Some(Wait) => Poll::Pending,
            Some(Chunk(text)) => Poll::Ready(Some(Ok(text))),
            Some(Trailers) => Poll::Ready(Some(Ok(""))),
            Some(Fail) => Poll::Ready(Some(Err(Broken))),
        }
    }
}

impl Body for Script {
    type Data = bytes::buf::Chain<Bytes, Bytes>;
    type Error = Broken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Broken>>> {
        match self.0.pop_front() {
            None => Poll::Ready(None),
            Some(Wait) => Poll::Pending,
            Some(Chunk(text)) => {
                let (first, second) = text.split_at(text.len() / 2);
                let data = Bytes::from_static(first.as_bytes())
                    .chain(Bytes::from_static(second.as_bytes()));
                Poll::Ready(Some(Ok(Frame::data(data))))
            }
            Some(Trailers) => Poll::Ready(Some(Ok(Frame::trailers(Default::default())))),
            Some(Fail) => Poll::Ready(Some(Err(Broken))),
        }
    }
}

/// Each poll in turn: `…` for pending, the data of events, `!` and the text of errors.
fn polls<E: fmt::Display>(
    mut stream: impl Stream<Item = Result<atoma_sse::OwnedEvent, StreamError<E>>> + Unpin,
) -> Vec<String> {
    let mut cx = Context::from_waker(Waker::noop());
    let mut seen = Vec::new();
    loop {
        match Pin::new(&mut stream).poll_next(&mut cx) {
            Poll::Pending => seen.push("…".to_owned()),
            Poll::Ready(Some(Ok(event))) => seen.push(event.into_data()),
            Poll::Ready(Some(Err(error))) => seen.push(format!("! {error}")),
            Poll::Ready(None) => return seen,
        }
    }
}

#[test]
fn both_adapters_yield_the_same() {
    let cases: [(&str, &[Step], &[&str]); 8] = [
        ("nothing", &[], &[]),
        ("two in a chunk", &[Chunk("data: a\n\ndata: b\n\n")], &["a", "b"]),
        (
            "one over several chunks",
            &[Chunk("data: a"), Wait, Chunk("b\n\n"), Wait],
            &["…", "ab", "…"],
        ),
        ("empty chunks, trailers", &[Chunk(""), Chunk("data: a\n\n"), Trailers], &["a"]),
        (
            "a source that fails ends the stream",
            &[Chunk("data: a\n\ndata: b\n"), Fail, Chunk("\ndata: c\n\n")],
            &["a", "! cannot read the event stream"],
        ),
        (
            "an event that exceeds a limit does not",
            &[Chunk("data: 1234567890\n\n"), Chunk("data: a\n\n")],
            &["! cannot decode an event", "a"],
        ),
        (
            "such an event first in a chunk",
            &[Chunk("data: 1234567890\n\ndata: a\n\ndata: b\n"), Chunk("\n")],
            &["! cannot decode an event", "a", "b"],
        ),
        (
            "such an event in the rest of a chunk",
            &[Chunk("data: a\n\ndata: 1234567890\n\ndata: b\n\n"), Wait, Chunk("data: c\n\n")],
            &["a", "! cannot decode an event", "b", "…", "c"],
        ),
    ];
    let decoder = || Decoder::with_limits(Limits::new().line(12));
    for (name, steps, wanted) in cases {
        let stream = EventStream::with_decoder(Script::new(steps), decoder());
        assert_eq!(polls(stream), wanted, "{name}, stream");
        let body = EventBody::with_decoder(Script::new(steps), decoder());
        assert_eq!(polls(body), wanted, "{name}, body");
    }
}

#[test]
fn the_end_reports_an_incomplete_event() {
    let steps = [Chunk("id: 3\nretry: 5\ndata: a\n\ndata: [DONE]")];
    let mut stream = EventStream::new(Script::new(&steps));
    assert_eq!(polls(&mut stream), ["a"]);
    assert_eq!(stream.incomplete_event().unwrap().data(), "[DONE]");
    assert_eq!((stream.decoder().last_event_id(), stream.decoder().retry()), ("3", Some(5)));
    assert_eq!(polls(&mut stream), Vec::<String>::new(), "the end is final");

    let mut body = EventBody::new(Script::new(&steps));
    assert!(body.incomplete_event().is_none());
    assert_eq!(polls(&mut body), ["a"]);
    assert_eq!(body.incomplete_event().unwrap().data(), "[DONE]");
}

#[test]
fn errors_keep_their_cause() {
    let mut stream = EventStream::new(Script::new(&[Fail]));
    let mut cx = Context::from_waker(Waker::noop());
    let Poll::Ready(Some(Err(error))) = Pin::new(&mut stream).poll_next(&mut cx) else {
        panic!("the source fails");
    };
    assert_eq!(error.source().unwrap().to_string(), "the wire broke");
    assert_eq!((error.decode_error(), error.source_error()), (None, Some(&Broken)));
    assert_eq!(error.into_source_error(), Ok(Broken));

    let steps = [Chunk("data: 0123456789\ndata: 0123456789\ndata: 0123456789\n\n")];
    let decoder = Decoder::with_limits(Limits::default().event(30));
    let mut stream = EventStream::with_decoder(Script::new(&steps), decoder);
    let Poll::Ready(Some(Err(error))) = Pin::new(&mut stream).poll_next(&mut cx) else {
        panic!("the event is too large");
    };
    assert_eq!(error.decode_error().map(DecodeError::limit), Some(30));
    assert_eq!(error.source_error(), None);
    assert!(error.into_source_error().is_err_and(|error| error.is_event_too_large()));
}
