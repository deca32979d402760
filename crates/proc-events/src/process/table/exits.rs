//! Exits that may be retracted, and exits whose own report may still come. Pure.

use std::collections::hash_map::Entry;

use rustc_hash::{FxHashMap, FxHashSet};

use super::entry::Process;
use crate::model::event::{EventData, ProcessEvent};

/// How long the kernel's own report of a synthesized exit is expected. The kernel sends that report after the process has
/// become invisible. A task of low priority may be preempted in between for seconds.
pub(super) const LATE_EXIT_WINDOW_NS: u64 = 10_000_000_000;
/// The same where a report follows only if an exec was lost. It is short because a process that never calls exec may get
/// the pid soon, and its exit looks like that report.
pub(super) const UNLIKELY_EXIT_WINDOW_NS: u64 = 250_000_000;

/// An exec this soon after an exit with the same pid is one of the same process, by a thread that is not its leader. The
/// kernel ends the leader first (`de_thread` in `fs/exec.c`), and does not reuse a pid so soon.
pub(super) const NON_LEADER_EXEC_WINDOW_NS: u64 = 250_000_000;

/// An exit that an exec by another thread of the process may still retract.
#[derive(Debug)]
pub(super) struct TentativeExit {
    /// Time of the exit, in nanoseconds.
    pub(super) exit_ns: u64,
    /// The process as it was known; `None` if it was not.
    pub(super) process: Option<Process>,
    /// True if its event was held back once. It is dispatched the next time.
    is_held: bool,
}

/// The tentative exits, by pid. Their events are pending.
#[derive(Debug, Default)]
pub(super) struct TentativeExits(FxHashMap<u32, TentativeExit>);

impl TentativeExits {
    pub(super) fn insert(&mut self, pid: u32, exit_ns: u64, process: Option<Process>) {
        self.0.insert(pid, TentativeExit { exit_ns, process, is_held: false });
    }
    pub(super) fn remove(&mut self, pid: u32) -> Option<TentativeExit> {
        self.0.remove(&pid)
    }
    pub(super) fn contains(&self, pid: u32) -> bool {
        self.0.contains_key(&pid)
    }

    /// Returns true if the tentative exit of `pid` is later than `exit_ns`.
    pub(super) fn is_after(&self, pid: u32, exit_ns: u64) -> bool {
        self.0.get(&pid).is_some_and(|exit| exit.exit_ns > exit_ns)
    }

    /// Returns true if an exec that was sent after `until_ns` may still retract an exit, with the stream at `now_ns`. It
    /// returns false soon, however many exits arrive.
    pub(super) fn may_be_retracted_after(&self, until_ns: u64, now_ns: u64) -> bool {
        !self.0.is_empty() && now_ns <= until_ns.saturating_add(NON_LEADER_EXEC_WINDOW_NS)
    }

    /// Takes the tentative exits out of `events` that were not held back before. All others are final from now on, because
    /// a dispatched exit cannot be retracted.
    pub(super) fn hold_back(&mut self, events: &mut Vec<ProcessEvent>) -> Vec<ProcessEvent> {
        let is_held_now = |event: &mut ProcessEvent| {
            let exit = self.0.get_mut(&event.pid).filter(|exit| !exit.is_held);
            let exit = exit.filter(|exit| exit.exit_ns == event.timestamp_ns);
            let exit = exit.filter(|_| matches!(event.data, EventData::Exit { .. }));
            exit.map(|exit| exit.is_held = true).is_some()
        };
        let held: Vec<_> = events.extract_if(.., is_held_now).collect();
        let held_pids: FxHashSet<u32> = held.iter().map(|event| event.pid).collect();
        self.0.retain(|pid, _| held_pids.contains(pid));
        held
    }

    /// Makes all exits final.
    pub(super) fn commit(&mut self) {
        self.0.clear();
    }
}

/// The synthesized exits of the processes with one pid. The kernel's own reports of them may still come, and are dropped.
#[derive(Clone, Copy, Debug, Default)]
struct SuppressedExit {
    /// Number of missing reports: more than one if the pid was reused in between.
    count: u32,
    /// Time at which the last of them was synthesized.
    synthesized_ns: u64,
    /// A report of a later exit belongs to another process, which was seen to begin.
    until_ns: u64,
}

/// The synthesized exits, by pid.
#[derive(Debug, Default)]
pub(super) struct SuppressedExits(FxHashMap<u32, SuppressedExit>);

impl SuppressedExits {
    /// Returns true if an exit of `pid` at `exit_ns` is the late report of a synthesized exit.
    pub(super) fn is_late(&self, pid: u32, exit_ns: u64) -> bool {
        self.0.get(&pid).is_some_and(|exit| exit_ns <= exit.until_ns)
    }

    /// Records that another process with this pid began at `began_ns`. Later exits are not those of an earlier process.
    pub(super) fn on_next_process(&mut self, pid: u32, began_ns: u64) {
        if let Some(exit) = self.0.get_mut(&pid) {
            exit.until_ns = began_ns.min(exit.until_ns);
        }
    }

    /// Records that a process which has exited was created at `start_ns`. It may be the one whose exit was synthesized.
    pub(super) fn on_exited_process(&mut self, pid: u32, start_ns: u64) {
        if self.0.get(&pid).is_some_and(|exit| start_ns > exit.synthesized_ns) {
            self.on_next_process(pid, start_ns);
        }
    }

    /// Records a synthesized exit, whose own report may come within `window_ns`.
    pub(super) fn add(&mut self, pid: u32, now_ns: u64, window_ns: u64) {
        let exit = self.0.entry(pid).or_default();
        exit.count += 1;
        exit.synthesized_ns = now_ns;
        exit.until_ns = now_ns.saturating_add(window_ns);
    }

    /// Records that a late report was dropped.
    pub(super) fn take(&mut self, pid: u32) {
        if let Entry::Occupied(mut exit) = self.0.entry(pid) {
            exit.get_mut().count -= 1;
            if exit.get().count == 0 {
                exit.remove();
            }
        }
    }

    /// Removes the exits whose own report is no longer expected.
    pub(super) fn prune(&mut self, now_ns: u64) {
        self.0.retain(|_, exit| now_ns <= exit.synthesized_ns.saturating_add(LATE_EXIT_WINDOW_NS));
    }
}
