//! The machine, as the cursor asks about it. A trait, so that a fake can stand in.

use crate::model::event::ExitStatus;
pub use crate::model::snapshot::Look;
use crate::model::snapshot::ObservedProcess;

/// The owner of a process id.
#[derive(Debug)]
pub enum PidOwner<H> {
    /// A process, which may be a zombie. Carries its pidfd.
    Process(H),
    /// A thread, or a process that is being created.
    Thread,
    /// The id is free. Its process has exited, or is being created.
    Free,
    /// Unknown, because no descriptor is left.
    Unknown,
}

/// Opens, reads and watches processes by their ids.
pub trait PidHost {
    /// A descriptor of a process.
    type Pidfd;

    /// Returns the largest process id that the kernel gives out, plus 1.
    fn pid_max(&mut self) -> u32;

    /// Returns the owner of this id.
    fn open(&mut self, pid: u32) -> PidOwner<Self::Pidfd>;

    /// Returns true if no process or zombie has this id.
    fn is_free(&mut self, pid: u32) -> bool;

    /// Watches the exit of a process. `generation` comes back with its exit, because ids are reused. Returns false if no
    /// watch is left.
    fn watch(&mut self, pid: u32, generation: u32, pidfd: &Self::Pidfd) -> bool;

    /// Closes the descriptor of a process, and ends its watch.
    fn close(&mut self, pidfd: Self::Pidfd);

    /// Returns true if the process has exited. It may be a zombie.
    fn has_exited(&mut self, pidfd: &Self::Pidfd) -> bool;

    /// Returns the status of a process that its parent has reaped; `None` if it is not reaped, or before Linux 6.15.
    fn reaped_status(&mut self, pidfd: &Self::Pidfd) -> Option<ExitStatus>;

    /// Returns false if no process has a status once its parent has reaped it.
    fn keeps_statuses(&self) -> bool {
        true
    }

    /// Reads the stat of a process. Returns `None` if the process is gone or hidden from this user.
    fn look(&mut self, pid: u32) -> Option<Look>;

    /// Returns true if `/proc` shows the process with this creation time.
    fn is_shown(&mut self, pid: u32, start_time: u64) -> bool {
        self.look(pid).is_some_and(|look| look.observed.start_time == start_time)
    }

    /// Reads the requested details of a process that has called exec, as `look` shows. If it is gone, all are unknown.
    fn details(&mut self, look: &Look) -> Details;
}

/// The details of a process after its exec.
#[derive(Clone, Debug)]
pub struct Details {
    /// The process, with the requested details.
    pub observed: ObservedProcess,
    /// True if the arguments could be read, or are not requested. An exec sets them a little later than the rest.
    pub is_complete: bool,
}
