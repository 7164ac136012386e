use std::time::Duration;

use http::{HeaderName, HeaderValue};
use serde_json::Value;

/// How an answer departs from the proxy's usual manner.
#[derive(Clone, Debug, Default)]
pub(crate) struct Behavior {
    pub(crate) fault: Option<Fault>,
    pub(crate) hold_after: Option<usize>,
    pub(crate) done: bool,
    pub(crate) unsigned: bool,
    pub(crate) without_finish_reason: bool,
    pub(crate) usage: UsagePlace,
    pub(crate) silence_is_silent: bool,
    pub(crate) pace: Option<Duration>,
    pub(crate) delay_first_event: Duration,
    pub(crate) pieces_of: Option<usize>,
    pub(crate) per_event_write: bool,
    pub(crate) head: HeadTiming,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
}

/// Where a stream reports its usage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum UsagePlace {
    /// One last chunk without choices, as the node forces it.
    #[default]
    LastChunk,
    EveryChunk,
    Nowhere,
}

/// When the head of the response is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum HeadTiming {
    #[default]
    AtOnce,
    After(Duration),
    Never,
}

/// What goes wrong in the body, and when.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Fault {
    pub(crate) after: After,
    pub(crate) then: Then,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum After {
    Events(usize),
    Bytes(usize),
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Then {
    /// The body ends as if it were whole.
    End,
    /// The connection is closed without the end of the body.
    Close,
    /// As `Close`, with a TCP reset.
    Reset,
    /// An error object as an event, then the end.
    Error(Value),
    /// Keep-alive comments for ever.
    Silence,
    /// Nothing for ever.
    Stall,
}
