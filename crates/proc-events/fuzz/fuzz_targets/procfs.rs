#![no_main]

#[path = "../../tests/oracles/procfs.rs"]
mod oracle;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| oracle::check(bytes));
