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
    harness.try_flush(12 * S).unwrap();
    assert_eq!(harness.take().last().map(String::as_str), Some("flushed 6"));
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
