//! The decoders against the fastest peer in every cell: the best of interleaved rounds, which a busy
//! machine disturbs least, in the profile that this program is built with.
//!
//! Run: `cargo run --release -p atoma-benches --features peers --bin sse_table`, and
//! `cargo run --profile release-thin-lto -p atoma-benches --features peers --bin sse_table`
//! (`-- llm-small` for the corpora whose name contains that text, `-- "" 64` for slicings)
//!
//! You should see a line for each corpus and slicing: the throughput of our three interfaces in MB/s,
//! each with its ratio to the fastest peer, the ratio of the stream to the fastest async adapter, and
//! that peer. A star marks a cell in which ours is slower, and the last line counts them and the
//! missed targets. The figures of a whole run go to `target/atoma-bench/sse_table-PROFILE.json`.

use atoma_benches::{
    corpora::{Corpus, SHAPES, Slicing},
    decoders::{Contender, Kind, LENDING, OWNING, STREAM, Tally, contenders, settle_heap},
    record::Records,
    targets,
};
use cpu_time::ThreadTime;
use std::{env, hint::black_box, time::Duration};

const ROUNDS: usize = 25;
/// A run that takes longer than this (some peers are quadratic) is timed once.
const TOO_SLOW: Duration = Duration::from_millis(60);
/// The peers that are streams themselves, as our adapter is.
const ADAPTERS: [&str; 3] = ["sse-stream", "sseer", "eventsource-stream"];

fn main() {
    let mut filters = env::args().skip(1);
    let corpus_filter = filters.next().unwrap_or_default();
    let slicing_filter = filters.next().unwrap_or_default();
    let profile = profile();
    let command =
        format!("cargo run --profile {profile} -p atoma-benches --features peers --bin sse_table");
    let mut records = Records::new(&format!("sse_table-{profile}"), &command);
    let (mut missed, mut slower) = (0, 0);
    settle_heap();
    for slicing in Slicing::ALL {
        for shape in SHAPES {
            let corpus = &*Box::leak(Box::new(shape(slicing.stream_length())));
            if corpus.name.contains(&corpus_filter) && slicing.name().contains(&slicing_filter) {
                let cell = Cell::measure(corpus, slicing);
                missed += cell.missed_targets();
                slower += cell.print(&mut records);
            }
        }
    }
    println!("{slower} figures below the fastest peer, {missed} targets missed");
    if corpus_filter.is_empty() && slicing_filter.is_empty() {
        match records.write() {
            Ok(path) => println!("recorded in {}", path.display()),
            Err(error) => println!("not recorded: {error}"),
        }
    }
}

/// The profile that this program was built with, by the folder that it is in.
fn profile() -> String {
    let path = env::current_exe().unwrap_or_default();
    let folder = path.parent().and_then(|folder| folder.file_name());
    folder.map_or_else(|| "unknown".into(), |name| name.to_string_lossy().into_owned())
}

/// The throughputs over one corpus in one slicing.
struct Cell {
    corpus: &'static str,
    slicing: Slicing,
    /// MB/s of the contenders that find the right events.
    speeds: Vec<(Contender, f64)>,
}

impl Cell {
    fn measure(corpus: &'static Corpus, slicing: Slicing) -> Self {
        let pieces = slicing.cut(corpus);
        let wanted = Tally { events: corpus.event_ends.len(), data_length: corpus.data_length };
        let mut best = Vec::new();
        for contender in contenders().into_iter().filter(|each| each.kind != Kind::Floor) {
            let (tally, time) = run(&contender, &pieces);
            if tally == wanted {
                best.push((contender, time));
            } else {
                assert!(contender.kind == Kind::Peer, "{} finds {tally:?}", contender.name);
            }
        }
        for _ in 0..ROUNDS {
            for (contender, best) in best.iter_mut().filter(|(_, best)| *best < TOO_SLOW) {
                // One run untimed: it brings the heap into the decoder's usual state.
                run(contender, &pieces);
                *best = run(contender, &pieces).1.min(*best);
            }
        }
        let speed = |time: Duration| corpus.bytes.len() as f64 / time.as_secs_f64() / 1e6;
        let speeds = best.into_iter().map(|(contender, time)| (contender, speed(time))).collect();
        Self { corpus: corpus.name, slicing, speeds }
    }

    fn speed(&self, name: &str) -> f64 {
        let found = self.speeds.iter().find(|(contender, _)| contender.name == name);
        found.map_or(f64::NAN, |(_, speed)| *speed)
    }

    /// Returns the fastest peer of those, and its throughput.
    fn fastest(&self, is_one: impl Fn(&str) -> bool) -> (&'static str, f64) {
        let peers = self.speeds.iter().filter(|(contender, _)| contender.kind == Kind::Peer);
        let named = peers.map(|(contender, speed)| (contender.name, *speed));
        let fastest = named.filter(|(name, _)| is_one(name)).max_by(|a, b| a.1.total_cmp(&b.1));
        fastest.unwrap_or(("no peer", f64::NAN))
    }

    /// Prints and records the cell. Returns how many of our interfaces are slower than the fastest
    /// peer.
    fn print(&self, records: &mut Records) -> usize {
        let (peer, peer_speed) = self.fastest(|_| true);
        let (adapter, adapter_speed) = self.fastest(|name| ADAPTERS.contains(&name));
        let slicing = self.slicing.name();
        print!("{:<10} {slicing:<7}", self.corpus);
        let mut slower = 0;
        for name in [LENDING, OWNING, STREAM] {
            let speed = self.speed(name);
            let ratio = speed / peer_speed;
            let star = if ratio < 1.0 { '*' } else { ' ' };
            slower += usize::from(ratio < 1.0);
            print!(" {} {speed:>6.0} {ratio:>5.2}{star}", name.trim_start_matches("atoma-sse "));
            records.push([
                ("corpus", self.corpus.into()),
                ("slicing", slicing.clone().into()),
                ("decoder", name.into()),
                ("megabytes_per_second", speed.into()),
                ("ratio", ratio.into()),
                ("ratio_to_adapter", (speed / adapter_speed).into()),
                ("peer", peer.into()),
                ("adapter", adapter.into()),
            ]);
        }
        let ratio = self.speed(STREAM) / adapter_speed;
        println!(" ({ratio:.2} x {adapter})  fastest peer {peer} {peer_speed:.0}");
        slower
    }

    fn missed_targets(&self) -> usize {
        let peer = self.fastest(|_| true).1;
        let lending = self.speed(LENDING) / peer < targets::lending(self.corpus, self.slicing);
        let target = targets::owning(self.corpus, self.slicing);
        let owning = target.is_some_and(|target| self.speed(OWNING) / peer < target);
        usize::from(lending) + usize::from(owning)
    }
}

/// Times one run by the processor time of this thread.
fn run(contender: &Contender, pieces: &[&'static [u8]]) -> (Tally, Duration) {
    let start = ThreadTime::now();
    let tally = (contender.run)(black_box(pieces));
    (tally, start.elapsed())
}
