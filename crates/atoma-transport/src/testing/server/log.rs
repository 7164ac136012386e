use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// An event on the connection with this number. The first connection is 0.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The connection was accepted.
    Accepted(usize),
    /// The layer over TCP failed, with this error.
    WrapFailed(usize, String),
    /// A request was read, head and body.
    Request(usize, String),
    /// The client or the kernel took this many bytes of a flood.
    Flooded(usize, u64),
    /// The script waits at a gate or for the client to close.
    Halted(usize),
    /// The gate was opened.
    Resumed(usize),
    /// The client closed or reset the connection.
    ClosedByClient(usize),
    /// The script ended, and the server closed its side.
    Ended(usize),
}

/// The events of a server, in order. Clones share the log.
#[derive(Clone, Debug, Default)]
pub struct Log(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    events: Mutex<Vec<Event>>,
    changed: Notify,
}

impl Log {
    /// Locks and returns the events.
    pub fn events(&self) -> MutexGuard<'_, Vec<Event>> {
        self.0.events.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds an event.
    pub fn note(&self, event: Event) {
        self.events().push(event);
        self.0.changed.notify_waiters();
    }

    /// The number of accepted connections.
    #[must_use]
    pub fn accepted(&self) -> usize {
        self.count(|event| matches!(event, Event::Accepted(_)))
    }

    /// The number of connections that the client closed.
    #[must_use]
    pub fn closed_by_client(&self) -> usize {
        self.count(|event| matches!(event, Event::ClosedByClient(_)))
    }

    /// Returns whether the server closed a connection before it saw the client close it.
    #[must_use]
    pub fn closed_first(&self) -> bool {
        let events = self.events();
        let unseen = |event: &Event| match event {
            Event::Ended(number) => !events.contains(&Event::ClosedByClient(*number)),
            _ => false,
        };
        events.iter().any(unseen)
    }

    /// The number of flooded bytes that the client and the kernel took.
    #[must_use]
    pub fn flooded(&self) -> u64 {
        let bytes = |event: &Event| if let Event::Flooded(_, bytes) = event { *bytes } else { 0 };
        self.events().iter().map(bytes).sum()
    }

    /// The requests that were read, in order.
    #[must_use]
    pub fn requests(&self) -> Vec<String> {
        let text = |event: &Event| match event {
            Event::Request(_, text) => Some(text.clone()),
            _ => None,
        };
        self.events().iter().filter_map(text).collect()
    }

    /// The number of times that a script halted.
    #[must_use]
    pub fn halts(&self) -> usize {
        self.count(|event| matches!(event, Event::Halted(_)))
    }

    /// Waits until `condition` holds.
    pub async fn reach(&self, condition: impl Fn(&Self) -> bool) {
        loop {
            // Registered before the check, so that no change in between is missed.
            let changed = self.0.changed.notified();
            if condition(self) {
                return;
            }
            changed.await;
        }
    }

    fn count(&self, which: impl Fn(&Event) -> bool) -> usize {
        self.events().iter().filter(|event| which(event)).count()
    }
}
