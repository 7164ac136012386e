//! The instructions of whole clients.

use super::{Section, Written, named};
use crate::records::{Run, figure, table};

pub(super) const SECTION: Section = Section {
    title: "Instructions of whole clients",
    records: &["instructions"],
    commands: &[("instructions of whole clients (needs valgrind)", "benches/instructions.sh")],
    write: |runs| write(&runs[0]),
};

fn write(run: &Run) -> Written {
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
