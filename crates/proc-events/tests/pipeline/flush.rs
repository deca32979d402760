//! Flushes: their answers come after all that the kernel reported before.

use std::sync::Arc;
use std::time::Duration;

use proc_events::Fields;
use proc_events::model::snapshot::Snapshot;
use proc_events::pipeline::resync::Polling;

use crate::NOTHING;
use crate::harness::Harness;
use crate::machine::S;

#[test]
fn flush_is_answered_after_the_queued_reports() {
    let mut harness = Harness::new(Fields::NONE);
    harness.machine().exec(10, 10 * S);
    harness.machine().exit(10, 11 * S, 0);
    harness.try_flush(12 * S).unwrap();
    assert_eq!(harness.take(), ["exec 10 - kernel", "exit 10 =0 kernel", "flushed 6"]);
}

#[test]
fn flush_does_not_wait_for_an_endless_stream() {
    let mut harness = Harness::new(Fields::NONE);
    harness.machine().is_endless = true;
    harness.machine().show(7, 9 * S, 1);
    harness.try_flush(12 * S).unwrap();
    assert_eq!(harness.take().last().map(String::as_str), Some("flushed 6"));
}

#[test]
fn flush_waits_for_the_reports_of_processes_that_are_gone() {
    let mut harness = Harness::with_process(Fields::NONE);
    harness.machine().show(11, 9 * S, 1);
    harness.machine().exec(11, 10 * S);
    // The parent has reaped process 10, and the kernel is about to report its exit.
    harness.machine().shown.remove(&10);
    harness.try_flush(12 * S).unwrap();
    assert_eq!(harness.take(), ["exec 11 - kernel"]);
    assert!(harness.pipeline.expected_until().is_some());
    harness.drain();
    assert_eq!(harness.take(), NOTHING);
    harness.machine().exit(10, 12 * S, 3);
    // The next process with its pid is none that the flush waits for.
    harness.machine().exec(10, 13 * S);
    harness.drain();
    assert_eq!(harness.take(), ["exit 10 =3 kernel", "exec 10 - kernel", "flushed 6"]);
    assert_eq!(harness.pipeline.expected_until(), None);
}

#[test]
fn flush_waits_until_a_tentative_exit_is_dispatched() {
    let mut harness = Harness::with_process(Fields::NONE);
    harness.machine().shown.remove(&10);
    harness.try_flush(11 * S).unwrap();
    harness.machine().exit(10, 12 * S, 0);
    harness.machine().show(11, 9 * S, 1);
    for at in 0..9 {
        harness.machine().exec(11, 12 * S + at);
    }
    harness.drain_up_to(1);
    assert_eq!(harness.take(), NOTHING);
    harness.drain();
    let events = harness.take();
    assert_eq!(events.first().map(String::as_str), Some("exit 10 =0 kernel"));
    assert_eq!(events.last().map(String::as_str), Some("flushed 6"));
}

#[test]
fn flush_waits_for_a_report_for_a_second() {
    for is_lost in [false, true] {
        let mut harness = Harness::with_process(Fields::NONE);
        harness.machine().shown.remove(&10);
        harness.try_flush(12 * S).unwrap();
        harness.expire_pending_exits(12 * S);
        assert_eq!(harness.take(), NOTHING);
        if is_lost {
            harness.machine().kernel.drops = 1;
        }
        harness.expire_pending_exits_after_grace(13 * S);
        if is_lost {
            assert_eq!(harness.take(), NOTHING);
            harness.snapshot(13 * S);
            assert_eq!(harness.take(), ["exit 10 ? resync", "loss 1 +0 -1", "flushed 6"]);
        } else {
            assert_eq!(harness.take(), ["flushed 6"]);
            // The exit is reported whenever it comes.
            harness.machine().exit(10, 14 * S, 3);
            harness.drain();
            assert_eq!(harness.take(), ["exit 10 =3 kernel"]);
        }
    }
}

