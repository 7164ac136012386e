//! `HyperTransport` against scripted servers on loopback.

mod answers;
mod cancellation;
mod connections;
mod error_texts;
mod idle;
mod lifetimes;
mod plain_http;
mod proxies;
mod refusals;
mod runtimes;
#[path = "../support/mod.rs"]
mod support;
mod tls;
