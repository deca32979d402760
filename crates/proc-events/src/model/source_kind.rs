//! The kinds of event source.

/// A kind of event source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum SourceKind {
    /// The kernel's process connector.
    #[default]
    Netlink,
    /// A thread of this program looks at `/proc`. It misses some short-lived processes.
    Polling,
}

/// The way in which processes are noticed where the kernel does not report them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum Watching {
    /// The process connector reports them, or nothing is open yet.
    #[default]
    Nothing,
    /// Snapshots of `/proc` only. They miss processes that start and exit between two snapshots.
    Snapshot,
    /// The last process id, and a pidfd of each process.
    Cursor,
    /// The kernel's records of task events. The last process id shows what these cannot.
    Perf,
}
