//! Tests that run in separate processes.

use std::{env, process::Command};

/// Marks a process that runs a single test.
pub(crate) const ALONE: &str = "TRANSPORT_ALONE";

/// Runs the test named `name` (`module::function`) in a separate process, unless this is one, and returns whether it did.
///
/// For tests in which the server closes a connection before the client's next step. Other tests of this program start processes.
/// Each has, until it runs its program, a copy of all sockets, and the connection would stay open for that long.
pub(crate) fn ran_alone(name: &str) -> bool {
    if env::var_os(ALONE).is_some() {
        return false;
    }
    let mut test = Command::new(env::current_exe().unwrap());
    test.args(["--exact", name, "--nocapture", "--test-threads", "1"]);
    let output = test.env(ALONE, "yes").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let passed = output.status.success() && text.contains("1 passed");
    assert!(passed, "{text}{}", String::from_utf8_lossy(&output.stderr));
    true
}
