//! What is still owed to a subscriber whose queue is full: per process, no more than its last exec, or the exit of what
//! the subscriber knows to be running. So the memory is bounded by the live processes, and nothing but the
//! short lives that began and ended meanwhile is lost. Pure.

use rustc_hash::FxHashMap;

use crate::event::{EventKind, ProcessEvent};

/// The events owed, process by process.
#[derive(Debug, Default)]
pub struct Overflow {
    owed: FxHashMap<u32, Owed>,
    lost: u64,
}

#[derive(Debug, Default)]
struct Owed {
    /// The end of a life that the subscriber knows of.
    exit: Option<ProcessEvent>,
    /// The last exec of the life that goes on, and whether the subscriber knows of that life.
    exec: Option<(ProcessEvent, bool)>,
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
}

impl Overflow {
    /// Takes an event that did not fit, or that only tells that a life has ended, of which nothing else is wanted.
    pub fn add(&mut self, event: ProcessEvent, is_wanted: bool) {
        let lost = u64::from(is_wanted);
        match event.kind {
            EventKind::Exec { again } if is_wanted => {
                let owed = self.owed.entry(event.pid).or_default();
                let is_known = match &owed.exec {
                    Some((_, is_known)) => {
                        self.lost += 1;
                        *is_known
                    }
                    // After an exit that is owed, this is another life.
                    None => again && owed.exit.is_none(),
                };
                owed.exec = Some((event, is_known));
            }
            EventKind::Exit { known, .. } => {
                let owed = self.owed.entry(event.pid).or_default();
                let is_known = match owed.exec.take() {
                    Some((_, is_known)) => {
                        self.lost += 1;
                        is_known
                    }
                    None => known && owed.exit.is_none(),
                };
                if is_known && is_wanted {
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
        let mut flush = Flush { lost: self.lost, ..Flush::default() };
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
    use crate::event::Origin;

    fn exec(pid: u32, again: bool) -> ProcessEvent {
        event(pid, EventKind::Exec { again })
    }
    fn exit(pid: u32, known: bool) -> ProcessEvent {
        event(pid, EventKind::Exit { status: None, ppid: None, duration_ns: None, known })
    }
    fn event(pid: u32, kind: EventKind) -> ProcessEvent {
        ProcessEvent { pid, timestamp_ns: 0, origin: Origin::Kernel, kind, process: None, followed: None }
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
            |event: &ProcessEvent| format!("{:?} {}", event.kind.event_type(), event.pid).to_lowercase();
        (flush.events.iter().map(name).collect(), flush.lost)
    }

    #[test]
    fn a_life_that_came_and_went_unseen_is_lost() {
        assert_eq!(owed(&[exec(1, false), exit(1, true)]), (vec![], 2));
        assert_eq!(owed(&[exec(1, false), exec(1, true), exit(1, true)]), (vec![], 3));
        assert_eq!(owed(&[exit(1, false)]), (vec![], 1));
        assert_eq!(owed(&[event(1, EventKind::Sid)]), (vec![], 1));
    }

    #[test]
    fn the_end_of_a_known_life_and_the_start_of_one_that_goes_on_are_kept() {
        assert_eq!(owed(&[exit(1, true)]), (vec!["exit 1".into()], 0));
        assert_eq!(owed(&[exec(1, false)]), (vec!["exec 1".into()], 0));
        assert_eq!(owed(&[exec(1, true), exit(1, true)]), (vec!["exit 1".into()], 1));
        assert_eq!(owed(&[exec(2, false), exit(1, true)]), (vec!["exit 1".into(), "exec 2".into()], 0));
    }

    #[test]
    fn lives_that_share_a_pid_are_told_apart() {
        let reused = [exit(1, true), exec(1, false), exit(1, true), exec(1, false), exec(1, true)];
        assert_eq!(owed(&reused), (vec!["exit 1".into(), "exec 1".into()], 3));
    }
}
