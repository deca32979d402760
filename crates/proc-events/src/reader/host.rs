//! The machine that this thread runs on: its `/proc`, and the descriptors of its processes.

use std::cell::RefCell;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::event::{EventfdFlags, eventfd};
use rustix::io::Errno;

use crate::model::event::ExitStatus;
use crate::model::interest::Fields;
use crate::model::snapshot::ObservedProcess;
use crate::process::inspector::{Exec, Liveness, ProcessInspector};
use crate::procfs::{self, Procfs};
use crate::sys::exit_watcher::ExitWatcher;
use crate::sys::pidfd;

use crate::capture::workers::CaptureWorkers;

/// A descriptor that is given up for another one where the program has none left. With it a zombie is told from a
/// process that runs, however long the program has none.
#[derive(Debug)]
struct Reserve(RefCell<Option<OwnedFd>>);

impl Default for Reserve {
    fn default() -> Self {
        Self(RefCell::new(Self::open()))
    }
}

impl Reserve {
    fn open() -> Option<OwnedFd> {
        eventfd(0, EventfdFlags::CLOEXEC).ok()
    }

    /// Calls `open`, again with one descriptor more if there were none. Another thread may be faster to take it.
    fn spend_on<T>(&self, open: impl Fn() -> io::Result<T>) -> io::Result<T> {
        let is_full =
            |error: &io::Error| matches!(Errno::from_io_error(error), Some(Errno::MFILE | Errno::NFILE));
        let mut reserve = self.0.borrow_mut();
        let opened = match open() {
            Err(error) if is_full(&error) && reserve.take().is_some() => open(),
            opened => opened,
        };
        // If the caller keeps the descriptor, the reserve stays empty until another one is closed.
        if reserve.is_none() {
            *reserve = Self::open();
        }
        opened
    }
}

/// The processes of this machine.
#[derive(Debug)]
pub(super) struct LinuxProcesses {
    procfs: procfs::Reader,
    /// Whether its numbers are those that system calls of this process take, and the kernel has pidfds.
    supports_pidfd: bool,
    exit_watcher: ExitWatcher,
    reserve: Reserve,
    /// While details are captured in a hurry.
    pub(super) workers: Option<CaptureWorkers>,
}

impl LinuxProcesses {
    /// Must be called within a tokio runtime.
    pub(super) fn new(procfs: &Arc<Procfs>, raise_priority: bool) -> io::Result<Self> {
        let supports_pidfd = procfs.is_of_own_pid_namespace() && pidfd::running(std::process::id()).is_ok();
        let procfs = if raise_priority { procfs.hurried_reader() } else { procfs.reader() };
        Ok(Self {
            procfs,
            supports_pidfd,
            exit_watcher: ExitWatcher::new()?,
            reserve: Reserve::default(),
            workers: None,
        })
    }

    pub(super) const fn procfs(&self) -> &Arc<Procfs> {
        self.procfs.procfs()
    }

    /// The processes whose end is awaited.
    pub(super) const fn exit_watcher(&mut self) -> &mut ExitWatcher {
        &mut self.exit_watcher
    }
}

impl ProcessInspector for LinuxProcesses {
    type Pidfd = OwnedFd;

    fn supports_pidfd(&self) -> bool {
        self.supports_pidfd
    }
    fn liveness(&self, pid: u32) -> Liveness<OwnedFd> {
        match self.reserve.spend_on(|| pidfd::running(pid)) {
            Ok(Some(pidfd)) => Liveness::Alive(pidfd),
            Ok(None) => Liveness::Exited,
            Err(_) => Liveness::Unknown,
        }
    }
    fn watch_exit(&mut self, pid: u32, pidfd: OwnedFd) -> io::Result<()> {
        self.exit_watcher.add(pid, pidfd)
    }
    fn unwatch(&mut self, pid: u32) {
        self.exit_watcher.remove(pid);
    }
    fn capture(&mut self, exec: Exec, fields: Fields) -> ObservedProcess {
        let Self { workers, procfs, .. } = self;
        let found = workers.as_mut().and_then(|workers| workers.found(exec));
        let found = found.filter(|found| found.covers(fields));
        let found = found.and_then(|found| found.observed(procfs.procfs(), exec.pid, exec.timestamp_ns));
        found.unwrap_or_else(|| procfs.capture(exec.pid, fields, exec.timestamp_ns))
    }
    fn observe(&mut self, pid: u32, fields: Fields) -> Option<ObservedProcess> {
        self.procfs.observe(pid, fields)
    }
    fn zombie_status(&mut self, pid: u32) -> Option<Option<ExitStatus>> {
        self.procfs.zombie_status(pid)
    }
    fn exit_status(&mut self, pid: u32) -> Option<ExitStatus> {
        // /proc tells until the parent has collected it, the descriptor from then on: which may be in between.
        let collected = |exit_watcher: &ExitWatcher| exit_watcher.exit_status(pid).map(ExitStatus);
        collected(&self.exit_watcher)
            .or_else(|| self.procfs.exit_status(pid))
            .or_else(|| collected(&self.exit_watcher))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reserve_is_spent_once_and_taken_back_when_there_is_one() {
        let reserve = Reserve::default();
        let calls = RefCell::new(0);
        let opens_at = |success: u32| {
            *calls.borrow_mut() = 0;
            let opened = reserve.spend_on(|| {
                *calls.borrow_mut() += 1;
                if *calls.borrow() < success { Err(Errno::MFILE.into()) } else { Ok(()) }
            });
            (opened.is_ok(), *calls.borrow())
        };
        assert_eq!(opens_at(1), (true, 1));
        assert_eq!(opens_at(2), (true, 2), "with the reserve");
        assert_eq!(opens_at(2), (true, 2), "which is there again");
        assert_eq!(opens_at(9), (false, 2), "once only");
        let refused = reserve.spend_on(|| Err::<(), _>(Errno::PERM.into()));
        assert_eq!(refused.map_err(|error| error.raw_os_error()), Err(Some(Errno::PERM.raw_os_error())));
        assert!(reserve.0.borrow().is_some());
    }
}
