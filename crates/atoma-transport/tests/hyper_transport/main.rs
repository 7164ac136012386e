//! `HyperTransport` against scripted servers on loopback.

mod cancellation;
mod connections;
mod error_texts;
mod idle;
mod idle_halves;
mod lifetimes;
#[cfg(target_os = "linux")]
mod memory;
mod plain_http;
mod process;
mod proxies;
mod responses;
mod runtimes;
#[path = "../support/mod.rs"]
mod support;
mod tls;
mod unreachable;
