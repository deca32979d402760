//! The machine that this thread runs on: its `/proc`, and the descriptors of its processes.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use crate::deathwatch::{self, Deathwatch};
use crate::door::{Exec, Presence, Processes};
use crate::event::ExitStatus;
use crate::interest::Fields;
use crate::procfs::{self, Procfs, Sighting};

use super::scouts::Scouts;

/// The processes of this machine.
#[derive(Debug)]
pub(super) struct Host {
    procfs: procfs::Reader,
    /// Whether its numbers are those that system calls of this process take, and the kernel has pidfds.
    can_tell: bool,
    deathwatch: Deathwatch,
    /// While details are captured in a hurry.
    pub(super) scouts: Option<Scouts>,
}

impl Host {
    /// Must be called within a tokio runtime.
    pub(super) fn new(procfs: &Arc<Procfs>, hurries: bool) -> io::Result<Self> {
        let can_tell = procfs.is_of_own_pid_namespace() && deathwatch::running(std::process::id()).is_ok();
        let procfs = if hurries { procfs.hurried_reader() } else { procfs.reader() };
        Ok(Self { procfs, can_tell, deathwatch: Deathwatch::new()?, scouts: None })
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
        match deathwatch::running(pid) {
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
