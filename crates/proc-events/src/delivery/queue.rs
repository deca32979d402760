//! The bounded queue between the reader thread and one subscriber.
//!
//! The queue calls its waker at most once until the subscriber has taken everything. Events that do not fit are
//! coalesced, see [`crate::delivery::overflow`], or count as lost.

use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::queue_state::QueueState;
use crate::delivery::filter::{FilterRule, SubscriptionFilter};
use crate::model::event::AncestryTag;
use crate::model::event::ProcessEvent;
use crate::model::interest::{EventType, EventTypes, Field, Interest};
use crate::model::notification::Notification;
use crate::model::stream_position::StreamPosition;

/// Default number of live events that a queue holds.
pub(crate) const DEFAULT_QUEUE_SIZE: usize = 65_536;

/// Maximum size of the captured texts that a queue holds: 64 MiB, or 1,000 bytes for each event of a full queue. Past
/// it, the queue coalesces events as it does past its number of events.
const MAX_BYTES: usize = 64 << 20;

/// The fill level of a queue, and its losses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueStats {
    /// Number of notifications in the queue.
    pub depth: usize,
    /// The largest number of live events that the queue has held.
    pub high_water: usize,
    /// Number of events lost because the queue was full.
    pub lost: u64,
    /// Number of events delivered without arguments and working directory, because the queued texts were too large.
    pub details_dropped: u64,
}

static NEXT_ID: AtomicU32 = AtomicU32::new(1);

/// The queue of one subscriber.
pub struct SubscriberQueue {
    id: u32,
    state: Mutex<QueueState>,
    closed: Condvar,
    waker: Box<dyn Fn() + Send + Sync>,
}

impl fmt::Debug for SubscriberQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SubscriberQueue").field("stats", &self.stats()).finish_non_exhaustive()
    }
}

impl SubscriberQueue {
    /// Returns the number of live events that the queue holds.
    pub fn capacity(&self) -> usize {
        self.state().capacity
    }

