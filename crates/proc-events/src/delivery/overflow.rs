//! Coalesces the events of a full queue. Pure.
//!
//! Per process, the overflow retains the last exec, and the exit of a process that the subscriber knows. It therefore
//! never holds more than the live processes and the known ones that exited. The other events count as lost. Their
//! processes started and exited during the overflow, or a later event of the same process replaced them.
//!
//! The captured texts have a budget of bytes. Past it, the overflow retains an event without its arguments and working
//! directory.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::model::event::{EventData, ProcessEvent};

/// The coalesced events of all processes.
#[derive(Debug)]
pub struct Overflow {
    by_pid: FxHashMap<u32, CoalescedState>,
    lost: u64,
    texts: TextBudget,
}

/// The budget of the retained texts.
#[derive(Debug)]
struct TextBudget {
    /// Limit of `used`, in bytes.
    max_bytes: usize,
    /// Size of the retained texts, in bytes.
    used: usize,
    /// Number of events that lost their long texts.
    details_dropped: u64,
}

impl TextBudget {
    /// Charges the texts of an event to the budget. Removes the long texts if they exceed it. Returns the charged
    /// bytes.
    fn charge(&mut self, event: &mut ProcessEvent) -> usize {
        let Some(process) = &mut event.process else { return 0 };
        let mut bytes = process.text_bytes();
        if self.used + bytes > self.max_bytes {
            *process = Arc::new(process.without_long_texts());
            bytes = process.text_bytes();
            self.details_dropped += 1;
        }
        self.used += bytes;
        bytes
    }
}

impl Default for Overflow {
    fn default() -> Self {
        Self::new(usize::MAX)
    }
}

/// The coalesced events of one pid.
#[derive(Debug, Default)]
struct CoalescedState {
    /// The exit of a process that the subscriber knows.
    exit: Option<ProcessEvent>,
    /// The last exec of the running process. The flag is true if the subscriber knows that process.
    exec: Option<(ProcessEvent, bool)>,
    /// Bytes charged for the texts of `exec`.
    exec_bytes: usize,
}

/// The result of an overflow.
#[derive(Debug, Default)]
pub struct Flush {
    /// The retained events: exits first, then execs.
    pub events: Vec<ProcessEvent>,
    /// Number of execs in `events`.
    pub execs: u32,
    /// Number of exits in `events`.
    pub exits: u32,
    /// Number of events that are never delivered.
    pub lost: u64,
    /// Number of events that lost their arguments and working directory.
    pub details_dropped: u64,
}

impl Overflow {
    /// Creates an overflow that retains at most `max_bytes` bytes of texts.
    #[must_use]
    pub(crate) fn new(max_bytes: usize) -> Self {
        let texts = TextBudget { max_bytes, used: 0, details_dropped: 0 };
        Self { by_pid: FxHashMap::default(), lost: 0, texts }
    }

    /// Adds an event that does not fit into the queue. An exit that is not wanted still cancels the retained exec of
    /// its process.
    pub fn add(&mut self, mut event: ProcessEvent, is_wanted: bool) {
        let lost = u64::from(is_wanted);
        match event.data {
            EventData::Exec { again } if is_wanted => {
                let state = self.by_pid.entry(event.pid).or_default();
                let is_known = match &state.exec {
                    Some((_, is_known)) => {
                        self.lost += 1;
                        *is_known
                    }
                    // An exec after a retained exit belongs to another process: the pid was reused.
                    None => again && state.exit.is_none(),
                };
                self.texts.used -= state.exec_bytes;
                state.exec_bytes = self.texts.charge(&mut event);
                state.exec = Some((event, is_known));
            }
            EventData::Exit { known, .. } => {
                let state = self.by_pid.entry(event.pid).or_default();
                let is_known = match state.exec.take() {
                    Some((_, is_known)) => {
                        self.texts.used -= std::mem::take(&mut state.exec_bytes);
                        self.lost += 1;
                        is_known
                    }
                    None => known && state.exit.is_none(),
                };
                if is_known && is_wanted {
                    self.texts.charge(&mut event);
                    state.exit = Some(event);
                } else {
                    self.lost += lost;
                    if state.exit.is_none() {
                        self.by_pid.remove(&event.pid);
                    }
                }
            }
            _ => self.lost += lost,
        }
    }

    /// Returns the pids with retained events. The flag is true if, according to these events, the process runs.
    pub fn pids(&self) -> impl Iterator<Item = (u32, bool)> {
        self.by_pid.iter().map(|(&pid, state)| (pid, state.exec.is_some()))
    }

