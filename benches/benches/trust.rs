//! The time that verification and encryption take, next to the bare cryptography of the same crates.
//!
//! Run: `cargo bench -p atoma-benches --bench trust`
//! (`-- ed25519` for the operations whose names hold this text)
//!
//! You should see processor time per check, per opened chunk, per sealed request, and per chunk of whole streams, with
//! the ratio to the floor: the cryptography alone, in the same round.
//! `benches/instructions.sh trust` counts instructions instead, which a busy machine does not disturb.

#[path = "../trust/mod.rs"]
mod trust;

use atoma_benches::{clients::Error, record::Records, rounds::interleaved};

const COMMAND: &str = "cargo bench -p atoma-benches --bench trust";
const ROUNDS: usize = 51;

fn main() -> Result<(), Error> {
    // `cargo bench` adds `--bench`.
    let wanted = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let operations = trust::single().into_iter().chain(trust::streams());
    let mut groups: Vec<Vec<trust::Operation>> = Vec::new();
    for operation in operations {
        match groups.iter_mut().find(|group| group[0].name == operation.floor) {
            Some(group) => group.push(operation),
            None => groups.push(vec![operation]),
        }
    }
    let mut records = Records::new("trust", COMMAND);
    for mut group in groups {
        let is_wanted = |text: &String| group.iter().any(|operation| operation.name.contains(text));
        if !wanted.as_ref().is_none_or(is_wanted) {
            continue;
        }
        let times = interleaved(group.len(), ROUNDS, trust::UNITS, |contender| {
            Ok::<_, Error>((group[contender].run)())
        })?;
        for (operation, time) in group.iter().zip(&times) {
            let ratio = time.ratio(&times[0]);
            println!("{:<64} {:>8.0} ns {ratio:>6.2} x", operation.name, time.nanoseconds());
            records.push([
                ("operation", operation.name.clone().into()),
                ("floor", operation.floor.clone().into()),
                ("nanoseconds", time.nanoseconds().into()),
                ("ratio", ratio.into()),
            ]);
        }
        println!();
    }
    if wanted.is_none() {
        println!("recorded in {}", records.write()?.display());
    }
    Ok(())
}
