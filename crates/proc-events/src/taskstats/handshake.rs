//! The registration with the kernel's taskstats.
//!
//! Each step relies on the one before:
//! 1. Set the size of the receive buffer, and `NETLINK_NO_ENOBUFS`.
//! 2. Ask for the number of the family `TASKSTATS`.
//! 3. Register for the exits of all CPUs that the machine may ever have.
//! 4. End a thread, and read its record. In another network namespace the kernel registers, and sends nothing.
//! 5. Attach a filter that passes the last threads of processes. It would drop the answers to steps 2 and 3.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::thread;
use std::time::Duration;

use neli::ToBytes;
use neli::consts::genl::{CtrlAttr, CtrlCmd};
use neli::consts::nl::{GenlId, NlmF};
use neli::consts::socket::NlFamily;
use neli::genl::{AttrTypeBuilder, Genlmsghdr, GenlmsghdrBuilder, NlattrBuilder, NoUserHeader};
use neli::nl::{NlPayload, Nlmsghdr, NlmsghdrBuilder};
use neli::socket::NlSocket;
use neli::types::{Buffer, GenlBuffer};
use rustix::io::Errno;
use rustix::net::netlink::SocketAddrNetlink;

use super::socket::{Request, TaskstatsSocket, batch, receive_all, send};
use super::source::UsageSource;
use super::wire::{LAST_THREAD, attributes, stats};
use crate::connector::namespace;
use crate::connector::{set_no_enobufs, set_receive_buffer_size};
use crate::error::{Error, ErrorCode};
use crate::sys::datagram::{u16_at, u32_at};
use crate::sys::{self, Instruction};

/// `TASKSTATS_CMD_GET`, `linux/taskstats.h`
const TASKSTATS_CMD_GET: u8 = 1;
/// `TASKSTATS_CMD_ATTR_REGISTER_CPUMASK`, `linux/taskstats.h`
const REGISTER_CPUMASK: u16 = 3;
/// `TASKSTATS_CMD_ATTR_DEREGISTER_CPUMASK`, `linux/taskstats.h`
const DEREGISTER_CPUMASK: u16 = 4;
/// `NLMSG_ERROR`, `linux/netlink.h`
const NLMSG_ERROR: u16 = 2;
/// `NLMSG_ERROR` has the negative error number behind `struct nlmsghdr`.
const ERROR_AT: usize = 16;
/// Size of `struct nlmsghdr` and `struct genlmsghdr`, in bytes.
const HEADERS: usize = 20;
/// Receive buffer of a probe, in bytes.
const PROBE_BUFFER_SIZE: usize = 1 << 20;
/// The smallest receive buffer, in bytes. The answers of the registration arrive among records.
const BUFFER_SIZE_MIN: usize = 1 << 16;
/// The largest number of threads that are ended to receive a record of one.
const PROOFS_MAX: usize = 16;

/// Sleeps of the recorded threads, one after the other, in microseconds. A short one may be over before the thread waits, above
/// all if a virtual machine loses its CPU then.
const NAPS_US: [u64; 5] = [100, 400, 1_600, 6_400, 25_600];

/// Checks that the costs of processes can be read, and leaves no trace.
///
/// # Errors
/// The error of [`TaskstatsSocket::open`].
pub fn probe(proc_root: &Path) -> Result<(), Error> {
    TaskstatsSocket::open(proc_root, PROBE_BUFFER_SIZE).map(drop)
}

impl TaskstatsSocket {
    /// Opens a socket in the host's network namespace if permitted, else in that of this thread, and registers it.
    ///
    /// # Errors
    /// One [`ErrorCode`] per cause that has its own remedy.
    pub(crate) fn open(proc_root: &Path, receive_buffer_size: usize) -> Result<Self, Error> {
        let socket = Self::open_registered(proc_root, receive_buffer_size)?;
        let flags_at = socket.prove(NAPS_US)?;
        sys::attach_filter(socket.fd.as_fd(), &last_threads(flags_at))
            .map_err(|error| fail("setsockopt", "SO_ATTACH_FILTER", &error))?;
        Ok(socket)
    }

    /// Opens a socket that is registered for all threads.
    fn open_registered(proc_root: &Path, receive_buffer_size: usize) -> Result<Self, Error> {
        let socket = namespace::in_host_network(proc_root, || NlSocket::new(NlFamily::Generic))
            .map_err(|error| fail("socket", "NETLINK_GENERIC", &error))?;
        socket.nonblock().map_err(|error| fail("fcntl", "O_NONBLOCK", &error))?;
        let fd = sys::into_fd(socket);
        set_receive_buffer_size(&fd, receive_buffer_size.max(BUFFER_SIZE_MIN));
        set_no_enobufs(&fd)?;
        rustix::net::bind(&fd, &SocketAddrNetlink::new(0, 0))
            .map_err(|errno| fail("bind", "NETLINK_GENERIC", &errno.into()))?;
        let family = family(&fd)?;
        let cpus = possible_cpus();
        let request_of = |attribute| {
            request(family, TASKSTATS_CMD_GET, attribute, cpus.clone())
                .map_err(|error| fail("sendto", "TASKSTATS", &error))
        };
        let deregister = request_of(DEREGISTER_CPUMASK)?;
        // From here on, `Drop` ends the registration on every path.
        let socket = Self::new(fd, deregister);
        socket.register(&request_of(REGISTER_CPUMASK)?)?;
        Ok(socket)
    }

