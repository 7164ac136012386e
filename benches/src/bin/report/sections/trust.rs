//! The cost of verification and encryption.

use super::{Section, Written};
use crate::records::{Run, figure, table, text};

pub(super) const SECTION: Section = Section {
    title: "Verification and encryption",
    records: &["trust", "trust_instructions"],
    commands: &[
        ("the cost of verification and encryption", "cargo bench -p atoma-benches --bench trust"),
        ("the same in instructions (needs valgrind)", "benches/instructions.sh trust"),
    ],
    write: |runs| write(&runs[0], &runs[1]),
};

fn write(times: &Run, instructions: &Run) -> Written {
    let mut page =
        "The floor of each group is the bare cryptography of the same crates, or the plain \
        stream with it. One check, one chunk of about 310 bytes, one request of 4 KiB; of whole \
        streams, one chunk, from memory.\n"
            .to_owned();
    let (mut checks, mut streams) = (Vec::new(), Vec::new());
    for record in &instructions.records {
        let name = text(record, "operation");
        let number = |run: &Run, member| run.number(&[("operation", name)], member);
        let is_floor = name == text(record, "floor");
        let cells = vec![
            if is_floor { name.to_owned() } else { format!("**{name}**") },
            figure(number(instructions, "instructions"), 0),
            figure(number(instructions, "ratio"), 2),
            figure(number(times, "nanoseconds"), 0),
            figure(number(times, "ratio"), 2),
        ];
        if name.starts_with("stream") { &mut streams } else { &mut checks }.push(cells);
    }
    for (what, rows) in [("operation", checks), ("stream", streams)] {
        let head = [what, "instructions", "× floor", "ns", "× floor"];
        page.push_str(&format!("\n{}", table(&head, &rows)));
    }
    page.push_str(
        "\nThe time of a busy machine varies by a tenth; the instructions do not vary. The crates and \
         the size that the features add are in the section above.\n",
    );
    Written { text: page, chart: None }
}
