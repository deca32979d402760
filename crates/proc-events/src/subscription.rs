//! Subscriptions to the readers of this program.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, Weak};
use std::thread::Builder;
use std::time::Duration;

use crate::delivery::filter::FilterRule;
use crate::delivery::queue::{DEFAULT_QUEUE_SIZE, QueueStats, SubscriberQueue};
use crate::error::Error;
use crate::model::interest::Interest;
use crate::model::notification::Notification;
use crate::options::Options;
use crate::pipeline::WatchTarget;
use crate::procfs::stuck_threads;
use crate::reader;
use crate::reader::command_queue::Command;
use crate::reader::connection::THREAD_NAME;
use crate::reader::handle::{ReaderHandle, readers};
use crate::stats::Counts;
use crate::sys::thread_end::Thread;

/// Maximum time that a subscription waits for [`Notification::Closed`], and then for the reader thread to end.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// The state of a reader.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gauges {
    /// Effective size of the socket's receive buffer, in bytes; 0: no socket.
    pub receive_buffer_size: u64,
    /// Number of live processes in the process table.
    pub tracked_processes: u64,
    /// The way in which processes are noticed without the connector, a [`crate::Watching`] as number.
    pub watching: u64,
    /// The scheduling priority in force, a [`crate::Priority`] as number.
    pub priority: u64,
    /// Number of threads of this program that were abandoned, because a read does not return.
    pub stuck_threads: u64,
}

/// Starts a reader thread.
fn start_reader(options: Options) -> std::io::Result<Arc<ReaderHandle>> {
    let handle = Arc::new(ReaderHandle::new(options));
    let shared = Arc::clone(&handle);
    let thread = Thread::spawn(Builder::new().name(THREAD_NAME.into()), move || {
        reader::run(&shared);
        shared.set_ended();
    })?;
    *handle.thread.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread);
    Ok(handle)
}

/// A subscription. Dropping it stops it and waits up to two seconds.
pub struct Subscription {
    queue: Arc<SubscriberQueue>,
    handle: Option<Arc<ReaderHandle>>,
    /// The reader's counters when this subscription joined.
    before: Counts,
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription").field("queue", &self.queue).finish_non_exhaustive()
    }
}

