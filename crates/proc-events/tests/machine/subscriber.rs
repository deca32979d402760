//! What a subscriber makes of its notices, and whether they can be true.

use std::collections::{BTreeMap, HashMap, HashSet};

use proc_events::{EventData, LossCause, Notification, Origin, ProcessEvent};

use crate::machine::Machine;

/// Which lives may be told without a report of their own, the likeliest first, by the time at which a snapshot was
/// settled.
pub(crate) type Shown = HashMap<u64, Vec<BTreeMap<u32, usize>>>;

#[derive(Debug, Default)]
pub(crate) struct Subscriber {
    /// Whether it hears everything, and at once, so that each event can be held against the machine.
    pub(crate) is_strict: bool,
    /// Whether what it hears now has waited for the scan at the start.
    pub(crate) is_late: bool,
    /// The processes that it believes to be running, and which lives these are: more than one where nothing has told
    /// them apart.
    pub(crate) running: BTreeMap<u32, Vec<usize>>,
    /// Lives whose end it was told.
    ended: HashSet<usize>,
    pub(crate) delivered: u64,
    pub(crate) lost_in_queue: u64,
    pub(crate) lost_in_socket: u64,
}

/// Whose exit was told.
enum Ending {
    Of(usize),
    /// One that was never told of.
    OfSomeLife,
    OfNone,
}

impl Subscriber {
    pub(crate) fn handle_datagram(&mut self, notification: &Notification, machine: &Machine, shown: &Shown) {
        match notification {
            Notification::Event(event) | Notification::ScanEvent { event, .. } => {
                self.delivered += 1;
                if self.is_strict {
                    self.hear_event(event, machine, shown);
                } else {
                    self.believe(event);
                }
            }
            Notification::Loss(loss) if loss.cause == LossCause::Queue => self.lost_in_queue += loss.lost,
            Notification::Loss(loss) => self.lost_in_socket += loss.lost,
            _ => {}
        }
    }

    fn believe(&mut self, event: &ProcessEvent) {
        match event.data {
            EventData::Exec { .. } => drop(self.running.insert(event.pid, Vec::new())),
            EventData::Exit { .. } => drop(self.running.remove(&event.pid)),
            _ => {}
        }
    }

    fn hear_event(&mut self, event: &ProcessEvent, machine: &Machine, shown: &Shown) {
        let pid = event.pid;
        let sent = machine.sent.get(&event.timestamp_ns).copied();
        let name = event.process.as_ref().and_then(|process| process.name.as_deref());
        match event.data {
            EventData::Exec { again } => {
                let lives = match (event.origin, sent) {
                    (Origin::Kernel, Some((life, false))) => vec![life],
                    _ => self.shown(event, machine, shown),
                };
                assert!(!lives.is_empty(), "an exec after the exit, or of nothing: {event:?}");
                let is_one = |life: &usize| {
                    machine.lives[*life].has_execed
                        && (!self.ended.contains(life) || is_excused(*life, machine))
                };
                let is_real = event.origin == Origin::Bootstrap || lives.iter().any(is_one);
                assert!(is_real, "an exec that was none, or after the exit: {event:?}");
                assert!(name.is_none_or(|name| name == lives[0].to_string()), "another's name: {event:?}");
                let believed = self.running.entry(pid).or_default();
                believed.retain(|known| again && !lives.contains(known));
                believed.extend(lives);
            }
            EventData::Exit { status, .. } => {
                let believed = self.running.remove(&pid).unwrap_or_default();
                let hides =
                    matches!(believed[..], [only] if !machine.lives[only].has_ended_by(machine.now_ns));
                assert!(!hides, "an exit that hides life {believed:?}: {event:?}");
                if self.is_late {
                    return;
                }
                match self.ending(event, status.is_some(), &believed, machine) {
                    Ending::Of(life) => drop(self.ended.insert(life)),
                    Ending::OfSomeLife => {}
                    Ending::OfNone => panic!("an exit of the living, or a second one: {event:?}"),
                }
            }
            _ => {}
        }
    }

    /// Which lives this may be, told without a report: by its name, or by what was shown or known at that time.
    fn shown(&self, event: &ProcessEvent, machine: &Machine, shown: &Shown) -> Vec<usize> {
        let name = event.process.as_ref().and_then(|process| process.name.as_deref());
        if let Some(name) = name {
            return vec![name.parse().unwrap()];
        }
        let shown = shown[&event.timestamp_ns].iter().filter_map(|lives| lives.get(&event.pid).copied());
        let mut lives: Vec<_> =
            shown.chain(machine.born_before(event.pid, event.timestamp_ns).take(2)).collect();
        lives.sort_unstable();
        lives.dedup();
        lives.retain(|life| !self.ended.contains(life));
        lives
    }

    /// Which life it is that has ended: the one whose report this is, or whose end was noticed, or that was believed to
    /// run. Reports of two lives of one pid may come in the wrong order.
    fn ending(
        &self,
        event: &ProcessEvent,
        has_status: bool,
        believed: &[usize],
        machine: &Machine,
    ) -> Ending {
        let ProcessEvent { pid, timestamp_ns, .. } = *event;
        let ended = |life: &usize| machine.lives[*life].has_ended_by(machine.now_ns);
        let name = event.process.as_ref().and_then(|process| process.name.as_deref());
        let sent = machine.sent.get(&timestamp_ns).copied();
        // One that makes room for another has no report of its own.
        let reported =
            sent.filter(|(life, is_exit)| *is_exit && has_status && ended(life)).map(|(life, _)| life);
        let noticed = machine.noticed.get(&(timestamp_ns, pid)).copied();
        let named = name.and_then(|name| name.parse().ok());
        let is_believed = |life: &usize| believed.is_empty() || believed.contains(life);
        let likely = named.or(reported.filter(is_believed)).or(noticed);
        let Some(known) = likely.or(believed.iter().copied().find(ended)).or(reported) else {
            return if believed.is_empty() { Ending::OfSomeLife } else { Ending::OfNone };
        };
        let mut on_fork = machine.born_before(pid, machine.now_ns);
        // One exit too many of a life may have been told as that of the life before it.
        if self.ended.contains(&known) && on_fork.any(|life| is_excused(life, machine)) {
            return Ending::OfSomeLife;
        }
        // Where the reports of two lives came in the wrong order, this may be one that began later: the first of them.
        let earlier = machine.born_before(pid, timestamp_ns);
        let mut later: Vec<_> = machine.born_before(pid, machine.now_ns).collect();
        later.reverse();
        let life = std::iter::once(known)
            .chain(earlier)
            .chain(later)
            .find(|life| ended(life) && !self.ended.contains(life));
        life.map_or(Ending::OfNone, Ending::Of)
    }

    /// Nothing that runs is missing, but for what has never called exec; nothing that does not is believed to.
    pub(crate) fn assert_agrees_with(&self, machine: &Machine) {
        for (pid, lives) in &self.running {
            let running = machine.processes.get(pid);
            let is_one = running.is_some_and(|running| !self.is_strict || lives.contains(&running.life));
            assert!(is_one, "{pid} is believed to be {lives:?}, not {running:?}");
        }
        for (pid, running) in &machine.processes {
            assert!(
                running.never_execed || self.running.contains_key(pid),
                "{pid} is not known: {running:?}"
            );
        }
    }
}

/// Where an exec was lost that made the leader's exit one of many, that looks like any.
fn is_excused(life: usize, machine: &Machine) -> bool {
    machine.lives[life].was_taken_over && machine.lives[life].was_lost
}
