//! A socket that listens to the process connector.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use neli::consts::connector::ProcCnMcastOp;
use rustix::net::sockopt;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::bpf;
use super::handshake::{failed, listen, prepare, send, source_failed, token};
use super::source::{Batch, DatagramSource};
use crate::error::Error;
use crate::model::interest::EventTypes;
use crate::sys;

/// Default size of the receive buffer, in bytes. Holds about 20,000 events.
pub const DEFAULT_RECEIVE_BUFFER_SIZE: usize = 8 << 20;

/// A listening socket. Dropping it sends `PROC_CN_MCAST_IGNORE`.
#[derive(Debug)]
pub struct Connector {
    pub(super) socket: AsyncFd<OwnedFd>,
    /// Effective size of the receive buffer, in bytes; 0: unknown.
    receive_buffer_size: usize,
}

impl Connector {
    /// Opens a socket in the host's network namespace if permitted, else in that of this thread, and does the
    /// handshake. Must be called in the tokio runtime that reads the socket.
    ///
    /// # Errors
    /// One [`ErrorCode`](crate::ErrorCode) per cause that has its own remedy.
    pub fn open(proc_root: &Path, receive_buffer_size: usize, types: EventTypes) -> Result<Self, Error> {
        let fd = prepare(proc_root, receive_buffer_size)?;
        let socket =
            sys::register(fd).map_err(failed("epoll_ctl", "of the netlink socket", source_failed))?;
        listen(socket.get_ref(), proc_root)?;
        // From here on, `Drop` sends IGNORE on every path.
        let receive_buffer_size = sockopt::socket_recv_buffer_size(&socket).unwrap_or(0);
        let connector = Self { socket, receive_buffer_size };
        set_filter(connector.socket.as_fd(), types, &[])?;
        Ok(connector)
    }

    /// Waits until the socket is readable.
    ///
    /// # Errors
    /// Only if the runtime is shutting down.
    pub async fn readable(&self) -> io::Result<()> {
        sys::ready(&self.socket).await.map(drop)
    }

    /// Returns the part of the receive buffer that is in use, in bytes; 0 if it is unknown.
    pub fn queued_bytes(&self) -> u32 {
        sys::queued_bytes(self.socket.as_fd()).unwrap_or(0)
    }

    /// Returns the effective size of the receive buffer, in bytes; 0: unknown.
    pub const fn receive_buffer_size(&self) -> usize {
        self.receive_buffer_size
    }
}

impl DatagramSource for Connector {
    fn receive(&self, batch: &mut Batch) -> rustix::io::Result<bool> {
        batch.receive_all(|datagrams| sys::recvmmsg(self.socket.as_fd(), datagrams))
    }

    fn exhausted(&self) {
        // Clears tokio's readiness flag. The flag is edge-triggered: a datagram that arrives from now on sets it again.
        let _ = self.socket.try_io(Interest::READABLE, |_| Err::<(), _>(io::ErrorKind::WouldBlock.into()));
    }

    fn drops(&self) -> io::Result<u32> {
        sys::drops(self.socket.as_fd())
    }

    fn may_have_dropped(&self, queued_bytes: usize) -> bool {
        queued_bytes >= self.receive_buffer_size
    }
}

impl Drop for Connector {
    fn drop(&mut self) {
        // Otherwise the kernel keeps creating events for a closed listener. A failure cannot be reported from here.
        let _ = send(self.socket.get_ref(), ProcCnMcastOp::Ignore, token());
    }
}

/// Attaches the [`bpf::program`] of `types` and `leaderless`. The previous filter stays in force on failure.
pub(super) fn set_filter(socket: BorrowedFd<'_>, types: EventTypes, leaderless: &[u32]) -> Result<(), Error> {
    let program = bpf::program(types, std::process::id(), leaderless);
    sys::attach_filter(socket, &program).map_err(failed("setsockopt", "SO_ATTACH_FILTER", source_failed))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::connector::source::Batch;

    #[tokio::test]
    async fn bound_of_the_kernel_memory_of_datagrams_holds() {
        let connector = Connector::open(Path::new("/proc"), 1 << 20, EventTypes::LIFECYCLE);
        let connector = connector.expect("it is permitted");
        assert!(
            !connector.may_have_dropped(0) && connector.may_have_dropped(connector.receive_buffer_size())
        );
        for _ in 0..20 {
            Command::new("true").status().expect("it runs");
        }
        let queued = connector.queued_bytes() as usize;
        let (mut batch, mut bound) = (Batch::default(), 0);
        let mut is_drained = false;
        while !is_drained {
            is_drained = connector.receive(&mut batch).expect("it is open");
            bound += batch.kernel_memory();
            while batch.pop().is_some() {}
        }
        assert!(queued > 0 && queued <= bound, "{queued} of {bound} bytes");
    }
}
