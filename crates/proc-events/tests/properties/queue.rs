//! The queue to one subscriber: whatever does not fit, what it drains in the end tells what runs.

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
    /// A batch: which process, and what it does.
    Push(Vec<(u32, Action)>),
    Take(usize),
    /// A snapshot is compared, for others.
    Repair,
    /// The scan at the start.
    Release,
}

#[derive(Clone, Copy, Debug)]
enum Action {
    Exec,
    Exit,
    ChangeSession,
    /// Its exec, or its exit, is lost, or was never one.
    AppearUnheard,
    VanishUnheard,
}

fn actions(most: usize) -> impl Strategy<Value = Vec<(u32, Action)>> {
    let action = prop_oneof![
        6 => Just(Action::Exec),
        5 => Just(Action::Exit),
        1 => Just(Action::ChangeSession),
        1 => Just(Action::AppearUnheard),
        1 => Just(Action::VanishUnheard),
    ];
    vec((0..PIDS, action), 0..most)
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => actions(8).prop_map(Step::Push),
        8 => (0..8usize).prop_map(Step::Take),
        1 => Just(Step::Repair),
        1 => Just(Step::Release),
    ];
    vec(step, 0..60)
}

/// Lives by their pids.
type Lives = BTreeMap<u32, u32>;

/// What runs, and what the table has told of: the events of the two are as the table makes them.
#[derive(Debug, Default)]
struct Truth {
    running: Lives,
    told: Lives,
    /// Those of which an exec was heard since the subscriber came.
    heard: Lives,
    lives: u32,
}

impl Truth {
    fn new(running: [bool; PIDS as usize], told: [bool; PIDS as usize]) -> Self {
        let mut truth = Self { lives: PIDS, ..Self::default() };
        truth.running.extend((0..PIDS).filter(|pid| running[*pid as usize]).map(|pid| (pid, pid)));
        truth.told = truth.running.clone();
        truth.told.retain(|pid, _| told[*pid as usize]);
        truth
    }

    fn live(&mut self, pid: u32) -> u32 {
        self.lives += 1;
        *self.running.entry(pid).or_insert(self.lives)
    }

    fn events(&mut self, actions: Vec<(u32, Action)>) -> Vec<ProcessEvent> {
        actions.into_iter().filter_map(|(pid, action)| Some(event(pid, self.data(pid, action)?))).collect()
    }

    fn data(&mut self, pid: u32, action: Action) -> Option<EventData> {
        match action {
            Action::Exec => {
                let life = self.live(pid);
                self.heard.insert(pid, life);
                Some(EventData::Exec { again: self.told.insert(pid, life).is_some() })
            }
            Action::Exit => {
                self.running.remove(&pid);
                Some(exit(self.told.remove(&pid).is_some()))
            }
            Action::ChangeSession => Some(EventData::Sid),
            Action::AppearUnheard => {
                self.live(pid);
                None
            }
            Action::VanishUnheard => {
                self.running.remove(&pid);
                None
            }
        }
    }

    /// What a snapshot makes right.
    fn repairs(&mut self) -> Vec<ProcessEvent> {
        let differs = |one: &Lives, other: &Lives| -> Vec<u32> {
            one.iter().filter(|(pid, life)| other.get(pid) != Some(life)).map(|(pid, _)| *pid).collect()
        };
        let exits = differs(&self.told, &self.running).into_iter().map(|pid| event(pid, exit(true)));
        let execs = differs(&self.running, &self.told).into_iter().map(exec);
        let repairs = exits.chain(execs).collect();
        self.told.clone_from(&self.running);
        repairs
    }

    /// What the scan at the start tells after that.
    fn scan(&self) -> Vec<ProcessEvent> {
        let unheard = self.running.iter().filter(|(pid, life)| self.heard.get(pid) != Some(life));
        unheard.map(|(&pid, _)| exec(pid)).collect()
    }
}

fn exec(pid: u32) -> ProcessEvent {
    event(pid, EventData::Exec { again: false })
}

fn exit(known: bool) -> EventData {
    EventData::Exit { status: None, ppid: None, duration_ns: None, known }
}

fn event(pid: u32, data: EventData) -> ProcessEvent {
    ProcessEvent { pid, timestamp_ns: 0, origin: Origin::Kernel, data, process: None, ancestry: None }
}

/// What a subscriber makes of what it drains.
#[derive(Debug, Default)]
struct SubscriberModel {
    running: BTreeSet<u32>,
    /// What others were told of before: if it ends before the scan, its exit comes without an exec.
    told_to_others: BTreeSet<(u32, u32)>,
    delivered: u64,
    lost: u64,
}

