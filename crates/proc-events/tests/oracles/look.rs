//! A snapshot that is being taken, process by process.

use std::collections::BTreeMap;

use proc_events::Fields;
use proc_events::model::snapshot::Snapshot;
use proc_events::model::stream_position::StreamPosition;
use proc_events::process::table::ProcessTable;

use super::machine::Machine;

#[derive(Debug)]
pub(crate) struct Look {
    pub(crate) began: StreamPosition,
    /// All had been read when it began, and nothing has gone wrong since.
    pub(crate) is_exact: bool,
    pub(crate) snapshot: Snapshot,
    /// Which lives it shows.
    pub(crate) lives: BTreeMap<u32, usize>,
    /// Whose end was noticed meanwhile. That this was before the next process with the same pid, nobody knows.
    pub(crate) noticed: Vec<u32>,
    to_read: Vec<u32>,
}

impl Look {
    pub(crate) fn begin(table: &mut ProcessTable, machine: &Machine, is_exact: bool) -> Self {
        let began = table.begin_snapshot();
        let to_read = machine.processes.keys().rev().copied().collect();
        Self {
            began,
            is_exact,
            snapshot: Snapshot::default(),
            lives: BTreeMap::new(),
            noticed: Vec::new(),
            to_read,
        }
    }

    pub(crate) fn read_some(&mut self, processes: usize, machine: &Machine, fields: Fields) {
        let kept = self.to_read.len().saturating_sub(processes);
        for pid in self.to_read.drain(kept..).rev() {
            if let Some(seen) = machine.observe(pid, fields) {
                self.lives.insert(pid, machine.processes[&pid].life);
                self.snapshot.processes.push(seen);
            }
        }
    }

    /// What was shown and still runs is in the table, whatever was lost.
    pub(crate) fn assert_is_known(&self, machine: &Machine, table: &ProcessTable) {
        for (pid, life) in &self.lives {
            let runs = machine.processes.get(pid).is_some_and(|process| process.life == *life);
            let is_known = table.knows(*pid) || self.noticed.contains(pid);
            assert!(!runs || is_known, "{pid} was shown, and is not known");
        }
    }
}
