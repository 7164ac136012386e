//! The invariants that hold for every row.

use super::{CANARY, HANG};
use atoma::Error;
use std::{error::Error as _, fmt, net::SocketAddr, time::Instant};

/// An error lists its attempts, shows no secret, and has one short line for each cause.
#[track_caller]
pub fn of_error(error: &Error) {
    of_texts(error);
    of_attempts(error);
}

#[track_caller]
fn of_texts(error: &Error) {
    no_secret(error);
    assert!(!error.to_string().contains(CANARY), "a secret in Display");
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(one) = cause {
        let text = one.to_string();
        assert!(!text.contains(CANARY), "a secret in a cause");
        assert!(!text.contains('\n') && text.len() <= 400, "not one short line: {text:?}");
        cause = one.source();
    }
}

#[track_caller]
fn of_attempts(error: &Error) {
    if error.is_config() || error.is_invalid_request() {
        return;
    }
    let attempts = error.attempts();
    assert!(attempts.count >= 1, "no attempt is actual of: {error:?}");
    assert!(attempts.failed.len() <= attempts.count as usize, "{attempts:?}");
    // Without a status there was no response head: every attempt has failed.
    if error.transport().is_some() && error.status().is_none() {
        assert_eq!(attempts.failed.len(), attempts.count as usize, "{attempts:?}");
    }
}

/// No rendering of `value` contains the key.
#[track_caller]
pub fn no_secret(value: &impl fmt::Debug) {
    assert!(!format!("{value:?} {value:#?}").contains(CANARY), "a secret in Debug");
}

/// No socket of this machine is connected or connecting to `server`, or half closed by it.
///
/// A closed socket disappears immediately, unless another test is starting a process: until it runs
/// its program, that process holds all our sockets as well.
pub fn no_socket_to(server: SocketAddr) {
    let began = Instant::now();
    loop {
        let left = sockets_to(server);
        if left.is_empty() {
            return;
        }
        assert!(began.elapsed() < HANG, "sockets were left behind: {left:?}");
        std::thread::yield_now();
    }
}

/// Other systems have no such table, and the check is not made there.
#[cfg(not(target_os = "linux"))]
fn sockets_to(_: SocketAddr) -> Vec<String> {
    Vec::new()
}

/// State 01, 02 and 08 of the kernel's table.
#[cfg(target_os = "linux")]
fn sockets_to(server: SocketAddr) -> Vec<String> {
    let table = std::fs::read_to_string("/proc/net/tcp").expect("a table of sockets");
    let port = format!(":{:04X}", server.port());
    let left = table.lines().skip(1).filter(|line| {
        let mut columns = line.split_ascii_whitespace().skip(2);
        let is_to = columns.next().is_some_and(|remote| remote.ends_with(&port));
        is_to && matches!(columns.next(), Some("01" | "02" | "08"))
    });
    left.map(str::to_owned).collect()
}

/// No task is left on this runtime.
pub async fn no_task() {
    // A task that has just ended is counted until its thread has removed it.
    let metrics = tokio::runtime::Handle::current().metrics();
    let began = Instant::now();
    while metrics.num_alive_tasks() > 0 {
        let left = metrics.num_alive_tasks();
        assert!(began.elapsed() < HANG, "{left} tasks were left behind");
        tokio::task::yield_now().await;
    }
}
