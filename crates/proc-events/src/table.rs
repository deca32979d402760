//! The live processes, and how a message or a snapshot changes them. Pure: no I/O, and time is an argument.

mod reconcile;

use std::sync::Arc;

use neli::connector::ProcEvent;
use rustc_hash::FxHashMap;

use crate::event::{EventKind, ExitStatus, Origin, ProcessEvent, ProcessInfo};
use crate::procfs::Sighting;
use crate::wire::Message;

pub use reconcile::Repairs;

/// How long after an exit was concluded the kernel's own late report of it is expected, and then swallowed: the kernel
/// sends it only after the process has become invisible, and may be preempted in between.
const LATE_NS: u64 = 1_000_000_000;

/// A position in the stream of messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark(u64);

/// What the leader's exit said.
#[derive(Clone, Copy, Debug)]
struct Leaving {
    status: ExitStatus,
    ppid: Option<u32>,
}

#[derive(Debug, Default)]
struct Process {
    /// When its last exec was heard; 0 if none was.
    exec_ns: u64,
    /// Clock ticks since boot; 0 until it was seen in `/proc`.
    start_time: u64,
    /// See [`Sighting::program`].
    program: u64,
    /// See [`Sighting::never_execed`].
    never_execed: bool,
    /// Where in the stream its last exec was heard; at the very start if none was.
    heard: Mark,
    /// Its leader has reported an exit, but the process was still running.
    left: Option<Leaving>,
    info: Option<Arc<ProcessInfo>>,
}

/// The live processes that are known.
#[derive(Debug, Default)]
pub struct ProcessTable {
    processes: FxHashMap<u32, Process>,
    /// Exits that were concluded, with the time until which the kernel's own report is swallowed.
    concluded: FxHashMap<u32, u64>,
    /// While a snapshot is being taken: the exits heard since it began.
    departed: Option<FxHashMap<u32, u64>>,
    heard: Mark,
}

