//! The instructions and the processor time of reading each shape of chunk and body.

use super::{Section, Written};
use crate::records::{Run, figure, table};

pub(super) const SECTION: Section = Section {
    title: "Reading each shape",
    records: &["shapes", "shape_times"],
    commands: &[
        ("instructions of reading each shape, without a client", "benches/instructions.sh shapes"),
        ("the same in processor time", "cargo bench -p atoma-benches --bench shapes"),
    ],
    write: |runs| write(&runs[0], &runs[1]),
};

fn write(instructions: &Run, times: &Run) -> Written {
    let opening = "Per chunk of a stream, or per body. The floor is serde_json into plain owned \
        structs that have the members of the shape. Our models read each chunk, add it to the \
        response and hand it over, owned or lent; they keep unknown members and accept responses that \
        strict readers reject. *Unlike* chunks change their members, so that the general reader reads \
        all of them; *content* is the usual chunk, of which only the new text is read. The processor \
        time is that of the reading thread, the median of interleaved rounds.";
    let counted = ratios(instructions, "instructions", "floor, instructions");
    let timed = ratios(times, "nanoseconds", "floor, ns");
    Written { text: format!("{opening}\n\n{counted}\n{timed}"), chart: None }
}

/// A table of the floor's figures of this name and ours, with their ratios, for each shape.
fn ratios(run: &Run, figures: &str, head: &str) -> String {
    let rows: Vec<_> = run
        .distinct("shape")
        .iter()
        .map(|shape| {
            let number = |reader, name| run.number(&[("shape", shape), ("reader", reader)], name);
            let ours = ["owned", "lent"].map(|reader| {
                let absolute = figure(number(reader, figures), 0);
                format!("{absolute}, {} ×", figure(number(reader, "ratio"), 2))
            });
            let floor = figure(number("floor", figures), 0);
            [(*shape).to_owned(), floor].into_iter().chain(ours).collect()
        })
        .collect();
    table(&["shape", head, "owned", "lent"], &rows)
}
