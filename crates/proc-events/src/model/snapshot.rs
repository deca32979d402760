//! Snapshots of `/proc`. Inert values.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::model::event::{ExitStatus, ProcessInfo};

/// One process as `/proc` shows it.
#[derive(Clone, Debug, Default)]
pub struct ObservedProcess {
    /// The process id.
    pub pid: u32,
    /// The parent's pid.
    pub ppid: u32,
    /// The session id: the pid of the session leader, which may have exited.
    pub session: u32,
    /// Creation time, in clock ticks since boot. Together with the pid it identifies the process.
    pub start_time: u64,
    /// Creation time, in nanoseconds on `CLOCK_MONOTONIC`, rounded down to a clock tick.
    pub start_ns: u64,
    /// True if the process has not called exec since its fork, or is a kernel thread.
    pub never_execed: bool,
    /// True for a kernel thread.
    pub is_kernel_thread: bool,
    /// True if the leader thread has exited while other threads run.
    pub leader_exited: bool,
    /// A number that changes when the process executes another program; 0: unknown.
    pub program: u64,
    /// The kernel's name of the leader thread, padded with NUL.
    pub comm: [u8; 16],
    /// The requested details.
    pub process: Option<Arc<ProcessInfo>>,
    /// Time before the process was read, in nanoseconds on `CLOCK_MONOTONIC`; 0: unknown.
    pub began_ns: u64,
    /// Time after the process was read, in nanoseconds on `CLOCK_MONOTONIC`; 0: it was not read.
    pub read_ns: u64,
}

impl ObservedProcess {
    /// Returns true if the process may run this program. An unknown one counts as the same.
    pub(crate) const fn may_run(&self, program: u64) -> bool {
        self.program == 0 || program == 0 || self.program == program
    }

    /// Adds the details that this lacks from a `later` reading, unless that shows another program.
    pub(crate) fn add_details(&mut self, later: &Self) {
        let is_known = later.start_time != 0;
        if !is_known || later.start_time == self.start_time && later.may_run(self.program) {
            ProcessInfo::fill(&mut self.process, later.process.as_ref());
        }
    }
}

/// A process, as its stat shows it.
#[derive(Clone, Debug)]
pub struct Look {
    /// The process, without details.
    pub observed: ObservedProcess,
    /// True if an exec is about to replace the program.
    pub is_mid_exec: bool,
    /// True if the main thread exits or has exited.
    pub is_exiting: bool,
    /// True if the process has exited, and its parent has not reaped it.
    pub is_zombie: bool,
    /// The wait status of a zombie; `None` if this user may not see it.
    pub status: Option<ExitStatus>,
}

/// A snapshot of `/proc`.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// Every process that was running.
    pub processes: Vec<ObservedProcess>,
    /// The listed pids whose process had disappeared when it was read.
    pub unread: Vec<u32>,
}

/// The identity of a process and of its program. A snapshot does not read the details of a known process again.
#[derive(Clone, Copy, Debug)]
pub struct KnownProcess {
    /// See [`ObservedProcess::start_time`].
    pub start_time: u64,
    /// See [`ObservedProcess::program`].
    pub program: u64,
    /// See [`ObservedProcess::never_execed`].
    pub never_execed: bool,
}

/// The processes whose details are known, by pid.
pub type KnownProcesses = FxHashMap<u32, KnownProcess>;

impl KnownProcess {
    /// Returns true if `observed` is this process and runs the same program. An unknown program counts as the same.
    #[must_use]
    pub const fn is(&self, observed: &ObservedProcess) -> bool {
        self.start_time == observed.start_time
            && self.never_execed == observed.never_execed
            && observed.may_run(self.program)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::interest::{Field, Fields};

    fn observed(start_time: u64, program: u64, process: ProcessInfo) -> ObservedProcess {
        ObservedProcess {
            start_time,
            program,
            process: Some(Arc::new(process)),
            ..ObservedProcess::default()
        }
    }

    #[test]
    fn missing_details_of_the_same_program_are_added() {
        let requested = Fields::NONE.with(Field::Name);
        let name = ProcessInfo { requested, name: Some("first".into()), ..ProcessInfo::default() };
        let requested = Fields::NONE.with(Field::Name).with(Field::Uid);
        let both =
            ProcessInfo { requested, name: Some("renamed".into()), uid: Some(7), ..ProcessInfo::default() };
        let all = ProcessInfo { name: Some("first".into()), ..both.clone() };
        for (start_time, program, expected) in
            [(5, 1, &all), (5, 0, &all), (0, 0, &all), (5, 2, &name), (6, 1, &name)]
        {
            let mut first = observed(5, 1, name.clone());
            first.add_details(&observed(start_time, program, both.clone()));
            assert_eq!(first.process.as_deref(), Some(expected), "{start_time} {program}");
        }
    }
}
