//! Processes whose leader has exited while other threads go on. Pure.

use super::ProcessTable;
use super::entry::{LeaderExit, Process};
use super::exits::{LATE_EXIT_WINDOW_NS, UNLIKELY_EXIT_WINDOW_NS};
use super::messages::Exit;
use crate::model::event::{ExitStatus, Origin};
use crate::model::snapshot::ObservedProcess;
use crate::model::stream_position::StreamPosition;
use crate::process::event_sink::EventSink;

/// The longest time between the exits of the leader and of the last thread if they end with their process.
const GROUP_EXIT_NS: u64 = 50_000_000;

impl ProcessTable {
    /// Applies the exit of a leader whose process, as `observed` in `/proc`, still runs: its other threads go on, or one of
    /// them calls exec and takes the leader's place. The exit of the process is reported once the process has exited. The
    /// caller watches for that.
    pub fn on_leader_exit(
        &mut self,
        pid: u32,
        exit: LeaderExit,
        observed: &ObservedProcess,
        sink: &mut impl EventSink,
    ) {
        self.position.0 += 1;
        if self.processes.get(&pid).is_some_and(|process| process.is_before(observed)) {
            if !observed.leader_exited {
                // The late report of the process that had the pid before. If an exec of another thread had retracted a
                // leader's exit there, one more report is to come.
                let LeaderExit { timestamp_ns, status, ppid, .. } = exit;
                self.on_exit(pid, Exit { timestamp_ns, status, ppid, origin: Origin::Kernel }, sink);
                self.suppressed_exits.add(pid, exit.timestamp_ns, LATE_EXIT_WINDOW_NS);
                // The process that runs now was created before this report.
                if let Some(exits) = &mut self.exits_since_snapshot {
                    exits.insert(pid, observed.start_ns.saturating_sub(1));
                }
                return;
            }
            self.synthesize_exit(pid, exit.timestamp_ns, Origin::Kernel, sink);
        }
        // The leader still runs: the report is that of an earlier process, whose exit was synthesized.
        if self.is_late_exit(pid, exit.timestamp_ns) && !observed.leader_exited {
            self.drop_late_exit(pid);
            return;
        }
        let process = self.processes.entry(pid).or_insert_with(|| Process::without_exec(observed));
        process.identify(observed);
        process.leader_exit = Some(Box::new(LeaderExit { position: self.position, ..exit }));
        self.has_new_leaderless = true;
    }

    /// Returns the processes whose leader has exited, if they are not those that were returned last. The exits of their threads
    /// must be reported: see [`ProcessTable::set_last_thread`].
    pub fn take_changed_leaderless(&mut self) -> Option<Vec<u32>> {
        let has_new = std::mem::take(&mut self.has_new_leaderless);
        if !has_new && self.leaderless.iter().all(|&pid| self.is_leaderless(pid)) {
            return None;
        }
        let mut leaderless = self.known_pids(|pid| self.is_leaderless(pid));
        leaderless.sort_unstable();
        (leaderless != self.leaderless).then(|| {
            self.leaderless.clone_from(&leaderless);
            leaderless
        })
    }

    /// Returns true if the leader of this process has exited, and the process goes on.
    #[must_use]
    pub fn is_leaderless(&self, pid: u32) -> bool {
        self.processes.get(&pid).is_some_and(|process| process.leader_exit.is_some())
    }

    /// Records the status of the last thread of a leaderless process. It is the status of the process.
    pub fn set_last_thread(&mut self, pid: u32, status: ExitStatus) {
        self.position.0 += 1;
        let exit = self.processes.get_mut(&pid).and_then(|process| process.leader_exit.as_mut());
        // Threads that end themselves have the status 0, and may do so just before the last one.
        if let Some(exit) = exit.filter(|_| status != ExitStatus(0)) {
            exit.last_thread = Some(status);
        }
    }

    /// Returns true if the report of the last thread may still come of a process that ended before `noticed`. A leader that
    /// ends with its process, and has its status, does so just before, or has another status than 0.
    #[must_use]
    pub fn awaits_last_thread(&self, pid: u32, noticed: StreamPosition, now_ns: u64) -> bool {
        let exit = self.processes.get(&pid).and_then(|process| process.leader_exit.as_ref());
        exit.is_some_and(|exit| {
            exit.position <= noticed
                && exit.last_thread.is_none()
                && exit.status.is_none_or(|status| status == ExitStatus(0))
                && now_ns > exit.timestamp_ns.saturating_add(GROUP_EXIT_NS)
        })
    }

    /// Returns the processes, with their creation times, whose leader has exited and whose exit is not watched. The kernel
    /// sends nothing more about them.
    pub fn leaderless(&self) -> impl Iterator<Item = (u32, u64)> {
        self.processes.iter().filter_map(|(&pid, process)| {
            process.leader_exit.as_ref().filter(|exit| !exit.exit_watched).map(|_| (pid, process.start_time))
        })
    }

    /// Records that the exit of one of the leaderless processes is watched from now on.
    pub fn set_exit_watched(&mut self, pid: u32) {
        if let Some(exit) = self.processes.get_mut(&pid).and_then(|process| process.leader_exit.as_mut()) {
            exit.exit_watched = true;
        }
    }

    /// Reports the exit of a process whose leader exited before `noticed`. The kernel sends no further report of it.
    /// `status` is that of the process, if it could be read. Otherwise that of the last thread counts, and then the leader's.
    /// Returns false if the process is not known, or has called exec since.
    pub fn on_watched_exit(
        &mut self,
        pid: u32,
        noticed: StreamPosition,
        now_ns: u64,
        status: Option<ExitStatus>,
        sink: &mut impl EventSink,
    ) -> bool {
        let process = self.processes.get(&pid);
        let leader_exit = process.and_then(|process| process.leader_exit.as_deref().copied());
        let Some(exit) = leader_exit.filter(|exit| exit.position <= noticed) else { return false };
        let last_report_ns = process.and_then(Process::last_report_ns);
        let earlier_exit = self.exits_since_snapshot.as_ref().map(|exits| exits.get(&pid).copied());
        let LeaderExit { status: leaders, last_thread, ppid, .. } = exit;
        let status = status.or(last_thread).or(leaders);
        self.on_exit(pid, Exit { timestamp_ns: now_ns, status, ppid, origin: Origin::Kernel }, sink);
        // The process exited at some time before now. Another one that was created in between may have the pid.
        if let (Some(earlier), Some(last_report_ns), Some(exits)) =
            (earlier_exit, last_report_ns, &mut self.exits_since_snapshot)
        {
            exits.insert(pid, last_report_ns.max(earlier.unwrap_or(0)));
        }
        // If the exec of another thread was lost, the kernel still reports this exit.
        self.suppressed_exits.prune(now_ns);
        self.suppressed_exits.add(pid, now_ns, UNLIKELY_EXIT_WINDOW_NS);
        true
    }
}
