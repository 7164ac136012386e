//! All that a server can send: see `tests/fuzz_laws/response.rs`.
#![no_main]

#[path = "../../tests/fuzz_laws/mod.rs"]
#[allow(dead_code, reason = "each target checks one of the laws")]
mod fuzz_laws;

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz_laws::response::check(input));
