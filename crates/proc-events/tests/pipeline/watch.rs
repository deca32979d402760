//! Requests to watch the exit of a process, and their answers.

use proc_events::{ErrorCode, Fields};

use crate::NOTHING;
use crate::harness::Harness;
use crate::machine::{MS, S};

#[test]
fn watched_exit_is_reported_as_the_kernel_reports_it() {
    let mut harness = Harness::with_process(Fields::NONE);
    harness.watch_exit(11 * S);
    assert_eq!(harness.take(), ["watched 5 Running"]);
    // The pidfd shows the exit before the kernel reports it.
    harness.machine().shown.clear();
    harness.on_watched_exits(&[10], 12 * S);
    assert_eq!(harness.take(), NOTHING);
    harness.machine().exit(10, 12 * S, 3);
    harness.drain();
    harness.expire_pending_exits_after_grace(13 * S);
    assert_eq!(harness.take(), ["exit 10 =3 kernel"]);
    assert!(harness.machine().kernel.watched.is_empty());
}

#[test]
fn watched_exit_is_synthesized_if_its_report_is_lost() {
    let mut harness = Harness::new(Fields::NONE);
    harness.machine().show(10, 9 * S, 1).never_execed = true;
    harness.watch_exit(11 * S);
    harness.machine().shown.clear();
    harness.on_watched_exits(&[10], 12 * S);
    harness.expire_pending_exits_after_grace(13 * S);
    assert_eq!(harness.take(), ["watched 5 Running", "exit 10 ? resync"]);
    assert!(harness.machine().kernel.watched.is_empty());
    assert_eq!(harness.pipeline.expected_until(), None);
}

#[test]
fn watch_of_unreported_exit_is_answered_after_the_exit() {
    for is_lost in [false, true] {
        let mut harness = Harness::with_process(Fields::NONE);
        harness.machine().shown.clear();
        harness.watch_exit(11 * S);
        assert_eq!(harness.take(), NOTHING);
        if !is_lost {
            harness.machine().exit(10, 11 * S, 3);
            harness.drain();
        }
        harness.expire_pending_exits_after_grace(12 * S);
        let taken = harness.take();
        let (exit, time, status) = if is_lost {
            ("exit 10 ? resync", 12 * S, "None")
        } else {
            ("exit 10 =3 kernel", 11 * S, "Some(ExitStatus(768))")
        };
        let exited = format!("watched 5 Exited {{ pid: 10, timestamp_ns: {time}, status: {status} }}");
        assert_eq!(taken, [exit.to_owned(), exited]);
    }
}

#[test]
fn watch_of_recent_exit_returns_the_exit() {
    let mut harness = Harness::with_process(Fields::NONE);
    harness.machine().shown.clear();
    harness.machine().exit(10, 11 * S, 3);
    harness.drain();
    harness.take();
    harness.watch_exit(11 * S + MS);
    let taken = harness.take().concat();
    assert!(taken.starts_with("watched 5 Exited { pid: 10, timestamp_ns: 11000000000"), "{taken}");
    harness.watch_exit(12 * S);
    assert_eq!(harness.take(), ["watched 5 Gone"]);
}

#[test]
fn watch_of_exit_that_a_snapshot_showed_returns_the_exit() {
    let mut harness = Harness::with_process(Fields::NONE);
    harness.machine().shown.clear();
    harness.machine().kernel.drops = 1;
    harness.drain();
    harness.snapshot(12 * S);
    assert_eq!(harness.take(), ["exit 10 ? resync", "loss 1 +0 -1"]);
    harness.watch_exit(12 * S + MS);
    assert_eq!(harness.take(), ["watched 5 Exited { pid: 10, timestamp_ns: 12000000000, status: None }"]);
}

#[test]
fn watch_of_exit_after_its_leader_returns_the_exit() {
    let mut harness = Harness::with_process(Fields::NONE);
    harness.machine().exit(10, 11 * S, 3);
    harness.drain();
    assert_eq!(harness.take(), NOTHING, "other threads go on");
    harness.machine().shown.clear();
    harness.on_watched_exits(&[10], 12 * S);
    assert_eq!(harness.take(), ["exit 10 =3 kernel"]);
    harness.watch_exit(12 * S + MS);
    let exited = "watched 5 Exited { pid: 10, timestamp_ns: 12000000000, status: Some(ExitStatus(768)) }";
    assert_eq!(harness.take(), [exited]);
}

