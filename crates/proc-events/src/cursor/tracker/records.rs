//! Applies the kernel's records of task events, where perf events can be had. A record shows a change with its time, and also
//! of a process that is gone before it can be looked at. Its exit status comes from its pidfd all the same.
//!
//! A process that the records show is not looked at again. All others are left to the cursor.

use super::ids::NEW_IDS_MAX;
use super::recorded::{Recorded, RecordedExec, complete, lacks_program};
use super::young::{Young, known};
use super::{CursorTracker, End, RECENT_NS};
use crate::cursor::host::{Details, Look, PidHost, PidOwner};
use crate::cursor::schedule::Phase;
use crate::model::event::Origin;
use crate::model::report::{Change, ProcessReport};
use crate::model::snapshot::{KnownProcess, ObservedProcess};
use crate::perf::record::{TaskChange, TaskRecord};

/// The cursor may notice a process just before its record is written. A record that is later than this may belong to another
/// process with the same pid.
const NOTICED_BEFORE_NS: u64 = 1_000_000;
/// The least time between two execs of one process. Two threads with an event each may both report the same one.
const EXEC_MIN_NS: u64 = 20_000;

const UNSEEN: KnownProcess = KnownProcess { start_time: 0, program: 0, never_execed: true };

impl<H> CursorTracker<H> {
    /// Applies a record. The records must be in the order of their times, and come before the exits that pidfds show.
    pub fn on_record(&mut self, host: &mut impl PidHost<Pidfd = H>, record: TaskRecord, now_ns: u64) {
        let TaskRecord { time_ns, pid, tid, change } = record;
        match change {
            TaskChange::Forked { .. } if tid != pid => {
                self.add_id(tid);
                if let Some(recorded) = self.recorded.get_mut(&pid).filter(|recorded| recorded.threads > 0) {
                    recorded.threads += 1;
                }
            }
            TaskChange::Forked { ppid } => self.on_recorded_fork(host, pid, ppid, time_ns, now_ns),
            TaskChange::Execed { comm } => self.on_recorded_exec(host, pid, comm, time_ns, now_ns),
            TaskChange::Mapped { path } => {
                let exec = self.recorded.get_mut(&pid).and_then(|recorded| recorded.exec.as_mut());
                if let Some(exec) = exec.filter(|exec| exec.exe.is_empty() && !exec.has_lost_exe) {
                    exec.exe = path;
                }
            }
            TaskChange::Renamed { comm } => self.push_recorded(pid, time_ns, Change::Renamed { tid, comm }),
            TaskChange::Exited { ppid } => self.on_recorded_exit(host, (pid, tid), ppid, time_ns, now_ns),
        }
    }

    /// Returns true if records have shown all ids from the last one that was looked at to this one.
    #[must_use]
    pub fn has_recorded_up_to(&self, last: u32) -> bool {
        let ids = self.last..last;
        ids.len() <= self.recorded_ids.len()
            && ids.into_iter().all(|id| self.recorded_ids.contains(&(id + 1)))
    }

    /// From now on, each change has a record within `record_ns` nanoseconds, unless it is lost.
    pub const fn set_record_ns(&mut self, record_ns: u64) {
        (self.record_ns, self.list_wait_ns) = (record_ns, record_ns);
    }

    /// Records were lost. A list shows new processes, and snapshots the rest.
    pub fn on_lost_records(&mut self) {
        let processes = &self.processes;
        // Nothing else would show their exit.
        self.recorded.retain(|pid, _| processes.contains_key(pid));
        self.young.retain(|young| processes.contains_key(&young.pid));
        self.needs_list = true;
    }

    /// Records of programs were lost. The next mapped file of an exec may be a library.
    pub fn on_lost_programs(&mut self) {
        for exec in self.recorded.values_mut().filter_map(|recorded| recorded.exec.as_mut()) {
            exec.has_lost_exe |= exec.exe.is_empty();
        }
    }

    /// There are no further records. The processes that they showed are looked at from now on.
    pub fn on_records_end(&mut self, now_ns: u64) {
        self.recorded_ids.clear();
        self.leaving.clear();
        (self.record_ns, self.list_wait_ns) = (0, 0);
        for (pid, recorded) in std::mem::take(&mut self.recorded) {
            let is_running = self.processes.get(&pid).is_some_and(|known| known.end == End::None);
            if is_running && !self.young.iter().any(|young| young.pid == pid) {
                self.look_again(pid, recorded.seen, now_ns);
            }
        }
    }

