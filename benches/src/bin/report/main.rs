//! Writes `benches/README.md` and its charts from the latest records of the benches.
//!
//! Run: `cargo run -p atoma-benches --bin report`
//!
//! You should see the names of the files written. If a bench has not been run on this machine, or was
//! run on code that is not committed, its section stays as it is.

use atoma_benches::clients::Error;
use std::{fs, path::Path};

mod chart;
mod records;
mod sections;

use records::Run;

fn main() -> Result<(), Error> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut page = OPENING.to_owned();
    let before = fs::read_to_string(folder.join("README.md")).unwrap_or_default();
    let mut charts = Vec::new();
    for section in sections::ALL {
        let run = Run::read(section.bench)?;
        if run.records.is_empty() || !run.is_of_a_commit() {
            println!("no records of {} at a commit: its section is kept", section.bench);
            page.push_str(&section_of(&before, section.title));
            continue;
        }
        let written = (section.write)(&run);
        page.push_str(&format!("\n## {}\n\n{}", section.title, written.text));
        page.push_str(&format!("\n{}\n", run.origin()));
        charts.extend(written.chart);
    }
    fs::create_dir_all(folder.join("charts"))?;
    for (name, svg) in charts {
        write(&folder.join("charts").join(name), &svg)?;
    }
    write(&folder.join("README.md"), &page)
}

/// Returns the section of a page with this title, to the next one; empty if there is none.
fn section_of(page: &str, title: &str) -> String {
    let heading = format!("\n## {title}\n");
    let Some((_, rest)) = page.split_once(&heading) else { return String::new() };
    let end = rest.find("\n## ").unwrap_or(rest.len());
    format!("{heading}{}", &rest[..end])
}

fn write(path: &Path, text: &str) -> Result<(), Error> {
    fs::write(path, text)?;
    println!("{}", path.display());
    Ok(())
}

const OPENING: &str = "# The benches

This page is written by a program from the records of the latest runs. Each section names the commit,
the command, the machine and the date of the run, which was on a clean commit. Absolute figures are of one machine, which may have been busy; trust the ratios, which
compare neighbors in the same run, and take a few hundredths as noise.

| to measure | run |
| --- | --- |
| the decoders of event streams | `cargo bench -p atoma-benches --features peers --bench sse` |
| whole clients over loopback | `cargo bench -p atoma-benches --features peers --bench end_to_end` |
| instructions of whole clients (needs valgrind) | `benches/instructions.sh` |
| instructions of reading each shape of chunk and body (needs valgrind) | `benches/instructions_of_shapes.sh` |
| reading the JSON of a chunk | `cargo bench -p atoma-benches --features peers --bench json` |
| many concurrent streams | `cargo bench -p atoma-benches --bench streams` |
| crates, build and size of a small program | `benches/weight.sh` |
| this page, from the records of all these | `cargo run -p atoma-benches --bin report` |

Every contender's result is checked before it is timed. The peers are built by no other command.
";
