//! The memory of every row.

use crate::lab::memory;

/// The limit for a row in MiB, with its server, its runtime and the stacks of threads.
const LIMIT: usize = 32;

/// Rows that need more: the first receives 32 MiB and has a separate limit, the second sends
/// 16 MiB.
const LARGER: [&str; 2] = [
    "content::row_083_a_response_over_the_limit",
    "reuse::row_061_an_error_response_while_the_request_is_being_written",
];

#[test]
fn each_row_passes_with_little_memory() {
    memory::limits_each_row(LIMIT, &LARGER);
}

/// Fails where [`each_row_passes_with_little_memory`] runs it, which shows that its limit works.
#[test]
fn row_000_more_memory_than_any_row_may_have() {
    memory::takes(LIMIT);
}