    pub(super) fn look_again(&mut self, pid: u32, seen: KnownProcess, now_ns: u64) {
        let phase = if seen.never_execed { Phase::Forked } else { Phase::Running };
        self.young.push(Young::due(pid, phase, seen, now_ns));
    }

    /// Remembers that a record has shown this id, so that the cursor need not look at it.
    fn add_id(&mut self, id: u32) {
        // The cursor does not come by if it does not work.
        if self.recorded_ids.len() >= NEW_IDS_MAX as usize {
            self.recorded_ids.clear();
        }
        self.recorded_ids.insert(id);
    }

    pub(super) fn push_recorded(&mut self, pid: u32, timestamp_ns: u64, change: Change) {
        self.reports.push(ProcessReport { pid, timestamp_ns, origin: Origin::Kernel, change });
    }

    fn on_recorded_fork(
        &mut self,
        host: &mut impl PidHost<Pidfd = H>,
        pid: u32,
        ppid: u32,
        time_ns: u64,
        now_ns: u64,
    ) {
        self.add_id(pid);
        if let Some(known) = self.processes.get(&pid) {
            // Its parent may have lost the CPU before the record. The process does not run until that is written.
            if known.noticed_ns + NOTICED_BEFORE_NS > time_ns || !known.has_left(host, pid) {
                // The cursor was first, and has reported it, unless it was too late to read it.
                let start_time = known.start_time;
                let seen = KnownProcess { start_time, ..UNSEEN };
                self.recorded.entry(pid).or_insert_with(|| Recorded::new(1, Some(ppid), seen));
                self.young.retain(|young| young.pid != pid || young.phase != Phase::Forked);
                if start_time == 0 {
                    let observed = unread(pid, ppid, time_ns);
                    self.push_recorded(pid, time_ns, Change::Forked(Box::new(observed)));
                }
                return;
            }
            // The kernel has given the id out again. The exit of the process that had it before comes first.
            let status = host.reaped_status(&known.pidfd);
            self.finish(host, pid, status, true, now_ns);
        }
        self.recorded.remove(&pid);
        let mut observed = unread(pid, ppid, time_ns);
        match host.open(pid) {
            PidOwner::Process(pidfd) => {
                let look = host.look(pid).map(|look| look.observed);
                // A process that is gone has a status all the same.
                self.track(host, pid, pidfd, look.as_ref(), now_ns);
                observed = look.unwrap_or(observed);
            }
            PidOwner::Unknown => self.set_limited(),
            PidOwner::Thread | PidOwner::Free => {}
        }
        // It may have called exec since. The record of that follows.
        let seen = KnownProcess { start_time: observed.start_time, ..UNSEEN };
        self.recorded.insert(pid, Recorded::new(1, Some(observed.ppid), seen));
        self.push_recorded(pid, time_ns, Change::Forked(Box::new(observed)));
    }

