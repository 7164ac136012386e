//! What the tests share: ways to cut a stream, and ways to drive a decoder.

use atoma_sse::{DecodeError, Decoder, OwnedEvent};

/// What a decoder said about a stream, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) events: Vec<Result<OwnedEvent, DecodeError>>,
    pub(crate) unfinished: Option<String>,
    pub(crate) last_event_id: String,
    pub(crate) retry: Option<u64>,
}

/// Decodes a stream that comes in these pieces.
pub(crate) fn decode<'a>(decoder: Decoder, pieces: impl IntoIterator<Item = &'a [u8]>) -> Outcome {
    let mut decoder = decoder;
    let mut events = Vec::new();
    for mut input in pieces {
        while let Some(event) = decoder.decode_owned(&mut input).transpose() {
            events.push(event);
        }
        assert!(input.is_empty(), "None means that the input is used up");
    }
    let unfinished = decoder.finish().map(|unfinished| unfinished.data().to_owned());
    let last_event_id = decoder.last_event_id().to_owned();
    Outcome { events, unfinished, last_event_id, retry: decoder.retry() }
}

/// The stream whole, byte by byte, and under every cut in two.
pub(crate) fn all_cuts(stream: &[u8]) -> impl Iterator<Item = Vec<&[u8]>> {
    let in_two = (0..=stream.len()).map(|at| {
        let (first, second) = stream.split_at(at);
        vec![first, second]
    });
    [vec![stream], stream.chunks(1).collect()].into_iter().chain(in_two)
}

/// The outcome of a stream, after a check that it does not depend on how the stream is cut.
pub(crate) fn outcome(decoder: &Decoder, stream: &[u8]) -> Outcome {
    let whole = decode(decoder.clone(), [stream]);
    for pieces in all_cuts(stream) {
        let cut = decode(decoder.clone(), pieces.iter().copied());
        assert_eq!(cut, whole, "in the pieces {pieces:?}");
    }
    whole
}
