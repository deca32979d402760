//! The bounded queue between the reader and one subscriber's thread, and its doorbell: rung at most once until the
//! subscriber has taken all that is queued. What does not fit is owed (see [`crate::overflow`]) or counted as lost.

mod queue;

use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::descent::Follow;
use crate::event::ProcessEvent;
use crate::interest::{EventType, Interest, Kinds};
use crate::notice::Notice;
use crate::sieve::{Sieve, Wish};
use crate::table::Mark;
use queue::State;

/// How many events wait for a subscriber at most, unless it says otherwise.
pub const DEFAULT_QUEUE_SIZE: usize = 65_536;

/// The bytes of captured texts that wait for a subscriber at most: 64 MiB. That is a thousand for each event of a full queue.
/// Events past this budget are treated as events past the number of events are.
const MAX_BYTES: usize = 64 << 20;

/// How full an outbox is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Level {
    /// Events waiting now.
    pub depth: usize,
    /// Events that waited at most.
    pub high_water: usize,
    /// Events that were lost for want of room.
    pub lost: u64,
    /// Events that were kept without their texts, for want of room.
    pub without_texts: u64,
}

static OUTBOXES: AtomicU32 = AtomicU32::new(1);

/// The queue of one subscriber.
pub struct Outbox {
    number: u32,
    state: Mutex<State>,
    closed: Condvar,
    doorbell: Box<dyn Fn() + Send + Sync>,
}

impl fmt::Debug for Outbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbox").field("level", &self.level()).finish_non_exhaustive()
    }
}

impl Outbox {
    /// An outbox for `capacity` events. `doorbell` is called by the reader's thread and must not block. Live events
    /// wait until [`Outbox::release`].
    #[must_use]
    pub fn new(capacity: usize, interest: Interest, doorbell: Box<dyn Fn() + Send + Sync>) -> Self {
        Self::with_max_bytes(capacity, MAX_BYTES, interest, doorbell)
    }

