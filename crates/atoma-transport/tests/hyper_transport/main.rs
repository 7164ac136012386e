//! `HyperTransport` against scripted servers on loopback.

mod answers;
mod cancellation;
mod connections;
mod idle;
mod proxies;
mod refusals;
#[path = "../support/mod.rs"]
mod support;
mod tls;
