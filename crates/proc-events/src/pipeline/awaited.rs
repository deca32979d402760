//! Exits and answers that the pipeline waits for or remembers.

use std::sync::Arc;

use tokio::time::Instant;

use crate::delivery::queue::SubscriberQueue;
use crate::model::stream_position::StreamPosition;

/// A process whose exit a subscriber watches.
#[derive(Clone, Copy, Debug)]
pub struct WatchTarget {
    /// The id of the request.
    pub id: u32,
    /// The pid.
    pub pid: u32,
    /// The creation time in clock ticks; `None`: any process with this pid.
    pub start_time: Option<u64>,
}

impl WatchTarget {
    /// Returns true if a process that was created at `start_time` is another one with the same pid. 0: unknown.
    pub(super) fn is_another(&self, start_time: u64) -> bool {
        start_time != 0 && self.start_time.is_some_and(|expected| expected != start_time)
    }
}

/// A request that the reports before it must precede.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) queue: Arc<SubscriberQueue>,
    pub(super) kind: RequestKind,
    /// Time at which to answer it.
    pub(super) due: Instant,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum RequestKind {
    Watch(WatchTarget),
    /// Carries the id of the request.
    Flush(u32),
}

/// A flush that waits for reports of exits.
#[derive(Debug)]
pub(super) struct HeldFlush {
    pub(super) queue: Arc<SubscriberQueue>,
    /// The id of the request.
    pub(super) id: u32,
    /// The processes that are gone, and whose exit is not reported.
    pub(super) unreported: Vec<u32>,
    /// Position in the stream at which that was noticed.
    pub(super) noticed: StreamPosition,
    /// Time until which the reports are awaited.
    pub(super) until: Instant,
}

/// A subscriber, and the process whose exit it watches.
pub(super) type Requester = (Arc<SubscriberQueue>, WatchTarget);

/// The exit of a process that a pidfd showed, and that the kernel is about to report, or whose last thread it is.
#[derive(Debug)]
pub(super) struct PendingExit {
    /// Position in the stream at which the exit was noticed.
    pub(super) noticed: StreamPosition,
    /// Time at which the exit was noticed, in nanoseconds.
    pub(super) noticed_ns: u64,
    /// The creation time of the process in clock ticks; 0: unknown.
    pub(super) start_time: u64,
    /// Time until which the report is awaited.
    pub(super) until: Instant,
    /// The subscribers that have asked whether the process runs.
    pub(super) requesters: Vec<Requester>,
}
