//! The live processes, and how a message changes them. Pure: no I/O, and time is an argument.

mod entry;
mod exits;
mod leader_exits;
mod messages;
mod recent_exits;
mod reconcile;
mod reports;

use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::model::event::{EventData, ExitStatus, Origin, ProcessEvent, ProcessInfo};
use crate::model::interest::Fields;
use crate::model::snapshot::{KnownProcess, KnownProcesses, ObservedProcess};
use crate::model::stream_position::StreamPosition;
use crate::process::event_sink::EventSink;
use entry::Process;
use exits::{LATE_EXIT_WINDOW_NS, SuppressedExits, TentativeExits};

pub use entry::LeaderExit;
pub use recent_exits::RecentExit;
use recent_exits::RecentExits;
pub use reconcile::Repairs;

/// The live processes that are known, by pid.
#[derive(Debug, Default)]
pub struct ProcessTable {
    processes: FxHashMap<u32, Process>,
    suppressed_exits: SuppressedExits,
    tentative_exits: TentativeExits,
    /// While a snapshot is taken: the times of the exits since it began, by pid.
    exits_since_snapshot: Option<FxHashMap<u32, u64>>,
    position: StreamPosition,
    /// A snapshot cannot have shown the program of an exec that is later than this.
    shown_until_ns: u64,
    recent_exits: RecentExits,
    /// The processes that [`ProcessTable::take_changed_leaderless`] returned last, in order.
    leaderless: Vec<u32>,
    /// True if there may be more of them since.
    has_new_leaderless: bool,
    /// Number of reports that caused no event: they were reported before, or belong to no known process.
    ignored: u64,
}

