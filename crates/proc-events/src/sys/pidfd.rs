//! Descriptors of processes.

use std::io;
use std::os::fd::OwnedFd;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open, test_kill_process};

/// A descriptor of the process if it is still running, though only one of its threads were left; `None` if it has ended,
/// or if the number is that of a thread.
///
/// # Errors
/// Where this cannot be told: on kernels before 5.3, or when no descriptor is to be had.
pub(crate) fn running(pid: u32) -> io::Result<Option<OwnedFd>> {
    let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) else { return Ok(None) };
    // The cheap question first: in most cases the parent has collected the process by now.
    if test_kill_process(pid) == Err(Errno::SRCH) {
        return Ok(None);
    }
    let pidfd = match pidfd_open(pid, PidfdFlags::empty()) {
        Ok(pidfd) => pidfd,
        // The last two are what kernels have said of a thread.
        Err(Errno::SRCH | Errno::INVAL | Errno::NOENT) => return Ok(None),
        Err(errno) => return Err(errno.into()),
    };
    let mut poll = [PollFd::new(&pidfd, PollFlags::IN)];
    let has_ended = rustix::event::poll(&mut poll, Some(&Timespec::default()))? > 0;
    Ok((!has_ended).then_some(pidfd))
}
