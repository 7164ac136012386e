//! The memory of a test, measured or limited in a separate process.

use super::process::{alone, command};
use std::{
    future::Future,
    process::{Command, Output},
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

/// Marks a process whose memory the kernel limits.
const LIMITED: &str = "FAULTS_LIMITED";
/// Processes that run concurrently.
const WORKERS: usize = 4;

/// Runs each row of this program in a separate process that may have `mib` MiB of writable memory
/// in all, with client, server and the stacks of threads. The kernel denies it any more, and the
/// row fails. `larger` are rows that are known to need more.
#[cfg(target_os = "linux")]
pub fn limits_each_row(mib: usize, larger: &[&str]) {
    let this = std::env::current_exe().expect("the path of this program");
    let listed = Command::new(this).args(["--list", "--format", "terse"]).output();
    let listed = String::from_utf8(listed.expect("a list of tests").stdout).expect("names");
    let names = listed.lines().filter_map(|line| line.strip_suffix(": test"));
    let is_row =
        |name: &&str| name.rsplit("::").next().is_some_and(|name| name.starts_with("row_"));
    let rows: Vec<&str> = names.filter(is_row).collect();
    let (control, rows): (Vec<_>, Vec<_>) =
        rows.into_iter().partition(|name| name.ends_with("more_memory_than_any_row_may_have"));
    assert!(larger.iter().all(|name| rows.contains(name)), "{larger:?} are not rows");
    for name in control {
        assert!(!limited(name, mib).status.success(), "the limit does not work here");
    }
    let next = AtomicUsize::new(0);
    let run = || {
        while let Some(name) = rows.get(next.fetch_add(1, Ordering::Relaxed)) {
            if !larger.contains(name) {
                let output = limited(name, mib);
                let text = String::from_utf8_lossy(&output.stdout);
                let errors = String::from_utf8_lossy(&output.stderr);
                let passed = output.status.success() && text.contains("1 passed");
                assert!(passed, "{name} does not pass with {mib} MiB: {text}{errors}");
            }
        }
    };
    thread::scope(|scope| {
        (0..WORKERS).for_each(|_| drop(scope.spawn(run)));
    });
}

fn limited(name: &str, mib: usize) -> Output {
    let mut command = command(name, Some(&format!("ulimit -d {}", mib << 10)));
    // The symbols of a backtrace alone need more, and a panic that cannot allocate them hangs.
    command.env_remove(super::process::ALONE).env("RUST_BACKTRACE", "0");
    command.env(LIMITED, "yes").output().expect("a process")
}

/// Allocates `mib` MiB in a process with a limit, and nothing in others.
pub fn takes(mib: usize) {
    if std::env::var_os(LIMITED).is_some() {
        assert_ne!(std::hint::black_box(vec![1_u8; mib << 20]).len(), 0);
    }
}

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

/// A figure of the kernel in bytes; only Linux has it, and elsewhere memory is not checked.
fn of_this_process(figure: &str) -> Option<u64> {
    if cfg!(not(target_os = "linux")) {
        return None;
    }
    let status = std::fs::read_to_string("/proc/self/status").expect("the state of a process");
    let line = status.lines().find_map(|line| line.strip_prefix(figure)).expect("a figure");
    let kib: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number");
    Some(kib << 10)
}
