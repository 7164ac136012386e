//! The other crates, each through its fastest public interface.

use super::{Contender, Kind, Pieces, Tally, drain};
use bytes::Bytes;
use futures_core::Stream;

pub(super) const PEERS: [Contender; 5] = [
    Contender { name: "sse-core", kind: Kind::Peer, run: sse_core },
    Contender { name: "sse-stream", kind: Kind::Peer, run: sse_stream },
    Contender { name: "sseer", kind: Kind::Peer, run: sseer },
    Contender { name: "sse-parse", kind: Kind::Peer, run: sse_parse },
    Contender { name: "eventsource-stream", kind: Kind::Peer, run: eventsource_stream },
];

fn sse_core(pieces: &[&'static [u8]]) -> Tally {
    let mut tally = Tally::default();
    let mut decoder = sse_core::SseDecoder::new();
    for piece in pieces {
        let mut input = *piece;
        while let Some(Ok(event)) = decoder.next(&mut input) {
            if let sse_core::SseEvent::Message(event) = event {
                tally.add(event.data.as_bytes());
            }
        }
    }
    tally
}

fn sse_stream(pieces: &[&'static [u8]]) -> Tally {
    let mut tally = Tally::default();
    drain(sse_stream::SseByteStream::new(Pieces(pieces.iter())), |event| {
        if let Some(data) = event.ok().and_then(|event| event.data) {
            tally.add(data.as_bytes());
        }
    });
    tally
}

fn sseer(pieces: &[&'static [u8]]) -> Tally {
    let mut tally = Tally::default();
    drain(sseer::event_stream::EventStream::new(AsBytes(Pieces(pieces.iter()))), |event| {
        if let Ok(event) = event {
            tally.add(event.data.as_bytes());
        }
    });
    tally
}

fn sse_parse(pieces: &[&'static [u8]]) -> Tally {
    let mut tally = Tally::default();
    let mut parser = sse_parse::SseParser::new();
    for piece in pieces {
        parser.feed(piece);
        while let Some(event) = parser.next_event() {
            tally.add(event.data.as_bytes());
        }
    }
    tally
}

fn eventsource_stream(pieces: &[&'static [u8]]) -> Tally {
    let mut tally = Tally::default();
    drain(eventsource_stream::EventStream::new(Pieces(pieces.iter())), |event| {
        if let Ok(event) = event {
            tally.add(event.data.as_bytes());
        }
    });
    tally
}

/// The pieces as `Bytes`, which cost nothing to make from static ones.
struct AsBytes<'a>(Pieces<'a>);

impl Stream for AsBytes<'_> {
    type Item = Result<Bytes, std::io::Error>;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        let next = std::pin::Pin::new(&mut self.0).poll_next(cx);
        next.map(|piece| piece.map(|piece| piece.map(Bytes::from_static)))
    }
}
