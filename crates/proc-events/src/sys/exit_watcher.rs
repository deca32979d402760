//! Watches the exits of processes by their pidfds.
//!
//! The kernel reports the exit of a thread group leader even if other threads still run. A pidfd becomes readable only
//! once the last thread has exited.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustc_hash::FxHashMap;
use rustix::event::{Timespec, epoll};
use tokio::io::unix::AsyncFd;

use crate::sys;

/// Maximum number of watched processes. Each takes one descriptor of the program's limit.
const MAX_WATCHED: usize = 512;

/// An epoll set of pidfds.
#[derive(Debug)]
pub(crate) struct ExitWatcher {
    epoll: AsyncFd<OwnedFd>,
    /// The pidfds by pid.
    watched: FxHashMap<u32, OwnedFd>,
}

impl ExitWatcher {
    /// Creates an empty set. Must be called in a tokio runtime.
    ///
    /// # Errors
    /// The error of `epoll_create`.
    pub(crate) fn new() -> io::Result<Self> {
        let epoll = sys::register(epoll::create(epoll::CreateFlags::CLOEXEC)?)?;
        Ok(Self { epoll, watched: FxHashMap::default() })
    }

    /// Returns the descriptor, which is readable if a watched process has exited.
    pub(crate) fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.get_ref().as_fd()
    }

    /// Watches a process.
    ///
    /// # Errors
    /// [`io::ErrorKind::QuotaExceeded`] if [`MAX_WATCHED`] processes are watched, or the error of `epoll_ctl`.
    pub(crate) fn add(&mut self, pid: u32, pidfd: OwnedFd) -> io::Result<()> {
        // Remove an earlier process with this pid first. If this one cannot be watched, the other's exit must not count
        // as its exit.
        self.remove(pid);
        if self.watched.len() >= MAX_WATCHED {
            return Err(io::ErrorKind::QuotaExceeded.into());
        }
        epoll::add(
            &self.epoll,
            &pidfd,
            epoll::EventData::new_u64(u64::from(pid)),
            epoll::EventFlags::IN | epoll::EventFlags::ONESHOT,
        )?;
        self.watched.insert(pid, pidfd);
        Ok(())
    }

    /// Stops watching a process.
    pub(crate) fn remove(&mut self, pid: u32) {
        if let Some(pidfd) = self.watched.remove(&pid) {
            // Closing the pidfd is not enough, because a forked child may hold a copy that keeps it in the epoll set.
            // The call cannot fail for a registered descriptor.
            let _ = epoll::delete(&self.epoll, &pidfd);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.watched.is_empty()
    }

    /// Returns the wait status of a watched process. Needs Linux 6.15, and is `None` until the process is reaped.
    pub(crate) fn exit_status(&self, pid: u32) -> Option<u32> {
        sys::pidfd_exit_status(self.watched.get(&pid)?.as_fd()).ok().flatten()
    }

    /// Returns the pids of watched processes that have exited, without waiting. Returns each pid once.
    ///
    /// # Errors
    /// The error of `epoll_wait`.
    pub(crate) fn take_exited(&self) -> io::Result<Vec<u32>> {
        let mut events = Vec::with_capacity(64);
        epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut events), Some(&Timespec::default()))?;
        Ok(events.iter().map(|event| event.data.u64() as u32).collect())
    }

    /// Waits until watched processes have exited, and returns their pids. Returns each pid once.
    ///
    /// # Errors
    /// The error of `epoll_wait`.
    pub(crate) async fn exited(&self) -> io::Result<Vec<u32>> {
        let mut ready = self.epoll.readable().await?;
        let exited = self.take_exited()?;
        if exited.is_empty() {
            ready.clear_ready();
        }
        Ok(exited)
    }
}
