//! The counts of the program `allocations`.

use crate::clients::Error;
use std::process::Command;

/// The allocations of all contenders, per event.
#[derive(Debug)]
pub struct Allocations(String);

impl Allocations {
    /// Runs the program, because counting slows the measured code down.
    ///
    /// # Errors
    ///
    /// If it cannot be run, or fails.
    pub fn count(program: &str, what: &str) -> Result<Self, Error> {
        let output = Command::new(program).arg(what).output()?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into());
        }
        Ok(Self(String::from_utf8(output.stdout)?))
    }

    /// The allocations of one event, and their bytes.
    ///
    /// # Errors
    ///
    /// If that contender was not counted.
    pub fn of(&self, what: &str, who: &str) -> Result<(f64, f64), Error> {
        let start = format!("{what}\t{who}\t");
        let figures = self.0.lines().find_map(|line| line.strip_prefix(&start)?.split_once('\t'));
        let (count, bytes) = figures.ok_or("a contender is not counted")?;
        Ok((count.parse()?, bytes.parse()?))
    }
}
