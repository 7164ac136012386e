//! Corpora, contenders and records of the benches.
//!
//! All input is generated in code, the same on every machine. Each bench first checks the result of
//! every contender, and writes its measurements under `target/atoma-bench`, one JSON object a line.

pub mod allocations;
pub mod chunks;
pub mod clients;
pub mod corpora;
pub mod decoders;
pub mod memory;
pub mod record;
pub mod rounds;
pub mod server;
pub mod shapes;
pub mod targets;
pub mod traffic;
