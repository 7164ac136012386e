#![no_main]

#[path = "../../tests/support/fuzz_laws.rs"]
#[allow(dead_code)]
mod laws;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| laws::read(bytes));
