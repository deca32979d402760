//! The processes of a machine, as the pipeline asks about them. A trait, so that a simulation can stand in.

use std::io;

use crate::model::event::ExitStatus;
use crate::model::interest::Fields;
use crate::model::snapshot::ObservedProcess;

/// An exec, as the kernel reported it.
#[derive(Clone, Copy, Debug)]
pub struct Exec {
    /// The process id.
    pub pid: u32,
    /// The CPU that reported the exec.
    pub cpu: u32,
    /// The sequence number of the report on that CPU.
    pub seq: u32,
    /// Time of the exec, in nanoseconds on `CLOCK_MONOTONIC`.
    pub timestamp_ns: u64,
}

/// Liveness of a process. A process is alive as long as any of its threads is.
#[derive(Debug)]
pub enum Liveness<H> {
    /// The process runs. Carries its pidfd.
    Alive(H),
    /// The process has exited, or the pid is that of a thread.
    Exited,
    /// Unknown at the moment, for example because no descriptor is left.
    Unknown,
}

/// Reads the details of processes, tells whether they run, and watches their exits.
pub trait ProcessInspector {
    /// A pidfd of a running process.
    type Pidfd;

    /// Returns true if [`ProcessInspector::liveness`] can answer. Kernels before 5.3 have no pidfds: there the exit of a
    /// leader is taken for that of its process.
    fn supports_pidfd(&self) -> bool;

    /// Returns whether the process runs.
    fn liveness(&self, pid: u32) -> Liveness<Self::Pidfd>;

    /// Returns true if no process has this pid: it has exited, and its parent has reaped it. Returns false if that is unknown.
    fn is_gone(&self, pid: u32) -> bool;

    /// Watches the exit of a process.
    ///
    /// # Errors
    /// If the system is out of watches or descriptors.
    fn watch_exit(&mut self, pid: u32, pidfd: Self::Pidfd) -> io::Result<()>;

    /// Stops watching the exit of a process.
    fn unwatch(&mut self, pid: u32);

    /// Returns `fields` of the process that made this exec, as far as they could be read.
    fn capture(&mut self, exec: Exec, fields: Fields) -> ObservedProcess;

    /// Returns `fields` of a process that the kernel reported at `reported_ns`, as they are now and as far as they could be
    /// read. The process may be a zombie.
    fn read_reported(&mut self, pid: u32, fields: Fields, reported_ns: u64) -> ObservedProcess;

    /// Returns the process that has this pid now, with `fields`. Returns `None` if it has exited, or is hidden from this
    /// user.
    fn observe(&mut self, pid: u32, fields: Fields) -> Option<ObservedProcess>;

    /// Returns the status of a zombie; `Some(None)` if this user may not see the status, `None` if there is no such zombie.
    fn zombie_status(&mut self, pid: u32) -> Option<Option<ExitStatus>>;

    /// Returns the status of a process whose exit was watched; `None` if this user may not see it.
    fn exit_status(&mut self, pid: u32) -> Option<ExitStatus>;
}
