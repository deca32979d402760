//! What the hearing asks of the machine: the socket's messages, and the processes themselves. Two traits, so that a
//! simulation can stand in for either.

use std::io;

use rustix::io::Errno;

use crate::event::ExitStatus;
use crate::interest::Fields;
use crate::procfs::Sighting;
use crate::wire::DATAGRAM_LEN;

/// Where the kernel's messages come in.
pub trait Door {
    /// Takes the next datagram as `recvfrom` does, without waiting: its whole length, though the buffer were shorter,
    /// and the sender's port, if it has one.
    ///
    /// # Errors
    /// The errno of `recvfrom`.
    fn recvfrom(&self, buffer: &mut [u8; DATAGRAM_LEN]) -> rustix::io::Result<(usize, Option<u32>)>;

    /// To be called when nothing is left: waiting then waits for what comes next.
    fn exhausted(&self);

    /// How many datagrams were dropped for want of room, modulo 2^32.
    ///
    /// # Errors
    /// On kernels before 4.12, which do not count.
    fn drops(&self) -> io::Result<u32>;
}

/// What came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// A datagram of this length, from the kernel.
    Datagram(usize),
    /// A datagram that somebody else sent, or one that is too long to be an event.
    Foreign,
    /// Nothing is left.
    Nothing,
}

/// Takes the next datagram by `recvfrom`, see [`Door::recvfrom`].
///
/// # Errors
/// The errno of `recvfrom`; `ENOBUFS` is a loss, not a failure.
pub fn receive(
    mut recvfrom: impl FnMut() -> rustix::io::Result<(usize, Option<u32>)>,
) -> rustix::io::Result<Received> {
    loop {
        match recvfrom() {
            Ok((len, port)) => {
                // Whoever has CAP_NET_ADMIN can send to the group: only the port tells that it was not the kernel.
                let is_kernels = port == Some(0) && len <= DATAGRAM_LEN;
                return Ok(if is_kernels { Received::Datagram(len) } else { Received::Foreign });
            }
            Err(Errno::AGAIN) => return Ok(Received::Nothing),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
}

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
pub enum Presence<H> {
    /// It is; with a hold on it.
    Runs(H),
    /// It has ended, or the number is that of a thread.
    Ended,
    /// This cannot be told now: for want of descriptors, say.
    Unclear,
}

/// The processes of the machine: what can be read of them, and whether they are still running.
pub trait Processes {
    /// A hold on a running process, which tells when it ends.
    type Pidfd;

    /// Whether [`Processes::presence`] can ever tell. Where it cannot, as on kernels before 5.3, the exit of its leader
    /// is taken for that of the process.
    fn can_tell(&self) -> bool;

    /// Whether the process is still running.
    fn presence(&self, pid: u32) -> Presence<Self::Pidfd>;

    /// Awaits the end of a process.
    ///
    /// # Errors
    /// Where the machine refuses to watch it.
    fn await_end(&mut self, pid: u32, pidfd: Self::Pidfd) -> io::Result<()>;

    /// No longer awaits it.
    fn forget(&mut self, pid: u32);

    /// `fields` of the process that made this call, as far as they could be read.
    fn capture(&mut self, exec: Exec, fields: Fields) -> Sighting;

    /// The process that has this pid now, with `fields`; `None` if it has ended, or is hidden from this user.
    fn sight(&mut self, pid: u32, fields: Fields) -> Option<Sighting>;

    /// How a process has ended that its parent has not collected; `Some(None)` where that may not be seen, `None` where
    /// there is no such process.
    fn corpse(&mut self, pid: u32) -> Option<Option<ExitStatus>>;

    /// How a process whose end was awaited has ended; `None` where that may not be seen.
    fn exit_status(&mut self, pid: u32) -> Option<ExitStatus>;
}
