//! What waits for one subscriber, in order, before anybody locks it or rings for it. Pure.

use std::collections::VecDeque;

use rustc_hash::FxHashMap;

use crate::delivery::filter::SubscriptionFilter;
use crate::delivery::overflow::Overflow;
use crate::model::event::{EventData, ProcessEvent};
use crate::model::interest::{EventTypes, Interest};
use crate::model::notification::{LossCause, LossReport, Notification};
use crate::model::stream_position::StreamPosition;

/// The bytes of texts that a subscriber takes out of the queue at once.
const TAKEN_BYTES: usize = 1 << 20;

/// The queue, and how the subscriber stands to it.
#[derive(Default)]
pub(super) struct State {
    pub(super) interest: Interest,
    /// Which events of these kinds.
    pub(super) filter: SubscriptionFilter,
    /// Where in the stream this subscriber came in.
    pub(super) joined: StreamPosition,
    /// What goes ahead of the live events: how the start went, and the processes found running.
    pub(super) scan_queue: VecDeque<Notification>,
    pub(super) live: VecDeque<Notification>,
    /// Until the scan at the start has been reported, live events wait.
    pub(super) awaiting_scan: bool,
    pub(super) overflow: Option<Overflow>,
    /// How many events wait at most.
    pub(super) capacity: usize,
    /// The bytes of the texts in `queue`, and how many there and in `overflow` may be. Each event counts its own, though an
    /// exec and its exit share them. The processes found running do not count: the process table has their texts.
    pub(super) bytes: usize,
    pub(super) max_bytes: usize,
    /// Events that were kept without their texts.
    pub(super) without_texts: u64,
    pub(super) wake_armed: bool,
    pub(super) is_closed: bool,
    pub(super) high_water: usize,
    pub(super) lost: u64,
}

impl State {
    /// Whether there is anything to be taken, but for what is owed.
    pub(super) fn has_something(&self) -> bool {
        !self.scan_queue.is_empty() || !self.awaiting_scan && !self.live.is_empty()
    }

    /// What the subscriber wants. While the scan at the start is to come, one that is yet to ask for execs must not miss
    /// one between the two.
    pub(super) fn types(&self) -> EventTypes {
        if self.awaiting_scan {
            self.interest.types.union(EventTypes::LIFECYCLE)
        } else {
            self.interest.types
        }
    }

