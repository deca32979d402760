//! Processes that rename themselves, and new processes.

use std::sync::Arc;

use proc_events::model::snapshot::ObservedProcess;
use proc_events::{
    Argv, EventData, EventType, EventTypes, Field, Fields, Interest, Notification, ProcessInfo,
};

use crate::harness::Harness;
use crate::machine::{MS, S};

const NAMES: Fields = Fields::NONE.with(Field::Name).with(Field::Comm);

fn interest(fields: Fields) -> Interest {
    Interest { types: EventTypes::LIFECYCLE, fields, recapture: false }
}

fn padded(comm: &str) -> [u8; 16] {
    let mut padded = [0; 16];
    padded[..comm.len()].copy_from_slice(comm.as_bytes());
    padded
}

/// Makes `/proc` show process 10 with this comm and these arguments, from now on.
fn show(harness: &Harness, comm: &str, argv: &str, read_ns: u64) {
    let process = Arc::new(ProcessInfo {
        requested: NAMES.with(Field::Argv),
        name: Some("prog".into()),
        comm: Some(comm.into()),
        argv: Some(Argv { text: argv.into(), truncated: false }),
        ..ProcessInfo::default()
    });
    let observed = harness.machine().show(10, 9 * S, 1).clone();
    let observed = ObservedProcess {
        process: Some(process),
        comm: padded(comm),
        began_ns: read_ns,
        read_ns,
        ..observed
    };
    harness.machine().shown.insert(10, observed);
}

/// Returns a harness with a process, 10, whose exec of `prog` is reported next.
fn executed() -> Harness {
    let harness = Harness::with_interest(interest(NAMES));
    show(&harness, "prog", "prog\0", 10 * S);
    harness.machine().exec(10, 10 * S);
    harness
}

/// Lets process 10 exit, and handles the report.
fn exit(harness: &mut Harness, at_ns: u64) {
    harness.machine().exit(10, at_ns, 0);
    harness.machine().shown.clear();
    harness.drain();
}

/// Takes the events, as `"exec prog old"`: type, name, comm.
fn take(harness: &Harness) -> Vec<String> {
    let mut notifications = Vec::new();
    harness.queue.take(usize::MAX, &mut notifications);
    let describe = |notification: &Notification| {
        let Notification::Event(event) = notification else { return None };
        let process = event.process.as_deref()?;
        let text = |text: &Option<Box<str>>| text.as_deref().unwrap_or("-").to_owned();
        let kind = format!("{:?}", event.data.event_type()).to_lowercase();
        Some(format!("{kind} {} {}", text(&process.name), text(&process.comm)))
    };
    notifications.iter().filter_map(describe).collect()
}

fn argv_of_last(harness: &Harness) -> Option<String> {
    let mut notifications = Vec::new();
    harness.queue.take(usize::MAX, &mut notifications);
    let Some(Notification::Event(event)) = notifications.last() else { return None };
    event.process.as_ref()?.argv.as_ref().map(|argv| argv.text.to_string())
}

#[test]
fn rename_of_the_main_thread_changes_the_comm_of_later_events() {
    let mut harness = executed();
    harness.machine().comm(11, 10, 10 * S + MS, "thread");
    harness.machine().comm(10, 10, 10 * S + 2 * MS, "renamed");
    harness.drain();
    exit(&mut harness, 11 * S);
    assert_eq!(take(&harness), ["exec prog prog", "exit prog renamed"]);
}

#[test]
fn comm_event_carries_the_new_comm() {
    let types = EventTypes::LIFECYCLE.union(EventTypes::of(EventType::Comm));
    let mut harness = Harness::with_interest(Interest { types, ..interest(NAMES) });
    show(&harness, "prog", "prog\0", 10 * S);
    harness.machine().exec(10, 10 * S);
    harness.machine().comm(10, 10, 10 * S + MS, "renamed");
    harness.machine().comm(11, 10, 10 * S + 2 * MS, "thread");
    harness.drain();
    assert_eq!(take(&harness), ["exec prog prog", "comm prog renamed", "comm prog renamed"]);
}

#[test]
fn lost_rename_is_found_by_the_next_snapshot() {
    let mut harness = executed();
    harness.drain();
    take(&harness);
    show(&harness, "lost", "prog\0", 12 * S);
    // A snapshot reads no details of a known process.
    harness.machine().shown.get_mut(&10).unwrap().process = None;
    harness.refresh(13 * S);
    exit(&mut harness, 14 * S);
    assert_eq!(take(&harness), ["exit prog lost"]);
}