    /// Returns the retained events, and the number of lost ones.
    pub fn flush(self) -> Flush {
        let mut flush =
            Flush { lost: self.lost, details_dropped: self.texts.details_dropped, ..Flush::default() };
        let mut execs = Vec::new();
        for state in self.by_pid.into_values() {
            flush.events.extend(state.exit);
            execs.extend(state.exec.map(|(event, _)| event));
        }
        flush.exits = flush.events.len() as u32;
        flush.execs = execs.len() as u32;
        flush.events.append(&mut execs);
        flush
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::event::{Argv, Origin, ProcessInfo};

    fn exec(pid: u32, again: bool) -> ProcessEvent {
        event(pid, EventData::Exec { again })
    }
    fn exit(pid: u32, known: bool) -> ProcessEvent {
        event(pid, EventData::Exit { status: None, ppid: None, ran: None, known })
    }
    fn event(pid: u32, data: EventData) -> ProcessEvent {
        ProcessEvent::new(pid, 0, Origin::Kernel, data, None)
    }

    fn coalesce(events: &[ProcessEvent]) -> (Vec<String>, u64) {
        let mut overflow = Overflow::default();
        for event in events {
            overflow.add(event.clone(), true);
        }
        let flush = overflow.flush();
        assert_eq!(
            flush.events.len() as u64 + flush.lost,
            events.len() as u64,
            "every event is retained or counted"
        );
        let name =
            |event: &ProcessEvent| format!("{:?} {}", event.data.event_type(), event.pid).to_lowercase();
        (flush.events.iter().map(name).collect(), flush.lost)
    }

    #[test]
    fn process_that_starts_and_exits_during_overflow_is_lost() {
        assert_eq!(coalesce(&[exec(1, false), exit(1, true)]), (vec![], 2));
        assert_eq!(coalesce(&[exec(1, false), exec(1, true), exit(1, true)]), (vec![], 3));
        assert_eq!(coalesce(&[exit(1, false)]), (vec![], 1));
        assert_eq!(coalesce(&[event(1, EventData::Sid)]), (vec![], 1));
    }

    #[test]
    fn exit_of_known_process_and_exec_of_running_one_are_retained() {
        assert_eq!(coalesce(&[exit(1, true)]), (vec!["exit 1".into()], 0));
        assert_eq!(coalesce(&[exec(1, false)]), (vec!["exec 1".into()], 0));
        assert_eq!(coalesce(&[exec(1, true), exit(1, true)]), (vec!["exit 1".into()], 1));
        assert_eq!(coalesce(&[exec(2, false), exit(1, true)]), (vec!["exit 1".into(), "exec 2".into()], 0));
    }

    #[test]
    fn event_past_the_text_budget_loses_its_long_texts() {
        let argv = Argv { text: "x".repeat(99).into(), truncated: false };
        let process = ProcessInfo {
            argv: Some(argv),
            cwd: Some("/".into()),
            name: Some("a".into()),
            exe: Some("b".into()),
            cgroup: Some("c".into()),
            uid: Some(7),
            ..ProcessInfo::default()
        };
        let process = Some(Arc::new(process));
        let mut overflow = Overflow::new(250);
        for pid in [1, 2, 3, 2, 2, 4] {
            overflow.add(ProcessEvent { process: process.clone(), ..exec(pid, false) }, true);
        }
        // A replaced or cancelled event frees its bytes.
        overflow.add(ProcessEvent { process: process.clone(), ..exit(1, true) }, true);
        overflow.add(ProcessEvent { process, ..exec(5, false) }, true);
        // The name, exe and cgroup of the two events without long texts have three bytes.
        assert!(overflow.texts.used <= 250 + 6, "{} bytes are retained", overflow.texts.used);
        let flush = overflow.flush();
        let mut retained: Vec<_> =
            flush.events.iter().map(|event| (event.pid, event.process.as_deref().unwrap())).collect();
        retained.sort_by_key(|event| event.0);
        let texts: Vec<_> =
            retained.iter().map(|(pid, process)| (*pid, process.argv.as_ref().unwrap().truncated)).collect();
        assert_eq!(texts, [(2, false), (3, true), (4, true), (5, false)]);
        let cwds: Vec<_> =
            retained.iter().filter_map(|(pid, process)| process.cwd.as_ref().map(|_| *pid)).collect();
        assert_eq!(cwds, [2, 5]);
        let has_filter_fields = |process: &ProcessInfo| {
            let texts = [&process.name, &process.exe, &process.cgroup].map(Option::as_deref);
            texts == ["a", "b", "c"].map(Some) && process.uid == Some(7)
        };
        assert!(retained.iter().all(|(_, process)| has_filter_fields(process)));
        assert_eq!((flush.details_dropped, flush.lost), (2, 4));
    }

    #[test]
    fn reused_pid_retains_old_exit_and_new_exec() {
        let reused = [exit(1, true), exec(1, false), exit(1, true), exec(1, false), exec(1, true)];
        assert_eq!(coalesce(&reused), (vec!["exit 1".into(), "exec 1".into()], 3));
    }
}