    fn with_max_bytes(
        capacity: usize,
        max_bytes: usize,
        interest: Interest,
        doorbell: Box<dyn Fn() + Send + Sync>,
    ) -> Self {
        let capacity = capacity.max(1);
        let number = OUTBOXES.fetch_add(1, Ordering::Relaxed);
        let mut sieve = Sieve::new(number);
        sieve.add(&Wish::of_all(interest));
        let state =
            State { interest, sieve, capacity, max_bytes, is_held: true, is_armed: true, ..State::default() };
        Self { number, state: Mutex::new(state), closed: Condvar::new(), doorbell }
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
    /// Sets what the subscriber wants from now on, and nothing else. Returns as [`Outbox::add_rule`] does.
    pub fn set_wishes(&self, wishes: &[Wish]) -> bool {
        self.change_rules(|sieve| sieve.replace(wishes))
    }
    /// Adds a rule. Returns true if the reader has to follow: the kinds, the details or the ancestors that all rules ask
    /// for together have changed.
    pub fn add_rule(&self, rule: &Wish) -> bool {
        self.change_rules(|sieve| sieve.add(rule))
    }
    /// Takes away a rule that equals one that was added. Returns as [`Outbox::add_rule`] does.
    pub fn remove_rule(&self, rule: &Wish) -> bool {
        self.change_rules(|sieve| sieve.remove(rule))
    }
    fn change_rules(&self, change: impl FnOnce(&mut Sieve)) -> bool {
        let mut state = self.state();
        let before = (state.interest, state.sieve.follows_revision());
        change(&mut state.sieve);
        state.interest = state.sieve.interest();
        before != (state.interest, state.sieve.follows_revision())
    }
    /// Which kinds the kernel is to let through for it.
    pub fn passing(&self) -> Kinds {
        let state = self.state();
        let kinds = state.interest.kinds;
        if state.sieve.has_ancestors() { kinds.union(Kinds::of(EventType::Fork)) } else { kinds }
    }
    /// Whose descendants the subscriber follows.
    pub fn follows(&self) -> Vec<(Follow, u32)> {
        self.state().sieve.follows().collect()
    }
    /// A number that grows whenever [`Outbox::follows`] changes.
    pub fn follows_revision(&self) -> u64 {
        self.state().sieve.follows_revision()
    }
    /// Whether the scan at the start is still to come.
    pub fn is_held(&self) -> bool {
        self.state().is_held
    }
    /// How full it is.
    pub fn level(&self) -> Level {
        let state = self.state();
        let depth = state.front.len() + state.queue.len();
        let State { high_water, lost, without_texts, .. } = *state;
        Level { depth, high_water, lost, without_texts }
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
        state.push(events);
        self.ring(state);
    }

    /// Queues what a snapshot has made right of what the subscriber was told.
    pub fn repair(&self, events: &[ProcessEvent]) {
        let mut state = self.state();
        state.repair(events);
        self.ring(state);
    }

    /// Queues a notice; there is always room for one.
    pub fn notify(&self, notice: Notice) {
        let mut state = self.state();
        let is_end = matches!(notice, Notice::Failed(_) | Notice::Closed);
        if is_end {
            state.is_held = false;
        }
        // These come after whatever happened before them.
        if is_end || matches!(notice, Notice::Watched { .. }) {
            state.flush_overflow();
        }
        if matches!(notice, Notice::Closed) {
            state.is_closed = true;
            self.closed.notify_all();
        }
        state.add(notice);
        self.ring(state);
    }

    /// Waits, up to `limit`, until the reader has let go of this outbox.
    pub fn wait_closed(&self, limit: Duration) {
        let state = self.state();
        // What it returns tells only whether time ran out; the caller cannot do better than go on.
        drop(self.closed.wait_timeout_while(state, limit, |state| !state.is_closed));
    }

    /// Reports the processes found running: the first time ahead of the live events that waited, later behind what was
    /// told before.
    pub fn release(&self, running: impl Iterator<Item = ProcessEvent>, id: u32) {
        let mut state = self.state();
        state.release(running, id);
        self.ring(state);
    }

    fn ring(&self, mut state: MutexGuard<'_, State>) {
        if state.has_something() && std::mem::take(&mut state.is_armed) {
            drop(state);
            (self.doorbell)();
        }
    }

    /// Moves up to `max` notices into `notices`, fewer if they are large. Returns whether that was all: then the bell is armed again.
    pub fn take(&self, max: usize, notices: &mut Vec<Notice>) -> bool {
        let mut state = self.state();
        let from_front = max.min(state.front.len());
        notices.extend(state.front.drain(..from_front));
        let room = max - from_front;
        if !state.is_held && room > 0 {
            if state.queue.is_empty() {
                state.flush_overflow();
            }
            state.take(room, notices);
        }
        // What is owed while the scan at the start is to come, is told with it.
        let is_all = !state.has_something() && (state.is_held || state.overflow.is_none());
        state.is_armed |= is_all;
        is_all
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::error::Error;
    use crate::event::{Argv, EventKind, Origin, ProcessInfo};
    use crate::interest::{EventType, Fields, Kinds};
    use crate::notice::{LossCause, LossReport};

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
        ProcessEvent { pid, timestamp_ns: 0, origin: Origin::Kernel, kind, process: None, followed: None }
    }
    fn drain(outbox: &Outbox, max: usize) -> Vec<String> {
        let mut notices = Vec::new();
        outbox.take(max, &mut notices);
        let name = |notice: &Notice| match notice {
            Notice::Event(ProcessEvent { pid, kind: EventKind::Exit { .. }, .. }) => format!("-{pid}"),
            Notice::Event(event) | Notice::Found { event, .. } => event.pid.to_string(),
            Notice::Loss(loss) => format!("lost {} recovered {}", loss.lost, loss.recovered_execs),
            other => format!("{other:?}").split([' ', '(']).next().unwrap_or_default().to_owned(),
        };
        notices.iter().map(name).collect()
    }

    #[test]
    fn the_bell_rings_once_until_all_was_taken() {
        let (outbox, rings) = outbox(8);
        outbox.release(std::iter::empty(), 1);
        outbox.push(&[exec(1)]);
        outbox.push(&[exec(2)]);
        assert_eq!(rings.load(Ordering::Relaxed), 1);
        assert_eq!(drain(&outbox, 2), ["Scanned", "1"]);
        outbox.push(&[exec(3)]);
        assert_eq!(rings.load(Ordering::Relaxed), 1);
        assert_eq!(drain(&outbox, 9), ["2", "3"]);
        outbox.push(&[exec(4)]);
        assert_eq!(rings.load(Ordering::Relaxed), 2);
        assert_eq!(drain(&outbox, 1), ["4"]);
        assert!(drain(&outbox, 9).is_empty());
        outbox.push(&[exec(5)]);
        assert_eq!(rings.load(Ordering::Relaxed), 3);
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
    fn what_was_told_live_before_the_scan_is_made_right_behind_it() {
        let (outbox, _) = outbox(8);
        let exit = EventKind::Exit { status: None, ppid: None, duration_ns: None, known: true };
        let gone = |pid| ProcessEvent { kind: exit, ..exec(pid) };
        outbox.push(&[exec(1), exec(2)]);
        outbox.repair(&[gone(1), gone(3), exec(4)]);
        outbox.release([exec(1), exec(4)].into_iter(), 7);
        assert_eq!(drain(&outbox, 9), ["4", "Scanned", "1", "2", "-1", "1"]);
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
        assert_eq!(outbox.level(), Level { depth: 0, high_water: 2, lost: 2, without_texts: 0 });
    }

    #[test]
    fn texts_that_do_not_fit_are_owed_and_then_left_out() {
        let big = |pid| {
            let argv = Argv { text: "x".repeat(1000).into(), truncated: false };
            let process = ProcessInfo { argv: Some(argv), ..ProcessInfo::default() };
            ProcessEvent { process: Some(Arc::new(process)), ..exec(pid) }
        };
        let interest = Interest { kinds: Kinds::LIFE, fields: Fields::NONE };
        let outbox = Outbox::with_max_bytes(1000, 8000, interest, Box::new(|| {}));
        outbox.release(std::iter::empty(), 1);
        for round in 0..3 {
            let events: Vec<_> = (1..=20).map(|pid| big(100 * round + pid)).collect();
            outbox.push(&events);
            let mut notices = Vec::new();
            while !outbox.take(3, &mut notices) {}
            let whole = |notice: &&Notice| matches!(notice, Notice::Event(event) if event.weight() == 1000);
            let events = notices.iter().filter(|notice| matches!(notice, Notice::Event(_))).count();
            // Six are queued, and there is room for two that are owed.
            assert_eq!((events, notices.iter().filter(whole).count()), (20, 8));
            assert_eq!(outbox.state().bytes, 0, "what was taken no longer counts");
        }
        assert_eq!(outbox.level().without_texts, 36);
    }

    #[test]
    fn a_failure_at_the_start_is_told_though_live_events_wait() {
        let (outbox, _) = outbox(2);
        outbox.push(&[exec(1)]);
        outbox.notify(Notice::Failed(Error::shown_by(crate::error::ErrorCode::SourceFailed, "test")));
        outbox.notify(Notice::Closed);
        assert_eq!(drain(&outbox, 9), ["1", "Failed", "Closed"]);
    }
    #[test]
    fn what_is_owed_of_execs_alone_is_bounded_by_the_living() {
        let execs = Interest { kinds: Kinds::from_bits(1 << EventType::Exec as u16), fields: Fields::NONE };
        let outbox = Outbox::new(4, execs, Box::new(|| {}));
        outbox.release(std::iter::empty(), 1);
        let exit = EventKind::Exit { status: None, ppid: None, duration_ns: None, known: true };
        for pid in 2..20_000 {
            outbox.push(&[exec(pid), ProcessEvent { kind: exit, ..exec(pid) }]);
        }
        let told = [drain(&outbox, usize::MAX), drain(&outbox, usize::MAX)].concat();
        assert_eq!(told, ["Scanned", "2", "3", "4", "5", "lost 19994 recovered 0"]);
    }

    #[test]
    fn nothing_follows_the_end() {
        let (outbox, _) = outbox(1);
        outbox.release(std::iter::empty(), 1);
        outbox.push(&[exec(1), exec(2)]);
        outbox.notify(Notice::Closed);
        assert_eq!(drain(&outbox, 9), ["Scanned", "1", "2", "Closed"]);
    }

    #[test]
    fn losses_that_nobody_has_asked_for_are_told_as_one() {
        let (outbox, _) = outbox(1);
        outbox.release(std::iter::empty(), 1);
        let loss = LossReport { cause: LossCause::Socket, lost: 2, recovered_execs: 1, recovered_exits: 0 };
        for _ in 0..1000 {
            outbox.notify(Notice::Loss(loss));
        }
        assert_eq!(drain(&outbox, 9), ["Scanned", "lost 2000 recovered 1000"]);
    }
}
