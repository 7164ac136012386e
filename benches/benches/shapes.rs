//! Reading each shape of chunk and body without a client, by the processor time of the reading thread.
//!
//! Run: `cargo bench -p atoma-benches --bench shapes`
//!
//! You should see, for each shape, the time of the floor and of our models, each with its ratio to the
//! floor. `benches/instructions.sh shapes` counts the instructions of the same work.

use atoma_benches::{
    clients::Error,
    record::Records,
    rounds::interleaved,
    shapes::{self, Reader},
};
use cpu_time::ThreadTime;
use std::time::Duration;

const COMMAND: &str = "cargo bench -p atoma-benches --bench shapes";
const ROUNDS: usize = 31;
/// Each turn lasts about this long, so that the clock's precision does not matter.
const TURN: Duration = Duration::from_millis(10);

fn main() -> Result<(), Error> {
    let mut records = Records::new("shape_times", COMMAND);
    for shape in shapes::all() {
        let readings = Reader::NAMED.map(|(_, reader)| shape.reading(reader));
        let run = |reading: usize, passes: usize| {
            let start = ThreadTime::now();
            (0..passes).for_each(|_| readings[reading]());
            start.elapsed()
        };
        run(0, 1); // The first run also pays for the memory's pages.
        let passes = (TURN.as_nanos() / run(0, 1).as_nanos().max(1)).max(1) as usize;
        let times = interleaved(readings.len(), ROUNDS, passes * shape.events, |reading| {
            Ok::<_, Error>(run(reading, passes))
        })?;
        for ((name, _), time) in Reader::NAMED.iter().zip(&times) {
            let (nanoseconds, ratio) = (time.nanoseconds(), time.ratio(&times[0]));
            println!("{:<20} {name:<6} {nanoseconds:>12.0} ns {ratio:>6.2} x", shape.name);
            records.push([
                ("shape", shape.name.into()),
                ("reader", (*name).into()),
                ("nanoseconds", nanoseconds.into()),
                ("ratio", ratio.into()),
            ]);
        }
    }
    println!("\nrecorded in {}", records.write()?.display());
    Ok(())
}
