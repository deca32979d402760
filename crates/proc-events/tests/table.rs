//! The process table in histories that are written as plain text. No kernel, no clock.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::string_slice,
    reason = "in a test, a panic is the report"
)]

use std::sync::Arc;

use proc_events::connector::wire::{self, what};
use proc_events::model::snapshot::{ObservedProcess, Snapshot};
use proc_events::process::table::{LeaderExit, ProcessTable, Repairs};
use proc_events::{EventData, ExitStatus, Origin, ProcessEvent, ProcessInfo, RunTime};

/// A table, and its events.
#[derive(Default)]
struct TableHarness {
    table: ProcessTable,
    events: Vec<ProcessEvent>,
}

impl TableHarness {
    /// Applies `"exec 10@5 sh"` or `"exit 10@8 =3"`: what, pid, time in seconds, and the name that `/proc` shows or the exit
    /// code.
    fn apply(&mut self, messages: &[&str]) -> &mut Self {
        for message in messages {
            let (what, pid, at, rest) = parse(message);
            let (kind, words, observed) = match what {
                "exec" => {
                    (what::PROC_EVENT_EXEC, [pid, pid, 0, 0, 0, 0], rest.map(|name| process(pid, 0, name)))
                }
                "exit" => {
                    let code: u32 = rest.map_or(0, |code| code[1..].parse().unwrap());
                    (what::PROC_EVENT_EXIT, [pid, pid, code << 8, 17, 1, 1], None)
                }
                "leader" => {
                    let observed = rest.map_or_else(ObservedProcess::default, |name| process(pid, 0, name));
                    let exit = LeaderExit {
                        timestamp_ns: at,
                        status: Some(ExitStatus(0)),
                        ppid: Some(1),
                        exit_watched: true,
                        ..LeaderExit::default()
                    };
                    self.table.on_leader_exit(pid, exit, &observed, &mut self.events);
                    continue;
                }
                "watch" => {
                    self.table.on_watched_exit(pid, self.table.position(), at, None, &mut self.events);
                    continue;
                }
                "fork" => (what::PROC_EVENT_FORK, [1, 1, pid, pid, 0, 0], None),
                "thread" => (what::PROC_EVENT_FORK, [1, 1, pid, 1, 0, 0], None),
                _ => panic!("{message}"),
            };
            let message = wire::parse(&wire::datagram(kind, 0, at, &words)).unwrap();
            self.table.apply(&message, observed, &mut self.events);
        }
        self
    }

    /// Reconciles a snapshot that shows `"10@4 sh"`: pid, creation in seconds, name. `meanwhile` is applied after it has
    /// begun.
    fn snapshot(&mut self, shown: &[&str], meanwhile: &[&str], origin: Origin) -> Repairs {
        let began = self.table.begin_snapshot();
        self.apply(meanwhile);
        let processes = shown.iter().map(|shown| {
            let (pid, rest) = shown.split_once('@').unwrap();
            let (at, name) = rest.split_once(' ').unwrap();
            process(pid.parse().unwrap(), at.parse::<u64>().unwrap() * 1_000_000_000, name)
        });
        let snapshot = Snapshot { processes: processes.collect(), ..Snapshot::default() };
        let missing = self.table.missing(&snapshot, began);
        let (repairs, execs) =
            self.table.reconcile(snapshot, began, &missing, origin, 1_000_000_000_000, &mut self.events);
        self.events.extend(execs);
        repairs
    }

    /// Takes the events since the last call, as `"exec 10 sh"`, `"exit 10 sh =3"`, `"exit 10 sh ?"`.
    fn take(&mut self) -> Vec<String> {
        let describe = |event: ProcessEvent| {
            let name =
                event.process.as_ref().and_then(|process| process.name.as_deref()).unwrap_or("-").to_owned();
            let pid = event.pid;
            match event.data {
                EventData::Exec { .. } => format!("exec {pid} {name}"),
                EventData::Exit { status: None, .. } => format!("exit {pid} {name} ?"),
                EventData::Exit { status: Some(status), .. } => {
                    format!("exit {pid} {name} ={}", status.code().unwrap())
                }
                kind => format!("{:?} {pid}", kind.event_type()).to_lowercase(),
            }
        };
        self.table.commit_exits();
        self.events.drain(..).map(describe).collect()
    }
}

