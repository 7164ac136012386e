//! The memory of every test of this program, which rows 119 to 129 of the client's `FAULTS.md`
//! refer to.

use crate::process::ALONE;
use std::{
    process::{Command, Output},
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

/// The limit for a test in MiB, with its server, its runtime and the stacks of threads.
const LIMIT: usize = 32;
/// Tests that need more: each sends a body of that size.
const LARGER: [&str; 2] = [
    "connections::a_response_before_the_request_was_read_ends_its_connection",
    "responses::an_early_error_response_is_read_while_the_request_is_being_written",
];
/// Processes that run concurrently.
const WORKERS: usize = 4;
/// Marks a process whose memory the kernel limits.
const LIMITED: &str = "TRANSPORT_LIMITED";
const THIS: &str = "memory::each_test_passes_with_little_memory";
const CONTROL: &str = "memory::more_memory_than_any_test_may_have";

/// Runs each test in a separate process. The kernel denies it more memory than the limit, and the
/// test fails.
#[test]
fn each_test_passes_with_little_memory() {
    let this = std::env::current_exe().unwrap();
    let listed = Command::new(this).args(["--list", "--format", "terse"]).output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    let tests = listed.lines().filter_map(|line| line.strip_suffix(": test"));
    let tests: Vec<&str> = tests.filter(|name| ![THIS, CONTROL].contains(name)).collect();
    assert!(LARGER.iter().all(|name| tests.contains(name)), "{LARGER:?} are not tests");
    assert!(!limited(CONTROL).status.success(), "the limit does not work here");
    let next = AtomicUsize::new(0);
    let run = || {
        while let Some(name) = tests.get(next.fetch_add(1, Ordering::Relaxed)) {
            if LARGER.contains(name) {
                continue;
            }
            let output = limited(name);
            let text = String::from_utf8_lossy(&output.stdout);
            let errors = String::from_utf8_lossy(&output.stderr);
            // An ignored test is a part of another, which is limited as well.
            let passed = text.contains("1 passed") || text.contains("1 ignored");
            let passed = passed && output.status.success();
            assert!(passed, "{name} does not pass with {LIMIT} MiB: {text}{errors}");
        }
    };
    thread::scope(|scope| (0..WORKERS).for_each(|_| drop(scope.spawn(run))));
}

/// Fails where [`each_test_passes_with_little_memory`] runs it, which shows that its limit works.
#[test]
fn more_memory_than_any_test_may_have() {
    if std::env::var_os(LIMITED).is_some() {
        assert_ne!(std::hint::black_box(vec![1_u8; LIMIT << 20]).len(), 0);
    }
}

fn limited(name: &str) -> Output {
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("ulimit -d {} && exec \"$0\" \"$@\"", LIMIT << 10)]);
    shell.arg(std::env::current_exe().unwrap());
    shell.args(["--exact", name, "--nocapture", "--test-threads", "1"]).env(ALONE, "yes");
    // The symbols of a backtrace alone need more, and a panic that cannot allocate them hangs.
    shell.env(LIMITED, "yes").env("RUST_BACKTRACE", "0").output().unwrap()
}
