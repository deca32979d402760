//! The one idea: a snapshot compared with the table, and what follows from the difference. Pure.

use rustc_hash::{FxHashMap, FxHashSet};

use super::process::SHOWN_BEFORE_NS;
use super::{Mark, Process, ProcessTable};
use crate::event::{EventKind, Origin, ProcessEvent};
use crate::procfs::{Sighting, Snapshot};

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
    pub fn begin_snapshot(&mut self) -> Mark {
        self.departed = Some(FxHashMap::default());
        self.heard
    }

    /// The processes that are known to run but are not in the snapshot, and of which nothing was heard since it began.
    #[must_use]
    pub fn missing(&self, snapshot: &Snapshot, began: Mark) -> Vec<u32> {
        let seen: FxHashSet<u32> = snapshot.sightings.iter().map(|sighting| sighting.pid).collect();
        let stale =
            self.processes.iter().filter(|(pid, process)| process.heard <= began && !seen.contains(pid));
        stale.map(|(&pid, _)| pid).collect()
    }

    /// Whether the snapshot says nothing new, but for what was heard since it began.
    #[must_use]
    pub fn agrees_with(&self, snapshot: &Snapshot, began: Mark) -> bool {
        let is_known = |sighting: &Sighting| {
            matches!(self.compare(sighting, began), Difference::None | Difference::Outdated)
        };
        self.missing(snapshot, began).is_empty() && snapshot.sightings.iter().all(is_known)
    }

    fn compare(&self, sighting: &Sighting, began: Mark) -> Difference {
        let departed = self.departed.as_ref().and_then(|departed| departed.get(&sighting.pid));
        if departed.is_some_and(|&exit_ns| sighting.start_ns <= exit_ns) {
            return Difference::Outdated;
        }
        match self.processes.get(&sighting.pid) {
            Some(process) if process.heard > began || process.is_after(sighting) => Difference::Outdated,
            Some(process) if process.is_before(sighting) => Difference::Replaced,
            Some(process) if process.has_execed_as(sighting) => Difference::Execed,
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
        began: Mark,
        ended: &[u32],
        origin: Origin,
        now_ns: u64,
        events: &mut Vec<ProcessEvent>,
    ) -> Repairs {
        self.prune_suppressed_exits(now_ns);
        let first = events.len();
        let (mut execs, mut found) = (Vec::new(), Vec::new());
        for &pid in ended {
            self.conclude(pid, now_ns, origin, events);
        }
        for sighting in snapshot.sightings {
            let shown_until_ns = sighting.read_ns.saturating_add(SHOWN_BEFORE_NS);
            self.shown_until_ns = self.shown_until_ns.max(shown_until_ns);
            let difference = self.compare(&sighting, began);
            match difference {
                Difference::Outdated => continue,
                Difference::None | Difference::Execed => {
                    let Some(process) = self.processes.get_mut(&sighting.pid) else { continue };
                    if difference == Difference::Execed {
                        execs.push((sighting.clone(), process.is_told));
                        process.is_told = true;
                        process.replace_program(&sighting);
                    } else {
                        process.update_from(&sighting);
                    }
                    continue;
                }
                Difference::Replaced => self.conclude(sighting.pid, now_ns, origin, events),
                Difference::New => {}
            }
            if !sighting.never_execed {
                execs.push((sighting.clone(), false));
            }
            found.push(sighting);
        }
        self.departed = None;
        let exits = events.len() - first;
        for sighting in found {
            self.expect_exit_of_another(sighting.pid, sighting.start_ns);
            let mut process = Process::seen(&sighting);
            process.is_told = !sighting.never_execed;
            self.processes.insert(sighting.pid, process);
        }
        let repairs = Repairs { execs: execs.len() as u32, exits: exits as u32 };
        events.extend(execs.into_iter().map(|(sighting, again)| ProcessEvent {
            pid: sighting.pid,
            timestamp_ns: now_ns,
            origin,
            kind: EventKind::Exec { again },
            process: sighting.process,
            followed: None,
        }));
        repairs
    }
}
