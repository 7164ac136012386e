//! The targets of the decoder, as multiples of the throughput of the fastest peer in the same run.

use crate::corpora::Slicing;

/// The minimum ratio of our lending interface.
pub fn lending(corpus: &str, slicing: Slicing) -> f64 {
    match (slicing, corpus) {
        (Slicing::Bytes(1), _) => 1.05,
        (Slicing::Bytes(64), "large") => 1.1,
        (Slicing::Bytes(64), _) => 1.4,
        (_, "llm-small") => 1.5,
        (_, "keepalive") => 1.1,
        (_, "large") => 1.0,
        (_, "multiline") => 1.3,
        _ => 2.5,
    }
}

/// The minimum ratio of our owning interface, which has targets for large slices only.
pub fn owning(corpus: &str, slicing: Slicing) -> Option<f64> {
    match (slicing, corpus) {
        (Slicing::Bytes(1 | 64), _) => None,
        (_, "llm-small" | "multiline") => Some(1.3),
        (_, "keepalive") => Some(1.0),
        (_, "large") => Some(1.0),
        _ => Some(1.8),
    }
}