    fn register(&self, request: &Request) -> Result<(), Error> {
        send(&self.fd, request).map_err(|error| fail("sendto", "REGISTER_CPUMASK", &error))?;
        let mut answer = None;
        // The records of exits since the registration are beside the answer.
        let received = self.receive_all(&mut |bytes, _| answer = answer.or_else(|| error_number(bytes)));
        match (received, answer) {
            (_, Some(0)) => Ok(()),
            (_, Some(errno)) => {
                let errno = Errno::from_raw_os_error(errno);
                Err(Error::from_errno(register_cause(errno), "sendto", "REGISTER_CPUMASK", errno))
            }
            (Err(errno), None) => {
                Err(Error::from_errno(ErrorCode::SourceFailed, "recvmmsg", "REGISTER_CPUMASK", errno))
            }
            (Ok(()), None) => Err(Error::detected(
                ErrorCode::SourceFailed,
                "the kernel did not acknowledge REGISTER_CPUMASK",
            )),
        }
    }

    /// Checks that the record of a thread of this process arrives. Returns the offset of its flags.
    fn prove(&self, naps_us: impl IntoIterator<Item = u64>) -> Result<usize, Error> {
        let mut naps = naps_us.into_iter().map(Duration::from_micros);
        let lacks = || Error::detected(ErrorCode::SourceFailed, "the kernel's taskstats lack what is needed");
        let mut nap = naps.next().ok_or_else(lacks)?;
        for _ in 0..PROOFS_MAX {
            let drops = self.drops();
            match self.record_of_own_thread(nap)? {
                Some((true, flags_at)) => return Ok(flags_at),
                // The thread may not have waited.
                Some((false, _)) => nap = naps.next().ok_or_else(lacks)?,
                // The buffer may have been full of other records.
                None if self.drops() != drops => {}
                None => break,
            }
        }
        Err(Error::detected(ErrorCode::NetworkNamespace, "the kernel sent no record of an ended thread"))
    }

    /// Ends a thread, and returns what its record shows: true if it has all that is needed, and the offset of its flags. The
    /// kernel queues the record before the thread counts as ended.
    fn record_of_own_thread(&self, nap: Duration) -> Result<Option<(bool, usize)>, Error> {
        // The kernel adds up CPU time when a thread waits.
        let thread = thread::Builder::new()
            .spawn(move || thread::sleep(nap))
            .map_err(|error| Error::from_io("pthread_create", "of a thread to be recorded", &error))?;
        // It cannot panic.
        let _ = thread.join();
        let (own, mut found) = (std::process::id(), None);
        // Other threads of this process may end, too, and before their CPU time is added up.
        let received = self.receive_all(&mut |bytes, _| {
            let [thread, _] = stats(bytes);
            if let Some(thread) = thread.filter(|thread| !thread.is_supported() || thread.pid() == own) {
                let has_all = thread.is_supported() && thread.has_cpu_time();
                found = found.filter(|(had_all, _)| *had_all).or(Some((has_all, thread.flags_at())));
            }
        });
        received.map_err(|errno| {
            Error::from_errno(ErrorCode::SourceFailed, "recvmmsg", "of a record of taskstats", errno)
        })?;
        Ok(found)
    }
}

/// Asks for the number of the family. The kernel answers before `sendto` returns.
fn family(fd: &OwnedFd) -> Result<u16, Error> {
    const CONTEXT: &str = "CTRL_CMD_GETFAMILY TASKSTATS";
    let (command, attribute) = (CtrlCmd::Getfamily.into(), CtrlAttr::FamilyName.into());
    let request = request(GenlId::Ctrl.into(), command, attribute, "TASKSTATS".to_owned())
        .map_err(|error| fail("sendto", CONTEXT, &error))?;
    send(fd, &request).map_err(|error| fail("sendto", CONTEXT, &error))?;
    let mut family = Err(Error::detected(ErrorCode::SourceFailed, "CTRL_CMD_GETFAMILY was not answered"));
    let received = receive_all(fd.as_fd(), &mut batch(), &mut |bytes, _| {
        if let Some(errno) = error_number(bytes).filter(|errno| *errno != 0) {
            let errno = Errno::from_raw_os_error(errno);
            family = Err(Error::from_errno(permission_cause(errno), "sendto", CONTEXT, errno));
        }
        for (kind, content, _) in attributes(bytes, HEADERS) {
            if kind == u16::from(CtrlAttr::FamilyId) {
                family = Ok(u16_at(content, 0..2));
            }
        }
    });
    received.map_err(|errno| Error::from_errno(ErrorCode::SourceFailed, "recvmmsg", CONTEXT, errno))?;
    family
}

