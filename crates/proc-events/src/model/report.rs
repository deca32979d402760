//! Reports of a thread of this program that notices processes by itself, where the kernel does not report them.

use crate::model::event::{ExitStatus, Origin};
use crate::model::snapshot::ObservedProcess;

/// A change of one process, as it was noticed.
#[derive(Clone, Debug)]
pub struct ProcessReport {
    /// The process id.
    pub pid: u32,
    /// Time of the change if the kernel has told it, else that at which it was noticed, in nanoseconds on
    /// `CLOCK_MONOTONIC`.
    pub timestamp_ns: u64,
    /// [`Origin::Kernel`] if a record of the kernel shows the change with its time, else [`Origin::Polling`].
    pub origin: Origin,
    /// The change.
    pub change: Change,
}

/// A change of a process.
#[derive(Clone, Debug)]
pub enum Change {
    /// The process was created. Carries what its stat shows.
    Forked(Box<ObservedProcess>),
    /// The process called exec. Carries the requested details, as far as they could be read.
    Execed(Box<ObservedProcess>),
    /// The process exited.
    Exited {
        /// Creation time, in clock ticks since boot; 0: the process was gone before it could be read.
        start_time: u64,
        /// The wait status; `None` if it could not be had.
        status: Option<ExitStatus>,
        /// The parent's pid; `None` if unknown.
        ppid: Option<u32>,
    },
    /// A thread renamed itself.
    Renamed {
        /// The thread id.
        tid: u32,
        /// The new comm, padded with NUL.
        comm: [u8; 16],
    },
}
