//! The sections of the page, one for each bench.

use super::{
    chart::{Bar, Chart, Group, Kind},
    records::{Run, figure, table, text},
};
use atoma_benches::clients::OURS;

/// A section, and the bench it is about.
pub(crate) struct Section {
    pub(crate) bench: &'static str,
    pub(crate) title: &'static str,
    pub(crate) write: fn(&Run) -> Written,
}

/// The text of a section, and its chart by the name of its file.
pub(crate) struct Written {
    pub(crate) text: String,
    pub(crate) chart: Option<(&'static str, String)>,
}

/// All of them, in the order of the page.
pub(crate) const ALL: &[Section] = &[
    Section { bench: "sse", title: "Decoders of event streams", write: decoders },
    Section { bench: "end_to_end", title: "Whole clients", write: clients },
    Section { bench: "instructions", title: "Instructions of whole clients", write: instructions },
    Section { bench: "shapes", title: "Instructions of reading each shape", write: shapes },
    Section { bench: "json", title: "Reading the JSON of a chunk", write: json },
    Section { bench: "streams", title: "Many concurrent streams", write: streams },
    Section { bench: "weight", title: "The weight of a small program", write: weight },
];

const STREAM_MODES: [&str; 5] = ["fast", "framed", "per-event", "keepalive", "unlike"];

fn decoders(run: &Run) -> Written {
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

fn clients(run: &Run) -> Written {
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

fn instructions(run: &Run) -> Written {
    let modes = run.distinct("mode");
    let mut rows: Vec<Vec<String>> = run
        .distinct("client")
        .iter()
        .map(|client| {
            let figures = modes.iter().map(|mode| {
                figure(run.number(&[("mode", mode), ("client", client)], "instructions"), 0)
            });
            [named(client)].into_iter().chain(figures).collect()
        })
        .collect();
    let mut opening = "Per event, and per call of the mode unary, in user space; counted by \
        callgrind, which a busy machine does not disturb."
        .to_owned();
    let (commit, peers) = PEERS;
    if !peers.iter().any(|(peer, _)| run.distinct("client").contains(peer)) {
        opening.push_str(&format!(" The peers were counted at commit {commit}."));
        for (peer, counted) in peers {
            let figures = modes.iter().map(|mode| {
                let counted = counted.iter().find(|(known, _)| known == mode);
                figure(counted.map(|(_, count)| *count), 0)
            });
            rows.push([peer.to_owned()].into_iter().chain(figures).collect());
        }
    }
    let all = table(&[&["client"], &modes[..]].concat(), &rows);
    let compared = compared_to_base(run);
    Written { text: format!("{opening}\n\n{all}{compared}"), chart: None }
}

/// The instructions of the peers at the commit where they were counted last: they take long to build.
const PEERS: (&str, [(&str, [(&str, f64); 6]); 2]) = (
    "a6e93a380c",
    [
        (
            "reqwest, eventsource-stream, serde_json",
            [
                ("fast", 26_599.0),
                ("framed", 17_428.0),
                ("per-event", 17_464.0),
                ("keepalive", 41_819.0),
                ("unlike", 26_617.0),
                ("unary", 81_267.0),
            ],
        ),
        (
            "async-openai",
            [
                ("fast", 30_010.0),
                ("framed", 19_640.0),
                ("per-event", 19_678.0),
                ("keepalive", 45_132.0),
                ("unlike", 30_012.0),
                ("unary", 95_438.0),
            ],
        ),
    ],
);

/// The instructions of our client at a commit before its facade was rebuilt.
const BASE: (&str, [(&str, &str, f64); 12]) = (
    "bbf87b7",
    [
        ("fast", "atoma", 3_005.0),
        ("fast", "atoma, lending", 1_511.0),
        ("framed", "atoma", 5_196.0),
        ("framed", "atoma, lending", 3_701.0),
        ("per-event", "atoma", 5_198.0),
        ("per-event", "atoma, lending", 3_710.0),
        ("keepalive", "atoma", 3_121.0),
        ("keepalive", "atoma, lending", 1_627.0),
        ("unlike", "atoma", 8_420.0),
        ("unlike", "atoma, lending", 8_064.0),
        ("unary", "atoma", 41_226.0),
        ("unary", "atoma, lending", 41_228.0),
    ],
);

fn compared_to_base(run: &Run) -> String {
    let (commit, base) = BASE;
    let rows = base.iter().filter_map(|&(mode, client, before)| {
        let now = run.number(&[("mode", mode), ("client", client)], "instructions")?;
        let change = 100.0 * (now / before - 1.0);
        let cells = [figure(Some(before), 0), figure(Some(now), 0), format!("{change:+.1} %")];
        Some([mode.to_owned(), client.to_owned()].into_iter().chain(cells).collect())
    });
    let head = ["mode", "client", &format!("at {commit}"), "now", "change"];
    let table = table(&head, &rows.collect::<Vec<_>>());
    format!(
        "\nCompared to commit {commit}, before the facade was rebuilt for ten resources, where the \
         mode unlike still measured the general reader:\n\n{table}"
    )
}

fn shapes(run: &Run) -> Written {
    let rows: Vec<_> = run
        .distinct("shape")
        .iter()
        .map(|shape| {
            let number = |reader, name| run.number(&[("shape", shape), ("reader", reader)], name);
            let ours = ["owned", "lent"].map(|reader| {
                let instructions = figure(number(reader, "instructions"), 0);
                format!("{instructions}, {} ×", figure(number(reader, "ratio"), 2))
            });
            let floor = figure(number("floor", "instructions"), 0);
            [(*shape).to_owned(), floor].into_iter().chain(ours).collect()
        })
        .collect();
    let opening = "Per chunk of a stream, or per body. The floor is serde_json into plain owned \
        structs that have the members of the shape. Our models read each chunk, add it to the \
        response and hand it over, owned or lent; they keep unknown members and accept responses that \
        strict readers reject. *Unlike* chunks change their members, so that the general reader reads \
        all of them; *content* is the usual chunk, of which only the new text is read.\n\n";
    let table = table(&["shape", "floor", "owned", "lent"], &rows);
    Written { text: format!("{opening}{table}"), chart: None }
}

fn json(run: &Run) -> Written {
    let mut page =
        "One chunk of a stream, about 220 bytes (content), with Atoma's signature and hash at its \
        end (signed), or with a different id each (unlike). Our reader keeps unknown members and \
        accepts responses that strict readers reject. `ChunkReader` reads the chunks of a stream in \
        a row, and only the new text of a chunk that is like the one before; `ChatCompletionChunk` \
        reads each alone.\n"
            .to_owned();
    for corpus in run.distinct("corpus") {
        page.push_str(&format!("\n{corpus}:\n\n"));
        let rows: Vec<_> = run
            .distinct("reading")
            .iter()
            .map(|reading| {
                let number = |name| run.number(&[("corpus", corpus), ("reading", reading)], name);
                vec![
                    named(reading),
                    figure(number("nanoseconds"), 0),
                    figure(number("ratio"), 2),
                    figure(number("allocations"), 1),
                    figure(number("bytes"), 0),
                ]
            })
            .collect();
        page.push_str(&table(&["reader", "ns", "× floor", "allocations", "bytes"], &rows));
    }
    Written { text: page, chart: None }
}

fn streams(run: &Run) -> Written {
    let number = |record: &serde_json::Value, name: &str| record.get(name)?.as_f64();
    let rows: Vec<_> = run
        .records
        .iter()
        .map(|record| {
            vec![
                named(text(record, "client")),
                figure(number(record, "streams"), 0),
                figure(number(record, "kilobytes"), 1),
                figure(number(record, "microseconds"), 1),
            ]
        })
        .collect();
    let opening = "Each in a task, all on one thread, without TLS, with ten events half a second \
        apart. The memory is the peak growth of the process, including the tasks; it is sampled.\n\n";
    let table =
        table(&["client", "streams", "kB per stream", "µs of processor time per event"], &rows);
    Written { text: format!("{opening}{table}"), chart: None }
}

fn weight(run: &Run) -> Written {
    let rows: Vec<_> = run
        .records
        .iter()
        .map(|record| {
            let number = |name: &str| record.get(name).and_then(serde_json::Value::as_f64);
            vec![
                named(text(record, "program")),
                figure(number("crates"), 0),
                figure(number("cpu_seconds"), 0),
                figure(number("bytes").map(|bytes| bytes / 1e6), 2),
                figure(number("load"), 1),
            ]
        })
        .collect();
    let opening = "A program that streams one response over TLS, built from scratch in release mode with \
        default features: the crates that it needs, the processor time of the build, and the size \
        of the stripped binary. The load is the machine's load before the build; a high load makes \
        the time longer. `hello-hyper` is the same by hand: hyper, rustls, ring and the operating \
        system's root certificates.\n\n";
    let table = table(&["program", "crates", "s to build", "MB", "load"], &rows);
    Written { text: format!("{opening}{table}"), chart: None }
}

/// A name in a table; ours in bold.
fn named(name: &str) -> String {
    if name.contains("atoma") { format!("**{name}**") } else { name.to_owned() }
}

fn kind(client: &str) -> Kind {
    match client {
        _ if client.starts_with(OURS) => Kind::Ours,
        _ if client.starts_with("floor") => Kind::Floor,
        _ => Kind::Peer,
    }
}

fn sorted<'a>(bars: impl Iterator<Item = Bar<'a>>) -> Vec<Bar<'a>> {
    let mut bars: Vec<_> = bars.collect();
    bars.sort_by(|a, b| b.value.total_cmp(&a.value));
    bars
}

fn sorted_up<'a>(bars: impl Iterator<Item = Bar<'a>>) -> Vec<Bar<'a>> {
    let mut bars = sorted(bars);
    bars.reverse();
    bars
}
