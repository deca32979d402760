//! Checks any history of a machine's processes, with any of its reports lost. The table's events must be true, and after one
//! snapshot the table must equal the running processes.

#[path = "../support/machine.rs"]
#[expect(dead_code, reason = "the simulation of faults uses the rest")]
mod machine;
#[path = "../support/partial_snapshot.rs"]
mod partial_snapshot;
#[path = "snapshot.rs"]
mod snapshot;
#[path = "step.rs"]
mod step;
#[path = "subscriber_model.rs"]
mod subscriber_model;

use std::collections::BTreeMap;
use std::mem;

use neli::connector::ProcEvent;
use proc_events::connector::wire;
use proc_events::process::table::{LeaderExit, ProcessTable, Repairs};
use proc_events::{EventData, ExitStatus, Field, Fields, Origin, ProcessEvent};

use machine::{Machine, Report};
use partial_snapshot::PartialSnapshot;
use snapshot::TableSnapshot;
pub(crate) use step::Step;
use step::{Delivery, Reports};
use subscriber_model::SubscriberModel;

/// Checks a history that is encoded in bytes. The first byte is odd if details are captured. Each step has two bytes.
pub(crate) fn check_bytes(bytes: &[u8]) {
    let Some((first, rest)) = bytes.split_first() else { return };
    let steps: Vec<_> = rest.chunks_exact(2).map(|pair| Step::decode([pair[0], pair[1]])).collect();
    check(first & 1 != 0, &steps);
}

pub(crate) fn check(captures: bool, steps: &[Step]) {
    let fields = if captures { Fields::NONE.with(Field::Name) } else { Fields::NONE };
    let mut history = History { machine: Machine::new(), fields, is_exact: true, ..History::default() };
    for step in steps {
        history.take(*step);
    }
    history.settle_down();
    history.exit_all();
}

#[derive(Default)]
struct History {
    machine: Machine,
    fields: Fields,
    reports: Reports,
    /// The time at which a pid became free.
    freed_ns: BTreeMap<u32, u64>,
    table: ProcessTable,
    /// True if no report was lost or late since the last repair.
    is_exact: bool,
    /// The instances whose exit is watched, by pid.
    watched: BTreeMap<u32, usize>,
    snapshot: Option<TableSnapshot>,
    subscriber: SubscriberModel,
}

impl History {
    fn take(&mut self, step: Step) {
        if self.reports.is_overdue(self.machine.now_ns) {
            self.receive_all();
        }
        self.machine.now_ns += 10_000;
        match step {
            Step::Fork { pid, delivery } => {
                // The kernel reuses a pid so late that the reader has read the exit before, if it was sent.
                if self.freed_ns.get(&pid).is_some_and(|&freed_ns| self.reports.has_older_than(freed_ns)) {
                    self.receive();
                }
                self.send(pid, Machine::fork, delivery);
            }
            Step::Exec { pid, delivery } if self.is_free(pid) => self.send(pid, Machine::exec, delivery),
            Step::NonLeaderExec { pid, delivery, leader_exit } if self.is_alone(pid) => {
                self.send(pid, Machine::exit_leader, leader_exit);
                self.send(pid, Machine::exec, delivery);
            }
            Step::LeaderExit { pid, delivery } if self.is_alone(pid) => {
                self.send(pid, Machine::exit_leader, delivery);
            }
            Step::Exit { pid, delivery, code } if self.is_free(pid) => self.exit(pid, delivery, code),
            Step::Receive => self.receive(),
            Step::SendLate => self.reports.send_late(1),
            Step::Wait { ns } => {
                if self.reports.is_overdue(self.machine.now_ns + ns) {
                    self.receive_all();
                }
                self.machine.now_ns += ns;
            }
            Step::WatchedExits => self.show_watched_exits(),
            Step::BeginSnapshot => self.begin_snapshot(),
            Step::ReadProcesses { most } => self.read_processes(most),
            Step::FinishSnapshot => drop(self.finish_snapshot()),
            _ => {}
        }
    }

    /// Returns true if the process runs, and no report of it is late.
    fn is_free(&self, pid: u32) -> bool {
        self.machine.processes.get(&pid).is_some_and(|process| !self.reports.is_busy(process.instance))
    }

    /// Returns true if the process is free, and no exit of an earlier process with this pid is late. The table could not
    /// distinguish that exit from the leader's, if it read both and an exec at once.
    fn is_alone(&self, pid: u32) -> bool {
        let mut instances = self.machine.created_before(pid, self.machine.now_ns);
        self.is_free(pid) && !instances.any(|instance| self.reports.is_busy(instance))
    }

