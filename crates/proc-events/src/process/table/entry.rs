//! The table's entry for one live process, and how to tell it from a later process with the same pid. Pure.

use std::sync::Arc;

use crate::model::event::{ExitStatus, ProcessInfo, RunTime};
use crate::model::snapshot::ObservedProcess;
use crate::model::stream_position::StreamPosition;
use crate::procfs::comm_text;

/// The exit of a process's leader while other threads go on. All fields are unknown if only `/proc` showed it.
#[derive(Clone, Copy, Debug, Default)]
pub struct LeaderExit {
    /// Position in the stream. The table sets it.
    pub position: StreamPosition,
    /// True if the exit of the process is watched since.
    pub exit_watched: bool,
    /// Time of the exit, in nanoseconds.
    pub timestamp_ns: u64,
    /// Status of the leader.
    pub status: Option<ExitStatus>,
    /// Status of the last thread, other than 0, if the kernel has reported it.
    pub last_thread: Option<ExitStatus>,
    /// The parent at that time.
    pub ppid: Option<u32>,
}

/// The longest time between the moment at which `/proc` shows a new program and the kernel's report of that exec.
pub(super) const SHOWN_BEFORE_NS: u64 = 50_000_000;

#[expect(clippy::struct_excessive_bools, reason = "each is a property of its own")]
#[derive(Debug, Default)]
pub(super) struct Process {
    /// Time of the last exec that was reported; 0 if none was.
    pub(super) exec_ns: u64,
    /// Clock ticks since boot; 0 until the process was observed in `/proc`.
    pub(super) start_time: u64,
    /// True if `start_time` was observed since the last exec. Otherwise it may be that of an earlier process.
    pub(super) is_identified: bool,
    /// See [`ObservedProcess::start_ns`].
    start_ns: u64,
    /// The parent as it was observed last, together with `start_time`; 0 if it was not.
    ppid: u32,
    /// See [`ObservedProcess::program`].
    pub(super) program: u64,
    /// See [`ObservedProcess::never_execed`].
    pub(super) never_execed: bool,
    /// See [`ObservedProcess::is_kernel_thread`].
    pub(super) is_kernel_thread: bool,
    /// See [`ObservedProcess::comm`].
    comm: [u8; 16],
    /// Time of the last rename that was reported; 0 if none was.
    renamed_ns: u64,
    /// Time before the arguments were read again, after a rename; 0 if they were not.
    pub(super) recaptured_ns: u64,
    /// Time at which the details were read last; 0 if they were not.
    read_ns: u64,
    /// True if subscribers know the process. Only a scan reports a process that has never called exec.
    pub(super) reported: bool,
    /// Position of the last exec in the stream; the start of the stream if none was reported.
    pub(super) position: StreamPosition,
    /// The exit of the leader, if the process ran on. Boxed because it is rare, and entries are copied often.
    pub(super) leader_exit: Option<Box<LeaderExit>>,
    pub(super) info: Option<Arc<ProcessInfo>>,
}

impl Process {
    /// Returns the entry for a process that a snapshot shows.
    pub(super) fn observed(observed: &ObservedProcess) -> Self {
        let mut process = Self {
            never_execed: observed.never_execed,
            is_kernel_thread: observed.is_kernel_thread,
            ..Self::default()
        };
        process.update_from(observed);
        process
    }

    /// Returns the entry for a process without a reported exec. If there was an exec, its report or the next snapshot shows
    /// it.
    pub(super) fn without_exec(observed: &ObservedProcess) -> Self {
        Self::observed(&ObservedProcess { never_execed: true, ..observed.clone() })
    }

    /// Adds what a snapshot shows of the same program. Details that were captured at the exec stay, because they may have
    /// changed since.
    pub(super) fn update_from(&mut self, observed: &ObservedProcess) {
        self.identify(observed);
        if observed.program != 0 {
            self.program = observed.program;
        }
        self.never_execed &= observed.never_execed;
        if observed.leader_exited {
            self.leader_exit.get_or_insert_default();
        }
        self.comm = observed.comm;
        self.read_ns = observed.read_ns;
        ProcessInfo::fill(&mut self.info, observed.process.as_ref());
        // The report of a rename may have been lost. A rename during the read is later than what was read.
        if observed.began_ns > self.renamed_ns {
            self.set_comm(observed.comm);
        }
    }

    /// Records a rename of the main thread.
    pub(super) fn rename(&mut self, comm: [u8; 16], renamed_ns: u64) {
        self.renamed_ns = renamed_ns;
        self.set_comm(comm);
    }

    fn set_comm(&mut self, comm: [u8; 16]) {
        if let Some(info) = self.info.as_mut().filter(|info| info.comm.is_some()) {
            let comm = comm_text(&comm);
            if info.comm.as_deref() != Some(&*comm) {
                Arc::make_mut(info).comm = Some(comm);
            }
        }
    }

    /// Replaces the arguments.
    pub(super) fn recapture(&mut self, observed: &ObservedProcess) {
        self.recaptured_ns = observed.began_ns;
        if let (Some(info), Some(later)) = (&mut self.info, &observed.process) {
            ProcessInfo::replace_argv(info, later.argv.as_ref());
        }
    }

    /// Returns true if `observed` runs the program of the last exec, as far as is known.
    pub(super) const fn is_same_program(&self, observed: &ObservedProcess) -> bool {
        observed.may_run(self.program)
    }

    /// Replaces the program by one that a snapshot shows, and whose exec was not reported.
    pub(super) fn replace_program(&mut self, observed: &ObservedProcess) {
        (self.program, self.never_execed, self.info) = (0, false, None);
        self.update_from(observed);
    }

