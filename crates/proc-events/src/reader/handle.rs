//! The handle that subscriptions have on their reader, and the list of all readers.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use super::command_queue::{Command, CommandQueue};
use crate::connector::kernel_filter::KernelFilter;
use crate::model::source_kind::Watching;
use crate::options::Options;
use crate::stats::Stats;
use crate::sys::scheduling::Priority;
use crate::sys::thread_end::Thread;

/// The state that a reader shares with its subscriptions.
#[derive(Debug)]
pub(crate) struct ReaderHandle {
    pub(crate) options: Options,
    pub(crate) commands: CommandQueue,
    pub(crate) stats: Arc<Stats>,
    pub(crate) kernel_filter: KernelFilter,
    /// Number of changes that subscribers made to their rules. The pipeline stops reading until the reader has applied
    /// all.
    pub(crate) interest_changes: Arc<AtomicU64>,
    /// Effective size of the socket's receive buffer, in bytes; 0: no socket.
    pub(crate) receive_buffer_size: AtomicU64,
    /// Number of live processes in the process table.
    pub(crate) tracked_processes: AtomicU64,
    /// The [`Watching`] in force.
    pub(crate) watching: AtomicU64,
    /// The [`Priority`] in force.
    pub(crate) priority: AtomicU64,
    /// True once the reader accepts no further subscription.
    is_ending: AtomicBool,
    pub(crate) thread: Mutex<Option<Thread>>,
    /// True once the reader has released everything. Its thread is about to end.
    has_ended: Mutex<bool>,
    ended: Condvar,
}

/// The readers of this program. The lock orders a new subscription against the decision of its reader to end.
static READERS: Mutex<Vec<Weak<ReaderHandle>>> = Mutex::new(Vec::new());

/// Locks the list of readers.
pub(crate) fn readers() -> MutexGuard<'static, Vec<Weak<ReaderHandle>>> {
    READERS.lock().unwrap_or_else(PoisonError::into_inner)
}

impl ReaderHandle {
    /// Ends a reader whose last subscription left.
    ///
    /// # Errors
    /// If another subscription has just joined. Returns its command.
    pub(crate) fn end_if_unused(&self) -> Result<(), Command> {
        let _order = readers();
        while let Some(command) = self.commands.pop() {
            // Other commands come from subscriptions that have left.
            if matches!(command, Command::Join(_)) {
                return Err(command);
            }
        }
        self.is_ending.store(true, Ordering::Release);
        Ok(())
    }

    /// Refuses further subscriptions to a reader that has failed or ended.
    pub(crate) fn refuse_joins(&self) {
        let _order = readers();
        self.is_ending.store(true, Ordering::Release);
    }

    /// Returns true if the reader accepts no further subscription.
    pub(crate) fn is_ending(&self) -> bool {
        self.is_ending.load(Ordering::Acquire)
    }

    /// Sets that the reader has ended. Called by its thread.
    pub(crate) fn set_ended(&self) {
        *self.has_ended.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.ended.notify_all();
    }

    /// Waits until the reader has ended, for at most `timeout`. Returns true if it has.
    pub(crate) fn wait_ended(&self, timeout: Duration) -> bool {
        let has_ended = self.has_ended.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.ended.wait_timeout_while(has_ended, timeout, |has_ended| !*has_ended);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }

    /// Creates the handle of a reader that is not started yet.
    pub(crate) fn new(options: Options) -> Self {
        Self {
            options,
            commands: CommandQueue::default(),
            stats: Arc::default(),
            kernel_filter: KernelFilter::default(),
            interest_changes: Arc::default(),
            receive_buffer_size: AtomicU64::new(0),
            tracked_processes: AtomicU64::new(0),
            watching: AtomicU64::new(Watching::Nothing as u64),
            priority: AtomicU64::new(Priority::Ordinary as u64),
            is_ending: AtomicBool::new(false),
            thread: Mutex::new(None),
            has_ended: Mutex::new(false),
            ended: Condvar::new(),
        }
    }
}
