//! Histories of processes, reported to the table with gaps.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::Config;

use crate::oracles::table::{Step, check};

/// The bits of a step's first byte that lose or delay its report.
const FAULT_BITS: u8 = 0xe0;

fn steps(most: usize, with_faults: bool) -> impl Strategy<Value = Vec<Step>> {
    let mask = if with_faults { 0xff } else { !FAULT_BITS };
    vec(any::<[u8; 2]>().prop_map(move |[what, rest]| Step::decode([what & mask, rest])), 0..most)
}

proptest! {
    // More cases than usual, because each is cheap.
    #![proptest_config(Config { cases: 2048, ..crate::config() })]

    #[test]
    fn history_without_losses_is_reported_exactly(captures in any::<bool>(), steps in steps(300, false)) {
        check(captures, &steps);
    }

    #[test]
    fn one_snapshot_repairs_any_losses(captures in any::<bool>(), steps in steps(300, true)) {
        check(captures, &steps);
    }

    #[test]
    fn one_snapshot_repairs_a_short_history(captures in any::<bool>(), steps in steps(30, true)) {
        check(captures, &steps);
    }
}