/// Returns the error number of an acknowledgement; 0: no error. Returns `None` for another message.
fn error_number(message: &[u8]) -> Option<i32> {
    (u16_at(message, 4..6) == NLMSG_ERROR)
        .then(|| (u32_at(message, ERROR_AT..ERROR_AT + 4) as i32).wrapping_neg())
}

/// Encodes a request with one text as its attribute.
fn request(family: u16, command: u8, attribute: u16, text: String) -> io::Result<Request> {
    encode(family, command, attribute, text).map_err(io::Error::other)
}

fn encode(
    family: u16,
    command: u8,
    attribute: u16,
    text: String,
) -> Result<Request, Box<dyn std::error::Error + Send + Sync>> {
    let kind = AttrTypeBuilder::default().nla_type(attribute).build()?;
    let mut attributes = GenlBuffer::<u16, Buffer>::new();
    attributes.push(NlattrBuilder::default().nla_type(kind).nla_payload(text).build()?);
    let request = GenlmsghdrBuilder::<u8, u16, NoUserHeader>::default();
    let request = request.cmd(command).version(1).attrs(attributes).build()?;
    let message: Nlmsghdr<u16, Genlmsghdr<u8, u16>> = NlmsghdrBuilder::default()
        .nl_type(family)
        .nl_flags(NlmF::REQUEST | NlmF::ACK)
        .nl_payload(NlPayload::Payload(request))
        .build()?;
    let mut bytes = io::Cursor::new(Vec::new());
    message.to_bytes(&mut bytes)?;
    Ok(bytes.into_inner())
}

/// Returns the list of all CPUs that may come. The kernel refuses a list with others.
fn possible_cpus() -> String {
    let listed = std::fs::read("/sys/devices/system/cpu/possible");
    let listed = listed.ok().and_then(|list| String::from_utf8(list).ok());
    let listed = listed.map(|list| list.trim_end().to_owned()).filter(|list| !list.is_empty());
    listed.unwrap_or_else(|| format!("0-{}", sys::configured_cpus() - 1))
}

/// Returns the program that passes the records of last threads. The record of a process with threads is in the same
/// datagram.
fn last_threads(flags_at: usize) -> [Instruction; 4] {
    /// `BPF_LD | BPF_B | BPF_ABS`
    const LOAD_BYTE: u16 = 0x30;
    /// `BPF_JMP | BPF_JSET | BPF_K`
    const IF_ANY_BIT: u16 = 0x45;
    /// `BPF_RET | BPF_K`
    const RETURN: u16 = 0x06;
    let op = |code, k| Instruction { code, jt: 0, jf: 0, k };
    [
        op(LOAD_BYTE, flags_at as u32),
        Instruction { code: IF_ANY_BIT, jt: 0, jf: 1, k: LAST_THREAD.into() },
        op(RETURN, u32::MAX),
        op(RETURN, 0),
    ]
}

/// Makes an error of a failed system call. Not inlined, because it is seldom called, and from many places.
#[inline(never)]
fn fail(syscall: &'static str, context: &'static str, error: &io::Error) -> Error {
    match Errno::from_io_error(error) {
        Some(errno) => Error::from_errno(permission_cause(errno), syscall, context, errno),
        None => Error::from_io(syscall, context, error),
    }
}

/// The cause of a refused registration.
fn register_cause(errno: Errno) -> ErrorCode {
    match errno {
        // Also in another user namespace, where nothing else helps.
        Errno::PERM | Errno::INVAL if namespace::is_other_user_namespace() => ErrorCode::UserNamespace,
        Errno::INVAL => ErrorCode::PidNamespace,
        errno => permission_cause(errno),
    }
}

/// The cause of a failure that is usually a missing privilege.
fn permission_cause(errno: Errno) -> ErrorCode {
    if matches!(errno, Errno::PERM | Errno::ACCESS | Errno::NOSYS | Errno::AFNOSUPPORT) {
        ErrorCode::Permission
    } else {
        ErrorCode::SourceFailed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernel_is_proven_by_a_later_thread_if_the_first_ones_did_not_wait() {
        // Ordinary users may not read records, and some kernels have none: there is nothing to test.
        let Ok(socket) = TaskstatsSocket::open_registered(Path::new("/proc"), PROBE_BUFFER_SIZE) else {
            return;
        };
        if socket.prove(NAPS_US).is_ok() {
            assert!(socket.prove([0, 0, 0].into_iter().chain(NAPS_US)).is_ok());
        }
    }

    #[test]
    fn request_has_the_text_with_a_terminating_nul_as_its_only_attribute() {
        let bytes = request(21, TASKSTATS_CMD_GET, REGISTER_CPUMASK, "0-1".to_owned()).unwrap();
        assert_eq!((u32_at(&bytes, 0..4) as usize, u16_at(&bytes, 4..6)), (bytes.len(), 21));
        assert_eq!(bytes[16..18], [TASKSTATS_CMD_GET, 1]);
        let attributes: Vec<_> = attributes(&bytes, HEADERS).collect();
        assert_eq!(attributes, [(REGISTER_CPUMASK, &b"0-1\0"[..], 24)]);
    }
}
