//! The memory of a test, measured in a separate process.

use super::process::alone;
use std::future::Future;

/// Runs `test`, which is the whole body of the test named `name` (`module::function`), in a
/// separate process. Its memory must never exceed the initial memory by more than `limit` bytes.
pub fn stays_within<F: Future<Output = ()>>(limit: u64, name: &str, test: impl FnOnce() -> F) {
    alone(name, None, || async {
        let before = of_this_process("VmRSS:");
        test().await;
        if let (Some(before), Some(peak)) = (before, of_this_process("VmHWM:")) {
            assert!(peak - before <= limit, "{} KiB more than at its start", (peak - before) >> 10);
        }
    });
}

/// A figure of the kernel in bytes, on systems that report it.
fn of_this_process(figure: &str) -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(figure))?;
    let kib: u64 = line.trim().trim_end_matches(" kB").parse().ok()?;
    Some(kib << 10)
}
