//! `FAULTS.md` has a line for each row, and the tests that it names exist.

use std::{fs, path::Path};

#[test]
fn faults_md_lists_every_row_and_names_tests_that_exist() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let transport = crates.join("atoma-transport");
    if !transport.exists() {
        return println!("the tests of atoma-transport are not here: this is a packed crate");
    }
    let folders =
        [crates.join("atoma/tests"), transport.join("src/hyper"), transport.join("tests")];
    let sources: String = folders.iter().map(|folder| sources(folder)).collect();
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
            assert!(sources.contains(&format!("fn {name}(")), "row {number}: no test {name}");
        }
    }
}

/// The text of all Rust files in `folder`.
fn sources(folder: &Path) -> String {
    let mut text = String::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            text += &sources(&path);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            text += &fs::read_to_string(path).unwrap();
        }
    }
    text
}