    /// Lets a process act, and delivers the report of it.
    fn send(&mut self, pid: u32, act: fn(&mut Machine, u32) -> Option<Report>, delivery: Delivery) {
        if let Some(report) = act(&mut self.machine, pid) {
            self.deliver(self.machine.processes[&pid].instance, report, delivery);
        }
    }

    fn deliver(&mut self, instance: usize, report: Report, delivery: Delivery) {
        if !self.reports.add(&mut self.machine, instance, report, delivery) {
            self.is_exact = false;
            self.snapshot.iter_mut().for_each(|snapshot| snapshot.is_exact = false);
        }
    }

    fn exit(&mut self, pid: u32, delivery: Delivery, code: u32) {
        let instance = self.machine.processes[&pid].instance;
        let exit = self.machine.exit(pid, code);
        self.freed_ns.insert(pid, self.machine.now_ns);
        if let Some(exit) = exit {
            let report = self.machine.report_exit(exit);
            self.deliver(instance, report, delivery);
        }
    }

    fn receive_all(&mut self) {
        self.reports.send_late(usize::MAX);
        self.receive();
    }

    /// Reads the reports that were sent, with `/proc` as it is now.
    fn receive(&mut self) {
        let mut events = Vec::new();
        for report in self.reports.take_sent() {
            let message = wire::parse(&report).unwrap();
            let observed = |pid, fields| {
                let observed = self.machine.observed(pid, fields);
                observed.filter(|observed| observed.start_ns <= message.timestamp_ns)
            };
            match message.event {
                ProcEvent::Exec { process_tgid, .. } => {
                    let pid = process_tgid as u32;
                    self.watched.remove(&pid);
                    let is_captured =
                        !self.fields.is_empty() || self.table.needs_identity(pid, message.timestamp_ns);
                    let captured = is_captured.then(|| observed(pid, self.fields).unwrap_or_default());
                    self.table.apply(&message, captured, &mut events);
                }
                ProcEvent::Exit { process_tgid, exit_code, .. } => {
                    let (pid, timestamp_ns) = (process_tgid as u32, message.timestamp_ns);
                    if let Some(observed) = observed(pid, Fields::NONE) {
                        self.watched.insert(pid, self.machine.processes[&pid].instance);
                        let exit = LeaderExit {
                            timestamp_ns,
                            status: Some(ExitStatus(exit_code)),
                            exit_watched: true,
                            ..LeaderExit::default()
                        };
                        self.table.on_leader_exit(pid, exit, &observed, &mut events);
                        continue;
                    }
                    self.table.apply(&message, None, &mut events);
                    if !self.table.knows(pid) {
                        self.watched.remove(&pid);
                    }
                }
                _ => self.table.apply(&message, None, &mut events),
            }
        }
        self.publish(&events, &BTreeMap::new());
    }

    /// Passes events to the subscriber. `shown` are the instances that a snapshot shows.
    fn publish(&mut self, events: &[ProcessEvent], shown: &BTreeMap<u32, usize>) {
        for event in events {
            self.subscriber.on_event(event, &self.machine, shown);
        }
        self.table.commit_exits();
    }

    fn show_watched_exits(&mut self) {
        self.machine.now_ns += 1;
        let now_ns = self.machine.now_ns;
        let has_exited = |instance: &usize| self.machine.instances[*instance].has_exited_by(now_ns);
        let exited: Vec<_> =
            self.watched.iter().filter(|(_, instance)| has_exited(instance)).map(|(&pid, _)| pid).collect();
        self.watched.retain(|_, instance| !has_exited(instance));
        if let Some(snapshot) = &mut self.snapshot {
            snapshot.noticed.extend(&exited);
        }
        let noticed = self.table.position();
        self.receive();
        let mut events = Vec::new();
        for pid in exited {
            self.table.on_watched_exit(pid, noticed, now_ns, None, &mut events);
        }
        self.publish(&events, &BTreeMap::new());
    }

    fn begin_snapshot(&mut self) {
        if self.snapshot.is_none() {
            self.snapshot =
                Some(TableSnapshot::begin(&mut self.table, &self.machine, self.reports.is_empty()));
        }
    }

