#![no_main]

#[path = "../../tests/oracles/table.rs"]
mod oracle;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| oracle::check_bytes(bytes));