fn parse(message: &str) -> (&str, u32, u64, Option<&str>) {
    let mut parts = message.split(' ');
    let what = parts.next().unwrap();
    let (pid, at) = parts.next().unwrap().split_once('@').unwrap();
    (what, pid.parse().unwrap(), at.parse::<u64>().unwrap() * 1_000_000_000, parts.next())
}

/// Returns a process. `"sh+"` is one that has not called exec since it was forked.
fn process(pid: u32, start_ns: u64, name: &str) -> ObservedProcess {
    let (name, never_execed) = name.strip_suffix('+').map_or((name, false), |name| (name, true));
    let info = ProcessInfo { name: Some(name.into()), exe: Some(name.into()), ..ProcessInfo::default() };
    let start_time = start_ns / 10_000_000;
    ObservedProcess {
        pid,
        start_time,
        start_ns,
        never_execed,
        process: Some(Arc::new(info)),
        ..ObservedProcess::default()
    }
}

/// Returns the events of these messages.
fn events_of(messages: &[&str]) -> Vec<String> {
    TableHarness::default().apply(messages).take()
}

#[test]
fn exit_carries_the_details_of_the_exec() {
    assert_eq!(events_of(&["exec 10@5 sh", "exit 10@8 =3"]), ["exec 10 sh", "exit 10 sh =3"]);
    let mut harness = TableHarness::default();
    harness.apply(&["exec 10@5 sh", "exit 10@8 =3"]);
    let EventData::Exit { ran, ppid, known, .. } = harness.events[1].data else { panic!() };
    assert_eq!((ran, ppid, known), (Some(RunTime::SinceExec(3_000_000_000)), Some(1), true));
}

/// Returns the parent of the last event, an exit.
fn parent_of_exit(harness: &TableHarness) -> Option<u32> {
    let Some(EventData::Exit { ppid, .. }) = harness.events.last().map(|event| &event.data) else { panic!() };
    *ppid
}

/// The kernel no longer knows the parent of a process that it reaps before it makes the report.
#[test]
fn exit_without_a_parent_has_the_one_that_was_observed_at_the_exec() {
    let observed = |ppid| Some(ObservedProcess { ppid, ..process(10, 4_000_000_000, "sh") });
    for (observed, reported, expected) in [
        (observed(7), 0, Some(7)),
        (observed(7), 1, Some(1)),
        // The parent is outside of the pid namespace.
        (observed(0), 0, None),
        (None, 0, None),
        // The details were read without the identity.
        (Some(process(10, 0, "sh")), 0, None),
    ] {
        let mut harness = TableHarness::default();
        let exec = wire::datagram(what::PROC_EVENT_EXEC, 0, 5_000_000_000, &[10, 10, 0, 0, 0, 0]);
        let words = [10, 10, 0, 17, reported, reported];
        let exit = wire::datagram(what::PROC_EVENT_EXIT, 0, 8_000_000_000, &words);
        harness.table.apply(&wire::parse(&exec).unwrap(), observed, &mut harness.events);
        harness.table.apply(&wire::parse(&exit).unwrap(), None, &mut harness.events);
        assert_eq!(parent_of_exit(&harness), expected);
    }
}

#[test]
fn an_observed_parent_is_not_that_of_a_later_process_with_the_pid() {
    let mut harness = TableHarness::default();
    let observed = Some(ObservedProcess { ppid: 7, ..process(10, 4_000_000_000, "sh") });
    for (at, observed) in [(5, observed), (9, None)] {
        let exec = wire::datagram(what::PROC_EVENT_EXEC, 0, at * 1_000_000_000, &[10, 10, 0, 0, 0, 0]);
        harness.table.apply(&wire::parse(&exec).unwrap(), observed, &mut harness.events);
    }
    let exit = wire::datagram(what::PROC_EVENT_EXIT, 0, 10_000_000_000, &[10, 10, 0, 17, 0, 0]);
    harness.table.apply(&wire::parse(&exit).unwrap(), None, &mut harness.events);
    assert_eq!(parent_of_exit(&harness), None);
}

