//! The one fake of the two traits through which the pipeline asks the machine. A test supplies the machine.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;

use proc_events::connector::source::{Batch, DatagramSource};
use proc_events::model::snapshot::ObservedProcess;
use proc_events::process::inspector::{Exec, Liveness, ProcessInspector};
use proc_events::sys::datagram::Datagram;
use proc_events::{ExitStatus, Fields};
use rustix::io::Errno;

/// A machine made of plain values. By default, no process runs, and nothing fails.
pub(crate) trait FakeMachine {
    /// Returns the next datagram.
    ///
    /// # Errors
    /// `EAGAIN` if none is queued. Others are failures of the socket.
    fn recvfrom(&mut self) -> Result<Datagram, Errno>;
    /// See [`DatagramSource::exhausted`].
    fn exhausted(&mut self) {}
    /// See [`DatagramSource::drops`].
    fn drops(&self) -> u32 {
        0
    }
    /// See [`ProcessInspector::supports_pidfd`].
    fn supports_pidfd(&self) -> bool {
        true
    }
    /// See [`ProcessInspector::liveness`]. The number identifies a process, as a pidfd does.
    fn liveness(&mut self, _pid: u32) -> Liveness<u64> {
        Liveness::Exited
    }
    /// See [`ProcessInspector::watch_exit`].
    ///
    /// # Errors
    /// If the machine refuses the watch.
    fn watch_exit(&mut self, _pid: u32, _pidfd: u64) -> io::Result<()> {
        Ok(())
    }
    /// See [`ProcessInspector::unwatch`].
    fn unwatch(&mut self, _pid: u32) {}
    /// See [`ProcessInspector::capture`].
    fn capture(&mut self, exec: Exec, fields: Fields) -> ObservedProcess {
        let observed = self.observe(exec.pid, fields);
        observed.filter(|observed| observed.start_ns <= exec.timestamp_ns).unwrap_or_default()
    }
    /// See [`ProcessInspector::observe`].
    fn observe(&mut self, _pid: u32, _fields: Fields) -> Option<ObservedProcess> {
        None
    }
}

/// A backend that asks a machine, which the test shares with it.
#[derive(Debug, Default)]
pub(crate) struct FakeBackend<M>(pub(crate) Rc<RefCell<M>>);

impl<M> Clone for FakeBackend<M> {
    fn clone(&self) -> Self {
        Self(Rc::clone(&self.0))
    }
}

impl<M: FakeMachine> DatagramSource for FakeBackend<M> {
    fn receive(&self, batch: &mut Batch) -> Result<bool, Errno> {
        let mut machine = self.0.borrow_mut();
        batch.receive_each(|| machine.recvfrom())
    }
    fn exhausted(&self) {
        self.0.borrow_mut().exhausted();
    }
    fn drops(&self) -> io::Result<u32> {
        Ok(self.0.borrow().drops())
    }
}

impl<M: FakeMachine> ProcessInspector for FakeBackend<M> {
    type Pidfd = u64;

    fn supports_pidfd(&self) -> bool {
        self.0.borrow().supports_pidfd()
    }
    fn liveness(&self, pid: u32) -> Liveness<u64> {
        self.0.borrow_mut().liveness(pid)
    }
    fn watch_exit(&mut self, pid: u32, pidfd: u64) -> io::Result<()> {
        self.0.borrow_mut().watch_exit(pid, pidfd)
    }
    fn unwatch(&mut self, pid: u32) {
        self.0.borrow_mut().unwatch(pid);
    }
    fn capture(&mut self, exec: Exec, fields: Fields) -> ObservedProcess {
        self.0.borrow_mut().capture(exec, fields)
    }
    fn observe(&mut self, pid: u32, fields: Fields) -> Option<ObservedProcess> {
        self.0.borrow_mut().observe(pid, fields)
    }
    fn zombie_status(&mut self, _: u32) -> Option<Option<ExitStatus>> {
        None
    }
    fn exit_status(&mut self, _: u32) -> Option<ExitStatus> {
        None
    }
}
