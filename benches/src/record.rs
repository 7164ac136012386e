//! The records of a bench: JSON lines that the report reads.

use serde_json::{Map, Value};
use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    path::PathBuf,
    process::Command,
    time::{SystemTime, UNIX_EPOCH},
};

/// The results of one run of one bench.
#[derive(Debug)]
pub struct Records {
    path: PathBuf,
    origin: Map<String, Value>,
    lines: Vec<Value>,
}

impl Records {
    /// Starts the results of a bench of that name, run by that command.
    pub fn new(bench: &str, command: &str) -> Self {
        let path = folder().join(format!("{bench}.json"));
        let mut origin = Map::new();
        origin.insert("bench".into(), bench.into());
        origin.insert("command".into(), command.into());
        origin.insert("processor".into(), processor().into());
        origin.insert("date".into(), today().into());
        origin.insert("rustc".into(), rustc().into());
        origin.insert("commit".into(), commit().into());
        Self { path, origin, lines: Vec::new() }
    }

    /// Adds a result: its own members, and its origin.
    pub fn push(&mut self, members: impl IntoIterator<Item = (&'static str, Value)>) {
        let mut line = self.origin.clone();
        line.extend(members.into_iter().map(|(name, value)| (name.to_owned(), value)));
        self.lines.push(line.into());
    }

    /// Replaces the results of the previous run with these.
    ///
    /// # Errors
    ///
    /// If the file cannot be written.
    pub fn write(&self) -> io::Result<PathBuf> {
        if let Some(folder) = self.path.parent() {
            fs::create_dir_all(folder)?;
        }
        let mut file =
            OpenOptions::new().create(true).write(true).truncate(true).open(&self.path)?;
        for line in &self.lines {
            writeln!(file, "{line}")?;
        }
        Ok(self.path.clone())
    }
}

/// The folder of the results: `target/atoma-bench`.
pub fn folder() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target"), PathBuf::from);
    target.join("atoma-bench")
}

/// The machine's load in the last minute. A high load makes times longer.
pub fn load() -> f64 {
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    load.split(' ').next().and_then(|load| load.parse().ok()).unwrap_or(0.0)
}

fn processor() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let count = std::thread::available_parallelism().map_or(1, usize::from);
    format!("{}, {count} cores", model.map_or(std::env::consts::ARCH, |(_, name)| name))
}

fn rustc() -> String {
    let output = Command::new("rustc").arg("--version").output();
    output.map_or_else(
        |_| "unknown".to_owned(),
        |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
    )
}

/// The commit that is checked out, with `-dirty` if a tracked file has changed since.
fn commit() -> String {
    let describe = ["describe", "--always", "--dirty", "--abbrev=10", "--exclude=*"];
    let output =
        Command::new("git").current_dir(env!("CARGO_MANIFEST_DIR")).args(describe).output();
    output.map_or_else(
        |_| String::new(),
        |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
    )
}

/// Today's date in UTC, `2026-11-23`.
fn today() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
    let (year, month, day) = date(now / 86_400);
    format!("{year}-{month:02}-{day:02}")
}

/// The Gregorian date this many days after 1 January 1970.
fn date(mut days: u64) -> (u64, u64, u64) {
    let mut year = 1970;
    while days >= 365 + u64::from(is_leap(year)) {
        days -= 365 + u64::from(is_leap(year));
        year += 1;
    }
    let february = 28 + u64::from(is_leap(year));
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30] {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    (year, month, days + 1)
}

fn is_leap(year: u64) -> bool {
    (year.is_multiple_of(4) && !year.is_multiple_of(100)) || year.is_multiple_of(400)
}

#[cfg(test)]
mod tests {
    use super::date;

    #[test]
    fn dates() {
        assert_eq!(date(0), (1970, 1, 1));
        assert_eq!(date(11_016), (2000, 2, 29));
        assert_eq!(date(19_722), (2023, 12, 31));
        assert_eq!(date(20_780), (2026, 11, 23));
    }
}