    /// Creates a queue for `capacity` live events, at least one. The reader thread calls `waker`, which must not block.
    /// Live events wait until [`SubscriberQueue::deliver_scan`].
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
        let id = NEXT_ID.fetch_add(1, Ordering::Relaxed);
        let mut filter = SubscriptionFilter::new(id);
        filter.add(&FilterRule::for_all_processes(interest));
        let state = QueueState {
            interest,
            filter,
            capacity,
            max_bytes,
            awaiting_scan: true,
            wake_armed: true,
            ..QueueState::default()
        };
        Self { id, state: Mutex::new(state), closed: Condvar::new(), waker }
    }

    /// Returns the id of the subscriber, which is unique in this process.
    pub const fn id(&self) -> u32 {
        self.id
    }

    // Ignore poisoning, because every change leaves the state valid.
    fn state(&self) -> MutexGuard<'_, QueueState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the interest of all rules together.
    pub fn interest(&self) -> Interest {
        self.state().interest
    }

    /// Replaces all rules. Returns as [`SubscriberQueue::add_rule`] does.
    pub fn set_filter_rules(&self, rules: &[FilterRule]) -> bool {
        self.change_rules(|filter| filter.replace(rules))
    }

    /// Adds a rule. Returns true if the interest, the ancestors or the latency of all rules together have changed, so
    /// that the reader must apply them.
    pub fn add_rule(&self, rule: &FilterRule) -> bool {
        self.change_rules(|filter| filter.add(rule))
    }

    /// Removes a rule that equals an added one. Returns as [`SubscriberQueue::add_rule`] does.
    pub fn remove_rule(&self, rule: &FilterRule) -> bool {
        self.change_rules(|filter| filter.remove(rule))
    }

    fn change_rules(&self, change: impl FnOnce(&mut SubscriptionFilter)) -> bool {
        let mut state = self.state();
        let summary = |state: &QueueState| {
            let latency_ms = state.filter.max_latency_ms(state.default_latency_ms);
            (state.interest, state.filter.tags_revision(), latency_ms)
        };
        let before = summary(&state);
        change(&mut state.filter);
        state.interest = state.filter.interest();
        before != summary(&state)
    }

    /// Sets the longest time by which events may be delayed, in milliseconds. Rules may ask for another one.
    pub fn set_max_latency_ms(&self, latency_ms: u32) {
        self.state().default_latency_ms = latency_ms;
    }

    /// Returns the longest time by which events may be delayed, in milliseconds; `u32::MAX` without rules.
    pub fn max_latency_ms(&self) -> u32 {
        let state = self.state();
        state.filter.max_latency_ms(state.default_latency_ms)
    }

    /// Returns the event types that the kernel filter must pass for this subscriber. Rules with an ancestor need forks,
    /// and rules with the comm need renames.
    pub fn kernel_types(&self) -> EventTypes {
        let state = self.state();
        let extra = |is_needed, types| if is_needed { types } else { EventTypes::NONE };
        let forks = extra(state.filter.has_ancestors(), EventTypes::of(EventType::Fork));
        let renames = extra(state.interest.fields.has(Field::Comm), EventTypes::RENAMES);
        state.interest.types.union(forks).union(renames)
    }

    /// Returns the ancestry tags of the subscriber, each with the pid of its ancestor.
    pub fn ancestry_tags(&self) -> Vec<(AncestryTag, u32)> {
        self.state().filter.ancestry_tags().collect()
    }

    /// Returns a number that grows whenever [`SubscriberQueue::ancestry_tags`] changes.
    pub(crate) fn tags_revision(&self) -> u64 {
        self.state().filter.tags_revision()
    }

    /// Returns true until the bootstrap scan is delivered.
    pub fn awaiting_scan(&self) -> bool {
        self.state().awaiting_scan
    }

    /// Returns the fill level and the losses.
    pub fn stats(&self) -> QueueStats {
        let state = self.state();
        let depth = state.scan_queue.len() + state.live.len();
        let QueueState { high_water, lost, details_dropped, .. } = *state;
        QueueStats { depth, high_water, lost, details_dropped }
    }

    /// Sets the position at which the subscriber joined the stream. Later messages reach it as live events.
    pub fn set_joined(&self, position: StreamPosition) {
        self.state().joined = position;
    }

    /// Returns the position at which the subscriber joined the stream.
    pub(crate) fn joined(&self) -> StreamPosition {
        self.state().joined
    }

    /// Queues the events that the rules select.
    pub fn push(&self, events: &[ProcessEvent]) {
        let mut state = self.state();
        state.push(events);
        self.wake(state);
    }

    /// Queues the repairs that a snapshot made to events that were delivered or queued before.
    pub fn repair(&self, events: &[ProcessEvent]) {
        let mut state = self.state();
        state.repair(events);
        self.wake(state);
    }

    /// Queues a notification, even if the queue is full.
    pub(crate) fn notify(&self, notification: Notification) {
        let mut state = self.state();
        let is_final = matches!(notification, Notification::Failed(_) | Notification::Closed);
        if is_final {
            state.awaiting_scan = false;
        }
        // Coalesced events happened before these notifications, so they go first.
        if is_final || matches!(notification, Notification::Watched { .. } | Notification::Flushed { .. }) {
            state.flush_overflow();
        }
        if matches!(notification, Notification::Closed) {
            state.is_closed = true;
            self.closed.notify_all();
        }
        state.add(notification);
        self.wake(state);
    }

    /// Waits until the reader has queued [`Notification::Closed`], for at most `timeout`.
    pub(crate) fn wait_closed(&self, timeout: Duration) {
        let state = self.state();
        // The result only says if the time ran out. The caller goes on in either case.
        drop(self.closed.wait_timeout_while(state, timeout, |state| !state.is_closed));
    }

    /// Queues the processes that a scan found, and [`Notification::ScanFinished`] behind them. The first scan goes
    /// ahead of the live events, a later one behind them.
    pub fn deliver_scan(&self, running: impl Iterator<Item = ProcessEvent>, id: u32) {
        let mut state = self.state();
        state.deliver_scan(running, id);
        self.wake(state);
    }

    /// Calls the waker if it is armed and there is a notification. Releases the lock first.
    fn wake(&self, mut state: MutexGuard<'_, QueueState>) {
        if state.has_notification() && std::mem::take(&mut state.wake_armed) {
            drop(state);
            (self.waker)();
        }
    }

    /// Moves up to `max` notifications into `notifications`, fewer if their texts exceed 1 MiB. Returns true if the
    /// queue is empty and the waker is armed again.
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
        // While the bootstrap scan is pending, coalesced events wait for it and do not count as available.
        let is_empty = !state.has_notification() && (state.awaiting_scan || state.overflow.is_none());
        state.wake_armed |= is_empty;
        is_empty
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
        let wakes = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&wakes);
        let waker = Box::new(move || {
            counter.fetch_add(1, Ordering::Relaxed);
        });
        (
            SubscriberQueue::new(
                capacity,
                Interest { types: EventTypes::LIFECYCLE, fields: Fields::NONE, recapture: false },
                waker,
            ),
            wakes,
        )
    }
    fn exec(pid: u32) -> ProcessEvent {
        let data = EventData::Exec { again: false };
        ProcessEvent::new(pid, 0, Origin::Kernel, data, None)
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
    fn waker_is_called_once_until_the_queue_is_empty() {
        let (queue, wakes) = queue(8);
        queue.deliver_scan(std::iter::empty(), 1);
        queue.push(&[exec(1)]);
        queue.push(&[exec(2)]);
        assert_eq!(wakes.load(Ordering::Relaxed), 1);
        assert_eq!(drain(&queue, 2), ["ScanFinished", "1"]);
        queue.push(&[exec(3)]);
        assert_eq!(wakes.load(Ordering::Relaxed), 1);
        assert_eq!(drain(&queue, 9), ["2", "3"]);
        queue.push(&[exec(4)]);
        assert_eq!(wakes.load(Ordering::Relaxed), 2);
        assert_eq!(drain(&queue, 1), ["4"]);
        assert!(drain(&queue, 9).is_empty());
        queue.push(&[exec(5)]);
        assert_eq!(wakes.load(Ordering::Relaxed), 3);
    }

    #[test]
    fn live_events_wait_for_the_bootstrap_scan() {
        let (queue, wakes) = queue(8);
        queue.push(&[exec(9)]);
        assert_eq!(wakes.load(Ordering::Relaxed), 0);
        assert!(drain(&queue, 9).is_empty());
        queue.deliver_scan([exec(1), exec(2)].into_iter(), 7);
        assert_eq!(drain(&queue, 9), ["1", "2", "ScanFinished", "9"]);
    }

    #[test]
    fn repair_of_queued_live_event_follows_the_bootstrap_scan() {
        let (queue, _) = queue(8);
        let exit = EventData::Exit { status: None, ppid: None, ran: None, known: true };
        let gone = |pid| ProcessEvent { data: exit, ..exec(pid) };
        queue.push(&[exec(1), exec(2)]);
        queue.repair(&[gone(1), gone(3), exec(4)]);
        queue.deliver_scan([exec(1), exec(4)].into_iter(), 7);
        assert_eq!(drain(&queue, 9), ["4", "ScanFinished", "1", "2", "-1", "1"]);
    }

    #[test]
    fn overflow_is_coalesced_and_delivered_after_the_queue() {
        let (queue, _) = queue(2);
        queue.deliver_scan(std::iter::empty(), 1);
        let gone = ProcessEvent {
            data: EventData::Exit { status: None, ppid: None, ran: None, known: true },
            ..exec(4)
        };
        queue.push(&[exec(1), exec(2), exec(3), exec(4), gone]);
        assert_eq!(drain(&queue, 2), ["ScanFinished", "1"]);
        queue.push(&[exec(5)]);
        assert_eq!(drain(&queue, 9), ["2"]);
        let mut coalesced = drain(&queue, 9);
        assert_eq!(coalesced.pop().as_deref(), Some("lost 2 recovered 2"));
        coalesced.sort();
        assert_eq!(coalesced, ["3", "5"]);
        assert_eq!(queue.stats(), QueueStats { depth: 0, high_water: 2, lost: 2, details_dropped: 0 });
    }

    #[test]
    fn texts_past_the_budget_are_coalesced_and_then_dropped() {
        let big = |pid| {
            let argv = Argv { text: "x".repeat(1000).into(), truncated: false };
            let process = ProcessInfo { argv: Some(argv), ..ProcessInfo::default() };
            ProcessEvent { process: Some(Arc::new(process)), ..exec(pid) }
        };
        let interest = Interest { types: EventTypes::LIFECYCLE, fields: Fields::NONE, recapture: false };
        let queue = SubscriberQueue::with_max_bytes(1000, 8000, interest, Box::new(|| {}));
        queue.deliver_scan(std::iter::empty(), 1);
        for round in 0..3 {
            let events: Vec<_> = (1..=20).map(|pid| big(100 * round + pid)).collect();
            queue.push(&events);
            let mut notifications = Vec::new();
            while !queue.take(3, &mut notifications) {}
            let is_whole = |notification: &&Notification| matches!(notification, Notification::Event(event) if event.text_bytes() == 1000);
            let events = notifications
                .iter()
                .filter(|notification| matches!(notification, Notification::Event(_)))
                .count();
            // The queue holds six events with their texts, and the overflow has room for two.
            assert_eq!((events, notifications.iter().filter(is_whole).count()), (20, 8));
            assert_eq!(queue.state().bytes, 0, "taken events do not count");
        }
        assert_eq!(queue.stats().details_dropped, 36);
    }

    #[test]
    fn failure_is_delivered_before_the_bootstrap_scan() {
        let (queue, _) = queue(2);
        queue.push(&[exec(1)]);
        queue.notify(Notification::Failed(Error::detected(crate::error::ErrorCode::SourceFailed, "test")));
        queue.notify(Notification::Closed);
        assert_eq!(drain(&queue, 9), ["1", "Failed", "Closed"]);
    }
    #[test]
    fn overflow_of_execs_only_is_bounded_by_live_processes() {
        let execs = Interest {
            types: EventTypes::from_bits(1 << EventType::Exec as u16),
            fields: Fields::NONE,
            recapture: false,
        };
        let queue = SubscriberQueue::new(4, execs, Box::new(|| {}));
        queue.deliver_scan(std::iter::empty(), 1);
        let exit = EventData::Exit { status: None, ppid: None, ran: None, known: true };
        for pid in 2..20_000 {
            queue.push(&[exec(pid), ProcessEvent { data: exit, ..exec(pid) }]);
        }
        let taken = [drain(&queue, usize::MAX), drain(&queue, usize::MAX)].concat();
        assert_eq!(taken, ["ScanFinished", "2", "3", "4", "5", "lost 19994 recovered 0"]);
    }

    #[test]
    fn closed_is_the_last_notification() {
        let (queue, _) = queue(1);
        queue.deliver_scan(std::iter::empty(), 1);
        queue.push(&[exec(1), exec(2)]);
        queue.notify(Notification::Closed);
        assert_eq!(drain(&queue, 9), ["ScanFinished", "1", "2", "Closed"]);
    }

    #[test]
    fn pending_losses_are_merged() {
        let (queue, _) = queue(1);
        queue.deliver_scan(std::iter::empty(), 1);
        let loss = LossReport { cause: LossCause::Socket, lost: 2, recovered_execs: 1, recovered_exits: 0 };
        for _ in 0..1000 {
            queue.notify(Notification::Loss(loss));
        }
        assert_eq!(drain(&queue, 9), ["ScanFinished", "lost 2000 recovered 1000"]);
    }
}