/// The process 10 was created at tick 900, which the table knows or not, and has exited. `/proc` shows nothing, or a later
/// process with its pid.
#[test]
fn watch_of_recent_exit_tells_processes_by_creation_time() {
    for (is_identified, shown, watched, is_found) in [
        (true, None, 900, true),
        (true, None, 901, false),
        (true, None, 899, false),
        (true, Some(1100), 900, true),
        (true, Some(1100), 1100, false),
        (false, None, 900, true),
        (false, Some(1100), 900, false),
        // Another process was created after the exit.
        (false, Some(1101), 900, true),
    ] {
        let mut harness = Harness::new(Fields::NONE);
        let what = format!("{is_identified} {shown:?} {watched}");
        if is_identified {
            harness.machine().show(10, 9 * S, 1);
            harness.refresh(10 * S);
            harness.machine().shown.clear();
        } else {
            harness.machine().exec(10, 10 * S);
        }
        harness.machine().exit(10, 11 * S, 3);
        harness.drain();
        harness.take();
        if let Some(start_time) = shown {
            harness.machine().show(10, start_time * 10 * MS, 2).never_execed = true;
        }
        harness.watch_exit_of(watched, 11 * S + MS);
        let taken = harness.take().concat();
        let expected = if shown == Some(watched) {
            "watched 5 Running"
        } else if is_found {
            "watched 5 Exited"
        } else {
            "watched 5 Gone"
        };
        assert!(taken.starts_with(expected), "{what}: {taken}");
    }
}

#[test]
fn watch_of_unknown_pid_is_answered_at_once() {
    let mut harness = Harness::new(Fields::NONE);
    harness.watch_exit(11 * S);
    assert_eq!(harness.take(), ["watched 5 Gone"]);
}

#[test]
fn watch_of_unknown_process_that_exits_meanwhile_returns_the_exit() {
    let mut harness = Harness::new(Fields::NONE);
    harness.machine().on_liveness = Some(|machine| machine.exit(10, 11 * S, 3));
    harness.watch_exit(11 * S);
    let exited = "watched 5 Exited { pid: 10, timestamp_ns: 11000000000, status: Some(ExitStatus(768)) }";
    assert_eq!(harness.take(), ["exit 10 =3 kernel", exited]);
}

#[test]
fn watch_of_unknown_process_survives_a_failure_of_the_source() {
    let mut harness = Harness::new(Fields::NONE);
    harness.machine().on_liveness = Some(|machine| machine.next_read_fails = true);
    assert!(harness.try_watch_exit(11 * S).is_err());
    assert_eq!(harness.take(), NOTHING);
    harness.expire_pending_exits(12 * S);
    assert_eq!(harness.take(), ["watched 5 Gone"]);
}

#[test]
fn watch_is_answered_after_a_source_failure() {
    let mut harness = Harness::with_process(Fields::NONE);
    harness.machine().next_read_fails = true;
    let failed = harness.try_watch_exit(11 * S).unwrap_err();
    assert_eq!(failed.code, ErrorCode::SourceFailed);
    assert_eq!(harness.take(), NOTHING);
    // Reopens the socket, as the reader does when its source fails.
    let backend = harness.backend.clone();
    harness.pipeline.attach(None);
    harness.pipeline.attach(Some(backend));
    assert_eq!(harness.pipeline.expected_until(), Some(harness.instant));
    harness.expire_pending_exits(12 * S);
    assert_eq!(harness.take(), ["watched 5 Running"]);
    assert_eq!(harness.pipeline.expected_until(), None);
}

#[test]
fn exec_seen_first_by_a_watch_is_reported() {
    let mut harness = Harness::new(Fields::NONE);
    // `/proc` shows the new program before the kernel reports the exec.
    harness.machine().show(10, 9 * S, 1).read_ns = 10 * S;
    harness.watch_exit(10 * S);
    assert_eq!(harness.take(), ["watched 5 Running"]);
    harness.machine().exec(10, 10 * S + MS);
    harness.drain();
    assert_eq!(harness.take(), ["exec 10 - kernel"]);
}

#[test]
fn exec_seen_only_by_a_watch_is_recovered_by_resync() {
    let mut harness = Harness::new(Fields::NONE);
    harness.machine().show(10, 9 * S, 1).read_ns = 10 * S;
    harness.watch_exit(10 * S);
    harness.take();
    harness.machine().kernel.drops = 1;
    harness.drain();
    harness.snapshot(12 * S);
    assert_eq!(harness.take(), ["exec 10 1 resync", "loss 1 +1 -0"]);
}
