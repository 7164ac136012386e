//! Checks allocate nothing, whatever the size of the text.

mod common;

use atoma_verify::{Mode, Verifier, split};
use common::vectors;

#[test]
fn a_check_allocates_nothing() {
    for signed in vectors().signed.iter().filter(|signed| signed.scheme().is_compiled()) {
        let pinned = Verifier::pinned([signed.public_key()]).unwrap();
        let mut stream = pinned.stream();
        let mut sampled = pinned.clone().mode(Mode::UncheckedBetween { every: 3 }).stream();
        // The first chunks make room for the one claim that a sample keeps.
        for _ in 0..2 {
            sampled.check(&signed.wire).unwrap();
        }
        let counted = allocation_counter::measure(|| {
            split(&signed.wire).unwrap();
            pinned.check(&signed.wire).unwrap();
            pinned.check(signed.preimage.as_bytes()).unwrap_err();
            for _ in 0..5 {
                stream.check(&signed.wire).unwrap();
                sampled.check(&signed.wire).unwrap();
            }
        });
        assert_eq!(counted.count_total, 0, "{}", signed.name);
    }
}
