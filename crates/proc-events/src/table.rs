//! The live processes, and how a message or a snapshot changes them. Pure: no I/O, and time is an argument.

mod process;
mod reconcile;

use std::sync::Arc;

use neli::connector::ProcEvent;
use rustc_hash::{FxHashMap, FxHashSet};

use crate::event::{EventKind, ExitStatus, Origin, ProcessEvent, ProcessInfo};
use crate::procfs::Sighting;
use crate::wire::Message;

pub use process::Leaving;
use process::Process;
pub use reconcile::Repairs;

/// How long after an exit was concluded the kernel's own late report of it is expected, and then swallowed: the kernel
/// sends it only after the process has become invisible, and may be preempted in between.
const LATE_NS: u64 = 250_000_000;

/// An exec this soon after an exit, with the same pid, is one of the same process: its leader ended as every thread does
/// whose process calls exec from another, and pids are not given away again so soon.
const TAKEN_OVER_NS: u64 = 100_000_000;

/// A position in the stream of messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark(u64);

/// The live processes that are known.
#[derive(Debug, Default)]
pub struct ProcessTable {
    processes: FxHashMap<u32, Process>,
    /// Exits that were concluded, with the time until which the kernel's own report is swallowed.
    concluded: FxHashMap<u32, u64>,
    /// The exits not yet handed on that may turn out to be those of leaders, with what was known of the process.
    unsure: FxHashMap<u32, (u64, Option<Process>)>,
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

