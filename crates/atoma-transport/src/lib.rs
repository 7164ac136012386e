#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod body;
mod error;
mod retry;
mod timeout;
mod timer;
mod transport;

pub use body::Body;
pub use error::{BoxError, ErrorKind, Phase, RequestSent, TransportError};
pub use retry::{Attempts, FailedAttempt, FailedBy};
pub use timeout::{Deadline, Timeouts};
#[cfg(feature = "tokio")]
pub use timer::TokioTimer;
pub use timer::{Sleep, Timer};
pub use transport::{Request, Response, ResponseFuture, Transport, TransportFn, transport_fn};
