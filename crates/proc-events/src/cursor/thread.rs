//! The thread that reads the cursor. It has a descriptor table of its own, because it has a pidfd of each process.

mod records;
mod start;
mod urgency;
mod wait;

use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use rustix::event::epoll;
use rustix::time::ClockId;

use super::audit::Audit;
use super::linux::LinuxPids;
use super::opens::OpenWatcher;
use super::pace::Pace;
use super::rest::Rest;
use super::shared::{CursorOptions, EndGuard, Shared, Wakes, wake};
use super::tracker::CursorTracker;
use crate::model::report::{Change, ProcessReport};
use crate::perf::{Coverage, PerfEvents};
use crate::procfs::clock_ns;
use crate::stats::Stats;
use crate::sys::descriptors::unshare;

/// Time for which a new process waits at most until the reader learns of it, in nanoseconds. The reader would take the CPU
/// from this thread while the process is about to call exec.
const FORK_DELAY_NS: u64 = 1_000_000;
/// Time from the opening of a program to the look that may show its exec, in nanoseconds.
const EXEC_AFTER_OPEN_NS: u64 = 60_000;
/// The wake-up by the reader. Those of processes have a generation above their pid.
const WOKEN: u64 = 0;
/// The wake-up by an opened program.
const OPENED: u64 = 1;
/// The wake-up by records of the kernel.
const RECORDED: u64 = 2;
/// Time from the moment at which an id is given out until its record is written, in nanoseconds.
const RECORD_NS: u64 = 200_000;
/// The same where all processes have records, so that a look is not urgent. A fork may lose the CPU before its record.
const RECORD_SURELY_NS: u64 = 1_000_000_000;

/// The body of the thread.
pub(super) fn run(options: CursorOptions, given: Arc<Wakes>, shared: &Shared, stats: &Arc<Stats>) {
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
            shared.is_limited.store(watcher.is_limited(), Ordering::Relaxed);
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
    rest: Rest,
    audit: Audit,
    woken: OwnedFd,
    /// Time of the last look, in nanoseconds.
    looked_ns: u64,
    turn: wait::Turn,
    urgency: urgency::Urgency,
    /// Time at which the cursor was read last, in nanoseconds.
    read_ns: u64,
    /// The cursor at that time, if not all ids up to it had records, and the time at which they are looked at.
    unrecorded: Option<(u32, u64)>,
}

impl Watcher {
    fn run(&mut self, shared: &Shared, stats: &Stats, reader: &OwnedFd) {
        let mut events = Vec::with_capacity(64);
        // A thread that waits for a CPU counts as hung, because no other thread can open its files.
        shared.reading.show(None);
        let mut waiting: Vec<ProcessReport> = Vec::new();
        while !shared.must_end.load(Ordering::Acquire) && !self.host.is_abandoned() {
            let is_woken = self.opens.as_ref().is_some_and(|opens| !opens.is_blind());
            let tick_ns = self.read_ns + self.pace.tick_ns(self.read_ns, is_woken);
            let report_ns = waiting.first().map(|report| report.timestamp_ns + FORK_DELAY_NS);
            let unrecorded_ns = self.unrecorded.map(|(_, due_ns)| due_ns);
            let dues = [self.tracker.next_look_ns(), self.audit.next_slice_ns(), report_ns];
            let until_ns = wait::until_ns(tick_ns, unrecorded_ns, dues);
            events.clear();
            let rest_ns = self.rest_ns();
            wait::for_reader(&self.woken, rest_ns);
            if wait::for_events(self.host.epoll(), &mut events, until_ns.saturating_sub(now_ns())).is_err() {
                return;
            }
            if self.rest.ns() == 0 && events.iter().any(|event| process_of(event).is_some()) {
                // The CPU of the reader takes some time to wake, and this thread to look at the process that has exited.
                wake(reader);
            }
            let woken_ns = now_ns();
            self.urgency.check(woken_ns);
            // Each audit comes with a self-test of the records.
            let is_audit_due = self.audit.is_due(self.tracker.len(), woken_ns);
            if !self.take_records(shared, is_audit_due) {
                wake(reader);
            }
            let now_ns = now_ns();
            self.looked_ns = now_ns;
            self.handle(&events, now_ns, tick_ns);
            let must_audit = self.tracker.take_needs_list() || is_audit_due;
            if !self.host.is_foreign() {
                self.audit.advance(&mut self.host, &mut self.tracker, must_audit, now_ns);
            }
            let is_limited = self.is_limited();
            if shared.is_limited.swap(is_limited, Ordering::Relaxed) != is_limited {
                wake(reader);
            }
            stats.unseen.add(self.tracker.take_unseen());
            self.rest.count(self.tracker.take_lives(), now_ns);
            let reports = self.tracker.take_reports();
            let programs = self.programs_to_watch(&reports);
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
            // The reader need not wait for this.
            self.watch_directories(&programs);
        }
    }

