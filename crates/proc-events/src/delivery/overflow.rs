//! What is still owed to a subscriber whose queue is full: per process, no more than its last exec, or the exit of what
//! the subscriber knows to be running. So the memory is bounded by the live processes, and nothing but the
//! short lives that began and ended meanwhile is lost. The texts captured with these events have a budget of bytes of their
//! own: past it an event is kept without its arguments and working directory. Pure.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::model::event::{EventData, ProcessEvent};

/// The events owed, process by process.
#[derive(Debug)]
pub struct Overflow {
    owed: FxHashMap<u32, CoalescedState>,
    lost: u64,
    texts: Texts,
}

/// The texts of the events owed.
#[derive(Debug)]
struct Texts {
    /// The bytes that may be kept, and those that are.
    max_bytes: usize,
    bytes: usize,
    /// How many events were kept without theirs.
    left_out: u64,
}

impl Texts {
    /// Takes the texts of an event into account, or takes them away if there is no room. Returns their bytes.
    fn weigh(&mut self, event: &mut ProcessEvent) -> usize {
        let Some(process) = &mut event.process else { return 0 };
        let mut weight = process.weight();
        if self.bytes + weight > self.max_bytes {
            *process = Arc::new(process.without_texts());
            weight = process.weight();
            self.left_out += 1;
        }
        self.bytes += weight;
        weight
    }
}

impl Default for Overflow {
    fn default() -> Self {
        Self::new(usize::MAX)
    }
}

#[derive(Debug, Default)]
struct CoalescedState {
    /// The end of a life that the subscriber knows of.
    exit: Option<ProcessEvent>,
    /// The last exec of the life that goes on, and whether the subscriber knows of that life.
    exec: Option<(ProcessEvent, bool)>,
    /// The bytes of texts of that exec.
    bytes: usize,
}

/// The repair of an overflow.
#[derive(Debug, Default)]
pub struct Flush {
    /// Exits, then execs.
    pub events: Vec<ProcessEvent>,
    /// How many of them are execs.
    pub execs: u32,
    /// How many of them are exits.
    pub exits: u32,
    /// How many events will never be delivered.
    pub lost: u64,
    /// How many events were kept without their texts.
    pub without_texts: u64,
}

impl Overflow {
    /// Keeps at most so many bytes of texts.
    #[must_use]
    pub fn new(max_bytes: usize) -> Self {
        Self { owed: FxHashMap::default(), lost: 0, texts: Texts { max_bytes, bytes: 0, left_out: 0 } }
    }

    /// Takes an event that did not fit, or that only tells that a life has ended, of which nothing else is wanted.
    pub fn add(&mut self, mut event: ProcessEvent, is_wanted: bool) {
        let lost = u64::from(is_wanted);
        match event.data {
            EventData::Exec { again } if is_wanted => {
                let owed = self.owed.entry(event.pid).or_default();
                let is_known = match &owed.exec {
                    Some((_, is_known)) => {
                        self.lost += 1;
                        *is_known
                    }
                    // After an exit that is owed, this is another life.
                    None => again && owed.exit.is_none(),
                };
                self.texts.bytes -= owed.bytes;
                owed.bytes = self.texts.weigh(&mut event);
                owed.exec = Some((event, is_known));
            }
            EventData::Exit { known, .. } => {
                let owed = self.owed.entry(event.pid).or_default();
                let is_known = match owed.exec.take() {
                    Some((_, is_known)) => {
                        self.texts.bytes -= std::mem::take(&mut owed.bytes);
                        self.lost += 1;
                        is_known
                    }
                    None => known && owed.exit.is_none(),
                };
                if is_known && is_wanted {
                    self.texts.weigh(&mut event);
                    owed.exit = Some(event);
                } else {
                    self.lost += lost;
                    if owed.exit.is_none() {
                        self.owed.remove(&event.pid);
                    }
                }
            }
            _ => self.lost += lost,
        }
    }

    /// The processes of which something is owed, and whether that says that the process is running.
    pub fn owed(&self) -> impl Iterator<Item = (u32, bool)> {
        self.owed.iter().map(|(&pid, owed)| (pid, owed.exec.is_some()))
    }

