use crate::{body_script::Flow, state::Exchange};
use std::sync::{Mutex, PoisonError};

/// A way to end a connection without the HTTP machinery.
#[derive(Debug)]
pub(crate) enum HangUp {
    Close,
    Reset,
    /// Writes the flow to the bare connection, then closes it.
    WriteRaw(Box<(Flow, Exchange)>),
}

/// A response's request to end its connection. It is honored when everything before it is written.
#[derive(Debug, Default)]
pub(crate) struct HangUpRequest(Mutex<Option<HangUp>>);

impl HangUpRequest {
    pub(crate) fn set(&self, how: HangUp) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(how);
    }

    pub(crate) fn is_set(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    pub(crate) fn take(&self) -> Option<HangUp> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
