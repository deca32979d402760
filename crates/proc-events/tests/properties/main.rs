//! What holds for every input, with inputs that chance finds. The same is asked of those that the fuzzer started from, and
//! of what it once found: `fuzz/corpus`.

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

/// What fails is printed, and for people to make a test of. `PROPTEST_CASES=100000` tries harder.
fn config() -> Config {
    Config { failure_persistence: None, ..Config::default() }
}
