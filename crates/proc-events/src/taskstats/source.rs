//! The source of the kernel's records, as a trait, so that a test can replace the socket.

use std::fmt;

use super::wire::Record;

/// A source of the records of exited processes.
pub trait UsageSource: fmt::Debug {
    /// Passes all queued records to `take`, without blocking, until none is left. Each comes with a time at which it had
    /// been received, in nanoseconds on `CLOCK_MONOTONIC`.
    ///
    /// # Errors
    /// The errno of `recvmmsg`.
    fn receive(&self, take: &mut dyn FnMut(Record, u64)) -> rustix::io::Result<()>;

    /// Returns the number of records that the kernel dropped because the receive buffer was full, modulo 2^32.
    fn drops(&self) -> u32;

    /// Returns false if this many records cannot have filled the receive buffer.
    fn may_have_dropped(&self, records: usize) -> bool;

    /// Returns true if the receive buffer is half full.
    fn is_half_full(&self) -> bool;

    /// Returns the present time, in nanoseconds on `CLOCK_MONOTONIC`.
    fn now_ns(&self) -> u64;
}
