//! Replays the seeds of the fuzz targets, and some variations of each, on stable.

mod fuzz_laws;

use atoma_transport::testing::seeds;

#[test]
fn proxy_seeds() {
    replay("proxy", 5, fuzz_laws::proxy::check);
}

#[test]
fn retry_after_seeds() {
    replay("retry_after", 50, fuzz_laws::retry_after::check);
}

#[test]
fn no_target_is_left_out() {
    seeds::check_targets(env!("CARGO_MANIFEST_DIR"), include_str!("fuzz_seeds.rs"));
}

fn replay(target: &str, variations: u32, check: fn(&[u8])) {
    seeds::replay(env!("CARGO_MANIFEST_DIR"), target, variations, check);
}
