//! Replays the seeds of the fuzz targets on stable, and every beginning of each.

mod laws;

use std::{fs, path::Path};

fn replay(target: &str, law: fn(&[u8])) {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/seeds").join(target);
    let mut count = 0;
    for seed in fs::read_dir(seeds).unwrap() {
        let bytes = fs::read(seed.unwrap().path()).unwrap();
        law(&bytes);
        for at in (0..bytes.len()).step_by(1 + bytes.len() / 16) {
            law(&bytes[..at]);
            let mut changed = bytes.clone();
            changed[at] ^= 1 << (at % 8);
            law(&changed);
        }
        count += 1;
    }
    assert!(count > 3, "{target}: {count} seeds");
}

#[test]
fn envelope() {
    replay("envelope", laws::envelope);
}

#[test]
fn response() {
    replay("response", laws::response);
}
