//! What a program holds: one subscription to the reader that all subscriptions with the same options share.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, Weak};
use std::time::Duration;

use crate::delivery::filter::FilterRule;
use crate::delivery::queue::{DEFAULT_QUEUE_SIZE, QueueStats, SubscriberQueue};
use crate::error::{Error, ErrorCode};
use crate::model::interest::Interest;
use crate::model::notification::Notification;
use crate::options::Options;
use crate::procfs::stuck_threads;
use crate::reader;
use crate::reader::command_queue::Command;
use crate::reader::connection::THREAD_NAME;
use crate::reader::handle::{ReaderHandle, readers};
use crate::stats::Counts;

/// How long a subscription waits for the reader to let go of it, and then for the reader's thread to end.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// How a reader stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gauges {
    /// The effective size of the socket's receive buffer, in bytes.
    pub receive_buffer_size: u64,
    /// The number of processes known to run.
    pub tracked_processes: u64,
    /// The number of the [`Priority`] in force.
    pub priority: u64,
    /// The threads of this program that wait in a read that does not return, and that nothing waits for any more.
    pub stuck_threads: u64,
}

/// Starts a reader's thread.
fn start_reader(options: Options) -> std::io::Result<Arc<ReaderHandle>> {
    let handle = Arc::new(ReaderHandle::new(options));
    let its = Arc::clone(&handle);
    let thread = std::thread::Builder::new().name(THREAD_NAME.into()).spawn(move || {
        reader::run(&its);
        *its.is_over.lock().unwrap_or_else(PoisonError::into_inner) = true;
        its.over.notify_all();
    })?;
    *handle.thread.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread);
    Ok(handle)
}

/// One subscription: a queue that fills, and what it is to be filled with.
pub struct Subscription {
    queue: Arc<SubscriberQueue>,
    handle: Option<Arc<ReaderHandle>>,
    /// The reader's counters when this subscription came in.
    before: Counts,
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription").field("queue", &self.queue).finish_non_exhaustive()
    }
}

impl Subscription {
    /// Joins the reader with these options, or starts it. Returns at once: the first notice is
    /// [`Notification::Opened`] or [`Notification::Failed`]. `queue_size` 0 stands for [`DEFAULT_QUEUE_SIZE`]. `waker` is called
    /// on the reader's thread, at most once until [`Subscription::take`] has taken all; it must not block.
    ///
    /// Live events wait until [`Subscription::scan`] has been asked for and answered.
    #[must_use]
    pub fn new(
        options: Options,
        queue_size: usize,
        interest: Interest,
        waker: Box<dyn Fn() + Send + Sync>,
    ) -> Self {
        let capacity = if queue_size == 0 { DEFAULT_QUEUE_SIZE } else { queue_size };
        let queue = Arc::new(SubscriberQueue::new(capacity, interest, waker));
        let mut readers = readers();
        readers.retain(|reader| reader.strong_count() > 0);
        let running = readers
            .iter()
            .filter_map(Weak::upgrade)
            .find(|reader| reader.options == options && !reader.is_ending());
        let handle = match running {
            Some(handle) => handle,
            None => match start_reader(options) {
                Ok(handle) => {
                    readers.push(Arc::downgrade(&handle));
                    handle
                }
                Err(error) => {
                    let errno = rustix::io::Errno::from_io_error(&error);
                    let failed = Error { code: ErrorCode::SourceFailed, syscall: "pthread_create", errno };
                    queue.notify(Notification::Failed(failed));
                    queue.notify(Notification::Closed);
                    return Self { queue, handle: None, before: Counts::default() };
                }
            },
        };
        let before = handle.stats.counts();
        // The reader cannot have ended: it asks for the lock that is held here.
        handle.commands.send(Command::Join(Arc::clone(&queue)));
        drop(readers);
        Self { queue, handle: Some(handle), before }
    }

