//! Process file descriptors, `pidfd_open(2)`.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

pub(crate) use super::PidfdIds;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open, test_kill_process};

/// Opens a pidfd of a process that runs, that is, any of its threads does. Returns `None` if the process has exited, or
/// if `pid` is that of a thread.
///
/// # Errors
/// On kernels before 5.3, or if no descriptor is left. The state of the process is unknown then.
pub(crate) fn open_if_running(pid: u32) -> io::Result<Option<OwnedFd>> {
    let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) else { return Ok(None) };
    // This is cheap, and usually the parent has already reaped the process.
    if has_no_process(pid) {
        return Ok(None);
    }
    let pidfd = match pidfd_open(pid, PidfdFlags::empty()) {
        Ok(pidfd) => pidfd,
        // Kernels return EINVAL or ENOENT for the pid of a thread that is no leader.
        Err(Errno::SRCH | Errno::INVAL | Errno::NOENT) => return Ok(None),
        Err(errno) => return Err(errno.into()),
    };
    let mut poll = [PollFd::new(&pidfd, PollFlags::IN)];
    let has_exited = rustix::event::poll(&mut poll, Some(&Timespec::default()))? > 0;
    Ok((!has_exited).then_some(pidfd))
}

/// Returns true if no process has this pid, and no thread this id. A zombie has its pid until its parent has reaped it.
pub(crate) fn is_gone(pid: u32) -> bool {
    i32::try_from(pid).ok().and_then(Pid::from_raw).is_none_or(has_no_process)
}

fn has_no_process(pid: Pid) -> bool {
    test_kill_process(pid) == Err(Errno::SRCH)
}

/// Returns the ids of a process. Returns `None` if the process has been reaped, before Linux 6.13, or if no descriptor is left.
pub(crate) fn ids(pid: u32) -> Option<PidfdIds> {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw)?;
    let pidfd = pidfd_open(pid, PidfdFlags::empty()).ok()?;
    super::pidfd_ids(pidfd.as_fd()).ok().flatten()
}

/// Opens a pidfd of a process, which may be a zombie.
///
/// # Errors
/// `ESRCH` if there is no process or thread with this id; `EINVAL` or `ENOENT` if the id is that of a thread.
pub(crate) fn open(pid: u32) -> Result<OwnedFd, Errno> {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or(Errno::SRCH)?;
    pidfd_open(pid, PidfdFlags::empty())
}

/// Returns true if the process of this pidfd has exited. It may be a zombie.
pub(crate) fn has_exited(pidfd: &OwnedFd) -> bool {
    let mut poll = [PollFd::new(pidfd, PollFlags::IN)];
    rustix::event::poll(&mut poll, Some(&Timespec::default())).is_ok_and(|count| count > 0)
}

/// Sends a signal to the process of a pidfd, or without one to the process that has this pid.
///
/// # Errors
/// The errno of the system call.
pub(crate) fn send_signal(pidfd: Option<&OwnedFd>, pid: u32, signal: i32) -> Result<(), Errno> {
    let Ok(pid) = libc::pid_t::try_from(pid) else { return Err(Errno::SRCH) };
    // rustix has no real-time signals, and libc no function for pidfd_send_signal.
    let result = match pidfd {
        Some(pidfd) => {
            let no_info = std::ptr::null::<libc::siginfo_t>();
            // SAFETY: without the info, the system call accesses no memory.
            unsafe { libc::syscall(libc::SYS_pidfd_send_signal, pidfd.as_raw_fd(), signal, no_info, 0) }
        }
        // SAFETY: the system call accesses no memory.
        None => unsafe { libc::kill(pid, signal) }.into(),
    };
    if result == 0 {
        Ok(())
    } else {
        Err(Errno::from_io_error(&io::Error::last_os_error()).unwrap_or(Errno::IO))
    }
}
