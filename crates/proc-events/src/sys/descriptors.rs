//! A descriptor table of the calling thread's own.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, OwnedFd};
use std::sync::Arc;

use rustix::fs::{Mode, OFlags};

use super::check;

/// `CLOSE_RANGE_UNSHARE`, `linux/close_range.h`
const CLOSE_RANGE_UNSHARE: libc::c_uint = 2;
/// The first descriptor that is neither input, output nor error output.
const FIRST: libc::c_uint = 3;

/// Gives the calling thread a descriptor table of its own, with only those of `shared`. Its standard descriptors are those of
/// `/dev/null`: a pipe that the program closes must not stay open here. Returns its own descriptors of `shared`, which must be two
/// different ones. Threads that it starts share its table.
///
/// Thousands of descriptors in the table of the program would make each of its forks slow.
///
/// The thread must then use no descriptor that it had before. In particular it must not drop one, because that would close
/// another one, or none. It has to give `shared` back to another thread.
///
/// The thread handles no signal from then on. The handlers of the program would use its descriptors, and find none: that of
/// Node.js then aborts.
///
/// # Errors
/// Before Linux 5.9, or if a sandbox refuses the call. Nothing has changed then.
pub(crate) fn unshare(shared: &Arc<[OwnedFd; 2]>) -> io::Result<[OwnedFd; 2]> {
    block_signals();
    let own = shared.each_ref().map(|fd| fd.as_raw_fd() as libc::c_uint);
    let mut last = libc::c_uint::MAX;
    let mut flags = CLOSE_RANGE_UNSHARE;
    // The highest range comes first, so that only the descriptors below it are copied.
    for number in [own[0].max(own[1]), own[0].min(own[1])] {
        close_range(number + 1, last, flags)?;
        (last, flags) = (number.saturating_sub(1), 0);
    }
    if last >= FIRST {
        close_range(FIRST, last, flags)?;
    }
    replace_standard(own);
    // SAFETY: the numbers are open in the table that this thread now has for itself, and nothing else there owns them.
    Ok(own.map(|number| unsafe { OwnedFd::from_raw_fd(number as libc::c_int) }))
}

/// Replaces the standard descriptors by those of `/dev/null`, unless they are those of `kept`.
fn replace_standard(kept: [libc::c_uint; 2]) {
    let null = rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty()).ok();
    let null = null.map(IntoRawFd::into_raw_fd);
    for number in (0..FIRST as libc::c_int).filter(|&number| !kept.contains(&(number as libc::c_uint))) {
        match null {
            Some(null) if null == number => {}
            // SAFETY: the call accesses no memory. The thread owns no descriptor with this number.
            Some(null) => drop(unsafe { libc::dup2(null, number) }),
            None => drop(close_range(number as libc::c_uint, number as libc::c_uint, 0)),
        }
    }
    if let Some(null) = null.filter(|&null| null >= FIRST as libc::c_int) {
        drop(close_range(null as libc::c_uint, null as libc::c_uint, 0));
    }
}

/// Makes other threads handle the signals of the program, for this thread and those that it starts.
fn block_signals() {
    let mut all = std::mem::MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: the set is that of a live variable.
    unsafe { libc::sigfillset(all.as_mut_ptr()) };
    // SAFETY: the set is initialized, and the previous one is not wanted.
    unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, all.as_ptr(), std::ptr::null_mut()) };
}

fn close_range(first: libc::c_uint, last: libc::c_uint, flags: libc::c_uint) -> io::Result<()> {
    if first > last {
        return Ok(());
    }
    // SAFETY: the system call accesses no memory. In a table of its own, the thread owns no descriptor of the range.
    let result = unsafe { libc::syscall(libc::SYS_close_range, first, last, flags) };
    check(result as libc::c_int)
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::sync::mpsc::sync_channel;

    use rustix::event::{EventfdFlags, eventfd};

    #[test]
    fn thread_with_its_own_table_handles_no_signal() {
        let shared = Arc::new([0, 1].map(|_| eventfd(0, EventfdFlags::CLOEXEC).unwrap()));
        let (sender, receiver) = sync_channel(1);
        let given = Arc::clone(&shared);
        let thread = std::thread::spawn(move || {
            let own = unshare(&given);
            let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
            sender.send((given, status)).unwrap();
            drop(own);
        });
        let (given, status) = receiver.recv().unwrap();
        thread.join().unwrap();
        drop(given);
        let blocked = status.lines().find_map(|line| line.strip_prefix("SigBlk:\t")).unwrap();
        let blocked = u64::from_str_radix(blocked, 16).unwrap();
        for signal in [libc::SIGTERM, libc::SIGCHLD, libc::SIGINT, libc::SIGUSR1, libc::SIGRTMAX()] {
            assert_ne!(blocked & 1 << (signal - 1), 0, "{signal} of {blocked:x}");
        }
    }

    #[test]
    fn own_table_has_only_the_shared_descriptors() {
        let shared = Arc::new([0, 1].map(|_| eventfd(0, EventfdFlags::CLOEXEC).unwrap()));
        let (sender, receiver) = sync_channel(1);
        let given = Arc::clone(&shared);
        let thread = std::thread::spawn(move || {
            let Ok(own) = unshare(&given) else { return sender.send((given, 0)).unwrap() };
            rustix::io::write(&own[1], &7u64.to_ne_bytes()).unwrap();
            let open = std::fs::read_dir("/proc/thread-self/fd").unwrap().count();
            for number in 0..FIRST {
                let target = std::fs::read_link(format!("/proc/thread-self/fd/{number}")).unwrap();
                assert_eq!(target.to_str(), Some("/dev/null"), "a closed pipe must not stay open");
            }
            sender.send((given, open)).unwrap();
        });
        let (given, open) = receiver.recv().unwrap();
        thread.join().unwrap();
        drop(given);
        // Not permitted: there is nothing to test.
        if open == 0 {
            return;
        }
        assert!(open <= 3 + 2 + 1, "{open}: the standard ones, the two, and that of the listing");
        let mut value = [0; 8];
        rustix::io::read(&shared[1], &mut value).unwrap();
        assert_eq!(u64::from_ne_bytes(value), 7, "both tables have the same eventfd");
    }
}
