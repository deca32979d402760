//! From datagrams to subscriber queues. The pipeline receives messages, applies them to the process table, dispatches the
//! events, and repairs losses. It asks the machine through two traits only, and takes time as an argument.

pub(crate) mod activity;
mod awaited;
mod exits;
mod flushes;
mod leaderless;
mod loss_ledger;
mod receive;
mod reconcile;
mod reports;
pub mod resync;
mod snapshots;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use rustc_hash::FxHashMap;
use tokio::time::Instant;

use crate::connector::drop_counter::DropCounter;
use crate::connector::source::{Batch, DatagramSource};
use crate::connector::wire::MessageId;
use crate::delivery::queue::SubscriberQueue;
use crate::model::event::ProcessEvent;
use crate::model::interest::Interest;
use crate::process::ancestry::AncestryTracker;
use crate::process::event_sink::TaggingSink;
use crate::process::inspector::ProcessInspector;
use crate::process::table::ProcessTable;
use crate::stats::Stats;
use crate::taskstats::collector::UsageCollector;
use activity::ActivityFlag;
pub use awaited::WatchTarget;
use awaited::{HeldFlush, PendingExit, Request, Requester};
use resync::Resync;

/// Number of renames in one read above which they come from a loop. Ordinary programs rename themselves once.
pub(crate) const RENAMES_MAX: u32 = 256;
/// Events that are usually dispatched at once.
const BATCH_EVENTS: usize = 1024;

/// Connects the datagram source to the subscriber queues.
#[derive(Debug)]
pub struct Pipeline<'a, D, P> {
    /// The socket; `None` while `/proc` is polled.
    pub source: Option<D>,
    /// True while a thread of this program reports all processes, see [`Pipeline::apply_reports`].
    pub has_reporter: bool,
    /// The machine's processes.
    pub processes: P,
    /// One queue a subscriber.
    pub queues: &'a mut Vec<Arc<SubscriberQueue>>,
    /// The interest of all subscribers together.
    pub interest: Interest,
    /// The live processes.
    pub table: ProcessTable,
    /// The descendants of the ancestors that subscribers name.
    pub ancestry: AncestryTracker,
    /// Decides when the table is reconciled with a snapshot.
    pub resync: Resync,
    /// Adds their costs to exits; `None` if no subscriber asks for them, or if they cannot be read.
    pub usage: Option<Box<UsageCollector>>,
    pub(crate) activity: ActivityFlag,
    stats: &'a Stats,
    drops: DropCounter,
    batch: Batch,
    /// Upper bound of the kernel memory of the datagrams that were received since the socket was drained last.
    undrained_bytes: usize,
    last_message: MessageId,
    /// Number of interest changes that subscribers have made. Incremented by their threads.
    pub interest_changes: Arc<AtomicU64>,
    /// Number of interest changes that are applied. While it is behind, no further datagram is handled, because the filter
    /// already passes datagrams for the new interest.
    pub applied_interest_changes: u64,
    /// Added to the kernel's times, to get times of this process's time namespace.
    pub clock_offset_ns: i64,
    /// The events that are not dispatched yet. Retained for its capacity.
    events: Vec<ProcessEvent>,
    /// True if the socket must be read once more before events are dispatched. A process was found to have exited since the
    /// last read, so an exec that retracts its exit was sent by then. Or details were captured since, and an exec that was
    /// sent by then may have changed them.
    needs_receive: bool,
    /// Processes that have exited, and whose report is awaited, by pid.
    pending_exits: FxHashMap<u32, PendingExit>,
    /// The watch requests that get the exit after the next dispatch.
    exited_watches: Vec<Requester>,
    /// Number of renames of main threads since they were counted last.
    renames: u32,
    /// The requests that are not answered yet. A source that fails leaves them here.
    requests: VecDeque<Request>,
    /// The flushes that wait for reports of exits.
    held_flushes: Vec<HeldFlush>,
}

impl<'a, D: DatagramSource, P: ProcessInspector> Pipeline<'a, D, P> {
    /// Returns a pipeline without a source.
    pub fn new(
        processes: P,
        queues: &'a mut Vec<Arc<SubscriberQueue>>,
        interest: Interest,
        stats: &'a Stats,
    ) -> Self {
        Self {
            source: None,
            has_reporter: false,
            processes,
            queues,
            interest,
            table: ProcessTable::default(),
            ancestry: AncestryTracker::default(),
            resync: Resync::new(Instant::now()),
            usage: None,
            activity: ActivityFlag::default(),
            stats,
            drops: DropCounter::default(),
            batch: Batch::default(),
            undrained_bytes: 0,
            last_message: MessageId::default(),
            interest_changes: Arc::default(),
            applied_interest_changes: 0,
            clock_offset_ns: 0,
            events: Vec::with_capacity(BATCH_EVENTS),
            needs_receive: false,
            pending_exits: FxHashMap::default(),
            exited_watches: Vec::new(),
            requests: VecDeque::new(),
            held_flushes: Vec::new(),
            renames: 0,
        }
    }

    /// Sets the socket, which was opened just now, or removes it.
    pub fn attach(&mut self, source: Option<D>) {
        // The drop counter of a new socket starts at zero.
        self.drops = DropCounter::default();
        // Datagrams of the old socket do not show that the new one works. The resync that follows recovers them.
        self.batch = Batch::default();
        self.undrained_bytes = 0;
        self.source = source;
        if let Some(usage) = &mut self.usage {
            usage.on_loss();
        }
    }

    /// Returns true if changes of processes are reported, by the kernel or by a thread of this program. Snapshots show them,
    /// too, and may do so before the report.
    pub const fn is_reported(&self) -> bool {
        self.source.is_some() || self.has_reporter
    }

    /// Returns the number of renames of main threads since the last call.
    pub const fn take_renames(&mut self) -> u32 {
        std::mem::replace(&mut self.renames, 0)
    }

    /// Returns true if a datagram was received and not handled, or an event was held back.
    pub const fn is_behind(&self) -> bool {
        !self.batch.is_empty() || !self.events.is_empty()
    }

    /// Dispatches the pending events to all queues. Unless the socket `is_drained`, it holds tentative exits back for one more
    /// read, because a later exec may retract them.
    fn dispatch(&mut self, is_drained: bool) {
        if self.events.is_empty() {
            return;
        }
        let mut held = Vec::new();
        if is_drained {
            self.table.commit_exits();
        } else {
            held = self.table.hold_back_tentative_exits(&mut self.events);
        }
        if let Some(usage) = &mut self.usage {
            self.stats.usage_lost.add(usage.attach(&mut self.events));
        }
        self.queues.iter().for_each(|queue| queue.push(&self.events));
        self.events.clear();
        let table = &self.table;
        self.ancestry.prune_exited(|pid| table.has_tentative_exit(pid));
        self.events.append(&mut held);
        if self.events.is_empty() {
            self.answer_held_flushes();
        }
    }

    /// Changes the table. The events go to the pending ones, with their ancestry.
    fn change_table<T>(&mut self, change: impl FnOnce(&mut ProcessTable, &mut TaggingSink<'_>) -> T) -> T {
        change(&mut self.table, &mut TaggingSink { events: &mut self.events, ancestry: &self.ancestry })
    }
}
