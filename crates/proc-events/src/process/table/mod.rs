//! The live processes, and how a message or a snapshot changes them. Pure: no I/O, and time is an argument.

mod entry;
mod reconcile;

use crate::connector::wire::known_pid;
use crate::model::stream_position::StreamPosition;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use neli::connector::ProcEvent;
use rustc_hash::{FxHashMap, FxHashSet};

use crate::connector::wire::Message;
use crate::model::event::{EventData, ExitStatus, Origin, ProcessEvent, ProcessInfo};
use crate::model::interest::Fields;
use crate::model::snapshot::{KnownProcess, KnownProcesses, ObservedProcess};

pub use entry::LeaderExit;
use entry::Process;
pub use reconcile::Repairs;

/// How long after an exit was synthesized the kernel's own report of it is expected. The kernel sends that report after
/// the process has become invisible. A task of low priority may be preempted in between for seconds.
const LATE_EXIT_WINDOW_NS: u64 = 10_000_000_000;
/// The same where a report follows only if an exec was lost: a process that never calls exec may have the pid soon, and its
/// exit looks like that report.
const UNLIKELY_EXIT_WINDOW_NS: u64 = 250_000_000;

/// An exec this soon after an exit, with the same pid, is one of the same process: its leader ended as every thread does
/// whose process calls exec from another, and pids are not given away again so soon.
const NON_LEADER_EXEC_WINDOW_NS: u64 = 250_000_000;

/// The resolution of creation times: `USER_HZ` is 100.
const TICK_NS: u64 = 10_000_000;

/// The synthesized exits of the processes with one pid. The kernel's own reports of them may still come, and are dropped.
#[derive(Clone, Copy, Debug, Default)]
struct SuppressedExit {
    /// How many reports are missing: more than one where the pid was used again meanwhile.
    count: u32,
    /// When the last of them was synthesized.
    synthesized_ns: u64,
    /// A report of an exit later than this is not that of this process: another one was seen to have begun.
    until_ns: u64,
}

/// The live processes that are known.
#[derive(Debug, Default)]
pub struct ProcessTable {
    processes: FxHashMap<u32, Process>,
    /// Processes whose exit was synthesized, by pid.
    suppressed_exits: FxHashMap<u32, SuppressedExit>,
    /// The exits not yet handed on that may turn out to be those of leaders, with what was known of the process.
    tentative_exits: FxHashMap<u32, (u64, Option<Process>)>,
    /// While a snapshot is being taken: the exits heard since it began.
    exits_since_snapshot: Option<FxHashMap<u32, u64>>,
    heard: StreamPosition,
    /// An exec later than this is not one that a snapshot has shown already.
    shown_until_ns: u64,
    /// The reports that were not passed on: of what had been told already, or of no process.
    ignored: u64,
}

