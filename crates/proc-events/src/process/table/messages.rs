//! Applies the kernel's messages to the process table. Pure.

use std::sync::Arc;

use neli::connector::ProcEvent;

use super::ProcessTable;
use super::exits::{NON_LEADER_EXEC_WINDOW_NS, TentativeExit};
use super::recent_exits::RecentExit;
use crate::connector::wire::{Message, known_pid};
use crate::model::event::{EventData, ExitStatus, Origin, ProcessEvent};
use crate::model::snapshot::ObservedProcess;
use crate::process::event_sink::EventSink;

/// The resolution of creation times: `USER_HZ` is 100.
const TICK_NS: u64 = 10_000_000;

/// A reported exit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Exit {
    /// Time of the exit, in nanoseconds.
    pub(super) timestamp_ns: u64,
    /// The wait status; `None` if unknown.
    pub(super) status: Option<ExitStatus>,
    /// The parent's pid; `None` if unknown.
    pub(super) ppid: Option<u32>,
    pub(super) origin: Origin,
}

impl ProcessTable {
    /// Applies one message. `observed` is the process as `/proc` showed it at an exec or fork, if it was read. Events go to
    /// `sink`. An exec may remove the exit of the same process from the pending events.
    pub fn apply(&mut self, message: &Message, observed: Option<ObservedProcess>, sink: &mut impl EventSink) {
        self.position.0 += 1;
        let timestamp_ns = message.timestamp_ns;
        let mut report = |pid: i32, data, process| {
            sink.push(ProcessEvent::new(pid as u32, timestamp_ns, Origin::Kernel, data, process));
        };
        match message.event {
            ProcEvent::Exec { process_tgid, .. } => {
                let observed = observed.unwrap_or_default();
                self.on_exec(process_tgid as u32, timestamp_ns, observed, Origin::Kernel, sink);
            }
            ProcEvent::Exit { process_pid, process_tgid, exit_code, parent_tgid, .. }
                if process_pid == process_tgid =>
            {
                let ppid = known_pid(parent_tgid);
                let status = Some(ExitStatus(exit_code));
                let exit = Exit { timestamp_ns, status, ppid, origin: Origin::Kernel };
                self.on_exit(process_tgid as u32, exit, sink);
            }
            ProcEvent::Fork { parent_tgid, child_pid, child_tgid, .. } if child_pid == child_tgid => {
                self.tentative_exits.remove(child_tgid as u32);
                self.suppressed_exits.on_next_process(child_tgid as u32, timestamp_ns);
                let info = observed.and_then(|observed| observed.process);
                report(child_tgid, EventData::Fork { ppid: parent_tgid as u32 }, info);
            }
            ProcEvent::Comm { process_pid, process_tgid, comm } => {
                self.on_rename(process_tgid as u32, process_pid as u32, comm, timestamp_ns, sink);
            }
            ProcEvent::Uid { process_pid, process_tgid, ruid, euid } if process_pid == process_tgid => {
                report(process_tgid, EventData::Uid { ruid, euid }, self.info(process_tgid));
            }
            ProcEvent::Gid { process_pid, process_tgid, rgid, egid } if process_pid == process_tgid => {
                report(process_tgid, EventData::Gid { rgid, egid }, self.info(process_tgid));
            }
            ProcEvent::Sid { process_tgid, .. } => {
                report(process_tgid, EventData::Sid, self.info(process_tgid));
            }
            ProcEvent::Ptrace { process_pid, process_tgid, tracer_tgid, .. }
                if process_pid == process_tgid =>
            {
                let tracer_pid = known_pid(tracer_tgid);
                report(process_tgid, EventData::Ptrace { tracer_pid }, self.info(process_tgid));
            }
            ProcEvent::Coredump { process_tgid, parent_tgid, .. } => {
                let ppid = known_pid(parent_tgid);
                report(process_tgid, EventData::Coredump { ppid }, self.info(process_tgid));
            }
            // Acknowledgements, and events of single threads.
            _ => {}
        }
    }

