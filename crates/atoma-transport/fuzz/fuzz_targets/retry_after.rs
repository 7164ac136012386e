//! The headers with which a server asks for a wait: see `bodies/retry_after.rs`.
#![no_main]

#[path = "../bodies/retry_after.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|input: &[u8]| body::check(input));
