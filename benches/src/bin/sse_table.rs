//! A quick look at the decoders: the best of interleaved rounds, which a busy machine disturbs least, and whether the targets are met.
//!
//! Run: `cargo run --release -p atoma-benches --features peers --bin sse_table` (`-- llm-small` for
//! the corpora whose name contains that text, `-- "" 64` for slicings, and `-- "" "" lending` for
//! decoders too)
//!
//! You should see a line for each corpus and slicing with the throughput of every decoder in MB/s,
//! and how many times faster ours are than the fastest peer.

use atoma_benches::{
    corpora::{Corpus, SHAPES, Slicing},
    decoders::{Contender, Kind, LENDING, OWNING, Tally, contenders, settle_heap},
    targets,
};
use cpu_time::ThreadTime;
use std::hint::black_box;

const ROUNDS: usize = 25;

fn main() {
    settle_heap();
    let mut filters = std::env::args().skip(1);
    let corpus_filter = filters.next().unwrap_or_default();
    let slicing_filter = filters.next().unwrap_or_default();
    let decoder_filter = filters.next().unwrap_or_default();
    let mut contenders = contenders();
    contenders.retain(|contender| contender.name.contains(&decoder_filter));
    let mut missed = 0;
    for slicing in Slicing::ALL {
        for shape in SHAPES {
            let corpus = &*Box::leak(Box::new(shape(slicing.stream_length())));
            if corpus.name.contains(&corpus_filter) && slicing.name().contains(&slicing_filter) {
                missed += row(corpus, slicing, &contenders);
            }
        }
    }
    println!("{missed} targets missed");
}

/// Measures and prints one cell of the table; returns the number of targets that it misses.
fn row(corpus: &'static Corpus, slicing: Slicing, contenders: &[Contender]) -> usize {
    let pieces = slicing.cut(corpus);
    let wanted = Tally { events: corpus.event_ends.len(), data_length: corpus.data_length };
    let mut times = vec![f64::INFINITY; contenders.len()];
    for _ in 0..ROUNDS {
        for (contender, best) in contenders.iter().zip(&mut times) {
            // One run untimed: it brings the heap into the decoder's usual state.
            let tally = (contender.run)(black_box(&pieces));
            let start = ThreadTime::now();
            (contender.run)(black_box(&pieces));
            *best = best.min(start.elapsed().as_secs_f64());
            if contender.kind == Kind::Ours {
                assert_eq!(tally, wanted, "{}", contender.name);
            }
        }
    }
    let throughput: Vec<f64> =
        times.iter().map(|time| corpus.bytes.len() as f64 / time / 1e6).collect();
    println!("{} in {}:", corpus.name, slicing.name());
    for (contender, speed) in contenders.iter().zip(&throughput) {
        println!("    {:<20} {speed:>8.0} MB/s", contender.name);
    }
    let speed = |wanted: &dyn Fn(&Contender) -> bool| {
        let named = contenders.iter().zip(&throughput).filter(|(contender, _)| wanted(contender));
        named.map(|(_, speed)| *speed).fold(0.0, f64::max)
    };
    let peer = speed(&|contender| contender.kind == Kind::Peer);
    let mut missed = 0;
    let held = [
        (LENDING, Some(targets::lending(corpus.name, slicing))),
        (OWNING, targets::owning(corpus.name, slicing)),
    ];
    for (name, target) in held {
        let ratio = speed(&|contender| contender.name == name) / peer;
        print!("    {name}: {ratio:.2} x the fastest peer");
        match target {
            Some(target) if ratio < target => {
                println!(" (target {target:.2}: MISSED)");
                missed += 1;
            }
            Some(target) => println!(" (target {target:.2}: met)"),
            None => println!(),
        }
    }
    missed
}
