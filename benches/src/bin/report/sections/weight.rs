//! The weight of a small program.

use super::{Section, Written, named};
use crate::records::{Run, figure, number, table, text};

pub(super) const SECTION: Section = Section {
    title: "The weight of a small program",
    records: &["weight"],
    commands: &[("crates, build and size of a small program", "benches/weight.sh")],
    write: |runs| write(&runs[0]),
};

fn write(run: &Run) -> Written {
    let rows = run.rows(|record| {
        let number = |name: &str| number(record, name);
        vec![
            named(text(record, "program")),
            figure(number("crates"), 0),
            figure(number("cpu_seconds"), 0),
            figure(number("bytes").map(|bytes| bytes / 1e6), 2),
            figure(number("load"), 1),
        ]
    });
    let opening = "A program that streams one response over TLS, built from scratch in release mode with \
        default features: the crates that it needs, the processor time of the build, and the size \
        of the stripped binary. The load is the machine's load before the build; a high load makes \
        the time longer. `hello-hyper` is the same by hand: hyper, rustls, ring and the operating \
        system's root certificates.\n\n";
    let table = table(&["program", "crates", "s to build", "MB", "load"], &rows);
    Written { text: format!("{opening}{table}"), chart: None }
}
