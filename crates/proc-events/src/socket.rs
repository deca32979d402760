//! The door to the kernel's process connector: a netlink socket that is subscribed, acknowledged and filtered.
//!
//! In this order, because each step relies on the one before: receive buffer; no blackout after an overflow; a filter
//! that lets only acknowledgements pass; join the group; LISTEN; its acknowledgement, which the kernel queues before
//! `sendto` returns; the real filter.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use neli::ToBytes;
use neli::connector::{CnMsg, CnMsgBuilder, ProcEvent};
use neli::consts::connector::{CnMsgIdx, CnMsgVal, ProcCnMcastOp};
use neli::consts::nl::{NlmF, Nlmsg};
use neli::consts::socket::NlFamily;
use neli::nl::{NlPayload, Nlmsghdr, NlmsghdrBuilder};
use neli::socket::NlSocket;
use rustix::io::Errno;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{RecvFlags, SendFlags, sockopt};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::error::{Error, ErrorCode};
use crate::filter;
use crate::interest::Kinds;
use crate::namespace;
use crate::sys;
use crate::wire::{self, DATAGRAM_LEN};

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
        let socket = namespace::in_host_network(proc_root, || NlSocket::new(NlFamily::Connector))
            .map_err(failed("socket AF_NETLINK", socket_cause))?;
        socket.nonblock().map_err(failed("fcntl O_NONBLOCK", source_failed))?;
        let fd = sys::into_fd(socket);
        set_receive_buffer_size(&fd, receive_buffer_size);
        // Refused by kernels before 2.6.30 only: an overflow then blacks out until the queue is empty, and is counted.
        let _ = sys::set_no_enobufs(fd.as_fd());
        sys::attach_filter(fd.as_fd(), &filter::handshake())
            .map_err(failed("setsockopt SO_ATTACH_FILTER", refused))?;
        join(&fd).map_err(failed("bind to the process connector's group", refused))?;
        listen(&fd, proc_root)?;
        // From here on, dropping says IGNORE.
        let connector =
            Self { socket: sys::watch(fd).map_err(failed("epoll_ctl the netlink socket", source_failed))? };
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

fn set_receive_buffer_size(fd: &OwnedFd, bytes: usize) {
    // Forcing takes CAP_NET_ADMIN; otherwise the kernel gives what net.core.rmem_max allows. What it gave is reported.
    // Either way it doubles the number, for its own bookkeeping.
    let bytes = bytes.min(i32::MAX as usize / 2);
    if sockopt::set_socket_recv_buffer_size_force(fd, bytes).is_err() {
        let _ = sockopt::set_socket_recv_buffer_size(fd, bytes);
    }
}

/// Port 0: the kernel chooses one, since this program's pid may be taken by another netlink user in it.
fn join(fd: &OwnedFd) -> io::Result<()> {
    let groups = 1 << (u32::from(CnMsgIdx::Proc) - 1);
    Ok(rustix::net::bind(fd, &SocketAddrNetlink::new(0, groups))?)
}

fn listen(fd: &OwnedFd, proc_root: &Path) -> Result<(), Error> {
    let token = token();
    send(fd, ProcCnMcastOp::Listen, token).map_err(failed("sendto PROC_CN_MCAST_LISTEN", listen_cause))?;
    let mut buffer = [0; DATAGRAM_LEN];
    // Acknowledgements go to every listener, so those of others are passed over.
    loop {
        let received = receive(fd, &mut buffer)
            .map_err(|errno| Error::new(ErrorCode::SourceFailed, "recvfrom the acknowledgement", errno))?;
        let Received::Datagram(len) = received else {
            if received == Received::Foreign {
                continue;
            }
            return Err(namespace::why_ignored(proc_root));
        };
        let Ok(message) = wire::parse(&buffer[..len]) else { continue };
        if let ProcEvent::Ack { err } = message.event
            && message.ack == token.wrapping_add(1)
        {
            return match err {
                0 => Ok(()),
                err => Err(Error::new(
                    ErrorCode::Permission,
                    "the acknowledgement of PROC_CN_MCAST_LISTEN",
                    Errno::from_raw_os_error(err as i32),
                )),
            };
        }
    }
}

fn send(fd: &OwnedFd, operation: ProcCnMcastOp, token: u32) -> io::Result<()> {
    let message = request(operation, token).map_err(io::Error::other)?;
    let kernel = SocketAddrNetlink::new(0, 0);
    rustix::net::sendto(fd, &message, SendFlags::empty(), &kernel)?;
    Ok(())
}

fn request(
    operation: ProcCnMcastOp,
    token: u32,
) -> Result<Vec<u8>, Box<dyn std::error::Error + Send + Sync>> {
    let operation: CnMsg<ProcCnMcastOp> = CnMsgBuilder::default()
        .idx(CnMsgIdx::Proc)
        .val(CnMsgVal::Proc)
        .ack(token)
        .payload(operation)
        .build()?;
    let message: Nlmsghdr<Nlmsg, CnMsg<ProcCnMcastOp>> = NlmsghdrBuilder::default()
        .nl_type(Nlmsg::Done)
        .nl_flags(NlmF::empty())
        .nl_payload(NlPayload::Payload(operation))
        .build()?;
    let mut bytes = io::Cursor::new(Vec::new());
    message.to_bytes(&mut bytes)?;
    Ok(bytes.into_inner())
}

/// A number that no other listener's acknowledgement carries by chance.
fn token() -> u32 {
    RandomState::new().build_hasher().finish() as u32
}

fn failed(syscall: &'static str, cause: fn(Errno) -> ErrorCode) -> impl Fn(io::Error) -> Error {
    move |error| match Errno::from_io_error(&error) {
        Some(errno) => Error::new(cause(errno), syscall, errno),
        None => Error::shown_by(ErrorCode::SourceFailed, syscall),
    }
}

const fn source_failed(_: Errno) -> ErrorCode {
    ErrorCode::SourceFailed
}

/// A step that only rights can stand in the way of.
fn refused(errno: Errno) -> ErrorCode {
    if matches!(errno, Errno::PERM | Errno::ACCESS | Errno::NOSYS) {
        ErrorCode::Permission
    } else {
        ErrorCode::SourceFailed
    }
}

/// A seccomp filter may answer with any of the first three, a kernel without the connector with the last.
fn socket_cause(errno: Errno) -> ErrorCode {
    match errno {
        Errno::AFNOSUPPORT => ErrorCode::Permission,
        Errno::PROTONOSUPPORT => ErrorCode::ConnectorUnavailable,
        errno => refused(errno),
    }
}

fn listen_cause(errno: Errno) -> ErrorCode {
    // The kernel's end of the connector exists in the initial network namespace only.
    if errno == Errno::CONNREFUSED { ErrorCode::NetworkNamespace } else { refused(errno) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_the_forty_bytes_that_every_kernel_takes() {
        let bytes = request(ProcCnMcastOp::Listen, 0x1234_5678).unwrap();
        let word = |at: usize| u32::from_ne_bytes(bytes[at..at + 4].try_into().unwrap());
        assert_eq!((bytes.len(), word(0), word(4) & 0xffff), (40, 40, 3));
        assert_eq!((word(16), word(20), word(28), word(32) & 0xffff), (1, 1, 0x1234_5678, 4));
        assert_eq!(word(36), 1);
    }
}
