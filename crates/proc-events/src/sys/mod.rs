//! System calls that no maintained crate wraps safely. This module has the only `unsafe` code of the crate. Every
//! function is sound for all arguments that its types allow.
#![expect(unsafe_code, reason = "the one audited module of the crate")]

pub(crate) mod cpus;
pub mod datagram;
pub(crate) mod descriptors;
pub(crate) mod exit_watcher;
pub(crate) mod perf;
pub(crate) mod pidfd;
pub mod scheduling;
pub(crate) mod thread_end;

use std::future::poll_fn;
use std::io;
use std::mem::{size_of, size_of_val};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd};
use std::time::Duration;

use neli::socket::NlSocket;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use tokio::io::Interest;
use tokio::io::unix::{AsyncFd, AsyncFdReadyGuard};

use datagram::Datagram;

/// `SO_MEMINFO`, `asm-generic/socket.h`. libc does not define it on every target.
const SO_MEMINFO: libc::c_int = 55;
/// `SK_MEMINFO_RMEM_ALLOC`, `linux/sock_diag.h`
const SK_MEMINFO_RMEM_ALLOC: usize = 0;
/// `SK_MEMINFO_DROPS`, `linux/sock_diag.h`
const SK_MEMINFO_DROPS: usize = 8;
/// `SK_MEMINFO_VARS`, `linux/sock_diag.h`
const SK_MEMINFO_VARS: usize = 9;

/// Converts a neli socket into an owned descriptor.
pub(crate) fn into_fd(socket: NlSocket) -> OwnedFd {
    // SAFETY: into_raw_fd returns an open descriptor, and gives up its ownership.
    unsafe { OwnedFd::from_raw_fd(socket.into_raw_fd()) }
}

/// Registers a descriptor for readability with the tokio runtime of this thread.
pub(crate) fn register(fd: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an OwnedFd keeps the same descriptor open for its whole lifetime.
    unsafe { AsyncFd::register_with_interest(fd, Interest::READABLE) }.map_err(io::Error::from)
}

/// Waits until a descriptor is readable. Cheaper than `AsyncFd::readable`, because it serves only one waiting task.
pub(crate) async fn ready(fd: &AsyncFd<OwnedFd>) -> io::Result<AsyncFdReadyGuard<'_, OwnedFd>> {
    poll_fn(|context| fd.poll_read_ready(context)).await
}

/// Sets `NETLINK_NO_ENOBUFS`. An overflow then no longer blocks the receive queue until it is drained. The drop counter
/// still counts.
pub(crate) fn set_no_enobufs(fd: BorrowedFd<'_>) -> io::Result<()> {
    let on: libc::c_int = 1;
    // SAFETY: the pointer and the length describe a live c_int.
    let result = unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            libc::SOL_NETLINK,
            libc::NETLINK_NO_ENOBUFS,
            (&raw const on).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    };
    check(result)
}

/// Receives up to `N` queued datagrams without blocking, and returns their number.
pub(crate) fn recvmmsg<const N: usize, const LEN: usize>(
    fd: BorrowedFd<'_>,
    datagrams: &mut [Datagram<LEN>; N],
) -> rustix::io::Result<usize> {
    // SAFETY: all fields are integers or raw pointers, for which zero is a valid value.
    let (mut addresses, mut iovecs, mut headers): (
        [libc::sockaddr_nl; N],
        [libc::iovec; N],
        [libc::mmsghdr; N],
    ) = unsafe { std::mem::zeroed() };
    for (((datagram, address), iovec), header) in
        datagrams.iter_mut().zip(&mut addresses).zip(&mut iovecs).zip(&mut headers)
    {
        iovec.iov_base = datagram.bytes.as_mut_ptr().cast();
        iovec.iov_len = datagram.bytes.len();
        header.msg_hdr.msg_name = std::ptr::from_mut(address).cast();
        header.msg_hdr.msg_namelen = size_of_val(address) as libc::socklen_t;
        header.msg_hdr.msg_iov = iovec;
        header.msg_hdr.msg_iovlen = 1;
    }
    #[cfg_attr(
        not(target_env = "musl"),
        expect(trivial_numeric_casts, reason = "the type of flags differs between glibc and musl")
    )]
    let flags = (libc::MSG_DONTWAIT | libc::MSG_TRUNC) as _;
    // SAFETY: the headers point to live memory of the lengths they state, and no other reference to it is in use.
    let received = unsafe {
        libc::recvmmsg(fd.as_raw_fd(), headers.as_mut_ptr(), N as libc::c_uint, flags, std::ptr::null_mut())
    };
    check(received).map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
    for ((datagram, address), header) in datagrams.iter_mut().zip(&addresses).zip(&headers) {
        let has_address = header.msg_hdr.msg_namelen as usize == size_of_val(address)
            && libc::c_int::from(address.nl_family) == libc::AF_NETLINK;
        datagram.len = header.msg_len as usize;
        datagram.port = has_address.then_some(address.nl_pid);
    }
    Ok(received as usize)
}

