//! Requests to watch the exit of a process.

use std::sync::Arc;

use proc_events::{ErrorCode, Fields};

use crate::harness::{Harness, MS, NOTHING, S};

#[test]
fn watched_exit_is_delivered_as_reported() {
    let mut harness = Harness::with_a_process(Fields::NONE);
    harness.watch(11 * S);
    assert_eq!(harness.events(), ["watched 5 Running"]);
    // The pidfd shows the exit before the kernel reports it.
    harness.machine().shown.clear();
    harness.pipeline.on_watched_exits(&[10], harness.at(12 * S)).unwrap();
    assert_eq!(harness.events(), NOTHING);
    harness.machine().exit(10, 12 * S, 3);
    harness.drain();
    harness.expire_reports(13 * S);
    assert_eq!(harness.events(), ["exit 10 =3 kernel"]);
    assert!(harness.machine().watched.is_empty());
}

#[test]
fn watched_exit_is_delivered_when_its_report_is_lost() {
    let mut harness = Harness::new(Fields::NONE);
    harness.machine().show(10, 9 * S, 1).never_execed = true;
    harness.watch(11 * S);
    harness.machine().shown.clear();
    harness.pipeline.on_watched_exits(&[10], harness.at(12 * S)).unwrap();
    harness.expire_reports(13 * S);
    assert_eq!(harness.events(), ["watched 5 Running", "exit 10 ? resync"]);
    assert!(harness.machine().watched.is_empty());
    assert_eq!(harness.pipeline.expected_until(), None);
}

#[test]
fn watch_of_an_unreported_exit_is_answered_after_that_exit() {
    for is_lost in [false, true] {
        let mut harness = Harness::with_a_process(Fields::NONE);
        harness.machine().shown.clear();
        harness.watch(11 * S);
        assert_eq!(harness.events(), NOTHING);
        if !is_lost {
            harness.machine().exit(10, 11 * S, 3);
            harness.drain();
        }
        harness.expire_reports(12 * S);
        let exit = if is_lost { "exit 10 ? resync" } else { "exit 10 =3 kernel" };
        assert_eq!(harness.events(), [exit, "watched 5 Gone"]);
    }
}

#[test]
fn watch_of_a_recent_exit_returns_its_status() {
    let mut harness = Harness::with_a_process(Fields::NONE);
    harness.machine().shown.clear();
    harness.machine().exit(10, 11 * S, 3);
    harness.drain();
    harness.events();
    harness.watch(11 * S + MS);
    let events = harness.events().concat();
    assert!(events.starts_with("watched 5 Exited { pid: 10, timestamp_ns: 11000000000"), "{events}");
    harness.watch(12 * S);
    assert_eq!(harness.events(), ["watched 5 Gone"]);
}

#[test]
fn watch_of_an_unknown_pid_is_answered_at_once() {
    let mut harness = Harness::new(Fields::NONE);
    harness.watch(11 * S);
    assert_eq!(harness.events(), ["watched 5 Gone"]);
}

#[test]
fn watch_is_answered_after_a_source_failure() {
    let mut harness = Harness::with_a_process(Fields::NONE);
    harness.machine().fails_next_read = true;
    let queue = Arc::clone(&harness.queue);
    let failed = harness.pipeline.watch_exit(queue, 5, 10, harness.at(11 * S)).unwrap_err();
    assert_eq!(failed.code, ErrorCode::SourceFailed);
    assert_eq!(harness.events(), NOTHING);
    // The reader does the same after a failure.
    let backend = harness.backend.clone();
    harness.pipeline.attach(None);
    harness.pipeline.attach(Some(backend));
    assert_eq!(harness.pipeline.expected_until(), Some(harness.now));
    harness.pipeline.expire_pending_exits(harness.at(12 * S)).unwrap();
    assert_eq!(harness.events(), ["watched 5 Running"]);
    assert_eq!(harness.pipeline.expected_until(), None);
}

#[test]
fn exec_seen_only_by_a_watch_is_reported() {
    let mut harness = Harness::new(Fields::NONE);
    // `/proc` shows the new program, and the kernel is about to report the exec.
    harness.machine().show(10, 9 * S, 1).read_ns = 10 * S;
    harness.watch(10 * S);
    assert_eq!(harness.events(), ["watched 5 Running"]);
    harness.machine().exec(10, 10 * S + MS);
    harness.drain();
    assert_eq!(harness.events(), ["exec 10 - kernel"]);
}

#[test]
fn exec_seen_only_by_a_watch_is_reported_when_its_report_is_lost() {
    let mut harness = Harness::new(Fields::NONE);
    harness.machine().show(10, 9 * S, 1).read_ns = 10 * S;
    harness.watch(10 * S);
    harness.events();
    harness.machine().drops = 1;
    harness.drain();
    harness.snapshot(12 * S);
    assert_eq!(harness.events(), ["exec 10 1 resync", "loss 1 +1 -0"]);
}

#[test]
fn late_report_does_not_answer_the_watch_of_the_next_process() {
    let mut harness = Harness::with_a_process(Fields::NONE);
    // The report is late, and another process has the pid.
    harness.machine().show(10, 11 * S, 2);
    harness.snapshot_for_details(12 * S);
    assert_eq!(harness.events(), ["exit 10 ? resync", "exec 10 2 resync", "loss 2 +1 -1"]);
    harness.machine().shown.clear();
    harness.watch(13 * S);
    harness.machine().exit(10, 11 * S - MS, 1);
    harness.drain();
    assert_eq!(harness.events(), NOTHING);
    harness.machine().exit(10, 13 * S, 2);
    harness.drain();
    assert_eq!(harness.events(), ["exit 10 =2 kernel", "watched 5 Gone"]);
}
