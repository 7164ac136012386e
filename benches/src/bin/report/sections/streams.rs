//! Many concurrent streams.

use super::{Section, Written, named};
use crate::records::{Run, figure, number, table, text};
use atoma_benches::traffic::Mode;

pub(super) const SECTION: Section = Section {
    title: "Many concurrent streams",
    records: &["streams"],
    commands: &[("many concurrent streams", "cargo bench -p atoma-benches --bench streams")],
    write: |runs| write(&runs[0]),
};

fn write(run: &Run) -> Written {
    let rows = run.rows(|record| {
        let number = |name: &str| number(record, name);
        let case = text(record, "case");
        let (opening, event) = (number("opening_microseconds"), number("microseconds"));
        // Framed streams are read while others are opened: only the sum of both is known.
        let (opening, event) = if case.contains("framed") {
            let events = Mode::Framed.events() as f64;
            let all = opening.zip(event).map(|(open, event)| open + (events - 1.0) * event);
            (None, all.map(|all| all / events))
        } else {
            (opening, event)
        };
        vec![
            case.to_owned(),
            named(text(record, "client")),
            figure(number("kilobytes"), 1),
            figure(opening, 0),
            figure(event, 1),
            figure(number("load"), 1),
        ]
    });
    let opening = "Each in a task, all on one thread, without TLS, with ten events half a second \
        apart, unless the case says otherwise; framed streams have 2,000 events without pauses. The \
        memory is the peak growth of the process, including the tasks; it is sampled. The processor \
        time is that of the process: to open a stream, up to its first text, and then for each \
        event; for framed streams both together, for each event. The load is that of the machine; a \
        high load makes the times longer. Where opening takes as long as the streams last, as with \
        10,000 over TLS, events are counted as opening.\n\n";
    let head = ["streams", "client", "kB per stream", "µs to open", "µs per event", "load"];
    Written { text: format!("{opening}{}", table(&head, &rows)), chart: None }
}
