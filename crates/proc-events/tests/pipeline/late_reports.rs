//! Reports that come late, or after an exit was synthesized, and pids that are reused in between.

use proc_events::{Field, Fields};

use crate::NOTHING;
use crate::harness::Harness;
use crate::machine::{MS, S};

#[test]
fn late_exit_report_after_pid_reuse_carries_the_earlier_status() {
    let mut harness = Harness::with_process(Fields::NONE.with(Field::Name));
    harness.machine().show(10, 15 * S, 2).never_execed = true;
    harness.machine().exit(10, 15 * S + 20 * MS, 3);
    harness.drain();
    assert_eq!(harness.take(), ["exit 10 =3 kernel"]);
}

#[test]
fn synthesized_exit_suppresses_one_late_report_only() {
    let mut harness = Harness::with_process(Fields::NONE);
    harness.machine().shown.remove(&10);
    harness.refresh(20 * S);
    harness.take();
    harness.machine().exit(10, 20 * S + 1, 0);
    // The exit of a forked process that has not called exec.
    harness.machine().exit(10, 20 * S + 500 * MS, 5);
    harness.drain();
    assert_eq!(harness.take(), ["exit 10 =5 kernel"]);
}

#[test]
fn late_report_of_synthesized_exit_is_dropped_after_any_delay() {
    let mut harness = Harness::with_process(Fields::NONE);
    harness.watch_exit(11 * S);
    harness.machine().shown.clear();
    harness.on_watched_exits(&[10], 12 * S);
    harness.expire_pending_exits_after_grace(12 * S + 50 * MS);
    assert_eq!(harness.take(), ["watched 5 Running", "exit 10 ? resync"]);
    harness.machine().exit(10, 15 * S, 3);
    harness.drain();
    assert_eq!(harness.take(), NOTHING);
    // The next exit is that of another process.
    harness.machine().exit(10, 15 * S + MS, 4);
    harness.drain();
    assert_eq!(harness.take(), ["exit 10 =4 kernel"]);
}

#[test]
fn late_report_after_resync_is_dropped_but_new_process_is_reported() {
    let mut harness = Harness::with_process(Fields::NONE);
    harness.machine().shown.clear();
    harness.pipeline.resync.lost(1);
    harness.snapshot(12 * S);
    assert_eq!(harness.take(), ["exit 10 ? resync", "loss 1 +0 -1"]);
    harness.machine().exec(10, 13 * S);
    harness.machine().exit(10, 13 * S + MS, 4);
    harness.drain();
    assert_eq!(harness.take(), ["exec 10 - kernel", "exit 10 =4 kernel"]);
    // The report is older than the new process.
    harness.machine().exit(10, 13 * S - MS, 3);
    harness.drain();
    assert_eq!(harness.take(), NOTHING);
}

#[test]
fn late_report_of_earlier_process_keeps_the_next_exit_pending() {
    let mut harness = Harness::with_process(Fields::NONE);
    // The exit report is late, and another process has the pid.
    harness.machine().show(10, 11 * S, 2);
    harness.refresh(12 * S);
    assert_eq!(harness.take(), ["exit 10 ? resync", "exec 10 2 resync", "loss 2 +1 -1"]);
    harness.machine().shown.clear();
    harness.watch_exit(13 * S);
    harness.machine().exit(10, 11 * S - MS, 1);
    harness.drain();
    assert_eq!(harness.take(), NOTHING);
    harness.machine().exit(10, 13 * S, 2);
    harness.drain();
    let exited = "watched 5 Exited { pid: 10, timestamp_ns: 13000000000, status: Some(ExitStatus(512)) }";
    assert_eq!(harness.take(), ["exit 10 =2 kernel", exited]);
}

#[test]
fn immediate_pid_reuse_is_detected_by_start_time() {
    let mut harness = Harness::with_process(Fields::NONE);
    harness.machine().exit(10, 11 * S, 0);
    harness.machine().exec(10, 11 * S + 50 * MS);
    // The exec is read while the next process still runs.
    harness.machine().show(10, 11 * S + 40 * MS, 2);
    harness.drain();
    harness.machine().shown.clear();
    harness.machine().exit(10, 11 * S + 60 * MS, 7);
    harness.drain();
    assert_eq!(harness.take(), ["exit 10 =0 kernel", "exec 10 - kernel", "exit 10 =7 kernel"]);
}
