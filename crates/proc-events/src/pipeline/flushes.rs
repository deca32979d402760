//! Flushes: answers that come after all that the kernel reported before, and after the exits of processes that are gone.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::Pipeline;
use super::awaited::{HeldFlush, RequestKind};
use crate::connector::source::DatagramSource;
use crate::delivery::queue::SubscriberQueue;
use crate::error::Error;
use crate::model::notification::Notification;
use crate::model::now::Now;
use crate::process::inspector::ProcessInspector;

/// The longest time that a flush waits for the reports of processes that are gone. The kernel reports an exit after the parent
/// may have reaped the process, and may be preempted in between.
const UNREPORTED_MAX: Duration = Duration::from_secs(1);

impl<D: DatagramSource, P: ProcessInspector> Pipeline<'_, D, P> {
    /// Answers `queue` with [`Notification::Flushed`] after all that the kernel has reported, and after the exits of the
    /// processes that are gone. It also waits for the snapshot that repairs losses or reads requested details. If the source
    /// fails, the request is left to [`Pipeline::expire_pending_exits`].
    ///
    /// # Errors
    /// See [`Pipeline::drain`].
    pub fn flush(&mut self, queue: Arc<SubscriberQueue>, id: u32, now: Now) -> Result<(), Error> {
        self.request(queue, RequestKind::Flush(id), now)
    }

    /// Answers a flush, or holds it. All that the kernel has reported is dispatched.
    pub(super) fn answer_flush(&mut self, queue: Arc<SubscriberQueue>, id: u32, now: Now) {
        if !self.needs_snapshot_to_flush() {
            let unreported = self.table.known_pids(|pid| self.processes.is_gone(pid));
            if !unreported.is_empty() {
                let (noticed, until) = (self.table.position(), now.instant + UNREPORTED_MAX);
                return self.held_flushes.push(HeldFlush { queue, id, unreported, noticed, until });
            }
        }
        self.complete_flush(queue, id);
    }

    fn needs_snapshot_to_flush(&self) -> bool {
        self.source.is_none() || self.resync.is_catching_up()
    }

    /// Answers a flush, after a snapshot if it needs one.
    fn complete_flush(&mut self, queue: Arc<SubscriberQueue>, id: u32) {
        if self.needs_snapshot_to_flush() {
            self.resync.request_flush(queue, id);
        } else {
            queue.notify(Notification::Flushed { id });
        }
    }

    /// Answers the flushes whose exits are all reported. To be called after a dispatch.
    pub(super) fn answer_held_flushes(&mut self) {
        let table = &self.table;
        let is_answered = |flush: &mut HeldFlush| {
            flush.unreported.retain(|&pid| table.knows_since(pid, flush.noticed));
            flush.unreported.is_empty()
        };
        for HeldFlush { queue, id, .. } in self.held_flushes.extract_if(.., is_answered) {
            queue.notify(Notification::Flushed { id });
        }
    }

    /// Answers the flushes that have waited for long enough.
    pub(super) fn expire_held_flushes(&mut self, now: Instant) {
        let expired: Vec<_> = self.held_flushes.extract_if(.., |flush| flush.until <= now).collect();
        for HeldFlush { queue, id, .. } in expired {
            self.complete_flush(queue, id);
        }
    }
}