impl SubscriberModel {
    fn handle_datagram(&mut self, event: &ProcessEvent) {
        self.delivered += 1;
        match event.data {
            EventData::Exec { again } => {
                let is_new = self.running.insert(event.pid);
                assert!(is_new || again, "told twice: {event:?}");
            }
            EventData::Exit { known, .. } => {
                let was_running = self.running.remove(&event.pid);
                assert!(known || !was_running, "not known, though told: {event:?}");
                if !known {
                    return;
                }
                let told = self.told_to_others.iter().find(|(pid, _)| *pid == event.pid).copied();
                let may_be_known = was_running || told.is_some_and(|told| self.told_to_others.remove(&told));
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
                    self.handle_datagram(event);
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
    fn whatever_does_not_fit_the_subscriber_ends_up_right(
        capacity in prop_oneof![1..6usize, 1..100usize],
        types in prop_oneof![3 => Just(EventTypes::LIFECYCLE), 1 => Just(EventTypes::ALL)],
        asks_late in any::<bool>(),
        (running, told) in any::<([bool; PIDS as usize], [bool; PIDS as usize])>(),
        steps in steps(),
    ) {
        let interest = |types| Interest { types, fields: Fields::NONE };
        let early = if asks_late { EventTypes::NONE } else { types };
        let queue = SubscriberQueue::new(capacity, interest(early), Box::new(|| {}));
        let mut truth = Truth::new(running, told);
        let mut view = SubscriberModel { told_to_others: truth.told.clone().into_iter().collect(), ..SubscriberModel::default() };
        // While the scan is to come, a repair is queued only where it concerns what waits.
        let (mut pushed, mut may_be_pushed) = (0, 0);
        for step in steps.into_iter().chain([Step::Release, Step::Repair]) {
            match step {
                Step::Push(actions) => {
                    let events = truth.events(actions);
                    let wanted = if queue.awaiting_scan() { early.union(EventTypes::LIFECYCLE) } else { types };
                    pushed += events.iter().filter(|event| wanted.has(event.data.event_type())).count() as u64;
                    queue.push(&events);
                }
                Step::Take(most) => {
                    let is_any = view.drain(&queue, most);
                    prop_assert!(!is_any || !queue.awaiting_scan(), "live events before the scan");
                }
                Step::Repair | Step::Release => {
                    let repairs = truth.repairs();
                    if queue.awaiting_scan() {
                        view.told_to_others.extend(truth.told.clone());
                    }
                    let count = if queue.awaiting_scan() { &mut may_be_pushed } else { &mut pushed };
                    *count += repairs.len() as u64;
                    queue.repair(&repairs);
                    if matches!(step, Step::Release) && queue.awaiting_scan() {
                        queue.set_filter_rules(&[FilterRule { types, ..FilterRule::default() }]);
                        pushed += truth.scan().len() as u64;
                        queue.deliver_scan(truth.scan().into_iter(), 1);
                    }
                }
            }
            // What is owed comes at once, when all before it was taken: per process an exit and an exec, and the loss.
            let owed = 2 * PIDS as usize + 1;
            let scan_queue = PIDS as usize + 1;
            prop_assert!(queue.stats().depth <= capacity.max(owed) + scan_queue);
        }
        while view.drain(&queue, 7) {}
        prop_assert!(view.running.iter().eq(truth.running.keys()), "{:?}, not {:?}", view.running, truth.running);
        let accounted = view.delivered + view.lost;
        prop_assert!((pushed..=pushed + may_be_pushed).contains(&accounted), "{accounted} of {pushed}");
        prop_assert_eq!(view.lost, queue.stats().lost);
    }

    #[test]
    fn a_queue_that_is_never_drained_holds_no_more_than_its_size(
        capacity in 1..20usize, held in any::<bool>(), batches in vec(actions(8), 0..20)
    ) {
        let queue = SubscriberQueue::new(capacity, Interest { types: EventTypes::ALL, fields: Fields::NONE }, Box::new(|| {}));
        if !held {
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
    fn what_is_owed_makes_a_view_right(known in any::<[bool; PIDS as usize]>(), actions in actions(60)) {
        let mut truth = Truth::new(known, known);
        let mut view = SubscriberModel { running: truth.running.keys().copied().collect(), ..SubscriberModel::default() };
        let mut events = truth.events(actions);
        events.extend(truth.repairs());
        let mut overflow = Overflow::default();
        for event in &events {
            overflow.add(event.clone(), true);
        }
        let owed: Vec<_> = overflow.pids().collect();
        let flush = overflow.flush();
        for event in &flush.events {
            view.handle_datagram(event);
        }
        prop_assert!(view.running.iter().eq(truth.running.keys()), "{:?}, not {:?}", view.running, truth.running);
        prop_assert_eq!(view.delivered + flush.lost, events.len() as u64);
        let is_exec = |event: &ProcessEvent| matches!(event.data, EventData::Exec { .. });
        prop_assert!(flush.events.is_sorted_by_key(is_exec), "an exec before an exit");
        let execs = flush.events.iter().filter(|event| is_exec(event)).count();
        prop_assert_eq!((flush.execs as usize, flush.exits as usize), (execs, flush.events.len() - execs));
        for (pid, runs) in owed {
            prop_assert_eq!(runs, view.running.contains(&pid));
            prop_assert!(flush.events.iter().any(|event| event.pid == pid));
        }
    }
}
