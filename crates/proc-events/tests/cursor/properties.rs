//! Any order of sightings ends in the same table as a snapshot, and no report on the way is untrue.

use std::collections::BTreeSet;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::Config;

use crate::harness::{Harness, MS};
use crate::pid_machine::PidMachine;

/// A step of a history. A number chooses among the processes.
#[derive(Clone, Copy, Debug)]
enum Step {
    Fork,
    Exec(u8),
    Exit(u8),
    Reap(u8),
    RunAll,
    StartThread,
    EndThread(u8),
    Vanish(u8),
    Wake,
    Advance(u8),
    List,
    Snapshot,
    /// Takes or returns descriptors and watches.
    Limit(u8),
    HideStatuses(bool),
    HideArguments(bool),
    LookAtIds,
    Escape(u8),
    LoseRecords,
    EndRecords(u8),
}

fn step() -> impl Strategy<Value = Step> {
    let n = any::<u8>;
    prop_oneof![
        6 => Just(Step::Fork),
        6 => n().prop_map(Step::Exec),
        5 => n().prop_map(Step::Exit),
        5 => n().prop_map(Step::Reap),
        2 => Just(Step::RunAll),
        1 => Just(Step::StartThread),
        1 => n().prop_map(Step::EndThread),
        1 => n().prop_map(Step::Vanish),
        6 => Just(Step::Wake),
        4 => n().prop_map(Step::Advance),
        1 => Just(Step::List),
        1 => Just(Step::Snapshot),
        1 => n().prop_map(Step::Limit),
        1 => any::<bool>().prop_map(Step::HideStatuses),
        1 => any::<bool>().prop_map(Step::HideArguments),
    ]
}

/// A step where the kernel records processes.
fn recorded_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        20 => step(),
        3 => Just(Step::LookAtIds),
        1 => any::<u8>().prop_map(Step::Escape),
        1 => Just(Step::LoseRecords),
        1 => any::<u8>().prop_map(Step::EndRecords),
    ]
}

fn take(h: &mut Harness, step: Step) {
    let pids = h.machine.pids();
    let chosen = |n: u8| pids.get(usize::from(n) % pids.len().max(1)).copied().unwrap_or(0);
    match step {
        Step::Fork => drop(h.machine.fork()),
        Step::Exec(n) => h.machine.exec(chosen(n)),
        Step::Exit(n) => h.machine.exit(chosen(n), n.into()),
        Step::Reap(n) => h.machine.reap(chosen(n)),
        Step::RunAll => drop(h.machine.run(1)),
        Step::StartThread => drop(h.machine.start_thread()),
        Step::EndThread(n) => {
            let count = h.machine.threads.len().max(1);
            let ended = h.machine.threads.iter().nth(usize::from(n) % count).copied();
            h.machine.threads.remove(&ended.unwrap_or(0));
        }
        Step::Vanish(n) => h.machine.vanishing = Some(chosen(n)),
        Step::Wake => h.wake(),
        Step::Advance(n) => h.advance(u64::from(n) * MS / 10),
        Step::List => h.list(),
        Step::Snapshot => h.snapshot(),
        Step::Limit(n) => {
            let limit = if n < 128 { usize::from(n % 4) } else { usize::MAX / 2 };
            (h.machine.free_descriptors, h.machine.free_watches) = (limit, limit);
        }
        Step::HideStatuses(hides) => h.machine.hides_statuses = hides,
        Step::HideArguments(hides) => h.machine.hides_arguments = hides,
        Step::LookAtIds => h.look_at_ids(),
        Step::Escape(n) => drop(h.machine.unrecorded.insert(chosen(n))),
        Step::LoseRecords => h.lose_records(),
        Step::EndRecords(0) => h.end_records(),
        Step::EndRecords(_) => {}
    }
}

/// Returns the pids and creation times of the processes that run.
fn running(h: &Harness) -> BTreeSet<(u32, u64)> {
    let snapshot = h.machine.snapshot();
    snapshot.processes.iter().map(|observed| (observed.pid, observed.start_time)).collect()
}

fn check(pid_max: u32, record_ns: Option<u64>, steps: &[Step]) {
    let mut h = Harness::new(PidMachine { pid_max, ..PidMachine::default() });
    h.machine.records = record_ns.map(|_| Vec::new());
    h.tracker.set_record_ns(record_ns.unwrap_or(0));
    for &step in steps {
        take(&mut h, step);
    }
    // Everything that is due is done, and a snapshot shows the rest.
    (h.machine.free_descriptors, h.machine.free_watches) = (usize::MAX / 2, usize::MAX / 2);
    h.wake();
    h.list();
    while let Some(next_ns) = h.tracker.next_look_ns() {
        h.now_ns = h.now_ns.max(next_ns);
        h.wake();
    }
    h.snapshot();
    let known: BTreeSet<_> =
        running(&h).into_iter().filter(|&(pid, start_time)| h.table.start_time(pid) == start_time).collect();
    assert_eq!((known, h.table.len()), (running(&h), running(&h).len()));
    // Each exit is reported exactly once, which the harness checks, and nothing is left.
    for pid in h.machine.pids() {
        h.machine.exit(pid, 0);
        h.machine.reap(pid);
    }
    h.wake();
    h.advance(20 * MS);
    h.wake();
    assert!(h.table.is_empty() && h.tracker.is_empty() && h.machine.watched.is_empty());
}

proptest! {
    // More cases than usual, because each is cheap.
    #![proptest_config(Config { cases: 512, failure_persistence: None, ..Config::default() })]

    #[test]
    fn any_history_ends_as_a_snapshot(steps in vec(step(), 0..200)) {
        check(1 << 15, None, &steps);
    }

    #[test]
    fn any_history_with_reused_ids_ends_as_a_snapshot(steps in vec(step(), 0..200)) {
        check(12, None, &steps);
    }

    #[test]
    fn any_history_with_records_ends_as_a_snapshot(
        waits in any::<bool>(), steps in vec(recorded_step(), 0..200)
    ) {
        check(1 << 15, Some(if waits { 600 * MS } else { 0 }), &steps);
    }
}
