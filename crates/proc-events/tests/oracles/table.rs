//! Any history of a machine's processes, with any of its reports lost: what the table tells of it must be true, and
//! after one snapshot the table must be equal to what runs.

#[path = "look.rs"]
mod look;
#[path = "../machine/mod.rs"]
#[expect(dead_code, reason = "the simulation of the door uses the rest")]
mod machine;
#[path = "step.rs"]
mod step;
#[path = "view.rs"]
mod view;

use std::collections::BTreeMap;
use std::mem;

use neli::connector::ProcEvent;
use proc_events::connector::wire;
use proc_events::process::table::{LeaderExit, ProcessTable, Repairs};
use proc_events::{EventData, ExitStatus, Field, Fields, Origin, ProcessEvent};

use look::Look;
use machine::{Datagram, Machine};
pub(crate) use step::Step;
use step::{Delivery, Reports};
use view::SubscriberModel;

/// A history as bytes: whether details are captured, then two bytes a step.
pub(crate) fn hold_bytes(bytes: &[u8]) {
    let Some((first, rest)) = bytes.split_first() else { return };
    let steps: Vec<_> = rest.chunks_exact(2).map(|pair| Step::read([pair[0], pair[1]])).collect();
    hold(first & 1 != 0, &steps);
}

pub(crate) fn hold(captures: bool, steps: &[Step]) {
    let fields = if captures { Fields::NONE.with(Field::Name) } else { Fields::NONE };
    let mut history = History { machine: Machine::new(), fields, is_exact: true, ..History::default() };
    for step in steps {
        history.take(*step);
    }
    history.come_to_rest();
    history.end();
}

#[derive(Default)]
struct History {
    machine: Machine,
    fields: Fields,
    reports: Reports,
    /// When a pid was given back.
    freed: BTreeMap<u32, u64>,
    table: ProcessTable,
    /// Nothing has gone wrong that was not made right again.
    is_exact: bool,
    /// Whose end is awaited.
    awaited: BTreeMap<u32, usize>,
    look: Option<Look>,
    view: SubscriberModel,
}

impl History {
    fn take(&mut self, step: Step) {
        if self.reports.is_overdue(self.machine.now_ns) {
            self.hear_all();
        }
        self.machine.now_ns += 10_000;
        match step {
            Step::Fork { pid, fate } => {
                // No pid is given away again so soon that the exit before was not read, if it was sent.
                if self.freed.get(&pid).is_some_and(|&freed_ns| self.reports.is_older_than(freed_ns)) {
                    self.handle_datagram();
                }
                self.send(pid, Machine::fork, fate);
            }
            Step::Exec { pid, fate } if self.is_free(pid) => self.send(pid, Machine::exec, fate),
            Step::ExecByThread { pid, fate, leaders } if self.is_alone(pid) => {
                self.send(pid, Machine::leader_leaves, leaders);
                self.send(pid, Machine::exec, fate);
            }
            Step::LeaderLeaves { pid, fate } if self.is_alone(pid) => {
                self.send(pid, Machine::leader_leaves, fate);
            }
            Step::Exit { pid, fate, code } if self.is_free(pid) => self.exit(pid, fate, code),
            Step::Hear => self.handle_datagram(),
            Step::CatchUp => self.reports.catch_up(1),
            Step::Wait { ns } => {
                if self.reports.is_overdue(self.machine.now_ns + ns) {
                    self.hear_all();
                }
                self.machine.now_ns += ns;
            }
            Step::Notification => self.notification(),
            Step::BeginLook => self.begin_look(),
            Step::ReadSome { processes } => self.read_some(processes),
            Step::EndLook => drop(self.end_look()),
            _ => {}
        }
    }

    fn is_free(&self, pid: u32) -> bool {
        self.machine.processes.get(&pid).is_some_and(|process| !self.reports.is_busy(process.life))
    }

    /// Free, and no exit of an earlier process with this pid is late: that, the leader's and an exec, all of them read
    /// at once, would be one too many for the table.
    fn is_alone(&self, pid: u32) -> bool {
        let mut lives = self.machine.born_before(pid, self.machine.now_ns);
        self.is_free(pid) && !lives.any(|life| self.reports.is_busy(life))
    }

