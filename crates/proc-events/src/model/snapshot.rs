//! What was seen in `/proc`. Inert values.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::model::event::ProcessInfo;

/// One process as it was seen in `/proc`.
#[derive(Clone, Debug, Default)]
pub struct ObservedProcess {
    /// The process id.
    pub pid: u32,
    /// The parent.
    pub ppid: u32,
    /// The process that leads the session, or has.
    pub session: u32,
    /// Clock ticks since boot; with the pid an identity.
    pub start_time: u64,
    /// The same, in nanoseconds on `CLOCK_MONOTONIC`, to the tick below.
    pub start_ns: u64,
    /// Forked, and has not called exec since (or a kernel thread).
    pub never_execed: bool,
    /// Its leader has ended, but other threads of it go on.
    pub leader_exited: bool,
    /// What tells one program of the same process from the next; 0 where this cannot be seen.
    pub program: u64,
    /// The kernel's name of the main thread, padded with NUL.
    pub comm: [u8; 16],
    /// The details that were asked for.
    pub process: Option<Arc<ProcessInfo>>,
    /// Nanoseconds on `CLOCK_MONOTONIC` after the process had been read; 0: it was not.
    pub read_ns: u64,
}

/// One look at `/proc`.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// Every process that was running.
    pub processes: Vec<ObservedProcess>,
    /// The listed pids whose process had disappeared when it was read.
    pub unread: Vec<u32>,
}

/// Tells a process whose details are known already, and need not be read again, from another one or another program.
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
    /// Returns true if `seen` is this process and, as far as that is visible, still runs this program.
    #[must_use]
    pub const fn is(&self, seen: &ObservedProcess) -> bool {
        let is_visible = self.program != 0 && seen.program != 0;
        self.start_time == seen.start_time
            && self.never_execed == seen.never_execed
            && (!is_visible || self.program == seen.program)
    }
}
