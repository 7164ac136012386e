//! A stream decoded under every split, for all tests.

#![allow(dead_code, unreachable_pub)]

use atoma_sse::Decoder;

pub mod laws;

pub use laws::Outcome;

/// Returns the outcome of a stream, after checking that it is the same whole, byte by byte, and split
/// in two at any byte.
pub fn outcome(decoder: &Decoder, stream: &[u8]) -> Outcome {
    let whole = laws::outcome(decoder.clone(), [stream]);
    assert_eq!(laws::outcome(decoder.clone(), stream.chunks(1)), whole, "byte by byte");
    for at in 0..=stream.len() {
        let (first, second) = stream.split_at(at);
        let split = laws::outcome(decoder.clone(), [first, second]);
        assert_eq!(split, whole, "split at {at}");
    }
    whole
}
