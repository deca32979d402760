//! Reports that come after their exit was synthesized, and pids that are reused.

use proc_events::{Field, Fields};

use crate::harness::{Harness, MS, NOTHING, S};

#[test]
fn late_report_with_reused_pid_carries_the_earlier_status() {
    let mut harness = Harness::with_a_process(Fields::NONE.with(Field::Name));
    harness.machine().show(10, 15 * S, 2).never_execed = true;
    harness.machine().exit(10, 15 * S + 20 * MS, 3);
    harness.drain();
    assert_eq!(harness.events(), ["exit 10 =3 kernel"]);
}

#[test]
fn synthesized_exit_drops_one_late_report_only() {
    let mut harness = Harness::with_a_process(Fields::NONE);
    harness.machine().shown.remove(&10);
    harness.snapshot_for_details(20 * S);
    harness.events();
    harness.machine().exit(10, 20 * S + 1, 0);
    // The exit of a process that has never called exec.
    harness.machine().exit(10, 20 * S + 500 * MS, 5);
    harness.drain();
    assert_eq!(harness.events(), ["exit 10 =5 kernel"]);
}

#[test]
fn late_report_of_a_synthesized_exit_is_dropped() {
    let mut harness = Harness::with_a_process(Fields::NONE);
    harness.watch(11 * S);
    harness.machine().shown.clear();
    harness.pipeline.on_watched_exits(&[10], harness.at(12 * S)).unwrap();
    harness.expire_reports(12 * S + 50 * MS);
    assert_eq!(harness.events(), ["watched 5 Running", "exit 10 ? resync"]);
    harness.machine().exit(10, 15 * S, 3);
    harness.drain();
    assert_eq!(harness.events(), NOTHING);
    // The next exit is that of another process.
    harness.machine().exit(10, 15 * S + MS, 4);
    harness.drain();
    assert_eq!(harness.events(), ["exit 10 =4 kernel"]);
}

#[test]
fn late_report_after_resync_is_dropped_and_a_new_process_is_kept() {
    let mut harness = Harness::with_a_process(Fields::NONE);
    harness.machine().shown.clear();
    harness.pipeline.resync.lost(1);
    harness.snapshot(12 * S);
    assert_eq!(harness.events(), ["exit 10 ? resync", "loss 1 +0 -1"]);
    harness.machine().exec(10, 13 * S);
    harness.machine().exit(10, 13 * S + MS, 4);
    harness.drain();
    assert_eq!(harness.events(), ["exec 10 - kernel", "exit 10 =4 kernel"]);
    // This exit is older than the new process.
    harness.machine().exit(10, 13 * S - MS, 3);
    harness.drain();
    assert_eq!(harness.events(), NOTHING);
}

#[test]
fn pid_reused_at_once_is_recognized_by_creation_time() {
    let mut harness = Harness::with_a_process(Fields::NONE);
    harness.machine().exit(10, 11 * S, 0);
    harness.machine().exec(10, 11 * S + 50 * MS);
    // The exec is handled while the next process runs.
    harness.machine().show(10, 11 * S + 40 * MS, 2);
    harness.drain();
    harness.machine().shown.clear();
    harness.machine().exit(10, 11 * S + 60 * MS, 7);
    harness.drain();
    assert_eq!(harness.events(), ["exit 10 =0 kernel", "exec 10 - kernel", "exit 10 =7 kernel"]);
}
