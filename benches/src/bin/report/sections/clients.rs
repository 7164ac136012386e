//! Whole clients over loopback.

use super::{Section, Written, kind, named, sorted_up};
use crate::{
    chart::{Bar, Chart, Group},
    records::{Run, figure, table},
};

pub(super) const SECTION: Section = Section {
    title: "Whole clients",
    records: &["end_to_end"],
    commands: &[(
        "whole clients over loopback",
        "cargo bench -p atoma-benches --features peers --bench end_to_end",
    )],
    write: |runs| write(&runs[0]),
};

const STREAM_MODES: [&str; 5] = ["fast", "framed", "per-event", "keepalive", "unlike"];

fn write(run: &Run) -> Written {
    let clients = run.distinct("client");
    let per_client = |head: &[&str], cells: &dyn Fn(&str) -> Vec<String>| {
        let row = |client: &&str| [named(client)].into_iter().chain(cells(client)).collect();
        table(head, &clients.iter().map(row).collect::<Vec<_>>())
    };
    let mut page = "![Processor time per event of each client](charts/clients.svg)\n\n\
        Streams of 2,000 events from a server in another process; processor time of the reading \
        thread, the median of interleaved rounds, and the ratio to the floor. The floor is hyper by \
        hand, with its connection in a task as in hyper's own client, a search for line ends, and \
        serde_json into plain owned structs: no limits, timeouts or checks. Our client drives its \
        connection in the reader's task, as the second floor does, and reads only the new text of a \
        chunk that is like the one before; *lending* reads chunks by reference and keeps none. Fast: \
        HTTP chunks of 16 KiB. Framed: one HTTP chunk an event. Per-event: one write an event; a \
        reader that is faster than the server sleeps and wakes for each event, and pays more than \
        one that finds several at a time. \
        Keepalive: as fast, with a comment before every event. Unlike: as fast, but every chunk has \
        a different id.\n\n"
        .to_owned();
    let timed = |client: &str| {
        let cells = STREAM_MODES.iter().map(|mode| {
            let cell = [("mode", *mode), ("client", client)];
            let number = |name| run.number(&cell, name);
            format!("{} ns, {} ×", figure(number("nanoseconds"), 0), figure(number("ratio"), 2))
        });
        cells.collect()
    };
    page.push_str(&per_client(&[&["client"], &STREAM_MODES[..]].concat(), &timed));

    page.push_str("\nAllocations and bytes allocated per event:\n\n");
    let allocated = |client: &str| {
        let cells = STREAM_MODES.iter().map(|mode| {
            let cell = [("mode", *mode), ("client", client)];
            let number = |name| run.number(&cell, name);
            format!("{}, {} B", figure(number("allocations"), 1), figure(number("bytes"), 0))
        });
        cells.collect()
    };
    page.push_str(&per_client(&[&["client"], &STREAM_MODES[..]].concat(), &allocated));

    page.push_str(
        "\nA unary call; the memory added by a reader that stops for three \
         seconds while 200,000 events are sent; the connections opened for 101 streams in a row, \
         and for 101 streams whose body ends a millisecond after its last event:\n\n",
    );
    let others = |client: &str| {
        let unary = [("mode", "unary"), ("client", client)];
        let held = run.number(&[("mode", "held"), ("client", client)], "mebibytes");
        let opened = |stream| {
            let cell = [("mode", "connections"), ("client", client), ("stream", stream)];
            figure(run.number(&cell, "connections"), 0)
        };
        vec![
            format!("{} ns", figure(run.number(&unary, "nanoseconds"), 0)),
            format!("{} ×", figure(run.number(&unary, "ratio"), 2)),
            figure(run.number(&unary, "allocations"), 0),
            format!("{} MiB", figure(held, 2)),
            opened("framed"),
            opened("late end"),
        ]
    };
    let head =
        ["client", "unary", "× floor", "allocations", "held reader", "connections", "late end"];
    page.push_str(&per_client(&head, &others));

    let group = |mode| Group {
        name: mode,
        bars: sorted_up(clients.iter().filter_map(|client| {
            let value = run.number(&[("mode", mode), ("client", client)], "nanoseconds")?;
            Some(Bar { name: client, value, kind: kind(client) })
        })),
    };
    let groups = STREAM_MODES.iter().map(|mode| group(mode)).collect();
    let title = "Whole clients, streaming over loopback";
    let unit = "nanoseconds of processor time per event, less is better";
    let svg = Chart { title, unit, groups }.svg();
    Written { text: page, chart: Some(("clients.svg", svg)) }
}
