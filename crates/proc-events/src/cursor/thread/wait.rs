//! The waits of the thread, in nanoseconds: `epoll_wait` of rustix rounds up to milliseconds.

use std::os::fd::OwnedFd;

use rustix::event::{PollFd, PollFlags, Timespec, epoll, poll};
use rustix::io::Errno;
use rustix::time::ClockId;

use crate::procfs::clock_ns;

/// The longest time to leave the CPU to others, in nanoseconds.
const YIELD_MAX_NS: u64 = 200_000;
/// Time by which that is longer than the last turn: the wake-up itself needs some.
const YIELD_MARGIN_NS: u64 = 30_000;

/// A turn on a CPU, from one wait to the next.
#[derive(Debug, Default)]
pub(super) struct Turn {
    /// CPU time of this thread when the last turn ended, in nanoseconds.
    used_ns: u64,
}

impl Turn {
    /// Ends the turn. Returns the time to leave the CPU to a process that is about to call exec, in nanoseconds. The files that
    /// such a process opens wake this thread, often on the same CPU. A thread that is woken before others had as much of the CPU
    /// as it had itself must wait for its turn: until the new program first sleeps.
    pub(super) fn end(&mut self) -> u64 {
        let used_ns = clock_ns(ClockId::ThreadCPUTime);
        let turn_ns = used_ns - std::mem::replace(&mut self.used_ns, used_ns);
        (turn_ns + YIELD_MARGIN_NS).min(YIELD_MAX_NS)
    }
}

/// Returns the time until which the thread waits: that of the first due look, or that of the next read of the cursor. While the
/// records of the last ids are awaited, until `unrecorded_ns`, the cursor is not read.
pub(super) fn until_ns<const N: usize>(
    tick_ns: u64,
    unrecorded_ns: Option<u64>,
    dues: [Option<u64>; N],
) -> u64 {
    dues.into_iter().flatten().fold(unrecorded_ns.unwrap_or(tick_ns), u64::min)
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thread_does_not_wake_for_a_cursor_that_is_not_read_while_records_are_awaited() {
        assert_eq!(until_ns(7, None, [Some(9), None]), 7);
        assert_eq!(until_ns(7, None, [Some(5), None]), 5);
        assert_eq!(until_ns(7, Some(1_000), [None, None]), 1_000);
        assert_eq!(until_ns(7, Some(1_000), [None, Some(20)]), 20);
    }
}
