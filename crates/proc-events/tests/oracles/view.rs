//! What can be believed by somebody who hears every event of the table, and whether each of them can be true.

use std::collections::{BTreeMap, HashSet};

use proc_events::{EventData, Origin, ProcessEvent};

use super::machine::Machine;

#[derive(Debug, Default)]
pub(crate) struct SubscriberModel {
    /// The processes that were told to run, and which lives these are.
    running: BTreeMap<u32, usize>,
    /// Lives whose end was told.
    ended: HashSet<usize>,
    /// How many exits were told by pid, also of what was not known.
    exits: BTreeMap<u32, usize>,
}

impl SubscriberModel {
    /// `shown` are the lives of which a snapshot tells.
    pub(crate) fn handle_datagram(
        &mut self,
        event: &ProcessEvent,
        machine: &Machine,
        shown: &BTreeMap<u32, usize>,
    ) {
        let pid = event.pid;
        let sent = machine.sent.get(&event.timestamp_ns).copied().filter(|_| event.origin == Origin::Kernel);
        let name = event.process.as_ref().and_then(|process| process.name.as_deref());
        let named: Option<usize> = name.map(|name| name.parse().unwrap());
        let is_named = |life: usize| named.is_none_or(|named| named == life);
        match event.data {
            EventData::Exec { again } => {
                let life = sent.map_or_else(|| shown[&pid], |(life, _)| life);
                assert!(machine.lives[life].has_execed, "an exec that was none: {event:?}");
                assert!(is_named(life), "another's name than of life {life}: {event:?}");
                let is_over = self.ended.contains(&life) && !is_excused(life, machine);
                assert!(!is_over, "an exec after the exit: {event:?}");
                let before = self.running.insert(pid, life);
                assert_eq!(again, before.is_some(), "{event:?}");
                let is_same = named.is_none() || before.is_none_or(|before| before == life);
                assert!(is_same, "{before:?} was seen to be another: {event:?}");
            }
            EventData::Exit { known, .. } => {
                let believed = self.running.remove(&pid);
                assert_eq!(known, believed.is_some(), "{event:?}");
                let has_ended = |life: &usize| machine.lives[*life].has_ended_by(machine.now_ns);
                if let Some(life) = believed {
                    assert!(has_ended(&life), "{life} runs: {event:?}");
                    assert!(is_named(life), "another's name than of life {life}: {event:?}");
                    let is_first = self.ended.insert(life) || is_excused(life, machine);
                    assert!(is_first, "a second exit of life {life}: {event:?}");
                }
                // Which life it was that was never told of, cannot always be known.
                let exits = self.exits.entry(pid).or_insert(0);
                *exits += 1;
                let lives: Vec<_> = machine.born_before(pid, machine.now_ns).filter(has_ended).collect();
                let is_excused = lives.iter().any(|life| is_excused(*life, machine));
                assert!(*exits <= lives.len() || is_excused, "more exits than lives: {event:?}");
            }
            _ => {}
        }
    }

    /// Hears of everything that runs, also of what has never called exec.
    pub(crate) fn scan(&mut self, running: impl Iterator<Item = ProcessEvent>, machine: &Machine) {
        let shown: BTreeMap<_, _> = running.map(|event| (event.pid, event.data)).collect();
        assert!(shown.values().all(|data| *data == EventData::Exec { again: false }), "{shown:?}");
        assert!(shown.keys().eq(machine.processes.keys()), "{shown:?}");
        self.running = machine.processes.iter().map(|(&pid, process)| (pid, process.life)).collect();
    }

    /// What runs is believed to, but for what has never called exec; and nothing else is.
    pub(crate) fn assert_agrees_with(&self, machine: &Machine) {
        let on_exec = machine.processes.iter().filter(|(_, process)| !process.never_execed);
        let running: BTreeMap<_, _> = on_exec.map(|(&pid, process)| (pid, process.life)).collect();
        assert_eq!(self.running, running);
    }

    /// A process that was told of has ended.
    pub(crate) fn assert_knows_end_of(&self, life: usize, machine: &Machine) {
        let reported = machine.lives[life].has_execed;
        assert!(!reported || self.ended.contains(&life), "the exit of life {life} was not told");
    }
}

/// Where an exec was lost that made the leader's exit one of many, that looks like any.
fn is_excused(life: usize, machine: &Machine) -> bool {
    machine.lives[life].was_taken_over && machine.lives[life].was_lost
}