impl ProcessTable {
    /// Returns the position of this table in the stream of messages.
    #[must_use]
    pub const fn position(&self) -> StreamPosition {
        self.position
    }
    /// Returns the number of processes that are known to run.
    #[must_use]
    pub fn len(&self) -> usize {
        self.processes.len()
    }
    /// Returns true if no process is known to run.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.processes.is_empty()
    }
    /// Returns true if this process is known to run.
    #[must_use]
    pub fn knows(&self, pid: u32) -> bool {
        self.processes.contains_key(&pid)
    }

    /// Returns true if the process that was known to run under this pid at `since` still is.
    #[must_use]
    pub fn knows_since(&self, pid: u32, since: StreamPosition) -> bool {
        self.processes.get(&pid).is_some_and(|process| process.position <= since)
    }

    /// Returns the pids of the processes that are known to run and that `accepts` accepts.
    pub fn known_pids(&self, accepts: impl Fn(u32) -> bool) -> Vec<u32> {
        self.processes.keys().copied().filter(|&pid| accepts(pid)).collect()
    }

    /// Returns the creation time of a known process, in clock ticks, as it was observed last; 0 if it was not.
    #[must_use]
    pub fn start_time(&self, pid: u32) -> u64 {
        self.processes.get(&pid).map_or(0, |process| process.start_time)
    }
    /// Returns the last exit of `pid` that was reported less than a second ago and that `accepts` accepts.
    pub fn recent_exit(
        &self,
        pid: u32,
        now_ns: u64,
        accepts: impl Fn(&RecentExit) -> bool,
    ) -> Option<RecentExit> {
        self.recent_exits.find(pid, now_ns, accepts)
    }

    /// Returns the number of reports that caused no event since the last call.
    pub fn take_ignored(&mut self) -> u64 {
        std::mem::take(&mut self.ignored)
    }

    /// Returns the processes whose `fields` are known, so that a snapshot need not read them again.
    pub fn known(&self, fields: Fields) -> KnownProcesses {
        let is_known = |process: &Process| {
            let info = process.info.as_ref();
            process.is_identified
                && info.is_some_and(|info| info.requested.covers(fields) && !info.is_blank())
        };
        let known = self.processes.iter().filter(|(_, process)| is_known(process));
        known
            .map(|(&pid, &Process { start_time, program, never_execed, .. })| {
                (pid, KnownProcess { start_time, program, never_execed })
            })
            .collect()
    }

    /// Returns true if [`ProcessTable::apply`] needs the creation time of the process to judge an exec of `pid` at `exec_ns`.
    #[must_use]
    pub fn needs_identity(&self, pid: u32, exec_ns: u64) -> bool {
        let may_be_shown = |process: &Process| process.may_be_exec_of_shown(exec_ns);
        self.tentative_exits.contains(pid)
            || exec_ns <= self.shown_until_ns && self.processes.get(&pid).is_some_and(may_be_shown)
    }

    /// Returns true if the arguments of a known process were last read before this rename. A reading also shows all renames
    /// before it.
    #[must_use]
    pub fn needs_recapture(&self, pid: u32, renamed_ns: u64) -> bool {
        self.processes.get(&pid).is_some_and(|process| process.recaptured_ns <= renamed_ns)
    }

    /// Replaces the arguments of a process by those that were `observed` after a rename, unless the process has called exec
    /// since.
    pub fn recapture(&mut self, pid: u32, observed: &ObservedProcess) {
        let process = self.processes.get_mut(&pid);
        if let Some(process) = process.filter(|process| process.is_same_program(observed)) {
            process.recapture(observed);
        }
    }

    /// Returns true if an exit of `pid` at `exit_ns` is the late report of a synthesized exit.
    #[must_use]
    pub fn is_late_exit(&self, pid: u32, exit_ns: u64) -> bool {
        self.suppressed_exits.is_late(pid, exit_ns)
    }

    /// Records that a process which has exited was created at `start_ns`. It may be the one whose exit was synthesized.
    pub fn observe_exited(&mut self, pid: u32, start_ns: u64) {
        self.suppressed_exits.on_exited_process(pid, start_ns);
    }

    /// Returns true if an exec may still retract the exit of this process.
    #[must_use]
    pub fn has_tentative_exit(&self, pid: u32) -> bool {
        self.tentative_exits.contains(pid)
    }

    /// Returns true if an exec that was sent after `until_ns` may still retract an exit, with the stream at `now_ns`. It
    /// returns false soon, however many exits arrive.
    #[must_use]
    pub fn may_retract_after(&self, until_ns: u64, now_ns: u64) -> bool {
        self.tentative_exits.may_be_retracted_after(until_ns, now_ns)
    }

    /// Takes the tentative exits out of `events` that were not held back before. All other exits are final from now on,
    /// because their events are dispatched.
    pub fn hold_back_tentative_exits(&mut self, events: &mut Vec<ProcessEvent>) -> Vec<ProcessEvent> {
        self.tentative_exits.hold_back(events)
    }

    /// Makes all exits final, because their events are dispatched.
    pub fn commit_exits(&mut self) {
        self.tentative_exits.commit();
    }

    /// Reports the exit of a process that exited before `noticed`, as its pidfd showed, and that the kernel did not report.
    pub fn on_unreported_exit(
        &mut self,
        pid: u32,
        noticed: StreamPosition,
        now_ns: u64,
        status: Option<ExitStatus>,
        sink: &mut impl EventSink,
    ) {
        let process = self.processes.get_mut(&pid).filter(|process| process.position <= noticed);
        let Some(process) = process else { return };
        let exit = process.leader_exit.get_or_insert_default();
        exit.status = status.or(exit.status);
        // The process exited at some time before now. Another one that was created in between may have the pid.
        let exited_ns = process.last_report_ns().unwrap_or(now_ns);
        self.note_exit_since_snapshot(pid, exited_ns);
        self.synthesize_exit(pid, now_ns, Origin::Resync, sink);
    }

    /// Records that a subscriber watches the exit of this process, as `observed` in `/proc`. It counts as reported, so that
    /// its exit is reported.
    pub fn set_reported(&mut self, observed: &ObservedProcess, now_ns: u64, sink: &mut impl EventSink) {
        if self.processes.get(&observed.pid).is_some_and(|process| process.is_before(observed)) {
            self.synthesize_exit(observed.pid, now_ns, Origin::Resync, sink);
        }
        self.suppressed_exits.on_next_process(observed.pid, observed.start_ns);
        let process = self.processes.entry(observed.pid).or_insert_with(|| Process::without_exec(observed));
        process.identify(observed);
        process.reported = true;
    }

    /// Reports an exit whose own report was lost, or has not come yet.
    fn synthesize_exit(&mut self, pid: u32, now_ns: u64, origin: Origin, sink: &mut impl EventSink) {
        let Some(process) = self.processes.remove(&pid) else { return };
        self.suppressed_exits.add(pid, now_ns, LATE_EXIT_WINDOW_NS);
        let ran = process.run_time(now_ns);
        let status = process.leader_exit.as_ref().and_then(|exit| exit.status);
        let ppid = process.leader_exit.as_ref().and_then(|exit| exit.ppid).or_else(|| process.parent());
        let start_time = process.start_time;
        self.recent_exits.push(RecentExit { pid, start_time, timestamp_ns: now_ns, status });
        sink.push(ProcessEvent::new(
            pid,
            now_ns,
            origin,
            EventData::Exit { status, ppid, ran, known: process.reported },
            process.info,
        ));
    }

    fn info(&self, pid: i32) -> Option<Arc<ProcessInfo>> {
        self.processes.get(&(pid as u32))?.info.clone()
    }

    /// Returns an exec event of the bootstrap scan for each running process that has not called exec since `since`. They
    /// count as reported. Kernel threads are left out unless `with_kernel_threads`, because they never called exec.
    pub fn running(
        &mut self,
        since: StreamPosition,
        now_ns: u64,
        with_kernel_threads: bool,
    ) -> impl Iterator<Item = ProcessEvent> {
        let older = self.processes.iter_mut().filter(move |(_, process)| {
            process.position <= since && (with_kernel_threads || !process.is_kernel_thread)
        });
        older.map(move |(&pid, process)| {
            process.reported = true;
            ProcessEvent::new(
                pid,
                now_ns,
                Origin::Bootstrap,
                EventData::Exec { again: false },
                process.info.clone(),
            )
        })
    }
}
