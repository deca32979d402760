//! Histories of processes, told to the table with gaps.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::Config;

use crate::oracles::table::{Step, hold};

/// Without these bits in its first byte, every step goes well.
const GOES_WRONG: u8 = 0xe0;

fn steps(most: usize, goes_wrong: bool) -> impl Strategy<Value = Vec<Step>> {
    let kept = if goes_wrong { 0xff } else { !GOES_WRONG };
    vec(any::<[u8; 2]>().prop_map(move |[what, rest]| Step::read([what & kept, rest])), 0..most)
}

proptest! {
    // Each takes little.
    #![proptest_config(Config { cases: 2048, ..crate::config() })]

    #[test]
    fn nothing_lost_is_told_as_it_was(captures in any::<bool>(), steps in steps(300, false)) {
        hold(captures, &steps);
    }

    #[test]
    fn whatever_is_lost_one_snapshot_makes_it_right(captures in any::<bool>(), steps in steps(300, true)) {
        hold(captures, &steps);
    }

    #[test]
    fn a_short_history_with_losses_ends_right(captures in any::<bool>(), steps in steps(30, true)) {
        hold(captures, &steps);
    }
}