    fn read_processes(&mut self, most: usize) {
        if let Some(snapshot) = &mut self.snapshot {
            snapshot.read_processes(most, &self.machine, self.fields);
        }
    }

    fn finish_snapshot(&mut self) -> Option<Repairs> {
        self.read_processes(usize::MAX);
        self.receive();
        let mut snapshot = self.snapshot.take()?;
        let mut exited = self.table.missing(&snapshot.partial.snapshot, snapshot.began);
        exited.retain(|&pid| {
            let observed = self.machine.observed(pid, self.fields);
            let runs = observed.is_some();
            if let Some(observed) = observed {
                snapshot.partial.add(&self.machine, observed);
            }
            !runs
        });
        let TableSnapshot { partial: PartialSnapshot { snapshot: shown, .. }, began, .. } = &mut snapshot;
        let shown = mem::take(shown);
        self.machine.now_ns += 1;
        let (now_ns, mut events) = (self.machine.now_ns, Vec::new());
        let (repairs, execs) =
            self.table.reconcile(shown, *began, &exited, Origin::Resync, now_ns, &mut events);
        events.extend(execs);
        let is_exit = |event: &ProcessEvent| matches!(event.data, EventData::Exit { .. });
        assert!(events.is_sorted_by_key(|event| !is_exit(event)), "an exec before an exit: {events:?}");
        let exits = events.iter().filter(|event| is_exit(event)).count() as u32;
        assert_eq!(repairs, Repairs { execs: events.len() as u32 - exits, exits }, "{events:?}");
        for (pid, start_time) in self.table.leaderless().collect::<Vec<_>>() {
            match self
                .machine
                .observed(pid, Fields::NONE)
                .filter(|observed| observed.start_time == start_time)
            {
                Some(_) => {
                    let instance = self.machine.processes[&pid].instance;
                    // It is watched a second time if the leader's exit was taken for that of an earlier process.
                    self.watched.insert(pid, instance);
                    self.table.set_exit_watched(pid);
                }
                None => {
                    self.table.on_watched_exit(pid, self.table.position(), now_ns, None, &mut events);
                }
            }
        }
        self.publish(&events, &snapshot.partial.instances);
        snapshot.assert_is_known(&self.machine, &self.table);
        assert!(!self.is_exact || repairs.execs == 0, "execs that were not lost: {events:?}");
        if snapshot.is_exact && snapshot.noticed.is_empty() && !self.reports.has_late() {
            self.is_exact = true;
            self.assert_is_correct();
        }
        Some(repairs)
    }

    /// Checks that the table has the running processes, except some that have never called exec. Checks nothing while a
    /// watched process has exited that no report will show.
    fn assert_is_correct(&self) {
        if self
            .watched
            .values()
            .any(|&instance| self.machine.instances[instance].has_exited_by(self.machine.now_ns))
        {
            return;
        }
        let known = self.machine.processes.keys().filter(|pid| self.table.knows(**pid));
        assert_eq!(self.table.len(), known.count(), "the table holds processes that have exited");
        self.subscriber.assert_agrees_with(&self.machine);
    }

    /// Checks that the table equals a whole snapshot when nothing happens any more.
    fn settle_down(&mut self) {
        self.receive_all();
        self.show_watched_exits();
        if self.is_exact {
            self.assert_is_correct();
        }
        self.finish_snapshot();
        self.begin_snapshot();
        self.finish_snapshot();
        assert!(self.is_exact);
        for &pid in self.machine.processes.keys() {
            assert!(self.table.knows(pid), "{pid} is not in the table");
        }
        assert_eq!(
            self.table.len(),
            self.machine.processes.len(),
            "the table holds processes that have exited"
        );
        self.subscriber.assert_agrees_with(&self.machine);
        self.begin_snapshot();
        assert_eq!(self.finish_snapshot(), Some(Repairs::default()), "repaired the same twice");
        let running = self.table.running(self.table.position(), self.machine.now_ns, false);
        self.subscriber.on_scan(running, &self.machine);
    }

    /// Ends every process without a loss. Checks that each known exit is reported.
    fn exit_all(&mut self) {
        for (pid, process) in self.machine.processes.clone() {
            self.exit(pid, Delivery::Sent, 0);
            self.receive();
            self.show_watched_exits();
            self.subscriber.assert_knows_exit_of(process.instance, &self.machine);
        }
        assert!(self.table.is_empty(), "the table holds processes that have exited");
        self.subscriber.assert_agrees_with(&self.machine);
    }
}
