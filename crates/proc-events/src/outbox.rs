//! The bounded queue between the reader and one subscriber's thread, and its doorbell: rung at most once until the
//! subscriber has found the queue empty. What does not fit is owed (see [`Overflow`]) or counted as lost.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::event::ProcessEvent;
use crate::interest::{Interest, Kinds};
use crate::notice::{LossCause, LossReport, Notice};
use crate::overflow::Overflow;
use crate::table::Mark;

/// How many events wait for a subscriber at most, unless it says otherwise.
pub const DEFAULT_QUEUE_SIZE: usize = 65_536;

/// How full an outbox is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Level {
    /// Events waiting now.
    pub depth: usize,
    /// Events that waited at most.
    pub high_water: usize,
    /// Events that were lost for want of room.
    pub lost: u64,
}

#[derive(Default)]
struct State {
    interest: Interest,
    /// Where in the stream this subscriber came in.
    joined: Mark,
    /// What goes ahead of the live events: how the start went, and the processes found running.
    front: VecDeque<Notice>,
    queue: VecDeque<Notice>,
    /// Until the scan at the start has been reported, live events wait.
    is_held: bool,
    overflow: Option<Overflow>,
    is_armed: bool,
    is_closed: bool,
    high_water: usize,
    lost: u64,
}

/// The queue of one subscriber.
pub struct Outbox {
    state: Mutex<State>,
    closed: Condvar,
    capacity: usize,
    doorbell: Box<dyn Fn() + Send + Sync>,
}

impl fmt::Debug for Outbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbox")
            .field("capacity", &self.capacity)
            .field("level", &self.level())
            .finish_non_exhaustive()
    }
}

impl Outbox {
    /// An outbox for `capacity` events. `doorbell` is called by the reader's thread and must not block. Live events
    /// wait until [`Outbox::release`].
    #[must_use]
    pub fn new(capacity: usize, interest: Interest, doorbell: Box<dyn Fn() + Send + Sync>) -> Self {
        let state = State { interest, is_held: true, is_armed: true, ..State::default() };
        Self { state: Mutex::new(state), closed: Condvar::new(), capacity: capacity.max(1), doorbell }
    }

    // A panic while the lock was held leaves a queue that is still a queue.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the subscriber wants.
    pub fn interest(&self) -> Interest {
        self.state().interest
    }
    /// Sets what the subscriber wants from now on.
    pub fn set_interest(&self, interest: Interest) {
        self.state().interest = interest;
    }
    /// Whether the scan at the start is still to come.
    pub fn is_held(&self) -> bool {
        self.state().is_held
    }
    /// How full it is.
    pub fn level(&self) -> Level {
        let state = self.state();
        let depth = state.front.len() + state.queue.len();
        Level { depth, high_water: state.high_water, lost: state.lost }
    }

    /// The subscriber's place in the stream of messages: what comes from now on reaches it as live events.
    pub fn join(&self, mark: Mark) {
        self.state().joined = mark;
    }
    /// See [`Outbox::join`].
    pub fn joined(&self) -> Mark {
        self.state().joined
    }

    /// Queues those of `events` that the subscriber wants.
    pub fn push(&self, events: &[ProcessEvent]) {
        let mut state = self.state();
        // While the scan is to come, a subscriber that is yet to ask for execs must not miss one between the two.
        let kinds =
            if state.is_held { state.interest.kinds.union(Kinds::LIFE) } else { state.interest.kinds };
        for event in events.iter().filter(|event| kinds.has(event.kind.event_type())) {
            if state.overflow.is_none() && state.queue.len() < self.capacity {
                state.queue.push_back(Notice::Event(event.clone()));
            } else {
                state.overflow.get_or_insert_default().add(event.clone());
            }
        }
        state.high_water = state.high_water.max(state.queue.len());
        self.ring(state);
    }

    /// Queues a notice; there is always room for one.
    pub fn notify(&self, notice: Notice) {
        let mut state = self.state();
        let is_end = matches!(notice, Notice::Failed(_) | Notice::Closed);
        if is_end {
            state.is_held = false;
        }
        if matches!(notice, Notice::Closed) {
            state.is_closed = true;
            self.closed.notify_all();
        }
        if state.is_held {
            state.front.push_back(notice);
        } else {
            state.queue.push_back(notice);
        }
        self.ring(state);
    }

    /// Waits, up to `limit`, until the reader has let go of this outbox.
    pub fn wait_closed(&self, limit: Duration) {
        let state = self.state();
        // What it returns tells only whether time ran out; the caller cannot do better than go on.
        drop(self.closed.wait_timeout_while(state, limit, |state| !state.is_closed));
    }

    /// Reports the processes found running, then lets go of the live events that waited.
    pub fn release(&self, running: impl Iterator<Item = ProcessEvent>, id: u32) {
        let mut state = self.state();
        let kinds = state.interest.kinds;
        let wanted = running.filter(|event| kinds.has(event.kind.event_type()));
        state.front.extend(wanted.map(Notice::Event));
        state.front.push_back(Notice::Scanned { id });
        state.is_held = false;
        self.ring(state);
    }

