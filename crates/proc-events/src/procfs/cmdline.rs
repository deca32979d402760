//! Reads `/proc/PID/cmdline` for a thread that must not wait without a bound: a helper thread reads, and is abandoned if the
//! read does not return in time, because another process holds its memory lock for ever.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use rustix::time::ClockId;

use super::files::{FileBuffer, ReadCmdline};
use super::hung::{DEADLINE, HungReads, ReadState, STUCK_MAX, stuck_threads};
use super::{Procfs, clock_ns};
use crate::sys::scheduling::ThreadScheduling;

/// The time that a helper may take which only waits for a CPU.
const STARVED_MAX: Duration = Duration::from_millis(500);
/// Waiting that costs nothing of the budget.
const FREE: Duration = Duration::from_millis(1);
/// The part of the elapsed time that may be spent on waiting is one in so many.
const SHARE: u64 = 4;
/// Everything large is on the heap.
const STACK_SIZE: usize = 128 * 1024;

/// The time that may be spent on waiting: a leaky bucket.
#[derive(Debug)]
struct WaitBudget {
    /// Nanoseconds that may be spent at once.
    burst: i64,
    /// Nanoseconds. Negative while more was spent than there was.
    left: i64,
    /// When that was so.
    at_ns: u64,
}

impl WaitBudget {
    const fn new(burst: Duration) -> Self {
        let burst = burst.as_nanos() as i64;
        Self { burst, left: burst, at_ns: 0 }
    }

    /// Returns true if a whole deadline may be waited for.
    fn allows(&mut self, now_ns: u64) -> bool {
        let gained = now_ns.saturating_sub(self.at_ns) / SHARE;
        self.at_ns = now_ns;
        self.left = self.left.saturating_add_unsigned(gained).min(self.burst);
        self.left >= DEADLINE.as_nanos() as i64
    }

    const fn spend(&mut self, waited_ns: u64) {
        let spent = waited_ns.saturating_sub(FREE.as_nanos() as u64);
        self.left = self.left.saturating_sub_unsigned(spent);
    }
}

/// A thread that reads one cmdline at a time.
pub(super) trait Helper {
    /// Has it begin. The text comes back with [`Helper::wait`].
    fn begin(&mut self, pid: u32, limit: usize, text: FileBuffer);
    /// Waits for the text.
    fn wait(&mut self, limit: Duration) -> Option<FileBuffer>;
    /// Returns true if it runs, or waits for nothing but a CPU.
    fn is_runnable(&self) -> bool;
    /// Leaves it alone; returns the text if it has come back in this very moment.
    fn abandon(self) -> Option<FileBuffer>;
}

/// Starts helpers, and knows the time.
pub(super) trait Crew {
    type Helper: Helper;
    /// `None` if no thread can be had.
    fn start(&mut self) -> Option<Self::Helper>;
    fn now_ns(&self) -> u64;
    /// The helpers that were abandoned and have not come back.
    fn stuck(&self) -> usize;
}

/// Reads through a helper that it starts when it needs one.
#[derive(Debug)]
pub(super) struct CmdlineReader<C: Crew = Threads> {
    crew: C,
    helper: Option<C::Helper>,
    hung: Arc<HungReads>,
    budget: WaitBudget,
}

impl<C: Crew> CmdlineReader<C> {
    /// `burst` is the longest time that may be spent on waiting at once.
    pub(super) const fn new(crew: C, hung: Arc<HungReads>, burst: Duration) -> Self {
        Self { crew, helper: None, hung, budget: WaitBudget::new(burst) }
    }

    /// Reads the beginning of a cmdline. A text that could not be read in time is left empty, and counted.
    fn read(&mut self, pid: u32, limit: usize, text: &mut FileBuffer) {
        text.clear();
        let began_ns = self.crew.now_ns();
        if !self.budget.allows(began_ns) || self.hung.is_skipped(pid, began_ns) {
            return self.hung.count();
        }
        let helper = self
            .helper
            .take()
            .or_else(|| if self.crew.stuck() < STUCK_MAX { self.crew.start() } else { None });
        let Some(mut helper) = helper else { return self.hung.count() };
        helper.begin(pid, limit, std::mem::replace(text, FileBuffer::new()));
        let answer = loop {
            if let Some(answer) = helper.wait(DEADLINE) {
                break Some(answer);
            }
            let waited_ns = self.crew.now_ns().saturating_sub(began_ns);
            if waited_ns >= STARVED_MAX.as_nanos() as u64 || !helper.is_runnable() {
                break None;
            }
        };
        let now_ns = self.crew.now_ns();
        self.budget.spend(now_ns.saturating_sub(began_ns));
        if let Some(answer) = answer {
            *text = answer;
            self.helper = Some(helper);
        } else if let Some(answer) = helper.abandon() {
            *text = answer;
        } else {
            self.hung.skip(pid, now_ns);
            self.hung.count();
        }
    }
}