    pub(super) fn on_exec(
        &mut self,
        pid: u32,
        timestamp_ns: u64,
        observed: ObservedProcess,
        origin: Origin,
        sink: &mut impl EventSink,
    ) {
        self.retract_exit(pid, timestamp_ns, &observed, sink);
        if self.processes.get(&pid).is_some_and(|process| process.is_before(&observed)) {
            self.synthesize_exit(pid, timestamp_ns, origin, sink);
        }
        self.suppressed_exits.on_next_process(pid, timestamp_ns);
        let process = self.processes.entry(pid).or_default();
        if timestamp_ns <= self.shown_until_ns && process.is_exec_of_shown(timestamp_ns, &observed) {
            process.confirm_exec(timestamp_ns, &observed);
            self.ignored += 1;
            return;
        }
        if let Some(info) = process.info.as_ref().filter(|_| process.is_read_from(timestamp_ns, &observed)) {
            let without_program = Arc::new(info.without_program());
            // A rename replaces the details of later events, so that they need not be shared.
            let is_of_program =
                |event: &&mut ProcessEvent| event.pid == pid && event.timestamp_ns >= process.exec_ns;
            for event in sink.pending().iter_mut().filter(is_of_program) {
                if event.process.is_some() {
                    event.process = Some(Arc::clone(&without_program));
                }
            }
        }
        let again = process.reported;
        process.on_exec(timestamp_ns, self.position, &observed);
        sink.push(ProcessEvent::new(pid, timestamp_ns, origin, EventData::Exec { again }, observed.process));
    }

    pub(super) fn on_rename(
        &mut self,
        pid: u32,
        tid: u32,
        comm: [u8; 16],
        timestamp_ns: u64,
        sink: &mut impl EventSink,
    ) {
        if pid == tid
            && let Some(process) = self.processes.get_mut(&pid)
        {
            process.rename(comm, timestamp_ns);
        }
        let (origin, data) = (Origin::Kernel, EventData::Comm { tid, comm });
        let process = self.info(pid as i32);
        sink.push(ProcessEvent::new(pid, timestamp_ns, origin, data, process));
    }

    /// Notes the time of an exit, for the snapshot that is being taken: it may show the process, or a later one with the pid.
    pub(super) fn note_exit_since_snapshot(&mut self, pid: u32, exit_ns: u64) {
        if let Some(exits) = &mut self.exits_since_snapshot {
            let last = exits.entry(pid).or_default();
            *last = exit_ns.max(*last);
        }
    }

    pub(super) fn on_exit(&mut self, pid: u32, exit: Exit, sink: &mut impl EventSink) {
        let Exit { timestamp_ns, status, ppid, origin } = exit;
        self.note_exit_since_snapshot(pid, timestamp_ns);
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
        let start_time = process.as_ref().map_or(0, |process| process.start_time);
        self.recent_exits.push(RecentExit { pid, start_time, timestamp_ns, status });
        let data = EventData::Exit {
            status,
            ppid: ppid.or_else(|| process.as_ref()?.parent()),
            ran: process.as_ref().and_then(|process| process.run_time(timestamp_ns)),
            known: process.as_ref().is_some_and(|process| process.reported),
        };
        let info = process.as_ref().and_then(|process| process.info.clone());
        sink.push(ProcessEvent::new(pid, timestamp_ns, origin, data, info));
        // This is the late report of an earlier process. The exit of the later one stays tentative.
        if self.tentative_exits.is_after(pid, timestamp_ns) {
            return;
        }
        // A leader that an exec ends exits with status 0. A leader that ended before by itself has any status. An earlier
        // exit of this pid is final now.
        if status.is_some_and(|status| status.signal().is_none()) {
            self.tentative_exits.insert(pid, timestamp_ns, process);
        } else {
            self.tentative_exits.remove(pid);
        }
    }

    /// Retracts an exit if it was only that of the leader: another thread has called exec, and goes on as this process.
    fn retract_exit(
        &mut self,
        pid: u32,
        exec_ns: u64,
        observed: &ObservedProcess,
        sink: &mut impl EventSink,
    ) {
        let Some(TentativeExit { exit_ns, process, .. }) = self.tentative_exits.remove(pid) else { return };
        // The kernel reuses a pid so soon only if nearly all pids are taken. Without a creation time it is the same process.
        let may_be_later = observed.start_time != 0 && observed.start_ns + TICK_NS > exit_ns;
        let is_another = may_be_later
            && (observed.start_ns > exit_ns
                || process.as_ref().is_some_and(|known| known.is_before(observed)));
        if exec_ns > exit_ns + NON_LEADER_EXEC_WINDOW_NS || is_another {
            return;
        }
        let is_that_exit = |event: &ProcessEvent| event.pid == pid && event.timestamp_ns == exit_ns;
        if let Some(at) = sink.pending().iter().rposition(is_that_exit) {
            sink.pending().remove(at);
            self.recent_exits.retract(pid, exit_ns);
            self.ignored += 1;
            self.processes.extend(process.map(|process| (pid, process)));
            if let Some(exits) = &mut self.exits_since_snapshot {
                exits.remove(&pid);
            }
        }
    }

    pub(super) fn drop_late_exit(&mut self, pid: u32) {
        self.ignored += 1;
        self.suppressed_exits.take(pid);
    }
}
