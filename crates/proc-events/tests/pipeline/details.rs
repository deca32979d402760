//! Captured details, and what a snapshot adds to them.

use std::sync::Arc;

use proc_events::model::snapshot::ObservedProcess;
use proc_events::{Argv, Field, Fields, Notification, ProcessInfo};

use crate::harness::{Harness, MS, S};

/// Returns captured details.
fn details(name: Option<&str>, argv: Option<&str>, fields: Fields) -> Arc<ProcessInfo> {
    let argv = argv.map(|text| Argv { text: text.into(), truncated: false });
    Arc::new(ProcessInfo { requested: fields, name: name.map(Into::into), argv, ..ProcessInfo::default() })
}
/// Returns name and arguments of each event since the last call.
fn take_details(harness: &Harness) -> Vec<(String, String)> {
    let mut notifications = Vec::new();
    harness.queue.take(usize::MAX, &mut notifications);
    let of = |notification: &Notification| {
        let (Notification::Event(event) | Notification::ScanEvent { event, .. }) = notification else {
            return None;
        };
        let process = event.process.as_deref()?;
        let argv = process.argv.as_ref().map_or("-", |argv| &*argv.text);
        Some((process.name.as_deref().unwrap_or("-").to_owned(), argv.to_owned()))
    };
    notifications.iter().filter_map(of).collect()
}
const NAME: Fields = Fields::NONE.with(Field::Name);
const NAME_AND_ARGV: Fields = NAME.with(Field::Argv);

#[test]
fn snapshot_keeps_details_captured_at_exec() {
    let mut harness = Harness::new(NAME_AND_ARGV);
    harness.machine().show(10, 9 * S, 1).process =
        Some(details(Some("node"), Some("node\0x\0"), NAME_AND_ARGV));
    harness.machine().exec(10, 10 * S);
    harness.drain();
    take_details(&harness);
    // The main thread has renamed itself, and its arguments are gone.
    let poorer = details(Some("MainThread"), None, NAME_AND_ARGV);
    harness.machine().shown.get_mut(&10).unwrap().process = Some(poorer);
    harness.snapshot_for_details(20 * S);
    harness.machine().shown.clear();
    harness.machine().exit(10, 30 * S, 3);
    harness.drain();
    assert_eq!(take_details(&harness), [("node".to_owned(), "node\0x\0".to_owned())]);
}

#[test]
fn snapshot_adds_details_not_captured_at_exec() {
    let mut harness = Harness::new(NAME);
    harness.machine().show(10, 9 * S, 1).process = Some(details(Some("first"), None, NAME));
    harness.machine().exec(10, 10 * S);
    harness.drain();
    take_details(&harness);
    let more = details(Some("renamed"), Some("arguments\0"), NAME_AND_ARGV);
    harness.machine().shown.get_mut(&10).unwrap().process = Some(more);
    harness.snapshot_for_details(20 * S);
    harness.machine().exit(10, 30 * S, 3);
    harness.machine().shown.clear();
    harness.drain();
    assert_eq!(take_details(&harness), [("first".to_owned(), "arguments\0".to_owned())]);
}

#[test]
fn process_with_known_details_is_not_read_again() {
    let mut harness = Harness::new(NAME);
    harness.machine().show(10, 9 * S, 1).process = Some(details(Some("first"), None, NAME));
    harness.machine().exec(10, 10 * S);
    harness.drain();
    let observed = harness.machine().shown[&10].clone();
    let is_known = |harness: &Harness, fields, seen: &ObservedProcess| {
        harness.pipeline.table.known(fields).get(&10).is_some_and(|known| known.is(seen))
    };
    assert!(is_known(&harness, NAME, &observed));
    assert!(!is_known(&harness, NAME_AND_ARGV, &observed), "its arguments were not captured");
    assert!(
        !is_known(&harness, NAME, &ObservedProcess { program: 2, ..observed.clone() }),
        "another program"
    );
    assert!(
        is_known(&harness, NAME, &ObservedProcess { program: 0, ..observed.clone() }),
        "its program is hidden"
    );
    assert!(!is_known(&harness, NAME, &ObservedProcess { start_time: 7, ..observed }), "another process");
}

#[test]
fn details_read_after_the_next_exec_are_null() {
    let mut harness = Harness::new(NAME_AND_ARGV);
    // The process calls exec twice before the first exec is handled.
    let observed = harness.machine().show(10, 9 * S, 2).clone();
    let second = details(Some("second"), Some("second\0"), NAME_AND_ARGV);
    harness
        .machine()
        .shown
        .insert(10, ObservedProcess { process: Some(second), read_ns: 10 * S + 2 * MS, ..observed });
    harness.machine().exec(10, 10 * S);
    harness.machine().exec(10, 10 * S + MS);
    harness.drain();
    let second = ("second".to_owned(), "second\0".to_owned());
    assert_eq!(take_details(&harness), [("-".to_owned(), "-".to_owned()), second]);
}
