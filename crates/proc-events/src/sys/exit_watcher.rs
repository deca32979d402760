//! Tells whether a process has really ended, and when: an exit reported by its leader leaves that open.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustc_hash::FxHashMap;
use rustix::event::{Timespec, epoll};
use tokio::io::unix::AsyncFd;

use crate::sys;

/// How many processes are watched at most: each takes a descriptor of the whole program's.
const WATCHED_MAX: usize = 512;

/// The processes whose end is awaited.
#[derive(Debug)]
pub(crate) struct ExitWatcher {
    epoll: AsyncFd<OwnedFd>,
    watched: FxHashMap<u32, OwnedFd>,
}

impl ExitWatcher {
    /// Must be called within a tokio runtime.
    pub(crate) fn new() -> io::Result<Self> {
        let epoll = sys::register(epoll::create(epoll::CreateFlags::CLOEXEC)?)?;
        Ok(Self { epoll, watched: FxHashMap::default() })
    }

    /// Awaits the end of a process.
    pub(crate) fn add(&mut self, pid: u32, pidfd: OwnedFd) -> io::Result<()> {
        // First, because an earlier process with this pid is not to be taken for this one if this cannot be watched.
        self.remove(pid);
        if self.watched.len() >= WATCHED_MAX {
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

    /// No longer awaits it.
    pub(crate) fn remove(&mut self, pid: u32) {
        if let Some(pidfd) = self.watched.remove(&pid) {
            // Closing it is not enough while a child that was forked meanwhile holds a copy. Nothing can be done about
            // a failure, which there is no reason for.
            let _ = epoll::delete(&self.epoll, &pidfd);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.watched.is_empty()
    }

    /// How a watched process has ended: told by kernels since 6.15, and only once its parent has collected it.
    pub(crate) fn exit_status(&self, pid: u32) -> Option<u32> {
        sys::pidfd_exit_status(self.watched.get(&pid)?.as_fd()).ok().flatten()
    }

    /// Waits until a watched process has ended; returns those that have, each once.
    pub(crate) async fn ended(&mut self) -> io::Result<Vec<u32>> {
        let mut ready = self.epoll.readable().await?;
        let mut events = Vec::with_capacity(64);
        epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut events), Some(&Timespec::default()))?;
        if events.is_empty() {
            ready.clear_ready();
        }
        drop(ready);
        Ok(events.iter().map(|event| event.data.u64() as u32).collect())
    }
}
