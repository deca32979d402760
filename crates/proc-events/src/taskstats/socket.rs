//! A socket that receives the records of exited processes.

use std::cell::RefCell;
use std::fmt;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::sockopt;
use rustix::time::ClockId;

use super::handshake::{Request, send};
use super::source::UsageSource;
use super::wire::{self, DATAGRAM_LEN, Record};
use crate::procfs::clock_ns;
use crate::sys;
use crate::sys::datagram::{Datagram, MEMORY_MAX};

/// Datagrams that one call receives.
const BATCH_LEN: usize = 8;

/// The buffers of one call.
type Batch = [Datagram<DATAGRAM_LEN>; BATCH_LEN];

/// Returns empty buffers.
pub(super) fn batch() -> Box<Batch> {
    Box::new([Datagram::EMPTY; BATCH_LEN])
}

/// A registered socket. Dropping it sends `DEREGISTER_CPUMASK`.
pub(crate) struct TaskstatsSocket {
    pub(super) fd: OwnedFd,
    /// Ends the registration.
    pub(super) deregister: Request,
    /// Effective size of the receive buffer, in bytes; 0: unknown.
    receive_buffer_size: usize,
    datagrams: RefCell<Box<Batch>>,
}

impl fmt::Debug for TaskstatsSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskstatsSocket").field("fd", &self.fd).finish_non_exhaustive()
    }
}

impl TaskstatsSocket {
    pub(super) fn new(fd: OwnedFd, deregister: Request) -> Self {
        let receive_buffer_size = sockopt::socket_recv_buffer_size(&fd).unwrap_or(0);
        Self { fd, deregister, receive_buffer_size, datagrams: RefCell::new(batch()) }
    }

    /// Passes all queued datagrams of the kernel to `take`.
    pub(super) fn receive_all(&self, take: &mut dyn FnMut(&[u8], u64)) -> rustix::io::Result<()> {
        receive_all(self.fd.as_fd(), &mut self.datagrams.borrow_mut(), take)
    }
}

/// Passes all queued datagrams of the kernel to `take`, each with a time at which it had been received.
pub(super) fn receive_all(
    fd: BorrowedFd<'_>,
    datagrams: &mut Batch,
    take: &mut dyn FnMut(&[u8], u64),
) -> rustix::io::Result<()> {
    loop {
        let count = match sys::recvmmsg(fd, datagrams) {
            Ok(count) => count,
            Err(Errno::AGAIN) => return Ok(()),
            Err(Errno::INTR) => continue,
            Err(errno) => return Err(errno),
        };
        let now_ns = clock_ns(ClockId::Monotonic);
        datagrams.iter().take(count).filter_map(Datagram::message).for_each(|bytes| take(bytes, now_ns));
        if count < BATCH_LEN {
            return Ok(());
        }
    }
}

impl UsageSource for TaskstatsSocket {
    fn receive(&self, take: &mut dyn FnMut(Record, u64)) -> rustix::io::Result<()> {
        self.receive_all(&mut |bytes, now_ns| {
            if let Some(record) = wire::parse(bytes) {
                take(record, now_ns);
            }
        })
    }

    fn drops(&self) -> u32 {
        // The kernels that have the records have the counter, too.
        sys::drops(self.fd.as_fd()).unwrap_or(0)
    }

    fn may_have_dropped(&self, records: usize) -> bool {
        records * MEMORY_MAX >= self.receive_buffer_size
    }

    fn is_half_full(&self) -> bool {
        let queued = sys::queued_bytes(self.fd.as_fd()).unwrap_or(0);
        queued as usize > self.receive_buffer_size / 2
    }

    fn now_ns(&self) -> u64 {
        clock_ns(ClockId::Monotonic)
    }
}

impl Drop for TaskstatsSocket {
    fn drop(&mut self) {
        // The kernel notices a closed socket only with the next record. A failure cannot be reported from here.
        let _ = send(&self.fd, &self.deregister);
    }
}
