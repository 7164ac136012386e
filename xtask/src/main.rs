//! Checks of this repository that cargo has no command for.
//!
//! `cargo run -p xtask -- cycles` lists the cycles between the modules of each crate, and fails if
//! there is one that is not allowed.

mod cycles;
mod modules;
mod source;

use std::{fs, path::Path, process::ExitCode};

/// Cycles that are meant: a type and its builder.
const ALLOWED: [(&str, &[&str]); 2] =
    [("atoma", &["builder", "client"]), ("atoma-transport", &["hyper", "hyper::builder"])];

fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        Some("cycles") => check_cycles(),
        _ => {
            eprintln!("usage: cargo run -p xtask -- cycles");
            ExitCode::FAILURE
        }
    }
}

fn check_cycles() -> ExitCode {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates");
    let mut crates: Vec<_> = fs::read_dir(root)
        .expect("the workspace has a folder of crates")
        .filter_map(|entry| Some(entry.ok()?.path()).filter(|path| path.join("src").is_dir()))
        .collect();
    crates.sort();
    let mut is_clean = true;
    for path in crates {
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
