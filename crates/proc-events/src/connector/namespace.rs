//! Namespaces: entering the host's network namespace, the clock offset of a time namespace, and the cause of a LISTEN
//! that the kernel ignores.

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

/// Calls `open` in the host's network namespace if this thread may enter it, else in the present one. Failures to enter
/// are not reported, because the kernel later refuses LISTEN in another namespace with ECONNREFUSED.
pub(crate) fn in_host_network<T: Send>(
    proc_root: &Path,
    open: impl Fn() -> io::Result<T> + Sync,
) -> io::Result<T> {
    let Some(host) = host_network(proc_root).filter(|host| !is_own_network(host)) else { return open() };
    // A namespace belongs to a thread, and a socket stays in the namespace that it was opened in. A short-lived thread
    // therefore opens the socket, and this thread stays in its namespace.
    let opened_in_host = thread::scope(|scope| {
        let opener = thread::Builder::new().spawn_scoped(scope, || {
            move_into_link_name_space(host.as_fd(), Some(LinkNameSpaceType::Network)).ok().map(|()| open())
        });
        opener.ok()?.join().ok().flatten()
    });
    opened_in_host.unwrap_or_else(open)
}

/// Returns the offset of `CLOCK_MONOTONIC` in this thread's time namespace from that of the kernel, in nanoseconds.
/// Returns 0 if the offset is unknown.
pub(crate) fn clock_offset_ns(proc_root: &Path) -> i64 {
    let namespace = |name: &str| rustix::fs::stat(proc_root.join(name)).map(|stat| stat.st_ino);
    // timens_offsets shows the offsets of the namespace for children. After unshare(2) alone that is not this thread's.
    let for_children = namespace("thread-self/ns/time_for_children");
    if namespace("thread-self/ns/time") != for_children {
        return 0;
    }
    let offsets = std::fs::read(proc_root.join("thread-self/timens_offsets"))
        .or_else(|_| std::fs::read(proc_root.join("self/timens_offsets")));
    offsets.ok().and_then(|text| parse::monotonic_offset_ns(&text)).unwrap_or(0)
}

/// Opens the network namespace of process 1, or that of kthreadd (pid 2) if the first is not permitted. Both are the
/// initial one.
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

/// Returns the cause of a LISTEN that `sendto` accepted and the kernel did not acknowledge. The kernel ignores
/// listeners outside the initial user and pid namespaces.
pub(crate) fn why_ignored(proc_root: &Path) -> Error {
    let code = if let Some(code) = foreign_namespace() {
        code
    } else if lists_no_process_connector(proc_root) {
        ErrorCode::ConnectorUnavailable
    } else {
        ErrorCode::SourceFailed
    };
    Error::detected(code, "sendto PROC_CN_MCAST_LISTEN was not acknowledged")
}

/// Returns the code of a namespace of this thread in which no privilege helps, and the kernel ignores listeners; `None` if
/// its user and pid namespaces are the initial ones.
pub(crate) fn foreign_namespace() -> Option<ErrorCode> {
    if is_other_user_namespace() {
        Some(ErrorCode::UserNamespace)
    } else if is_other("pid", PROC_PID_INIT_INO) {
        Some(ErrorCode::PidNamespace)
    } else {
        None
    }
}

/// Returns true if this thread is not in the initial user namespace, so that nothing else helps.
pub(crate) fn is_other_user_namespace() -> bool {
    is_other("user", PROC_USER_INIT_INO)
}

fn is_other(namespace: &str, initial: u64) -> bool {
    let inode = rustix::fs::stat(Path::new("/proc/thread-self/ns").join(namespace));
    inode.is_ok_and(|stat| stat.st_ino != initial)
}

/// Returns true if the kernel lists its connectors, and the process connector is not among them. The list exists in the
/// initial network namespace only.
fn lists_no_process_connector(proc_root: &Path) -> bool {
    [proc_root.join("1/net/connector"), "/proc/net/connector".into()]
        .iter()
        .find_map(|path| std::fs::read_to_string(path).ok())
        .is_some_and(|listed| !listed.contains("cn_proc"))
}
