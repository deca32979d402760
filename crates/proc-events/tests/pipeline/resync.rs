//! Losses, and their repair from snapshots of `/proc`.

use std::time::Duration;

use proc_events::model::snapshot::Snapshot;
use proc_events::{Field, Fields};

use crate::NOTHING;
use crate::harness::Harness;
use crate::machine::{MS, S};

#[test]
fn drop_during_snapshot_is_reported_as_one_loss() {
    let mut harness = Harness::with_process(Fields::NONE);
    harness.pipeline.resync.request_refresh();
    harness.machine().shown.remove(&10);
    // The exit was dropped, and is counted only after the snapshot.
    let snapshot = harness.begin_snapshot();
    harness.machine().kernel.drops = 1;
    harness.finish_snapshot(Ok(snapshot), 20 * S);
    harness.finish_deferred_snapshot(20 * S);
    harness.snapshot(30 * S);
    assert_eq!(harness.take(), ["exit 10 ? resync", "loss 1 +0 -1"]);
}

#[test]
fn late_exec_is_reported_once_without_a_loss() {
    let mut harness = Harness::new(Fields::NONE.with(Field::Name));
    // `/proc` shows the new program before the kernel reports the exec.
    harness.machine().show(10, 9 * S, 1);
    harness.pipeline.resync.request_refresh();
    let snapshot = harness.begin_snapshot();
    harness.finish_snapshot(Ok(snapshot), 10 * S);
    harness.machine().exec(10, 10 * S + MS);
    harness.finish_deferred_snapshot(11 * S);
    assert_eq!(harness.take(), ["exec 10 1 kernel"]);
}

#[test]
fn snapshot_finishes_in_a_storm_faster_than_the_reader() {
    let mut harness = Harness::new(Fields::NONE);
    harness.pipeline.resync.request_refresh();
    let snapshot = harness.begin_snapshot();
    harness.machine().is_endless = true;
    harness.finish_snapshot(Ok(snapshot), 20 * S);
    assert!(harness.machine().reads < 100_000);
}

#[test]
fn snapshot_finishes_in_a_storm_with_a_tentative_exit() {
    let mut harness = Harness::with_process(Fields::NONE);
    harness.pipeline.resync.request_refresh();
    let snapshot = harness.begin_snapshot();
    harness.machine().shown.clear();
    harness.machine().exit(10, 20 * S, 0);
    harness.drain_up_to(1);
    harness.machine().is_endless = true;
    harness.finish_snapshot(Ok(snapshot), 20 * S);
    assert!(harness.machine().reads < 100_000);
}

#[test]
fn pid_reuse_is_detected_after_suspend() {
    let mut harness = Harness::with_process(Fields::NONE.with(Field::Name));
    // Created later, but with an earlier time, because `CLOCK_MONOTONIC` stands still during suspend.
    harness.machine().show(10, 0, 2).start_time = 10_500;
    harness.pipeline.resync.lost(1);
    harness.snapshot(200 * S);
    assert_eq!(harness.take(), ["exit 10 ? resync", "exec 10 2 resync", "loss 2 +1 -1"]);
}

#[test]
fn unreadable_process_is_found_by_the_next_snapshot() {
    let mut harness = Harness::new(Fields::NONE);
    harness.machine().show(10, 9 * S, 1);
    harness.pipeline.resync.request_refresh();
    let mut snapshot = harness.begin_snapshot();
    snapshot.processes.clear();
    snapshot.unread.push(10);
    harness.finish_snapshot(Ok(snapshot), 12 * S);
    harness.finish_deferred_snapshot(12 * S);
    assert_eq!(harness.take(), NOTHING);
    assert!(harness.pipeline.resync.due().is_some());
    harness.snapshot(13 * S);
    assert_eq!(harness.take(), ["exec 10 1 resync", "loss 1 +1 -0"]);
    assert_eq!(harness.pipeline.resync.due(), None);
}

#[test]
fn audit_repairs_an_uncounted_loss() {
    let mut harness = Harness::with_process(Fields::NONE);
    harness.machine().shown.clear();
    harness.pipeline.resync.audit(harness.instant + Duration::from_secs(60));
    assert!(!harness.pipeline.resync.is_due(harness.instant));
    harness.pipeline.resync.audit(harness.instant + Duration::from_secs(600));
    assert!(harness.pipeline.resync.is_due(harness.instant));
    harness.snapshot(12 * S);
    assert_eq!(harness.take(), ["exit 10 ? resync", "loss 1 +0 -1"]);
}

#[test]
fn exit_dropped_behind_a_backlog_is_recovered() {
    let mut harness = Harness::new(Fields::NONE);
    // The queue holds four execs. The exits did not fit.
    for pid in 2..=5 {
        harness.machine().exec(pid, 10 * S + u64::from(pid));
    }
    harness.machine().kernel.is_exhausted = false;
    harness.machine().kernel.drops = 4;

    // A read ends before the queue is empty, and notices the loss.
    harness.drain_up_to(2);
    while !harness.machine().kernel.is_exhausted || harness.pipeline.resync.due().is_some() {
        if harness.begin_snapshot_if_due(11 * S) {
            harness.finish_snapshot(Ok(Snapshot::default()), 11 * S);
            harness.finish_deferred_snapshot(11 * S);
        } else {
            harness.drain_up_to(2);
        }
        harness.instant =
            harness.pipeline.resync.due().map_or(harness.instant, |due| due.max(harness.instant));
    }

    let reported = harness.take();
    let count = |what: &str| reported.iter().filter(|line| line.starts_with(what)).count();
    assert_eq!(count("exec"), 4);
    assert_eq!(count("exit"), 4, "all have exited: {reported:?}");
    assert!(reported.last().unwrap().starts_with("loss 4 "), "{reported:?}");
    assert!(harness.pipeline.table.is_empty());
}
