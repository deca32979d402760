//! The bounded queue between the reader and one subscriber's thread, and its doorbell: rung at most once until the
//! subscriber has taken all that is queued. What does not fit is owed (see [`crate::overflow`]) or counted as lost.

use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::queue_state::State;
use crate::delivery::filter::{FilterRule, SubscriptionFilter};
use crate::model::event::AncestryTag;
use crate::model::event::ProcessEvent;
use crate::model::interest::{EventType, EventTypes, Interest};
use crate::model::notification::Notification;
use crate::model::stream_position::StreamPosition;

/// How many events wait for a subscriber at most, unless it says otherwise.
pub const DEFAULT_QUEUE_SIZE: usize = 65_536;

/// The bytes of captured texts that wait for a subscriber at most: 64 MiB. That is a thousand for each event of a full queue.
/// Events past this budget are treated as events past the number of events are.
const MAX_BYTES: usize = 64 << 20;

/// How full an outbox is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueStats {
    /// Events waiting now.
    pub depth: usize,
    /// Events that waited at most.
    pub high_water: usize,
    /// Events that were lost for want of room.
    pub lost: u64,
    /// Events that were kept without their texts, for want of room.
    pub without_texts: u64,
}

static NEXT_NUMBER: AtomicU32 = AtomicU32::new(1);

/// The queue of one subscriber.
pub struct SubscriberQueue {
    number: u32,
    state: Mutex<State>,
    closed: Condvar,
    waker: Box<dyn Fn() + Send + Sync>,
}

impl fmt::Debug for SubscriberQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SubscriberQueue").field("level", &self.level()).finish_non_exhaustive()
    }
}

impl SubscriberQueue {
    /// An outbox for `capacity` events. `waker` is called by the reader's thread and must not block. Live events
    /// wait until [`SubscriberQueue::deliver_scan`].
    #[must_use]
    pub fn new(capacity: usize, interest: Interest, waker: Box<dyn Fn() + Send + Sync>) -> Self {
        Self::with_max_bytes(capacity, MAX_BYTES, interest, waker)
    }

    fn with_max_bytes(
        capacity: usize,
        max_bytes: usize,
        interest: Interest,
        waker: Box<dyn Fn() + Send + Sync>,
    ) -> Self {
        let capacity = capacity.max(1);
        let number = NEXT_NUMBER.fetch_add(1, Ordering::Relaxed);
        let mut filter = SubscriptionFilter::new(number);
        filter.add(&FilterRule::of_all(interest));
        let state = State {
            interest,
            filter,
            capacity,
            max_bytes,
            awaiting_scan: true,
            wake_armed: true,
            ..State::default()
        };
        Self { number, state: Mutex::new(state), closed: Condvar::new(), waker }
    }

    /// What tells this outbox from all others of this program.
    pub const fn number(&self) -> u32 {
        self.number
    }

