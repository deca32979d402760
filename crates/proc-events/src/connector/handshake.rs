//! The handshake with the kernel's process connector.
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
use rustix::net::{SendFlags, sockopt};

use super::recv;
use crate::connector::bpf;
use crate::connector::namespace;
use crate::connector::wire;
use crate::error::{Error, ErrorCode};
use crate::sys;

/// How often a kernel that does not acknowledge, though nothing forbids it to, is asked again.
const MAX_LISTEN_ATTEMPTS: usize = 1024;
/// Neither LISTEN nor IGNORE: refused, and what was asked before is forgotten.
const INVALID_OP: ProcCnMcastOp = ProcCnMcastOp::UnrecognizedConst(7);

/// Whether the process connector can be had here. Nothing is left behind.
///
/// # Errors
/// What [`Connector::open`] would say.
pub fn probe(proc_root: &Path) -> Result<(), Error> {
    let fd = prepare(proc_root, 1)?;
    listen(&fd, proc_root)?;
    let _ = send(&fd, ProcCnMcastOp::Ignore, token());
    Ok(())
}

/// A socket that is ready for the handshake.
pub(super) fn prepare(proc_root: &Path, receive_buffer_size: usize) -> Result<OwnedFd, Error> {
    let fd = open(proc_root)?;
    set_receive_buffer_size(&fd, receive_buffer_size);
    attach_and_join(&fd, &bpf::handshake())?;
    Ok(fd)
}

/// A socket that is sent nothing but what calls exec on one CPU. It does not ask the kernel for reports, but shares those
/// that a [`super::Connector`] has asked for.
pub(crate) fn open_exec_listener(proc_root: &Path, cpu: u32) -> Result<OwnedFd, Error> {
    let fd = open(proc_root)?;
    attach_and_join(&fd, &bpf::execs_on(cpu))?;
    Ok(fd)
}

fn open(proc_root: &Path) -> Result<OwnedFd, Error> {
    let socket = namespace::in_host_network(proc_root, || NlSocket::new(NlFamily::Connector))
        .map_err(failed("socket AF_NETLINK", socket_cause))?;
    socket.nonblock().map_err(failed("fcntl O_NONBLOCK", source_failed))?;
    Ok(sys::into_fd(socket))
}

/// Joins those who are sent what the program lets pass.
fn attach_and_join(fd: &OwnedFd, program: &[sys::Instruction]) -> Result<(), Error> {
    // Kernels before 4.12 do not count what they drop: there, the error is all that tells of an overflow. Otherwise it is
    // only in the way: after it nothing is queued until the queue has been read empty.
    if sys::drops(fd.as_fd()).is_ok() {
        sys::set_no_enobufs(fd.as_fd()).map_err(failed("setsockopt NETLINK_NO_ENOBUFS", source_failed))?;
    }
    sys::attach_filter(fd.as_fd(), program).map_err(failed("setsockopt SO_ATTACH_FILTER", refused))?;
    join(fd).map_err(failed("bind to the process connector's group", refused))
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

pub(super) fn listen(fd: &OwnedFd, proc_root: &Path) -> Result<(), Error> {
    for _ in 0..MAX_LISTEN_ATTEMPTS {
        if request_listening(fd)? {
            return Ok(());
        }
        let error = namespace::why_ignored(proc_root);
        if error.code != ErrorCode::SourceFailed {
            return Err(error);
        }
        // Nothing forbids it, so the kernel's count of its listeners is off: some mistakes of others, and some
        // kernels, leave it too low, and no listener hears anything. Asking again from a clean state raises it.
        let _ = send(fd, INVALID_OP, token());
    }
    Err(namespace::why_ignored(proc_root))
}

/// Whether the kernel has acknowledged.
fn request_listening(fd: &OwnedFd) -> Result<bool, Error> {
    let token = token();
    send(fd, ProcCnMcastOp::Listen, token).map_err(failed("sendto PROC_CN_MCAST_LISTEN", listen_cause))?;
    // Acknowledgements go to every listener, so those of others are passed over.
    loop {
        let received = recv(fd.as_fd())
            .map_err(|errno| Error::new(ErrorCode::SourceFailed, "recvmmsg the acknowledgement", errno))?;
        let Some(datagram) = received else { return Ok(false) };
        let Some(Ok(message)) = datagram.message().map(wire::parse) else { continue };
        if let ProcEvent::Ack { err } = message.event
            && message.ack == token.wrapping_add(1)
        {
            return match err {
                0 => Ok(true),
                err => Err(Error::new(
                    ErrorCode::Permission,
                    "the acknowledgement of PROC_CN_MCAST_LISTEN",
                    Errno::from_raw_os_error(err as i32),
                )),
            };
        }
    }
}

pub(super) fn send(fd: &OwnedFd, operation: ProcCnMcastOp, token: u32) -> io::Result<()> {
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
pub(super) fn token() -> u32 {
    RandomState::new().build_hasher().finish() as u32
}

pub(super) fn failed(syscall: &'static str, cause: fn(Errno) -> ErrorCode) -> impl Fn(io::Error) -> Error {
    move |error| match Errno::from_io_error(&error) {
        Some(errno) => Error::new(cause(errno), syscall, errno),
        None => Error::shown_by(ErrorCode::SourceFailed, syscall),
    }
}

pub(super) const fn source_failed(_: Errno) -> ErrorCode {
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
