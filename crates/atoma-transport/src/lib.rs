#![cfg_attr(
    any(not(doctest), all(feature = "hyper", feature = "test-util")),
    doc = include_str!("../README.md")
)]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![warn(clippy::exhaustive_enums, clippy::exhaustive_structs)]

mod attempt;
mod body;
mod error;
#[cfg(feature = "hyper")]
mod hyper;
mod layer;
mod loopback;
mod observe;
mod request_id;
mod retry;
#[cfg(feature = "serde")]
mod seconds;
#[cfg(feature = "test-util")]
#[cfg_attr(docsrs, doc(cfg(feature = "test-util")))]
pub mod testing;
mod timeout;
mod timeouts;
mod timer;
#[cfg(feature = "tower")]
mod tower;
mod transport;

#[cfg(feature = "http2")]
#[cfg_attr(docsrs, doc(cfg(feature = "http2")))]
pub use self::hyper::Http2;
#[cfg(feature = "hyper")]
#[cfg_attr(docsrs, doc(cfg(feature = "hyper")))]
pub use self::hyper::{
    ConfigError, Crypto, HyperTransport, HyperTransportBuilder, Proxy, ResolveFuture, Resolver,
};
#[cfg(feature = "tower")]
#[cfg_attr(docsrs, doc(cfg(feature = "tower")))]
pub use self::tower::{TowerTransport, TransportService};
pub use attempt::{Attempt, Attempts, FailedAttempt, FailureCause, RequestFuture, RequestSource};
pub use body::Body;
#[doc(hidden)]
pub use error::write_with_causes;
pub use error::{BoxError, Delivery, ErrorKind, Phase, TransportError};
pub use layer::{LayerFn, Next, layer_fn};
pub use loopback::{PlainHttp, is_loopback};
pub use observe::{
    AttemptEnded, AttemptStarted, CallEnded, CallId, CallOutcome, CallStarted, Observer, Observers,
    ResponseHead, RetryEvent,
};
pub use request_id::request_id;
pub use retry::{
    AttemptOutcome, BackoffStrategy, CallOptions, InvalidRetryConfig, RateLimitPause, Retry,
    RetryBudget, RetryConfig, RetryConnectionErrors, RetryContext, RetryDecision, retry_after,
};
pub use timeout::Timeout;
pub use timeouts::{Deadline, Timeouts};
#[cfg(feature = "tokio")]
pub use timer::TokioTimer;
pub use timer::{Sleep, Timer};
pub use transport::{Request, Response, ResponseFuture, Transport, TransportFn, transport_fn};