    fn on_recorded_exec(
        &mut self,
        host: &mut impl PidHost<Pidfd = H>,
        pid: u32,
        comm: [u8; 16],
        time_ns: u64,
        now_ns: u64,
    ) {
        let known = self.processes.get(&pid);
        if known.is_some_and(|known| known.execed_ns >= time_ns) {
            // The cursor was first, and has reported it.
            return;
        }
        let mut look = host.look(pid);
        if known.is_none() && !self.recorded.contains_key(&pid) {
            if look.is_none() {
                // The record of its fork was lost, and its exit may have been reported.
                return;
            }
            // It could not be watched before, or the record of its fork was lost.
            self.add_id(pid);
            if let PidOwner::Process(pidfd) = host.open(pid) {
                self.track(host, pid, pidfd, look.as_ref().map(|look| &look.observed), now_ns);
            }
        }
        let known = self.processes.get(&pid).map(|known| (known.start_time, known.ppid));
        if let (Some(observed), Some((start_time, _))) = (&look, known)
            && start_time != 0
            && observed.observed.start_time != start_time
        {
            look = None;
        }
        let recorded = self.recorded.entry(pid).or_insert_with(|| {
            let (start_time, ppid) = known.unwrap_or((0, None));
            Recorded::new(0, ppid, KnownProcess { start_time, ..UNSEEN })
        });
        if recorded.execed_ns != 0 && time_ns < recorded.execed_ns + EXEC_MIN_NS {
            return;
        }
        let (seen, ppid) = (recorded.seen, recorded.ppid);
        // The cursor may have seen the same exec, and have waited for its arguments.
        let is_same =
            |young: &Young| young.pid == pid && young.phase == Phase::Starting && young.since_ns >= time_ns;
        if recorded.exec.is_none() {
            self.young.retain(|young| !is_same(young));
        }
        self.stop_looking(pid, now_ns);
        let Some(recorded) = self.recorded.get_mut(&pid) else { return };
        // The exec has ended all other threads.
        (recorded.threads, recorded.execed_ns, recorded.exited_ns) = (1, time_ns, 0);
        recorded.exec = Some(RecordedExec { time_ns, comm, exe: Box::default(), has_lost_exe: false });
        let start_time = look.as_ref().map_or(seen.start_time, |look| look.observed.start_time);
        let seen = KnownProcess { start_time, ..seen };
        let mut young = Young::due(pid, Phase::Starting, seen, now_ns);
        let look = match look {
            Some(look) if !look.is_zombie => {
                self.follow(host, young, look, now_ns);
                return;
            }
            // The process has exited. The record of its program follows, and then that of its exit.
            Some(zombie) => zombie,
            None => {
                let ppid = ppid.unwrap_or(0);
                let observed = ObservedProcess { pid, ppid, start_time, comm, ..ObservedProcess::default() };
                Look { observed, is_mid_exec: false, is_exiting: true, is_zombie: true, status: None }
            }
        };
        let Details { observed, .. } = host.details(&look);
        young.starting = Some(Box::new(Look { observed, ..look }));
        self.young.push(young);
    }

    /// Returns true if the record of the program is not read yet of a process in an exec. If the process is gone, the record
    /// is written, and that of its exit, too, which reports the exec at the latest.
    pub(super) fn awaits_program(&self, young: &Young) -> bool {
        let exec = self.recorded.get(&young.pid).and_then(|recorded| recorded.exec.as_ref());
        let starting = young.starting.as_ref();
        exec.is_some_and(|exec| exec.exe.is_empty() && !exec.has_lost_exe)
            && starting.is_some_and(|look| lacks_program(&look.observed))
    }

    /// Ends the looks at a process, and reports its exec if that is not done yet.
    pub(super) fn stop_looking(&mut self, pid: u32, now_ns: u64) {
        if let Some(at) = self.young.iter().position(|young| young.pid == pid) {
            let young = self.young.swap_remove(at);
            self.report_start(young, now_ns);
        }
    }

    /// Adds to a change what the records show of it. Returns the time of the change if they show it.
    pub(super) fn complete_from_records(
        &mut self,
        pid: u32,
        change: &mut Change,
        now_ns: u64,
    ) -> Option<u64> {
        match change {
            Change::Execed(observed) => {
                let recorded = self.recorded.get_mut(&pid)?;
                let exec = recorded.exec.take()?;
                complete(observed, &exec);
                recorded.seen = known(observed);
                Some(exec.time_ns)
            }
            Change::Exited { ppid, start_time, .. } => {
                let recorded = self.recorded.remove(&pid)?;
                self.leaving.retain(|&(leaving, _)| leaving != pid);
                *ppid = recorded.ppid.or(*ppid);
                // The record of the last thread may have been lost, unless the process was gone at the first look.
                let is_its = *start_time == 0 || recorded.exited_ns + RECENT_NS > now_ns;
                (recorded.exited_ns != 0 && is_its).then_some(recorded.exited_ns)
            }
            Change::Forked(_) | Change::Renamed { .. } => None,
        }
    }
}

/// Returns a new process that could not be read.
fn unread(pid: u32, ppid: u32, start_ns: u64) -> ObservedProcess {
    ObservedProcess { pid, ppid, start_ns, never_execed: true, ..ObservedProcess::default() }
}
