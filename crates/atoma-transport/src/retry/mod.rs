mod attempts;

pub use attempts::{Attempts, FailedAttempt, FailedBy};
