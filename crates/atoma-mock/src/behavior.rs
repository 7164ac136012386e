use crate::tampering::Tampering;
use http::{HeaderName, HeaderValue};
use serde_json::Value;
use std::time::Duration;

/// The differences between a response and the proxy's normal one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Behavior {
    pub(crate) path: PathFilter,
    pub(crate) fault: Option<Fault>,
    pub(crate) hold_after: Option<usize>,
    pub(crate) done: bool,
    pub(crate) unsigned: bool,
    /// The tampering, and the first event with it.
    pub(crate) tampering: Option<(usize, Tampering)>,
    pub(crate) without_finish_reason: bool,
    pub(crate) usage: UsagePlace,
    pub(crate) no_keep_alive: bool,
    pub(crate) event_interval: Option<Duration>,
    pub(crate) delay_first_event: Duration,
    pub(crate) chunk_size: Option<usize>,
    pub(crate) per_event_write: bool,
    pub(crate) head: HeadTiming,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
}

/// The paths whose requests get the response.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum PathFilter {
    #[default]
    Any,
    /// Paths that end with this.
    Suffix(String),
    /// The confidential endpoints.
    Confidential,
}

impl PathFilter {
    pub(crate) fn accepts(&self, path: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Suffix(suffix) => path.ends_with(suffix.as_str()),
            Self::Confidential => path.contains("/confidential/"),
        }
    }
}

/// Where a stream reports its usage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum UsagePlace {
    /// One last chunk without choices, which the node adds to every stream.
    #[default]
    LastChunk,
    EveryChunk,
    Nowhere,
}

/// When the response's head is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum HeadTiming {
    #[default]
    Immediate,
    After(Duration),
    Never,
}

/// A failure in the body: its time and its kind.
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
    /// The body ends as if it were complete.
    End,
    /// The connection is closed without the end of the body.
    Close,
    /// As `Close`, with a TCP reset.
    Reset,
    /// An error object as an event, then the end.
    Error(Value),
    /// Keep-alive comments forever.
    KeepAlive,
    /// Nothing forever.
    Stall,
}
