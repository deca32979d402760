//! The contents of a subscriber's queue, in order. Pure: `queue.rs` adds the lock and the waker.

use std::collections::VecDeque;

use rustc_hash::FxHashMap;

use crate::delivery::filter::SubscriptionFilter;
use crate::delivery::overflow::Overflow;
use crate::model::event::{EventData, ProcessEvent};
use crate::model::interest::{EventTypes, Interest};
use crate::model::notification::{LossCause, LossReport, Notification};
use crate::model::stream_position::StreamPosition;

/// Bytes of texts after which [`QueueState::take`] stops.
const MAX_TAKEN_BYTES: usize = 1 << 20;

/// The queue and its counters.
#[derive(Default)]
pub(super) struct QueueState {
    /// The interest of all rules together.
    pub(super) interest: Interest,
    /// The latency of rules that ask for none, in milliseconds.
    pub(super) default_latency_ms: u32,
    /// Selects the events of these types.
    pub(super) filter: SubscriptionFilter,
    /// The position at which the subscriber joined the stream.
    pub(super) joined: StreamPosition,
    /// Taken before the live events: the state of the source, and the processes that the bootstrap scan found.
    pub(super) scan_queue: VecDeque<Notification>,
    pub(super) live: VecDeque<Notification>,
    /// True until the bootstrap scan is delivered. Live events wait for it.
    pub(super) awaiting_scan: bool,
    pub(super) overflow: Option<Overflow>,
    /// Maximum number of live events.
    pub(super) capacity: usize,
    /// Size of the texts in `live`, in bytes. Each event counts its own texts, though an exec and its exit share them.
    /// Scan events do not count, because the process table holds their texts.
    pub(super) bytes: usize,
    /// Limit of the texts in `live` and `overflow` together, in bytes.
    pub(super) max_bytes: usize,
    /// Number of events that lost their arguments and working directory.
    pub(super) details_dropped: u64,
    /// True if the next event calls the waker.
    pub(super) wake_armed: bool,
    pub(super) is_closed: bool,
    pub(super) high_water: usize,
    pub(super) lost: u64,
}

impl QueueState {
    /// Returns true if [`QueueState::take`] or the scan queue has a notification. Overflow does not count.
    pub(super) fn has_notification(&self) -> bool {
        !self.scan_queue.is_empty() || !self.awaiting_scan && !self.live.is_empty()
    }

    /// Returns the event types to queue. Before the bootstrap scan they include exec and exit. The subscriber may add a
    /// rule for them, which must not miss an event between the scan and the live events.
    pub(super) fn types(&self) -> EventTypes {
        if self.awaiting_scan {
            self.interest.types.union(EventTypes::LIFECYCLE)
        } else {
            self.interest.types
        }
    }

    /// Queues the events that the filter selects.
    pub(super) fn push<'a>(&mut self, events: impl IntoIterator<Item = &'a ProcessEvent>) {
        let types = self.types();
        for event in events {
            let is_wanted =
                types.has(event.data.event_type()) && (self.awaiting_scan || self.filter.passes(event));
            match &mut self.overflow {
                // Also add unwanted exits, because an exit cancels the coalesced exec of its process.
                Some(overflow) => overflow.add(event.clone(), is_wanted),
                None if !is_wanted => {}
                None => {
                    let bytes = self.bytes + event.text_bytes();
                    // The last quarter of the budget is for the overflow.
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

    /// Queues a notification. Merges consecutive loss reports with the same cause.
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

    /// Returns the pids with queued live events. The flag is true if, according to these events, the process runs.
    fn queued_pids(&self) -> FxHashMap<u32, bool> {
        let mut pids = FxHashMap::default();
        for notification in &self.live {
            let Notification::Event(event) = notification else { continue };
            match event.data {
                EventData::Exec { .. } => drop(pids.insert(event.pid, true)),
                EventData::Exit { .. } => drop(pids.insert(event.pid, false)),
                _ => {}
            }
        }
        pids.extend(self.overflow.iter().flat_map(Overflow::pids));
        pids
    }

    /// Queues the repairs that a snapshot made. Before the bootstrap scan, it queues only repairs of queued live
    /// events: the scan will report all other processes as they are.
    pub(super) fn repair(&mut self, events: &[ProcessEvent]) {
        if !self.awaiting_scan {
            return self.push(events);
        }
        let queued = self.queued_pids();
        let repairs_queued = |event: &&ProcessEvent| {
            let is_of_reported_process = !matches!(event.data, EventData::Exec { again: false });
            is_of_reported_process && queued.get(&event.pid).is_some_and(|is_running| *is_running)
        };
        self.push(events.iter().filter(repairs_queued));
    }

    /// Queues the processes that a scan found. The bootstrap scan goes ahead of the live events, which are newer. A
    /// process whose pid has queued live events goes behind them, because they may be of an earlier process with the
    /// same pid. A later scan goes behind the live events, which are older.
    pub(super) fn deliver_scan(&mut self, running: impl Iterator<Item = ProcessEvent>, id: u32) {
        let scan_event = |event| Notification::ScanEvent { event, id };
        let types = self.interest.types;
        if !self.awaiting_scan {
            self.flush_overflow();
            let wanted =
                running.filter(|event| types.has(event.data.event_type()) && self.filter.passes(event));
            self.live.extend(wanted.map(scan_event));
            self.live.push_back(Notification::ScanFinished { id });
            return;
        }
        let queued = self.queued_pids();
        let (behind, ahead): (Vec<_>, Vec<_>) = running.partition(|event| queued.contains_key(&event.pid));
        let wanted =
            ahead.into_iter().filter(|event| types.has(event.data.event_type()) && self.filter.passes(event));
        self.scan_queue.extend(wanted.map(scan_event));
        self.scan_queue.push_back(Notification::ScanFinished { id });
        self.awaiting_scan = false;
        self.push(&behind);
    }

    /// Moves up to `max` live notifications into `notifications`. Stops early after [`MAX_TAKEN_BYTES`].
    pub(super) fn take(&mut self, max: usize, notifications: &mut Vec<Notification>) {
        if max >= self.live.len() && self.bytes <= MAX_TAKEN_BYTES {
            self.bytes = 0;
            return notifications.extend(self.live.drain(..));
        }
        let (mut count, mut bytes) = (0, 0);
        for notification in self.live.iter().take(max) {
            if bytes > MAX_TAKEN_BYTES {
                break;
            }
            count += 1;
            if let Notification::Event(event) = notification {
                bytes += event.text_bytes();
            }
        }
        self.bytes -= bytes;
        notifications.extend(self.live.drain(..count));
    }

    /// Queues the coalesced events, and a report of the lost ones.
    pub(super) fn flush_overflow(&mut self) {
        let Some(overflow) = self.overflow.take() else { return };
        let flush = overflow.flush();
        self.details_dropped += flush.details_dropped;
        self.bytes += flush.events.iter().map(ProcessEvent::text_bytes).sum::<usize>();
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
