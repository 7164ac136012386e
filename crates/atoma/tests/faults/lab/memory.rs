//! How much memory a test takes, measured in a process of its own.

use super::process::alone;
use std::future::Future;

/// Runs `test`, which is the whole of the test named `name` (`module::function`), in a process of
/// its own. Its memory must never be more than `limit` bytes above what it began with.
pub fn stays_within<F: Future<Output = ()>>(limit: u64, name: &str, test: impl FnOnce() -> F) {
    alone(name, None, || async {
        let before = of_this_process("VmRSS:");
        test().await;
        if let (Some(before), Some(peak)) = (before, of_this_process("VmHWM:")) {
            assert!(peak - before <= limit, "{} KiB more than at its start", (peak - before) >> 10);
        }
    });
}

/// A figure of the kernel's, in bytes, where there is such a kernel.
fn of_this_process(figure: &str) -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(figure))?;
    let kib: u64 = line.trim().trim_end_matches(" kB").parse().ok()?;
    Some(kib << 10)
}
