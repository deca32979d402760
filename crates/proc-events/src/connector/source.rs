//! What the hearing asks of the machine: the socket's messages, and the processes themselves. Two traits, so that a
//! simulation can stand in for either.

use std::io;

use rustix::io::Errno;

use crate::sys::datagram::Datagram;

/// Where the kernel's messages come in.
pub trait DatagramSource {
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

/// Few: this memory is touched whenever an event comes in.
const BATCH_LEN: usize = 8;

/// Datagrams that were received, and are still to be heard.
#[derive(Debug)]
pub struct Batch {
    datagrams: [Datagram; BATCH_LEN],
    /// Those between the two are still to be heard.
    next: usize,
    end: usize,
    /// What has ended the last one early, if it did not come first.
    error: Option<Errno>,
}

impl Default for Batch {
    fn default() -> Self {
        Self { datagrams: [Datagram::EMPTY; BATCH_LEN], next: 0, end: 0, error: None }
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
        recvmmsg: impl FnOnce(&mut [Datagram; BATCH_LEN]) -> rustix::io::Result<usize>,
    ) -> rustix::io::Result<bool> {
        (self.next, self.end) = (0, 0);
        self.end = match recvmmsg(&mut self.datagrams) {
            Err(Errno::AGAIN) => 0,
            count => count?,
        };
        Ok(self.end < BATCH_LEN)
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
            Ok(BATCH_LEN)
        });
        self.error = error;
        // What is kept is told before anything can be said about what is left.
        is_all.map(|is_all| is_all && self.error.is_none())
    }
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
