//! A snapshot that is taken process by process, while the machine goes on.

use std::collections::BTreeMap;

use proc_events::model::snapshot::{ObservedProcess, Snapshot};

use super::machine::Machine;

#[derive(Debug)]
pub(crate) struct PartialSnapshot {
    /// The listed pids that are not read yet, the next one last.
    unread: Vec<u32>,
    pub(crate) snapshot: Snapshot,
    /// The instances that the snapshot shows, by pid.
    pub(crate) instances: BTreeMap<u32, usize>,
}

impl PartialSnapshot {
    /// Lists the processes.
    pub(crate) fn begin(machine: &Machine) -> Self {
        let unread = machine.processes.keys().rev().copied().collect();
        Self { unread, snapshot: Snapshot::default(), instances: BTreeMap::new() }
    }

    /// Returns the pid to read next.
    pub(crate) fn next(&mut self) -> Option<u32> {
        self.unread.pop()
    }

    /// Adds a process as it was observed just now.
    pub(crate) fn add(&mut self, machine: &Machine, observed: ObservedProcess) {
        self.instances.insert(observed.pid, machine.processes[&observed.pid].instance);
        self.snapshot.processes.push(observed);
    }
}