#[test]
fn synthesized_exit_has_the_parent_that_a_snapshot_has_shown() {
    let mut harness = TableHarness::default();
    let began = harness.table.begin_snapshot();
    let shown = ObservedProcess { ppid: 7, ..process(10, 4_000_000_000, "sh") };
    let snapshot = Snapshot { processes: vec![shown], ..Snapshot::default() };
    harness.table.reconcile(snapshot, began, &[], Origin::Bootstrap, 5_000_000_000, &mut harness.events);
    harness.snapshot(&[], &[], Origin::Resync);
    assert_eq!(parent_of_exit(&harness), Some(7));
}

#[test]
fn exec_replaces_the_details_of_the_last() {
    let events = events_of(&["exec 10@5 sh", "exec 10@6 ls", "exit 10@8"]);
    assert_eq!(events, ["exec 10 sh", "exec 10 ls", "exit 10 ls =0"]);
}

#[test]
fn exit_without_an_exec_has_no_details() {
    let mut harness = TableHarness::default();
    harness.apply(&["exit 10@8 =1"]);
    let EventData::Exit { ran, known, .. } = harness.events[0].data else { panic!() };
    assert_eq!((ran, known), (None, false));
    assert_eq!(harness.take(), ["exit 10 - =1"]);
}

#[test]
fn run_time_of_a_process_found_running_is_since_its_start() {
    let mut harness = TableHarness::default();
    harness.snapshot(&["10@4 sh", "11@5 ls+"], &[], Origin::Resync);
    harness.take();
    harness.apply(&["exit 10@9", "exit 11@9", "exec 12@9 sh", "exit 12@10"]);
    let ran = |event: &ProcessEvent| match event.data {
        EventData::Exit { ran, .. } => ran,
        _ => None,
    };
    let seconds = |seconds: u64| seconds * 1_000_000_000;
    let [old, forked, new] =
        [RunTime::SinceStart(seconds(5)), RunTime::SinceStart(seconds(4)), RunTime::SinceExec(seconds(1))];
    assert_eq!(harness.events.iter().filter_map(ran).collect::<Vec<_>>(), [old, forked, new]);
}

#[test]
fn scan_reports_kernel_threads_only_if_asked() {
    let mut harness = TableHarness::default();
    let mut thread = process(2, 0, "kthreadd+");
    thread.is_kernel_thread = true;
    let began = harness.table.begin_snapshot();
    let snapshot = Snapshot { processes: vec![thread, process(3, 0, "forked+")], ..Snapshot::default() };
    harness.table.reconcile(snapshot, began, &[], Origin::Resync, 9, &mut harness.events);
    let mut pids = |with_kernel_threads| {
        let position = harness.table.position();
        let running = harness.table.running(position, 9, with_kernel_threads);
        let mut pids: Vec<_> = running.map(|event| event.pid).collect();
        pids.sort_unstable();
        pids
    };
    assert_eq!(pids(false), [3]);
    assert_eq!(pids(true), [2, 3]);
}

#[test]
fn shown_process_is_kept_if_an_earlier_one_exits_during_snapshot() {
    let mut harness = TableHarness::default();
    harness.apply(&["exec 10@4 py", "leader 10@5"]).take();
    harness.snapshot(&["10@7 ls"], &["watch 10@9"], Origin::Resync);
    assert_eq!(harness.take(), ["exit 10 py =0", "exec 10 ls"]);
}

#[test]
fn reused_pid_has_one_exit_per_process() {
    let events = events_of(&["exec 10@5 sh", "exit 10@6", "exec 10@7 ls", "exit 10@8"]);
    assert_eq!(events, ["exec 10 sh", "exit 10 sh =0", "exec 10 ls", "exit 10 ls =0"]);
}

#[test]
fn thread_creation_is_not_reported_as_fork() {
    assert_eq!(events_of(&["fork 11@5", "thread 12@5"]), ["fork 11"]);
}

#[test]
fn leader_exit_with_live_threads_is_not_process_exit() {
    let events = events_of(&["exec 10@5 py", "leader 10@6", "watch 10@9"]);
    assert_eq!(events, ["exec 10 py", "exit 10 py =0"]);
}

#[test]
fn non_leader_exec_keeps_the_process() {
    let events = events_of(&["exec 10@5 py", "leader 10@6", "exec 10@6 ls", "watch 10@9", "exit 10@9 =4"]);
    assert_eq!(events, ["exec 10 py", "exec 10 ls", "exit 10 ls =4"]);
}

