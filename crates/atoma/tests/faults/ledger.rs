//! `FAULTS.md` has a line for each row, and the tests that it names exist.

use std::{fs, path::Path};

#[test]
fn faults_md_lists_every_row_and_names_tests_that_exist() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let transport = crates.join("atoma-transport");
    // A packed crate comes without the tests of the transport.
    let is_packed = !transport.exists();
    let of_transport = [transport.join("src/hyper"), transport.join("tests")];
    let mut sources = sources_in(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests"));
    if !is_packed {
        sources.extend(of_transport.iter().map(|folder| sources_in(folder)));
    }
    let lines = include_str!("../FAULTS.md").lines();
    let rows: Vec<Vec<&str>> = lines
        .filter(|line| line.starts_with("| ") && line.as_bytes()[2].is_ascii_digit())
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    let numbers: Vec<usize> = rows.iter().map(|row| row[0].parse().unwrap()).collect();
    assert!(numbers.len() >= 128, "rows are missing");
    assert_eq!(numbers, (1..=numbers.len()).collect::<Vec<_>>(), "each row once, in order");
    for row in rows {
        let [number, fault, test, outcome] = row[..] else { panic!("not four columns: {row:?}") };
        assert!(!fault.is_empty() && !outcome.is_empty(), "row {number}");
        if test == "—" {
            continue;
        }
        for name in test.split(", ") {
            let name = name.trim_matches('`');
            let is_here = sources.contains(&format!("fn {name}("));
            let is_elsewhere = is_packed && !name.starts_with("row_");
            assert!(is_here || is_elsewhere, "row {number}: no test {name}");
        }
    }
}

/// The text of all Rust files in `folder`.
fn sources_in(folder: &Path) -> String {
    let mut text = String::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            text += &sources_in(&path);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            text += &fs::read_to_string(path).unwrap();
        }
    }
    text
}
