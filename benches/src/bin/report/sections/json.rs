//! Reading the JSON of a chunk.

use super::{Section, Written, named};
use crate::records::{Run, figure, table};

pub(super) const SECTION: Section = Section {
    title: "Reading the JSON of a chunk",
    records: &["json"],
    commands: &[(
        "reading the JSON of a chunk",
        "cargo bench -p atoma-benches --features peers --bench json",
    )],
    write: |runs| write(&runs[0]),
};

fn write(run: &Run) -> Written {
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
