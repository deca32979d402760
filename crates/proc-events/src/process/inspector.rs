//! What the pipeline asks of the processes of a machine, as a trait that a simulation can stand in for.

use std::io;

use crate::model::event::ExitStatus;
use crate::model::interest::Fields;
use crate::model::snapshot::ObservedProcess;

/// A call of exec, as it was reported.
#[derive(Clone, Copy, Debug)]
pub struct Exec {
    /// The process.
    pub pid: u32,
    /// The CPU that reported it, and the report's number among those of that CPU.
    pub cpu: u32,
    /// See `cpu`.
    pub seq: u32,
    /// When: nanoseconds on `CLOCK_MONOTONIC`.
    pub timestamp_ns: u64,
}

/// Whether a process is still running, though only one of its threads were left.
#[derive(Debug)]
pub enum Liveness<H> {
    /// It is; with a hold on it.
    Alive(H),
    /// It has ended, or the number is that of a thread.
    Exited,
    /// This cannot be told now: for want of descriptors, say.
    Unknown,
}

/// The processes of the machine: what can be read of them, and whether they are still running.
pub trait ProcessInspector {
    /// A hold on a running process, which tells when it ends.
    type Pidfd;

    /// Whether [`ProcessInspector::liveness`] can ever tell. Where it cannot, as on kernels before 5.3, the exit of its leader
    /// is taken for that of the process.
    fn supports_pidfd(&self) -> bool;

    /// Whether the process is still running.
    fn liveness(&self, pid: u32) -> Liveness<Self::Pidfd>;

    /// Awaits the end of a process.
    ///
    /// # Errors
    /// Where the machine refuses to watch it.
    fn watch_exit(&mut self, pid: u32, pidfd: Self::Pidfd) -> io::Result<()>;

    /// No longer awaits it.
    fn forget(&mut self, pid: u32);

    /// `fields` of the process that made this call, as far as they could be read.
    fn capture(&mut self, exec: Exec, fields: Fields) -> ObservedProcess;

    /// The process that has this pid now, with `fields`; `None` if it has ended, or is hidden from this user.
    fn observe(&mut self, pid: u32, fields: Fields) -> Option<ObservedProcess>;

    /// How a process has ended that its parent has not collected; `Some(None)` where that may not be seen, `None` where
    /// there is no such process.
    fn zombie_status(&mut self, pid: u32) -> Option<Option<ExitStatus>>;

    /// How a process whose end was awaited has ended; `None` where that may not be seen.
    fn exit_status(&mut self, pid: u32) -> Option<ExitStatus>;
}