impl ProcessTable {
    /// Where in the stream this table stands.
    #[must_use]
    pub const fn position(&self) -> StreamPosition {
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

    /// Returns how many reports were not passed on since the last call.
    pub fn take_ignored(&mut self) -> u64 {
        std::mem::take(&mut self.ignored)
    }

    /// The processes of which `fields` need not be read again by a snapshot.
    pub fn known(&self, fields: Fields) -> KnownProcesses {
        let is_known = |process: &Process| {
            let info = process.info.as_ref();
            process.is_identified && info.is_some_and(|info| info.asked.covers(fields) && !info.is_blank())
        };
        let known = self.processes.iter().filter(|(_, process)| is_known(process));
        known
            .map(|(&pid, &Process { start_time, program, never_execed, .. })| {
                (pid, KnownProcess { start_time, program, never_execed })
            })
            .collect()
    }

    /// Returns true if an exec of `pid` at `exec_ns` can only be judged together with the creation time of the process.
    #[must_use]
    pub fn needs_identity(&self, pid: u32, exec_ns: u64) -> bool {
        let may_be_shown = |process: &Process| process.may_be_exec_of_shown(exec_ns);
        self.tentative_exits.contains_key(&pid)
            || exec_ns <= self.shown_until_ns && self.processes.get(&pid).is_some_and(may_be_shown)
    }

    /// Returns true if an exit of `pid` at `exit_ns` is the late report of an exit that was synthesized.
    #[must_use]
    pub fn is_late_exit(&self, pid: u32, exit_ns: u64) -> bool {
        self.suppressed_exits.get(&pid).is_some_and(|exit| exit_ns <= exit.until_ns)
    }

    /// Another process with this pid has begun at `began_ns`: later exit reports are not those of an earlier one.
    pub fn expect_exit_of_another(&mut self, pid: u32, began_ns: u64) {
        if let Some(exit) = self.suppressed_exits.get_mut(&pid) {
            exit.until_ns = began_ns.min(exit.until_ns);
        }
    }

    /// A process that has ended was found to have been created at `start_ns`. It may be the one whose exit was synthesized.
    pub fn expect_exit_of_created(&mut self, pid: u32, start_ns: u64) {
        if self.suppressed_exits.get(&pid).is_some_and(|exit| start_ns > exit.synthesized_ns) {
            self.expect_exit_of_another(pid, start_ns);
        }
    }

    fn suppress_exit(&mut self, pid: u32, now_ns: u64, window_ns: u64) {
        let exit = self.suppressed_exits.entry(pid).or_default();
        exit.count += 1;
        exit.synthesized_ns = now_ns;
        exit.until_ns = now_ns.saturating_add(window_ns);
    }

    fn drop_late_exit(&mut self, pid: u32) {
        self.ignored += 1;
        if let Entry::Occupied(mut exit) = self.suppressed_exits.entry(pid) {
            exit.get_mut().count -= 1;
            if exit.get().count == 0 {
                exit.remove();
            }
        }
    }

    fn prune_suppressed_exits(&mut self, now_ns: u64) {
        let is_recent =
            |exit: &SuppressedExit| now_ns <= exit.synthesized_ns.saturating_add(LATE_EXIT_WINDOW_NS);
        self.suppressed_exits.retain(|_, exit| is_recent(exit));
    }

    /// Takes one message. `seen` is what `/proc` said at an exec, if it was asked. What follows goes to `events`; an exit
    /// that is still in there may be taken back.
    pub fn apply(
        &mut self,
        message: &Message,
        seen: Option<ObservedProcess>,
        events: &mut Vec<ProcessEvent>,
    ) {
        self.heard.0 += 1;
        let timestamp_ns = message.timestamp_ns;
        let mut report = |pid: i32, data, process| {
            events.push(ProcessEvent {
                pid: pid as u32,
                timestamp_ns,
                origin: Origin::Kernel,
                data,
                process,
                ancestry: None,
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
                self.tentative_exits.remove(&(child_tgid as u32));
                self.expect_exit_of_another(child_tgid as u32, timestamp_ns);
                report(child_tgid, EventData::Fork { ppid: parent_tgid as u32 }, None);
            }
            ProcEvent::Comm { process_pid, process_tgid, comm } => {
                report(
                    process_tgid,
                    EventData::Comm { tid: process_pid as u32, comm },
                    self.saved(process_tgid),
                );
            }
            ProcEvent::Uid { process_pid, process_tgid, ruid, euid } if process_pid == process_tgid => {
                report(process_tgid, EventData::Uid { ruid, euid }, self.saved(process_tgid));
            }
            ProcEvent::Gid { process_pid, process_tgid, rgid, egid } if process_pid == process_tgid => {
                report(process_tgid, EventData::Gid { rgid, egid }, self.saved(process_tgid));
            }
            ProcEvent::Sid { process_tgid, .. } => {
                report(process_tgid, EventData::Sid, self.saved(process_tgid));
            }
            ProcEvent::Ptrace { process_pid, process_tgid, tracer_tgid, .. }
                if process_pid == process_tgid =>
            {
                let tracer_pid = known_pid(tracer_tgid);
                report(process_tgid, EventData::Ptrace { tracer_pid }, self.saved(process_tgid));
            }
            ProcEvent::Coredump { process_tgid, parent_tgid, .. } => {
                let ppid = known_pid(parent_tgid);
                report(process_tgid, EventData::Coredump { ppid }, self.saved(process_tgid));
            }
            // What is left are acknowledgements, and the doings of single threads.
            _ => {}
        }
    }

    /// The leader of `pid` has reported its exit, but the process, as `seen` in `/proc`, is still running: its other
    /// threads live on, or one of them is taking its place by an exec. Its exit is reported once it has really ended,
    /// which the caller awaits.
    pub fn on_leader_exit(
        &mut self,
        pid: u32,
        left: LeaderExit,
        seen: &ObservedProcess,
        events: &mut Vec<ProcessEvent>,
    ) {
        self.heard.0 += 1;
        if self.processes.get(&pid).is_some_and(|process| process.is_before(seen)) {
            if !seen.on_leader_exit {
                // The late report of the process that had the pid before. If it was that of a leader that has made way
                // already, the late one is still to come.
                self.exit(pid, left.timestamp_ns, left.status, left.ppid, events);
                self.suppress_exit(pid, left.timestamp_ns, LATE_EXIT_WINDOW_NS);
                // The one that runs was created before this report.
                if let Some(exits_since_snapshot) = &mut self.exits_since_snapshot {
                    exits_since_snapshot.insert(pid, seen.start_ns.saturating_sub(1));
                }
                return;
            }
            self.synthesize_exit(pid, left.timestamp_ns, Origin::Kernel, events);
        }
        // The leader is still there: the report is that of an earlier process, whose exit was synthesized.
        if self.is_late_exit(pid, left.timestamp_ns) && !seen.on_leader_exit {
            self.drop_late_exit(pid);
            return;
        }
        let process = self.processes.entry(pid).or_insert_with(|| Process::unheard(seen));
        process.identify(seen);
        process.left = Some(LeaderExit { heard: self.heard, ..left });
    }

    /// The processes, with their creation times, whose leader has left, and whose end is not awaited: nothing but their
    /// end itself will tell of it.
    pub fn leaderless(&self) -> impl Iterator<Item = (u32, u64)> {
        self.processes.iter().filter_map(|(&pid, process)| {
            process.left.filter(|left| !left.set_exit_watched).map(|_| (pid, process.start_time))
        })
    }

    /// The end of one of these is awaited from now on.
    pub fn set_exit_watched(&mut self, pid: u32) {
        if let Some(left) = self.processes.get_mut(&pid).and_then(|process| process.left.as_mut()) {
            left.set_exit_watched = true;
        }
    }

    /// A process whose leader had left before `noticed` has ended, without any further report from the kernel. `status`
    /// is what it ended with, where that could be found out; else the leader's stands. Whether there is one.
    pub fn ended(
        &mut self,
        pid: u32,
        noticed: StreamPosition,
        now_ns: u64,
        status: Option<ExitStatus>,
        events: &mut Vec<ProcessEvent>,
    ) -> bool {
        let left = self.processes.get(&pid).and_then(|process| process.left);
        let Some(left) = left.filter(|left| left.heard <= noticed) else { return false };
        let exits_since_snapshot = self
            .exits_since_snapshot
            .as_ref()
            .map(|exits_since_snapshot| exits_since_snapshot.get(&pid).copied());
        let last_heard_ns = self.processes.get(&pid).and_then(Process::last_heard_ns);
        self.exit(pid, now_ns, status.or(left.status), left.ppid, events);
        // It has ended at some time before now: one that was created meanwhile may have the pid.
        if let (Some(earlier), Some(last_heard_ns), Some(exits_since_snapshot)) =
            (exits_since_snapshot, last_heard_ns, &mut self.exits_since_snapshot)
        {
            exits_since_snapshot.insert(pid, last_heard_ns.max(earlier.unwrap_or(0)));
        }
        // If another thread had called exec, and that was lost, there will be a report.
        self.prune_suppressed_exits(now_ns);
        self.suppress_exit(pid, now_ns, UNLIKELY_EXIT_WINDOW_NS);
        true
    }

    /// Whether this is an exit that an exec may take back.
    #[must_use]
    pub fn is_tentative(&self, event: &ProcessEvent) -> bool {
        let tentative_exits = self.tentative_exits.get(&event.pid);
        tentative_exits.is_some_and(|(exit_ns, _)| *exit_ns == event.timestamp_ns)
            && matches!(event.data, EventData::Exit { .. })
    }

    /// Returns true if an exit may be taken back by an exec that was sent after `until_ns`, when the stream stands at
    /// `now_ns`. It is false before long, however many exits come in.
    #[must_use]
    pub fn may_retract_after(&self, until_ns: u64, now_ns: u64) -> bool {
        !self.tentative_exits.is_empty() && now_ns <= until_ns.saturating_add(NON_LEADER_EXEC_WINDOW_NS)
    }

    /// Whether an exit of this process may be taken back.
    #[must_use]
    pub fn has_tentative_exit(&self, pid: u32) -> bool {
        self.tentative_exits.contains_key(&pid)
    }

    /// All exits but these stand: what was reported is not taken back.
    pub fn commit_exits_except(&mut self, exits: &[ProcessEvent]) {
        let kept: FxHashSet<u32> = exits.iter().map(|exit| exit.pid).collect();
        self.tentative_exits.retain(|pid, _| kept.contains(pid));
    }

    /// Takes an exit back if it was only that of the leader: another thread has called exec, and goes on as this process.
    fn retract_exit(
        &mut self,
        pid: u32,
        exec_ns: u64,
        seen: &ObservedProcess,
        events: &mut Vec<ProcessEvent>,
    ) {
        let Some((exit_ns, process)) = self.tentative_exits.remove(&pid) else { return };
        // A pid is used again so soon only where nearly all pids are taken. So without a creation time it is the same one.
        let may_be_later = seen.start_time != 0 && seen.start_ns + TICK_NS > exit_ns;
        let is_another = may_be_later
            && (seen.start_ns > exit_ns || process.as_ref().is_some_and(|known| known.is_before(seen)));
        if exec_ns > exit_ns + NON_LEADER_EXEC_WINDOW_NS || is_another {
            return;
        }
        let is_it = |event: &ProcessEvent| event.pid == pid && event.timestamp_ns == exit_ns;
        if let Some(at) = events.iter().rposition(is_it) {
            events.remove(at);
            self.ignored += 1;
            self.processes.extend(process.map(|process| (pid, process)));
            if let Some(exits_since_snapshot) = &mut self.exits_since_snapshot {
                exits_since_snapshot.remove(&pid);
            }
        }
    }

    fn exec(&mut self, pid: u32, timestamp_ns: u64, seen: ObservedProcess, events: &mut Vec<ProcessEvent>) {
        self.retract_exit(pid, timestamp_ns, &seen, events);
        if self.processes.get(&pid).is_some_and(|process| process.is_before(&seen)) {
            self.synthesize_exit(pid, timestamp_ns, Origin::Kernel, events);
        }
        self.expect_exit_of_another(pid, timestamp_ns);
        let process = self.processes.entry(pid).or_default();
        if timestamp_ns <= self.shown_until_ns && process.is_exec_of_shown(timestamp_ns, &seen) {
            process.confirm_exec(timestamp_ns, &seen);
            self.ignored += 1;
            return;
        }
        if let Some(info) = process.info.as_ref().filter(|_| process.is_read_from(timestamp_ns, &seen)) {
            let carries_it =
                |event: &&mut ProcessEvent| event.process.as_ref().is_some_and(|own| Arc::ptr_eq(own, info));
            let without_program = Arc::new(info.without_program());
            for event in events.iter_mut().filter(carries_it) {
                event.process = Some(Arc::clone(&without_program));
            }
        }
        let again = process.reported;
        process.on_exec(timestamp_ns, self.heard, &seen);
        let data = EventData::Exec { again };
        events.push(ProcessEvent {
            pid,
            timestamp_ns,
            origin: Origin::Kernel,
            data,
            process: seen.process,
            ancestry: None,
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
        if let Some(exits_since_snapshot) = &mut self.exits_since_snapshot {
            let last = exits_since_snapshot.entry(pid).or_default();
            *last = timestamp_ns.max(*last);
        }
        let is_late = match self.processes.get(&pid) {
            // The report of an earlier process with this pid.
            Some(process) => process.began_after(timestamp_ns),
            None => self.is_late_exit(pid, timestamp_ns),
        };
        if is_late {
            self.drop_late_exit(pid);
            return;
        }
        let process = self.processes.remove(&pid);
        let data = EventData::Exit {
            status,
            ppid,
            duration_ns: process.as_ref().and_then(|process| process.duration(timestamp_ns)),
            known: process.as_ref().is_some_and(|process| process.reported),
        };
        let info = process.as_ref().and_then(|process| process.info.clone());
        events.push(ProcessEvent {
            pid,
            timestamp_ns,
            origin: Origin::Kernel,
            data,
            process: info,
            ancestry: None,
        });
        // This is the late report of an earlier process: the exit of the later one may still be taken back.
        if self.tentative_exits.get(&pid).is_some_and(|(exit_ns, _)| *exit_ns > timestamp_ns) {
            return;
        }
        // A leader that makes way ends with 0, or by itself before, with any code. An earlier exit stands, now that there is
        // this one.
        if status.is_some_and(|status| status.signal().is_none()) {
            self.tentative_exits.insert(pid, (timestamp_ns, process));
        } else {
            self.tentative_exits.remove(&pid);
        }
    }

    /// A process has ended before `noticed`, as a hold on it has told, but the kernel does not report it.
    pub fn unreported(
        &mut self,
        pid: u32,
        noticed: StreamPosition,
        now_ns: u64,
        status: Option<ExitStatus>,
        events: &mut Vec<ProcessEvent>,
    ) {
        let Some(process) = self.processes.get_mut(&pid).filter(|process| process.heard <= noticed) else {
            return;
        };
        let left = process.left.get_or_insert_default();
        left.status = status.or(left.status);
        self.synthesize_exit(pid, now_ns, Origin::Resync, events);
    }

    /// Somebody awaits the end of this process, as `seen` in `/proc`: it counts as one that was told of.
    pub fn report_running(&mut self, seen: &ObservedProcess, now_ns: u64, events: &mut Vec<ProcessEvent>) {
        if self.processes.get(&seen.pid).is_some_and(|process| process.is_before(seen)) {
            self.synthesize_exit(seen.pid, now_ns, Origin::Resync, events);
        }
        self.expect_exit_of_another(seen.pid, seen.start_ns);
        let process = self.processes.entry(seen.pid).or_insert_with(|| Process::unheard(seen));
        process.reported = true;
    }

    /// Reports an exit whose own report was lost.
    fn synthesize_exit(&mut self, pid: u32, now_ns: u64, origin: Origin, events: &mut Vec<ProcessEvent>) {
        let Some(process) = self.processes.remove(&pid) else { return };
        self.suppress_exit(pid, now_ns, LATE_EXIT_WINDOW_NS);
        let duration_ns = process.duration(now_ns);
        let status = process.left.and_then(|left| left.status);
        let ppid = process.left.and_then(|left| left.ppid);
        let data = EventData::Exit { status, ppid, duration_ns, known: process.reported };
        events.push(ProcessEvent {
            pid,
            timestamp_ns: now_ns,
            origin,
            data,
            process: process.info,
            ancestry: None,
        });
    }

    fn saved(&self, pid: i32) -> Option<Arc<ProcessInfo>> {
        self.processes.get(&(pid as u32))?.info.clone()
    }

    /// Every process that runs and has not called exec since `mark`, as a report of the scan at the start.
    pub fn running(&mut self, mark: StreamPosition, now_ns: u64) -> impl Iterator<Item = ProcessEvent> {
        let older = self.processes.iter_mut().filter(move |(_, process)| process.heard <= mark);
        older.map(move |(&pid, process)| {
            process.reported = true;
            ProcessEvent {
                pid,
                timestamp_ns: now_ns,
                origin: Origin::Bootstrap,
                data: EventData::Exec { again: false },
                process: process.info.clone(),
                ancestry: None,
            }
        })
    }
}
