//! The queue of one subscriber. Even if events overflow it, the subscriber knows the running processes afterwards.

use std::collections::{BTreeMap, BTreeSet};

use proc_events::delivery::overflow::Overflow;
use proc_events::delivery::queue::SubscriberQueue;
use proc_events::{
    EventData, EventTypes, Fields, FilterRule, Interest, LossCause, Notification, Origin, ProcessEvent,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::Config;

const PIDS: u32 = 6;

#[derive(Clone, Debug)]
enum Step {
    /// Pushes a batch of actions, each with its pid.
    Push(Vec<(u32, Action)>),
    Take(usize),
    /// Reconciles a snapshot for another subscriber.
    Repair,
    /// Delivers the bootstrap scan.
    DeliverScan,
}

#[derive(Clone, Copy, Debug)]
enum Action {
    Exec,
    Exit,
    ChangeSession,
    /// The process starts, and its exec is lost, or it never calls exec.
    StartUnreported,
    /// The process exits, and its exit is lost.
    ExitUnreported,
}

fn actions(most: usize) -> impl Strategy<Value = Vec<(u32, Action)>> {
    let action = prop_oneof![
        6 => Just(Action::Exec),
        5 => Just(Action::Exit),
        1 => Just(Action::ChangeSession),
        1 => Just(Action::StartUnreported),
        1 => Just(Action::ExitUnreported),
    ];
    vec((0..PIDS, action), 0..most)
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => actions(8).prop_map(Step::Push),
        8 => (0..8usize).prop_map(Step::Take),
        1 => Just(Step::Repair),
        1 => Just(Step::DeliverScan),
    ];
    vec(step, 0..60)
}

/// Process instances by their pids.
type Instances = BTreeMap<u32, u32>;

/// The running processes, and the process table. Makes the events that the table makes.
#[derive(Debug, Default)]
struct Truth {
    running: Instances,
    /// The instances that the table has reported.
    reported: Instances,
    /// The instances whose exec was reported since the subscriber joined.
    execed: Instances,
    instances: u32,
}

impl Truth {
    fn new(running: [bool; PIDS as usize], reported: [bool; PIDS as usize]) -> Self {
        let mut truth = Self { instances: PIDS, ..Self::default() };
        truth.running.extend((0..PIDS).filter(|pid| running[*pid as usize]).map(|pid| (pid, pid)));
        truth.reported = truth.running.clone();
        truth.reported.retain(|pid, _| reported[*pid as usize]);
        truth
    }

    fn start(&mut self, pid: u32) -> u32 {
        self.instances += 1;
        *self.running.entry(pid).or_insert(self.instances)
    }

    fn events(&mut self, actions: Vec<(u32, Action)>) -> Vec<ProcessEvent> {
        actions.into_iter().filter_map(|(pid, action)| Some(event(pid, self.data(pid, action)?))).collect()
    }

    fn data(&mut self, pid: u32, action: Action) -> Option<EventData> {
        match action {
            Action::Exec => {
                let instance = self.start(pid);
                self.execed.insert(pid, instance);
                Some(EventData::Exec { again: self.reported.insert(pid, instance).is_some() })
            }
            Action::Exit => {
                self.running.remove(&pid);
                Some(exit(self.reported.remove(&pid).is_some()))
            }
            Action::ChangeSession => Some(EventData::Sid),
            Action::StartUnreported => {
                self.start(pid);
                None
            }
            Action::ExitUnreported => {
                self.running.remove(&pid);
                None
            }
        }
    }

    /// Returns the events of a reconciliation.
    fn repairs(&mut self) -> Vec<ProcessEvent> {
        let differs = |one: &Instances, other: &Instances| -> Vec<u32> {
            one.iter()
                .filter(|(pid, instance)| other.get(pid) != Some(instance))
                .map(|(pid, _)| *pid)
                .collect()
        };
        let exits = differs(&self.reported, &self.running).into_iter().map(|pid| event(pid, exit(true)));
        let execs = differs(&self.running, &self.reported).into_iter().map(exec);
        let repairs = exits.chain(execs).collect();
        self.reported.clone_from(&self.running);
        repairs
    }

