//! The instructions of whole clients for each shape of chunk and body.

use super::{Section, Written, named};
use crate::records::{Run, figure, table};
use atoma_benches::clients::FLOOR;

pub(super) const SECTION: Section = Section {
    title: "Instructions of whole clients for each shape",
    records: &["client_shapes"],
    commands: &[(
        "the same for each shape of chunk and body",
        "benches/instructions.sh client-shapes",
    )],
    write: |runs| write(&runs[0]),
};

fn write(run: &Run) -> Written {
    let clients = run.distinct("client");
    let rows: Vec<_> = run
        .distinct("shape")
        .iter()
        .map(|shape| {
            let figures = clients.iter().map(|client| {
                let number = |name| run.number(&[("shape", shape), ("client", client)], name);
                let instructions = figure(number("instructions"), 0);
                match *client {
                    FLOOR => instructions,
                    _ => format!("{instructions}, {} ×", figure(number("ratio"), 2)),
                }
            });
            [(*shape).to_owned()].into_iter().chain(figures).collect()
        })
        .collect();
    let opening = "Per chunk of a stream, or per call whose response is a body, from a server in \
        another process. The floor is hyper by hand and serde_json into plain owned structs that \
        have the members of the shape. Chunks come in HTTP chunks of 16 KiB.\n\n";
    let clients: Vec<_> = clients.iter().map(|client| named(client)).collect();
    let head: Vec<_> = ["shape"].into_iter().chain(clients.iter().map(|name| &name[..])).collect();
    Written { text: format!("{opening}{}", table(&head, &rows)), chart: None }
}
