//! The door to the kernel's process connector: a netlink socket that is subscribed and filtered.

pub mod bpf;
pub mod drop_counter;
mod handshake;
pub(crate) mod kernel_filter;
pub(crate) mod namespace;
pub mod source;
pub mod wire;

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use neli::consts::connector::ProcCnMcastOp;
use rustix::io::Errno;
use rustix::net::sockopt;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::error::Error;
use crate::model::interest::EventTypes;
use crate::sys;
use crate::sys::datagram::Datagram;
use handshake::{failed, listen, prepare, send, source_failed, token};
use source::{Batch, DatagramSource};

pub(crate) use handshake::open_exec_listener;
pub use handshake::probe;

/// Bytes asked for the receive buffer unless the user says otherwise: some 20,000 events.
pub const DEFAULT_RECEIVE_BUFFER_SIZE: usize = 8 << 20;

/// A subscribed socket. Dropping it says IGNORE, as the kernel wants to be told.
#[derive(Debug)]
pub struct Connector {
    socket: AsyncFd<OwnedFd>,
}

impl Connector {
    /// Opens the socket in the host's network namespace, as far as it may. Must be called on the thread, with a tokio
    /// runtime, that will read it.
    ///
    /// # Errors
    /// One [`ErrorCode`] for each cause that has its own remedy.
    pub fn open(proc_root: &Path, receive_buffer_size: usize, types: EventTypes) -> Result<Self, Error> {
        let fd = prepare(proc_root, receive_buffer_size)?;
        let socket = sys::register(fd).map_err(failed("epoll_ctl the netlink socket", source_failed))?;
        listen(socket.get_ref(), proc_root)?;
        // From here on, dropping says IGNORE.
        let connector = Self { socket };
        set_filter(connector.socket.as_fd(), types)?;
        Ok(connector)
    }

    /// Waits until there is something to receive.
    ///
    /// # Errors
    /// Only if the runtime is ending.
    pub async fn readable(&self) -> io::Result<()> {
        sys::ready(&self.socket).await.map(drop)
    }

    /// The effective size of the receive buffer, in bytes.
    pub fn receive_buffer_size(&self) -> usize {
        sockopt::socket_recv_buffer_size(&self.socket).unwrap_or(0)
    }
}

impl DatagramSource for Connector {
    fn receive(&self, batch: &mut Batch) -> rustix::io::Result<bool> {
        batch.receive_all(|datagrams| sys::recvmmsg(self.socket.as_fd(), datagrams))
    }

    fn exhausted(&self) {
        // "Would block" is all that this says to the runtime; a datagram that came in since wakes it by itself.
        let _ = self.socket.try_io(Interest::READABLE, |_| Err::<(), _>(io::ErrorKind::WouldBlock.into()));
    }

    fn drops(&self) -> io::Result<u32> {
        sys::drops(self.socket.as_fd())
    }
}

impl Drop for Connector {
    fn drop(&mut self) {
        // Without it the kernel keeps on making events for a listener that is gone. Nobody is left to hear of a failure.
        let _ = send(self.socket.get_ref(), ProcCnMcastOp::Ignore, token());
    }
}

/// Takes the next datagram, without waiting; `None` if nothing is left.
pub(crate) fn recv(fd: BorrowedFd<'_>) -> rustix::io::Result<Option<Datagram>> {
    let mut datagram = [Datagram::EMPTY];
    loop {
        match sys::recvmmsg(fd, &mut datagram) {
            Ok(_) => return Ok(Some(datagram[0])),
            Err(Errno::AGAIN) => return Ok(None),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
}

/// Lets the kinds pass that are wanted, and what the process table lives on. After a failure the earlier filter is still
/// in force.
fn set_filter(socket: BorrowedFd<'_>, types: EventTypes) -> Result<(), Error> {
    let program = bpf::program(types, std::process::id());
    sys::attach_filter(socket, &program).map_err(failed("setsockopt SO_ATTACH_FILTER", source_failed))
}
