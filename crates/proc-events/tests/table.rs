//! The process table against histories written down as plain text: no kernel, no clock.

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
use proc_events::{EventData, ExitStatus, Origin, ProcessEvent, ProcessInfo};

/// A table, and what it has reported.
#[derive(Default)]
struct TableHarness {
    table: ProcessTable,
    events: Vec<ProcessEvent>,
}

impl TableHarness {
    /// `"exec 10@5 sh"`, `"exit 10@8 =3"`: what, pid, time in seconds, and the name that /proc shows or the exit code.
    fn handle_datagram(&mut self, messages: &[&str]) -> &mut Self {
        for message in messages {
            let (what, pid, at, rest) = read(message);
            let (kind, words, seen) = match what {
                "exec" => {
                    (what::PROC_EVENT_EXEC, [pid, pid, 0, 0, 0, 0], rest.map(|name| observed(pid, 0, name)))
                }
                "exit" => {
                    let code: u32 = rest.map_or(0, |code| code[1..].parse().unwrap());
                    (what::PROC_EVENT_EXIT, [pid, pid, code << 8, 17, 1, 1], None)
                }
                "left" => {
                    let seen = rest.map_or_else(ObservedProcess::default, |name| observed(pid, 0, name));
                    let left = LeaderExit {
                        timestamp_ns: at,
                        status: Some(ExitStatus(0)),
                        ppid: Some(1),
                        exit_watched: true,
                        ..LeaderExit::default()
                    };
                    self.table.on_leader_exit(pid, left, &seen, &mut self.events);
                    continue;
                }
                "ended" => {
                    self.table.on_watched_exit(pid, self.table.position(), at, None, &mut self.events);
                    continue;
                }
                "fork" => (what::PROC_EVENT_FORK, [1, 1, pid, pid, 0, 0], None),
                "thread" => (what::PROC_EVENT_FORK, [1, 1, pid, 1, 0, 0], None),
                _ => panic!("{message}"),
            };
            let message = wire::parse(&wire::datagram(kind, 0, at, &words)).unwrap();
            self.table.apply(&message, seen, &mut self.events);
        }
        self
    }

    /// A snapshot, begun before `since_snapshot` was heard, that shows `"10@4 sh"`: pid, creation, name.
    fn look(&mut self, shown: &[&str], since_snapshot: &[&str], origin: Origin) -> Repairs {
        let began = self.table.begin_snapshot();
        self.handle_datagram(since_snapshot);
        let processes = shown.iter().map(|shown| {
            let (pid, rest) = shown.split_once('@').unwrap();
            let (at, name) = rest.split_once(' ').unwrap();
            observed(pid.parse().unwrap(), at.parse::<u64>().unwrap() * 1_000_000_000, name)
        });
        let snapshot = Snapshot { processes: processes.collect(), ..Snapshot::default() };
        let missing = self.table.missing(&snapshot, began);
        let (repairs, execs) =
            self.table.reconcile(snapshot, began, &missing, origin, 1_000_000_000_000, &mut self.events);
        self.events.extend(execs);
        repairs
    }

