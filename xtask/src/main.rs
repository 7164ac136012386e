//! Checks of this repository that cargo has no command for.
//!
//! `cargo run -p xtask -- cycles` lists the cycles between the modules of each crate, and fails if
//! there is one that is not allowed.
//!
//! `cargo run -p xtask -- api` compares the public items of each published crate with the listings
//! in `api/`, and fails if they differ. `cargo run -p xtask -- api --write` writes the listings.
//!
//! `cargo run -p xtask -- faults` does the same for the picture of the table of faults.

mod api;
mod cycles;
mod faults;
mod macros;
mod modules;
mod source;

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

/// Cycles that are meant: a type and its builder.
const ALLOWED: [(&str, &[&str]); 2] =
    [("atoma", &["builder", "client"]), ("atoma-transport", &["hyper", "hyper::builder"])];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["cycles"] => check_cycles(),
        ["api"] => check_api(false),
        ["api", "--write"] => check_api(true),
        ["faults"] => check_faults(false),
        ["faults", "--write"] => check_faults(true),
        _ => {
            eprintln!("usage: cargo run -p xtask -- cycles | api [--write] | faults [--write]");
            ExitCode::FAILURE
        }
    }
}

/// The folders of the published crates.
fn crates() -> Vec<PathBuf> {
    let mut crates: Vec<_> = fs::read_dir(root().join("crates"))
        .expect("the workspace has a folder of crates")
        .filter_map(|entry| Some(entry.ok()?.path()).filter(|path| path.join("src").is_dir()))
        .collect();
    crates.sort();
    crates
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn check_api(write: bool) -> ExitCode {
    let mut is_equal = true;
    for path in crates() {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let listing = api::list(&path.join("src")).join("\n") + "\n";
        let file = root().join("api").join(format!("{name}.txt"));
        if write {
            fs::create_dir_all(root().join("api")).expect("the folder api can be made");
            fs::write(&file, &listing).expect("a listing can be written");
        }
        let committed = fs::read_to_string(&file).unwrap_or_default();
        for (sign, from, other) in [('-', &committed, &listing), ('+', &listing, &committed)] {
            for line in from.lines().filter(|line| !other.lines().any(|known| known == *line)) {
                println!("{name}: {sign} {line}");
            }
        }
        is_equal &= committed == listing;
    }
    if is_equal {
        return ExitCode::SUCCESS;
    }
    eprintln!("the public API is not that of api/: cargo run -p xtask -- api --write");
    ExitCode::FAILURE
}

fn check_faults(write: bool) -> ExitCode {
    let read = |path: &str| fs::read_to_string(root().join(path)).unwrap_or_default();
    let (table, picture) = ("crates/atoma/tests/FAULTS.md", "benches/charts/faults.svg");
    let drawn = faults::draw(&read(table));
    if write {
        fs::write(root().join(picture), &drawn).expect("the picture can be written");
    }
    if read(picture) == drawn {
        return ExitCode::SUCCESS;
    }
    eprintln!("{picture} is not that of {table}: cargo run -p xtask -- faults --write");
    ExitCode::FAILURE
}

fn check_cycles() -> ExitCode {
    let mut is_clean = true;
    for path in crates() {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let modules = modules::read(&path.join("src"));
        let dependencies = modules::dependencies(&modules);
        for cycle in cycles::find(&dependencies) {
            let names: Vec<&str> = cycle.iter().map(String::as_str).collect();
            let is_allowed = ALLOWED.contains(&(&name, &names));
            is_clean &= is_allowed;
            println!(
                "{name}: {} {}",
                if is_allowed { "allowed:" } else { "cycle:" },
                names.join(", ")
            );
            for (from, to) in cycles::edges_within(&dependencies, &cycle) {
                println!("    {from} -> {to}");
            }
        }
    }
    if is_clean { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
