//! The pipeline on a machine with faults. Once the faults stop and one snapshot was reconciled, every subscriber knows what
//! runs, and has received nothing untrue before. No kernel, no thread, no clock.

#![expect(clippy::unwrap_used, clippy::panic, reason = "in a test, a panic is the report")]

#[path = "../support/backend.rs"]
mod backend;
#[path = "../support/machine.rs"]
mod machine;
#[path = "../support/partial_snapshot.rs"]
mod partial_snapshot;
mod rng;
mod simulation;
mod subscriber;
mod world;

use std::io::Write;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::SystemTime;

use simulation::simulate;

/// The seeds that are always tried.
const FIXED: Range<u64> = 0..2000;
/// The size of the range that each day has for itself.
const SEEDS_PER_DAY: u64 = 100_000;
/// The number of fresh seeds in CI.
const FRESH: u64 = 2000;
/// The search ends after so many failing seeds.
const FAILURES_MAX: usize = 100;

/// Returns the seeds to try, in two ranges: `PROC_EVENTS_SEEDS=1000..200000`, or the fixed ones and, if `CI` is set, fresh
/// ones of today.
fn seeds() -> [Range<u64>; 2] {
    let variable = |name| std::env::var(name).ok();
    let today = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs() / 86_400;
    seeds_for(variable("PROC_EVENTS_SEEDS").as_deref(), variable("CI").is_some(), today)
}

/// `today` is the number of days since 1970.
fn seeds_for(chosen: Option<&str>, is_ci: bool, today: u64) -> [Range<u64>; 2] {
    if let Some(chosen) = chosen {
        let (first, end) = chosen.split_once("..").unwrap();
        return [first.parse().unwrap()..end.parse().unwrap(), 0..0];
    }
    let first = today * SEEDS_PER_DAY;
    [FIXED, first..first + if is_ci { FRESH } else { 0 }]
}

#[test]
fn subscribers_converge_after_any_socket_faults() {
    let ranges = seeds();
    // Written to the descriptor itself, because the test harness hides the output of tests that pass.
    let tried: Vec<_> = ranges.iter().filter(|range| !range.is_empty()).collect();
    writeln!(std::io::stderr(), "seeds of the simulation: {tried:?}").unwrap();
    let is_traced = ranges.iter().cloned().flatten().count() == 1;
    let fails = |seed: &u64| catch_unwind(AssertUnwindSafe(|| simulate(*seed, is_traced))).is_err();
    let failing: Vec<u64> = ranges.into_iter().flatten().filter(fails).take(FAILURES_MAX).collect();
    let repeat = |seed: &u64| {
        format!("PROC_EVENTS_SEEDS={seed}..{} cargo test -p proc-events --test faults", seed + 1)
    };
    let commands: Vec<_> = failing.iter().map(repeat).collect();
    assert!(failing.is_empty(), "{} seeds fail:\n{}", failing.len(), commands.join("\n"));
}

#[test]
fn seeds_are_fixed_or_of_the_day_or_chosen() {
    assert_eq!(seeds_for(None, false, 20_000), [0..2000, 2_000_000_000..2_000_000_000]);
    assert_eq!(seeds_for(None, true, 20_000), [0..2000, 2_000_000_000..2_000_002_000]);
    assert_eq!(seeds_for(Some("7..9"), true, 20_000), [7..9, 0..0]);
}

/// In these, a pid was reused between the exit of a process without a leader and the notice of that exit.
/// Or the report of an exit that a watch showed was late, while a snapshot was taken.
#[test]
fn regression_seeds() {
    let seeds = [
        2788, 6276, 7284, 18_534, 22629, 26_430, 27_615, 31303, 36_646, 58_698, 92_839, 5_003_480, 5_012_447,
        5_013_099, 5_026_138, 5_033_388, 5_037_608, 5_049_674, 5_060_930, 5_079_301, 5_082_101, 5_118_060,
        5_128_110, 5_160_147, 5_185_975, 5_510_068, 5_555_226, 5_593_731, 5_965_259,
    ];
    for seed in seeds {
        simulate(seed, false);
    }
}
