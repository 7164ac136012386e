use std::{collections::HashMap, time::Duration};
use tokio::time::Instant;

/// The locks of a confidential node: each is valid for a few seconds and for one request.
///
/// Time is passed in, so that a paused clock works.
#[derive(Debug, Default)]
pub(crate) struct Locks {
    open: HashMap<u64, Lock>,
    handed_out: usize,
    spent: usize,
}

#[derive(Debug)]
struct Lock {
    compute_units: u64,
    expires: Option<Instant>,
}

/// The stack of the first lock.
const FIRST_STACK: u64 = 77;

impl Locks {
    /// Locks a stack, and returns its id. A `timeout` that is out of range never expires.
    pub(crate) fn lock(&mut self, compute_units: u64, timeout: Duration, now: Instant) -> u64 {
        let stack = FIRST_STACK + self.handed_out as u64;
        self.handed_out += 1;
        self.open.insert(stack, Lock { compute_units, expires: now.checked_add(timeout) });
        stack
    }

    /// Spends the lock of a stack. Returns `false` if it has expired, was spent before or is too small; a lock
    /// that is too small stays open.
    pub(crate) fn spend(&mut self, stack: u64, compute_units: u64, now: Instant) -> bool {
        let Some(lock) = self.open.get(&stack) else { return false };
        if lock.expires.is_some_and(|expires| expires <= now) {
            self.open.remove(&stack);
            return false;
        }
        if lock.compute_units < compute_units {
            return false;
        }
        self.open.remove(&stack);
        self.spent += 1;
        true
    }

    /// Lets all locks that are not spent expire.
    pub(crate) fn expire(&mut self) {
        self.open.clear();
    }

    /// Returns the number of locks so far, and the number of them that were spent.
    pub(crate) fn counts(&self) -> (usize, usize) {
        (self.handed_out, self.spent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_serves_one_request_of_its_size_in_its_time() {
        const FIVE: Duration = Duration::from_secs(5);
        let now = Instant::now();
        let mut locks = Locks::default();
        let stack = locks.lock(8192, FIVE, now);
        assert!(!locks.spend(stack + 1, 1, now), "another stack");
        assert!(!locks.spend(stack, 8193, now), "too small");
        assert!(locks.spend(stack, 8192, now + FIVE - Duration::from_nanos(1)), "just in time");
        assert!(!locks.spend(stack, 8192, now), "spent");

        let late = locks.lock(8192, FIVE, now);
        assert_ne!(late, stack);
        assert!(!locks.spend(late, 1, now + FIVE), "expired");
        let endless = locks.lock(1, Duration::MAX, now);
        assert!(locks.spend(endless, 1, now + FIVE));
        let expired = locks.lock(1, FIVE, now);
        locks.expire();
        assert!(!locks.spend(expired, 1, now));
        assert_eq!(locks.counts(), (4, 2));
    }
}
