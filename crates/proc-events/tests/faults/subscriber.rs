//! A subscriber that checks its notifications: each of them must be possible on the machine.

use std::collections::{BTreeMap, HashMap, HashSet};

use proc_events::{EventData, LossCause, Notification, Origin, ProcessEvent};

use crate::machine::Machine;

/// The instances that a snapshot may report without a report of the kernel, by the time at which the snapshot was
/// reconciled. The likeliest maps come first.
pub(crate) type ShownInstances = HashMap<u64, Vec<BTreeMap<u32, usize>>>;

#[derive(Debug, Default)]
pub(crate) struct Subscriber {
    /// True if it gets all events at once, so that each one can be compared with the machine.
    pub(crate) is_strict: bool,
    /// True if its next notifications have waited for the bootstrap scan.
    pub(crate) is_late: bool,
    /// The processes that it takes for running, by pid. Several instances if no event has separated them.
    pub(crate) running: BTreeMap<u32, Vec<usize>>,
    /// The instances whose exit was reported.
    exited: HashSet<usize>,
    pub(crate) delivered: u64,
    pub(crate) lost_in_queue: u64,
    pub(crate) lost_in_socket: u64,
}

/// The instance that a reported exit belongs to.
enum ExitOf {
    Instance(usize),
    /// An instance that was never reported.
    UnreportedInstance,
    Nothing,
}

impl Subscriber {
    pub(crate) fn on_notification(
        &mut self,
        notification: &Notification,
        machine: &Machine,
        shown: &ShownInstances,
    ) {
        match notification {
            Notification::Event(event) | Notification::ScanEvent { event, .. } => {
                self.delivered += 1;
                if self.is_strict {
                    self.check_event(event, machine, shown);
                } else {
                    self.apply_event(event);
                }
            }
            Notification::Loss(loss) if loss.cause == LossCause::Queue => self.lost_in_queue += loss.lost,
            Notification::Loss(loss) => self.lost_in_socket += loss.lost,
            _ => {}
        }
    }

    fn apply_event(&mut self, event: &ProcessEvent) {
        match event.data {
            EventData::Exec { .. } => drop(self.running.insert(event.pid, Vec::new())),
            EventData::Exit { .. } => drop(self.running.remove(&event.pid)),
            _ => {}
        }
    }

    fn check_event(&mut self, event: &ProcessEvent, machine: &Machine, shown: &ShownInstances) {
        let pid = event.pid;
        let report = machine.reports.get(&event.timestamp_ns).copied();
        let name = event.process.as_ref().and_then(|process| process.name.as_deref());
        match event.data {
            EventData::Exec { again } => {
                let instances = match (event.origin, report) {
                    (Origin::Kernel, Some((instance, false))) => vec![instance],
                    _ => self.candidates(event, machine, shown),
                };
                assert!(!instances.is_empty(), "an exec after the exit, or of nothing: {event:?}");
                let can_exec = |instance: &usize| {
                    machine.instances[*instance].has_execed
                        && (!self.exited.contains(instance) || machine.has_ambiguous_exits(*instance))
                };
                let is_real = event.origin == Origin::Bootstrap || instances.iter().any(can_exec);
                assert!(is_real, "an exec that was none, or after the exit: {event:?}");
                let is_own = name.is_none_or(|name| name == instances[0].to_string());
                assert!(is_own, "the name of another instance: {event:?}");
                let running = self.running.entry(pid).or_default();
                running.retain(|known| again && !instances.contains(known));
                running.extend(instances);
            }
            EventData::Exit { status, .. } => {
                let running = self.running.remove(&pid).unwrap_or_default();
                let hides =
                    matches!(running[..], [only] if !machine.instances[only].has_exited_by(machine.now_ns));
                assert!(!hides, "an exit that hides instance {running:?}: {event:?}");
                if self.is_late {
                    return;
                }
                match self.exit_of(event, status.is_some(), &running, machine) {
                    ExitOf::Instance(instance) => drop(self.exited.insert(instance)),
                    ExitOf::UnreportedInstance => {}
                    ExitOf::Nothing => panic!("an exit of the living, or a second one: {event:?}"),
                }
            }
            _ => {}
        }
    }

    /// Returns the instances that an exec without a report may belong to: by its name, or by what was shown or known at that
    /// time.
    fn candidates(&self, event: &ProcessEvent, machine: &Machine, shown: &ShownInstances) -> Vec<usize> {
        let name = event.process.as_ref().and_then(|process| process.name.as_deref());
        if let Some(name) = name {
            return vec![name.parse().unwrap()];
        }
        let shown =
            shown[&event.timestamp_ns].iter().filter_map(|instances| instances.get(&event.pid).copied());
        let mut instances: Vec<_> =
            shown.chain(machine.created_before(event.pid, event.timestamp_ns).take(2)).collect();
        instances.sort_unstable();
        instances.dedup();
        instances.retain(|instance| !self.exited.contains(instance));
        instances
    }

    /// Returns the instance that has exited: the one of this report, or whose exit a watch showed, or that was taken for
    /// running. Reports of two instances of one pid may arrive in the wrong order.
    fn exit_of(
        &self,
        event: &ProcessEvent,
        has_status: bool,
        running: &[usize],
        machine: &Machine,
    ) -> ExitOf {
        let ProcessEvent { pid, timestamp_ns, .. } = *event;
        let has_exited = |instance: &usize| machine.instances[*instance].has_exited_by(machine.now_ns);
        let name = event.process.as_ref().and_then(|process| process.name.as_deref());
        // An exit that makes room for another process has no report of its own.
        let report = machine.reports.get(&timestamp_ns).copied();
        let reported = report
            .filter(|(instance, is_exit)| *is_exit && has_status && has_exited(instance))
            .map(|(instance, _)| instance);
        let noticed = machine.noticed.get(&(timestamp_ns, pid)).copied();
        let named = name.and_then(|name| name.parse().ok());
        let may_be_running = |instance: &usize| running.is_empty() || running.contains(instance);
        let likely = named.or(reported.filter(may_be_running)).or(noticed);
        let Some(known) = likely.or(running.iter().copied().find(has_exited)).or(reported) else {
            return if running.is_empty() { ExitOf::UnreportedInstance } else { ExitOf::Nothing };
        };
        let mut created = machine.created_before(pid, machine.now_ns);
        // One exit too many of an instance may have been reported as that of the instance before it.
        if self.exited.contains(&known) && created.any(|instance| machine.has_ambiguous_exits(instance)) {
            return ExitOf::UnreportedInstance;
        }
        // If the reports of two instances arrived in the wrong order, this exit may belong to the first later instance.
        let earlier = machine.created_before(pid, timestamp_ns);
        let mut later: Vec<_> = machine.created_before(pid, machine.now_ns).collect();
        later.reverse();
        let instance = std::iter::once(known)
            .chain(earlier)
            .chain(later)
            .find(|instance| has_exited(instance) && !self.exited.contains(instance));
        instance.map_or(ExitOf::Nothing, ExitOf::Instance)
    }

    /// Checks that it takes a process for running if and only if the process runs. It need not know a process that has never
    /// called exec.
    pub(crate) fn assert_agrees_with(&self, machine: &Machine) {
        for (pid, instances) in &self.running {
            let process = machine.processes.get(pid);
            let is_right =
                process.is_some_and(|process| !self.is_strict || instances.contains(&process.instance));
            assert!(is_right, "{pid} is taken for {instances:?}, not {process:?}");
        }
        for (pid, process) in &machine.processes {
            assert!(
                process.never_execed || self.running.contains_key(pid),
                "{pid} is not known: {process:?}"
            );
        }
    }
}
