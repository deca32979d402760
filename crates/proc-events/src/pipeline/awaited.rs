//! Exits and answers that the pipeline waits for.

use std::sync::Arc;

use tokio::time::Instant;

use crate::delivery::queue::SubscriberQueue;
use crate::model::stream_position::StreamPosition;

/// The longest time for which an exit is remembered.
pub(super) const RECENT_NS: u64 = 1_000_000_000;
/// The largest number of exits that are remembered.
pub(super) const RECENT_MAX: usize = 1024;

/// A request to watch the exit of a process.
#[derive(Debug)]
pub(super) struct WatchRequest {
    pub(super) queue: Arc<SubscriberQueue>,
    pub(super) id: u32,
    pub(super) pid: u32,
    /// Time at which to answer it.
    pub(super) due: Instant,
}

/// The exit of a process that a pidfd showed, and that the kernel is about to report.
#[derive(Debug)]
pub(super) struct PendingExit {
    /// Position in the stream at which the exit was noticed.
    pub(super) noticed: StreamPosition,
    /// Time until which the report is awaited.
    pub(super) until: Instant,
    /// The subscribers that have asked whether the process runs, with the ids of their requests.
    pub(super) requesters: Vec<(Arc<SubscriberQueue>, u32)>,
}
