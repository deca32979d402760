//! Replays the fuzzers' inputs, from `fuzz/corpus`, with a stable compiler.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use crate::oracles::{procfs, table, wire};

fn replay(target: &str, check: fn(&[u8])) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let inputs: Vec<_> = fs::read_dir(&corpus).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(!inputs.is_empty(), "{} is empty", corpus.display());
    for input in inputs {
        let bytes = fs::read(&input).unwrap();
        let passes = catch_unwind(AssertUnwindSafe(|| check(&bytes))).is_ok();
        assert!(passes, "{}", input.display());
    }
}

#[test]
fn corpus_of_wire_passes() {
    replay("wire", wire::check);
}

#[test]
fn corpus_of_procfs_passes() {
    replay("procfs", procfs::check);
}

#[test]
fn corpus_of_table_passes() {
    replay("table", table::check_bytes);
}
