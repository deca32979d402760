//! The state that the cursor's thread and its handle share.

use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use crate::model::effort::Effort;
use crate::model::report::ProcessReport;
use crate::procfs::ReadState;

/// Longest time that the start may take. With thousands of processes it takes some 50 ms.
const START_TIMEOUT: Duration = Duration::from_secs(2);
/// Longest time that the end may take, unless a read hangs.
pub(super) const END_TIMEOUT: Duration = Duration::from_secs(1);
/// The options of the thread.
#[derive(Clone, Debug)]
pub(crate) struct CursorOptions {
    pub(crate) proc_root: PathBuf,
    pub(crate) max_argv_bytes: usize,
    pub(crate) effort: Effort,
    /// True if the thread may raise its priority.
    pub(crate) raise_priority: bool,
    /// The longest time between two reads of the cursor.
    pub(crate) interval: Duration,
    /// True if perf events are used where they can be had, and the effort is not low.
    pub(crate) uses_perf: bool,
}

/// The state that the thread and the reader share.
#[derive(Debug, Default)]
pub(super) struct Shared {
    pub(super) reports: Mutex<Vec<ProcessReport>>,
    pub(super) fields: Arc<AtomicU16>,
    /// The present read of arguments.
    pub(super) reading: Arc<ReadState>,
    pub(super) must_end: AtomicBool,
    pub(super) has_ended: AtomicBool,
    pub(super) is_limited: AtomicBool,
    /// True while the kernel's records show processes.
    pub(super) is_recorded: AtomicBool,
    /// True if renames are to be reported, where records show them.
    pub(super) wants_renames: AtomicBool,
    /// The number of records that the kernel has dropped, and that the reader has not counted yet.
    pub(super) lost: AtomicU64,
    /// Makes the kernel record nothing more.
    #[cfg(test)]
    pub(super) disables_perf: AtomicBool,
    /// The result of the start.
    start: Mutex<Option<io::Result<()>>>,
    started: Condvar,
    /// The thread's handle of [`CursorSource::wakes`], which it must not drop.
    pub(super) given_back: Mutex<Option<Arc<Wakes>>>,
}

impl Shared {
    /// Waits until the thread has ended. Returns false if it is late.
    pub(super) fn wait_ended(&self) -> bool {
        let start = self.start.lock().unwrap_or_else(PoisonError::into_inner);
        let is_running = |_: &mut _| !self.has_ended.load(Ordering::Acquire);
        let waited = self.started.wait_timeout_while(start, END_TIMEOUT, is_running);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    pub(super) fn set_started(&self, result: io::Result<()>) {
        *self.start.lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
        self.started.notify_all();
    }

    pub(super) fn wait_started(&self) -> io::Result<()> {
        let start = self.start.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.started.wait_timeout_while(start, START_TIMEOUT, |start| start.is_none());
        let (mut start, _) = waited.unwrap_or_else(PoisonError::into_inner);
        start.take().unwrap_or_else(|| Err(io::ErrorKind::TimedOut.into()))
    }
}

/// The two eventfds: one wakes the reader, the other one the thread.
pub(super) type Wakes = [OwnedFd; 2];

pub(super) fn wake(eventfd: &OwnedFd) {
    // The write fails only if the counter is at its maximum, and then the eventfd is readable already.
    let _ = rustix::io::write(eventfd, &1u64.to_ne_bytes());
}

/// Sets that the thread has ended, however it ends.
pub(super) struct EndGuard<'a>(pub(super) &'a Shared, pub(super) &'a OwnedFd);

impl Drop for EndGuard<'_> {
    fn drop(&mut self) {
        self.0.has_ended.store(true, Ordering::Release);
        // The lock orders this against the check of a thread that is about to wait.
        drop(self.0.start.lock().unwrap_or_else(PoisonError::into_inner));
        self.0.started.notify_all();
        wake(self.1);
    }
}
