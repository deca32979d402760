//! One reconciliation: table, ancestry and queues take over a snapshot together.

use std::sync::Arc;

use crate::delivery::queue::SubscriberQueue;
use crate::model::event::Origin;
use crate::model::snapshot::Snapshot;
use crate::model::stream_position::StreamPosition;
use crate::process::ancestry::AncestryTracker;
use crate::process::event_sink::TaggingSink;
use crate::process::table::{ProcessTable, Repairs};
use crate::stats::Stats;
use crate::taskstats::collector::UsageCollector;

/// The second check of a process that a snapshot lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recheck {
    /// The process has exited.
    Exited,
    /// The process is hidden from this user, or its liveness is unknown.
    Keep,
    /// Another process has the pid now.
    PidReused,
}

/// The state that a snapshot changes, and the queues that learn about it.
#[derive(Debug)]
pub struct Target<'a> {
    /// The live processes.
    pub table: &'a mut ProcessTable,
    /// The descendants of named ancestors.
    pub ancestry: &'a mut AncestryTracker,
    /// One queue a subscriber.
    pub queues: &'a [Arc<SubscriberQueue>],
    /// Adds their costs to exits.
    pub usage: Option<&'a mut UsageCollector>,
    /// The counters of the reader.
    pub stats: &'a Stats,
}

impl Target<'_> {
    /// Reconciles table and ancestry with the snapshot, and queues the events. Exits get the tags from before the snapshot,
    /// execs those from after it.
    pub(super) fn reconcile(
        &mut self,
        snapshot: Snapshot,
        began: StreamPosition,
        exited: &[u32],
        origin: Origin,
        now_ns: u64,
    ) -> Repairs {
        let Self { table, ancestry, queues, usage, stats } = self;
        let mut events = Vec::new();
        let observed = (!ancestry.is_idle()).then(|| snapshot.clone());
        let mut sink = TaggingSink { events: &mut events, ancestry };
        let (repairs, execs) = table.reconcile(snapshot, began, exited, origin, now_ns, &mut sink);
        if let Some(observed) = observed {
            ancestry.reconcile(&observed);
        }
        if let Some(usage) = usage {
            stats.usage_lost.add(usage.attach(&mut events));
        }
        events.extend(execs.into_iter().map(|event| ancestry.tag(event)));
        for queue in *queues {
            queue.repair(&events);
        }
        repairs
    }
}