    /// Moves up to `max` notices into `notifications`. Returns whether that was all: then the bell is armed again.
    pub fn take(&self, max: usize, notifications: &mut Vec<Notification>) -> bool {
        self.queue.take(max, notifications)
    }

    /// Sets what is wanted from now on. Details that are new in it are also read for the processes already running.
    pub fn set_interest(&self, interest: Interest) {
        self.set_filter_rules(&[FilterRule::of_all(interest)]);
    }

    /// Sets what is wanted from now on, narrowed down to some processes.
    pub fn set_filter_rules(&self, rules: &[FilterRule]) {
        self.apply(self.queue.set_filter_rules(rules));
    }

    /// Adds a rule. Costs the same however many rules there are.
    pub fn add_rule(&self, rule: &FilterRule) {
        self.apply(self.queue.add_rule(rule));
    }

    /// Takes away a rule that equals one that was added.
    pub fn remove_rule(&self, rule: &FilterRule) {
        self.apply(self.queue.remove_rule(rule));
    }

    /// Has the reader follow what is wanted, if that matters to it.
    fn apply(&self, matters: bool) {
        if let Some(handle) = self.handle.as_ref().filter(|_| matters) {
            // The count is what the reader acts on, before it reads on; the command only wakes it.
            handle.asked.fetch_add(1, Ordering::AcqRel);
            handle.commands.send(Command::InterestChanged);
            handle.kernel_filter.widen(self.queue.kernel_types());
        }
    }

    /// Asks for every process that is running, as [`Notification::ScanEvent`]s ahead of the live
    /// events that wait, and a [`Notification::ScanFinished`] with this `id` behind them.
    pub fn scan(&self, id: u32) {
        self.command(Command::Scan(Arc::clone(&self.queue), id));
    }

    /// Asks whether a process is running, and for its end: a [`Notification::Watched`] with this `id` answers.
    pub fn watch_exit(&self, id: u32, pid: u32) {
        self.command(Command::WatchExit(Arc::clone(&self.queue), id, pid));
    }

    /// What tells this subscription from all others of this program, see [`crate::model::event::AncestryTag`].
    pub fn number(&self) -> u32 {
        self.queue.number()
    }

    /// What was counted since this subscription came in.
    pub fn counts(&self) -> Counts {
        self.handle.as_ref().map_or_else(Counts::default, |handle| handle.stats.counts().since(&self.before))
    }

    /// How full the queue is.
    pub fn level(&self) -> QueueStats {
        self.queue.level()
    }

    /// How the reader stands.
    pub fn gauges(&self) -> Gauges {
        self.handle.as_ref().map_or_else(Gauges::default, |handle| {
            let value = |gauge: &AtomicU64| gauge.load(Ordering::Relaxed);
            Gauges {
                receive_buffer_size: value(&handle.receive_buffer_size),
                tracked_processes: value(&handle.tracked_processes),
                priority: value(&handle.priority),
                stuck_threads: stuck_threads() as u64,
            }
        })
    }

    /// Asks the reader to let go; [`Notification::Closed`] is the last notice.
    pub fn stop(&self) {
        self.command(Command::Leave(Arc::clone(&self.queue)));
    }

    /// After [`Notification::Closed`]: waits until the reader's thread is gone, if this was its last subscription. A thread that is
    /// not gone after a second is left to end by itself.
    pub fn join(&self) {
        let Some(handle) = self.handle.as_ref().filter(|handle| handle.is_ending()) else { return };
        // The lock is held until it is gone, so that whoever else asks waits too.
        let mut thread = handle.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(thread) = thread.take().filter(|_| handle.wait_over(CLOSE_TIMEOUT)) {
            // It catches its own panics, and reports them.
            let _ = thread.join();
        }
    }

    fn command(&self, command: Command) {
        if let Some(handle) = &self.handle {
            handle.commands.send(command);
        }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.stop();
        if self.handle.is_some() {
            self.queue.wait_closed(CLOSE_TIMEOUT);
        }
        self.join();
    }
}
