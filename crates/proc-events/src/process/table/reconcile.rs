//! The one idea: a snapshot compared with the table, and what follows from the difference. Pure.

use rustc_hash::{FxHashMap, FxHashSet};

use super::ProcessTable;
use super::entry::Process;
use super::entry::SHOWN_BEFORE_NS;
use crate::model::event::{EventData, Origin, ProcessEvent};
use crate::model::snapshot::{ObservedProcess, Snapshot};
use crate::model::stream_position::StreamPosition;

/// What a reconciliation found missing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Repairs {
    /// Execs that had not been reported.
    pub execs: u32,
    /// Exits that had not been reported.
    pub exits: u32,
}

/// What a sighting says of the process with its pid that the table does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Difference {
    None,
    /// What the table says is newer.
    Outdated,
    Execed,
    /// The known process has ended, and another has its pid.
    Replaced,
    New,
}

impl ProcessTable {
    /// To be called before a snapshot is begun; what it returns goes into [`ProcessTable::reconcile`].
    pub fn begin_snapshot(&mut self) -> StreamPosition {
        self.exits_since_snapshot = Some(FxHashMap::default());
        self.heard
    }

    /// The processes that are known to run but are not in the snapshot, and of which nothing was heard since it began.
    #[must_use]
    pub fn missing(&self, snapshot: &Snapshot, began: StreamPosition) -> Vec<u32> {
        let seen: FxHashSet<u32> = snapshot.processes.iter().map(|observed| observed.pid).collect();
        let stale =
            self.processes.iter().filter(|(pid, process)| process.heard <= began && !seen.contains(pid));
        stale.map(|(&pid, _)| pid).collect()
    }

    /// Whether the snapshot says nothing new, but for what was heard since it began.
    #[must_use]
    pub fn agrees_with(&self, snapshot: &Snapshot, began: StreamPosition) -> bool {
        let is_known = |observed: &ObservedProcess| {
            matches!(self.compare(observed, began), Difference::None | Difference::Outdated)
        };
        self.missing(snapshot, began).is_empty() && snapshot.processes.iter().all(is_known)
    }

    fn compare(&self, observed: &ObservedProcess, began: StreamPosition) -> Difference {
        let exits_since_snapshot = self
            .exits_since_snapshot
            .as_ref()
            .and_then(|exits_since_snapshot| exits_since_snapshot.get(&observed.pid));
        if exits_since_snapshot.is_some_and(|&exit_ns| observed.start_ns <= exit_ns) {
            return Difference::Outdated;
        }
        match self.processes.get(&observed.pid) {
            Some(process) if process.heard > began || process.is_after(observed) => Difference::Outdated,
            Some(process) if process.is_before(observed) => Difference::Replaced,
            Some(process) if process.has_execed_as(observed) => Difference::Execed,
            Some(_) => Difference::None,
            None => Difference::New,
        }
    }

    /// Makes the table equal to the snapshot, but for what was heard since it began, which is newer. Every message that
    /// was sent before the snapshot was complete must have been applied. `ended` are those of
    /// [`ProcessTable::missing`] that have been found to have ended. Exits are reported before execs.
    pub fn reconcile(
        &mut self,
        snapshot: Snapshot,
        began: StreamPosition,
        ended: &[u32],
        origin: Origin,
        now_ns: u64,
        events: &mut Vec<ProcessEvent>,
    ) -> Repairs {
        self.prune_suppressed_exits(now_ns);
        let first = events.len();
        let (mut execs, mut found) = (Vec::new(), Vec::new());
        for &pid in ended {
            self.synthesize_exit(pid, now_ns, origin, events);
        }
        for observed in snapshot.processes {
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
                Difference::Replaced => self.synthesize_exit(observed.pid, now_ns, origin, events),
                Difference::New => {}
            }
            if !observed.never_execed {
                execs.push((observed.clone(), false));
            }
            found.push(observed);
        }
        self.exits_since_snapshot = None;
        let exits = events.len() - first;
        for observed in found {
            self.expect_exit_of_another(observed.pid, observed.start_ns);
            let mut process = Process::seen(&observed);
            process.reported = !observed.never_execed;
            self.processes.insert(observed.pid, process);
        }
        let repairs = Repairs { execs: execs.len() as u32, exits: exits as u32 };
        events.extend(execs.into_iter().map(|(observed, again)| ProcessEvent {
            pid: observed.pid,
            timestamp_ns: now_ns,
            origin,
            data: EventData::Exec { again },
            process: observed.process,
            ancestry: None,
        }));
        repairs
    }
}
