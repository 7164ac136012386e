//! Tests that run in a separate process.

use std::{future::Future, process::Command};

/// Marks such a process.
pub const ALONE: &str = "FAULTS_ALONE";

/// Runs `test`, which is the whole body of the test named `name` (`module::function`), in a
/// separate process. `setting` is a shell command to run first, if any.
pub fn alone<F: Future<Output = ()>>(name: &str, setting: Option<&str>, test: impl FnOnce() -> F) {
    if is_alone() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        return runtime.expect("a runtime").block_on(test());
    }
    passes(command(name, setting));
}

/// Returns whether this process runs a single test.
pub fn is_alone() -> bool {
    std::env::var_os(ALONE).is_some()
}

/// The process that runs the test named `name` and no other.
pub fn command(name: &str, setting: Option<&str>) -> Command {
    let this = std::env::current_exe().expect("the path of this program");
    let mut command = match setting {
        None => Command::new(this),
        Some(setting) => {
            let mut shell = Command::new("sh");
            shell.args(["-c", &format!("{setting} && exec \"$0\" \"$@\"")]).arg(this);
            shell
        }
    };
    command.args(["--exact", name, "--nocapture", "--test-threads", "1"]).env(ALONE, "yes");
    command
}

/// Runs the process, which must find its test, and pass.
pub fn passes(mut command: Command) {
    let output = command.output().expect("a process");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("1 passed"), "there is no such test: {command:?} {text}");
}
