//! The memory of every row of a program other than the fault lab: `mod memory` runs the rows of the
//! program that includes it.

#[allow(dead_code, unreachable_pub, reason = "the rows of the lab use all of it")]
#[path = "../faults/lab/memory.rs"]
mod limit;
#[allow(dead_code, unreachable_pub, reason = "the rows of the lab use all of it")]
#[path = "../faults/lab/process.rs"]
mod process;

/// The limit for a row in MiB, with its server, its runtime and the stacks of threads.
const LIMIT: usize = 32;

#[test]
fn each_row_passes_with_little_memory() {
    limit::limits_each_row(LIMIT, &[]);
}

/// Fails where [`each_row_passes_with_little_memory`] runs it, which shows that its limit works.
#[test]
fn row_000_more_memory_than_any_row_may_have() {
    limit::takes(LIMIT);
}
