//! The source of the kernel's datagrams, as a trait, so that a simulation can replace the socket. Datagrams are
//! received in batches.

use std::io;

use rustix::io::Errno;

use crate::sys::datagram::{Datagram, MEMORY_MAX};

/// A source of datagrams of the process connector.
pub trait DatagramSource {
    /// Fills an empty batch without blocking. Returns true if the source is drained.
    ///
    /// # Errors
    /// The errno of `recvmmsg`. The batch is still empty then.
    fn receive(&self, batch: &mut Batch) -> rustix::io::Result<bool>;

    /// Clears the readiness of the source. The caller calls this once the source is drained, so that the next wait
    /// waits for new datagrams.
    fn exhausted(&self);

    /// Returns the number of datagrams that the kernel dropped because the receive buffer was full, modulo 2^32.
    ///
    /// # Errors
    /// On kernels before 4.12, which have no drop counter.
    fn drops(&self) -> io::Result<u32>;

    /// Returns false if datagrams of this many bytes of kernel memory cannot have filled the receive buffer, so that
    /// [`DatagramSource::drops`] need not be called.
    fn may_have_dropped(&self, _queued_bytes: usize) -> bool {
        true
    }
}

/// Datagrams per batch. Small, because every event touches this memory.
const BATCH_LEN: usize = 8;

/// Received datagrams that are still to be handled.
#[derive(Debug)]
pub struct Batch {
    datagrams: [Datagram; BATCH_LEN],
    /// Start of the range of `datagrams` that is still to be handled.
    next: usize,
    /// End of that range.
    end: usize,
    /// An error that ended the last batch after at least one datagram. The next call reports it.
    error: Option<Errno>,
}

impl Default for Batch {
    fn default() -> Self {
        Self { datagrams: [Datagram::EMPTY; BATCH_LEN], next: 0, end: 0, error: None }
    }
}

impl Batch {
    /// Returns true if all datagrams have been handled.
    pub const fn is_empty(&self) -> bool {
        self.next == self.end
    }

    /// Returns an upper bound of the part of the receive buffer that the datagrams took, if the kernel sent them.
    pub(crate) const fn kernel_memory(&self) -> usize {
        (self.end - self.next) * MEMORY_MAX
    }

    /// Takes the next datagram.
    pub(crate) fn pop(&mut self) -> Option<Datagram> {
        let datagram = (!self.is_empty()).then(|| self.datagrams[self.next])?;
        self.next += 1;
        Some(datagram)
    }

    /// Fills the batch with one call of `recvmmsg`, which returns the number of datagrams that it has written. Returns
    /// true if the source is drained.
    ///
    /// # Errors
    /// The errno of `recvmmsg`, except `EAGAIN`.
    pub(crate) fn receive_all(
        &mut self,
        recvmmsg: impl FnOnce(&mut [Datagram; BATCH_LEN]) -> rustix::io::Result<usize>,
    ) -> rustix::io::Result<bool> {
        (self.next, self.end) = (0, 0);
        self.end = match recvmmsg(&mut self.datagrams) {
            Err(Errno::AGAIN) => 0,
            count => count?,
        };
        Ok(self.end < BATCH_LEN)
    }

    /// Fills the batch by calling `recvfrom` until it fails. Returns true if the source is drained.
    ///
    /// # Errors
    /// The errno of `recvfrom`, except `EAGAIN`. An error after at least one datagram is returned by the next call.
    pub fn receive_each(
        &mut self,
        mut recvfrom: impl FnMut() -> rustix::io::Result<Datagram>,
    ) -> rustix::io::Result<bool> {
        let mut error = self.error.take();
        let drained = self.receive_all(|slots| {
            for (count, slot) in slots.iter_mut().enumerate() {
                match error.take().map_or_else(&mut recvfrom, Err) {
                    Ok(datagram) => *slot = datagram,
                    Err(errno) if count == 0 => return Err(errno),
                    Err(errno) => {
                        error = Some(errno).filter(|errno| *errno != Errno::AGAIN);
                        return Ok(count);
                    }
                }
            }
            Ok(BATCH_LEN)
        });
        self.error = error;
        // A pending error must be reported before the source counts as drained.
        drained.map(|drained| drained && self.error.is_none())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_within_a_batch_is_returned_after_the_datagrams_before_it() {
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
