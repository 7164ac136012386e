//! The decoders against the fastest peer in every cell, in both profiles.

use super::{Section, Written};
use crate::records::{Run, figure, table, text};

pub(super) const SECTION: Section = Section {
    title: "Decoders against the fastest peer",
    records: &["sse_table-release", "sse_table-release-thin-lto"],
    commands: &[
        (
            "the decoders against the fastest peer",
            "cargo run --profile release -p atoma-benches --features peers --bin sse_table",
        ),
        (
            "the same with thin LTO",
            "cargo run --profile release-thin-lto -p atoma-benches --features peers --bin sse_table",
        ),
    ],
    write,
};

const OURS: [&str; 3] = ["atoma-sse lending", "atoma-sse owning", "atoma-sse stream"];

fn write(runs: &[Run]) -> Written {
    let mut page =
        "How many times as fast as the fastest peer ours are in each cell, by the best of \
        interleaved rounds; in parentheses the stream against the fastest peer that is an async \
        adapter too. Bold is slower. `sseer` copies nothing of an event that is whole in a piece.\n"
            .to_owned();
    for (run, profile) in runs.iter().zip(["The release profile as it comes", "With thin LTO"]) {
        page.push_str(&format!("\n{profile}:\n\n"));
        let mut rows = Vec::new();
        for slicing in run.distinct("slicing") {
            rows.extend(run.distinct("corpus").iter().map(|corpus| row(run, corpus, slicing)));
        }
        let head = ["cell", "lending", "owning", "stream", "fastest peer"];
        page.push_str(&table(&head, &rows));
    }
    Written { text: page, chart: None }
}

fn row(run: &Run, corpus: &str, slicing: &str) -> Vec<String> {
    let cell = |decoder| [("corpus", corpus), ("slicing", slicing), ("decoder", decoder)];
    let ratio = |decoder| {
        let ratio = run.number(&cell(decoder), "ratio");
        let shown = figure(ratio, 2);
        if ratio.is_some_and(|ratio| ratio < 1.0) { format!("**{shown}**") } else { shown }
    };
    let [lending, owning, stream] = OURS;
    let adapter = figure(run.number(&cell(stream), "ratio_to_adapter"), 2);
    let peer = run.find(&cell(stream)).map_or("", |record| text(record, "peer"));
    vec![
        format!("{corpus}, {slicing}"),
        ratio(lending),
        ratio(owning),
        format!("{} ({adapter})", ratio(stream)),
        peer.to_owned(),
    ]
}
