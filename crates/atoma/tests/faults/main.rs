//! The faults in rows 1 to 118 of `FAULTS.md`, each with a test that provokes it and asserts its
//! outcome.
//!
//! `FAULTS.md`, next to this folder, lists them by row; `row_NNN_…` is the test of row NNN.

mod body;
mod caller;
mod certificates;
mod connect;
mod content;
mod extremes;
mod head;
#[cfg(feature = "http2")]
mod http2;
#[cfg(feature = "http2")]
mod http2_frames;
#[cfg(feature = "http2")]
mod http2_sharing;
#[allow(dead_code, unreachable_pub, unused_imports, reason = "each row uses a part of the lab")]
mod lab;
mod ledger;
#[cfg(target_os = "linux")]
mod memory;
mod pieces;
mod proxies;
mod reuse;
mod status;
mod tls;