    // A panic while the lock was held leaves a queue that is still a queue.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the subscriber wants.
    pub fn interest(&self) -> Interest {
        self.state().interest
    }
    /// Sets what the subscriber wants from now on, and nothing else. Returns as [`SubscriberQueue::add_rule`] does.
    pub fn set_filter_rules(&self, rules: &[FilterRule]) -> bool {
        self.change_rules(|filter| filter.replace(rules))
    }
    /// Adds a rule. Returns true if the reader has to tag: the kinds, the details or the ancestors that all rules ask
    /// for together have changed.
    pub fn add_rule(&self, rule: &FilterRule) -> bool {
        self.change_rules(|filter| filter.add(rule))
    }
    /// Takes away a rule that equals one that was added. Returns as [`SubscriberQueue::add_rule`] does.
    pub fn remove_rule(&self, rule: &FilterRule) -> bool {
        self.change_rules(|filter| filter.remove(rule))
    }
    fn change_rules(&self, change: impl FnOnce(&mut SubscriptionFilter)) -> bool {
        let mut state = self.state();
        let before = (state.interest, state.filter.tags_revision());
        change(&mut state.filter);
        state.interest = state.filter.interest();
        before != (state.interest, state.filter.tags_revision())
    }
    /// Which kinds the kernel is to let through for it.
    pub fn kernel_types(&self) -> EventTypes {
        let state = self.state();
        let types = state.interest.types;
        if state.filter.has_ancestors() { types.union(EventTypes::of(EventType::Fork)) } else { types }
    }
    /// The ancestry tags of the subscriber, each with the pid of its ancestor.
    pub fn ancestry_tags(&self) -> Vec<(AncestryTag, u32)> {
        self.state().filter.ancestry_tags().collect()
    }
    /// A number that grows whenever [`SubscriberQueue::ancestry_tags`] changes.
    pub fn tags_revision(&self) -> u64 {
        self.state().filter.tags_revision()
    }
    /// Whether the scan at the start is still to come.
    pub fn awaiting_scan(&self) -> bool {
        self.state().awaiting_scan
    }
    /// How full it is.
    pub fn level(&self) -> QueueStats {
        let state = self.state();
        let depth = state.scan_queue.len() + state.live.len();
        let State { high_water, lost, without_texts, .. } = *state;
        QueueStats { depth, high_water, lost, without_texts }
    }

    /// The subscriber's place in the stream of messages: what comes from now on reaches it as live events.
    pub fn join(&self, mark: StreamPosition) {
        self.state().joined = mark;
    }
    /// See [`SubscriberQueue::join`].
    pub fn joined(&self) -> StreamPosition {
        self.state().joined
    }

    /// Queues those of `events` that the subscriber wants.
    pub fn push(&self, events: &[ProcessEvent]) {
        let mut state = self.state();
        state.push(events);
        self.wake(state);
    }

    /// Queues what a snapshot has made right of what the subscriber was told.
    pub fn repair(&self, events: &[ProcessEvent]) {
        let mut state = self.state();
        state.repair(events);
        self.wake(state);
    }

    /// Queues a notice; there is always room for one.
    pub fn notify(&self, notification: Notification) {
        let mut state = self.state();
        let is_end = matches!(notification, Notification::Failed(_) | Notification::Closed);
        if is_end {
            state.awaiting_scan = false;
        }
        // These come after whatever happened before them.
        if is_end || matches!(notification, Notification::Watched { .. }) {
            state.flush_overflow();
        }
        if matches!(notification, Notification::Closed) {
            state.is_closed = true;
            self.closed.notify_all();
        }
        state.add(notification);
        self.wake(state);
    }

    /// Waits, up to `limit`, until the reader has let go of this outbox.
    pub fn wait_closed(&self, limit: Duration) {
        let state = self.state();
        // What it returns tells only whether time ran out; the caller cannot do better than go on.
        drop(self.closed.wait_timeout_while(state, limit, |state| !state.is_closed));
    }

    /// Reports the processes found running: the first time ahead of the live events that waited, later behind what was
    /// told before.
    pub fn deliver_scan(&self, running: impl Iterator<Item = ProcessEvent>, id: u32) {
        let mut state = self.state();
        state.deliver_scan(running, id);
        self.wake(state);
    }

    fn wake(&self, mut state: MutexGuard<'_, State>) {
        if state.has_something() && std::mem::take(&mut state.wake_armed) {
            drop(state);
            (self.waker)();
        }
    }

