//! Processes whose leader, the main thread, has exited before the others.

use super::Pipeline;
use crate::connector::source::DatagramSource;
use crate::model::event::ExitStatus;
use crate::model::interest::Fields;
use crate::model::snapshot::ObservedProcess;
use crate::model::stream_position::StreamPosition;
use crate::process::inspector::{Liveness, ProcessInspector};

impl<D: DatagramSource, P: ProcessInspector> Pipeline<'_, D, P> {
    /// Returns the process if this may be the exit of its leader only, and true if the exit of the process is watched from
    /// now on.
    pub(super) fn leader_exit_only(&mut self, pid: u32, exit_ns: u64) -> Option<(ObservedProcess, bool)> {
        if !self.processes.supports_pidfd() {
            return None;
        }
        let pidfd = match self.processes.liveness(pid) {
            Liveness::Exited => return None,
            Liveness::Unknown => None,
            Liveness::Alive(pidfd) => Some(pidfd),
        };
        let observed = self.processes.observe(pid, Fields::NONE);
        // A process that was created later has inherited the pid.
        if observed.as_ref().is_some_and(|observed| observed.start_ns > exit_ns) {
            return None;
        }
        let exit_watched = self.watch_process(pid, pidfd);
        if observed.is_none() || !exit_watched {
            self.resync.schedule_recheck();
        }
        // The process may be hidden from this user.
        Some((observed.unwrap_or(ObservedProcess { pid, ..ObservedProcess::default() }), exit_watched))
    }

    /// Handles the exit of a thread that is no leader. If its process has exited, its status may be that of the process.
    pub(super) fn handle_thread_exit(&mut self, pid: u32, status: ExitStatus) {
        self.stats.ignored.count();
        if !self.table.is_leaderless(pid) || !matches!(self.processes.liveness(pid), Liveness::Exited) {
            return;
        }
        self.table.set_last_thread(pid, status);
        let pending = self.pending_exits.get(&pid).filter(|_| status != ExitStatus(0));
        if let Some((noticed, noticed_ns)) = pending.map(|pending| (pending.noticed, pending.noticed_ns)) {
            let status = self.processes.exit_status(pid);
            self.end_leaderless(pid, noticed, noticed_ns, status);
        }
    }

    /// Reports the exit of a process whose leader exited before `noticed`. Returns false if there is no such process.
    pub(super) fn end_leaderless(
        &mut self,
        pid: u32,
        noticed: StreamPosition,
        noticed_ns: u64,
        status: Option<ExitStatus>,
    ) -> bool {
        let is_reported =
            self.change_table(|table, sink| table.on_watched_exit(pid, noticed, noticed_ns, status, sink));
        if is_reported {
            self.after_exit(pid);
        }
        is_reported
    }
}
