//! What waits for one subscriber, in order, before anybody locks it or rings for it. Pure.

use std::collections::VecDeque;

use rustc_hash::FxHashMap;

use crate::event::{EventKind, ProcessEvent};
use crate::interest::{Interest, Kinds};
use crate::notice::{LossCause, LossReport, Notice};
use crate::overflow::Overflow;
use crate::sieve::Sieve;
use crate::table::Mark;

/// The bytes of texts that a subscriber takes out of the queue at once.
const TAKEN_BYTES: usize = 1 << 20;

/// The queue, and how the subscriber stands to it.
#[derive(Default)]
pub(super) struct State {
    pub(super) interest: Interest,
    /// Which events of these kinds.
    pub(super) sieve: Sieve,
    /// Where in the stream this subscriber came in.
    pub(super) joined: Mark,
    /// What goes ahead of the live events: how the start went, and the processes found running.
    pub(super) front: VecDeque<Notice>,
    pub(super) queue: VecDeque<Notice>,
    /// Until the scan at the start has been reported, live events wait.
    pub(super) is_held: bool,
    pub(super) overflow: Option<Overflow>,
    /// How many events wait at most.
    pub(super) capacity: usize,
    /// The bytes of the texts in `queue`, and how many there and in `overflow` may be. Each event counts its own, though an
    /// exec and its exit share them. The processes found running do not count: the process table has their texts.
    pub(super) bytes: usize,
    pub(super) max_bytes: usize,
    /// Events that were kept without their texts.
    pub(super) without_texts: u64,
    pub(super) is_armed: bool,
    pub(super) is_closed: bool,
    pub(super) high_water: usize,
    pub(super) lost: u64,
}

impl State {
    /// Whether there is anything to be taken, but for what is owed.
    pub(super) fn has_something(&self) -> bool {
        !self.front.is_empty() || !self.is_held && !self.queue.is_empty()
    }

    /// What the subscriber wants. While the scan at the start is to come, one that is yet to ask for execs must not miss
    /// one between the two.
    pub(super) fn kinds(&self) -> Kinds {
        if self.is_held { self.interest.kinds.union(Kinds::LIFE) } else { self.interest.kinds }
    }

    /// Queues those of `events` that are wanted.
    pub(super) fn push<'a>(&mut self, events: impl IntoIterator<Item = &'a ProcessEvent>) {
        let kinds = self.kinds();
        for event in events {
            let is_wanted = kinds.has(event.kind.event_type()) && (self.is_held || self.sieve.passes(event));
            match &mut self.overflow {
                // What ends a life counts in any case: nothing is owed of it any more.
                Some(overflow) => overflow.add(event.clone(), is_wanted),
                None if !is_wanted => {}
                None => {
                    let bytes = self.bytes + event.weight();
                    // A quarter is left for what is owed.
                    if self.queue.len() < self.capacity && bytes <= self.max_bytes / 4 * 3 {
                        self.bytes = bytes;
                        self.queue.push_back(Notice::Event(event.clone()));
                    } else {
                        let room = self.max_bytes.saturating_sub(self.bytes);
                        self.overflow.insert(Overflow::new(room)).add(event.clone(), true);
                    }
                }
            }
        }
        self.high_water = self.high_water.max(self.queue.len());
    }

    /// Queues a notice. Of losses that nobody has asked for yet, one is told.
    pub(super) fn add(&mut self, notice: Notice) {
        let queue = if self.is_held { &mut self.front } else { &mut self.queue };
        if let (Notice::Loss(more), Some(Notice::Loss(loss))) = (&notice, queue.back_mut())
            && loss.cause == more.cause
        {
            loss.lost = loss.lost.saturating_add(more.lost);
            loss.recovered_execs = loss.recovered_execs.saturating_add(more.recovered_execs);
            loss.recovered_exits = loss.recovered_exits.saturating_add(more.recovered_exits);
            return;
        }
        queue.push_back(notice);
    }

    /// The processes of which live events wait, and whether these say that the process is running.
    fn told_live(&self) -> FxHashMap<u32, bool> {
        let mut told = FxHashMap::default();
        for notice in &self.queue {
            let Notice::Event(event) = notice else { continue };
            match event.kind {
                EventKind::Exec { .. } => drop(told.insert(event.pid, true)),
                EventKind::Exit { .. } => drop(told.insert(event.pid, false)),
                _ => {}
            }
        }
        told.extend(self.overflow.iter().flat_map(Overflow::owed));
        told
    }

    /// Queues what a snapshot has made right. While the scan at the start is to come, only what was told live can be
    /// wrong: all else is as that scan will say.
    pub(super) fn repair(&mut self, events: &[ProcessEvent]) {
        if !self.is_held {
            return self.push(events);
        }
        let told = self.told_live();
        let is_of_told = |event: &&ProcessEvent| {
            let goes_on = !matches!(event.kind, EventKind::Exec { again: false });
            goes_on && told.get(&event.pid).is_some_and(|is_running| *is_running)
        };
        self.push(events.iter().filter(is_of_told));
    }

    /// Queues the processes found running. Ahead of the live events that waited for them, which are newer; but behind
    /// those of an earlier process with the same pid. If none has waited, all that was told before is older.
    pub(super) fn release(&mut self, running: impl Iterator<Item = ProcessEvent>, id: u32) {
        let found = |event| Notice::Found { event, id };
        let kinds = self.interest.kinds;
        if !self.is_held {
            self.flush_overflow();
            let wanted =
                running.filter(|event| kinds.has(event.kind.event_type()) && self.sieve.passes(event));
            self.queue.extend(wanted.map(found));
            self.queue.push_back(Notice::Scanned { id });
            return;
        }
        let told = self.told_live();
        let (behind, ahead): (Vec<_>, Vec<_>) = running.partition(|event| told.contains_key(&event.pid));
        let wanted =
            ahead.into_iter().filter(|event| kinds.has(event.kind.event_type()) && self.sieve.passes(event));
        self.front.extend(wanted.map(found));
        self.front.push_back(Notice::Scanned { id });
        self.is_held = false;
        self.push(&behind);
    }

    /// Moves up to `max` notices of the queue into `notices`, but not many more bytes than [`TAKEN_BYTES`] at a time.
    pub(super) fn take(&mut self, max: usize, notices: &mut Vec<Notice>) {
        if max >= self.queue.len() && self.bytes <= TAKEN_BYTES {
            self.bytes = 0;
            return notices.extend(self.queue.drain(..));
        }
        let (mut count, mut bytes) = (0, 0);
        for notice in self.queue.iter().take(max) {
            if bytes > TAKEN_BYTES {
                break;
            }
            count += 1;
            if let Notice::Event(event) = notice {
                bytes += event.weight();
            }
        }
        self.bytes -= bytes;
        notices.extend(self.queue.drain(..count));
    }

    /// Queues what was owed.
    pub(super) fn flush_overflow(&mut self) {
        let Some(overflow) = self.overflow.take() else { return };
        let flush = overflow.flush();
        self.without_texts += flush.without_texts;
        self.bytes += flush.events.iter().map(ProcessEvent::weight).sum::<usize>();
        self.queue.extend(flush.events.into_iter().map(Notice::Event));
        self.lost += flush.lost;
        if flush.lost > 0 {
            self.add(Notice::Loss(LossReport {
                cause: LossCause::Queue,
                lost: flush.lost,
                recovered_execs: flush.execs,
                recovered_exits: flush.exits,
            }));
        }
    }
}
