//! How much memory a test takes, measured in a process of its own.

use std::{future::Future, process::Command};

/// Marks the process that runs one test alone.
const ALONE: &str = "FAULTS_ALONE";

/// Runs `test`, which is the whole of the test named `name` (`module::function`), in a process of
/// its own. Its memory must never be more than `limit` bytes above what it began with.
pub fn stays_within<F: Future<Output = ()>>(limit: u64, name: &str, test: impl FnOnce() -> F) {
    if std::env::var_os(ALONE).is_none() {
        let this = std::env::current_exe().expect("the path of this program");
        let mut alone = Command::new(this);
        alone.args(["--exact", name, "--nocapture", "--test-threads", "1"]).env(ALONE, "yes");
        let output = alone.output().expect("a process");
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
        assert!(text.contains("1 passed"), "there is no test {name}: {text}");
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let before = of_this_process("VmRSS:");
    runtime.expect("a runtime").block_on(test());
    if let (Some(before), Some(peak)) = (before, of_this_process("VmHWM:")) {
        assert!(peak - before <= limit, "{} KiB more than at its start", (peak - before) >> 10);
    }
}

/// A figure of the kernel's, in bytes, where there is such a kernel.
fn of_this_process(figure: &str) -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(figure))?;
    let kib: u64 = line.trim().trim_end_matches(" kB").parse().ok()?;
    Some(kib << 10)
}