impl<C: Crew> ReadCmdline for CmdlineReader<C> {
    fn read_cmdline(&mut self, _: &OwnedFd, pid: u32, limit: usize, text: &mut FileBuffer) {
        self.read(pid, limit, text);
    }
}

/// Starts threads of this program.
#[derive(Debug)]
pub(super) struct Threads {
    pub(super) procfs: Arc<Procfs>,
    /// True if they ask to be woken sooner.
    pub(super) raise_priority: bool,
}

impl Crew for Threads {
    type Helper = HelperThread;

    fn start(&mut self) -> Option<HelperThread> {
        let (requests, asked) = sync_channel::<Request>(1);
        let (answers, answered) = sync_channel(1);
        let state = Arc::new(ReadState::default());
        let (its_state, procfs, raise_priority) =
            (Arc::clone(&state), Arc::clone(&self.procfs), self.raise_priority);
        // Under the name of the thread that starts it: giving itself one would be an event.
        let thread = Builder::new().stack_size(STACK_SIZE).spawn(move || {
            if raise_priority {
                ThreadScheduling::of_this_thread().raise();
            }
            procfs.show_thread(&its_state);
            while let Ok(Request { pid, limit, mut text }) = asked.recv() {
                its_state.begin(pid, clock_ns(ClockId::Monotonic));
                text.read(&procfs.root, pid, "cmdline", limit);
                // The answer goes ahead of the state: a caller that finds the state changed finds the answer.
                let is_gone = answers.send(text).is_err();
                if its_state.end() || is_gone {
                    return;
                }
            }
        });
        let thread = Some(thread.ok()?);
        Some(HelperThread { requests: Some(requests), answered, state, thread })
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
    text: FileBuffer,
}

/// A thread of this program that reads.
#[derive(Debug)]
pub(super) struct HelperThread {
    requests: Option<SyncSender<Request>>,
    answered: Receiver<FileBuffer>,
    state: Arc<ReadState>,
    /// `None` once it was abandoned.
    thread: Option<JoinHandle<()>>,
}

impl Helper for HelperThread {
    fn begin(&mut self, pid: u32, limit: usize, text: FileBuffer) {
        if let Some(requests) = &self.requests {
            // There is room, because the text before has come back.
            let _ = requests.send(Request { pid, limit, text });
        }
    }
    fn wait(&mut self, limit: Duration) -> Option<FileBuffer> {
        self.answered.recv_timeout(limit).ok()
    }
    fn is_runnable(&self) -> bool {
        self.state.is_runnable()
    }
    fn abandon(mut self) -> Option<FileBuffer> {
        // A thread that was never scheduled has not begun, and ends when it finds no caller to answer.
        if self.state.current().is_none_or(|reading| self.state.abandon(reading)) {
            self.thread = None;
        }
        self.answered.try_recv().ok()
    }
}

impl Drop for HelperThread {
    fn drop(&mut self) {
        self.requests = None;
        if let Some(thread) = self.thread.take() {
            // It reads nothing, so that it ends at once.
            let _ = thread.join();
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

    /// The course of one read: how long it takes, and whether its thread only waits for a CPU meanwhile.
    #[derive(Clone, Copy)]
    struct Takes {
        ms: u64,
        is_runnable: bool,
    }
    const FOR_EVER: Takes = Takes { ms: u64::MAX, is_runnable: false };
    const NO_TIME: Takes = Takes { ms: 0, is_runnable: false };

    #[derive(Default)]
    struct World {
        now_ns: Cell<u64>,
        reads: RefCell<VecDeque<Takes>>,
        started: Cell<usize>,
        stuck: Cell<usize>,
    }

    struct FakeHelper {
        world: Rc<World>,
        read: Option<(Takes, u64, FileBuffer)>,
    }
    impl Helper for FakeHelper {
        fn begin(&mut self, _: u32, _: usize, text: FileBuffer) {
            let takes = self.world.reads.borrow_mut().pop_front().unwrap_or(NO_TIME);
            self.read = Some((takes, self.world.now_ns.get(), text));
        }
        fn wait(&mut self, limit: Duration) -> Option<FileBuffer> {
            let (takes, began, _) = self.read.as_ref().unwrap();
            let (now, ready) = (self.world.now_ns.get(), takes.ms.saturating_mul(MS).saturating_add(*began));
            let until = now + limit.as_nanos() as u64;
            self.world.now_ns.set(ready.clamp(now, until));
            if ready > until { None } else { self.read.take().map(|(.., text)| text) }
        }
        fn is_runnable(&self) -> bool {
            self.read.as_ref().is_some_and(|(takes, ..)| takes.is_runnable)
        }
        fn abandon(self) -> Option<FileBuffer> {
            self.world.stuck.set(self.world.stuck.get() + 1);
            None
        }
    }

    struct FakeCrew(Rc<World>);
    impl Crew for FakeCrew {
        type Helper = FakeHelper;
        fn start(&mut self) -> Option<FakeHelper> {
            self.0.started.set(self.0.started.get() + 1);
            Some(FakeHelper { world: Rc::clone(&self.0), read: None })
        }
        fn now_ns(&self) -> u64 {
            self.0.now_ns.get()
        }
        fn stuck(&self) -> usize {
            self.0.stuck.get()
        }
    }

    struct Bench {
        world: Rc<World>,
        reader: CmdlineReader<FakeCrew>,
        stats: Arc<Stats>,
    }
    impl Bench {
        fn new(burst: Duration) -> Self {
            let (world, stats) = (Rc::new(World::default()), Arc::new(Stats::default()));
            world.now_ns.set(1_000_000 * MS);
            let hung = Arc::new(HungReads::new(Arc::clone(&stats)));
            let reader = CmdlineReader::new(FakeCrew(Rc::clone(&world)), hung, burst);
            Self { world, reader, stats }
        }
        /// Reads, and returns the milliseconds that this took, and whether it was given up.
        fn read(&mut self, pid: u32, takes: Takes) -> (u64, bool) {
            let (before, given_up) = (self.world.now_ns.get(), self.stats.capture_timeouts.get());
            self.world.reads.replace(VecDeque::from([takes]));
            self.reader.read(pid, 100, &mut FileBuffer::new());
            let took = (self.world.now_ns.get() - before) / MS;
            (took, self.stats.capture_timeouts.get() > given_up)
        }
        fn pass(&self, ms: u64) {
            self.world.now_ns.set(self.world.now_ns.get() + ms * MS);
        }
    }

    #[test]
    fn a_read_that_does_not_return_is_given_up_and_its_process_skipped() {
        let mut bench = Bench::new(Duration::from_secs(1));
        assert_eq!(bench.read(1, NO_TIME), (0, false));
        assert_eq!(bench.read(2, FOR_EVER), (50, true));
        assert_eq!(bench.read(2, NO_TIME), (0, true), "it is skipped");
        assert_eq!(bench.read(3, NO_TIME), (0, false));
        assert_eq!((bench.world.started.get(), bench.world.stuck.get()), (2, 1));
        bench.pass(10_001);
        assert_eq!(bench.read(2, NO_TIME), (0, false), "it is tried again");
    }

    #[test]
    fn a_helper_that_only_waits_for_a_cpu_is_waited_for() {
        let mut bench = Bench::new(Duration::from_secs(1));
        assert_eq!(bench.read(1, Takes { ms: 310, is_runnable: true }), (310, false));
        assert_eq!(bench.read(2, Takes { ms: u64::MAX, is_runnable: true }), (500, true));
        assert_eq!(bench.world.stuck.get(), 1);
    }

    #[test]
    fn abandoned_threads_are_few() {
        let mut bench = Bench::new(Duration::from_secs(10));
        let results: Vec<_> = (0..20).map(|pid| bench.read(pid, FOR_EVER)).collect();
        assert_eq!(results[..STUCK_MAX], [(50, true); STUCK_MAX]);
        assert_eq!(results[STUCK_MAX..], [(0, true); 20 - STUCK_MAX], "nothing is read");
        assert_eq!(bench.world.stuck.get(), STUCK_MAX);
        // One comes back.
        bench.world.stuck.set(STUCK_MAX - 1);
        assert_eq!(bench.read(100, NO_TIME), (0, false));
    }

    #[test]
    fn waiting_takes_no_more_than_a_quarter_of_the_time() {
        let mut bench = Bench::new(Duration::from_millis(200));
        let began = bench.world.now_ns.get();
        // It answers just in time, always.
        let waited: u64 = (0..1000)
            .map(|_| {
                bench.pass(10);
                bench.read(1, Takes { ms: 49, is_runnable: false }).0
            })
            .sum();
        let elapsed = (bench.world.now_ns.get() - began) / MS;
        // A wait of one millisecond costs nothing.
        assert!(waited <= 200 + elapsed / 4 * 49 / 48 + 1, "{waited} of {elapsed} ms");
        assert!(waited > elapsed / 5, "{waited} of {elapsed} ms");
    }
}