    /// What `acts` does, and reports.
    fn send(&mut self, pid: u32, acts: fn(&mut Machine, u32) -> Option<Datagram>, fate: Delivery) {
        if let Some(said) = acts(&mut self.machine, pid) {
            self.send_of(self.machine.processes[&pid].life, said, fate);
        }
    }

    fn send_of(&mut self, life: usize, said: Datagram, fate: Delivery) {
        if !self.reports.add(&mut self.machine, life, said, fate) {
            self.is_exact = false;
            self.look.iter_mut().for_each(|look| look.is_exact = false);
        }
    }

    fn exit(&mut self, pid: u32, fate: Delivery, code: u32) {
        let life = self.machine.processes[&pid].life;
        let exit = self.machine.vanish(pid, code);
        self.freed.insert(pid, self.machine.now_ns);
        if let Some(exit) = exit {
            let said = self.machine.report_exit(exit);
            self.send_of(life, said, fate);
        }
    }

    fn hear_all(&mut self) {
        self.reports.catch_up(usize::MAX);
        self.handle_datagram();
    }

    /// Reads what was reported, as `/proc` is now.
    fn handle_datagram(&mut self) {
        let mut events = Vec::new();
        for datagram in self.reports.read() {
            let message = wire::parse(&datagram).unwrap();
            let seen = |pid, fields| {
                self.machine.observe(pid, fields).filter(|seen| seen.start_ns <= message.timestamp_ns)
            };
            match message.event {
                ProcEvent::Exec { process_tgid, .. } => {
                    let pid = process_tgid as u32;
                    self.awaited.remove(&pid);
                    let looks =
                        !self.fields.is_empty() || self.table.needs_identity(pid, message.timestamp_ns);
                    let seen = looks.then(|| seen(pid, self.fields).unwrap_or_default());
                    self.table.apply(&message, seen, &mut events);
                }
                ProcEvent::Exit { process_tgid, exit_code, .. } => {
                    let (pid, at) = (process_tgid as u32, message.timestamp_ns);
                    if let Some(seen) = seen(pid, Fields::NONE) {
                        self.awaited.insert(pid, self.machine.processes[&pid].life);
                        let status = Some(ExitStatus(exit_code));
                        let left = LeaderExit {
                            timestamp_ns: at,
                            status,
                            exit_watched: true,
                            ..LeaderExit::default()
                        };
                        self.table.on_leader_exit(pid, left, &seen, &mut events);
                        continue;
                    }
                    self.table.apply(&message, None, &mut events);
                    if !self.table.knows(pid) {
                        self.awaited.remove(&pid);
                    }
                }
                _ => self.table.apply(&message, None, &mut events),
            }
        }
        self.tell(&events, &BTreeMap::new());
    }

    /// `shown` are the lives of which a snapshot tells.
    fn tell(&mut self, events: &[ProcessEvent], shown: &BTreeMap<u32, usize>) {
        for event in events {
            self.view.handle_datagram(event, &self.machine, shown);
        }
        self.table.commit_exits();
    }

    fn notification(&mut self) {
        self.machine.now_ns += 1;
        let now_ns = self.machine.now_ns;
        let has_ended = |life: &usize| self.machine.lives[*life].has_ended_by(now_ns);
        let ended: Vec<_> =
            self.awaited.iter().filter(|(_, life)| has_ended(life)).map(|(&pid, _)| pid).collect();
        self.awaited.retain(|_, life| !has_ended(life));
        if let Some(look) = &mut self.look {
            look.noticed.extend(&ended);
        }
        let noticed = self.table.position();
        self.handle_datagram();
        let mut events = Vec::new();
        for pid in ended {
            self.table.on_watched_exit(pid, noticed, now_ns, None, &mut events);
        }
        self.tell(&events, &BTreeMap::new());
    }

    fn begin_look(&mut self) {
        if self.look.is_none() {
            self.look = Some(Look::begin(&mut self.table, &self.machine, self.reports.is_empty()));
        }
    }