    /// Hands over what is owed.
    pub fn flush(self) -> Flush {
        let mut flush = Flush { lost: self.lost, without_texts: self.texts.left_out, ..Flush::default() };
        let mut execs = Vec::new();
        for owed in self.owed.into_values() {
            flush.events.extend(owed.exit);
            execs.extend(owed.exec.map(|(event, _)| event));
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
        event(pid, EventData::Exit { status: None, ppid: None, duration_ns: None, known })
    }
    fn event(pid: u32, data: EventData) -> ProcessEvent {
        ProcessEvent { pid, timestamp_ns: 0, origin: Origin::Kernel, data, process: None, ancestry: None }
    }

    fn owed(events: &[ProcessEvent]) -> (Vec<String>, u64) {
        let mut overflow = Overflow::default();
        for event in events {
            overflow.add(event.clone(), true);
        }
        let flush = overflow.flush();
        assert_eq!(
            flush.events.len() as u64 + flush.lost,
            events.len() as u64,
            "every event is owed or counted"
        );
        let name =
            |event: &ProcessEvent| format!("{:?} {}", event.data.event_type(), event.pid).to_lowercase();
        (flush.events.iter().map(name).collect(), flush.lost)
    }

    #[test]
    fn a_life_that_came_and_went_unseen_is_lost() {
        assert_eq!(owed(&[exec(1, false), exit(1, true)]), (vec![], 2));
        assert_eq!(owed(&[exec(1, false), exec(1, true), exit(1, true)]), (vec![], 3));
        assert_eq!(owed(&[exit(1, false)]), (vec![], 1));
        assert_eq!(owed(&[event(1, EventData::Sid)]), (vec![], 1));
    }

    #[test]
    fn the_end_of_a_known_life_and_the_start_of_one_that_goes_on_are_kept() {
        assert_eq!(owed(&[exit(1, true)]), (vec!["exit 1".into()], 0));
        assert_eq!(owed(&[exec(1, false)]), (vec!["exec 1".into()], 0));
        assert_eq!(owed(&[exec(1, true), exit(1, true)]), (vec!["exit 1".into()], 1));
        assert_eq!(owed(&[exec(2, false), exit(1, true)]), (vec!["exit 1".into(), "exec 2".into()], 0));
    }

    #[test]
    fn past_the_budget_an_event_is_kept_without_its_texts() {
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
        // An event that is replaced, or no longer owed, makes room.
        overflow.add(ProcessEvent { process: process.clone(), ..exit(1, true) }, true);
        overflow.add(ProcessEvent { process, ..exec(5, false) }, true);
        // The two without have three bytes each.
        assert!(overflow.texts.bytes <= 250 + 6, "{} bytes are kept", overflow.texts.bytes);
        let flush = overflow.flush();
        let mut kept: Vec<_> =
            flush.events.iter().map(|event| (event.pid, event.process.as_deref().unwrap())).collect();
        kept.sort_by_key(|kept| kept.0);
        let texts: Vec<_> =
            kept.iter().map(|(pid, process)| (*pid, process.argv.as_ref().unwrap().truncated)).collect();
        assert_eq!(texts, [(2, false), (3, true), (4, true), (5, false)]);
        let cwds: Vec<_> =
            kept.iter().filter_map(|(pid, process)| process.cwd.as_ref().map(|_| *pid)).collect();
        assert_eq!(cwds, [2, 5]);
        let is_judged_as_before = |process: &ProcessInfo| {
            let texts = [&process.name, &process.exe, &process.cgroup].map(Option::as_deref);
            texts == ["a", "b", "c"].map(Some) && process.uid == Some(7)
        };
        assert!(kept.iter().all(|(_, process)| is_judged_as_before(process)));
        assert_eq!((flush.without_texts, flush.lost), (2, 4));
    }

    #[test]
    fn lives_that_share_a_pid_are_told_apart() {
        let reused = [exit(1, true), exec(1, false), exit(1, true), exec(1, false), exec(1, true)];
        assert_eq!(owed(&reused), (vec!["exit 1".into(), "exec 1".into()], 3));
    }
}
