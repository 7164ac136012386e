//! Wakes the task that drives a connection.

use std::{
    sync::{Mutex, PoisonError},
    task::Waker,
};

/// The waker of a driver, shared by everything that can give it work.
#[derive(Debug, Default)]
pub(super) struct DriverWaker(Mutex<Option<Waker>>);

impl DriverWaker {
    /// Registers `driver` to be woken by the next change.
    pub(super) fn register(&self, driver: &Waker) {
        let former = self.replace(Some(driver.clone()));
        drop(former);
    }

    /// Wakes the driver.
    pub(super) fn wake(&self) {
        if let Some(driver) = self.replace(None) {
            driver.wake();
        }
    }

    /// The former one is dropped after the lock is released: that may drop a task.
    fn replace(&self, driver: Option<Waker>) -> Option<Waker> {
        std::mem::replace(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner), driver)
    }
}
