//! Audits: looks at all processes, in slices that keep the thread for a moment only. They show late execs, and processes that
//! were missed, as those with a chosen id are.

use std::os::fd::OwnedFd;

use rustix::time::ClockId;

use super::linux::LinuxPids;
use super::tracker::CursorTracker;
use crate::procfs::{PidList, clock_ns};

/// The least time between the starts of two audits, in nanoseconds.
const INTERVAL_NS: u64 = 10_000_000_000;
/// The same, as a multiple of what one takes: 0.1 % of a CPU.
const BACKOFF_FACTOR: u64 = 1_000;
/// Time that the first audit is expected to take for each process, in nanoseconds.
const PROCESS_NS: u64 = 10_000;
/// Time after which a slice ends, in nanoseconds. Its last step takes some 0.2 ms.
const SLICE_NS: u64 = 800_000;
/// Time between two slices, in nanoseconds.
const PAUSE_NS: u64 = 4_000_000;

/// The present audit, or the time of the next one.
#[derive(Debug)]
pub(super) struct Audit {
    /// `None` between two audits, and once all pids are listed.
    list: Option<PidList>,
    /// The pids that are listed so far.
    pids: Vec<u32>,
    /// The number of those that are handled.
    handled: usize,
    is_running: bool,
    /// Time at which the present audit began.
    began_ns: u64,
    /// Time that its slices took.
    spent_ns: u64,
    /// Time that the last audit took for each process.
    process_ns: u64,
    /// Time of the next slice. Between two audits: the earliest time of the first one.
    next_ns: u64,
}

impl Audit {
    pub(super) const fn new(now_ns: u64) -> Self {
        let next_ns = now_ns + INTERVAL_NS;
        Self {
            list: None,
            pids: Vec::new(),
            handled: 0,
            is_running: false,
            began_ns: now_ns,
            spent_ns: 0,
            process_ns: PROCESS_NS,
            next_ns,
        }
    }

    /// Returns true if a new audit is due. `processes` is their number.
    pub(super) fn is_due(&self, processes: usize, now_ns: u64) -> bool {
        let expected_ns = self.process_ns.saturating_mul(processes as u64);
        let since_ns = expected_ns.saturating_mul(BACKOFF_FACTOR).max(INTERVAL_NS);
        !self.is_running && now_ns >= self.next_ns.max(self.began_ns.saturating_add(since_ns))
    }

    /// Returns the time of the next slice of the present audit.
    pub(super) fn next_slice_ns(&self) -> Option<u64> {
        self.is_running.then_some(self.next_ns)
    }

    /// Does the next slice, if its time has come. `must_begin`: a new audit begins at once.
    pub(super) fn advance(
        &mut self,
        host: &mut LinuxPids,
        tracker: &mut CursorTracker<OwnedFd>,
        must_begin: bool,
        now_ns: u64,
    ) {
        if must_begin {
            let list = host.list();
            // Without a free descriptor, the next one shows the same.
            let process_ns = self.process_ns;
            *self = Self { is_running: list.is_some(), list, process_ns, ..Self::new(now_ns) };
            self.next_ns = if self.is_running { now_ns } else { self.next_ns };
            tracker.begin_list();
        }
        if !self.is_running || now_ns < self.next_ns {
            return;
        }
        let began_ns = clock_ns(ClockId::Monotonic);
        let mut moment_ns = began_ns;
        let mut is_over = false;
        while !is_over && moment_ns < began_ns + SLICE_NS {
            if let Some(&pid) = self.pids.get(self.handled) {
                self.handled += 1;
                tracker.on_listed(host, pid, false, moment_ns);
            } else if !self.list.as_mut().is_some_and(|list| list.read(&mut self.pids).unwrap_or(false)) {
                // The last part may have been read with the end.
                is_over = self.list.take().is_none() || self.handled == self.pids.len();
            }
            moment_ns = clock_ns(ClockId::Monotonic);
        }
        self.spent_ns += moment_ns - began_ns;
        self.next_ns = moment_ns + PAUSE_NS;
        if is_over {
            tracker.end_list(host, &self.pids);
            self.is_running = false;
            self.process_ns = self.spent_ns / (self.pids.len() as u64).max(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::path::Path;
    use std::sync::Arc;

    use crate::procfs::Procfs;

    #[test]
    fn audit_handles_all_processes_in_slices_with_pauses() {
        let procfs = Arc::new(Procfs::open(Path::new("/proc")).unwrap());
        // Some sandboxes hide the last process id: there is nothing to test.
        let Ok(mut host) = LinuxPids::new(&procfs, Arc::default(), Arc::default(), false) else { return };
        let mut tracker = CursorTracker::new(host.last_pid().unwrap());
        let mut began_ns = clock_ns(ClockId::Monotonic);
        let mut audit = Audit::new(began_ns);
        assert!(!audit.is_due(1, began_ns) && audit.is_due(1, began_ns + INTERVAL_NS));
        assert!(!audit.is_due(5_000, began_ns + 5 * INTERVAL_NS - 1));
        assert!(audit.is_due(5_000, began_ns + 5 * INTERVAL_NS));
        audit.advance(&mut host, &mut tracker, true, began_ns);
        while let Some(next_ns) = audit.next_slice_ns() {
            assert!(next_ns >= began_ns + PAUSE_NS);
            let handled = audit.handled;
            audit.advance(&mut host, &mut tracker, false, next_ns - 1);
            assert_eq!(audit.handled, handled, "the pause is not over");
            began_ns = clock_ns(ClockId::Monotonic);
            audit.advance(&mut host, &mut tracker, false, next_ns);
        }
        assert_eq!(audit.handled, audit.pids.len());
        assert!(audit.pids.contains(&std::process::id()) && !tracker.is_empty());
        let cost_ns = audit.process_ns;
        assert!((1..=audit.spent_ns).contains(&cost_ns));
        let known = tracker.len();
        let due_ns = audit.began_ns + INTERVAL_NS.max(cost_ns * known as u64 * BACKOFF_FACTOR);
        assert!(!audit.is_due(known, began_ns) && audit.is_due(known, due_ns.max(audit.next_ns)));
    }
}
