use std::time::{Duration, Instant};

/// How long each phase of a call may take; `None` means for ever.
///
/// The default is for a unary call: 10 s to connect, no time-out of its own for the head, 120 s
/// between two pieces of the body, 600 s in all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timeouts {
    /// Name lookup, TCP, proxy and TLS together, for each connection. Default 10 s.
    pub connect: Option<Duration>,
    /// From the start of an attempt until the head of its answer. Default none: the total bounds it.
    pub head: Option<Duration>,
    /// Between two pieces of the body, whatever they hold. Default 120 s.
    pub idle: Option<Duration>,
    /// The whole call: all attempts, the waits between them, and the body. Default 600 s.
    pub total: Option<Duration>,
}

/// The instant by which a call has to be over, as a request extension.
///
/// [`Retry`](crate::Retry) sets it from [`Timeouts::total`] when the call begins, so that all
/// attempts share it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(pub Instant);
