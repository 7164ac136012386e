//! Counts the allocations of each decoder, in a separate process so that counting slows nothing
//! else.
//!
//! Run: `cargo run --release -p atoma-benches --features peers --bin sse_allocations`
//!
//! Prints a tab-separated line for each corpus, slicing and decoder: allocations per event, and the
//! peak heap size in bytes.

use atoma_benches::{
    corpora::{SHAPES, Slicing},
    decoders::contenders,
};

fn main() {
    for slicing in Slicing::ALL {
        for shape in SHAPES {
            let corpus = &*Box::leak(Box::new(shape(slicing.stream_length().min(256 * 1024))));
            let pieces = slicing.cut(corpus);
            for contender in contenders() {
                let counted = allocation_counter::measure(|| {
                    (contender.run)(&pieces);
                });
                println!(
                    "{}\t{}\t{}\t{:.3}\t{}",
                    corpus.name,
                    slicing.name(),
                    contender.name,
                    counted.count_total as f64 / corpus.event_ends.len() as f64,
                    counted.bytes_max,
                );
            }
        }
    }
}
