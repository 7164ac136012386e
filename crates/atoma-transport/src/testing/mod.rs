//! Fakes for tests, yours included: no network, no clock, no runtime (feature `test-util`).
//!
//! Which one do I need?
//!
//! | I want to test … | take |
//! | --- | --- |
//! | code that sends requests, against answers and failures of my choosing | [`ScriptedTransport`] |
//! | one odd answer, computed from the request | [`transport_fn`](crate::transport_fn) |
//! | waits, time-outs and retries, without waiting | [`ManualTimer`], and its [`run`](ManualTimer::run) as the executor |
//! | against exchanges of a real server, recorded once | `record::ReplayTransport` (feature `record`) |
//! | a [`Transport`](crate::Transport) of my own | [`contract::check`] against a [`LoopbackServer`] |
//! | that nothing is left behind by a dropped call | [`ScriptedTransport::in_flight`], [`live_bodies`](ScriptedTransport::live_bodies), [`ManualTimer::waiters`] |
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

pub use loopback::LoopbackServer;
pub use manual_timer::ManualTimer;
pub use scripted::{Exchange, ScriptedTransport};
