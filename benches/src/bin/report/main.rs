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
    let mut page = opening();
    let before = fs::read_to_string(folder.join("README.md")).unwrap_or_default();
    let mut charts = Vec::new();
    for section in sections::ALL {
        let runs = section.records.iter().map(|name| Run::read(name));
        let runs = runs.collect::<Result<Vec<_>, _>>()?;
        if let Some(missing) = runs.iter().position(|run| !run.is_of_a_commit()) {
            let missing = section.records[missing];
            println!("no records of {missing} at a commit: {:?} is kept", section.title);
            page.push_str(&section_of(&before, section.title));
            continue;
        }
        let written = (section.write)(&runs);
        page.push_str(&format!("\n## {}\n\n{}\n", section.title, written.text));
        let origins: Vec<_> = runs.iter().map(Run::origin).collect();
        page.push_str(&format!("{}\n", origins.join(" ")));
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

/// Returns the text before the first section: how to read the page, and the commands.
fn opening() -> String {
    let mut page = OPENING.to_owned();
    let all = sections::ALL.iter().flat_map(|section| section.commands);
    for (measured, command) in all.chain([&THIS_PAGE]) {
        page.push_str(&format!("| {measured} | `{command}` |\n"));
    }
    page.push_str(
        "\nEvery contender's result is checked before it is timed. The peers are built by no other \
         command.\n",
    );
    page
}

const THIS_PAGE: (&str, &str) =
    ("this page, from the records of all these", "cargo run -p atoma-benches --bin report");

const OPENING: &str = "# The benches

This page is written by a program from the records of the latest runs. Each section names the commit,
the command, the machine and the date of the run, which was on a clean commit. Absolute figures are of one machine, which may have been busy; trust the ratios, which
compare neighbors in the same run, and take a few hundredths as noise.

All figures are of the default features. The feature `simdutf8`, which validates the text of events with
vector instructions, is on by default in `atoma` and `atoma-sse`, and in these benches. To measure without it, add
`--no-default-features` to a command.

| to measure | run |
| --- | --- |
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_ends_before_the_next_one() {
        let page = "# Page\n\n## One\n\ntext\n\n## Two\n\nmore\n";
        assert_eq!(section_of(page, "One"), "\n## One\n\ntext\n");
        assert_eq!(section_of(page, "Two"), "\n## Two\n\nmore\n");
        assert_eq!(section_of(page, "Three"), "");
    }

    #[test]
    fn the_table_of_commands_has_a_row_for_each_command() {
        let page = opening();
        let commands = sections::ALL.iter().flat_map(|section| section.commands);
        assert!(commands.clone().count() >= sections::ALL.len());
        for (_, command) in commands {
            assert!(page.contains(&format!("| `{command}` |\n")), "{command}");
        }
    }

    #[test]
    fn the_page_has_no_section_that_the_program_does_not_know() {
        let page = include_str!("../../../README.md");
        for title in page.lines().filter_map(|line| line.strip_prefix("## ")) {
            assert!(sections::ALL.iter().any(|section| section.title == title), "{title}");
        }
    }
}
