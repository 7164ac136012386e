#![doc = include_str!("../README.md")]

mod behavior;
mod body;
mod body_script;
mod connection;
mod fake_model;
mod gateway;
mod outgoing;
mod render;
mod reply;
mod request;
mod response;
mod schema;
mod server;
mod signature;
mod state;
mod tokens;

pub use request::ReceivedRequest;
pub use response::Response;
pub use server::{MockServer, MockServerBuilder, ServerStats};
