//! Properties that hold for every input, tried with random inputs and with those of the fuzzers in `fuzz/corpus`.

#![expect(clippy::unwrap_used, reason = "in a test, a panic is the report")]

mod corpus;
#[path = "../oracles/mod.rs"]
mod oracles;
mod procfs;
mod queue;
mod rules;
mod table;
mod wire;

use proptest::test_runner::Config;

/// Failing inputs are printed, not saved, because a developer makes a test of them. `PROPTEST_CASES=100000` tries more.
fn config() -> Config {
    Config { failure_persistence: None, ..Config::default() }
}
