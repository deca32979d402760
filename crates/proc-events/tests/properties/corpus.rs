//! What the fuzzer started from, and what it once found, with the compiler that everybody has.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use crate::oracles::{procfs, table, wire};

fn replay(target: &str, hold: fn(&[u8])) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let inputs: Vec<_> = fs::read_dir(&corpus).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(!inputs.is_empty(), "{} is empty", corpus.display());
    for input in inputs {
        let bytes = fs::read(&input).unwrap();
        let awaiting_scan = catch_unwind(AssertUnwindSafe(|| hold(&bytes))).is_ok();
        assert!(awaiting_scan, "{}", input.display());
    }
}

#[test]
fn the_corpus_of_wire_is_held() {
    replay("wire", wire::hold);
}

#[test]
fn the_corpus_of_procfs_is_held() {
    replay("procfs", procfs::hold);
}

#[test]
fn the_corpus_of_table_is_held() {
    replay("table", table::hold_bytes);
}
