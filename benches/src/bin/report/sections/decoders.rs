//! The throughput and the allocations of each decoder of event streams.

use super::{Section, Written, named, sorted};
use crate::{
    chart::{Bar, Chart, Group, Kind},
    records::{Run, figure, table, text},
};

pub(super) const SECTION: Section = Section {
    title: "Decoders of event streams",
    records: &["sse"],
    commands: &[(
        "the decoders of event streams",
        "cargo bench -p atoma-benches --features peers --bench sse",
    )],
    write: |runs| write(&runs[0]),
};

fn write(run: &Run) -> Written {
    let (decoders, corpora) = (run.distinct("decoder"), run.distinct("corpus"));
    let mut page = "![Throughput of each decoder](charts/decoders.svg)\n\n\
        Lending returns events that borrow from the decoder, owning returns owned events, the stream \
        is our async adapter. A dash means that the decoder finds wrong events.\n"
        .to_owned();
    for slicing in run.distinct("slicing") {
        page.push_str(&format!("\nMB/s, in pieces of {slicing}:\n\n"));
        let rows: Vec<_> = decoders
            .iter()
            .map(|decoder| {
                let figures = corpora.iter().map(|corpus| {
                    let cell = [("decoder", *decoder), ("corpus", corpus), ("slicing", slicing)];
                    figure(run.number(&cell, "megabytes_per_second"), 0)
                });
                [named(decoder)].into_iter().chain(figures).collect()
            })
            .collect();
        page.push_str(&table(&[&["decoder"], &corpora[..]].concat(), &rows));
    }
    page.push_str("\nAllocations per event, and the most heap in use (llm-small, 16 KiB):\n\n");
    let rows: Vec<_> = decoders
        .iter()
        .map(|decoder| {
            let cell = [("decoder", *decoder), ("corpus", "llm-small"), ("slicing", "16 KiB")];
            let number = |name| run.number(&cell, name);
            let allocations = figure(number("allocations_per_event"), 2);
            vec![named(decoder), allocations, figure(number("peak_heap_bytes"), 0)]
        })
        .collect();
    page.push_str(&table(&["decoder", "allocations", "bytes at most"], &rows));

    let group = |corpus| Group {
        name: corpus,
        bars: sorted(decoders.iter().filter_map(|decoder| {
            let cell = [("decoder", *decoder), ("corpus", corpus), ("slicing", "16 KiB")];
            let kind = match text(run.find(&cell)?, "kind") {
                "ours" => Kind::Ours,
                "peer" => Kind::Peer,
                _ => return None,
            };
            Some(Bar { name: decoder, value: run.number(&cell, "megabytes_per_second")?, kind })
        })),
    };
    let groups = corpora.iter().map(|corpus| group(corpus)).collect();
    let title = "Decoders of text/event-stream, in pieces of 16 KiB";
    let svg = Chart { title, unit: "MB/s, more is better", groups }.svg();
    Written { text: page, chart: Some(("decoders.svg", svg)) }
}
