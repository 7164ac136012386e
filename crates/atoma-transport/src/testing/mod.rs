//! Fakes for tests without a network, a clock or a runtime (feature `test-util`).
//!
//! | to test … | use |
//! | --- | --- |
//! | code that sends requests, against scripted responses and failures | [`ScriptedTransport`] |
//! | one special response, computed from the request | [`transport_fn`](crate::transport_fn) |
//! | waits, timeouts and retries, without waiting | [`ManualTimer`], with [`run`](ManualTimer::run) as the executor |
//! | against exchanges of a real server, recorded once | `record::ReplayTransport` (feature `record`) |
//! | an implementation of [`Transport`](crate::Transport) | [`contract::check`] against a [`LoopbackServer`] |
//! | that a dropped call leaves nothing behind | [`ScriptedTransport::in_flight`], [`live_bodies`](ScriptedTransport::live_bodies), [`ManualTimer::waiters`] |
//!
//! ```
//! use atoma_transport::testing::{Exchange, ManualTimer, ScriptedTransport};
//! use atoma_transport::{Attempts, Retry, Transport};
//! use std::time::Duration;
//!
//! let server = ScriptedTransport::new([
//!     Exchange::respond(429).header("retry-after", "30"),
//!     Exchange::respond(200).body("hello"),
//! ]);
//! let timer = ManualTimer::new();
//! let client = Retry::new(server.clone(), timer.clone());
//!
//! let response = timer.run(client.send(http::Request::default()))?;
//! assert_eq!(response.status(), 200);
//! assert_eq!(server.requests().len(), 2);
//! assert!(timer.elapsed() >= Duration::from_secs(30)); // and yet no time has passed
//! # Ok::<(), atoma_transport::TransportError>(())
//! ```

pub mod contract;
mod loopback;
mod manual_timer;
#[cfg(feature = "record")]
#[cfg_attr(docsrs, doc(cfg(feature = "record")))]
pub mod record;
mod scripted;
#[doc(hidden)]
pub mod seeds;
#[cfg(feature = "hyper")]
#[doc(hidden)]
pub mod server;

#[cfg(feature = "hyper")]
#[doc(hidden)]
pub use crate::hyper::{DialFuture, DialedStream, Dialer};
pub use loopback::LoopbackServer;
pub use manual_timer::ManualTimer;
pub use scripted::{Exchange, ScriptedTransport};