    /// What was reported since the last call, as `"exec 10 sh"`, `"exit 10 sh =3"`, `"exit 10 sh ?"`.
    fn told(&mut self) -> Vec<String> {
        let tell = |event: ProcessEvent| {
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
        self.events.drain(..).map(tell).collect()
    }
}

fn read(message: &str) -> (&str, u32, u64, Option<&str>) {
    let mut parts = message.split(' ');
    let what = parts.next().unwrap();
    let (pid, at) = parts.next().unwrap().split_once('@').unwrap();
    (what, pid.parse().unwrap(), at.parse::<u64>().unwrap() * 1_000_000_000, parts.next())
}

/// `"sh+"` is a process that has not called exec since it was forked.
fn observed(pid: u32, start_ns: u64, name: &str) -> ObservedProcess {
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

fn heard(messages: &[&str]) -> Vec<String> {
    TableHarness::default().handle_datagram(messages).told()
}

#[test]
fn an_exit_carries_what_was_saved_at_the_exec() {
    assert_eq!(heard(&["exec 10@5 sh", "exit 10@8 =3"]), ["exec 10 sh", "exit 10 sh =3"]);
    let mut story = TableHarness::default();
    story.handle_datagram(&["exec 10@5 sh", "exit 10@8 =3"]);
    let EventData::Exit { duration_ns, ppid, known, .. } = story.events[1].data else { panic!() };
    assert_eq!((duration_ns, ppid, known), (Some(3_000_000_000), Some(1), true));
}

#[test]
fn an_exec_replaces_what_was_saved() {
    let told = heard(&["exec 10@5 sh", "exec 10@6 ls", "exit 10@8"]);
    assert_eq!(told, ["exec 10 sh", "exec 10 ls", "exit 10 ls =0"]);
}

#[test]
fn an_exit_without_an_exec_is_told_without_details() {
    let mut story = TableHarness::default();
    story.handle_datagram(&["exit 10@8 =1"]);
    let EventData::Exit { duration_ns, known, .. } = story.events[0].data else { panic!() };
    assert_eq!((duration_ns, known), (None, false));
    assert_eq!(story.told(), ["exit 10 - =1"]);
}

#[test]
fn one_that_is_shown_is_not_taken_for_the_one_whose_end_is_noticed_meanwhile() {
    let mut story = TableHarness::default();
    story.handle_datagram(&["exec 10@4 py", "left 10@5"]).told();
    story.look(&["10@7 ls"], &["ended 10@9"], Origin::Resync);
    assert_eq!(story.told(), ["exit 10 py =0", "exec 10 ls"]);
}

#[test]
fn a_pid_has_one_exit_a_life() {
    let told = heard(&["exec 10@5 sh", "exit 10@6", "exec 10@7 ls", "exit 10@8"]);
    assert_eq!(told, ["exec 10 sh", "exit 10 sh =0", "exec 10 ls", "exit 10 ls =0"]);
}

#[test]
fn threads_are_not_processes() {
    assert_eq!(heard(&["fork 11@5", "thread 12@5"]), ["fork 11"]);
}

#[test]
fn a_leader_that_leaves_its_threads_behind_has_not_ended_the_process() {
    let told = heard(&["exec 10@5 py", "left 10@6", "ended 10@9"]);
    assert_eq!(told, ["exec 10 py", "exit 10 py =0"]);
}

#[test]
fn an_exec_by_another_thread_goes_on_with_the_process() {
    let told = heard(&["exec 10@5 py", "left 10@6", "exec 10@6 ls", "ended 10@9", "exit 10@9 =4"]);
    assert_eq!(told, ["exec 10 py", "exec 10 ls", "exit 10 ls =4"]);
}

#[test]
fn the_first_look_finds_everything_that_runs() {
    let mut story = TableHarness::default();
    story.look(&["1@0 init", "2@0 kthreadd+", "10@4 sh"], &[], Origin::Bootstrap);
    story.told();
    let mut running: Vec<_> = story.table.running(story.table.position(), 7).map(|event| event.pid).collect();
    running.sort_unstable();
    assert_eq!(running, [1, 2, 10]);
    assert_eq!(story.handle_datagram(&["exit 10@9"]).told(), ["exit 10 sh =0"]);
}

#[test]
fn what_was_heard_during_the_look_is_newer_than_it() {
    let mut story = TableHarness::default();
    let joined = story.table.position();
    let since_snapshot = ["exec 11@5 ls", "exec 12@5 cat", "exit 12@6", "exit 10@6", "exec 13@6 new"];
    story.look(
        &["1@0 init", "10@4 sh", "11@4 old", "12@4 sh", "13@2 sh"],
        &since_snapshot,
        Origin::Bootstrap,
    );
    assert_eq!(
        story.told()[..5],
        ["exec 11 ls", "exec 12 cat", "exit 12 cat =0", "exit 10 - =0", "exec 13 new"]
    );
    let running: Vec<_> = story.table.running(joined, 7).map(|event| event.pid).collect();
    assert_eq!(running, [1], "11 and 13 were told live, 10 and 12 have ended");
    assert_eq!(story.table.len(), 3);
}

#[test]
fn a_look_after_a_loss_finds_what_was_missed() {
    let mut story = TableHarness::default();
    story.look(&["1@0 init", "10@4 sh", "11@4 cat"], &[], Origin::Bootstrap);
    story.told();
    let repairs = story.look(&["1@0 init", "11@4 dog", "12@9 ls", "13@9 sh+"], &[], Origin::Resync);
    assert_eq!(repairs, Repairs { execs: 2, exits: 1 });
    assert_eq!(story.told(), ["exit 10 sh ?", "exec 11 dog", "exec 12 ls"]);
    let repairs = story.look(&["1@0 init", "11@4 dog", "12@9 ls", "13@9 sh+"], &[], Origin::Resync);
    assert_eq!((repairs, story.told()), (Repairs::default(), vec![]));
}

#[test]
fn a_pid_that_was_given_away_in_a_gap_is_another_process() {
    let mut story = TableHarness::default();
    story.handle_datagram(&["exec 10@5 sh"]).told();
    story.look(&["10@7 sh"], &[], Origin::Resync);
    assert_eq!(story.told(), ["exit 10 sh ?", "exec 10 sh"]);
    story.look(&["10@8 sh"], &[], Origin::Resync);
    assert_eq!(story.told(), ["exit 10 sh ?", "exec 10 sh"]);
}

#[test]
fn a_pid_that_was_given_away_between_the_look_and_the_event_keeps_its_new_life() {
    let mut story = TableHarness::default();
    story.handle_datagram(&["exec 10@5 sh"]).told();
    story.look(&["10@4 sh"], &["exit 10@6 =2"], Origin::Resync);
    assert_eq!(story.told(), ["exit 10 sh =2"]);
    story.handle_datagram(&["exec 11@5 sh"]).told();
    story.look(&["11@7 ls"], &["exit 11@6"], Origin::Resync);
    assert_eq!(story.told(), ["exit 11 sh =0", "exec 11 ls"]);
}

#[test]
fn an_exit_that_was_concluded_is_not_told_again() {
    let mut story = TableHarness::default();
    story.handle_datagram(&["exec 10@5 sh"]).told();
    story.look(&[], &[], Origin::Resync);
    assert_eq!(story.told(), ["exit 10 sh ?"]);
    assert!(story.handle_datagram(&["exit 10@1000"]).told().is_empty());
    let told = story.handle_datagram(&["exec 10@1001 ls", "exit 10@1002"]).told();
    assert_eq!(told, ["exec 10 ls", "exit 10 ls =0"]);
}

#[test]
fn a_concluded_exit_does_not_hide_one_of_a_later_life() {
    let mut story = TableHarness::default();
    story.handle_datagram(&["exec 10@5 sh"]);
    story.look(&[], &[], Origin::Resync);
    story.told();
    assert_eq!(story.handle_datagram(&["exit 10@2000 =5"]).told(), ["exit 10 - =5"]);
}
