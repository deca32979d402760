//! The one fake of the machine that the pipeline works on: its socket and its processes. Tests and benchmarks share it.
//! Each of them supplies a [`FakeMachine`], which supplies the processes and chooses the calls that fail.

use std::cell::{RefCell, RefMut};
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::rc::Rc;

use proc_events::connector::source::{Batch, DatagramSource};
use proc_events::connector::wire::DATAGRAM_LEN;
use proc_events::model::snapshot::ObservedProcess;
use proc_events::process::inspector::{Exec, Liveness, ProcessInspector};
use proc_events::sys::datagram::Datagram;
use proc_events::{ExitStatus, Fields, ProcessInfo};
use rustix::io::Errno;

/// A call of the backend that can fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    /// One datagram is read from the socket.
    Receive,
    /// The pipeline asks whether a process runs. A failure makes that unknown.
    Liveness,
    WatchExit,
    Capture,
    Observe,
}

/// The state of a fake kernel that every machine has.
#[derive(Debug, Default)]
pub(crate) struct FakeKernel {
    /// The datagrams in the socket's queue.
    pub(crate) queue: VecDeque<Datagram>,
    /// The number of datagrams that did not fit the queue, modulo 2^32.
    pub(crate) drops: u32,
    /// True once the pipeline has read the queue until it was empty.
    pub(crate) is_exhausted: bool,
    /// The pidfds of the processes whose exit is watched, by pid.
    pub(crate) watched: BTreeMap<u32, u64>,
}

impl FakeKernel {
    /// Queues a datagram that the kernel sends.
    pub(crate) fn send(&mut self, bytes: [u8; DATAGRAM_LEN]) {
        self.queue.push_back(Datagram { bytes, len: DATAGRAM_LEN, port: Some(0) });
    }
}

/// The processes of a fake machine, and its faults. By default there are no processes and no faults.
pub(crate) trait FakeMachine {
    fn kernel(&mut self) -> &mut FakeKernel;

    /// Returns the process that `/proc` shows under this pid.
    fn observed(&self, _pid: u32, _fields: Fields) -> Option<ObservedProcess> {
        None
    }

    /// Returns a pidfd of a running process: a number that no other process has.
    fn pidfd(&self, pid: u32) -> Option<u64> {
        self.observed(pid, Fields::NONE).map(|observed| observed.start_time)
    }

    fn supports_pidfd(&self) -> bool {
        true
    }

    /// Runs before each call. The call fails with the returned errno.
    fn fault(&mut self, _call: Call) -> Option<Errno> {
        None
    }

    /// Takes the next datagram from the socket's queue.
    fn next_datagram(&mut self) -> Option<Datagram> {
        self.kernel().queue.pop_front()
    }
}

/// The socket and the processes of a fake machine, as the pipeline sees them. A clone is of the same machine.
#[derive(Debug)]
pub(crate) struct FakeBackend<M>(Rc<RefCell<M>>);

impl<M> FakeBackend<M> {
    pub(crate) fn new(machine: M) -> Self {
        Self(Rc::new(RefCell::new(machine)))
    }

    pub(crate) fn machine(&self) -> RefMut<'_, M> {
        self.0.borrow_mut()
    }
}

impl<M> Clone for FakeBackend<M> {
    fn clone(&self) -> Self {
        Self(Rc::clone(&self.0))
    }
}

impl<M: FakeMachine> DatagramSource for FakeBackend<M> {
    fn receive(&self, batch: &mut Batch) -> rustix::io::Result<bool> {
        let mut machine = self.machine();
        batch.receive_each(|| {
            if let Some(errno) = machine.fault(Call::Receive) {
                return Err(errno);
            }
            machine.next_datagram().ok_or(Errno::AGAIN)
        })
    }

    fn exhausted(&self) {
        self.machine().kernel().is_exhausted = true;
    }

    fn drops(&self) -> io::Result<u32> {
        Ok(self.machine().kernel().drops)
    }
}

impl<M: FakeMachine> ProcessInspector for FakeBackend<M> {
    type Pidfd = u64;

    fn supports_pidfd(&self) -> bool {
        self.machine().supports_pidfd()
    }

    fn liveness(&self, pid: u32) -> Liveness<u64> {
        let mut machine = self.machine();
        if machine.fault(Call::Liveness).is_some() {
            return Liveness::Unknown;
        }
        machine.pidfd(pid).map_or(Liveness::Exited, Liveness::Alive)
    }

    fn is_gone(&self, pid: u32) -> bool {
        self.machine().observed(pid, Fields::NONE).is_none()
    }

    fn watch_exit(&mut self, pid: u32, pidfd: u64) -> io::Result<()> {
        let mut machine = self.machine();
        if let Some(errno) = machine.fault(Call::WatchExit) {
            return Err(errno.into());
        }
        machine.kernel().watched.insert(pid, pidfd);
        Ok(())
    }

    fn unwatch(&mut self, pid: u32) {
        self.machine().kernel().watched.remove(&pid);
    }

    fn capture(&mut self, exec: Exec, fields: Fields) -> ObservedProcess {
        self.read_reported(exec.pid, fields, exec.timestamp_ns)
    }

    fn read_reported(&mut self, pid: u32, fields: Fields, reported_ns: u64) -> ObservedProcess {
        let mut machine = self.machine();
        let observed = match machine.fault(Call::Capture) {
            Some(_) => None,
            None => machine.observed(pid, fields),
        };
        // A process that was created after the report has reused the pid.
        observed.filter(|observed| observed.start_ns <= reported_ns).unwrap_or_else(|| {
            let nothing_read = || ProcessInfo { requested: fields, ..ProcessInfo::default() }.into();
            let process = (!fields.is_empty()).then(nothing_read);
            ObservedProcess { process, ..ObservedProcess::default() }
        })
    }

    fn observe(&mut self, pid: u32, fields: Fields) -> Option<ObservedProcess> {
        let mut machine = self.machine();
        match machine.fault(Call::Observe) {
            Some(_) => None,
            None => machine.observed(pid, fields),
        }
    }

    fn zombie_status(&mut self, _: u32) -> Option<Option<ExitStatus>> {
        None
    }

    fn exit_status(&mut self, _: u32) -> Option<ExitStatus> {
        None
    }
}
