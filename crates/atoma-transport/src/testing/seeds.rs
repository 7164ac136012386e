//! Replays the seeds of fuzz targets on stable. It exists for the tests of this workspace.

use std::{fs, path::Path};

/// Runs `check` on each file of `fuzz/seeds/target` in the crate at `manifest_dir`, and on some variations of each.
///
/// # Panics
///
/// If there are no seeds, unless the crate is a published package, which has no fuzz crate.
pub fn replay(manifest_dir: &str, target: &str, variations: u32, check: fn(&[u8])) {
    let fuzz = Path::new(manifest_dir).join("fuzz");
    if !fuzz.exists() {
        return;
    }
    let folder = fs::read_dir(fuzz.join("seeds").join(target)).expect("a folder of seeds");
    let mut seeds: Vec<_> = folder.map(|entry| entry.expect("a seed").path()).collect();
    assert!(!seeds.is_empty(), "{target} has no seeds");
    seeds.sort();
    let mut chance = fastrand::Rng::with_seed(1);
    for seed in seeds {
        let input = fs::read(&seed).expect("a seed");
        check(&input);
        for _ in 0..variations {
            check(&varied(input.clone(), &mut chance));
        }
    }
}

/// Checks that `source`, the text of the test that calls [`replay`], names every target of the fuzz crate.
///
/// # Panics
///
/// If a target is not replayed, or is missing in the manifest of the fuzz crate.
pub fn check_targets(manifest_dir: &str, source: &str) {
    let fuzz = Path::new(manifest_dir).join("fuzz");
    if !fuzz.exists() {
        return;
    }
    let manifest = fs::read_to_string(fuzz.join("Cargo.toml")).expect("a manifest");
    for target in fs::read_dir(fuzz.join("fuzz_targets")).expect("a folder of targets") {
        let path = target.expect("a target").path();
        let name = path.file_stem().and_then(|name| name.to_str()).expect("a name in UTF-8");
        assert!(source.contains(&format!("fuzz_laws::{name}::check")), "{name} is not replayed");
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{name} is not a target");
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
