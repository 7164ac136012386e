//! A quick look at the decoders: the best of interleaved rounds, which a busy machine disturbs least, and whether the targets are met.
//!
//! Run: `cargo run --release -p atoma-benches --features peers --bin sse_table`
//! (`-- llm-small` for the corpora whose name holds that text, `-- "" 64` for slicings, and
//! `-- "" "" lending` for decoders too)
//!
//! You should see a line for each corpus and slicing with the throughput of every decoder in MB/s,
//! and how many times faster ours are than the fastest peer.

use std::hint::black_box;
use std::time::Instant;

use atoma_benches::corpora::{Corpus, SHAPES, Slicing};
use atoma_benches::decoders::{Contender, Kind, LENDING, OWNING, Tally, contenders};

const ROUNDS: usize = 25;

fn main() {
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

/// Measures and prints one cell of the table; gives back how many targets it misses.
fn row(corpus: &'static Corpus, slicing: Slicing, contenders: &[Contender]) -> usize {
    let pieces = slicing.cut(corpus);
    let wanted = Tally { events: corpus.event_ends.len(), data_length: corpus.data_length };
    let mut times = vec![f64::INFINITY; contenders.len()];
    for _ in 0..ROUNDS {
        for (contender, best) in contenders.iter().zip(&mut times) {
            // One run untimed: it brings the heap into the decoder's shape.
            let tally = (contender.run)(black_box(&pieces));
            let start = Instant::now();
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
    for (name, target) in [LENDING, OWNING].into_iter().zip(targets(corpus.name, slicing)) {
        let ratio = speed(&|contender| contender.name == name) / peer;
        let verdict = if ratio >= target { "met" } else { "MISSED" };
        println!("    {name}: {ratio:.2} x the fastest peer (target {target:.2}: {verdict})");
        missed += usize::from(ratio < target);
    }
    missed
}

/// How many times the fastest peer's throughput we aim at, lending and owning.
fn targets(corpus: &str, slicing: Slicing) -> [f64; 2] {
    match (slicing, corpus) {
        (Slicing::Bytes(1), _) => [1.05, 1.05],
        (Slicing::Bytes(64), "large") => [1.1, 1.1],
        (Slicing::Bytes(64), _) => [1.4, 1.4],
        (_, "llm-small") => [1.5, 1.3],
        (_, "keepalive") => [1.1, 1.0],
        (_, "large") => [1.0, 0.75],
        (_, "multiline") => [1.3, 1.3],
        _ => [2.5, 1.8],
    }
}
