//! The processes of this machine, as `/proc` and pidfds show them.

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

/// A spare descriptor. When the program is out of descriptors, the reader closes it to open a pidfd. Without a pidfd,
/// the reader cannot distinguish a zombie from a running process.
#[derive(Debug)]
struct SpareFd(RefCell<Option<OwnedFd>>);

impl Default for SpareFd {
    fn default() -> Self {
        Self(RefCell::new(Self::open()))
    }
}

impl SpareFd {
    fn open() -> Option<OwnedFd> {
        eventfd(0, EventfdFlags::CLOEXEC).ok()
    }

    /// Calls `open`. If the program is out of descriptors, closes the spare one and calls `open` once more, which fails
    /// if another thread was faster.
    fn retry_with<T>(&self, open: impl Fn() -> io::Result<T>) -> io::Result<T> {
        let is_full =
            |error: &io::Error| matches!(Errno::from_io_error(error), Some(Errno::MFILE | Errno::NFILE));
        let mut spare = self.0.borrow_mut();
        let opened = match open() {
            Err(error) if is_full(&error) && spare.take().is_some() => open(),
            opened => opened,
        };
        // While the caller holds the descriptor this may fail. The next call tries again.
        if spare.is_none() {
            *spare = Self::open();
        }
        opened
    }
}

/// Inspects the processes of this machine.
#[derive(Debug)]
pub(super) struct LinuxProcesses {
    procfs: procfs::Reader,
    /// True if `/proc` shows the pid namespace of this process.
    shows_own_pids: bool,
    /// True if the kernel has pidfds, and `/proc` shows the pid namespace of this process.
    supports_pidfd: bool,
    exit_watcher: ExitWatcher,
    spare_fd: SpareFd,
    /// The capture workers; `None` if no details are captured, or the workers could not be started.
    pub(super) workers: Option<CaptureWorkers>,
}

impl LinuxProcesses {
    /// Opens the readers of `/proc`. Must be called within a tokio runtime.
    pub(super) fn new(procfs: &Arc<Procfs>, raise_priority: bool) -> io::Result<Self> {
        let shows_own_pids = procfs.is_of_own_pid_namespace();
        let supports_pidfd = shows_own_pids && pidfd::open_if_running(std::process::id()).is_ok();
        let procfs = if raise_priority { procfs.high_priority_reader() } else { procfs.reader() };
        Ok(Self {
            procfs,
            shows_own_pids,
            supports_pidfd,
            exit_watcher: ExitWatcher::new()?,
            spare_fd: SpareFd::default(),
            workers: None,
        })
    }

    /// Returns true if `/proc` shows the pid namespace of this process.
    pub(super) const fn shows_own_pids(&self) -> bool {
        self.shows_own_pids
    }

    pub(super) const fn procfs(&self) -> &Arc<Procfs> {
        self.procfs.procfs()
    }

    /// Returns the watcher of the processes whose exit is awaited.
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
        match self.spare_fd.retry_with(|| pidfd::open_if_running(pid)) {
            Ok(Some(pidfd)) => Liveness::Alive(pidfd),
            Ok(None) => Liveness::Exited,
            Err(_) => Liveness::Unknown,
        }
    }
    fn is_gone(&self, pid: u32) -> bool {
        self.shows_own_pids && pidfd::is_gone(pid)
    }
    fn watch_exit(&mut self, pid: u32, pidfd: OwnedFd) -> io::Result<()> {
        self.exit_watcher.add(pid, pidfd)
    }
    fn unwatch(&mut self, pid: u32) {
        self.exit_watcher.remove(pid);
    }
    fn capture(&mut self, exec: Exec, fields: Fields) -> ObservedProcess {
        let Self { workers, procfs, .. } = self;
        let Exec { pid, timestamp_ns, .. } = exec;
        let details = workers.as_mut().and_then(|workers| workers.take(exec));
        let observed = details
            .and_then(|details| Some((details.observed(procfs.procfs(), pid, timestamp_ns)?, details)));
        let Some((mut observed, details)) = observed else {
            return self.read_reported(pid, fields, timestamp_ns);
        };
        // The worker read before a subscriber asked for more. What it read is closer to the exec than what is read now.
        let missing = fields.without(details.fields());
        if !missing.is_empty() {
            observed.add_details(&self.read_reported(pid, missing, timestamp_ns));
        }
        observed
    }
    fn read_reported(&mut self, pid: u32, fields: Fields, reported_ns: u64) -> ObservedProcess {
        self.procfs.capture(pid, fields, reported_ns)
    }
    fn observe(&mut self, pid: u32, fields: Fields) -> Option<ObservedProcess> {
        self.procfs.observe(pid, fields)
    }
    fn zombie_status(&mut self, pid: u32) -> Option<Option<ExitStatus>> {
        self.procfs.zombie_status(pid)
    }
    fn exit_status(&mut self, pid: u32) -> Option<ExitStatus> {
        // `/proc` has the status until the parent reaps the process, and the pidfd has it afterwards. The pidfd is
        // queried on both sides of `/proc`, because the parent may reap the process in between.
        let reaped = |exit_watcher: &ExitWatcher| exit_watcher.exit_status(pid).map(ExitStatus);
        reaped(&self.exit_watcher)
            .or_else(|| self.procfs.exit_status(pid))
            .or_else(|| reaped(&self.exit_watcher))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spare_descriptor_is_used_once_a_call_and_reopened() {
        let spare = SpareFd::default();
        let calls = RefCell::new(0);
        let opens_at = |success: u32| {
            *calls.borrow_mut() = 0;
            let opened = spare.retry_with(|| {
                *calls.borrow_mut() += 1;
                if *calls.borrow() < success { Err(Errno::MFILE.into()) } else { Ok(()) }
            });
            (opened.is_ok(), *calls.borrow())
        };
        assert_eq!(opens_at(1), (true, 1));
        assert_eq!(opens_at(2), (true, 2), "with the spare descriptor");
        assert_eq!(opens_at(2), (true, 2), "which was reopened");
        assert_eq!(opens_at(9), (false, 2), "with one retry");
        let refused = spare.retry_with(|| Err::<(), _>(Errno::PERM.into()));
        assert_eq!(refused.map_err(|error| error.raw_os_error()), Err(Some(Errno::PERM.raw_os_error())));
        assert!(spare.0.borrow().is_some());
    }
}
