//! Scans of the running processes.

use std::sync::Arc;

use proc_events::delivery::queue::SubscriberQueue;
use proc_events::{Error, ErrorCode, Fields};
use rustix::io::Errno;

use crate::NOTHING;
use crate::harness::Harness;
use crate::machine::{MS, S};

#[test]
fn later_scan_reports_every_process_after_the_queued_events() {
    let mut harness = Harness::with_process(Fields::NONE);
    harness.machine().show(11, 10 * S, 1);
    harness.machine().exec(11, 11 * S);
    harness.pipeline.resync.request_scan(Arc::clone(&harness.queue), 7);
    let snapshot = harness.begin_snapshot();
    harness.finish_snapshot(Ok(snapshot), 12 * S);
    let mut taken = harness.take();
    taken[1..3].sort();
    assert_eq!(
        taken,
        ["exec 11 - kernel", "exec 10 1 bootstrap", "exec 11 1 bootstrap", "ScanFinished { id: 7 }"]
    );
}

#[test]
fn failed_scan_of_one_subscriber_is_retried_for_all() {
    let mut harness = Harness::new(Fields::NONE);
    let second = Arc::new(SubscriberQueue::new(100, harness.pipeline.interest, Box::new(|| {})));
    harness.pipeline.queues.push(Arc::clone(&second));
    harness.pipeline.resync.request_scan(second, 1);
    harness.begin_snapshot();
    let error = Error::from_errno(ErrorCode::ProcUnreadable, "open", "a process's stat", Errno::MFILE);
    harness.finish_snapshot(Err(error), 9 * S);
    assert!(!harness.begin_snapshot_if_due(9 * S), "not at once");
    assert!(harness.pipeline.resync.due().is_some());
}

#[test]
fn exec_shown_by_a_scan_is_not_reported_again() {
    for is_gone in [false, true] {
        let mut harness = Harness::new(Fields::NONE);
        // `/proc` shows the new program before the kernel reports the exec.
        harness.machine().show(10, 10 * S, 1).read_ns = 10 * S + 5 * MS;
        harness.refresh(11 * S);
        assert_eq!(harness.take(), ["exec 10 1 resync", "loss 1 +1 -0"]);
        harness.machine().exec(10, 10 * S + 6 * MS);
        if is_gone {
            harness.machine().shown.clear();
        }
        harness.drain();
        assert_eq!(harness.take(), NOTHING);
        harness.machine().shown.clear();
        harness.machine().exit(10, 12 * S, 3);
        harness.drain();
        assert_eq!(harness.take(), ["exit 10 =3 kernel"]);
    }
}

#[test]
fn exec_of_another_program_after_a_scan_is_reported() {
    let mut harness = Harness::new(Fields::NONE);
    harness.machine().show(10, 10 * S, 1).read_ns = 10 * S + 5 * MS;
    harness.refresh(11 * S);
    harness.take();
    harness.machine().show(10, 10 * S, 2);
    harness.machine().exec(10, 10 * S + 6 * MS);
    harness.drain();
    assert_eq!(harness.take(), ["exec 10 - kernel"]);
}
