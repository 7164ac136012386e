//! The measured decoders: ours, the peers, and floors that no decoder can beat.

use atoma_sse::{Decoder, EventStream};
use futures_core::Stream;
use std::{
    hint::black_box,
    pin::Pin,
    task::{Context, Poll, Waker},
};

#[cfg(feature = "peers")]
mod peers;

/// A measured decoder.
#[derive(Debug, Clone, Copy)]
pub struct Contender {
    /// The name, as in the results.
    pub name: &'static str,
    /// Ours, a peer or a floor.
    pub kind: Kind,
    /// Decodes a stream that arrives in these pieces.
    pub run: fn(&[&'static [u8]]) -> Tally,
}

/// The party that a decoder belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// One of our interfaces.
    Ours,
    /// Another crate.
    Peer,
    /// No decoder at all: the speed of the machine over these bytes.
    Floor,
}

/// The findings of a decoder.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// The number of events.
    pub events: usize,
    /// The length of all their data.
    pub data_length: usize,
}

impl Tally {
    fn add(&mut self, data: &[u8]) {
        self.events += 1;
        self.data_length += black_box(data).len();
    }
}

/// All measured decoders, in the order of the results.
pub fn contenders() -> Vec<Contender> {
    #[cfg_attr(not(feature = "peers"), expect(unused_mut))]
    let mut contenders = vec![
        Contender { name: LENDING, kind: Kind::Ours, run: lending },
        Contender { name: OWNING, kind: Kind::Ours, run: owning },
        Contender { name: STREAM, kind: Kind::Ours, run: stream },
        Contender { name: "memcpy", kind: Kind::Floor, run: memcpy },
        Contender { name: "memchr", kind: Kind::Floor, run: memchr },
    ];
    #[cfg(feature = "peers")]
    contenders.extend(peers::PEERS);
    contenders
}

/// Brings the heap into the state of a program that has run for a while: once a large block has
/// been freed, glibc keeps freed memory, and no decoder is charged for pages that the kernel takes
/// back and clears between its runs.
pub fn settle_heap() {
    drop(black_box(vec![1_u8; 8 << 20]));
}

/// The name of our lending interface in the results.
pub const LENDING: &str = "atoma-sse lending";
/// The name of our owning interface in the results.
pub const OWNING: &str = "atoma-sse owning";
/// The name of our async adapter in the results.
pub const STREAM: &str = "atoma-sse stream";

fn lending(pieces: &[&'static [u8]]) -> Tally {
    let mut tally = Tally::default();
    let mut decoder = Decoder::new();
    for piece in pieces {
        let mut input = *piece;
        while let Ok(Some(event)) = decoder.decode(&mut input) {
            tally.add(event.data().as_bytes());
        }
    }
    tally
}

fn owning(pieces: &[&'static [u8]]) -> Tally {
    let mut tally = Tally::default();
    let mut decoder = Decoder::new();
    for piece in pieces {
        let mut input = *piece;
        while let Ok(Some(event)) = decoder.decode_owned(&mut input) {
            tally.add(event.data().as_bytes());
        }
    }
    tally
}

fn stream(pieces: &[&'static [u8]]) -> Tally {
    let mut tally = Tally::default();
    let events = EventStream::new(Pieces(pieces.iter()));
    drain(events, |event| {
        if let Ok(event) = event {
            tally.add(event.data().as_bytes());
        }
    });
    tally
}

fn memcpy(pieces: &[&'static [u8]]) -> Tally {
    let mut copy = Vec::with_capacity(pieces.iter().map(|piece| piece.len()).max().unwrap_or(0));
    for piece in pieces {
        copy.clear();
        copy.extend_from_slice(piece);
        black_box(&copy);
    }
    Tally::default()
}

fn memchr(pieces: &[&'static [u8]]) -> Tally {
    for piece in pieces {
        black_box(memchr::memchr_iter(b'\n', piece).count());
    }
    Tally::default()
}

/// The pieces as a stream that is always ready.
struct Pieces<'a>(std::slice::Iter<'a, &'static [u8]>);

impl Stream for Pieces<'_> {
    type Item = Result<&'static [u8], std::io::Error>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(self.0.next().map(|piece| Ok(*piece)))
    }
}

fn drain<S: Stream>(stream: S, mut each: impl FnMut(S::Item)) {
    let mut stream = std::pin::pin!(stream);
    let mut cx = Context::from_waker(Waker::noop());
    while let Poll::Ready(Some(item)) = stream.as_mut().poll_next(&mut cx) {
        each(item);
    }
}