#[test]
fn rename_during_the_read_of_a_snapshot_is_not_undone() {
    let mut harness = executed();
    harness.machine().comm(10, 10, 11 * S, "renamed");
    harness.drain();
    take(&harness);
    // The name was read before the rename, and the rest after it.
    show(&harness, "prog", "prog\0", 11 * S - MS);
    harness.machine().shown.get_mut(&10).unwrap().read_ns = 11 * S + MS;
    harness.refresh(13 * S);
    exit(&mut harness, 14 * S);
    assert_eq!(take(&harness), ["exit prog renamed"]);
}

#[test]
fn snapshot_from_before_a_rename_does_not_undo_it() {
    let mut harness = executed();
    harness.drain();
    take(&harness);
    harness.pipeline.resync.request_refresh();
    let snapshot = harness.begin_snapshot();
    harness.machine().comm(10, 10, 11 * S, "renamed");
    harness.finish_snapshot(Ok(snapshot), 12 * S);
    harness.finish_deferred_snapshot(12 * S);
    exit(&mut harness, 14 * S);
    assert_eq!(take(&harness), ["exit prog renamed"]);
}

#[test]
fn arguments_are_read_again_at_a_rename_if_requested() {
    for (recapture, expected) in [(true, "title\0"), (false, "prog\0a\0b\0")] {
        let fields = NAMES.with(Field::Argv);
        let mut harness = Harness::with_interest(Interest { recapture, ..interest(fields) });
        show(&harness, "prog", "prog\0a\0b\0", 10 * S);
        harness.machine().exec(10, 10 * S);
        harness.drain();
        take(&harness);
        show(&harness, "title", "title\0\0\0\0\0\0", 11 * S);
        harness.machine().comm(10, 10, 11 * S, "title");
        harness.drain();
        harness.machine().exit(10, 12 * S, 0);
        harness.machine().shown.clear();
        harness.drain();
        assert_eq!(argv_of_last(&harness).as_deref(), Some(expected), "recapture: {recapture}");
    }
}

#[test]
fn arguments_of_the_next_program_are_not_taken_for_those_of_the_renamed_one() {
    let fields = NAMES.with(Field::Argv);
    let mut harness = Harness::with_interest(Interest { recapture: true, ..interest(fields) });
    show(&harness, "prog", "prog\0", 10 * S);
    harness.machine().exec(10, 10 * S);
    harness.drain();
    take(&harness);
    // The process renames itself and calls exec before the reports are read.
    show(&harness, "next", "next\0", 11 * S);
    harness.machine().shown.get_mut(&10).unwrap().program = 2;
    harness.machine().comm(10, 10, 11 * S, "renamed");
    harness.drain();
    assert_eq!(harness.pipeline.table.len(), 1);
    harness.machine().shown.clear();
    harness.machine().exit(10, 12 * S, 0);
    harness.drain();
    assert_eq!(argv_of_last(&harness).as_deref(), Some("prog\0"));
}

#[test]
fn fork_carries_the_creation_time_if_it_is_captured() {
    let types = EventTypes::of(EventType::Fork);
    let start_time = Fields::NONE.with(Field::StartTime);
    for (fields, expected) in [(start_time, Some(Some(900))), (NAMES, None)] {
        let mut harness = Harness::with_interest(Interest { types, ..interest(fields) });
        harness.machine().show(10, 9 * S, 1);
        harness.machine().fork(10, 10 * S);
        harness.drain();
        let mut notifications = Vec::new();
        harness.queue.take(usize::MAX, &mut notifications);
        let [Notification::Event(event)] = notifications.as_slice() else { panic!("{notifications:?}") };
        assert!(matches!(event.data, EventData::Fork { ppid: 1 }));
        assert_eq!(event.process.as_ref().map(|process| process.start_time), expected);
    }
}

#[test]
fn watch_with_a_creation_time_ignores_another_process_with_the_pid() {
    let mut harness = Harness::with_process(Fields::NONE.with(Field::StartTime));
    harness.watch_exit_of(900, 11 * S);
    assert_eq!(harness.take(), ["watched 5 Running"]);
    harness.watch_exit_of(901, 11 * S);
    assert_eq!(harness.take(), ["watched 5 Gone"]);
    harness.machine().shown.clear();
    harness.machine().exit(10, 12 * S, 3);
    harness.drain();
    harness.take();
    harness.watch_exit_of(901, 12 * S + MS);
    assert_eq!(harness.take(), ["watched 5 Gone"], "the recent exit is that of another process");
    harness.watch_exit_of(900, 12 * S + MS);
    let answers = harness.take();
    assert!(answers[0].starts_with("watched 5 Exited"), "{answers:?}");
}
