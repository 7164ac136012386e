#![doc = include_str!("../README.md")]

mod answer;
mod body;
mod connection;
mod flow;
mod proxy;
mod quirks;
mod render;
mod reply;
mod request;
mod respond;
mod schema;
mod server;
mod shared;
mod signature;
mod speech;
mod tokens;

pub use answer::Answer;
pub use request::ReceivedRequest;
pub use server::{MockServer, MockServerBuilder, ServerState};
