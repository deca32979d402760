//! What was seen in `/proc`. Inert values.

use std::sync::Arc;

use crate::event::ProcessInfo;

/// One process as it was seen in `/proc`.
#[derive(Clone, Debug, Default)]
pub struct Sighting {
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
    pub leader_left: bool,
    /// What tells one program of the same process from the next; 0 where this cannot be seen.
    pub program: u64,
    /// The details that were asked for.
    pub process: Option<Arc<ProcessInfo>>,
    /// Nanoseconds on `CLOCK_MONOTONIC` after the details had been read; 0: nothing was read.
    pub read_ns: u64,
}

/// One look at `/proc`.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// Every process that was running.
    pub sightings: Vec<Sighting>,
}
