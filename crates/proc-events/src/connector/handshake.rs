//! The handshake with the kernel's process connector.
//!
//! Each step relies on the one before:
//! 1. Set the size of the receive buffer.
//! 2. Set `NETLINK_NO_ENOBUFS`, so that an overflow does not block the queue.
//! 3. Attach a filter that passes only acknowledgements.
//! 4. Join the multicast group.
//! 5. Send `PROC_CN_MCAST_LISTEN`.
//! 6. Read its acknowledgement. The kernel queues it before `sendto` returns.
//! 7. Attach the filter of the subscribers.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
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

use crate::connector::bpf;
use crate::connector::namespace;
use crate::connector::wire;
use crate::error::{Error, ErrorCode};
use crate::sys;
use crate::sys::datagram::Datagram;

/// Maximum number of LISTEN requests to a kernel that does not acknowledge them for no known reason.
const MAX_LISTEN_ATTEMPTS: usize = 1024;
/// An operation that is neither LISTEN nor IGNORE. The kernel rejects it, and forgets the socket's previous operation.
const INVALID_OP: ProcCnMcastOp = ProcCnMcastOp::UnrecognizedConst(7);

/// Checks that the process connector can be used, and leaves no trace.
///
/// # Errors
/// The error of [`Connector::open`](super::Connector::open).
pub fn probe(proc_root: &Path) -> Result<(), Error> {
    let fd = prepare(proc_root, 1)?;
    listen(&fd, proc_root)?;
    let _ = send(&fd, ProcCnMcastOp::Ignore, token());
    Ok(())
}

/// Opens a socket, and does steps 1 to 4 of the handshake.
pub(super) fn prepare(proc_root: &Path, receive_buffer_size: usize) -> Result<OwnedFd, Error> {
    let fd = open(proc_root)?;
    set_receive_buffer_size(&fd, receive_buffer_size);
    attach_and_join(&fd, &bpf::handshake())?;
    Ok(fd)
}

/// Opens a socket that receives only the execs of one CPU. It sends no LISTEN, because the kernel multicasts to the
/// whole group as long as one [`Connector`](super::Connector) listens.
pub(crate) fn open_exec_listener(proc_root: &Path, cpu: u32) -> Result<OwnedFd, Error> {
    let fd = open(proc_root)?;
    attach_and_join(&fd, &bpf::execs_on(cpu))?;
    Ok(fd)
}

fn open(proc_root: &Path) -> Result<OwnedFd, Error> {
    let socket = namespace::in_host_network(proc_root, || NlSocket::new(NlFamily::Connector))
        .map_err(failed("socket", "AF_NETLINK", socket_cause))?;
    socket.nonblock().map_err(failed("fcntl", "O_NONBLOCK", source_failed))?;
    Ok(sys::into_fd(socket))
}

/// Attaches the program, then joins the multicast group.
fn attach_and_join(fd: &OwnedFd, program: &[sys::Instruction]) -> Result<(), Error> {
    set_no_enobufs(fd)?;
    sys::attach_filter(fd.as_fd(), program).map_err(failed(
        "setsockopt",
        "SO_ATTACH_FILTER",
        permission_cause,
    ))?;
    join(fd).map_err(failed("bind", "to the process connector's group", permission_cause))
}

/// Makes an overflow only count, if the kernel has a drop counter.
pub(crate) fn set_no_enobufs(fd: &OwnedFd) -> Result<(), Error> {
    // Kernels before 4.12 have no drop counter, so that ENOBUFS is the only sign of an overflow there. Newer kernels do
    // not need ENOBUFS, and it does harm: after it the kernel queues nothing until the queue has been drained.
    if sys::drops(fd.as_fd()).is_ok() {
        sys::set_no_enobufs(fd.as_fd()).map_err(failed("setsockopt", "NETLINK_NO_ENOBUFS", source_failed))?;
    }
    Ok(())
}

pub(crate) fn set_receive_buffer_size(fd: &OwnedFd, bytes: usize) {
    // SO_RCVBUFFORCE needs CAP_NET_ADMIN. SO_RCVBUF is capped by net.core.rmem_max. The kernel doubles the number for
    // its own bookkeeping. Subscribers get the effective size.
    let bytes = bytes.min(i32::MAX as usize / 2);
    if sockopt::set_socket_recv_buffer_size_force(fd, bytes).is_err() {
        let _ = sockopt::set_socket_recv_buffer_size(fd, bytes);
    }
}

/// Joins the process connector's multicast group. Port 0 lets the kernel choose a port, because another netlink user of
/// this program may hold the port that equals the pid.
fn join(fd: &OwnedFd) -> io::Result<()> {
    let groups = 1 << (u32::from(CnMsgIdx::Proc) - 1);
    Ok(rustix::net::bind(fd, &SocketAddrNetlink::new(0, groups))?)
}

/// Sends LISTEN until the kernel acknowledges it.
pub(super) fn listen(fd: &OwnedFd, proc_root: &Path) -> Result<(), Error> {
    for _ in 0..MAX_LISTEN_ATTEMPTS {
        if request_listening(fd)? {
            return Ok(());
        }
        let error = namespace::why_ignored(proc_root);
        if error.code != ErrorCode::SourceFailed {
            return Err(error);
        }
        // No namespace explains the silence, so the kernel's listener count is too low. Faulty listeners and some
        // kernels decrement it once too often. At 0 or below the kernel sends no events. Each LISTEN from a clean state
        // increments the count.
        let _ = send(fd, INVALID_OP, token());
    }
    Err(namespace::why_ignored(proc_root))
}