/// One BPF instruction: `struct sock_filter`, `linux/filter.h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instruction {
    /// The operation.
    pub code: u16,
    /// Number of instructions to skip if the comparison is true.
    pub jt: u8,
    /// Number of instructions to skip if the comparison is false.
    pub jf: u8,
    /// The operand.
    pub k: u32,
}

/// Sets `SO_ATTACH_FILTER`. The kernel verifies the program, and replaces the previous one atomically.
pub(crate) fn attach_filter(fd: BorrowedFd<'_>, program: &[Instruction]) -> io::Result<()> {
    let mut filter: Vec<libc::sock_filter> =
        program.iter().map(|i| libc::sock_filter { code: i.code, jt: i.jt, jf: i.jf, k: i.k }).collect();
    let len = u16::try_from(filter.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    let program = libc::sock_fprog { len, filter: filter.as_mut_ptr() };
    // SAFETY: the program points to `len` instructions, which outlive the call that copies them.
    let result = unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_ATTACH_FILTER,
            (&raw const program).cast(),
            size_of::<libc::sock_fprog>() as libc::socklen_t,
        )
    };
    check(result)
}

/// Reads from `SO_MEMINFO` how many datagrams the socket has dropped because its receive buffer was full, modulo 2^32.
pub(crate) fn drops(fd: BorrowedFd<'_>) -> io::Result<u32> {
    meminfo(fd).map(|meminfo| meminfo[SK_MEMINFO_DROPS])
}

/// Reads from `SO_MEMINFO` how many bytes of the receive buffer are in use.
pub(crate) fn queued_bytes(fd: BorrowedFd<'_>) -> io::Result<u32> {
    meminfo(fd).map(|meminfo| meminfo[SK_MEMINFO_RMEM_ALLOC])
}

fn meminfo(fd: BorrowedFd<'_>) -> io::Result<[u32; SK_MEMINFO_VARS]> {
    let mut meminfo = [0u32; SK_MEMINFO_VARS];
    let mut len = size_of_val(&meminfo) as libc::socklen_t;
    // SAFETY: the kernel writes at most `len` bytes, the size of the live array, and then the actual length.
    let result = unsafe {
        libc::getsockopt(
            fd.as_raw_fd(),
            libc::SOL_SOCKET,
            SO_MEMINFO,
            meminfo.as_mut_ptr().cast(),
            &raw mut len,
        )
    };
    check(result)?;
    Ok(meminfo)
}

/// Returns the number of CPUs that the system is configured with, at least 1.
pub(crate) fn configured_cpus() -> usize {
    // SAFETY: sysconf has no requirements.
    let count = unsafe { libc::sysconf(libc::_SC_NPROCESSORS_CONF) };
    usize::try_from(count).unwrap_or(1).max(1)
}

/// Sleeps until a descriptor is readable, for at most `timeout`. Returns true if one is readable.
pub(crate) fn sleep_until_readable(fds: [BorrowedFd<'_>; 2], timeout: Duration) -> bool {
    let mut fds = fds.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN));
    // A failure or a signal ends the sleep early.
    let timeout = Timespec::try_from(timeout).ok();
    rustix::event::poll(&mut fds, timeout.as_ref()).is_ok_and(|count| count > 0)
}

/// The first version of `struct pidfd_info`, `linux/pidfd.h`.
#[derive(Default)]
#[repr(C)]
struct PidfdInfo {
    mask: u64,
    cgroup_id: u64,
    ids: [u32; 11],
    exit_code: i32,
}
/// `PIDFD_INFO_CREDS` and `PIDFD_INFO_CGROUPID`, `linux/pidfd.h`
const PIDFD_INFO_IDS: u64 = 1 << 1 | 1 << 2;
/// `PIDFD_INFO_EXIT`, `linux/pidfd.h`
const PIDFD_INFO_EXIT: u64 = 1 << 3;
/// `PIDFD_GET_INFO`, `linux/pidfd.h`: `_IOWR(0xFF, 11, struct pidfd_info)`
const PIDFD_GET_INFO: libc::Ioctl = rustix::ioctl::opcode::read_write::<PidfdInfo>(0xFF, 11) as libc::Ioctl;