    /// Moves up to `max` notices into `notifications`, fewer if they are large. Returns whether that was all: then the bell is armed again.
    pub fn take(&self, max: usize, notifications: &mut Vec<Notification>) -> bool {
        let mut state = self.state();
        let from_scan = max.min(state.scan_queue.len());
        notifications.extend(state.scan_queue.drain(..from_scan));
        let room = max - from_scan;
        if !state.awaiting_scan && room > 0 {
            if state.live.is_empty() {
                state.flush_overflow();
            }
            state.take(room, notifications);
        }
        // What is owed while the scan at the start is to come, is told with it.
        let is_all = !state.has_something() && (state.awaiting_scan || state.overflow.is_none());
        state.wake_armed |= is_all;
        is_all
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::error::Error;
    use crate::model::event::{Argv, EventData, Origin, ProcessInfo};
    use crate::model::interest::{EventType, EventTypes, Fields};
    use crate::model::notification::{LossCause, LossReport};

    fn queue(capacity: usize) -> (SubscriberQueue, Arc<AtomicUsize>) {
        let rings = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&rings);
        let bell = Box::new(move || {
            counted.fetch_add(1, Ordering::Relaxed);
        });
        (
            SubscriberQueue::new(
                capacity,
                Interest { types: EventTypes::LIFECYCLE, fields: Fields::NONE },
                bell,
            ),
            rings,
        )
    }
    fn exec(pid: u32) -> ProcessEvent {
        let data = EventData::Exec { again: false };
        ProcessEvent { pid, timestamp_ns: 0, origin: Origin::Kernel, data, process: None, ancestry: None }
    }
    fn drain(queue: &SubscriberQueue, max: usize) -> Vec<String> {
        let mut notifications = Vec::new();
        queue.take(max, &mut notifications);
        let name = |notification: &Notification| match notification {
            Notification::Event(ProcessEvent { pid, data: EventData::Exit { .. }, .. }) => format!("-{pid}"),
            Notification::Event(event) | Notification::ScanEvent { event, .. } => event.pid.to_string(),
            Notification::Loss(loss) => format!("lost {} recovered {}", loss.lost, loss.recovered_execs),
            other => format!("{other:?}").split([' ', '(']).next().unwrap_or_default().to_owned(),
        };
        notifications.iter().map(name).collect()
    }

    #[test]
    fn the_bell_rings_once_until_all_was_taken() {
        let (queue, rings) = queue(8);
        queue.deliver_scan(std::iter::empty(), 1);
        queue.push(&[exec(1)]);
        queue.push(&[exec(2)]);
        assert_eq!(rings.load(Ordering::Relaxed), 1);
        assert_eq!(drain(&queue, 2), ["ScanFinished", "1"]);
        queue.push(&[exec(3)]);
        assert_eq!(rings.load(Ordering::Relaxed), 1);
        assert_eq!(drain(&queue, 9), ["2", "3"]);
        queue.push(&[exec(4)]);
        assert_eq!(rings.load(Ordering::Relaxed), 2);
        assert_eq!(drain(&queue, 1), ["4"]);
        assert!(drain(&queue, 9).is_empty());
        queue.push(&[exec(5)]);
        assert_eq!(rings.load(Ordering::Relaxed), 3);
    }

    #[test]
    fn live_events_wait_for_the_scan() {
        let (queue, rings) = queue(8);
        queue.push(&[exec(9)]);
        assert_eq!(rings.load(Ordering::Relaxed), 0);
        assert!(drain(&queue, 9).is_empty());
        queue.deliver_scan([exec(1), exec(2)].into_iter(), 7);
        assert_eq!(drain(&queue, 9), ["1", "2", "ScanFinished", "9"]);
    }

    #[test]
    fn what_was_told_live_before_the_scan_is_made_right_behind_it() {
        let (queue, _) = queue(8);
        let exit = EventData::Exit { status: None, ppid: None, duration_ns: None, known: true };
        let gone = |pid| ProcessEvent { data: exit, ..exec(pid) };
        queue.push(&[exec(1), exec(2)]);
        queue.repair(&[gone(1), gone(3), exec(4)]);
        queue.deliver_scan([exec(1), exec(4)].into_iter(), 7);
        assert_eq!(drain(&queue, 9), ["4", "ScanFinished", "1", "2", "-1", "1"]);
    }

