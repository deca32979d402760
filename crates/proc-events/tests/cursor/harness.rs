//! A tracker on a fake machine, and a process table that its reports are applied to. It checks each report.

use std::collections::{BTreeMap, BTreeSet};

use proc_events::cursor::tracker::CursorTracker;
use proc_events::model::report::Change;
use proc_events::process::table::ProcessTable;
use proc_events::{EventData, Origin, ProcessEvent};

use crate::pid_machine::PidMachine;

/// A millisecond, in nanoseconds.
pub(crate) const MS: u64 = 1_000_000;

pub(crate) struct Harness {
    pub(crate) machine: PidMachine,
    pub(crate) tracker: CursorTracker<usize>,
    pub(crate) table: ProcessTable,
    pub(crate) now_ns: u64,
    pub(crate) unseen: u64,
    /// The number of reports that caused no event.
    pub(crate) ignored: usize,
    events: Vec<ProcessEvent>,
    /// The number of these events that are checked.
    checked: usize,
    /// The creation times of the processes whose exit the tracker has reported.
    exited: BTreeSet<u64>,
    /// The pids that are known to subscribers: an exec was reported, and no exit.
    reported: BTreeMap<u32, bool>,
}

impl Harness {
    /// Returns a harness whose tracker has seen the first list and whose table has the first snapshot.
    pub(crate) fn new(mut machine: PidMachine) -> Self {
        // Processes that were created at the start are not old yet.
        let now_ns = 500 * MS;
        let mut tracker = CursorTracker::new(machine.last);
        let pids = machine.pids();
        tracker.on_list(&mut machine, &pids, true, now_ns);
        let (table, events, reported) = (ProcessTable::default(), Vec::new(), BTreeMap::new());
        let exited = BTreeSet::new();
        let mut harness = Self {
            machine,
            tracker,
            table,
            now_ns,
            unseen: 0,
            ignored: 0,
            events,
            exited,
            reported,
            checked: 0,
        };
        harness.snapshot();
        harness.take();
        harness
    }

    /// Lets the tracker handle a wake-up: new ids, due looks, and exits.
    pub(crate) fn wake(&mut self) {
        let Self { machine, tracker, now_ns, .. } = self;
        // Each step takes time.
        *now_ns = machine.now_ns.max(*now_ns);
        machine.now_ns = *now_ns;
        let exits = machine.take_exits();
        for record in machine.take_records() {
            tracker.on_record(machine, record, *now_ns);
        }
        let last = machine.last;
        tracker.on_cursor(machine, last, *now_ns);
        tracker.look_at_due(machine, *now_ns);
        for (pid, generation) in exits {
            tracker.on_exit(machine, pid, generation, *now_ns);
        }
        if tracker.take_needs_list() {
            self.list();
        }
        self.apply();
    }

    /// Lets the tracker look at new ids before it has their records.
    pub(crate) fn look_at_ids(&mut self) {
        self.now_ns = self.machine.now_ns.max(self.now_ns);
        let last = self.machine.last;
        self.tracker.on_cursor(&mut self.machine, last, self.now_ns);
        self.tracker.look_at_due(&mut self.machine, self.now_ns);
        self.apply();
    }

    /// Loses the records that were not read yet, and repairs that.
    pub(crate) fn lose_records(&mut self) {
        self.machine.take_records();
        self.tracker.on_lost_records();
        self.wake();
        self.snapshot();
    }

    /// Ends the records.
    pub(crate) fn end_records(&mut self) {
        self.machine.records = None;
        self.tracker.on_records_end(self.now_ns);
        self.wake();
    }

    pub(crate) fn list(&mut self) {
        let pids = self.machine.pids();
        self.tracker.on_list(&mut self.machine, &pids, false, self.now_ns);
        self.apply();
    }

    pub(crate) fn advance(&mut self, ns: u64) {
        self.now_ns += ns;
    }

    /// Applies the reports, each of which must be true.
    fn apply(&mut self) {
        self.unseen += self.tracker.take_unseen();
        for report in self.tracker.take_reports() {
            let instances = &self.machine.instances;
            let of = |start_time| {
                let is_it = |instance: &&crate::pid_machine::Instance| instance.start_time == start_time;
                instances.iter().find(is_it).unwrap()
            };
            match &report.change {
                Change::Forked(observed) | Change::Execed(observed) if observed.start_time == 0 => {
                    assert_eq!(report.origin, Origin::Kernel, "only a record shows what cannot be read");
                }
                Change::Forked(observed) => assert_eq!(of(observed.start_time).pid, report.pid),
                Change::Execed(observed) => {
                    let instance = of(observed.start_time);
                    assert!(instance.pid == report.pid && instance.execs > 0, "an invented exec");
                    assert!(!self.exited.contains(&observed.start_time), "an exec after the exit");
                }
                &Change::Exited { start_time, status, .. } => {
                    if start_time != 0 {
                        assert!(self.exited.insert(start_time), "a second exit");
                        let instance = of(start_time);
                        assert!(instance.pid == report.pid && instance.has_exited, "an invented exit");
                        assert!(status.is_none_or(|status| status.code() == Some(instance.code as u8)));
                    }
                }
                Change::Renamed { .. } => {}
            }
            if !self.table.apply_report(report, &mut self.events) {
                self.ignored += 1;
            }
        }
        self.check_order();
    }

    /// Reconciles the table with a snapshot.
    pub(crate) fn snapshot(&mut self) {
        let began = self.table.begin_snapshot();
        let snapshot = self.machine.snapshot();
        let missing = self.table.missing(&snapshot, began);
        let (_, execs) =
            self.table.reconcile(snapshot, began, &missing, Origin::Polling, self.now_ns, &mut self.events);
        self.events.extend(execs);
        self.check_order();
    }

    /// Checks per pid: exec, once or more, then exactly one exit.
    fn check_order(&mut self) {
        for event in
            self.events.get(std::mem::replace(&mut self.checked, self.events.len())..).unwrap_or_default()
        {
            match event.data {
                EventData::Exec { again } => {
                    let before = self.reported.insert(event.pid, true).unwrap_or(false);
                    assert_eq!(again, before, "exec of {} after its exit or a lost one", event.pid);
                }
                EventData::Exit { known, .. } => {
                    let before = self.reported.insert(event.pid, false).unwrap_or(false);
                    assert_eq!(known, before, "a second exit of {}", event.pid);
                }
                _ => {}
            }
        }
        self.now_ns += 1;
    }

    /// Takes the events, as text.
    pub(crate) fn take(&mut self) -> Vec<String> {
        let text = |event: ProcessEvent| match event.data {
            EventData::Fork { .. } => format!("fork {}", event.pid),
            EventData::Exec { again: false } => format!("exec {}", event.pid),
            EventData::Exec { again: true } => format!("exec {} again", event.pid),
            EventData::Exit { status: Some(status), .. } => {
                format!("exit {} {}", event.pid, status.code().unwrap_or(u8::MAX))
            }
            _ => format!("exit {}", event.pid),
        };
        self.checked = 0;
        std::mem::take(&mut self.events).into_iter().map(text).collect()
    }
}