    /// Returns the events of the bootstrap scan after a reconciliation.
    fn scan(&self) -> Vec<ProcessEvent> {
        let unreported = self.running.iter().filter(|(pid, instance)| self.execed.get(pid) != Some(instance));
        unreported.map(|(&pid, _)| exec(pid)).collect()
    }
}

fn exec(pid: u32) -> ProcessEvent {
    event(pid, EventData::Exec { again: false })
}

fn exit(known: bool) -> EventData {
    EventData::Exit { status: None, ppid: None, ran: None, known }
}

fn event(pid: u32, data: EventData) -> ProcessEvent {
    ProcessEvent::new(pid, 0, Origin::Kernel, data, None)
}

/// A subscriber that checks the notifications it takes.
#[derive(Debug, Default)]
struct SubscriberModel {
    running: BTreeSet<u32>,
    /// Instances that were reported to other subscribers before the scan. If one exits before the scan, its exit comes
    /// without an exec.
    reported_to_others: BTreeSet<(u32, u32)>,
    delivered: u64,
    lost: u64,
}

impl SubscriberModel {
    fn on_event(&mut self, event: &ProcessEvent) {
        self.delivered += 1;
        match event.data {
            EventData::Exec { again } => {
                let is_new = self.running.insert(event.pid);
                assert!(is_new || again, "reported twice: {event:?}");
            }
            EventData::Exit { known, .. } => {
                let was_running = self.running.remove(&event.pid);
                assert!(known || !was_running, "unknown, but reported: {event:?}");
                if !known {
                    return;
                }
                let before = self.reported_to_others.iter().find(|(pid, _)| *pid == event.pid).copied();
                let may_be_known =
                    was_running || before.is_some_and(|before| self.reported_to_others.remove(&before));
                assert!(may_be_known, "a second exit, or one of nothing: {event:?}");
            }
            _ => {}
        }
    }

    fn drain(&mut self, queue: &SubscriberQueue, most: usize) -> bool {
        let mut notifications = Vec::new();
        queue.take(most, &mut notifications);
        assert!(notifications.len() <= most);
        for notification in &notifications {
            match notification {
                Notification::Event(event) | Notification::ScanEvent { event, .. } => {
                    self.on_event(event);
                }
                Notification::Loss(loss) => {
                    assert_eq!(loss.cause, LossCause::Queue);
                    self.lost += loss.lost;
                }
                other => assert!(matches!(other, Notification::ScanFinished { .. }), "{other:?}"),
            }
        }
        !notifications.is_empty()
    }
}