    #[test]
    fn what_does_not_fit_is_owed_and_told_in_its_turn() {
        let (queue, _) = queue(2);
        queue.deliver_scan(std::iter::empty(), 1);
        let gone = ProcessEvent {
            data: EventData::Exit { status: None, ppid: None, duration_ns: None, known: true },
            ..exec(4)
        };
        queue.push(&[exec(1), exec(2), exec(3), exec(4), gone]);
        assert_eq!(drain(&queue, 2), ["ScanFinished", "1"]);
        queue.push(&[exec(5)]);
        assert_eq!(drain(&queue, 9), ["2"]);
        let mut owed = drain(&queue, 9);
        assert_eq!(owed.pop().as_deref(), Some("lost 2 recovered 2"));
        owed.sort();
        assert_eq!(owed, ["3", "5"]);
        assert_eq!(queue.level(), QueueStats { depth: 0, high_water: 2, lost: 2, without_texts: 0 });
    }

    #[test]
    fn texts_that_do_not_fit_are_owed_and_then_left_out() {
        let big = |pid| {
            let argv = Argv { text: "x".repeat(1000).into(), truncated: false };
            let process = ProcessInfo { argv: Some(argv), ..ProcessInfo::default() };
            ProcessEvent { process: Some(Arc::new(process)), ..exec(pid) }
        };
        let interest = Interest { types: EventTypes::LIFECYCLE, fields: Fields::NONE };
        let queue = SubscriberQueue::with_max_bytes(1000, 8000, interest, Box::new(|| {}));
        queue.deliver_scan(std::iter::empty(), 1);
        for round in 0..3 {
            let events: Vec<_> = (1..=20).map(|pid| big(100 * round + pid)).collect();
            queue.push(&events);
            let mut notifications = Vec::new();
            while !queue.take(3, &mut notifications) {}
            let whole = |notification: &&Notification| matches!(notification, Notification::Event(event) if event.weight() == 1000);
            let events = notifications
                .iter()
                .filter(|notification| matches!(notification, Notification::Event(_)))
                .count();
            // Six are queued, and there is room for two that are owed.
            assert_eq!((events, notifications.iter().filter(whole).count()), (20, 8));
            assert_eq!(queue.state().bytes, 0, "what was taken no longer counts");
        }
        assert_eq!(queue.level().without_texts, 36);
    }

    #[test]
    fn a_failure_at_the_start_is_told_though_live_events_wait() {
        let (queue, _) = queue(2);
        queue.push(&[exec(1)]);
        queue.notify(Notification::Failed(Error::shown_by(crate::error::ErrorCode::SourceFailed, "test")));
        queue.notify(Notification::Closed);
        assert_eq!(drain(&queue, 9), ["1", "Failed", "Closed"]);
    }
    #[test]
    fn what_is_owed_of_execs_alone_is_bounded_by_the_living() {
        let execs =
            Interest { types: EventTypes::from_bits(1 << EventType::Exec as u16), fields: Fields::NONE };
        let queue = SubscriberQueue::new(4, execs, Box::new(|| {}));
        queue.deliver_scan(std::iter::empty(), 1);
        let exit = EventData::Exit { status: None, ppid: None, duration_ns: None, known: true };
        for pid in 2..20_000 {
            queue.push(&[exec(pid), ProcessEvent { data: exit, ..exec(pid) }]);
        }
        let told = [drain(&queue, usize::MAX), drain(&queue, usize::MAX)].concat();
        assert_eq!(told, ["ScanFinished", "2", "3", "4", "5", "lost 19994 recovered 0"]);
    }

    #[test]
    fn nothing_follows_the_end() {
        let (queue, _) = queue(1);
        queue.deliver_scan(std::iter::empty(), 1);
        queue.push(&[exec(1), exec(2)]);
        queue.notify(Notification::Closed);
        assert_eq!(drain(&queue, 9), ["ScanFinished", "1", "2", "Closed"]);
    }

    #[test]
    fn losses_that_nobody_has_asked_for_are_told_as_one() {
        let (queue, _) = queue(1);
        queue.deliver_scan(std::iter::empty(), 1);
        let loss = LossReport { cause: LossCause::Socket, lost: 2, recovered_execs: 1, recovered_exits: 0 };
        for _ in 0..1000 {
            queue.notify(Notification::Loss(loss));
        }
        assert_eq!(drain(&queue, 9), ["ScanFinished", "lost 2000 recovered 1000"]);
    }
}
