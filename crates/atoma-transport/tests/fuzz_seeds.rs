//! Replays the seeds of the fuzz targets, and some variations of each, on stable.

mod fuzz_laws;

use std::{fs, path::Path};

#[test]
fn proxy_seeds() {
    replay("proxy", 5, fuzz_laws::proxy::check);
}

#[test]
fn retry_after_seeds() {
    replay("retry_after", 50, fuzz_laws::retry_after::check);
}

/// Every target of the fuzz crate is replayed here.
#[test]
fn no_target_is_left_out() {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    if !fuzz.exists() {
        return; // A published package has no fuzz crate.
    }
    let here = include_str!("fuzz_seeds.rs");
    for target in fs::read_dir(fuzz.join("fuzz_targets")).unwrap() {
        let name = target.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned();
        assert!(here.contains(&format!("fuzz_laws::{name}::check")), "{name}");
        let manifest = fs::read_to_string(fuzz.join("Cargo.toml")).unwrap();
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{name}");
    }
}

fn replay(target: &str, variations: u32, check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(target);
    if !folder.exists() && !Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz").exists() {
        return; // A published package has no seeds.
    }
    let mut seeds: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(!seeds.is_empty());
    seeds.sort();
    let mut chance = fastrand::Rng::with_seed(1);
    for seed in seeds {
        let input = fs::read(&seed).unwrap();
        check(&input);
        for _ in 0..variations {
            check(&varied(input.clone(), &mut chance));
        }
    }
}

/// A variation: a few bytes changed, doubled or left out, or the end cut off.
fn varied(mut input: Vec<u8>, chance: &mut fastrand::Rng) -> Vec<u8> {
    for _ in 0..chance.u32(1..4) {
        if input.is_empty() {
            break;
        }
        let (at, to) = (chance.usize(..input.len()), chance.usize(..input.len()));
        match chance.u8(..5) {
            0 => input[at] = chance.u8(..),
            1 => input.insert(at, chance.u8(..)),
            2 => drop(input.drain(at.min(to)..at.max(to))),
            3 => input.extend_from_within(at..(at + 40).min(input.len())),
            _ => input.truncate(at.max(1)),
        }
    }
    input
}