    /// Returns true if the exec at `exec_ns` started the program that a snapshot has shown already: `/proc` shows a new
    /// program before the kernel reports the exec. `observed` is the process as it is now; its creation time is 0 if the
    /// process has exited.
    pub(super) fn is_exec_of_shown(&self, exec_ns: u64, observed: &ObservedProcess) -> bool {
        let is_recent = self.start_ns.saturating_add(SHOWN_BEFORE_NS) >= self.read_ns;
        let is_same = if observed.start_time == 0 {
            is_recent
        } else if self.program != 0 && observed.program != 0 {
            self.program == observed.program
        } else {
            is_recent && self.comm == observed.comm
        };
        self.may_be_exec_of_shown(exec_ns) && is_same
    }

    /// Returns true if the process must be observed to decide [`Process::is_exec_of_shown`].
    pub(super) const fn may_be_exec_of_shown(&self, exec_ns: u64) -> bool {
        self.exec_ns == 0
            && self.reported
            && !self.never_execed
            && self.read_ns != 0
            && exec_ns <= self.read_ns.saturating_add(SHOWN_BEFORE_NS)
    }

    /// Records the exec of the program that a snapshot has shown already.
    pub(super) fn confirm_exec(&mut self, exec_ns: u64, observed: &ObservedProcess) {
        (self.exec_ns, self.leader_exit) = (exec_ns, None);
        if observed.start_time != 0 {
            self.update_from(observed);
        }
    }

    /// Returns true if the details may be those of the program that this exec has started. They were read after the exec,
    /// or during it. `observed` is the process as it is now.
    pub(super) const fn is_read_from(&self, exec_ns: u64, observed: &ObservedProcess) -> bool {
        let is_later = self.read_ns != 0 && self.read_ns >= exec_ns;
        self.exec_ns != 0 && (is_later || self.program != 0 && self.program == observed.program)
    }

    /// Records an exec. `observed` is the process at the exec, or empty if it was not read.
    pub(super) fn on_exec(&mut self, exec_ns: u64, position: StreamPosition, observed: &ObservedProcess) {
        self.is_identified = false;
        self.identify(observed);
        self.exec_ns = exec_ns;
        self.position = position;
        self.program = observed.program;
        (self.comm, self.read_ns) = (observed.comm, observed.read_ns);
        (self.renamed_ns, self.recaptured_ns) = (0, 0);
        self.never_execed = false;
        self.is_kernel_thread = false;
        self.reported = true;
        self.leader_exit = None;
        self.info.clone_from(&observed.process);
    }

    /// Sets the creation time, if it was observed.
    pub(super) const fn identify(&mut self, observed: &ObservedProcess) {
        if observed.start_time != 0 {
            (self.start_time, self.start_ns) = (observed.start_time, observed.start_ns);
            self.ppid = observed.ppid;
            self.is_identified = true;
        }
    }

    /// Returns the parent as it was observed last, for an exit whose report has none. The kernel does not know a parent that
    /// has reaped the process before the report.
    pub(super) fn parent(&self) -> Option<u32> {
        Some(self.ppid).filter(|&ppid| self.is_identified && ppid != 0)
    }

    /// Returns the time of the last report, 0 if there was none.
    fn report_ns(&self) -> u64 {
        self.leader_exit.as_ref().map_or(0, |exit| exit.timestamp_ns).max(self.exec_ns)
    }

    /// Returns the time of the last report, if there was one. The process was created before it.
    pub(super) fn last_report_ns(&self) -> Option<u64> {
        Some(self.report_ns()).filter(|report_ns| *report_ns != 0)
    }

    /// Returns true if the process began after `exit_ns`, so that an exit at that time is not its own.
    pub(super) fn began_after(&self, exit_ns: u64) -> bool {
        self.report_ns().max(self.start_ns) > exit_ns
    }

    /// Returns true if `observed` is a later process with the same pid, created after the last report of this one.
    pub(super) fn is_before(&self, observed: &ObservedProcess) -> bool {
        if self.is_identified {
            return observed.start_time > self.start_time;
        }
        self.start_time != observed.start_time && observed.start_ns > self.report_ns()
    }

    /// Returns true if `observed` is an earlier process with the same pid.
    pub(super) const fn is_after(&self, observed: &ObservedProcess) -> bool {
        // Ticks are exact. The nanoseconds are computed from two clock readings, and vary with them.
        self.start_time > observed.start_time
    }

    /// Returns true if the process has called exec since it was last reported or observed.
    pub(super) fn has_execed_as(&self, observed: &ObservedProcess) -> bool {
        if self.never_execed || observed.never_execed {
            return !observed.never_execed;
        }
        if self.program != 0 && observed.program != 0 {
            return self.program != observed.program;
        }
        let exe = |info: &Option<Arc<ProcessInfo>>| info.as_ref().and_then(|info| info.exe.clone());
        match (exe(&self.info), exe(&observed.process)) {
            (Some(before), Some(now)) => before != now,
            _ => false,
        }
    }

    /// Returns the time since the last exec if it was reported, else since the creation if that was observed. The clocks
    /// of two CPUs may differ slightly.
    pub(super) fn run_time(&self, now_ns: u64) -> Option<RunTime> {
        if self.exec_ns != 0 {
            Some(RunTime::SinceExec(now_ns.saturating_sub(self.exec_ns)))
        } else if self.is_identified {
            Some(RunTime::SinceStart(now_ns.saturating_sub(self.start_ns)))
        } else {
            None
        }
    }
}
