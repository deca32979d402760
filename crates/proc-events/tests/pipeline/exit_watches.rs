//! Watches of the processes that outlive their leader.

use proc_events::Fields;

use crate::NOTHING;
use crate::harness::Harness;
use crate::machine::S;

#[test]
fn unwatchable_leaderless_process_is_not_reported_as_exited() {
    let mut harness = Harness::new(Fields::NONE);
    harness.machine().show(10, 9 * S, 1).leader_exited = true;
    harness.machine().is_out_of_pidfds = true;
    harness.refresh(20 * S);
    assert_eq!(harness.take(), ["exec 10 1 resync", "loss 1 +1 -0"]);
    harness.snapshot(30 * S);
    assert_eq!(harness.take(), NOTHING);
}

#[test]
fn exit_of_earlier_process_keeps_the_watch_of_the_next() {
    let mut harness = Harness::with_process(Fields::NONE);
    harness.machine().exit(10, 11 * S, 0);
    harness.drain();
    assert!(harness.machine().is_watched(10));
    // The process exits. The next process with its pid calls exec, and its leader exits too.
    harness.machine().show(10, 15 * S, 2);
    harness.machine().exec(10, 16 * S);
    harness.machine().exit(10, 17 * S, 0);
    harness.on_watched_exits(&[10], 18 * S);
    assert!(harness.pipeline.table.knows(10));
    assert!(harness.machine().is_watched(10), "its exit would be missed");
}

#[test]
fn failed_watch_of_later_process_drops_the_earlier_watch() {
    let mut harness = Harness::with_process(Fields::NONE);
    // The leader exits, and the process is watched.
    harness.machine().exit(10, 11 * S, 0);
    harness.drain();
    assert!(harness.machine().is_watched(10));
    // The process exits unnoticed, and its pid is reused by a process whose leader exits, too.
    harness.machine().show(10, 12 * S, 2).leader_exited = true;
    harness.machine().is_out_of_watches = true;
    harness.machine().exit(10, 13 * S, 0);
    harness.drain();
    assert!(!harness.machine().is_watched(10), "the watch is that of the earlier process");
}

#[test]
fn failed_exit_watch_is_retried() {
    let mut harness = Harness::with_process(Fields::NONE);
    harness.machine().show(11, 9 * S, 1);
    harness.machine().exec(11, 10 * S);
    harness.drain();
    for pid in [10, 11] {
        harness.machine().shown.get_mut(&pid).unwrap().leader_exited = true;
    }
    harness.machine().is_out_of_watches = true;
    harness.refresh(20 * S);
    harness.machine().is_out_of_watches = false;
    harness.snapshot(30 * S);
    let watched: Vec<u32> = harness.machine().kernel.watched.keys().copied().collect();
    assert_eq!(watched, [10, 11]);
}
