//! Reads `/proc/PID/cmdline` with a bounded wait.
//!
//! The read takes the memory lock of the process, which another thread may hold for ever. A helper thread therefore
//! reads, and is abandoned if the read does not return in time.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::Builder;
use std::time::Duration;

use rustix::time::ClockId;

use super::clock::clock_ns;
use super::file_buffer::FileBuffer;
use super::files::ReadCmdline;
use super::hung::{DEADLINE, HungReads, ReadState, STUCK_MAX, stuck_threads};
use super::mount::Procfs;
use crate::sys::scheduling::ThreadScheduling;
use crate::sys::thread_end::Thread;

/// Longest wait for a helper that runs or waits for a CPU.
const STARVATION_TIMEOUT: Duration = Duration::from_millis(500);
/// Part of each wait that is not charged to the budget.
const FREE_WAIT: Duration = Duration::from_millis(1);
/// The budget grows by the elapsed time divided by this.
const REFILL_DIVISOR: u64 = 4;
/// Stack size of a helper, in bytes. Small, because all large buffers are on the heap.
const STACK_SIZE: usize = 128 * 1024;

/// The time that may be spent on waits: a token bucket.
#[derive(Debug)]
struct WaitBudget {
    /// Capacity, in nanoseconds.
    burst: i64,
    /// Level, in nanoseconds. Negative if the last wait took more than the level.
    left: i64,
    /// Time of the last refill, in nanoseconds.
    refilled_ns: u64,
}

impl WaitBudget {
    const fn new(burst: Duration) -> Self {
        let burst = burst.as_nanos() as i64;
        Self { burst, left: burst, refilled_ns: 0 }
    }

    /// Refills the bucket. Returns true if a wait until [`DEADLINE`] is affordable.
    fn refill(&mut self, now_ns: u64) -> bool {
        let gained = now_ns.saturating_sub(self.refilled_ns) / REFILL_DIVISOR;
        self.refilled_ns = now_ns;
        self.left = self.left.saturating_add_unsigned(gained).min(self.burst);
        self.left >= DEADLINE.as_nanos() as i64
    }

    const fn spend(&mut self, waited_ns: u64) {
        let spent = waited_ns.saturating_sub(FREE_WAIT.as_nanos() as u64);
        self.left = self.left.saturating_sub_unsigned(spent);
    }
}

/// A thread that reads one cmdline at a time.
pub(super) trait Helper {
    /// Starts a read. [`Helper::wait`] returns the buffer.
    fn begin(&mut self, pid: u32, limit: usize, buffer: FileBuffer);
    /// Waits for the buffer. Returns `None` after `timeout`.
    fn wait(&mut self, timeout: Duration) -> Option<FileBuffer>;
    /// Returns true if the thread runs or waits for a CPU.
    fn is_runnable(&self) -> bool;
    /// Abandons the thread. Returns the buffer if the read has returned meanwhile.
    fn abandon(self) -> Option<FileBuffer>;
}

/// Spawns helpers, and has the clock.
pub(super) trait HelperSpawner {
    type Helper: Helper;
    /// Spawns a helper. Returns `None` if the system refuses a thread.
    fn spawn(&mut self) -> Option<Self::Helper>;
    /// Returns the time, in nanoseconds on `CLOCK_MONOTONIC`.
    fn now_ns(&self) -> u64;
    /// Returns the number of abandoned helpers whose read still hangs.
    fn stuck(&self) -> usize;
}

/// Reads through a helper, which is spawned on demand and reused.
#[derive(Debug)]
pub(super) struct CmdlineReader<S: HelperSpawner = ThreadSpawner> {
    spawner: S,
    helper: Option<S::Helper>,
    hung: Arc<HungReads>,
    budget: WaitBudget,
}

impl<S: HelperSpawner> CmdlineReader<S> {
    /// Creates a reader. `burst` is the longest time that it waits in one go.
    pub(super) const fn new(spawner: S, hung: Arc<HungReads>, burst: Duration) -> Self {
        Self { spawner, helper: None, hung, budget: WaitBudget::new(burst) }
    }

    /// Reads up to `limit` bytes. If the read does not return in time, the buffer has no content, and the timeout is
    /// counted.
    fn read(&mut self, pid: u32, limit: usize, buffer: &mut FileBuffer) {
        buffer.clear();
        let began_ns = self.spawner.now_ns();
        if !self.budget.refill(began_ns) || self.hung.is_skipped(pid, began_ns) {
            return self.hung.count();
        }
        let helper = self
            .helper
            .take()
            .or_else(|| if self.spawner.stuck() < STUCK_MAX { self.spawner.spawn() } else { None });
        let Some(mut helper) = helper else { return self.hung.count() };
        helper.begin(pid, limit, std::mem::replace(buffer, FileBuffer::new()));
        let answer = loop {
            if let Some(answer) = helper.wait(DEADLINE) {
                break Some(answer);
            }
            let waited_ns = self.spawner.now_ns().saturating_sub(began_ns);
            if waited_ns >= STARVATION_TIMEOUT.as_nanos() as u64 || !helper.is_runnable() {
                break None;
            }
        };
        let now_ns = self.spawner.now_ns();
        self.budget.spend(now_ns.saturating_sub(began_ns));
        if let Some(answer) = answer {
            *buffer = answer;
            self.helper = Some(helper);
        } else if let Some(answer) = helper.abandon() {
            *buffer = answer;
        } else {
            self.hung.skip(pid, now_ns);
            self.hung.count();
        }
    }
}

