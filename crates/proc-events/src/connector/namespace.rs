//! Which namespaces this thread is in, how to reach the host's network namespace, and what a silent refusal means.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::thread;

use rustix::fs::{Mode, OFlags};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::error::{Error, ErrorCode};
use crate::procfs::parse;

/// `PROC_USER_INIT_INO`, `linux/proc_ns.h`: fixed since Linux 3.8.
const PROC_USER_INIT_INO: u64 = 0xEFFF_FFFD;
/// `PROC_PID_INIT_INO`, `linux/proc_ns.h`: fixed since Linux 3.8.
const PROC_PID_INIT_INO: u64 = 0xEFFF_FFFC;

/// Calls `open` in the host's network namespace where this thread is in another one and may leave it, else where it is.
/// The kernel's refusal in a wrong namespace is clear, so nothing is reported here.
pub(crate) fn in_host_network<T: Send>(
    proc_root: &Path,
    open: impl Fn() -> io::Result<T> + Sync,
) -> io::Result<T> {
    let Some(host) = host_network(proc_root).filter(|host| !is_own_network(host)) else { return open() };
    // A namespace belongs to a thread, and a socket to the one that it was opened in: a short-lived thread leaves
    // this one where the program has put it.
    let opened_there = thread::scope(|scope| {
        let there = thread::Builder::new().spawn_scoped(scope, || {
            move_into_link_name_space(host.as_fd(), Some(LinkNameSpaceType::Network)).ok().map(|()| open())
        });
        there.ok()?.join().ok().flatten()
    });
    opened_there.unwrap_or_else(open)
}

/// What has to be added to the kernel's own monotonic time to get that of this thread's time namespace, in nanoseconds.
pub(crate) fn clock_offset_ns(proc_root: &Path) -> i64 {
    let namespace = |name: &str| rustix::fs::stat(proc_root.join(name)).map(|stat| stat.st_ino);
    // The offsets shown are those that a child would have, which after unshare(2) alone are not this thread's.
    let inherited_tags = namespace("thread-self/ns/time_for_children");
    if namespace("thread-self/ns/time") != inherited_tags {
        return 0;
    }
    let offsets = std::fs::read(proc_root.join("thread-self/timens_offsets"))
        .or_else(|_| std::fs::read(proc_root.join("self/timens_offsets")));
    offsets.ok().and_then(|text| parse::monotonic_offset_ns(&text)).unwrap_or(0)
}

/// The network namespace of process 1. Where that may not be looked at, kernel threads live in the same one.
fn host_network(proc_root: &Path) -> Option<OwnedFd> {
    let open = |file: &str| {
        rustix::fs::open(proc_root.join(file), OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).ok()
    };
    open("1/ns/net").or_else(|| {
        let comm = std::fs::read(proc_root.join("2/comm")).ok()?;
        if comm == b"kthreadd\n" { open("2/ns/net") } else { None }
    })
}

fn is_own_network(namespace: &OwnedFd) -> bool {
    let own = rustix::fs::stat("/proc/thread-self/ns/net");
    let other = rustix::fs::fstat(namespace);
    matches!((own, other), (Ok(own), Ok(other)) if (own.st_dev, own.st_ino) == (other.st_dev, other.st_ino))
}

/// Why the kernel has taken a LISTEN without answering: outside the initial user and pid namespaces it says nothing.
pub(crate) fn why_ignored(proc_root: &Path) -> Error {
    let syscall = "sendto PROC_CN_MCAST_LISTEN: not acknowledged";
    let inode = |namespace: &str| rustix::fs::stat(Path::new("/proc/thread-self/ns").join(namespace)).ok();
    let is_not = |namespace, initial| inode(namespace).is_some_and(|stat| stat.st_ino != initial);
    let code = if is_not("user", PROC_USER_INIT_INO) {
        ErrorCode::UserNamespace
    } else if is_not("pid", PROC_PID_INIT_INO) {
        ErrorCode::PidNamespace
    } else if lists_no_process_connector(proc_root) {
        ErrorCode::ConnectorUnavailable
    } else {
        ErrorCode::SourceFailed
    };
    Error::shown_by(code, syscall)
}

/// The file exists in the initial network namespace only, and lists the process connector if the kernel has it.
fn lists_no_process_connector(proc_root: &Path) -> bool {
    [proc_root.join("1/net/connector"), "/proc/net/connector".into()]
        .iter()
        .find_map(|path| std::fs::read_to_string(path).ok())
        .is_some_and(|listed| !listed.contains("cn_proc"))
}
