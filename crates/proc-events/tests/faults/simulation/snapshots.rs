//! The snapshots of a simulation, which are taken process by process while the machine goes on.

use proc_events::model::now::Now;
use proc_events::model::snapshot::{KnownProcesses, ObservedProcess};
use proc_events::pipeline::Pipeline;
use proc_events::{Error, ErrorCode};

use super::{Simulation, WorldPipeline};
use crate::partial_snapshot::PartialSnapshot;

/// A snapshot that is being taken.
pub(super) struct SnapshotTask {
    partial: PartialSnapshot,
    /// The processes whose details need not be read.
    known: KnownProcesses,
}

impl<'a> Simulation<'a> {
    pub(super) fn begin_snapshot(&mut self) {
        let now = self.now_unused();
        let begun = self.pipeline.begin_snapshot_if_due(now);
        // As at any other read.
        self.take_strict();
        let has_begun = *begun.as_ref().unwrap_or(&false);
        self.reopen_if_failed(begun.map(drop));
        if has_begun {
            let partial = self.with_machine(|machine| {
                machine.trace(|| "snapshot begins".to_owned());
                PartialSnapshot::begin(machine)
            });
            let known = self.pipeline.table.known(self.pipeline.interest.fields);
            self.snapshot = Some(SnapshotTask { partial, known });
        }
    }

    pub(super) fn read_processes(&mut self, most: usize) {
        let Some(SnapshotTask { partial, known }) = &mut self.snapshot else { return };
        let mut world = self.backend.machine();
        for _ in 0..most {
            let Some(pid) = partial.next() else {
                drop(world);
                return self.finish_snapshot();
            };
            // A process that runs may be unreadable at that moment.
            let is_unreadable = world.fails();
            let observed =
                (!is_unreadable).then(|| world.machine.observed(pid, self.pipeline.interest.fields));
            if let Some(observed) = observed.flatten() {
                let is_known = known.get(&pid).is_some_and(|known| known.is(&observed));
                let process = observed.process.clone().filter(|_| !is_known);
                partial.add(&world.machine, ObservedProcess { process, ..observed });
            } else {
                partial.snapshot.unread.push(pid);
            }
        }
    }

    fn finish_snapshot(&mut self) {
        let Some(SnapshotTask { partial: PartialSnapshot { snapshot, instances, .. }, .. }) =
            self.snapshot.take()
        else {
            return;
        };
        let is_requested = self.listeners.iter().any(|listener| listener.queue.awaiting_scan());
        let fails = !is_requested && self.backend.machine().fails();
        let unreadable = Error::detected(ErrorCode::ProcUnreadable, "simulated");
        let snapshot = if fails { Err(unreadable) } else { Ok(snapshot) };
        self.with_machine(|machine| machine.trace(|| format!("shown {instances:?}, fails {fails}")));
        self.last_shown = instances;
        self.reconcile(|pipeline, now| pipeline.finish_snapshot(snapshot, now));
    }

    pub(super) fn finish_snapshot_if_due(&mut self) {
        if self.snapshot.is_none() && self.pipeline.resync.due().is_some_and(|due| due <= self.instant()) {
            self.reconcile(Pipeline::finish_snapshot_if_due);
        }
    }

    fn reconcile(&mut self, finish: impl FnOnce(&mut WorldPipeline<'a>, Now) -> Result<(), Error>) {
        let now = self.now_unused();
        let result = finish(&mut self.pipeline, now);
        // A scan reports what the snapshot has shown, and what was reported meanwhile.
        let mut shown = vec![self.last_shown.clone(), self.with_machine(|machine| machine.running())];
        self.shown.insert(now.monotonic_ns, shown.clone());
        self.take_up_to(usize::MAX, 0);
        let strict = &self.listeners[0].subscriber.running;
        shown.insert(0, strict.iter().filter_map(|(&pid, known)| Some((pid, *known.last()?))).collect());
        self.shown.insert(now.monotonic_ns, shown);
        self.take_strict();
        self.reopen_if_failed(result);
    }
}
