//! Snapshots of `/proc`: scans, resyncs, and what the kernel reports meanwhile.

use std::sync::Arc;
use std::time::Duration;

use proc_events::delivery::queue::SubscriberQueue;
use proc_events::model::snapshot::Snapshot;
use proc_events::{Error, ErrorCode, Field, Fields};
use rustix::io::Errno;

use crate::harness::{Harness, MS, NOTHING, S};

#[test]
fn one_drop_is_one_loss() {
    let mut harness = Harness::with_a_process(Fields::NONE);
    harness.pipeline.resync.request_refresh();
    harness.machine().shown.remove(&10);
    // The report of the exit is dropped, and counted only after the snapshot.
    let snapshot = harness.begin();
    harness.machine().drops = 1;
    harness.finish_snapshot(snapshot, 20 * S);
    harness.after_grace(20 * S);
    harness.snapshot(30 * S);
    assert_eq!(harness.events(), ["exit 10 ? resync", "loss 1 +0 -1"]);
}

#[test]
fn late_exec_report_is_delivered_once_and_is_no_loss() {
    let mut harness = Harness::new(Fields::NONE.with(Field::Name));
    // `/proc` shows the new program, and the kernel has not reported the exec yet.
    harness.machine().show(10, 9 * S, 1);
    harness.pipeline.resync.request_refresh();
    let snapshot = harness.begin();
    harness.finish_snapshot(snapshot, 10 * S);
    harness.machine().exec(10, 10 * S + MS);
    harness.after_grace(11 * S);
    assert_eq!(harness.events(), ["exec 10 1 kernel"]);
}

#[test]
fn finish_snapshot_ends_in_a_storm_faster_than_the_reader() {
    let mut harness = Harness::new(Fields::NONE);
    harness.pipeline.resync.request_refresh();
    let snapshot = harness.begin();
    harness.machine().is_endless = true;
    harness.finish_snapshot(snapshot, 20 * S);
    assert!(harness.machine().reads < 100_000);
}

#[test]
fn finish_snapshot_ends_in_a_storm_with_a_tentative_exit() {
    let mut harness = Harness::with_a_process(Fields::NONE);
    harness.pipeline.resync.request_refresh();
    let snapshot = harness.begin();
    harness.machine().shown.clear();
    harness.machine().exit(10, 20 * S, 0);
    harness.pipeline.drain(1).unwrap();
    harness.machine().is_endless = true;
    harness.finish_snapshot(snapshot, 20 * S);
    assert!(harness.machine().reads < 100_000);
}

#[test]
fn exit_reported_during_a_snapshot_keeps_its_status() {
    let mut harness = Harness::with_a_process(Fields::NONE);
    // All threads are about to exit.
    harness.machine().shown.get_mut(&10).unwrap().leader_exited = true;
    harness.pipeline.resync.request_refresh();
    let snapshot = harness.begin();
    harness.machine().on_liveness = Some(|machine| {
        machine.shown.remove(&10);
        machine.exit(10, 19 * S, 3);
    });
    harness.finish_snapshot(snapshot, 18 * S);
    harness.drain();
    assert_eq!(harness.events(), ["exit 10 =3 kernel"]);
}

#[test]
fn processes_with_one_pid_are_distinguished_after_suspend() {
    let mut harness = Harness::with_a_process(Fields::NONE.with(Field::Name));
    // The process is created later. Its time is earlier, because the clock stops during suspend.
    harness.machine().show(10, 0, 2).start_time = 10_500;
    harness.pipeline.resync.lost(1);
    harness.snapshot(200 * S);
    assert_eq!(harness.events(), ["exit 10 ? resync", "exec 10 2 resync", "loss 2 +1 -1"]);
}

#[test]
fn later_scan_follows_queued_events_and_reports_every_process() {
    let mut harness = Harness::with_a_process(Fields::NONE);
    harness.machine().show(11, 10 * S, 1);
    harness.machine().exec(11, 11 * S);
    harness.pipeline.resync.request_scan(Arc::clone(&harness.queue), 7);
    let snapshot = harness.begin();
    harness.finish_snapshot(snapshot, 12 * S);
    let mut events = harness.events();
    events[1..3].sort();
    assert_eq!(
        events,
        ["exec 11 - kernel", "exec 10 1 bootstrap", "exec 11 1 bootstrap", "ScanFinished { id: 7 }"]
    );
}

