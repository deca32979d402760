//! Reconciles the process table with a snapshot of `/proc`. The bootstrap scan, the resync after a loss and the `/proc`
//! source are this one operation. Pure.

use rustc_hash::{FxHashMap, FxHashSet};

use super::ProcessTable;
use super::entry::{Process, SHOWN_BEFORE_NS};
use crate::model::event::{EventData, Origin, ProcessEvent};
use crate::model::snapshot::{ObservedProcess, Snapshot};
use crate::model::stream_position::StreamPosition;
use crate::process::event_sink::EventSink;

/// The number of events that a reconciliation found missing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Repairs {
    /// Execs that were not reported before.
    pub execs: u32,
    /// Exits that were not reported before.
    pub exits: u32,
}

/// The difference between an observed process and the table's entry for its pid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Difference {
    None,
    /// The entry is newer than the snapshot.
    Outdated,
    /// The process has called exec.
    Execed,
    /// The known process has exited, and another one has its pid.
    Replaced,
    /// The process is not known.
    New,
}

impl ProcessTable {
    /// Must be called before a snapshot begins. Pass the result to [`ProcessTable::reconcile`].
    pub fn begin_snapshot(&mut self) -> StreamPosition {
        self.exits_since_snapshot = Some(FxHashMap::default());
        self.position
    }

    /// Returns the known processes that the snapshot lacks, unless they were reported since it began.
    #[must_use]
    pub fn missing(&self, snapshot: &Snapshot, began: StreamPosition) -> Vec<u32> {
        let observed: FxHashSet<u32> = snapshot.processes.iter().map(|observed| observed.pid).collect();
        let is_missing =
            |(pid, process): &(&u32, &Process)| process.position <= began && !observed.contains(pid);
        self.processes.iter().filter(is_missing).map(|(&pid, _)| pid).collect()
    }

    /// Returns true if the snapshot shows nothing new, apart from what was reported since it began.
    #[must_use]
    pub fn agrees_with(&self, snapshot: &Snapshot, began: StreamPosition) -> bool {
        let is_known = |observed: &ObservedProcess| {
            matches!(self.compare(observed, began), Difference::None | Difference::Outdated)
        };
        self.missing(snapshot, began).is_empty() && snapshot.processes.iter().all(is_known)
    }

    fn compare(&self, observed: &ObservedProcess, began: StreamPosition) -> Difference {
        let exit_ns = self.exits_since_snapshot.as_ref().and_then(|exits| exits.get(&observed.pid));
        if exit_ns.is_some_and(|&exit_ns| observed.start_ns <= exit_ns) {
            return Difference::Outdated;
        }
        match self.processes.get(&observed.pid) {
            Some(process) if process.position > began || process.is_after(observed) => Difference::Outdated,
            Some(process) if process.is_before(observed) => Difference::Replaced,
            Some(process) if process.has_execed_as(observed) => Difference::Execed,
            Some(_) => Difference::None,
            None => Difference::New,
        }
    }

    /// Makes the table equal to the snapshot, apart from what was reported since it began, which is newer. All messages
    /// that were sent before the snapshot ended must be applied first. `exited` are those of [`ProcessTable::missing`] that
    /// have exited.
    ///
    /// Exits go to `sink`. The execs are returned, because the caller updates the ancestry before it pushes them.
    pub fn reconcile(
        &mut self,
        snapshot: Snapshot,
        began: StreamPosition,
        exited: &[u32],
        origin: Origin,
        now_ns: u64,
        sink: &mut impl EventSink,
    ) -> (Repairs, Vec<ProcessEvent>) {
        self.suppressed_exits.prune(now_ns);
        let first = sink.pending().len();
        let (mut execs, mut new_processes) = (Vec::new(), Vec::new());
        for &pid in exited {
            self.synthesize_exit(pid, now_ns, origin, sink);
        }
        for observed in snapshot.processes {
            self.has_new_leaderless |= observed.leader_exited;
            let shown_until_ns = observed.read_ns.saturating_add(SHOWN_BEFORE_NS);
            self.shown_until_ns = self.shown_until_ns.max(shown_until_ns);
            let difference = self.compare(&observed, began);
            match difference {
                Difference::Outdated => continue,
                Difference::None | Difference::Execed => {
                    let Some(process) = self.processes.get_mut(&observed.pid) else { continue };
                    if difference == Difference::Execed {
                        execs.push((observed.clone(), process.reported));
                        process.reported = true;
                        process.replace_program(&observed);
                    } else {
                        process.update_from(&observed);
                    }
                    continue;
                }
                Difference::Replaced => self.synthesize_exit(observed.pid, now_ns, origin, sink),
                Difference::New => {}
            }
            if !observed.never_execed {
                execs.push((observed.clone(), false));
            }
            new_processes.push(observed);
        }
        self.exits_since_snapshot = None;
        let exits = sink.pending().len() - first;
        for observed in new_processes {
            self.suppressed_exits.on_next_process(observed.pid, observed.start_ns);
            let mut process = Process::observed(&observed);
            process.reported = !observed.never_execed;
            self.processes.insert(observed.pid, process);
        }
        let repairs = Repairs { execs: execs.len() as u32, exits: exits as u32 };
        let execs = execs.into_iter().map(|(observed, again)| {
            ProcessEvent::new(observed.pid, now_ns, origin, EventData::Exec { again }, observed.process)
        });
        (repairs, execs.collect())
    }
}
