//! The one idea: a snapshot compared with the table, and what follows from the difference. Pure.

use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use super::{Mark, Process, ProcessTable};
use crate::event::{EventKind, Origin, ProcessEvent, ProcessInfo};
use crate::procfs::{Sighting, Snapshot};

/// What a reconciliation found missing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Repairs {
    /// Execs that had not been reported.
    pub execs: u32,
    /// Exits that had not been reported.
    pub exits: u32,
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
        let departed = self.departed.take().unwrap_or_default();
        self.concluded.retain(|_, until| now_ns <= *until);
        let first = events.len();
        let (mut execs, mut found) = (Vec::new(), Vec::new());
        for &pid in ended {
            self.conclude(pid, now_ns, origin, events);
        }
        for sighting in snapshot.sightings {
            if departed.get(&sighting.pid).is_some_and(|&exit_ns| sighting.start_ns <= exit_ns) {
                continue;
            }
            let known = self.processes.get_mut(&sighting.pid);
            let is_new = match known {
                Some(process) if process.heard > began => continue,
                Some(process) if is_other_sighting(process, &sighting) => {
                    self.conclude(sighting.pid, now_ns, origin, events);
                    true
                }
                Some(process) => {
                    let has_changed = is_other_program(process, &sighting);
                    process.adopt(&sighting);
                    if has_changed {
                        execs.push((sighting, true));
                    }
                    continue;
                }
                None => true,
            };
            if is_new && !sighting.never_execed {
                execs.push((sighting.clone(), false));
            }
            found.push(sighting);
        }
        let exits = events.len() - first;
        for sighting in found {
            let mut process = Process::default();
            process.adopt(&sighting);
            self.processes.insert(sighting.pid, process);
        }
        let repairs = Repairs { execs: execs.len() as u32, exits: exits as u32 };
        events.extend(execs.into_iter().map(|(sighting, again)| ProcessEvent {
            pid: sighting.pid,
            timestamp_ns: now_ns,
            origin,
            kind: EventKind::Exec { again },
            process: sighting.process,
        }));
        repairs
    }
}

impl Process {
    fn adopt(&mut self, sighting: &Sighting) {
        self.start_time = sighting.start_time;
        self.program = sighting.program;
        self.never_execed = sighting.never_execed;
        if sighting.process.is_some() {
            self.info.clone_from(&sighting.process);
        }
    }
}

/// A process that was never seen in `/proc` is known by its exec: what was created later is another one.
const fn is_other_sighting(process: &Process, sighting: &Sighting) -> bool {
    if process.start_time == 0 {
        sighting.start_ns > process.exec_ns
    } else {
        process.start_time != sighting.start_time
    }
}

fn is_other_program(process: &Process, sighting: &Sighting) -> bool {
    if process.never_execed != sighting.never_execed {
        return !sighting.never_execed;
    }
    if process.program != 0 && sighting.program != 0 {
        return process.program != sighting.program;
    }
    let exe = |info: &Option<Arc<ProcessInfo>>| info.as_ref().and_then(|info| info.exe.clone());
    match (exe(&process.info), exe(&sighting.process)) {
        (Some(before), Some(now)) => before != now,
        _ => false,
    }
}