proptest! {
    #![proptest_config(Config { cases: 1024, ..crate::config() })]

    #[test]
    fn subscriber_converges_after_any_overflow(
        capacity in prop_oneof![1..6usize, 1..100usize],
        types in prop_oneof![3 => Just(EventTypes::LIFECYCLE), 1 => Just(EventTypes::ALL)],
        subscribes_late in any::<bool>(),
        (running, reported) in any::<([bool; PIDS as usize], [bool; PIDS as usize])>(),
        steps in steps(),
    ) {
        let interest = |types| Interest { types, fields: Fields::NONE, recapture: false };
        let early = if subscribes_late { EventTypes::NONE } else { types };
        let queue = SubscriberQueue::new(capacity, interest(early), Box::new(|| {}));
        let mut truth = Truth::new(running, reported);
        let mut model = SubscriberModel { reported_to_others: truth.reported.clone().into_iter().collect(), ..SubscriberModel::default() };
        // While the scan is pending, a repair is queued only if it concerns a queued process.
        let (mut pushed, mut may_be_pushed) = (0, 0);
        for step in steps.into_iter().chain([Step::DeliverScan, Step::Repair]) {
            match step {
                Step::Push(actions) => {
                    let events = truth.events(actions);
                    let wanted = if queue.awaiting_scan() { early.union(EventTypes::LIFECYCLE) } else { types };
                    pushed += events.iter().filter(|event| wanted.has(event.data.event_type())).count() as u64;
                    queue.push(&events);
                }
                Step::Take(most) => {
                    let is_any = model.drain(&queue, most);
                    prop_assert!(!is_any || !queue.awaiting_scan(), "live events before the scan");
                }
                Step::Repair | Step::DeliverScan => {
                    let repairs = truth.repairs();
                    if queue.awaiting_scan() {
                        model.reported_to_others.extend(truth.reported.clone());
                    }
                    let count = if queue.awaiting_scan() { &mut may_be_pushed } else { &mut pushed };
                    *count += repairs.len() as u64;
                    queue.repair(&repairs);
                    if matches!(step, Step::DeliverScan) && queue.awaiting_scan() {
                        queue.set_filter_rules(&[FilterRule { types, ..FilterRule::default() }]);
                        pushed += truth.scan().len() as u64;
                        queue.deliver_scan(truth.scan().into_iter(), 1);
                    }
                }
            }
            // Coalesced events are queued at once when the queue is empty: an exit and an exec per process, and the loss.
            let coalesced = 2 * PIDS as usize + 1;
            let scan = PIDS as usize + 1;
            prop_assert!(queue.stats().depth <= capacity.max(coalesced) + scan);
        }
        while model.drain(&queue, 7) {}
        prop_assert!(model.running.iter().eq(truth.running.keys()), "{:?}, not {:?}", model.running, truth.running);
        let accounted = model.delivered + model.lost;
        prop_assert!((pushed..=pushed + may_be_pushed).contains(&accounted), "{accounted} of {pushed}");
        prop_assert_eq!(model.lost, queue.stats().lost);
    }

    #[test]
    fn undrained_queue_never_exceeds_its_capacity(
        capacity in 1..20usize, awaits_scan in any::<bool>(), batches in vec(actions(8), 0..20)
    ) {
        let queue = SubscriberQueue::new(capacity, Interest { types: EventTypes::ALL, fields: Fields::NONE, recapture: false }, Box::new(|| {}));
        if !awaits_scan {
            queue.deliver_scan(std::iter::empty(), 1);
            SubscriberModel::default().drain(&queue, 1);
        }
        let (mut truth, mut pushed) = (Truth::default(), 0);
        for actions in batches {
            let events = truth.events(actions);
            pushed += events.len();
            queue.push(&events);
            let held = pushed.min(capacity);
            prop_assert_eq!((queue.stats().depth, queue.stats().high_water), (held, held));
        }
    }

    #[test]
    fn overflow_flush_updates_a_subscriber(known in any::<[bool; PIDS as usize]>(), actions in actions(60)) {
        let mut truth = Truth::new(known, known);
        let mut model = SubscriberModel { running: truth.running.keys().copied().collect(), ..SubscriberModel::default() };
        let mut events = truth.events(actions);
        events.extend(truth.repairs());
        let mut overflow = Overflow::default();
        for event in &events {
            overflow.add(event.clone(), true);
        }
        let owed: Vec<_> = overflow.pids().collect();
        let flush = overflow.flush();
        for event in &flush.events {
            model.on_event(event);
        }
        prop_assert!(model.running.iter().eq(truth.running.keys()), "{:?}, not {:?}", model.running, truth.running);
        prop_assert_eq!(model.delivered + flush.lost, events.len() as u64);
        let is_exec = |event: &ProcessEvent| matches!(event.data, EventData::Exec { .. });
        prop_assert!(flush.events.is_sorted_by_key(is_exec), "an exec before an exit");
        let execs = flush.events.iter().filter(|event| is_exec(event)).count();
        prop_assert_eq!((flush.execs as usize, flush.exits as usize), (execs, flush.events.len() - execs));
        for (pid, runs) in owed {
            prop_assert_eq!(runs, model.running.contains(&pid));
            prop_assert!(flush.events.iter().any(|event| event.pid == pid));
        }
    }
}
