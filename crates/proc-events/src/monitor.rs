//! What a program holds: one subscription to the reader that all subscriptions with the same options share.

use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::error::{Error, ErrorCode};
use crate::interest::Interest;
use crate::notice::Notice;
use crate::outbox::{DEFAULT_QUEUE_SIZE, Level, Outbox};
use crate::priority::Priority;
use crate::procfs::{DEFAULT_MAX_ARGV_BYTES, stuck_threads};
use crate::reader::{self, Command, CommandQueue};
use crate::sieve::Wish;
use crate::socket::{DEFAULT_RECEIVE_BUFFER_SIZE, Gate};
use crate::stats::{Counts, Stats};

/// How long a subscription waits for the reader to let go of it, and then for the reader's thread to end.
const PATIENCE: Duration = Duration::from_secs(1);

/// Where events come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum SourceKind {
    /// The kernel's process connector.
    #[default]
    Netlink,
    /// Snapshots of `/proc`: what starts and ends between two of them is missed.
    Polling,
}

/// How to monitor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Where events come from.
    pub source: SourceKind,
    /// Whether to poll where netlink cannot be had, or has failed for good.
    pub falls_back: bool,
    /// Between two snapshots, when polling.
    pub polling_interval: Duration,
    /// Bytes asked for the socket's receive buffer.
    pub receive_buffer_size: usize,
    /// Where the host's proc file system is mounted.
    pub proc_root: PathBuf,
    /// Whether the reader's thread asks to be woken sooner while details are captured, see [`Priority`].
    pub hurries: bool,
    /// The bytes of text that are kept of the arguments of a process, at most, the NUL behind each among them.
    pub max_argv_bytes: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            source: SourceKind::Netlink,
            falls_back: false,
            polling_interval: Duration::from_millis(250),
            receive_buffer_size: DEFAULT_RECEIVE_BUFFER_SIZE,
            proc_root: "/proc".into(),
            hurries: true,
            max_argv_bytes: DEFAULT_MAX_ARGV_BYTES,
        }
    }
}

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

/// What a reader shares with its subscriptions.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) options: Options,
    pub(crate) commands: CommandQueue,
    pub(crate) stats: Arc<Stats>,
    pub(crate) gate: Gate,
    /// How often something was asked for that concerns what comes in next.
    pub(crate) asked: Arc<AtomicU64>,
    pub(crate) receive_buffer_size: AtomicU64,
    pub(crate) tracked_processes: AtomicU64,
    pub(crate) priority: AtomicU64,
    is_ending: AtomicBool,
    thread: Mutex<Option<JoinHandle<()>>>,
    /// True once the reader's thread has ended.
    is_over: Mutex<bool>,
    over: Condvar,
}

/// The readers of this program. The lock orders who joins a reader against that reader's decision to end.
static READERS: Mutex<Vec<Weak<Shared>>> = Mutex::new(Vec::new());

fn readers() -> MutexGuard<'static, Vec<Weak<Shared>>> {
    READERS.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
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

    fn is_ending(&self) -> bool {
        self.is_ending.load(Ordering::Acquire)
    }

    /// Waits until the reader's thread is through, up to `limit`. Returns true if it is.
    fn wait_over(&self, limit: Duration) -> bool {
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
            gate: Gate::default(),
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

    fn start(options: Options) -> std::io::Result<Arc<Self>> {
        let shared = Arc::new(Self::new(options));
        let its = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name(reader::THREAD_NAME.into()).spawn(move || {
            reader::run(&its);
            *its.is_over.lock().unwrap_or_else(PoisonError::into_inner) = true;
            its.over.notify_all();
        })?;
        *shared.thread.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread);
        Ok(shared)
    }
}

/// One subscription: a queue that fills, and what it is to be filled with.
pub struct Subscription {
    outbox: Arc<Outbox>,
    shared: Option<Arc<Shared>>,
    /// The reader's counters when this subscription came in.
    before: Counts,
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription").field("outbox", &self.outbox).finish_non_exhaustive()
    }
}

