//! A snapshot that is taken for the table.

use proc_events::Fields;
use proc_events::model::stream_position::StreamPosition;
use proc_events::process::table::ProcessTable;

use super::machine::Machine;
use super::partial_snapshot::PartialSnapshot;

#[derive(Debug)]
pub(crate) struct TableSnapshot {
    pub(crate) began: StreamPosition,
    /// True if all reports had been read when the snapshot began, and none was lost or late since.
    pub(crate) is_exact: bool,
    pub(crate) partial: PartialSnapshot,
    /// The pids whose exit a watch showed meanwhile. The order of that exit and the next process with the pid is unknown.
    pub(crate) noticed: Vec<u32>,
}

impl TableSnapshot {
    pub(crate) fn begin(table: &mut ProcessTable, machine: &Machine, is_exact: bool) -> Self {
        let began = table.begin_snapshot();
        Self { began, is_exact, partial: PartialSnapshot::begin(machine), noticed: Vec::new() }
    }

    /// Reads the next processes, at most so many.
    pub(crate) fn read_processes(&mut self, most: usize, machine: &Machine, fields: Fields) {
        for _ in 0..most {
            let Some(pid) = self.partial.next() else { return };
            if let Some(observed) = machine.observed(pid, fields) {
                self.partial.add(machine, observed);
            }
        }
    }

    /// Checks that the table has every process that was shown and still runs, even if its reports were lost.
    pub(crate) fn assert_is_known(&self, machine: &Machine, table: &ProcessTable) {
        for (pid, instance) in &self.partial.instances {
            let runs = machine.processes.get(pid).is_some_and(|process| process.instance == *instance);
            let is_known = table.knows(*pid) || self.noticed.contains(pid);
            assert!(!runs || is_known, "{pid} was shown, and is not known");
        }
    }
}