#[test]
fn flush_waits_for_the_repair_of_a_loss() {
    let mut harness = Harness::with_process(Fields::NONE);
    harness.machine().shown.clear();
    harness.machine().kernel.drops = 1;
    harness.drain();
    harness.try_flush(12 * S).unwrap();
    assert_eq!(harness.take(), NOTHING);
    harness.snapshot(13 * S);
    assert_eq!(harness.take(), ["exit 10 ? resync", "loss 1 +0 -1", "flushed 6"]);
}

#[test]
fn flush_waits_for_requested_details() {
    let mut harness = Harness::with_process(Fields::NONE);
    harness.pipeline.resync.request_refresh();
    harness.try_flush(12 * S).unwrap();
    assert_eq!(harness.take(), NOTHING);
    let snapshot = harness.begin_snapshot();
    assert_eq!(harness.take(), NOTHING);
    harness.try_flush(12 * S).unwrap();
    harness.finish_snapshot(Ok(snapshot), 13 * S);
    harness.finish_deferred_snapshot(13 * S);
    assert_eq!(harness.take(), ["flushed 6", "flushed 6"]);
}

#[test]
fn flush_waits_for_requested_scans() {
    let mut harness = Harness::with_process(Fields::NONE);
    harness.pipeline.resync.request_scan(Arc::clone(&harness.queue), 7);
    let snapshot = harness.begin_snapshot();
    // The snapshot has begun without this one.
    harness.pipeline.resync.request_scan(Arc::clone(&harness.queue), 8);
    harness.try_flush(12 * S).unwrap();
    harness.finish_snapshot(Ok(snapshot), 12 * S);
    assert_eq!(harness.take(), ["exec 10 1 bootstrap", "ScanFinished { id: 7 }"]);
    harness.snapshot(13 * S);
    assert_eq!(harness.take(), ["exec 10 1 bootstrap", "ScanFinished { id: 8 }", "flushed 6"]);
}

#[test]
fn flush_of_the_polling_source_takes_a_snapshot() {
    let mut harness = Harness::new(Fields::NONE);
    harness.pipeline.attach(None);
    harness.machine().show(10, 9 * S, 1);
    harness.try_flush(12 * S).unwrap();
    assert_eq!(harness.take(), NOTHING);
    harness.snapshot(13 * S);
    let events = harness.take();
    assert!(events.first().is_some_and(|event| event.starts_with("exec 10 1")), "{events:?}");
    assert_eq!(events.last().map(String::as_str), Some("flushed 6"));
}

#[test]
fn flush_after_another_loss_waits_for_no_poll() {
    for polling in [Polling::Audit, Polling::Only(Duration::from_secs(60))] {
        let mut harness = Harness::new(Fields::NONE);
        harness.pipeline.attach(None);
        harness.pipeline.has_reporter = polling == Polling::Audit;
        harness.pipeline.resync.poll(polling, harness.instant);
        harness.pipeline.on_lost_records(1);
        let snapshot = harness.begin_snapshot();
        harness.pipeline.on_lost_records(1);
        harness.try_flush(12 * S).unwrap();
        harness.finish_snapshot(Ok(snapshot), 12 * S);
        assert_eq!(harness.take(), ["loss 2 +0 -0"]);
        harness.advance(1);
        assert!(harness.begin_snapshot_if_due(13 * S), "{polling:?}");
        harness.finish_snapshot(Ok(Snapshot::default()), 13 * S);
        assert_eq!(harness.take(), ["flushed 6"]);
    }
}

#[test]
fn flush_survives_a_failure_of_the_source() {
    let mut harness = Harness::new(Fields::NONE);
    harness.machine().next_read_fails = true;
    assert!(harness.try_flush(12 * S).is_err());
    assert_eq!(harness.take(), NOTHING);
    assert!(harness.pipeline.expected_until().is_some());
    harness.expire_pending_exits(13 * S);
    assert_eq!(harness.take(), ["flushed 6"]);
}
