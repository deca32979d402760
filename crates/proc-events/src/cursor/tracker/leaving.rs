//! Applies the kernel's records of exits.

use super::recorded::Recorded;
use super::{CursorTracker, End, Tracked};
use crate::cursor::host::PidHost;
use crate::model::report::Change;
use crate::model::snapshot::{KnownProcess, ObservedProcess};

/// Time that a process has to disappear after its last thread has exited. If it still runs, it has called exec with other
/// rights, and is recorded no longer.
const LEAVE_NS: u64 = 2_000_000;
/// The least and the longest time between two such checks of a process that takes longer, as one whose threads run on without the
/// first one.
const LEAVE_RETRY_NS: [u64; 2] = [10_000_000, 1_000_000_000];

impl<H> CursorTracker<H> {
    pub(super) fn on_recorded_exit(
        &mut self,
        host: &mut impl PidHost<Pidfd = H>,
        (pid, tid): (u32, u32),
        ppid: u32,
        time_ns: u64,
        now_ns: u64,
    ) {
        let known = self.processes.get(&pid).map(|known| (known.start_time, known.ppid, known.end));
        if !self.recorded.contains_key(&pid) && known.is_none_or(|(_, _, end)| end == End::Reported) {
            return;
        }
        let recorded = self.recorded.entry(pid).or_insert_with(|| {
            let (start_time, ppid, _) = known.unwrap_or((0, None, End::None));
            Recorded::new(0, ppid, KnownProcess { start_time, never_execed: false, program: 0 })
        });
        recorded.exited_ns = time_ns;
        // Before Linux 5.6 it is the process itself.
        if ppid != 0 && ppid != pid {
            recorded.ppid = Some(ppid);
        }
        let is_last = match recorded.threads {
            0 => tid == pid,
            threads => {
                recorded.threads = (threads - 1).max(1);
                threads == 1
            }
        };
        if !is_last {
            return;
        }
        if known.is_some() {
            // The pidfd shows the end of the process.
            self.leaving.push((pid, now_ns + LEAVE_NS));
            return;
        }
        let (start_time, ppid) = (recorded.seen.start_time, recorded.ppid);
        // It was gone before it could be watched, or no descriptor is left.
        let is_it = |known: &ObservedProcess| {
            // Another process may have the pid by now.
            if start_time == 0 { known.start_ns <= time_ns } else { known.start_time == start_time }
        };
        let look = host.look(pid).filter(|look| is_it(&look.observed));
        self.stop_looking(pid, now_ns);
        if look.is_some_and(|look| !look.is_exiting && !look.is_zombie) {
            // It runs on with other rights. Snapshots show it.
            self.recorded.remove(&pid);
            return;
        }
        self.count_end(0);
        let mut exit = Change::Exited { start_time, status: None, ppid };
        self.complete_from_records(pid, &mut exit, now_ns);
        self.push_recorded(pid, time_ns, exit);
    }

    /// Looks at the processes that still run although a record has shown the exit of their last thread.
    pub(super) fn check_leaving(&mut self, host: &mut impl PidHost<Pidfd = H>, now_ns: u64) {
        while let Some(at) = self.leaving.iter().position(|&(_, until_ns)| until_ns <= now_ns) {
            let (pid, _) = self.leaving.swap_remove(at);
            let is_running = |known: &&Tracked<H>| known.end == End::None;
            let known = self.processes.get(&pid).filter(is_running);
            let is_open = known.is_some_and(|known| !host.has_exited(&known.pidfd));
            let is_due = |recorded: &&Recorded| recorded.exited_ns != 0;
            let Some(recorded) = self.recorded.get(&pid).filter(|recorded| is_open && is_due(recorded))
            else {
                continue;
            };
            let (seen, age_ns) = (recorded.seen, now_ns.saturating_sub(recorded.exited_ns));
            let is_leaving = match host.look(pid) {
                // It waits for a CPU, or closes its files.
                Some(look) => look.is_exiting,
                // Its parent has just reaped it, or it is hidden from this user.
                None => known.is_some_and(|known| host.has_exited(&known.pidfd)),
            };
            if is_leaving {
                let [least_ns, longest_ns] = LEAVE_RETRY_NS;
                self.leaving.push((pid, now_ns + age_ns.clamp(least_ns, longest_ns)));
            } else {
                self.recorded.remove(&pid);
                self.look_again(pid, seen, now_ns);
            }
        }
    }
}