#[test]
fn failed_snapshot_for_one_subscriber_keeps_the_others() {
    let mut harness = Harness::new(Fields::NONE);
    let second = Arc::new(SubscriberQueue::new(100, harness.pipeline.interest, Box::new(|| {})));
    harness.pipeline.queues.push(Arc::clone(&second));
    harness.pipeline.resync.request_scan(second, 1);
    harness.begin();
    let error = Error::from_errno(ErrorCode::ProcUnreadable, "open", "a process's stat", Errno::MFILE);
    harness.pipeline.finish_snapshot(Err(error), harness.at(9 * S)).unwrap();
    assert!(!harness.pipeline.begin_snapshot_if_due(harness.at(9 * S)).unwrap(), "not at once");
    assert!(harness.pipeline.resync.due().is_some());
}

#[test]
fn exec_shown_by_a_scan_is_not_reported_again() {
    for is_gone in [false, true] {
        let mut harness = Harness::new(Fields::NONE);
        // `/proc` shows the new program before the kernel reports the exec.
        harness.machine().show(10, 10 * S, 1).read_ns = 10 * S + 5 * MS;
        harness.snapshot_for_details(11 * S);
        assert_eq!(harness.events(), ["exec 10 1 resync", "loss 1 +1 -0"]);
        harness.machine().exec(10, 10 * S + 6 * MS);
        if is_gone {
            harness.machine().shown.clear();
        }
        harness.drain();
        assert_eq!(harness.events(), NOTHING);
        harness.machine().shown.clear();
        harness.machine().exit(10, 12 * S, 3);
        harness.drain();
        assert_eq!(harness.events(), ["exit 10 =3 kernel"]);
    }
}

#[test]
fn exec_of_another_program_after_a_scan_is_reported() {
    let mut harness = Harness::new(Fields::NONE);
    harness.machine().show(10, 10 * S, 1).read_ns = 10 * S + 5 * MS;
    harness.snapshot_for_details(11 * S);
    harness.events();
    harness.machine().show(10, 10 * S, 2);
    harness.machine().exec(10, 10 * S + 6 * MS);
    harness.drain();
    assert_eq!(harness.events(), ["exec 10 - kernel"]);
}

#[test]
fn process_that_vanished_during_the_read_is_found_by_the_next_snapshot() {
    let mut harness = Harness::new(Fields::NONE);
    harness.machine().show(10, 9 * S, 1);
    harness.pipeline.resync.request_refresh();
    let mut snapshot = harness.begin();
    snapshot.processes.clear();
    snapshot.unread.push(10);
    harness.finish_snapshot(snapshot, 12 * S);
    harness.after_grace(12 * S);
    assert_eq!(harness.events(), NOTHING);
    assert!(harness.pipeline.resync.due().is_some());
    harness.snapshot(13 * S);
    assert_eq!(harness.events(), ["exec 10 1 resync", "loss 1 +1 -0"]);
    assert_eq!(harness.pipeline.resync.due(), None);
}

#[test]
fn audit_finds_uncounted_losses() {
    let mut harness = Harness::with_a_process(Fields::NONE);
    harness.machine().shown.clear();
    harness.pipeline.resync.audit(harness.now + Duration::from_secs(60));
    assert!(!harness.pipeline.resync.is_due(harness.now));
    harness.pipeline.resync.audit(harness.now + Duration::from_secs(600));
    assert!(harness.pipeline.resync.is_due(harness.now));
    harness.snapshot(12 * S);
    assert_eq!(harness.events(), ["exit 10 ? resync", "loss 1 +0 -1"]);
}

#[test]
fn exits_dropped_behind_a_backlog_are_recovered() {
    let mut harness = Harness::new(Fields::NONE);
    // The socket's buffer is full of older reports. The exits of these processes are dropped.
    for pid in 2..=5 {
        harness.machine().exec(pid, u64::from(pid));
    }
    harness.machine().drops = 4;
    // The reader's budget ends before the backlog does, and the loss is noticed.
    harness.pipeline.drain(2).unwrap();
    harness.machine().is_exhausted = false;
    while !harness.machine().is_exhausted || harness.pipeline.resync.due().is_some() {
        let now = harness.at(1_000);
        if harness.pipeline.begin_snapshot_if_due(now).unwrap() {
            harness.pipeline.finish_snapshot(Ok(Snapshot::default()), now).unwrap();
            harness.after_grace(1_000);
        } else {
            harness.pipeline.drain(2).unwrap();
        }
        harness.now = harness.pipeline.resync.due().map_or(harness.now, |due| due.max(harness.now));
    }
    let events = harness.events();
    let count = |start: &str| events.iter().filter(|event| event.starts_with(start)).count();
    assert_eq!((count("exec"), count("exit")), (4, 4), "all have exited: {events:?}");
    assert!(events.last().unwrap().starts_with("loss 4 "), "{events:?}");
    assert!(harness.pipeline.table.is_empty());
}
