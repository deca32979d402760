//! What a reader's thread shares with its subscriptions.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

use super::command_queue::{Command, CommandQueue};
use crate::connector::kernel_filter::KernelFilter;
use crate::options::Options;
use crate::stats::Stats;
use crate::sys::scheduling::Priority;

/// What a reader shares with its subscriptions.
#[derive(Debug)]
pub(crate) struct ReaderHandle {
    pub(crate) options: Options,
    pub(crate) commands: CommandQueue,
    pub(crate) stats: Arc<Stats>,
    pub(crate) kernel_filter: KernelFilter,
    /// How often something was asked for that concerns what comes in next.
    pub(crate) asked: Arc<AtomicU64>,
    pub(crate) receive_buffer_size: AtomicU64,
    pub(crate) tracked_processes: AtomicU64,
    pub(crate) priority: AtomicU64,
    is_ending: AtomicBool,
    pub(crate) thread: Mutex<Option<JoinHandle<()>>>,
    /// True once the reader's thread has ended.
    pub(crate) is_over: Mutex<bool>,
    pub(crate) over: Condvar,
}

/// The readers of this program. The lock orders who joins a reader against that reader's decision to end.
static READERS: Mutex<Vec<Weak<ReaderHandle>>> = Mutex::new(Vec::new());

pub(crate) fn readers() -> MutexGuard<'static, Vec<Weak<ReaderHandle>>> {
    READERS.lock().unwrap_or_else(PoisonError::into_inner)
}

impl ReaderHandle {
    /// Called by a reader without subscriptions: whether it is to end. If not, somebody has just joined.
    pub(crate) fn may_end(&self) -> Result<(), Command> {
        let _order = readers();
        while let Some(command) = self.commands.pop() {
            // Whatever else is asked comes from somebody who has left.
            if matches!(command, Command::Join(_)) {
                return Err(command);
            }
        }
        self.is_ending.store(true, Ordering::Release);
        Ok(())
    }

    /// Called by a reader that cannot go on: nobody joins it from now on.
    pub(crate) fn end(&self) {
        let _order = readers();
        self.is_ending.store(true, Ordering::Release);
    }

    pub(crate) fn is_ending(&self) -> bool {
        self.is_ending.load(Ordering::Acquire)
    }

    /// Waits until the reader's thread is through, up to `limit`. Returns true if it is.
    pub(crate) fn wait_over(&self, limit: Duration) -> bool {
        let is_over = self.is_over.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.over.wait_timeout_while(is_over, limit, |is_over| !*is_over);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }

    /// The state to share with a reader that is yet to start.
    pub(crate) fn new(options: Options) -> Self {
        Self {
            options,
            commands: CommandQueue::default(),
            stats: Arc::default(),
            kernel_filter: KernelFilter::default(),
            asked: Arc::default(),
            receive_buffer_size: AtomicU64::new(0),
            tracked_processes: AtomicU64::new(0),
            priority: AtomicU64::new(Priority::Ordinary as u64),
            is_ending: AtomicBool::new(false),
            thread: Mutex::new(None),
            is_over: Mutex::new(false),
            over: Condvar::new(),
        }
    }
}