impl<S: HelperSpawner> ReadCmdline for CmdlineReader<S> {
    fn read_cmdline(&mut self, _: &OwnedFd, pid: u32, limit: usize, buffer: &mut FileBuffer) {
        self.read(pid, limit, buffer);
    }
}

/// Spawns helpers as threads of this program.
#[derive(Debug)]
pub(super) struct ThreadSpawner {
    pub(super) procfs: Arc<Procfs>,
    /// True if helpers raise their priority.
    pub(super) raise_priority: bool,
}

impl HelperSpawner for ThreadSpawner {
    type Helper = HelperThread;

    fn spawn(&mut self) -> Option<HelperThread> {
        let (requests, received_requests) = sync_channel::<Request>(1);
        let (answers, received_answers) = sync_channel(1);
        let state = Arc::new(ReadState::default());
        let (its_state, procfs, raise_priority) =
            (Arc::clone(&state), Arc::clone(&self.procfs), self.raise_priority);
        // Unnamed, so that it inherits the name of its parent: setting a name would cause a comm event.
        let thread = Thread::spawn(Builder::new().stack_size(STACK_SIZE), move || {
            if raise_priority {
                ThreadScheduling::of_this_thread().raise();
            }
            procfs.show_thread(&its_state);
            while let Ok(Request { pid, limit, mut buffer }) = received_requests.recv() {
                its_state.begin(pid, clock_ns(ClockId::Monotonic));
                buffer.read(&procfs.root, pid, "cmdline", limit);
                // Send the answer before the state changes, so that a caller that sees the new state finds the answer.
                let is_disconnected = answers.send(buffer).is_err();
                if its_state.end() || is_disconnected {
                    return;
                }
            }
        });
        let thread = Some(thread.ok()?);
        Some(HelperThread { requests: Some(requests), answers: received_answers, state, thread })
    }

    fn now_ns(&self) -> u64 {
        clock_ns(ClockId::Monotonic)
    }

    fn stuck(&self) -> usize {
        stuck_threads()
    }
}

#[derive(Debug)]
struct Request {
    pid: u32,
    limit: usize,
    buffer: FileBuffer,
}

/// A helper that is a thread of this program.
#[derive(Debug)]
pub(super) struct HelperThread {
    requests: Option<SyncSender<Request>>,
    answers: Receiver<FileBuffer>,
    state: Arc<ReadState>,
    /// `None` once the thread is abandoned.
    thread: Option<Thread>,
}

impl Helper for HelperThread {
    fn begin(&mut self, pid: u32, limit: usize, buffer: FileBuffer) {
        if let Some(requests) = &self.requests {
            // Does not block, because the previous request was answered.
            let _ = requests.send(Request { pid, limit, buffer });
        }
    }

    fn wait(&mut self, timeout: Duration) -> Option<FileBuffer> {
        self.answers.recv_timeout(timeout).ok()
    }

    fn is_runnable(&self) -> bool {
        self.state.is_runnable()
    }

    fn abandon(mut self) -> Option<FileBuffer> {
        // A thread that was never scheduled has no current read. It exits once its answer finds no receiver.
        if self.state.current().is_none_or(|reading| self.state.abandon(reading)) {
            self.thread = None;
        }
        self.answers.try_recv().ok()
    }
}