/// Sends LISTEN once. Returns true if the kernel has acknowledged it.
fn request_listening(fd: &OwnedFd) -> Result<bool, Error> {
    let token = token();
    send(fd, ProcCnMcastOp::Listen, token).map_err(failed("sendto", "PROC_CN_MCAST_LISTEN", listen_cause))?;
    // The kernel multicasts acknowledgements, so that those of other listeners arrive, too.
    loop {
        let received = recv(fd.as_fd()).map_err(|errno| {
            Error::from_errno(ErrorCode::SourceFailed, "recvmmsg", "of an acknowledgement", errno)
        })?;
        let Some(datagram) = received else { return Ok(false) };
        let Some(Ok(message)) = datagram.message().map(wire::parse) else { continue };
        if let ProcEvent::Ack { err } = message.event
            && message.ack == token.wrapping_add(1)
        {
            return match err {
                0 => Ok(true),
                err => Err(Error {
                    errno: Some(Errno::from_raw_os_error(err as i32)),
                    ..Error::detected(
                        ErrorCode::Permission,
                        "the kernel rejected PROC_CN_MCAST_LISTEN in its acknowledgement",
                    )
                }),
            };
        }
    }
}

/// Receives one datagram without blocking. Returns `None` if the queue is empty.
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

/// Sends an operation to the kernel. Its acknowledgement carries `token` + 1.
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

/// Returns a random number, so that acknowledgements of other listeners do not match.
pub(super) fn token() -> u32 {
    RandomState::new().build_hasher().finish() as u32
}

/// Returns a function that makes an [`Error`] of a failed system call. `cause` maps its errno to a code.
pub(super) fn failed(
    syscall: &'static str,
    context: &'static str,
    cause: fn(Errno) -> ErrorCode,
) -> impl Fn(io::Error) -> Error {
    move |error| match Errno::from_io_error(&error) {
        Some(errno) => Error::from_errno(cause(errno), syscall, context, errno),
        None => Error::from_io(syscall, context, &error),
    }
}

pub(super) const fn source_failed(_: Errno) -> ErrorCode {
    ErrorCode::SourceFailed
}

/// The cause of a failure that is usually a missing privilege.
fn permission_cause(errno: Errno) -> ErrorCode {
    privilege_cause(errno, namespace::foreign_namespace)
}

/// The cause of a failure that is usually a missing privilege. In another user or pid namespace no privilege helps. Before
/// Linux 6.6 the kernel already refuses the group there: to any process in a user namespace, to an ordinary user in any.
fn privilege_cause(errno: Errno, foreign_namespace: impl Fn() -> Option<ErrorCode>) -> ErrorCode {
    match errno {
        Errno::PERM | Errno::ACCESS => foreign_namespace().unwrap_or(ErrorCode::Permission),
        Errno::NOSYS => ErrorCode::Permission,
        _ => ErrorCode::SourceFailed,
    }
}

/// The cause of a failed `socket`. Seccomp filters return EAFNOSUPPORT or one of the errnos of [`permission_cause`]. A
/// kernel without the connector returns EPROTONOSUPPORT.
fn socket_cause(errno: Errno) -> ErrorCode {
    match errno {
        Errno::AFNOSUPPORT => ErrorCode::Permission,
        Errno::PROTONOSUPPORT => ErrorCode::ConnectorUnavailable,
        errno => permission_cause(errno),
    }
}

/// The cause of a failed LISTEN.
fn listen_cause(errno: Errno) -> ErrorCode {
    // The kernel's socket of the connector exists in the initial network namespace only.
    match errno {
        // Once in the host's network namespace, the kernel would still not answer.
        Errno::CONNREFUSED if namespace::is_other_user_namespace() => ErrorCode::UserNamespace,
        Errno::CONNREFUSED => ErrorCode::NetworkNamespace,
        errno => permission_cause(errno),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_encoded_in_forty_bytes() {
        let bytes = request(ProcCnMcastOp::Listen, 0x1234_5678).unwrap();
        let word = |at: usize| u32::from_ne_bytes(bytes[at..at + 4].try_into().unwrap());
        assert_eq!((bytes.len(), word(0), word(4) & 0xffff), (40, 40, 3));
        assert_eq!((word(16), word(20), word(28), word(32) & 0xffff), (1, 1, 0x1234_5678, 4));
        assert_eq!(word(36), 1);
    }

    #[test]
    fn a_missing_privilege_in_another_namespace_is_the_namespaces_fault() {
        for namespace in [None, Some(ErrorCode::UserNamespace), Some(ErrorCode::PidNamespace)] {
            for (errno, cause) in [
                (Errno::PERM, namespace.unwrap_or(ErrorCode::Permission)),
                (Errno::ACCESS, namespace.unwrap_or(ErrorCode::Permission)),
                // A seccomp filter, which has no namespace.
                (Errno::NOSYS, ErrorCode::Permission),
                (Errno::NOBUFS, ErrorCode::SourceFailed),
            ] {
                assert_eq!(privilege_cause(errno, || namespace), cause);
            }
        }
    }
}
