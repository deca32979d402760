//! The waits of the thread, in nanoseconds: `epoll_wait` of rustix rounds up to milliseconds.

use std::os::fd::OwnedFd;

use rustix::event::{PollFd, PollFlags, Timespec, epoll, poll};
use rustix::io::Errno;

/// Waits until the reader wants a look at once, for at most `timeout_ns`. A signal ends the wait early.
pub(super) fn for_reader(woken: &OwnedFd, timeout_ns: u64) {
    if timeout_ns > 0 {
        let _ = poll_in(woken, timeout_ns);
    }
}

/// Waits for wake-ups, for at most `timeout_ns`.
pub(super) fn for_events(
    epoll: &OwnedFd,
    events: &mut Vec<epoll::Event>,
    timeout_ns: u64,
) -> rustix::io::Result<()> {
    if timeout_ns > 0 {
        match poll_in(epoll, timeout_ns) {
            Ok(0) | Err(Errno::INTR) => return Ok(()),
            Ok(_) => {}
            Err(errno) => return Err(errno),
        }
    }
    epoll::wait(epoll, rustix::buffer::spare_capacity(events), Some(&Timespec::default())).map(drop)
}

fn poll_in(fd: &OwnedFd, timeout_ns: u64) -> rustix::io::Result<usize> {
    let (tv_sec, tv_nsec) = ((timeout_ns / 1_000_000_000) as _, (timeout_ns % 1_000_000_000) as _);
    poll(&mut [PollFd::new(fd, PollFlags::IN)], Some(&Timespec { tv_sec, tv_nsec }))
}
