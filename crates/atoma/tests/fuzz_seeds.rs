//! Replays the seeds of the fuzz targets, and some variations of each, on stable.

mod fuzz_laws;

use atoma_transport::testing::seeds;

#[test]
fn error_body_seeds() {
    replay("error_body", 50, fuzz_laws::error_body::check);
}

#[test]
fn response_seeds() {
    replay("response", 20, fuzz_laws::response::check);
}

#[test]
fn server_url_seeds() {
    replay("server_url", 50, fuzz_laws::server_url::check);
}

#[test]
fn no_target_is_left_out() {
    seeds::check_targets(env!("CARGO_MANIFEST_DIR"), include_str!("fuzz_seeds.rs"));
}

fn replay(target: &str, variations: u32, check: fn(&[u8])) {
    seeds::replay(env!("CARGO_MANIFEST_DIR"), target, variations, check);
}
