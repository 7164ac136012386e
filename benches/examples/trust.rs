//! Runs one operation of verification or encryption a number of times, for `benches/instructions.sh trust`.
//!
//! Run: `cargo run --profile bench -p atoma-benches --example trust -- "open a chunk: Session::open" 2`
//!
//! Without arguments, it prints a line for each operation: its name, a tab, the name of its floor.

#[path = "../trust/mod.rs"]
mod trust;

fn main() {
    let operations = trust::single().into_iter().chain(trust::streams());
    let mut arguments = std::env::args().skip(1);
    let Some(name) = arguments.next() else {
        for operation in operations {
            println!("{}\t{}", operation.name, operation.floor);
        }
        return;
    };
    let runs = arguments.next().map_or(1, |runs| runs.parse().expect("a number of runs"));
    for mut operation in operations.filter(|operation| operation.name == name) {
        for _ in 0..runs {
            (operation.run)();
        }
    }
}