    /// Takes one message. `seen` is what `/proc` said at an exec, if it was asked. What follows goes to `events`; an exit
    /// that is still in there may be taken back.
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
                followed: None,
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
                let status = Some(ExitStatus(exit_code));
                self.exit(process_tgid as u32, timestamp_ns, status, ppid, events);
            }
            ProcEvent::Fork { parent_tgid, child_pid, child_tgid, .. } if child_pid == child_tgid => {
                self.unsure.remove(&(child_tgid as u32));
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

    /// The leader of `pid` has reported its exit, but the process, as `seen` in `/proc`, is still running: its other
    /// threads live on, or one of them is taking its place by an exec. Its exit is reported once it has really ended,
    /// which the caller awaits.
    pub fn leader_left(&mut self, pid: u32, left: Leaving, seen: &Sighting, events: &mut Vec<ProcessEvent>) {
        self.heard.0 += 1;
        if self.processes.get(&pid).is_some_and(|process| process.is_before(seen)) {
            if !seen.leader_left {
                // The late report of the process that had the pid before. If it was that of a leader that has made way
                // already, the late one is still to come.
                self.exit(pid, left.timestamp_ns, left.status, left.ppid, events);
                self.concluded.insert(pid, left.timestamp_ns + LATE_NS);
                // The one that runs was created before this report.
                if let Some(departed) = &mut self.departed {
                    departed.insert(pid, seen.start_ns.saturating_sub(1));
                }
                return;
            }
            self.conclude(pid, left.timestamp_ns, Origin::Kernel, events);
        }
        // Of one that was not known no exec was heard: if there was one, the next snapshot tells.
        let unheard = || Process::seen(&Sighting { never_execed: true, ..seen.clone() });
        let process = self.processes.entry(pid).or_insert_with(unheard);
        process.identify(seen);
        process.left = Some(Leaving { heard: self.heard, ..left });
    }

    /// The processes, with their creation times, whose leader has left, and whose end is not awaited: nothing but their
    /// end itself will tell of it.
    pub fn leaderless(&self) -> impl Iterator<Item = (u32, u64)> {
        self.processes.iter().filter_map(|(&pid, process)| {
            process.left.filter(|left| !left.is_awaited).map(|_| (pid, process.start_time))
        })
    }

    /// The end of one of these is awaited from now on.
    pub fn is_awaited(&mut self, pid: u32) {
        if let Some(left) = self.processes.get_mut(&pid).and_then(|process| process.left.as_mut()) {
            left.is_awaited = true;
        }
    }

    /// A process whose leader had left before `noticed` has ended, without any further report from the kernel. `status`
    /// is what it ended with, where that could be found out; else the leader's stands. Whether there is one.
    pub fn ended(
        &mut self,
        pid: u32,
        noticed: Mark,
        now_ns: u64,
        status: Option<ExitStatus>,
        events: &mut Vec<ProcessEvent>,
    ) -> bool {
        let left = self.processes.get(&pid).and_then(|process| process.left);
        let Some(left) = left.filter(|left| left.heard <= noticed) else { return false };
        let departed = self.departed.as_ref().map(|departed| departed.get(&pid).copied());
        let last_heard_ns = self.processes.get(&pid).and_then(Process::last_heard_ns);
        self.exit(pid, now_ns, status.or(left.status), left.ppid, events);
        // It has ended at some time before now: one that was created meanwhile may have the pid.
        if let (Some(earlier), Some(last_heard_ns), Some(departed)) =
            (departed, last_heard_ns, &mut self.departed)
        {
            departed.insert(pid, last_heard_ns.max(earlier.unwrap_or(0)));
        }
        // If another thread had called exec, and that was lost, there will be a report.
        self.concluded.retain(|_, until| now_ns <= *until);
        self.concluded.insert(pid, now_ns + LATE_NS);
        true
    }

    /// Whether this is an exit that an exec may take back.
    #[must_use]
    pub fn may_take_back(&self, event: &ProcessEvent) -> bool {
        let unsure = self.unsure.get(&event.pid);
        unsure.is_some_and(|(exit_ns, _)| *exit_ns == event.timestamp_ns)
            && matches!(event.kind, EventKind::Exit { .. })
    }

    /// Whether an exit of this process may be taken back.
    #[must_use]
    pub fn is_unsure(&self, pid: u32) -> bool {
        self.unsure.contains_key(&pid)
    }

    /// All exits but these stand: what was reported is not taken back.
    pub fn keep_unsure(&mut self, exits: &[ProcessEvent]) {
        let kept: FxHashSet<u32> = exits.iter().map(|exit| exit.pid).collect();
        self.unsure.retain(|pid, _| kept.contains(pid));
    }

    /// Takes an exit back if it was only that of the leader: another thread has called exec, and goes on as this process.
    fn take_back(&mut self, pid: u32, exec_ns: u64, seen: &Sighting, events: &mut Vec<ProcessEvent>) {
        let Some((exit_ns, process)) = self.unsure.remove(&pid) else { return };
        if exec_ns > exit_ns + TAKEN_OVER_NS || seen.start_ns > exit_ns {
            return;
        }
        let is_it = |event: &ProcessEvent| event.pid == pid && event.timestamp_ns == exit_ns;
        if let Some(at) = events.iter().rposition(is_it) {
            events.remove(at);
            self.processes.extend(process.map(|process| (pid, process)));
            if let Some(departed) = &mut self.departed {
                departed.remove(&pid);
            }
        }
    }

    fn exec(&mut self, pid: u32, timestamp_ns: u64, seen: Sighting, events: &mut Vec<ProcessEvent>) {
        self.take_back(pid, timestamp_ns, &seen, events);
        if self.processes.get(&pid).is_some_and(|process| process.is_before(&seen)) {
            self.conclude(pid, timestamp_ns, Origin::Kernel, events);
        }
        let process = self.processes.entry(pid).or_default();
        let again = process.is_told;
        process.execed(timestamp_ns, self.heard, &seen);
        let kind = EventKind::Exec { again };
        events.push(ProcessEvent {
            pid,
            timestamp_ns,
            origin: Origin::Kernel,
            kind,
            process: seen.process,
            followed: None,
        });
    }

    fn exit(
        &mut self,
        pid: u32,
        timestamp_ns: u64,
        status: Option<ExitStatus>,
        ppid: Option<u32>,
        events: &mut Vec<ProcessEvent>,
    ) {
        if let Some(departed) = &mut self.departed {
            let last = departed.entry(pid).or_default();
            *last = timestamp_ns.max(*last);
        }
        let is_late = match self.processes.get(&pid) {
            // The report of an earlier process with this pid.
            Some(process) => process.began_after(timestamp_ns),
            None => self.concluded.get(&pid).is_some_and(|until| timestamp_ns <= *until),
        };
        if is_late {
            return;
        }
        let process = self.processes.remove(&pid);
        let kind = EventKind::Exit {
            status,
            ppid,
            duration_ns: process.as_ref().and_then(|process| process.duration(timestamp_ns)),
            known: process.as_ref().is_some_and(|process| process.is_told),
        };
        let info = process.as_ref().and_then(|process| process.info.clone());
        events.push(ProcessEvent {
            pid,
            timestamp_ns,
            origin: Origin::Kernel,
            kind,
            process: info,
            followed: None,
        });
        // With this status a leader ends that makes way. An earlier exit stands, now that there is this one.
        if status == Some(ExitStatus(0)) {
            self.unsure.insert(pid, (timestamp_ns, process));
        } else {
            self.unsure.remove(&pid);
        }
    }

    /// A process has ended before `noticed`, as a hold on it has told, but the kernel does not report it.
    pub fn unreported(
        &mut self,
        pid: u32,
        noticed: Mark,
        now_ns: u64,
        status: Option<ExitStatus>,
        events: &mut Vec<ProcessEvent>,
    ) {
        let Some(process) = self.processes.get_mut(&pid).filter(|process| process.heard <= noticed) else {
            return;
        };
        let left = process.left.get_or_insert_default();
        left.status = status.or(left.status);
        self.conclude(pid, now_ns, Origin::Resync, events);
    }

    /// Somebody awaits the end of this process, as `seen` in `/proc`: it counts as one that was told of.
    pub fn watch(&mut self, seen: &Sighting, now_ns: u64, events: &mut Vec<ProcessEvent>) {
        if self.processes.get(&seen.pid).is_some_and(|process| process.is_before(seen)) {
            self.conclude(seen.pid, now_ns, Origin::Resync, events);
        }
        let process = self.processes.entry(seen.pid).or_insert_with(|| Process::seen(seen));
        process.is_told = true;
    }

    /// Reports an exit whose own report was lost.
    fn conclude(&mut self, pid: u32, now_ns: u64, origin: Origin, events: &mut Vec<ProcessEvent>) {
        let Some(process) = self.processes.remove(&pid) else { return };
        self.concluded.insert(pid, now_ns + LATE_NS);
        let duration_ns = process.duration(now_ns);
        let status = process.left.and_then(|left| left.status);
        let ppid = process.left.and_then(|left| left.ppid);
        let kind = EventKind::Exit { status, ppid, duration_ns, known: process.is_told };
        events.push(ProcessEvent {
            pid,
            timestamp_ns: now_ns,
            origin,
            kind,
            process: process.info,
            followed: None,
        });
    }

    fn saved(&self, pid: i32) -> Option<Arc<ProcessInfo>> {
        self.processes.get(&(pid as u32))?.info.clone()
    }

    /// Every process that runs and has not called exec since `mark`, as a report of the scan at the start.
    pub fn running(&mut self, mark: Mark, now_ns: u64) -> impl Iterator<Item = ProcessEvent> {
        let older = self.processes.iter_mut().filter(move |(_, process)| process.heard <= mark);
        older.map(move |(&pid, process)| {
            process.is_told = true;
            ProcessEvent {
                pid,
                timestamp_ns: now_ns,
                origin: Origin::Bootstrap,
                kind: EventKind::Exec { again: false },
                process: process.info.clone(),
                followed: None,
            }
        })
    }
}

/// The kernel says 0 where it no longer knew the process.
pub(crate) fn known_pid(pid: i32) -> Option<u32> {
    u32::try_from(pid).ok().filter(|&pid| pid != 0)
}
