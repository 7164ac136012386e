//! The time from nothing to the first byte of a first response.

use super::{Section, Written, named};
use crate::records::{Run, figure, number, table, text};

pub(super) const SECTION: Section = Section {
    title: "A first call",
    records: &["first_call"],
    commands: &[(
        "making a client, and its first call over TLS",
        "cargo bench -p atoma-benches --bench first_call",
    )],
    write: |runs| write(&runs[0]),
};

fn write(run: &Run) -> Written {
    let rows = run.rows(|record| {
        let number = |name: &str| number(record, name);
        vec![
            named(text(record, "client")),
            figure(number("make_microseconds"), 0),
            figure(number("first_microseconds"), 0),
            figure(number("second_microseconds"), 0),
            figure(number("load"), 1),
        ]
    });
    let opening = "The time to make a client with its defaults; from there to the first chunk of its \
        first stream, with a new connection and TLS, from a server on the loopback whose certificate \
        is added to the root certificates of the machine; and to the first chunk of its second \
        stream. Each run is a separate process; the median. The floor is hyper, rustls and the same \
        verifier by hand, which reads the root certificates when it is made.\n\n";
    let head = ["client", "µs to make", "µs to the first chunk", "µs, second call", "load"];
    Written { text: format!("{opening}{}", table(&head, &rows)), chart: None }
}
