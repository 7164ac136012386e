// Takes precedence over the link of the README, which leads to a file that the documentation lacks.
//! [`script.json`]: https://github.com/atoma-network/atoma-sdk-rust/blob/main/crates/atoma-mock/script.json
//!
#![doc = include_str!("../README.md")]
#![warn(clippy::exhaustive_enums, clippy::exhaustive_structs)]

// The public types: a server, the requests that it received, and the responses that it sends.
mod builder;
mod request;
mod response;
mod script;
mod server;
mod stats;

// The proxy's rules: which requests pass, and the errors of the others.
mod endpoint;
mod gateway;
mod locks;

// The node: its model's output as JSON, signed and encrypted.
mod fake_model;
mod generation;
mod node;
mod png;
mod render;
mod schema;
mod tampering;
mod tokens;

// From a response to bytes on the connection.
mod behavior;
mod body;
mod body_script;
mod connection;
mod event;
mod hang_up;
mod outgoing;
mod state;

pub use atoma_verify::{PublicKey, Scheme, SigningKey, SuiAddress};
pub use builder::MockServerBuilder;
pub use request::ReceivedRequest;
pub use response::Response;
pub use script::InvalidScript;
pub use server::MockServer;
pub use stats::ServerStats;
pub use tampering::Tampering;