    /// Returns true if snapshots must show the exits of some processes.
    const fn is_limited(&self) -> bool {
        self.tracker.is_limited() || self.host.is_foreign()
    }

    /// Returns the time for which only the reader may wake this thread, because it wants a look at once, in nanoseconds.
    fn rest_ns(&mut self) -> u64 {
        if self.perf.is_none() {
            let yield_ns = self.turn.end();
            if self.rest.ns() == 0 && self.tracker.awaits_exec(self.looked_ns) {
                return yield_ns;
            }
        }
        (self.looked_ns + self.rest.ns()).saturating_sub(now_ns())
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
        if let Some(opens) = &mut opens {
            tracker.on_program_opened(now_ns, if opens.drain() { 0 } else { EXEC_AFTER_OPEN_NS });
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
                *unrecorded = Some((last, now_ns + if shows_all { RECORD_SURELY_NS } else { RECORD_NS }));
            } else {
                is_new |= tracker.on_cursor(host, last, now_ns);
            }
        }
        let looks_at_foreign = host.is_foreign() && now_ns >= tick_ns;
        if looks_at_foreign {
            *read_ns = now_ns;
            let new = host.foreign_new(now_ns);
            is_new = !new.is_empty();
            for pid in new {
                tracker.on_new_pid(host, pid, now_ns);
            }
        }
        if is_new {
            pace.on_new(now_ns);
        }
        tracker.look_at_due(host, now_ns);
        for (pid, generation) in events.iter().filter_map(process_of) {
            tracker.on_exit(host, pid, generation, now_ns);
        }
        if looks_at_foreign {
            for (pid, generation) in host.foreign_exits(now_ns) {
                tracker.on_exit(host, pid, generation, now_ns);
            }
        }
        if let Some(opens) = opens {
            opens.judge(is_new || tracker.has_young());
        }
    }

    /// Returns the pids of programs that have just been started, whose directories are to be watched.
    fn programs_to_watch(&mut self, reports: &[ProcessReport]) -> Vec<u32> {
        let Some(opens) = &mut self.opens else { return Vec::new() };
        let execs = reports.iter().filter(|report| matches!(report.change, Change::Execed(_)));
        execs.filter(|_| opens.wants_directory()).map(|report| report.pid).collect()
    }

    fn watch_directories(&mut self, pids: &[u32]) {
        let Some(opens) = &mut self.opens else { return };
        for &pid in pids {
            opens.watch_directory_of(&self.host.program_of(pid));
        }
    }
}

/// Returns the pid and generation of the process whose pidfd is readable; `None` for another wake-up.
fn process_of(event: &epoll::Event) -> Option<(u32, u32)> {
    let data = event.data.u64();
    let (generation, pid) = ((data >> 32) as u32, data as u32);
    if generation == 0 { None } else { Some((pid, generation)) }
}

fn now_ns() -> u64 {
    clock_ns(ClockId::Monotonic)
}
