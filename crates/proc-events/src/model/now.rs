//! A point in time on the two clocks of the reader.

use tokio::time::Instant;

/// The time at which something is handled. Passed as an argument, so that state machines can be tested without a clock.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// On the clock of timers.
    pub instant: Instant,
    /// On the clock of the kernel's events: nanoseconds on `CLOCK_MONOTONIC`.
    pub monotonic_ns: u64,
}
