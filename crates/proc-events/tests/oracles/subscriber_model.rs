//! A subscriber that receives every event of the table. Checks that each event is possible on the machine.

use std::collections::{BTreeMap, HashSet};

use proc_events::{EventData, Origin, ProcessEvent};

use super::machine::Machine;

#[derive(Debug, Default)]
pub(crate) struct SubscriberModel {
    /// The instances that were reported as running, by pid.
    running: BTreeMap<u32, usize>,
    /// The instances whose exit was reported.
    exited: HashSet<usize>,
    /// The number of reported exits by pid, including those of unknown processes.
    exits: BTreeMap<u32, usize>,
}

impl SubscriberModel {
    /// `shown` are the instances that a snapshot shows.
    pub(crate) fn on_event(&mut self, event: &ProcessEvent, machine: &Machine, shown: &BTreeMap<u32, usize>) {
        let pid = event.pid;
        let report =
            machine.reports.get(&event.timestamp_ns).copied().filter(|_| event.origin == Origin::Kernel);
        let name = event.process.as_ref().and_then(|process| process.name.as_deref());
        let named: Option<usize> = name.map(|name| name.parse().unwrap());
        let is_named = |instance: usize| named.is_none_or(|named| named == instance);
        match event.data {
            EventData::Exec { again } => {
                let instance = report.map_or_else(|| shown[&pid], |(instance, _)| instance);
                assert!(machine.instances[instance].has_execed, "an exec that was none: {event:?}");
                assert!(is_named(instance), "the name of another instance than {instance}: {event:?}");
                let is_over = self.exited.contains(&instance) && !machine.has_ambiguous_exits(instance);
                assert!(!is_over, "an exec after the exit: {event:?}");
                let before = self.running.insert(pid, instance);
                assert_eq!(again, before.is_some(), "{event:?}");
                let is_same = named.is_none() || before.is_none_or(|before| before == instance);
                assert!(is_same, "{before:?} is another instance: {event:?}");
            }
            EventData::Exit { known, .. } => {
                let running = self.running.remove(&pid);
                assert_eq!(known, running.is_some(), "{event:?}");
                let has_exited =
                    |instance: &usize| machine.instances[*instance].has_exited_by(machine.now_ns);
                if let Some(instance) = running {
                    assert!(has_exited(&instance), "{instance} runs: {event:?}");
                    assert!(is_named(instance), "the name of another instance than {instance}: {event:?}");
                    let is_first = self.exited.insert(instance) || machine.has_ambiguous_exits(instance);
                    assert!(is_first, "a second exit of instance {instance}: {event:?}");
                }
                // The instance of an exit without an exec is not always known.
                let exits = self.exits.entry(pid).or_insert(0);
                *exits += 1;
                let instances: Vec<_> =
                    machine.created_before(pid, machine.now_ns).filter(has_exited).collect();
                let is_ambiguous = instances.iter().any(|instance| machine.has_ambiguous_exits(*instance));
                assert!(*exits <= instances.len() || is_ambiguous, "more exits than instances: {event:?}");
            }
            _ => {}
        }
    }

    /// Receives a scan, which has every running process, including those that have never called exec.
    pub(crate) fn on_scan(&mut self, running: impl Iterator<Item = ProcessEvent>, machine: &Machine) {
        let shown: BTreeMap<_, _> = running.map(|event| (event.pid, event.data)).collect();
        assert!(shown.values().all(|data| *data == EventData::Exec { again: false }), "{shown:?}");
        assert!(shown.keys().eq(machine.processes.keys()), "{shown:?}");
        self.running = machine.running();
    }

    /// Checks that it knows the running processes, except those that have never called exec, and no others.
    pub(crate) fn assert_agrees_with(&self, machine: &Machine) {
        let mut running = machine.running();
        running.retain(|pid, _| !machine.processes[pid].never_execed);
        assert_eq!(self.running, running);
    }

    /// Checks that it knows the exit of an instance, if it knew the instance.
    pub(crate) fn assert_knows_exit_of(&self, instance: usize, machine: &Machine) {
        let has_execed = machine.instances[instance].has_execed;
        assert!(
            !has_execed || self.exited.contains(&instance),
            "the exit of instance {instance} was not reported"
        );
    }
}