impl Subscription {
    /// Joins the reader with these options, or starts it. Returns at once: the first notice is
    /// [`Notice::Opened`] or [`Notice::Failed`]. `queue_size` 0 stands for [`DEFAULT_QUEUE_SIZE`]. `doorbell` is called
    /// on the reader's thread, at most once until [`Subscription::take`] has taken all; it must not block.
    ///
    /// Live events wait until [`Subscription::scan`] has been asked for and answered.
    #[must_use]
    pub fn new(
        options: Options,
        queue_size: usize,
        interest: Interest,
        doorbell: Box<dyn Fn() + Send + Sync>,
    ) -> Self {
        let capacity = if queue_size == 0 { DEFAULT_QUEUE_SIZE } else { queue_size };
        let outbox = Arc::new(Outbox::new(capacity, interest, doorbell));
        let mut readers = readers();
        readers.retain(|reader| reader.strong_count() > 0);
        let running = readers
            .iter()
            .filter_map(Weak::upgrade)
            .find(|reader| reader.options == options && !reader.is_ending());
        let shared = match running {
            Some(shared) => shared,
            None => match Shared::start(options) {
                Ok(shared) => {
                    readers.push(Arc::downgrade(&shared));
                    shared
                }
                Err(error) => {
                    let errno = rustix::io::Errno::from_io_error(&error);
                    let failed = Error { code: ErrorCode::SourceFailed, syscall: "pthread_create", errno };
                    outbox.notify(Notice::Failed(failed));
                    outbox.notify(Notice::Closed);
                    return Self { outbox, shared: None, before: Counts::default() };
                }
            },
        };
        let before = shared.stats.counts();
        // The reader cannot have ended: it asks for the lock that is held here.
        shared.commands.send(Command::Join(Arc::clone(&outbox)));
        drop(readers);
        Self { outbox, shared: Some(shared), before }
    }

    /// Moves up to `max` notices into `notices`. Returns whether that was all: then the bell is armed again.
    pub fn take(&self, max: usize, notices: &mut Vec<Notice>) -> bool {
        self.outbox.take(max, notices)
    }

    /// Sets what is wanted from now on. Details that are new in it are also read for the processes already running.
    pub fn set_interest(&self, interest: Interest) {
        self.set_wishes(&[Wish::of_all(interest)]);
    }

    /// Sets what is wanted from now on, narrowed down to some processes.
    pub fn set_wishes(&self, wishes: &[Wish]) {
        self.follow(self.outbox.set_wishes(wishes));
    }

    /// Adds a rule. Costs the same however many rules there are.
    pub fn add_rule(&self, rule: &Wish) {
        self.follow(self.outbox.add_rule(rule));
    }

    /// Takes away a rule that equals one that was added.
    pub fn remove_rule(&self, rule: &Wish) {
        self.follow(self.outbox.remove_rule(rule));
    }

    /// Has the reader follow what is wanted, if that matters to it.
    fn follow(&self, matters: bool) {
        if let Some(shared) = self.shared.as_ref().filter(|_| matters) {
            // The count is what the reader acts on, before it reads on; the command only wakes it.
            shared.asked.fetch_add(1, Ordering::AcqRel);
            shared.commands.send(Command::InterestChanged);
            shared.gate.widen(self.outbox.passing());
        }
    }

    /// Asks for every process that is running, as [`Notice::Found`]s ahead of the live
    /// events that wait, and a [`Notice::Scanned`] with this `id` behind them.
    pub fn scan(&self, id: u32) {
        self.command(Command::Scan(Arc::clone(&self.outbox), id));
    }

    /// Asks whether a process is running, and for its end: a [`Notice::Watched`] with this `id` answers.
    pub fn watch(&self, id: u32, pid: u32) {
        self.command(Command::Watch(Arc::clone(&self.outbox), id, pid));
    }

    /// What tells this subscription from all others of this program, see [`crate::descent::Follow`].
    pub fn number(&self) -> u32 {
        self.outbox.number()
    }

    /// What was counted since this subscription came in.
    pub fn counts(&self) -> Counts {
        self.shared.as_ref().map_or_else(Counts::default, |shared| shared.stats.counts().since(&self.before))
    }

    /// How full the queue is.
    pub fn level(&self) -> Level {
        self.outbox.level()
    }

    /// How the reader stands.
    pub fn gauges(&self) -> Gauges {
        self.shared.as_ref().map_or_else(Gauges::default, |shared| {
            let value = |gauge: &AtomicU64| gauge.load(Ordering::Relaxed);
            Gauges {
                receive_buffer_size: value(&shared.receive_buffer_size),
                tracked_processes: value(&shared.tracked_processes),
                priority: value(&shared.priority),
                stuck_threads: stuck_threads() as u64,
            }
        })
    }

    /// Asks the reader to let go; [`Notice::Closed`] is the last notice.
    pub fn stop(&self) {
        self.command(Command::Leave(Arc::clone(&self.outbox)));
    }

    /// After [`Notice::Closed`]: waits until the reader's thread is gone, if this was its last subscription. A thread that is
    /// not gone after a second is left to end by itself.
    pub fn join(&self) {
        let Some(shared) = self.shared.as_ref().filter(|shared| shared.is_ending()) else { return };
        // The lock is held until it is gone, so that whoever else asks waits too.
        let mut thread = shared.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(thread) = thread.take().filter(|_| shared.wait_over(PATIENCE)) {
            // It catches its own panics, and reports them.
            let _ = thread.join();
        }
    }

    fn command(&self, command: Command) {
        if let Some(shared) = &self.shared {
            shared.commands.send(command);
        }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.stop();
        if self.shared.is_some() {
            self.outbox.wait_closed(PATIENCE);
        }
        self.join();
    }
}
