//! What the tests share: a stream under every cut.

#![allow(dead_code, unreachable_pub)]

use atoma_sse::Decoder;

pub mod laws;

pub use laws::Outcome;

/// What a decoder says about a stream, after a check that it is the same whether the stream comes
/// whole, byte by byte, or cut in two anywhere.
pub fn outcome(decoder: &Decoder, stream: &[u8]) -> Outcome {
    let whole = laws::outcome(decoder.clone(), [stream]);
    assert_eq!(laws::outcome(decoder.clone(), stream.chunks(1)), whole, "byte by byte");
    for at in 0..=stream.len() {
        let (first, second) = stream.split_at(at);
        let cut = laws::outcome(decoder.clone(), [first, second]);
        assert_eq!(cut, whole, "cut at {at}");
    }
    whole
}
