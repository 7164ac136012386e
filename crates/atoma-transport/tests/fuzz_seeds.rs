//! Replays the seeds of the fuzz targets on stable.

#[path = "../fuzz/bodies/retry_after.rs"]
mod retry_after;

use std::{fs, path::Path};

#[test]
fn retry_after_seeds() {
    replay("retry_after", retry_after::check);
}

fn replay(target: &str, check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(target);
    let seeds: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(!seeds.is_empty());
    for seed in seeds {
        check(&fs::read(seed).unwrap());
    }
}
