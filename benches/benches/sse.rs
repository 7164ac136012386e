//! The decoders of `text/event-stream`, ours and the peers, over five corpora and five slicings.
//!
//! Run: `cargo bench -p atoma-benches --features peers --bench sse` (`-- llm-small` for the cells
//! whose name contains that text)
//!
//! You should see, for each corpus and slicing, criterion's time and throughput of each decoder,
//! then a table with allocations per event, the peak heap size and the throughput, and whether our
//! targets are met. Times are processor times of the thread; the table's are medians of rounds in
//! which all decoders took turns. Every decoder's events are counted before it is timed, and the
//! heap is in the state of a program that has run for a while. All are built as a plain release
//! build builds them, ours with its default features; `--no-default-features --features peers`
//! measures it without `simdutf8`, which takes an eighth longer for events of 220 bytes and a third
//! longer for lines of kilobytes. The figures of a whole run go to `target/atoma-bench/sse.json`.

use atoma_benches::{
    corpora::{Corpus, SHAPES, Slicing},
    decoders::{Contender, Kind, LENDING, OWNING, Tally, contenders, settle_heap},
    record::Records,
    rounds::interleaved,
    targets,
};
use atoma_sse::{Decoder, Limits};
use cpu_time::ThreadTime;
use criterion::{BenchmarkGroup, Criterion, SamplingMode, Throughput, measurement::WallTime};
use std::{
    collections::HashMap, convert::Infallible, hint::black_box, process::Command, time::Duration,
};

const COMMAND: &str = "cargo bench -p atoma-benches --features peers --bench sse";
/// A run that takes longer than this (some peers are quadratic) is timed once.
const TOO_SLOW: Duration = Duration::from_millis(60);
const ROUNDS: usize = 25;

fn main() {
    let filter = std::env::args().skip(1).find(|argument| !argument.starts_with("--"));
    let mut criterion = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(60))
        .measurement_time(Duration::from_millis(300))
        .without_plots();
    let heap = heap();
    settle_heap();
    let mut records = Records::new("sse", COMMAND);
    let mut missed = 0;
    for slicing in Slicing::ALL {
        for shape in SHAPES {
            let corpus = &*Box::leak(Box::new(shape(slicing.stream_length())));
            let cell = format!("sse {} {}", corpus.name, slicing.name());
            if filter.as_ref().is_some_and(|filter| !cell.contains(filter.as_str())) {
                continue;
            }
            let mut group = criterion.benchmark_group(&cell);
            group.sampling_mode(SamplingMode::Flat);
            group.throughput(Throughput::Bytes(corpus.bytes.len() as u64));
            let throughputs = measure(&mut group, corpus, slicing);
            group.finish();
            missed += report(corpus, slicing, &throughputs, &heap, &mut records);
        }
    }
    if filter.as_ref().is_none_or(|filter| "long line".contains(filter.as_str())) {
        missed += long_line(&mut records);
    }
    println!("{missed} targets missed");
    if filter.is_none() {
        match records.write() {
            Ok(path) => println!("recorded in {}", path.display()),
            Err(error) => println!("not recorded: {error}"),
        }
    }
}

/// MB/s of each contender, the median of interleaved rounds; `None` for one that finds other events
/// than there are.
fn measure(
    group: &mut BenchmarkGroup<'_, WallTime>,
    corpus: &'static Corpus,
    slicing: Slicing,
) -> Vec<(Contender, Option<f64>)> {
    let pieces = slicing.cut(corpus);
    let wanted = Tally { events: corpus.event_ends.len(), data_length: corpus.data_length };
    let (mut timed, mut wrong) = (Vec::new(), Vec::new());
    for contender in contenders() {
        let (tally, once) = run(&contender, &pieces);
        if contender.kind != Kind::Floor && tally != wanted {
            assert!(contender.kind == Kind::Peer, "{} finds {tally:?}", contender.name);
            wrong.push((contender, None));
            continue;
        }
        if once < TOO_SLOW {
            group.bench_function(contender.name, |bencher| {
                bencher.iter_custom(|times| (0..times).map(|_| run(&contender, &pieces).1).sum());
            });
        }
        timed.push((contender, once));
    }
    let rounds = interleaved(timed.len(), ROUNDS, 1, |index| {
        let (contender, once) = &timed[index];
        // The run before the timed one brings the heap into the decoder's usual state.
        if *once >= TOO_SLOW {
            return Ok::<_, Infallible>(*once);
        }
        run(contender, &pieces);
        Ok(run(contender, &pieces).1)
    });
    let Ok(rounds) = rounds;
    let speeds = rounds.iter().map(|rounds| corpus.bytes.len() as f64 / rounds.nanoseconds() * 1e3);
    let timed =
        timed.into_iter().zip(speeds).map(|((contender, _), speed)| (contender, Some(speed)));
    timed.chain(wrong).collect()
}

