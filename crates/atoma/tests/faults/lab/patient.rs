//! The clock of labs whose row is not about time.

use super::{HANG, LONGEST_WAIT};
use atoma_transport::{Sleep, Timer, TokioTimer};
use std::time::Instant;

/// The system's clock, by which only a hang reaches a timeout: the short waits between attempts
/// take their time, and all others take at least twice [`HANG`]. A busy machine changes no outcome.
#[derive(Debug)]
pub struct PatientTimer;

impl Timer for PatientTimer {
    fn now(&self) -> Instant {
        TokioTimer.now()
    }

    fn sleep_until(&self, deadline: Instant) -> Sleep {
        let now = self.now();
        let is_short = deadline.saturating_duration_since(now) <= LONGEST_WAIT;
        TokioTimer.sleep_until(if is_short { deadline } else { deadline.max(now + 2 * HANG) })
    }
}
