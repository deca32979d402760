//! Reads the socket, at once or after a sleep that lets more events arrive.

use std::sync::atomic::Ordering;
use std::time::Duration;

use rustix::time::ClockId;
use tokio::time::Instant;

use super::Reader;
use super::coalescer::COALESCE_DELAY;
use crate::error::Error;
use crate::pipeline::Pipeline;
use crate::procfs::clock_ns;
use crate::sys;

/// Maximum number of datagrams that one read handles before the loop handles other wake-ups.
const READ_BUDGET: usize = 1024;
/// The socket's buffer fills at most so fast that half of it lasts for its size divided by this, in microseconds: 100,000
/// events a second of some 840 bytes.
const BYTES_PER_MICROSECOND: u64 = 168;
/// The shortest time between two checks of the buffer.
const MIN_SLICE: Duration = Duration::from_micros(500);
/// Memory of a datagram in the socket's buffer, in bytes.
const DATAGRAM_BYTES: u64 = 832;

impl Reader<'_> {
    /// Reads the socket, unless something else is to be handled first.
    pub(super) fn read_socket(&mut self) -> Result<(), Error> {
        // Sleep only if nothing is captured here: `/proc/PID` disappears with the process. (Capture workers, where they
        // run, read it in time.)
        let may_sleep = self.update_scheduling() && !self.pipeline.is_behind();
        let now_ns = || clock_ns(ClockId::Monotonic);
        let delay = || self.coalescer.coalesce_delay(self.is_snapshot_awaited(), now_ns);
        match may_sleep.then(delay).flatten() {
            Some(delay) if !self.sleep(delay) => return Ok(()),
            Some(_) => {}
            None => self.sleep_began = None,
        }
        let before = self.handle.stats.events.get();
        self.pipeline.drain(READ_BUDGET)?;
        self.pause_renames_if_many()?;
        let count = self.handle.stats.events.get() - before;
        self.coalescer.record_read(count as u32, count < READ_BUDGET as u64, self.pipeline.last_ns());
        Ok(())
    }

    /// Returns true if a snapshot, or the time for one, is awaited. A long sleep would delay it.
    fn is_snapshot_awaited(&self) -> bool {
        let Pipeline { resync, .. } = &self.pipeline;
        self.snapshot_task.is_some() || resync.has_reason() || self.pipeline.expected_until().is_some()
    }

    /// Sleeps, so that more events arrive. The socket does not end the sleep, but a half full buffer does, and so do half as many
    /// events as the shortest queue holds. Returns false if a command or the exit of a watched process must be handled first.
    fn sleep(&mut self, delay: Duration) -> bool {
        let began = *self.sleep_began.get_or_insert_with(Instant::now);
        let Self { commands, pipeline, .. } = self;
        let Pipeline { source, processes, queues, usage, .. } = pipeline;
        let Some(connector) = source else { return true };
        let has_many_records = || usage.as_ref().is_some_and(|usage| usage.is_half_full());
        let exit_watcher = processes.exit_watcher();
        // The delay at a high rate is too short to be worth checks of the buffer.
        let checks = delay > COALESCE_DELAY;
        let (mut slice, mut capacity) = (delay, u64::MAX);
        if checks {
            let queue_bytes = queues.iter().map(|queue| queue.capacity() as u64 * DATAGRAM_BYTES).min();
            let buffer_bytes = self.handle.receive_buffer_size.load(Ordering::Relaxed);
            capacity = buffer_bytes.min(queue_bytes.unwrap_or(u64::MAX));
            slice = MIN_SLICE.max(Duration::from_micros(capacity / BYTES_PER_MICROSECOND));
        }
        loop {
            let left = delay.saturating_sub(began.elapsed());
            let is_half_full = || u64::from(connector.queued_bytes()) > capacity / 2 || has_many_records();
            if left.is_zero() || checks && is_half_full() {
                break;
            }
            if sys::sleep_until_readable([commands.as_fd(), exit_watcher.as_fd()], left.min(slice)) {
                return false;
            }
        }
        self.sleep_began = None;
        true
    }
}