impl Drop for HelperThread {
    fn drop(&mut self) {
        self.requests = None;
        if let Some(thread) = self.thread.take() {
            // The thread is idle, so that it exits at once.
            thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};
    use std::collections::VecDeque;
    use std::rc::Rc;

    use super::*;
    use crate::stats::Stats;

    const MS: u64 = 1_000_000;

    /// One simulated read: its duration, and true if its thread waits for a CPU meanwhile.
    #[derive(Clone, Copy)]
    struct SimulatedRead {
        ms: u64,
        is_runnable: bool,
    }
    const NEVER_RETURNS: SimulatedRead = SimulatedRead { ms: u64::MAX, is_runnable: false };
    const IMMEDIATE: SimulatedRead = SimulatedRead { ms: 0, is_runnable: false };

    #[derive(Default)]
    struct World {
        now_ns: Cell<u64>,
        reads: RefCell<VecDeque<SimulatedRead>>,
        spawned: Cell<usize>,
        stuck: Cell<usize>,
    }

    struct FakeHelper {
        world: Rc<World>,
        read: Option<(SimulatedRead, u64, FileBuffer)>,
    }
    impl Helper for FakeHelper {
        fn begin(&mut self, _: u32, _: usize, buffer: FileBuffer) {
            let read = self.world.reads.borrow_mut().pop_front().unwrap_or(IMMEDIATE);
            self.read = Some((read, self.world.now_ns.get(), buffer));
        }
        fn wait(&mut self, timeout: Duration) -> Option<FileBuffer> {
            let (read, began, _) = self.read.as_ref().unwrap();
            let (now, ready) = (self.world.now_ns.get(), read.ms.saturating_mul(MS).saturating_add(*began));
            let until = now + timeout.as_nanos() as u64;
            self.world.now_ns.set(ready.clamp(now, until));
            if ready > until { None } else { self.read.take().map(|(.., buffer)| buffer) }
        }
        fn is_runnable(&self) -> bool {
            self.read.as_ref().is_some_and(|(read, ..)| read.is_runnable)
        }
        fn abandon(self) -> Option<FileBuffer> {
            self.world.stuck.set(self.world.stuck.get() + 1);
            None
        }
    }

    struct FakeSpawner(Rc<World>);
    impl HelperSpawner for FakeSpawner {
        type Helper = FakeHelper;
        fn spawn(&mut self) -> Option<FakeHelper> {
            self.0.spawned.set(self.0.spawned.get() + 1);
            Some(FakeHelper { world: Rc::clone(&self.0), read: None })
        }
        fn now_ns(&self) -> u64 {
            self.0.now_ns.get()
        }
        fn stuck(&self) -> usize {
            self.0.stuck.get()
        }
    }

    struct Harness {
        world: Rc<World>,
        reader: CmdlineReader<FakeSpawner>,
        stats: Arc<Stats>,
    }
    impl Harness {
        fn new(burst: Duration) -> Self {
            let (world, stats) = (Rc::new(World::default()), Arc::new(Stats::default()));
            world.now_ns.set(1_000_000 * MS);
            let hung = Arc::new(HungReads::new(Arc::clone(&stats)));
            let reader = CmdlineReader::new(FakeSpawner(Rc::clone(&world)), hung, burst);
            Self { world, reader, stats }
        }
        /// Reads. Returns its duration in milliseconds, and true if it timed out.
        fn read(&mut self, pid: u32, read: SimulatedRead) -> (u64, bool) {
            let (before, timeouts) = (self.world.now_ns.get(), self.stats.capture_timeouts.get());
            self.world.reads.replace(VecDeque::from([read]));
            self.reader.read(pid, 100, &mut FileBuffer::new());
            let took = (self.world.now_ns.get() - before) / MS;
            (took, self.stats.capture_timeouts.get() > timeouts)
        }
        fn advance(&self, ms: u64) {
            self.world.now_ns.set(self.world.now_ns.get() + ms * MS);
        }
    }

    #[test]
    fn a_hung_read_times_out_and_its_process_is_skipped() {
        let mut harness = Harness::new(Duration::from_secs(1));
        assert_eq!(harness.read(1, IMMEDIATE), (0, false));
        assert_eq!(harness.read(2, NEVER_RETURNS), (50, true));
        assert_eq!(harness.read(2, IMMEDIATE), (0, true), "the process is skipped");
        assert_eq!(harness.read(3, IMMEDIATE), (0, false));
        assert_eq!((harness.world.spawned.get(), harness.world.stuck.get()), (2, 1));
        harness.advance(10_001);
        assert_eq!(harness.read(2, IMMEDIATE), (0, false), "the process is read again");
    }

    #[test]
    fn a_helper_that_waits_for_a_cpu_gets_more_time() {
        let mut harness = Harness::new(Duration::from_secs(1));
        assert_eq!(harness.read(1, SimulatedRead { ms: 310, is_runnable: true }), (310, false));
        assert_eq!(harness.read(2, SimulatedRead { ms: u64::MAX, is_runnable: true }), (500, true));
        assert_eq!(harness.world.stuck.get(), 1);
    }

    #[test]
    fn the_number_of_abandoned_threads_is_bounded() {
        let mut harness = Harness::new(Duration::from_secs(10));
        let results: Vec<_> = (0..20).map(|pid| harness.read(pid, NEVER_RETURNS)).collect();
        assert_eq!(results[..STUCK_MAX], [(50, true); STUCK_MAX]);
        assert_eq!(results[STUCK_MAX..], [(0, true); 20 - STUCK_MAX], "nothing is read");
        assert_eq!(harness.world.stuck.get(), STUCK_MAX);
        // One of the reads returns.
        harness.world.stuck.set(STUCK_MAX - 1);
        assert_eq!(harness.read(100, IMMEDIATE), (0, false));
    }

    #[test]
    fn waits_take_at_most_a_quarter_of_the_time() {
        let mut harness = Harness::new(Duration::from_millis(200));
        let started_ns = harness.world.now_ns.get();
        // Every read returns just before the deadline.
        let waited: u64 = (0..1000)
            .map(|_| {
                harness.advance(10);
                harness.read(1, SimulatedRead { ms: 49, is_runnable: false }).0
            })
            .sum();
        let elapsed = (harness.world.now_ns.get() - started_ns) / MS;
        // The first millisecond of each wait is free.
        assert!(waited <= 200 + elapsed / 4 * 49 / 48 + 1, "{waited} of {elapsed} ms");
        assert!(waited > elapsed / 5, "{waited} of {elapsed} ms");
    }
}