/// Returns the wait status of a reaped process; `None` if it is not reaped yet.
pub(crate) fn pidfd_exit_status(pidfd: BorrowedFd<'_>) -> io::Result<Option<u32>> {
    let info = pidfd_info(pidfd, PIDFD_INFO_EXIT)?;
    Ok((info.mask & PIDFD_INFO_EXIT != 0).then_some(info.exit_code as u32))
}

/// The ids of a process, as its pidfd shows them in the namespaces of this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PidfdIds {
    /// The parent's pid; 0 if it is outside the pid namespace.
    pub(crate) ppid: u32,
    /// The real user id.
    pub(crate) uid: u32,
    /// The real group id.
    pub(crate) gid: u32,
    /// The id of the cgroup of version 2.
    pub(crate) cgroup_id: u64,
}

/// Returns the ids of a process; `None` if the kernel does not tell all of them.
pub(crate) fn pidfd_ids(pidfd: BorrowedFd<'_>) -> io::Result<Option<PidfdIds>> {
    let PidfdInfo { mask, cgroup_id, ids: [_, _, ppid, uid, gid, ..], .. } =
        pidfd_info(pidfd, PIDFD_INFO_IDS)?;
    Ok((mask & PIDFD_INFO_IDS == PIDFD_INFO_IDS).then_some(PidfdIds { ppid, uid, gid, cgroup_id }))
}

fn pidfd_info(pidfd: BorrowedFd<'_>, mask: u64) -> io::Result<PidfdInfo> {
    let mut info = PidfdInfo { mask, ..PidfdInfo::default() };
    // SAFETY: the request number encodes the size of the live structure, whose fields are valid for any bytes.
    let result = unsafe { libc::ioctl(pidfd.as_raw_fd(), PIDFD_GET_INFO, &raw mut info) };
    check(result)?;
    Ok(info)
}

/// Returns the errno of the last call as an error if `result` is negative.
fn check(result: libc::c_int) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// `SCHED_OTHER`, `linux/sched.h`
pub(crate) const SCHED_OTHER: u32 = 0;
/// `SCHED_FIFO`, `linux/sched.h`
pub(crate) const SCHED_FIFO: u32 = 1;
/// `SCHED_RR`, `linux/sched.h`
pub(crate) const SCHED_RR: u32 = 2;
/// `SCHED_DEADLINE`, `linux/sched.h`
pub(crate) const SCHED_DEADLINE: u32 = 6;
/// `SCHED_FLAG_RESET_ON_FORK`, `linux/sched.h`
pub(crate) const RESET_ON_FORK: u64 = 1;

/// The first version of `struct sched_attr`, `linux/sched/types.h`.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub(crate) struct SchedAttr {
    pub(crate) size: u32,
    pub(crate) policy: u32,
    pub(crate) flags: u64,
    pub(crate) nice: i32,
    pub(crate) priority: u32,
    pub(crate) runtime_ns: u64,
    pub(crate) deadline_ns: u64,
    pub(crate) period_ns: u64,
}

/// Returns the scheduling attributes of the calling thread.
pub(crate) fn sched_getattr() -> io::Result<SchedAttr> {
    let mut attr = SchedAttr::default();
    let size = size_of::<SchedAttr>() as libc::c_uint;
    // SAFETY: the kernel writes at most `size` bytes, the size of the live structure, whose fields are valid for any
    // bytes.
    let result = unsafe { libc::syscall(libc::SYS_sched_getattr, 0, &raw mut attr, size, 0) };
    check(result as libc::c_int)?;
    Ok(attr)
}

/// Sets the scheduling attributes of the calling thread.
pub(crate) fn sched_setattr(attr: &SchedAttr) -> io::Result<()> {
    let attr = SchedAttr { size: size_of::<SchedAttr>() as u32, ..*attr };
    // SAFETY: the kernel reads `size` bytes, the size of the live structure.
    let result = unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attr, 0) };
    check(result as libc::c_int)
}
