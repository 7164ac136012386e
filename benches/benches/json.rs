//! Reading a chunk's JSON, by the processor time of the reading thread.
//!
//! Run: `cargo bench -p atoma-benches --features peers --bench json`
//!
//! You should see, for plain chunks, for signed ones, and for chunks with a different id each,
//! nanoseconds per chunk, the ratio to the floor, allocations and bytes allocated per chunk. The
//! text of every reading is compared before it is timed.

use atoma_benches::{
    allocations::Allocations,
    chunks::{FLOOR, READINGS, corpora},
    clients::Error,
    record::Records,
    rounds::interleaved,
};
use cpu_time::ThreadTime;

const COMMAND: &str = "cargo bench -p atoma-benches --features peers --bench json";
const ROUNDS: usize = 31;
const PASSES: usize = 10;

fn main() -> Result<(), Error> {
    let allocations = Allocations::count(env!("CARGO_BIN_EXE_allocations"), "chunks")?;
    let mut records = Records::new("json", COMMAND);
    for (corpus, chunks) in corpora() {
        println!("\n{corpus}: processor time per chunk");
        let wanted = (READINGS[0].run)(&chunks)?;
        for reading in READINGS {
            assert_eq!((reading.run)(&chunks)?, wanted, "{}", reading.name);
        }
        let times = interleaved(READINGS.len(), ROUNDS, PASSES * chunks.len(), |reading| {
            let start = ThreadTime::now();
            for _ in 0..PASSES {
                (READINGS[reading].run)(&chunks)?;
            }
            Ok::<_, Error>(start.elapsed())
        })?;
        let floor = READINGS.iter().position(|reading| reading.name == FLOOR).unwrap_or(0);
        for (reading, time) in READINGS.iter().zip(&times) {
            let (count, bytes) = allocations.of(corpus, reading.name)?;
            let (time, ratio) = (time.nanoseconds(), time.ratio(&times[floor]));
            println!(
                "    {:<40} {time:>7.0} ns {ratio:>6.2} x {count:>7.2} allocations {bytes:>7.0} B",
                reading.name
            );
            records.push([
                ("corpus", corpus.into()),
                ("reading", reading.name.into()),
                ("nanoseconds", time.into()),
                ("ratio", ratio.into()),
                ("allocations", count.into()),
                ("bytes", bytes.into()),
            ]);
        }
    }
    println!("\nrecorded in {}", records.write()?.display());
    Ok(())
}
