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
    /// Fills a batch, which is empty, without waiting. Returns whether nothing is left.
    ///
    /// # Errors
    /// The errno of `recvmmsg`: then the batch is still empty.
    fn receive(&self, batch: &mut Batch) -> rustix::io::Result<bool>;

    /// To be called when nothing is left: waiting then waits for what comes next.
    fn exhausted(&self);

    /// How many datagrams were dropped for want of room, modulo 2^32.
    ///
    /// # Errors
    /// On kernels before 4.12, which do not count.
    fn drops(&self) -> io::Result<u32>;
}

/// A datagram, as it was received.
#[derive(Clone, Copy, Debug)]
pub struct Datagram {
    /// What there was room for.
    pub bytes: [u8; DATAGRAM_LEN],
    /// Its whole length.
    pub len: usize,
    /// The sender's port, if it has one.
    pub port: Option<u32>,
}

impl Datagram {
    pub(crate) const EMPTY: Self = Self { bytes: [0; DATAGRAM_LEN], len: 0, port: None };

    /// The message, if it is the kernel's and no longer than an event. Whoever has `CAP_NET_ADMIN` can send to the group:
    /// only the port tells that it was not the kernel.
    pub fn message(&self) -> Option<&[u8]> {
        let bytes = self.bytes.get(..self.len);
        bytes.filter(|_| self.port == Some(0))
    }
}

/// Few: this memory is touched whenever an event comes in.
const ROOM: usize = 8;

/// Datagrams that were received, and are still to be heard.
#[derive(Debug)]
pub struct Batch {
    datagrams: [Datagram; ROOM],
    /// Those between the two are still to be heard.
    next: usize,
    end: usize,
    /// What has ended the last one early, if it did not come first.
    error: Option<Errno>,
}

impl Default for Batch {
    fn default() -> Self {
        Self { datagrams: [Datagram::EMPTY; ROOM], next: 0, end: 0, error: None }
    }
}

impl Batch {
    /// Whether all have been heard.
    pub const fn is_empty(&self) -> bool {
        self.next == self.end
    }

    /// The next to be heard.
    pub(crate) fn pop(&mut self) -> Option<Datagram> {
        let datagram = (!self.is_empty()).then(|| self.datagrams[self.next])?;
        self.next += 1;
        Some(datagram)
    }

    /// Fills it as `recvmmsg` does, which is given the places and returns how many of them it has filled. Returns whether
    /// nothing is left.
    ///
    /// # Errors
    /// Those of `recvmmsg`.
    pub(crate) fn receive_all(
        &mut self,
        recvmmsg: impl FnOnce(&mut [Datagram; ROOM]) -> rustix::io::Result<usize>,
    ) -> rustix::io::Result<bool> {
        (self.next, self.end) = (0, 0);
        self.end = match recvmmsg(&mut self.datagrams) {
            Err(Errno::AGAIN) => 0,
            count => count?,
        };
        Ok(self.end < ROOM)
    }

    /// Fills it one by one: what `recvfrom` gives, until it fails.
    ///
    /// # Errors
    /// Those of `recvfrom` but `EAGAIN`, which says that nothing is left.
    pub fn receive_each(
        &mut self,
        mut recvfrom: impl FnMut() -> rustix::io::Result<Datagram>,
    ) -> rustix::io::Result<bool> {
        let mut error = self.error.take();
        let is_all = self.receive_all(|places| {
            for (count, place) in places.iter_mut().enumerate() {
                match error.take().map_or_else(&mut recvfrom, Err) {
                    Ok(datagram) => *place = datagram,
                    Err(errno) if count == 0 => return Err(errno),
                    Err(errno) => {
                        error = Some(errno).filter(|errno| *errno != Errno::AGAIN);
                        return Ok(count);
                    }
                }
            }
            Ok(ROOM)
        });
        self.error = error;
        // What is kept is told before anything can be said about what is left.
        is_all.map(|is_all| is_all && self.error.is_none())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_in_the_middle_of_a_batch_is_told_behind_what_came_before() {
        let mut calls = (0..).map(|call| match call {
            3 => Err(Errno::NOBUFS),
            20 => Err(Errno::AGAIN),
            len => Ok(Datagram { len, ..Datagram::EMPTY }),
        });
        let mut batch = Batch::default();
        let mut received = Vec::new();
        loop {
            let result = batch.receive_each(|| calls.next().unwrap());
            received.extend(std::iter::from_fn(|| batch.pop()).map(|datagram| Ok(datagram.len)));
            match result {
                Ok(true) => break,
                Ok(false) => {}
                Err(errno) => received.push(Err(errno)),
            }
        }
        let expected = (0..20).map(|call| if call == 3 { Err(Errno::NOBUFS) } else { Ok(call) });
        assert_eq!(received, expected.collect::<Vec<_>>());
    }
}