/// Times one run by the processor time of this thread: other work on the machine does not count.
fn run(contender: &Contender, pieces: &[&'static [u8]]) -> (Tally, Duration) {
    let start = ThreadTime::now();
    let tally = (contender.run)(black_box(pieces));
    (tally, start.elapsed())
}

/// Prints and records one cell of the table; returns the number of targets that it misses.
fn report(
    corpus: &Corpus,
    slicing: Slicing,
    throughputs: &[(Contender, Option<f64>)],
    heap: &HashMap<String, Heap>,
    records: &mut Records,
) -> usize {
    println!("\n{} in {}:", corpus.name, slicing.name());
    let peers = throughputs.iter().filter(|(contender, _)| contender.kind == Kind::Peer);
    let fastest = peers.filter_map(|(_, speed)| *speed).fold(0.0, f64::max);
    let mut missed = 0;
    for (contender, speed) in throughputs {
        let heap = heap.get(&key(corpus.name, &slicing.name(), contender.name));
        let heap = heap.copied().unwrap_or_default();
        let ratio = speed.filter(|_| fastest > 0.0).map(|speed| speed / fastest);
        records.push([
            ("corpus", corpus.name.into()),
            ("slicing", slicing.name().into()),
            ("decoder", contender.name.into()),
            ("kind", format!("{:?}", contender.kind).to_lowercase().into()),
            ("megabytes_per_second", (*speed).into()),
            ("ratio_to_fastest_peer", ratio.into()),
            ("allocations_per_event", heap.allocations.into()),
            ("peak_heap_bytes", heap.peak.into()),
        ]);
        let Some(speed) = speed else {
            println!("    {:<20} finds other events than there are", contender.name);
            continue;
        };
        print!(
            "    {:<20} {speed:>8.0} MB/s {:>8.3} allocations an event {:>8} B of heap",
            contender.name, heap.allocations, heap.peak
        );
        let target = match contender.name {
            LENDING => Some(targets::lending(corpus.name, slicing)),
            OWNING => targets::owning(corpus.name, slicing),
            _ => None,
        };
        match (ratio.filter(|_| contender.kind == Kind::Ours), target) {
            (Some(ratio), Some(target)) if ratio < target => {
                missed += 1;
                println!("  {ratio:.2} x the fastest peer, target {target:.2} MISSED");
            }
            (Some(ratio), Some(target)) => {
                println!("  {ratio:.2} x the fastest peer, target {target:.2} met");
            }
            (Some(ratio), None) => println!("  {ratio:.2} x the fastest peer"),
            (None, _) => println!(),
        }
    }
    missed
}

/// Returns whether the time for one long line in slices of 64 bytes is proportional to its length:
/// eight megabytes may take eleven times as long as one.
fn long_line(records: &mut Records) -> usize {
    const MOST: f64 = 11.0;
    let time = |length: usize| {
        let line = ["data: ", &"x".repeat(length), "\n\n"].concat();
        let times = (0..9).map(|_| {
            let mut decoder =
                Decoder::with_limits(Limits::new().line(usize::MAX).event(usize::MAX));
            let start = ThreadTime::now();
            for mut input in line.as_bytes().chunks(64) {
                while let Ok(Some(event)) = decoder.decode(&mut input) {
                    black_box(event.data());
                }
            }
            start.elapsed()
        });
        times.min().unwrap_or_default().as_secs_f64()
    };
    let ratio = time(8_000_000) / time(1_000_000);
    let verdict = if ratio <= MOST { "met" } else { "MISSED" };
    println!("\na line of 8 MB takes {ratio:.1} x as long as one of 1 MB, target {MOST} {verdict}");
    records.push([("long_line_ratio", ratio.into())]);
    usize::from(ratio > MOST)
}

#[derive(Debug, Clone, Copy, Default)]
struct Heap {
    allocations: f64,
    peak: u64,
}

/// The allocations of each decoder, counted in another process so that counting slows nothing here.
fn heap() -> HashMap<String, Heap> {
    let output = Command::new(env!("CARGO_BIN_EXE_sse_allocations")).output();
    let output = output.map(|output| output.stdout).unwrap_or_default();
    let output = String::from_utf8_lossy(&output);
    let read = |line: &str| {
        let mut columns = line.split('\t');
        let key = key(columns.next()?, columns.next()?, columns.next()?);
        let allocations = columns.next()?.parse().ok()?;
        Some((key, Heap { allocations, peak: columns.next()?.parse().ok()? }))
    };
    output.lines().filter_map(read).collect()
}

fn key(corpus: &str, slicing: &str, decoder: &str) -> String {
    format!("{corpus} {slicing} {decoder}")
}
