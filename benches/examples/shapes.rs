//! Reads one shape a number of times, for `benches/instructions.sh shapes`.
//!
//! Run: `cargo run --profile bench -p atoma-benches --example shapes -- owned "log probabilities" 2`
//!
//! Without arguments, it prints a line for each shape: its name, a tab, the number of events.

use atoma_benches::shapes::{self, Reader, Shape};

fn main() {
    let mut arguments = std::env::args().skip(1);
    let Some(reader) = arguments.next() else {
        for shape in shapes::all() {
            println!("{}\t{}", shape.name, shape.events);
        }
        return;
    };
    let (_, reader) =
        Reader::NAMED.into_iter().find(|(name, _)| *name == reader).expect("a reader");
    let name = arguments.next().expect("the name of a shape");
    let runs = arguments.next().map_or(1, |runs| runs.parse().expect("a number of runs"));
    let read = Shape::named(&name).expect("the name of a shape").reading(reader);
    for _ in 0..runs {
        read();
    }
}