    /// Queues those of `events` that are wanted.
    pub(super) fn push<'a>(&mut self, events: impl IntoIterator<Item = &'a ProcessEvent>) {
        let types = self.types();
        for event in events {
            let is_wanted =
                types.has(event.data.event_type()) && (self.awaiting_scan || self.filter.passes(event));
            match &mut self.overflow {
                // What ends a life counts in any case: nothing is owed of it any more.
                Some(overflow) => overflow.add(event.clone(), is_wanted),
                None if !is_wanted => {}
                None => {
                    let bytes = self.bytes + event.weight();
                    // A quarter is left for what is owed.
                    if self.live.len() < self.capacity && bytes <= self.max_bytes / 4 * 3 {
                        self.bytes = bytes;
                        self.live.push_back(Notification::Event(event.clone()));
                    } else {
                        let room = self.max_bytes.saturating_sub(self.bytes);
                        self.overflow.insert(Overflow::new(room)).add(event.clone(), true);
                    }
                }
            }
        }
        self.high_water = self.high_water.max(self.live.len());
    }

    /// Queues a notice. Of losses that nobody has asked for yet, one is told.
    pub(super) fn add(&mut self, notification: Notification) {
        let queue = if self.awaiting_scan { &mut self.scan_queue } else { &mut self.live };
        if let (Notification::Loss(more), Some(Notification::Loss(loss))) = (&notification, queue.back_mut())
            && loss.cause == more.cause
        {
            loss.lost = loss.lost.saturating_add(more.lost);
            loss.recovered_execs = loss.recovered_execs.saturating_add(more.recovered_execs);
            loss.recovered_exits = loss.recovered_exits.saturating_add(more.recovered_exits);
            return;
        }
        queue.push_back(notification);
    }

    /// The processes of which live events wait, and whether these say that the process is running.
    fn queued_pids(&self) -> FxHashMap<u32, bool> {
        let mut told = FxHashMap::default();
        for notification in &self.live {
            let Notification::Event(event) = notification else { continue };
            match event.data {
                EventData::Exec { .. } => drop(told.insert(event.pid, true)),
                EventData::Exit { .. } => drop(told.insert(event.pid, false)),
                _ => {}
            }
        }
        told.extend(self.overflow.iter().flat_map(Overflow::owed));
        told
    }

    /// Queues what a snapshot has made right. While the scan at the start is to come, only what was told live can be
    /// wrong: all else is as that scan will say.
    pub(super) fn repair(&mut self, events: &[ProcessEvent]) {
        if !self.awaiting_scan {
            return self.push(events);
        }
        let told = self.queued_pids();
        let is_of_told = |event: &&ProcessEvent| {
            let leader_exit_only = !matches!(event.data, EventData::Exec { again: false });
            leader_exit_only && told.get(&event.pid).is_some_and(|is_running| *is_running)
        };
        self.push(events.iter().filter(is_of_told));
    }

    /// Queues the processes found running. Ahead of the live events that waited for them, which are newer; but behind
    /// those of an earlier process with the same pid. If none has waited, all that was told before is older.
    pub(super) fn deliver_scan(&mut self, running: impl Iterator<Item = ProcessEvent>, id: u32) {
        let found = |event| Notification::ScanEvent { event, id };
        let types = self.interest.types;
        if !self.awaiting_scan {
            self.flush_overflow();
            let wanted =
                running.filter(|event| types.has(event.data.event_type()) && self.filter.passes(event));
            self.live.extend(wanted.map(found));
            self.live.push_back(Notification::ScanFinished { id });
            return;
        }
        let told = self.queued_pids();
        let (behind, ahead): (Vec<_>, Vec<_>) = running.partition(|event| told.contains_key(&event.pid));
        let wanted =
            ahead.into_iter().filter(|event| types.has(event.data.event_type()) && self.filter.passes(event));
        self.scan_queue.extend(wanted.map(found));
        self.scan_queue.push_back(Notification::ScanFinished { id });
        self.awaiting_scan = false;
        self.push(&behind);
    }

    /// Moves up to `max` notices of the queue into `notifications`, but not many more bytes than [`TAKEN_BYTES`] at a time.
    pub(super) fn take(&mut self, max: usize, notifications: &mut Vec<Notification>) {
        if max >= self.live.len() && self.bytes <= TAKEN_BYTES {
            self.bytes = 0;
            return notifications.extend(self.live.drain(..));
        }
        let (mut count, mut bytes) = (0, 0);
        for notification in self.live.iter().take(max) {
            if bytes > TAKEN_BYTES {
                break;
            }
            count += 1;
            if let Notification::Event(event) = notification {
                bytes += event.weight();
            }
        }
        self.bytes -= bytes;
        notifications.extend(self.live.drain(..count));
    }

    /// Queues what was owed.
    pub(super) fn flush_overflow(&mut self) {
        let Some(overflow) = self.overflow.take() else { return };
        let flush = overflow.flush();
        self.without_texts += flush.without_texts;
        self.bytes += flush.events.iter().map(ProcessEvent::weight).sum::<usize>();
        self.live.extend(flush.events.into_iter().map(Notification::Event));
        self.lost += flush.lost;
        if flush.lost > 0 {
            self.add(Notification::Loss(LossReport {
                cause: LossCause::Queue,
                lost: flush.lost,
                recovered_execs: flush.execs,
                recovered_exits: flush.exits,
            }));
        }
    }
}