impl ProcessTable {
    /// Where in the stream this table stands.
    #[must_use]
    pub const fn mark(&self) -> Mark {
        self.heard
    }
    /// How many processes are known to run.
    #[must_use]
    pub fn len(&self) -> usize {
        self.processes.len()
    }
    /// Whether no process is known to run.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.processes.is_empty()
    }
    /// Whether this process is known to run.
    #[must_use]
    pub fn knows(&self, pid: u32) -> bool {
        self.processes.contains_key(&pid)
    }

    /// Takes one message. `seen` is what `/proc` said at an exec, if it was asked. What follows goes to `events`.
    pub fn apply(&mut self, message: &Message, seen: Option<Sighting>, events: &mut Vec<ProcessEvent>) {
        self.heard.0 += 1;
        let timestamp_ns = message.timestamp_ns;
        let mut report = |pid: i32, kind, process| {
            events.push(ProcessEvent {
                pid: pid as u32,
                timestamp_ns,
                origin: Origin::Kernel,
                kind,
                process,
            });
        };
        match message.event {
            ProcEvent::Exec { process_tgid, .. } => {
                self.exec(process_tgid as u32, timestamp_ns, seen.unwrap_or_default(), events);
            }
            ProcEvent::Exit { process_pid, process_tgid, exit_code, parent_tgid, .. }
                if process_pid == process_tgid =>
            {
                let ppid = known_pid(parent_tgid);
                self.exit(process_tgid as u32, timestamp_ns, ExitStatus(exit_code), ppid, events);
            }
            ProcEvent::Fork { parent_tgid, child_pid, child_tgid, .. } if child_pid == child_tgid => {
                report(child_tgid, EventKind::Fork { ppid: parent_tgid as u32 }, None);
            }
            ProcEvent::Comm { process_pid, process_tgid, comm } => {
                report(
                    process_tgid,
                    EventKind::Comm { tid: process_pid as u32, comm },
                    self.saved(process_tgid),
                );
            }
            ProcEvent::Uid { process_pid, process_tgid, ruid, euid } if process_pid == process_tgid => {
                report(process_tgid, EventKind::Uid { ruid, euid }, self.saved(process_tgid));
            }
            ProcEvent::Gid { process_pid, process_tgid, rgid, egid } if process_pid == process_tgid => {
                report(process_tgid, EventKind::Gid { rgid, egid }, self.saved(process_tgid));
            }
            ProcEvent::Sid { process_tgid, .. } => {
                report(process_tgid, EventKind::Sid, self.saved(process_tgid));
            }
            ProcEvent::Ptrace { process_pid, process_tgid, tracer_tgid, .. }
                if process_pid == process_tgid =>
            {
                let tracer_pid = known_pid(tracer_tgid);
                report(process_tgid, EventKind::Ptrace { tracer_pid }, self.saved(process_tgid));
            }
            ProcEvent::Coredump { process_tgid, parent_tgid, .. } => {
                let ppid = known_pid(parent_tgid);
                report(process_tgid, EventKind::Coredump { ppid }, self.saved(process_tgid));
            }
            // What is left are acknowledgements, and the doings of single threads.
            _ => {}
        }
    }

    /// The leader of `pid` has reported its exit, but the process is still running: its other threads live on, or one
    /// of them is taking its place by an exec. Its exit is reported once it has really ended.
    pub fn leader_left(&mut self, pid: u32, status: ExitStatus, ppid: Option<u32>) {
        self.heard.0 += 1;
        self.processes.entry(pid).or_default().left = Some(Leaving { status, ppid });
    }

    /// A process whose leader had left has ended now, without any further report from the kernel. `status` is what it
    /// ended with, where that could be found out; else the leader's stands.
    pub fn ended(
        &mut self,
        pid: u32,
        now_ns: u64,
        status: Option<ExitStatus>,
        events: &mut Vec<ProcessEvent>,
    ) {
        let Some(left) = self.processes.get(&pid).and_then(|process| process.left) else { return };
        self.exit(pid, now_ns, status.unwrap_or(left.status), left.ppid, events);
    }

    fn exec(&mut self, pid: u32, timestamp_ns: u64, seen: Sighting, events: &mut Vec<ProcessEvent>) {
        let known = self.processes.get(&pid);
        let is_another = known.is_some_and(|process| is_another_life(process, seen.start_time));
        if is_another {
            self.conclude(pid, timestamp_ns, Origin::Kernel, events);
        } else {
            self.concluded.remove(&pid);
        }
        let start_time = match known_start(self.processes.get(&pid)) {
            0 => seen.start_time,
            start_time => start_time,
        };
        let process = Process {
            exec_ns: timestamp_ns,
            start_time,
            program: seen.program,
            never_execed: false,
            heard: self.heard,
            left: None,
            info: seen.process.clone(),
        };
        let again = self.processes.insert(pid, process).is_some();
        let kind = EventKind::Exec { again };
        events.push(ProcessEvent { pid, timestamp_ns, origin: Origin::Kernel, kind, process: seen.process });
    }

    fn exit(
        &mut self,
        pid: u32,
        timestamp_ns: u64,
        status: ExitStatus,
        ppid: Option<u32>,
        events: &mut Vec<ProcessEvent>,
    ) {
        if self.concluded.remove(&pid).is_some_and(|until| timestamp_ns <= until) {
            return;
        }
        if let Some(departed) = &mut self.departed {
            departed.insert(pid, timestamp_ns);
        }
        let process = self.processes.remove(&pid);
        let kind = EventKind::Exit {
            status: Some(status),
            ppid,
            duration_ns: process.as_ref().and_then(|process| duration(process, timestamp_ns)),
            known: process.is_some(),
        };
        let process = process.and_then(|process| process.info);
        events.push(ProcessEvent { pid, timestamp_ns, origin: Origin::Kernel, kind, process });
    }

    /// Reports an exit whose own report was lost.
    fn conclude(&mut self, pid: u32, now_ns: u64, origin: Origin, events: &mut Vec<ProcessEvent>) {
        let Some(process) = self.processes.remove(&pid) else { return };
        self.concluded.insert(pid, now_ns + LATE_NS);
        let duration_ns = duration(&process, now_ns);
        let status = process.left.map(|left| left.status);
        let ppid = process.left.and_then(|left| left.ppid);
        let kind = EventKind::Exit { status, ppid, duration_ns, known: true };
        events.push(ProcessEvent { pid, timestamp_ns: now_ns, origin, kind, process: process.info });
    }

    fn saved(&self, pid: i32) -> Option<Arc<ProcessInfo>> {
        self.processes.get(&(pid as u32))?.info.clone()
    }

    /// Every process that runs and has not called exec since `mark`, as a report of the scan at the start.
    pub fn running(&self, mark: Mark, now_ns: u64) -> impl Iterator<Item = ProcessEvent> {
        let older = self.processes.iter().filter(move |(_, process)| process.heard <= mark);
        older.map(move |(&pid, process)| ProcessEvent {
            pid,
            timestamp_ns: now_ns,
            origin: Origin::Bootstrap,
            kind: EventKind::Exec { again: false },
            process: process.info.clone(),
        })
    }
}

const fn known_start(process: Option<&Process>) -> u64 {
    match process {
        Some(process) => process.start_time,
        None => 0,
    }
}

const fn is_another_life(process: &Process, start_time: u64) -> bool {
    process.start_time != 0 && start_time != 0 && process.start_time != start_time
}

/// Clocks of different CPUs may disagree by a little.
fn duration(process: &Process, now_ns: u64) -> Option<u64> {
    (process.exec_ns != 0).then(|| now_ns.saturating_sub(process.exec_ns))
}

/// The kernel says 0 where it no longer knew the process.
pub(crate) fn known_pid(pid: i32) -> Option<u32> {
    u32::try_from(pid).ok().filter(|&pid| pid != 0)
}