    fn read_some(&mut self, processes: usize) {
        if let Some(look) = &mut self.look {
            look.read_some(processes, &self.machine, self.fields);
        }
    }

    fn end_look(&mut self) -> Option<Repairs> {
        self.read_some(usize::MAX);
        self.handle_datagram();
        let mut look = self.look.take()?;
        let mut snapshot = mem::take(&mut look.snapshot);
        let mut ended = self.table.missing(&snapshot, look.began);
        ended.retain(|&pid| {
            let seen = self.machine.observe(pid, self.fields);
            let runs = seen.is_some();
            look.lives.extend(self.machine.processes.get(&pid).map(|process| (pid, process.life)));
            snapshot.processes.extend(seen);
            !runs
        });
        self.machine.now_ns += 1;
        let (now_ns, mut events) = (self.machine.now_ns, Vec::new());
        let (repairs, execs) =
            self.table.reconcile(snapshot, look.began, &ended, Origin::Resync, now_ns, &mut events);
        events.extend(execs);
        let is_exit = |event: &ProcessEvent| matches!(event.data, EventData::Exit { .. });
        assert!(events.is_sorted_by_key(|event| !is_exit(event)), "an exec before an exit: {events:?}");
        let exits = events.iter().filter(|event| is_exit(event)).count() as u32;
        assert_eq!(repairs, Repairs { execs: events.len() as u32 - exits, exits }, "{events:?}");
        for (pid, start_time) in self.table.leaderless().collect::<Vec<_>>() {
            match self.machine.observe(pid, Fields::NONE).filter(|seen| seen.start_time == start_time) {
                Some(_) => {
                    let life = self.machine.processes[&pid].life;
                    // Awaited a second time, if the exit of its leader was taken for that of an earlier process.
                    self.awaited.insert(pid, life);
                    self.table.set_exit_watched(pid);
                }
                None => {
                    self.table.on_watched_exit(pid, self.table.position(), now_ns, None, &mut events);
                }
            }
        }
        self.tell(&events, &look.lives);
        look.assert_is_known(&self.machine, &self.table);
        assert!(!self.is_exact || repairs.execs == 0, "execs that were not lost: {events:?}");
        if look.is_exact && look.noticed.is_empty() && !self.reports.is_any_late() {
            self.is_exact = true;
            self.assert_is_right();
        }
        Some(repairs)
    }

    /// The table is equal to what runs, but for what has never called exec, and for those whose end nobody reports.
    fn assert_is_right(&self) {
        if self.awaited.values().any(|&life| self.machine.lives[life].has_ended_by(self.machine.now_ns)) {
            return;
        }
        let known = self.machine.processes.keys().filter(|pid| self.table.knows(**pid));
        assert_eq!(self.table.len(), known.count(), "the table holds what is gone");
        self.view.assert_agrees_with(&self.machine);
    }

    /// Nothing happens any more, and a whole snapshot is taken: the table is equal to it.
    fn come_to_rest(&mut self) {
        self.hear_all();
        self.notification();
        if self.is_exact {
            self.assert_is_right();
        }
        self.end_look();
        self.begin_look();
        self.end_look();
        assert!(self.is_exact);
        for &pid in self.machine.processes.keys() {
            assert!(self.table.knows(pid), "{pid} is not in the table");
        }
        assert_eq!(self.table.len(), self.machine.processes.len(), "the table holds what is gone");
        self.view.assert_agrees_with(&self.machine);
        self.begin_look();
        assert_eq!(self.end_look(), Some(Repairs::default()), "found the same twice");
        let running = self.table.running(self.table.position(), self.machine.now_ns);
        self.view.scan(running, &self.machine);
    }

    /// Every process ends, and nothing is lost: each exit is told of what was known.
    fn end(&mut self) {
        for (pid, process) in self.machine.processes.clone() {
            self.exit(pid, Delivery::Sent, 0);
            self.handle_datagram();
            self.notification();
            self.view.assert_knows_end_of(process.life, &self.machine);
        }
        assert!(self.table.is_empty(), "the table holds what has ended");
        self.view.assert_agrees_with(&self.machine);
    }
}
