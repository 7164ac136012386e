//! The instructions of reading each shape of chunk and body.

use super::{Section, Written};
use crate::records::{Run, figure, table};

pub(super) const SECTION: Section = Section {
    title: "Instructions of reading each shape",
    records: &["shapes"],
    commands: &[(
        "instructions of reading each shape, without a client",
        "benches/instructions.sh shapes",
    )],
    write: |runs| write(&runs[0]),
};

fn write(run: &Run) -> Written {
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
