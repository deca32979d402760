//! The machine that this thread runs on: its `/proc`, and the descriptors of its processes.

use std::cell::RefCell;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::event::{EventfdFlags, eventfd};
use rustix::io::Errno;

use crate::deathwatch::{self, Deathwatch};
use crate::door::{Exec, Presence, Processes};
use crate::event::ExitStatus;
use crate::interest::Fields;
use crate::procfs::{self, Procfs, Sighting};

use super::scouts::Scouts;

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
pub(super) struct Host {
    procfs: procfs::Reader,
    /// Whether its numbers are those that system calls of this process take, and the kernel has pidfds.
    can_tell: bool,
    deathwatch: Deathwatch,
    reserve: Reserve,
    /// While details are captured in a hurry.
    pub(super) scouts: Option<Scouts>,
}

impl Host {
    /// Must be called within a tokio runtime.
    pub(super) fn new(procfs: &Arc<Procfs>, hurries: bool) -> io::Result<Self> {
        let can_tell = procfs.is_of_own_pid_namespace() && deathwatch::running(std::process::id()).is_ok();
        let procfs = if hurries { procfs.hurried_reader() } else { procfs.reader() };
        Ok(Self {
            procfs,
            can_tell,
            deathwatch: Deathwatch::new()?,
            reserve: Reserve::default(),
            scouts: None,
        })
    }

    pub(super) const fn procfs(&self) -> &Arc<Procfs> {
        self.procfs.procfs()
    }

    /// The processes whose end is awaited.
    pub(super) const fn deathwatch(&mut self) -> &mut Deathwatch {
        &mut self.deathwatch
    }
}

impl Processes for Host {
    type Pidfd = OwnedFd;

    fn can_tell(&self) -> bool {
        self.can_tell
    }
    fn presence(&self, pid: u32) -> Presence<OwnedFd> {
        match self.reserve.spend_on(|| deathwatch::running(pid)) {
            Ok(Some(pidfd)) => Presence::Runs(pidfd),
            Ok(None) => Presence::Ended,
            Err(_) => Presence::Unclear,
        }
    }
    fn await_end(&mut self, pid: u32, pidfd: OwnedFd) -> io::Result<()> {
        self.deathwatch.add(pid, pidfd)
    }
    fn forget(&mut self, pid: u32) {
        self.deathwatch.remove(pid);
    }
    fn capture(&mut self, exec: Exec, fields: Fields) -> Sighting {
        let Self { scouts, procfs, .. } = self;
        let found = scouts.as_mut().and_then(|scouts| scouts.found(exec));
        let found = found.filter(|found| found.covers(fields));
        let found = found.and_then(|found| found.sighting(procfs.procfs(), exec.pid, exec.timestamp_ns));
        found.unwrap_or_else(|| procfs.capture(exec.pid, fields, exec.timestamp_ns))
    }
    fn sight(&mut self, pid: u32, fields: Fields) -> Option<Sighting> {
        self.procfs.sight(pid, fields)
    }
    fn corpse(&mut self, pid: u32) -> Option<Option<ExitStatus>> {
        self.procfs.corpse(pid)
    }
    fn exit_status(&mut self, pid: u32) -> Option<ExitStatus> {
        // /proc tells until the parent has collected it, the descriptor from then on: which may be in between.
        let collected = |deathwatch: &Deathwatch| deathwatch.exit_status(pid).map(ExitStatus);
        collected(&self.deathwatch)
            .or_else(|| self.procfs.exit_status(pid))
            .or_else(|| collected(&self.deathwatch))
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