#[test]
fn first_snapshot_finds_every_running_process() {
    let mut harness = TableHarness::default();
    harness.snapshot(&["1@0 init", "2@0 kthreadd+", "10@4 sh"], &[], Origin::Bootstrap);
    harness.take();
    let mut running: Vec<_> =
        harness.table.running(harness.table.position(), 7, false).map(|event| event.pid).collect();
    running.sort_unstable();
    assert_eq!(running, [1, 2, 10]);
    assert_eq!(harness.apply(&["exit 10@9"]).take(), ["exit 10 sh =0"]);
}

#[test]
fn reports_during_snapshot_are_newer_than_it() {
    let mut harness = TableHarness::default();
    let joined = harness.table.position();
    let meanwhile = ["exec 11@5 ls", "exec 12@5 cat", "exit 12@6", "exit 10@6", "exec 13@6 new"];
    harness.snapshot(
        &["1@0 init", "10@4 sh", "11@4 old", "12@4 sh", "13@2 sh"],
        &meanwhile,
        Origin::Bootstrap,
    );
    assert_eq!(
        harness.take()[..5],
        ["exec 11 ls", "exec 12 cat", "exit 12 cat =0", "exit 10 - =0", "exec 13 new"]
    );
    let running: Vec<_> = harness.table.running(joined, 7, false).map(|event| event.pid).collect();
    assert_eq!(running, [1], "11 and 13 were reported since, 10 and 12 have exited");
    assert_eq!(harness.table.len(), 3);
}

#[test]
fn snapshot_after_a_loss_recovers_execs_and_exits() {
    let mut harness = TableHarness::default();
    harness.snapshot(&["1@0 init", "10@4 sh", "11@4 cat"], &[], Origin::Bootstrap);
    harness.take();
    let repairs = harness.snapshot(&["1@0 init", "11@4 dog", "12@9 ls", "13@9 sh+"], &[], Origin::Resync);
    assert_eq!(repairs, Repairs { execs: 2, exits: 1 });
    assert_eq!(harness.take(), ["exit 10 sh ?", "exec 11 dog", "exec 12 ls"]);
    let repairs = harness.snapshot(&["1@0 init", "11@4 dog", "12@9 ls", "13@9 sh+"], &[], Origin::Resync);
    assert_eq!((repairs, harness.take()), (Repairs::default(), vec![]));
}

#[test]
fn pid_reused_during_a_loss_is_another_process() {
    let mut harness = TableHarness::default();
    harness.apply(&["exec 10@5 sh"]).take();
    harness.snapshot(&["10@7 sh"], &[], Origin::Resync);
    assert_eq!(harness.take(), ["exit 10 sh ?", "exec 10 sh"]);
    harness.snapshot(&["10@8 sh"], &[], Origin::Resync);
    assert_eq!(harness.take(), ["exit 10 sh ?", "exec 10 sh"]);
}

#[test]
fn pid_reused_between_snapshot_and_exit_keeps_the_new_process() {
    let mut harness = TableHarness::default();
    harness.apply(&["exec 10@5 sh"]).take();
    harness.snapshot(&["10@4 sh"], &["exit 10@6 =2"], Origin::Resync);
    assert_eq!(harness.take(), ["exit 10 sh =2"]);
    harness.apply(&["exec 11@5 sh"]).take();
    harness.snapshot(&["11@7 ls"], &["exit 11@6"], Origin::Resync);
    assert_eq!(harness.take(), ["exit 11 sh =0", "exec 11 ls"]);
}

#[test]
fn synthesized_exit_is_not_reported_again() {
    let mut harness = TableHarness::default();
    harness.apply(&["exec 10@5 sh"]).take();
    harness.snapshot(&[], &[], Origin::Resync);
    assert_eq!(harness.take(), ["exit 10 sh ?"]);
    assert!(harness.apply(&["exit 10@1000"]).take().is_empty());
    let events = harness.apply(&["exec 10@1001 ls", "exit 10@1002"]).take();
    assert_eq!(events, ["exec 10 ls", "exit 10 ls =0"]);
}

#[test]
fn synthesized_exit_does_not_suppress_a_much_later_exit() {
    let mut harness = TableHarness::default();
    harness.apply(&["exec 10@5 sh"]);
    harness.snapshot(&[], &[], Origin::Resync);
    harness.take();
    assert_eq!(harness.apply(&["exit 10@2000 =5"]).take(), ["exit 10 - =5"]);
}