impl Subscription {
    /// Joins the reader with these options, or starts it. Returns at once. The first notification is
    /// [`Notification::Opened`] or [`Notification::Failed`].
    ///
    /// `queue_size` is the maximum number of queued live events; 0: 65,536. The reader thread calls `waker`, at most
    /// once until
    /// [`Subscription::take`] has emptied the queue. `waker` must not block.
    ///
    /// Live events wait until a [`Subscription::scan`] is delivered.
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
                    let failed = Error::from_io("pthread_create", "of the reader thread", &error);
                    queue.notify(Notification::Failed(failed));
                    queue.notify(Notification::Closed);
                    return Self { queue, handle: None, before: Counts::default() };
                }
            },
        };
        let before = handle.stats.counts();
        // The reader cannot have ended, because ending takes the lock that is held here.
        handle.commands.send(Command::Join(Arc::clone(&queue)));
        drop(readers);
        Self { queue, handle: Some(handle), before }
    }

    /// Moves up to `max` notifications into `notifications`. Returns true if the queue is empty and the waker is armed
    /// again.
    pub fn take(&self, max: usize, notifications: &mut Vec<Notification>) -> bool {
        self.queue.take(max, notifications)
    }

    /// Sets the longest time by which events may be delayed so that several of them share a wake-up, in milliseconds. 0, the
    /// default: each is delivered at once. Rules may ask for another time, and the shortest one counts. Commands and their
    /// answers are never delayed.
    pub fn set_max_latency_ms(&self, latency_ms: u32) {
        self.queue.set_max_latency_ms(latency_ms);
        self.apply(true);
    }

    /// Replaces all rules by one that selects all processes. Added fields are also read for the processes that already
    /// run.
    pub fn set_interest(&self, interest: Interest) {
        self.set_filter_rules(&[FilterRule::for_all_processes(interest)]);
    }

    /// Replaces all rules. An event is queued if any rule selects it.
    pub fn set_filter_rules(&self, rules: &[FilterRule]) {
        self.apply(self.queue.set_filter_rules(rules));
    }

    /// Adds a rule. The cost does not depend on the number of rules.
    pub fn add_rule(&self, rule: &FilterRule) {
        self.apply(self.queue.add_rule(rule));
    }

    /// Removes a rule that equals an added one. Does nothing if there is none.
    pub fn remove_rule(&self, rule: &FilterRule) {
        self.apply(self.queue.remove_rule(rule));
    }

    /// Makes the reader apply the rules if `interest_changed`.
    fn apply(&self, interest_changed: bool) {
        if let Some(handle) = self.handle.as_ref().filter(|_| interest_changed) {
            // Increment the counter first, because the reader checks it before it reads the socket. The command only
            // wakes the reader. Both precede widening the kernel filter, so that the reader applies the new interest to
            // the datagrams that the filter now passes.
            handle.interest_changes.fetch_add(1, Ordering::AcqRel);
            handle.commands.send(Command::InterestChanged);
            handle.kernel_filter.widen(self.queue.kernel_types());
        }
    }

    /// Requests a scan of all running processes. They arrive as [`Notification::ScanEvent`]s, and
    /// [`Notification::ScanFinished`] follows, all with this `id`. The first scan arrives ahead of the live events.
    pub fn scan(&self, id: u32) {
        self.command(Command::Scan(Arc::clone(&self.queue), id));
    }

    /// Requests to watch the exit of a process. [`Notification::Watched`] with this `id` answers if the process runs. With a
    /// `start_time`, a process with this pid that was created at another time does not count.
    pub fn watch_exit(&self, id: u32, pid: u32, start_time: Option<u64>) {
        self.command(Command::WatchExit(Arc::clone(&self.queue), WatchTarget { id, pid, start_time }));
    }

    /// Requests [`Notification::Flushed`] with this `id`, after all events that the kernel has reported by now. Lost events
    /// are repaired before it. The polling source takes a snapshot first.
    pub fn flush(&self, id: u32) {
        self.command(Command::Flush(Arc::clone(&self.queue), id));
    }

    /// Returns the id of this subscription, which is unique in this program. See [`crate::AncestryTag::subscriber`].
    pub fn id(&self) -> u32 {
        self.queue.id()
    }

    /// Returns the reader's counters since this subscription joined.
    pub fn counts(&self) -> Counts {
        self.handle.as_ref().map_or_else(Counts::default, |handle| handle.stats.counts().since(&self.before))
    }

    /// Returns the fill level of the queue, and its losses.
    pub fn queue_stats(&self) -> QueueStats {
        self.queue.stats()
    }

    /// Returns the state of the reader.
    pub fn gauges(&self) -> Gauges {
        self.handle.as_ref().map_or_else(Gauges::default, |handle| {
            let value = |gauge: &AtomicU64| gauge.load(Ordering::Relaxed);
            Gauges {
                receive_buffer_size: value(&handle.receive_buffer_size),
                tracked_processes: value(&handle.tracked_processes),
                watching: value(&handle.watching),
                priority: value(&handle.priority),
                stuck_threads: stuck_threads() as u64,
            }
        })
    }

    /// Leaves the reader. [`Notification::Closed`] is the last notification.
    pub fn stop(&self) {
        self.command(Command::Leave(Arc::clone(&self.queue)));
    }

    /// Waits until the reader thread has ended, if this was its last subscription. Waits for at most one second. To be
    /// called after [`Notification::Closed`].
    pub fn join(&self) {
        let Some(handle) = self.handle.as_ref().filter(|handle| handle.is_ending()) else { return };
        // Hold the lock while waiting, so that other callers wait too.
        let mut thread = handle.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(thread) = thread.take().filter(|_| handle.wait_ended(CLOSE_TIMEOUT)) {
            // The thread catches and reports its own panics.
            thread.join();
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
