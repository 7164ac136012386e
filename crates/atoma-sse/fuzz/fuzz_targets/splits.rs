#![no_main]

#[path = "../../tests/common/laws.rs"]
#[allow(dead_code)]
mod laws;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| laws::splits(bytes));