    fn ring(&self, mut state: MutexGuard<'_, State>) {
        let has_something = !state.front.is_empty() || !state.is_held && !state.queue.is_empty();
        if has_something && std::mem::take(&mut state.is_armed) {
            drop(state);
            (self.doorbell)();
        }
    }

    /// Moves up to `max` notices into `notices`. If there was none, the bell is armed again.
    pub fn take(&self, max: usize, notices: &mut Vec<Notice>) {
        let mut state = self.state();
        let from_front = max.min(state.front.len());
        notices.extend(state.front.drain(..from_front));
        let room = max - from_front;
        if !state.is_held && room > 0 {
            if state.queue.is_empty() {
                state.flush_overflow();
            }
            let from_queue = room.min(state.queue.len());
            notices.extend(state.queue.drain(..from_queue));
        }
        if notices.is_empty() {
            state.is_armed = true;
        }
    }
}

impl State {
    fn flush_overflow(&mut self) {
        let Some(overflow) = self.overflow.take() else { return };
        let flush = overflow.flush();
        self.queue.extend(flush.events.into_iter().map(Notice::Event));
        self.lost += flush.lost;
        if flush.lost > 0 {
            self.queue.push_back(Notice::Loss(LossReport {
                cause: LossCause::Queue,
                lost: flush.lost,
                recovered_execs: flush.execs,
                recovered_exits: flush.exits,
            }));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::error::Error;
    use crate::event::{EventKind, Origin};
    use crate::interest::Fields;

    fn outbox(capacity: usize) -> (Outbox, Arc<AtomicUsize>) {
        let rings = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&rings);
        let bell = Box::new(move || {
            counted.fetch_add(1, Ordering::Relaxed);
        });
        (Outbox::new(capacity, Interest { kinds: Kinds::LIFE, fields: Fields::NONE }, bell), rings)
    }
    fn exec(pid: u32) -> ProcessEvent {
        let kind = EventKind::Exec { again: false };
        ProcessEvent { pid, timestamp_ns: 0, origin: Origin::Kernel, kind, process: None }
    }
    fn drain(outbox: &Outbox, max: usize) -> Vec<String> {
        let mut notices = Vec::new();
        outbox.take(max, &mut notices);
        let name = |notice: &Notice| match notice {
            Notice::Event(event) => event.pid.to_string(),
            Notice::Loss(loss) => format!("lost {} recovered {}", loss.lost, loss.recovered_execs),
            other => format!("{other:?}").split([' ', '(']).next().unwrap_or_default().to_owned(),
        };
        notices.iter().map(name).collect()
    }

    #[test]
    fn the_bell_rings_once_until_the_box_was_found_empty() {
        let (outbox, rings) = outbox(8);
        outbox.release(std::iter::empty(), 1);
        outbox.push(&[exec(1)]);
        outbox.push(&[exec(2)]);
        assert_eq!(rings.load(Ordering::Relaxed), 1);
        assert_eq!(drain(&outbox, 2), ["Scanned", "1"]);
        outbox.push(&[exec(3)]);
        assert_eq!(drain(&outbox, 9), ["2", "3"]);
        assert_eq!(rings.load(Ordering::Relaxed), 1);
        assert!(drain(&outbox, 9).is_empty());
        outbox.push(&[exec(4)]);
        assert_eq!(rings.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn live_events_wait_for_the_scan() {
        let (outbox, rings) = outbox(8);
        outbox.push(&[exec(9)]);
        assert_eq!(rings.load(Ordering::Relaxed), 0);
        assert!(drain(&outbox, 9).is_empty());
        outbox.release([exec(1), exec(2)].into_iter(), 7);
        assert_eq!(drain(&outbox, 9), ["1", "2", "Scanned", "9"]);
    }

    #[test]
    fn what_does_not_fit_is_owed_and_told_in_its_turn() {
        let (outbox, _) = outbox(2);
        outbox.release(std::iter::empty(), 1);
        let gone = ProcessEvent {
            kind: EventKind::Exit { status: None, ppid: None, duration_ns: None, known: true },
            ..exec(4)
        };
        outbox.push(&[exec(1), exec(2), exec(3), exec(4), gone]);
        assert_eq!(drain(&outbox, 2), ["Scanned", "1"]);
        outbox.push(&[exec(5)]);
        assert_eq!(drain(&outbox, 9), ["2"]);
        let mut owed = drain(&outbox, 9);
        assert_eq!(owed.pop().as_deref(), Some("lost 2 recovered 2"));
        owed.sort();
        assert_eq!(owed, ["3", "5"]);
        assert_eq!(outbox.level(), Level { depth: 0, high_water: 2, lost: 2 });
    }

    #[test]
    fn a_failure_at_the_start_is_told_though_live_events_wait() {
        let (outbox, _) = outbox(2);
        outbox.push(&[exec(1)]);
        outbox.notify(Notice::Failed(Error::shown_by(crate::error::ErrorCode::SourceFailed, "test")));
        outbox.notify(Notice::Closed);
        assert_eq!(drain(&outbox, 9), ["1", "Failed", "Closed"]);
    }
}
