//! Applies the reports of a thread of this program to the process table. Pure.
//!
//! Such a report is later than what it reports, and a snapshot may have shown the same before. It carries the creation
//! time, so that it never counts for another process with the same pid.

use super::ProcessTable;
use super::messages::Exit;
use crate::model::event::{EventData, Origin, ProcessEvent};
use crate::model::report::{Change, ProcessReport};
use crate::process::event_sink::EventSink;

impl ProcessTable {
    /// Applies one report. Returns false if it has no effect, because it was known before, or is of an earlier process.
    pub fn apply_report(&mut self, report: ProcessReport, sink: &mut impl EventSink) -> bool {
        self.position.0 += 1;
        let ProcessReport { pid, timestamp_ns, origin, change } = report;
        // Its time tells the process from others with the same pid. It may carry no creation time.
        let is_timed = origin == Origin::Kernel;
        match change {
            Change::Forked(observed) => {
                let known = self.processes.get(&pid).filter(|_| observed.start_time != 0);
                if known.is_some_and(|process| process.is_after(&observed)) {
                    return self.ignore();
                }
                if known.is_some_and(|process| process.is_before(&observed)) {
                    self.synthesize_exit(pid, timestamp_ns, origin, sink);
                }
                self.suppressed_exits.on_next_process(pid, observed.start_ns);
                sink.push(ProcessEvent::new(
                    pid,
                    timestamp_ns,
                    origin,
                    EventData::Fork { ppid: observed.ppid },
                    observed.process,
                ));
            }
            Change::Execed(observed) => {
                let known = self.processes.get_mut(&pid).filter(|_| !is_timed || observed.start_time != 0);
                if let Some(process) = known {
                    if process.is_after(&observed) {
                        return self.ignore();
                    }
                    let is_known = process.reported && !process.has_execed_as(&observed);
                    if !is_timed && is_known && !process.is_before(&observed) {
                        process.update_from(&observed);
                        return self.ignore();
                    }
                }
                self.on_exec(pid, timestamp_ns, *observed, origin, sink);
            }
            Change::Exited { start_time, status, ppid } => {
                let known = self.processes.get(&pid);
                let is_unknown = start_time == 0;
                let is_another = |known: u64| known != 0 && known != start_time && !is_unknown;
                if known.is_some_and(|process| is_unknown && !is_timed || is_another(process.start_time)) {
                    self.suppressed_exits.take(pid);
                    return self.ignore();
                }
                let ignored = self.ignored;
                self.on_exit(pid, Exit { timestamp_ns, status, ppid, origin }, sink);
                // A pidfd shows the exit of the whole process, which no exec of another thread retracts.
                self.tentative_exits.remove(pid);
                return self.ignored == ignored;
            }
            Change::Renamed { tid, comm } => self.on_rename(pid, tid, comm, timestamp_ns, sink),
        }
        true
    }

    const fn ignore(&mut self) -> bool {
        self.ignored += 1;
        false
    }
}
