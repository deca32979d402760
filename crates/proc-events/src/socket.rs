//! The door to the kernel's process connector: a netlink socket that is subscribed and filtered.

mod handshake;

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use neli::consts::connector::ProcCnMcastOp;
use rustix::io::Errno;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{RecvFlags, sockopt};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::error::Error;
use crate::interest::Kinds;
use crate::wire::DATAGRAM_LEN;
use crate::{filter, sys};
use handshake::{failed, listen, prepare, send, source_failed, token};

pub use handshake::probe;

/// Bytes asked for the receive buffer unless the user says otherwise: some 20,000 events.
pub const DEFAULT_RECEIVE_BUFFER_SIZE: usize = 8 << 20;

/// A subscribed socket. Dropping it says IGNORE, as the kernel wants to be told.
#[derive(Debug)]
pub struct Connector {
    socket: AsyncFd<OwnedFd>,
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

impl Connector {
    /// Opens the socket in the host's network namespace, as far as it may. Must be called on the thread, with a tokio
    /// runtime, that will read it.
    ///
    /// # Errors
    /// One [`ErrorCode`] for each cause that has its own remedy.
    pub fn open(proc_root: &Path, receive_buffer_size: usize, kinds: Kinds) -> Result<Self, Error> {
        let fd = prepare(proc_root, receive_buffer_size)?;
        let socket = sys::watch(fd).map_err(failed("epoll_ctl the netlink socket", source_failed))?;
        listen(socket.get_ref(), proc_root)?;
        // From here on, dropping says IGNORE.
        let connector = Self { socket };
        connector.set_filter(kinds)?;
        Ok(connector)
    }

    /// Lets the kinds pass that are wanted, and what the process table lives on.
    ///
    /// # Errors
    /// [`ErrorCode::SourceFailed`], with the earlier filter still in force.
    pub fn set_filter(&self, kinds: Kinds) -> Result<(), Error> {
        let program = filter::program(kinds, std::process::id());
        sys::attach_filter(self.socket.as_fd(), &program)
            .map_err(failed("setsockopt SO_ATTACH_FILTER", source_failed))
    }

    /// Waits until there is something to receive.
    ///
    /// # Errors
    /// Only if the runtime is ending.
    pub async fn readable(&self) -> io::Result<()> {
        self.socket.readable().await.map(drop)
    }

    /// To be called when [`Received::Nothing`] was received: [`Connector::readable`] then waits for what comes next.
    pub fn exhausted(&self) {
        // "Would block" is all that this says to the runtime; a datagram that came in since wakes it by itself.
        let _ = self.socket.try_io(Interest::READABLE, |_| Err::<(), _>(io::ErrorKind::WouldBlock.into()));
    }

    /// Takes the next datagram, without waiting.
    ///
    /// # Errors
    /// The errno of `recvfrom`; `ENOBUFS` is a loss, not a failure.
    pub fn receive(&self, buffer: &mut [u8; DATAGRAM_LEN]) -> rustix::io::Result<Received> {
        receive(self.socket.get_ref(), buffer)
    }

    /// The effective size of the receive buffer, in bytes.
    pub fn receive_buffer_size(&self) -> usize {
        sockopt::socket_recv_buffer_size(&self.socket).unwrap_or(0)
    }

    /// How many events the socket has dropped for want of room, modulo 2^32.
    ///
    /// # Errors
    /// On kernels before 4.12, which do not count.
    pub fn drops(&self) -> io::Result<u32> {
        sys::drops(self.socket.as_fd())
    }
}

impl Drop for Connector {
    fn drop(&mut self) {
        // Without it the kernel keeps on making events for a listener that is gone. Nobody is left to hear of a failure.
        let _ = send(self.socket.get_ref(), ProcCnMcastOp::Ignore, token());
    }
}

fn receive(fd: impl AsFd, buffer: &mut [u8; DATAGRAM_LEN]) -> rustix::io::Result<Received> {
    loop {
        match rustix::net::recvfrom(&fd, &mut buffer[..], RecvFlags::TRUNC | RecvFlags::DONTWAIT) {
            Ok((_, len, sender)) => {
                // Whoever has CAP_NET_ADMIN can send to the group: only the port tells that it was not the kernel.
                let from_kernel = sender
                    .and_then(|sender| SocketAddrNetlink::try_from(sender).ok())
                    .is_some_and(|sender| sender.pid() == 0);
                let whole = len <= DATAGRAM_LEN;
                return Ok(if from_kernel && whole { Received::Datagram(len) } else { Received::Foreign });
            }
            Err(Errno::AGAIN) => return Ok(Received::Nothing),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
}
