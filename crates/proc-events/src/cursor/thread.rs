//! The thread that reads the cursor. It has a descriptor table of its own, because it has a pidfd of each process.

mod records;

use std::io;
use std::num::NonZeroU64;
use std::os::fd::{AsFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use rustix::event::{EventfdFlags, Timespec, epoll, eventfd};
use rustix::io::Errno;
use rustix::time::ClockId;
use tokio::io::unix::AsyncFd;

use super::linux::LinuxPids;
use super::opens::OpenWatcher;
use super::pace::Pace;
use super::tracker::CursorTracker;
use crate::connector::namespace::clock_offset_ns;
use crate::model::effort::Effort;
use crate::model::interest::Fields;
use crate::model::report::{Change, ProcessReport};
use crate::perf::{Coverage, PerfEvents};
use crate::procfs::{Procfs, ReadState, clock_ns};
use crate::stats::Stats;
use crate::sys;
use crate::sys::descriptors::unshare;
use crate::sys::scheduling::ThreadScheduling;

/// Longest time that the start may take. With thousands of processes it takes some 50 ms.
const START_TIMEOUT: Duration = Duration::from_secs(2);
/// Longest time that the end may take, unless a read hangs.
const END_TIMEOUT: Duration = Duration::from_secs(1);
/// A read of arguments that takes longer hangs, in nanoseconds.
const HUNG_NS: u64 = 1_000_000_000;
/// Time for which a new process waits at most until the reader learns of it, in nanoseconds. The reader would take the CPU
/// from this thread while the process is about to call exec.
const FORK_DELAY_NS: u64 = 1_000_000;
/// Time between two lists of all processes, in nanoseconds. A list finds processes with a chosen id, as a restored
/// checkpoint has.
const LIST_INTERVAL_NS: u64 = 10_000_000_000;
/// Timer slack, in nanoseconds. The default of 50,000 would double the time between two looks.
const TIMER_SLACK_NS: u64 = 1_000;
/// Stack size of the thread, in bytes. Everything large is on the heap.
const STACK_SIZE: usize = 256 * 1024;
/// The wake-up by the reader. Those of processes have a generation above their pid.
const WOKEN: u64 = 0;
/// The wake-up by an opened program.
const OPENED: u64 = 1;
/// The wake-up by records of the kernel.
const RECORDED: u64 = 2;
/// Time from the moment at which an id is given out until its record is written, in nanoseconds.
const RECORD_NS: u64 = 200_000;

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
struct Shared {
    reports: Mutex<Vec<ProcessReport>>,
    fields: Arc<AtomicU16>,
    /// The present read of arguments.
    reading: Arc<ReadState>,
    must_end: AtomicBool,
    has_ended: AtomicBool,
    is_limited: AtomicBool,
    /// True while the kernel's records show processes.
    is_recorded: AtomicBool,
    /// True if renames are to be reported, where records show them.
    wants_renames: AtomicBool,
    /// The number of records that the kernel has dropped, and that the reader has not counted yet.
    lost: AtomicU64,
    /// Makes the kernel record nothing more.
    #[cfg(test)]
    disables_perf: AtomicBool,
    /// The result of the start.
    start: Mutex<Option<io::Result<()>>>,
    started: Condvar,
    /// The thread's handle of [`CursorSource::wakes`], which it must not drop.
    given_back: Mutex<Option<Arc<Wakes>>>,
}

impl Shared {
    /// Waits until the thread has ended. Returns false if it is late.
    fn wait_ended(&self) -> bool {
        let start = self.start.lock().unwrap_or_else(PoisonError::into_inner);
        let is_running = |_: &mut _| !self.has_ended.load(Ordering::Acquire);
        let waited = self.started.wait_timeout_while(start, END_TIMEOUT, is_running);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    fn set_started(&self, result: io::Result<()>) {
        *self.start.lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
        self.started.notify_all();
    }

    fn wait_started(&self) -> io::Result<()> {
        let start = self.start.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.started.wait_timeout_while(start, START_TIMEOUT, |start| start.is_none());
        let (mut start, _) = waited.unwrap_or_else(PoisonError::into_inner);
        start.take().unwrap_or_else(|| Err(io::ErrorKind::TimedOut.into()))
    }
}

/// The two eventfds: one wakes the reader, the other one the thread.
type Wakes = [OwnedFd; 2];

/// The running thread. Dropping it ends the thread.
#[derive(Debug)]
pub(crate) struct CursorSource {
    shared: Arc<Shared>,
    /// Readable if reports are queued, or the thread has ended.
    woken: AsyncFd<OwnedFd>,
    wakes: Arc<Wakes>,
    thread: Option<JoinHandle<()>>,
}

impl CursorSource {
    /// Starts the thread. Must be called within a tokio runtime. Returns once each process has a watch. Later changes are
    /// reported.
    ///
    /// # Errors
    /// If the cursor does not work here, or a thread or descriptor is refused.
    pub(crate) fn start(options: CursorOptions, stats: &Arc<Stats>, fields: Fields) -> io::Result<Self> {
        let flags = EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK;
        let wakes = Arc::new([eventfd(0, flags)?, eventfd(0, flags)?]);
        let woken = sys::register(wakes[0].try_clone()?)?;
        let shared = Arc::<Shared>::default();
        shared.fields.store(fields.bits(), Ordering::Relaxed);
        let (for_thread, given, stats) = (Arc::clone(&shared), Arc::clone(&wakes), Arc::clone(stats));
        let thread =
            Builder::new().name("proc-events-pid".into()).stack_size(STACK_SIZE).spawn(move || {
                // A panic ends the thread, and the reader goes on with snapshots.
                let _ = catch_unwind(AssertUnwindSafe(|| run(options, given, &for_thread, &stats)));
            })?;
        let source = Self { shared, woken, wakes, thread: Some(thread) };
        source.shared.wait_started()?;
        Ok(source)
    }

    /// Waits until reports are queued, or the thread has ended.
    pub(crate) async fn readable(&self) -> io::Result<()> {
        let mut ready = sys::ready(&self.woken).await?;
        match rustix::io::read(&self.woken, &mut [0; 8]) {
            Err(Errno::AGAIN) => ready.clear_ready(),
            Err(Errno::INTR) | Ok(_) => {}
            Err(errno) => return Err(errno.into()),
        }
        Ok(())
    }

    /// Takes the queued reports.
    pub(crate) fn take_reports(&self) -> Vec<ProcessReport> {
        std::mem::take(&mut *self.shared.reports.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Sets the fields to read at an exec.
    pub(crate) fn set_fields(&self, fields: Fields) {
        self.shared.fields.store(fields.bits(), Ordering::Relaxed);
    }

    /// Sets if renames are to be reported, where records of the kernel show them.
    pub(crate) fn set_wants_renames(&self, wants_renames: bool) {
        self.shared.wants_renames.store(wants_renames, Ordering::Relaxed);
    }

    /// Returns true while the kernel's records show processes.
    pub(crate) fn is_recorded(&self) -> bool {
        self.shared.is_recorded.load(Ordering::Relaxed)
    }

    /// Returns the number of records since the last call that the kernel has dropped.
    pub(crate) fn take_lost(&self) -> u64 {
        self.shared.lost.swap(0, Ordering::Relaxed)
    }

    /// Makes the thread look at once.
    pub(crate) fn look_now(&self) {
        wake(&self.wakes[1]);
    }

    /// Returns true if the thread has ended, so that nothing more is reported.
    pub(crate) fn has_ended(&self) -> bool {
        self.shared.has_ended.load(Ordering::Acquire)
    }

    /// Abandons the thread if a read of arguments hangs. Returns true if it did.
    pub(crate) fn abandon_if_hung(&mut self, now_ns: u64) -> bool {
        let reading = &self.shared.reading;
        let hung = reading.hung(now_ns.saturating_sub(HUNG_NS));
        let is_abandoned = hung.is_some_and(|hung| reading.abandon(hung));
        if is_abandoned {
            self.thread = None;
        }
        is_abandoned
    }

    /// Returns true if some processes are not watched, because no descriptor is left.
    pub(crate) fn is_limited(&self) -> bool {
        self.shared.is_limited.load(Ordering::Relaxed)
    }
}

impl Drop for CursorSource {
    fn drop(&mut self) {
        let Self { shared, thread, .. } = self;
        shared.must_end.store(true, Ordering::Release);
        wake(&self.wakes[1]);
        if let Some(thread) = thread.take().filter(|_| shared.wait_ended()) {
            // The thread catches its own panics.
            let _ = thread.join();
        } else if let Some(reading) = shared.reading.current() {
            shared.reading.abandon(reading);
        }
        // The thread may outlive this, and must not drop it.
        drop(shared.given_back.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}

fn wake(eventfd: &OwnedFd) {
    // The write fails only if the counter is at its maximum, and then the eventfd is readable already.
    let _ = rustix::io::write(eventfd, &1u64.to_ne_bytes());
}

/// Sets that the thread has ended, however it ends.
struct EndGuard<'a>(&'a Shared, &'a OwnedFd);

impl Drop for EndGuard<'_> {
    fn drop(&mut self) {
        self.0.has_ended.store(true, Ordering::Release);
        // The lock orders this against the check of a thread that is about to wait.
        drop(self.0.start.lock().unwrap_or_else(PoisonError::into_inner));
        self.0.started.notify_all();
        wake(self.1);
    }
}

/// The body of the thread.
fn run(options: CursorOptions, given: Arc<Wakes>, shared: &Shared, stats: &Arc<Stats>) {
    let (own, has_own_table) = match unshare(&given) {
        Ok(own) => (Ok(own), true),
        Err(_) => (copies(&given), false),
    };
    *shared.given_back.lock().unwrap_or_else(PoisonError::into_inner) = Some(given);
    let [reader, woken] = match own {
        Ok(own) => own,
        Err(error) => return shared.set_started(Err(error)),
    };
    let _guard = EndGuard(shared, &reader);
    match Watcher::start(options, shared, stats, woken, has_own_table) {
        Ok(mut watcher) => {
            shared.is_limited.store(watcher.tracker.is_limited(), Ordering::Relaxed);
            shared.is_recorded.store(watcher.perf.is_some(), Ordering::Relaxed);
            shared.set_started(Ok(()));
            watcher.run(shared, stats, &reader);
        }
        Err(error) => shared.set_started(Err(error)),
    }
}

fn copies(given: &Wakes) -> io::Result<Wakes> {
    Ok([given[0].try_clone()?, given[1].try_clone()?])
}

/// The state of the thread.
struct Watcher {
    host: LinuxPids,
    tracker: CursorTracker<OwnedFd>,
    opens: Option<OpenWatcher>,
    perf: Option<PerfEvents>,
    pace: Pace,
    /// The pace without records.
    pace_unrecorded: Pace,
    woken: OwnedFd,
    /// Time at which the cursor was read last, in nanoseconds.
    read_ns: u64,
    /// The cursor at that time, if not all ids up to it had records, and the time at which they are looked at.
    unrecorded: Option<(u32, u64)>,
}

impl Watcher {
    fn start(
        options: CursorOptions,
        shared: &Shared,
        stats: &Arc<Stats>,
        woken: OwnedFd,
        has_own_table: bool,
    ) -> io::Result<Self> {
        // Without it, looks are a little later.
        let _ = rustix::thread::set_current_timer_slack(NonZeroU64::new(TIMER_SLACK_NS));
        let CursorOptions { proc_root, max_argv_bytes, effort, interval, raise_priority, uses_perf } =
            options;
        if raise_priority {
            ThreadScheduling::of_this_thread().raise();
        }
        let procfs = Procfs::open(&proc_root).map_err(io::Error::other)?.with(max_argv_bytes, stats);
        let procfs = Arc::new(procfs);
        if !procfs.is_of_own_pid_namespace() {
            return Err(io::ErrorKind::Unsupported.into());
        }
        let mut host = {
            let (fields, state) = (Arc::clone(&shared.fields), Arc::clone(&shared.reading));
            LinuxPids::new(&procfs, fields, state, has_own_table)?
        };
        // Before the list, so that each process is in the list or has a record. The records cost a wake-up each.
        let perf = (uses_perf && effort != Effort::Low)
            .then(|| PerfEvents::open(&procfs, clock_offset_ns(&proc_root)).ok())
            .flatten();
        let last = host.last_pid().unwrap_or_default();
        let mut tracker = CursorTracker::new(last);
        let pids = host.pids();
        tracker.on_list(&mut host, &pids, true, now_ns());
        let shows_all = perf.as_ref().is_some_and(|perf| perf.coverage() == Coverage::All);
        let opens = if shows_all { None } else { OpenWatcher::new().ok() };
        let watch = |fd: &OwnedFd, data| {
            epoll::add(host.epoll(), fd, epoll::EventData::new_u64(data), epoll::EventFlags::IN)
        };
        watch(&woken, WOKEN)?;
        if let Some(opens) = &opens {
            watch(opens.fd(), OPENED)?;
        }
        for ring in perf.iter().flat_map(PerfEvents::fds) {
            epoll::add(host.epoll(), ring, epoll::EventData::new_u64(RECORDED), epoll::EventFlags::IN)?;
        }
        let pace_unrecorded = Pace::new(effort, interval);
        let pace = if shows_all { Pace::audit(interval) } else { pace_unrecorded };
        let (read_ns, unrecorded) = (now_ns(), None);
        Ok(Self { host, tracker, opens, perf, pace, pace_unrecorded, woken, read_ns, unrecorded })
    }

    fn run(&mut self, shared: &Shared, stats: &Stats, reader: &OwnedFd) {
        let mut events = Vec::with_capacity(64);
        let mut listed_ns = self.read_ns;
        // A thread that waits for a CPU counts as hung, because no other thread can open its files.
        shared.reading.show(None);
        let mut waiting: Vec<ProcessReport> = Vec::new();
        while !shared.must_end.load(Ordering::Acquire) && !self.host.is_abandoned() {
            let is_woken = self.opens.as_ref().is_some_and(|opens| !opens.is_blind());
            let tick_ns = self.read_ns + self.pace.tick_ns(self.read_ns, is_woken);
            let report_ns = waiting.first().map(|report| report.timestamp_ns + FORK_DELAY_NS);
            let unrecorded_ns = self.unrecorded.map(|(_, due_ns)| due_ns);
            let looks_ns = self.tracker.next_look_ns().into_iter().chain(report_ns).chain(unrecorded_ns);
            let until_ns = looks_ns.fold(tick_ns, u64::min);
            events.clear();
            if wait(self.host.epoll(), &mut events, until_ns.saturating_sub(now_ns())).is_err() {
                return;
            }
            if !self.take_records(shared, now_ns() >= listed_ns + LIST_INTERVAL_NS) {
                wake(reader);
            }
            let now_ns = now_ns();
            self.handle(&events, now_ns, tick_ns);
            if now_ns >= listed_ns + LIST_INTERVAL_NS || self.tracker.take_needs_list() {
                listed_ns = now_ns;
                let pids = self.host.pids();
                self.tracker.on_list(&mut self.host, &pids, false, now_ns);
            }
            if shared.is_limited.swap(self.tracker.is_limited(), Ordering::Relaxed)
                != self.tracker.is_limited()
            {
                wake(reader);
            }
            stats.unseen.add(self.tracker.take_unseen());
            let reports = self.tracker.take_reports();
            self.watch_directories(&reports);
            waiting.extend(reports);
            let is_urgent = |report: &ProcessReport| {
                !matches!(report.change, Change::Forked(_)) || report.timestamp_ns + FORK_DELAY_NS <= now_ns
            };
            if waiting.iter().any(is_urgent) {
                let mut queued = shared.reports.lock().unwrap_or_else(PoisonError::into_inner);
                let was_empty = queued.is_empty();
                queued.append(&mut waiting);
                drop(queued);
                if was_empty {
                    wake(reader);
                }
            }
        }
    }

    fn handle(&mut self, events: &[epoll::Event], now_ns: u64, tick_ns: u64) {
        let shows_all = self.perf.as_ref().is_some_and(|perf| perf.coverage() == Coverage::All);
        let is_recorded = self.perf.is_some();
        let Self { host, tracker, opens, pace, woken, read_ns, unrecorded, .. } = self;
        let mut is_opened = false;
        for event in events {
            match event.data.u64() {
                WOKEN => drop(rustix::io::read(&*woken, &mut [0; 8])),
                OPENED => is_opened = true,
                _ => {}
            }
        }
        let mut opens = opens.as_mut().filter(|_| is_opened);
        if opens.as_mut().is_some_and(|opens| opens.drain()) {
            tracker.on_program_started(now_ns);
        }
        // New processes come first, because they may be gone soon.
        let mut is_new = false;
        if let Some((last, _)) = unrecorded.take_if(|(_, due_ns)| *due_ns <= now_ns) {
            is_new = tracker.on_cursor(host, last, now_ns);
        }
        if unrecorded.is_none()
            && (!shows_all || now_ns >= tick_ns)
            && let Some(last) = host.last_pid()
        {
            *read_ns = now_ns;
            if is_recorded && !tracker.has_recorded_up_to(last) {
                *unrecorded = Some((last, now_ns + RECORD_NS));
            } else {
                is_new |= tracker.on_cursor(host, last, now_ns);
            }
        }
        if is_new {
            pace.on_new(now_ns);
        }
        tracker.look_at_due(host, now_ns);
        for event in events {
            let data = event.data.u64();
            let (generation, pid) = ((data >> 32) as u32, data as u32);
            if generation != 0 {
                tracker.on_exit(host, pid, generation, now_ns);
            }
        }
        if let Some(opens) = opens {
            opens.judge(is_new || tracker.has_young());
        }
    }

    /// Watches the directories of programs that have just been started.
    fn watch_directories(&mut self, reports: &[ProcessReport]) {
        let Some(opens) = &mut self.opens else { return };
        for report in reports.iter().filter(|report| matches!(report.change, Change::Execed(_))) {
            if !opens.wants_directory() {
                continue;
            }
            opens.watch_directory_of(&self.host.program_of(report.pid));
        }
    }
}

fn now_ns() -> u64 {
    clock_ns(ClockId::Monotonic)
}

/// Waits for wake-ups, for at most `timeout_ns`.
fn wait(epoll: &OwnedFd, events: &mut Vec<epoll::Event>, timeout_ns: u64) -> rustix::io::Result<()> {
    let wait = |events: &mut Vec<epoll::Event>, timeout_ns: u64| {
        let timeout = Timespec {
            tv_sec: (timeout_ns / 1_000_000_000) as _,
            tv_nsec: (timeout_ns % 1_000_000_000) as _,
        };
        epoll::wait(epoll.as_fd(), rustix::buffer::spare_capacity(events), Some(&timeout)).map(drop)
    };
    match wait(events, timeout_ns) {
        Err(Errno::INTR) => Ok(()),
        // Kernels before 5.11 wait for whole milliseconds.
        Err(Errno::NOSYS) => wait(events, timeout_ns.next_multiple_of(1_000_000)),
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::process::Command;
    use std::time::Instant;

    use crate::model::event::Origin;

    fn start(uses_perf: bool) -> Option<CursorSource> {
        let options = CursorOptions {
            proc_root: "/proc".into(),
            max_argv_bytes: 4096,
            effort: Effort::Normal,
            raise_priority: false,
            interval: Duration::from_millis(250),
            uses_perf,
        };
        // Some sandboxes hide the last process id: there is nothing to test.
        CursorSource::start(options, &Arc::default(), Fields::NONE).ok()
    }

    fn with_runtime(test: impl Future<Output = ()>) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.unwrap().block_on(test);
    }

    #[test]
    fn reports_of_a_child_wake_the_reader_in_their_order() {
        with_runtime(async {
            let Some(source) = start(false) else { return };
            let mut child = Command::new("/bin/sleep").arg("0.05").spawn().unwrap();
            let pid = child.id();
            let waiter = std::thread::spawn(move || child.wait().unwrap());
            let mut seen = Vec::new();
            while !seen.contains(&"exited") {
                source.readable().await.unwrap();
                let reports = source.take_reports();
                seen.extend(reports.iter().filter(|report| report.pid == pid).map(
                    |report| match report.change {
                        Change::Forked(_) => "forked",
                        Change::Execed(_) => "execed",
                        Change::Exited { .. } => "exited",
                        Change::Renamed { .. } => "renamed",
                    },
                ));
            }
            assert_eq!(seen, ["forked", "execed", "exited"]);
            assert!(waiter.join().unwrap().success());
        });
    }

    /// Runs a program, and returns the origins of what is reported of it.
    async fn origins_of_a_child(source: &CursorSource) -> Vec<Origin> {
        let mut child = Command::new("/bin/sleep").arg("0.05").spawn().unwrap();
        let pid = child.id();
        let waiter = std::thread::spawn(move || child.wait().unwrap());
        let mut origins = Vec::new();
        let mut has_exited = false;
        while !has_exited {
            source.readable().await.unwrap();
            for report in source.take_reports().into_iter().filter(|report| report.pid == pid) {
                origins.push(report.origin);
                has_exited |= matches!(report.change, Change::Exited { status: Some(_), .. });
            }
        }
        waiter.join().unwrap();
        origins
    }

    #[test]
    fn thread_goes_on_with_the_cursor_once_the_kernel_records_nothing_more() {
        with_runtime(async {
            let Some(source) = start(true) else { return };
            // Some sandboxes refuse perf events: there is nothing to test.
            if !source.is_recorded() {
                return;
            }
            assert_eq!(origins_of_a_child(&source).await, [Origin::Kernel; 3]);
            source.shared.disables_perf.store(true, Ordering::Relaxed);
            source.look_now();
            while source.is_recorded() {
                source.readable().await.unwrap();
            }
            assert_eq!(origins_of_a_child(&source).await, [Origin::Polling; 3]);
        });
    }

    #[test]
    fn thread_that_hangs_in_a_read_is_abandoned_and_delays_nothing() {
        with_runtime(async {
            let Some(mut source) = start(false) else { return };
            let now_ns = 10 * HUNG_NS;
            source.shared.reading.show(None);
            assert!(!source.abandon_if_hung(now_ns));
            source.shared.reading.begin(7, now_ns);
            assert!(!source.abandon_if_hung(now_ns + HUNG_NS), "it is not late yet");
            assert!(source.abandon_if_hung(now_ns + 2 * HUNG_NS));
            let shared = Arc::clone(&source.shared);
            let began = Instant::now();
            drop(source);
            assert!(began.elapsed() < END_TIMEOUT);
            assert!(shared.reading.end(), "the thread must end once the read returns");
            assert!(shared.wait_ended(), "and it does");
        });
    }
}
