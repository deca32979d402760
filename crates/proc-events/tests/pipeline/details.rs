//! The details of processes, as they are captured at the exec and completed by snapshots.

use std::sync::Arc;

use proc_events::model::snapshot::ObservedProcess;
use proc_events::{Argv, Field, Fields, ProcessInfo};

use crate::harness::Harness;
use crate::machine::{MS, S};

const NAME: Fields = Fields::NONE.with(Field::Name);
const NAME_AND_ARGV: Fields = NAME.with(Field::Argv);

/// Returns the details of a process, as they were captured with `fields`.
fn details(name: Option<&str>, argv: Option<&str>, fields: Fields) -> Arc<ProcessInfo> {
    let argv = argv.map(|text| Argv { text: text.into(), truncated: false });
    Arc::new(ProcessInfo { requested: fields, name: name.map(Into::into), argv, ..ProcessInfo::default() })
}

#[test]
fn snapshot_keeps_the_details_captured_at_exec() {
    let mut harness = Harness::new(NAME_AND_ARGV);
    harness.machine().show(10, 9 * S, 1).process =
        Some(details(Some("node"), Some("node\0x\0"), NAME_AND_ARGV));
    harness.machine().exec(10, 10 * S);
    harness.drain();
    harness.take_details();
    // The main thread has renamed itself, and its arguments are unreadable.
    let poorer = details(Some("MainThread"), None, NAME_AND_ARGV);
    harness.machine().shown.get_mut(&10).unwrap().process = Some(poorer);
    harness.refresh(20 * S);
    harness.machine().shown.clear();
    harness.machine().exit(10, 30 * S, 3);
    harness.drain();
    assert_eq!(harness.take_details(), [("node".to_owned(), "node\0x\0".to_owned())]);
}

#[test]
fn snapshot_fills_details_not_captured_at_exec() {
    let mut harness = Harness::new(NAME);
    harness.machine().show(10, 9 * S, 1).process = Some(details(Some("first"), None, NAME));
    harness.machine().exec(10, 10 * S);
    harness.drain();
    harness.take_details();
    let more = details(Some("renamed"), Some("arguments\0"), NAME_AND_ARGV);
    harness.machine().shown.get_mut(&10).unwrap().process = Some(more);
    harness.refresh(20 * S);
    harness.machine().exit(10, 30 * S, 3);
    harness.machine().shown.clear();
    harness.drain();
    assert_eq!(harness.take_details(), [("first".to_owned(), "arguments\0".to_owned())]);
}

#[test]
fn process_with_known_details_is_not_read_again() {
    let mut harness = Harness::new(NAME);
    harness.machine().show(10, 9 * S, 1).process = Some(details(Some("first"), None, NAME));
    harness.machine().exec(10, 10 * S);
    harness.drain();
    let observed = harness.machine().shown[&10].clone();
    let is_known = |harness: &Harness, fields, observed: &ObservedProcess| {
        harness.pipeline.table.known(fields).get(&10).is_some_and(|known| known.is(observed))
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
fn details_read_after_the_next_exec_are_none() {
    let mut harness = Harness::new(NAME_AND_ARGV);
    // The process calls exec twice before the first report is read.
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
    assert_eq!(harness.take_details(), [("-".to_owned(), "-".to_owned()), second]);
}
