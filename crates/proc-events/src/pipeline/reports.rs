//! Applies the reports of a thread of this program, which notices processes where the kernel does not report them.

use std::sync::Arc;

use super::Pipeline;
use crate::connector::source::DatagramSource;
use crate::model::event::ProcessInfo;
use crate::model::interest::{EventType, Field};
use crate::model::report::{Change, ProcessReport};
use crate::model::snapshot::ObservedProcess;
use crate::process::inspector::ProcessInspector;

impl<D: DatagramSource, P: ProcessInspector> Pipeline<'_, D, P> {
    /// Applies the reports in their order, and dispatches the events.
    pub fn apply_reports(&mut self, reports: impl IntoIterator<Item = ProcessReport>) {
        let mut now_ns = 0;
        for mut report in reports {
            if let Change::Renamed { tid, .. } = report.change
                && !self.needs_comm(tid == report.pid)
            {
                continue;
            }
            self.stats.events.count();
            let (pid, timestamp_ns) = (report.pid, report.timestamp_ns);
            now_ns = timestamp_ns;
            match &mut report.change {
                Change::Forked(observed) => {
                    self.ancestry.on_fork(pid, observed.ppid, timestamp_ns);
                    observed.process = self.created_info(observed);
                }
                Change::Execed(observed) => {
                    self.stats.exec.count();
                    let ppid = Some(observed.ppid).filter(|&ppid| ppid != 0 || observed.start_time != 0);
                    self.ancestry.on_exec(pid, ppid, timestamp_ns);
                }
                Change::Exited { ppid, .. } => {
                    self.stats.exit.count();
                    self.ancestry.observe_parent(pid, *ppid, timestamp_ns);
                }
                Change::Renamed { .. } => {}
            }
            let exit = if let Change::Exited { status, .. } = report.change { Some(status) } else { None };
            let is_applied = self.change_table(|table, sink| table.apply_report(report, sink));
            if let Some(status) = exit.filter(|_| is_applied) {
                self.stats.exits_without_status.add(u64::from(status.is_none()));
                self.after_exit(pid);
            }
        }
        self.stats.ignored.add(self.table.take_ignored());
        self.dispatch(true);
        self.answer_exited_watches(now_ns);
    }

    /// Counts records that the kernel has dropped before the thread could read them. A snapshot shows what they reported.
    pub fn on_lost_records(&mut self, lost: u64) {
        self.count_lost(lost);
    }

    /// Returns the creation time of a new process as its details, if a subscriber of forks captures it.
    fn created_info(&self, observed: &ObservedProcess) -> Option<Arc<ProcessInfo>> {
        let fields = self.interest.fields;
        if !self.interest.types.has(EventType::Fork) || !fields.has(Field::StartTime) {
            return None;
        }
        let start_time = Some(observed.start_time).filter(|&start_time| start_time != 0);
        Some(Arc::new(ProcessInfo { requested: fields, start_time, ..ProcessInfo::default() }))
    }
}
