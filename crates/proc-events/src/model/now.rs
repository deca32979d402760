//! A point in time on the two clocks of the reader.

use tokio::time::Instant;

/// The time at which something is handled. Callers pass it as an argument, so that tests of state machines need no
/// clock.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// Time on the clock of timers.
    pub instant: Instant,
    /// Time on the clock of the kernel's events: nanoseconds on `CLOCK_MONOTONIC`.
    pub monotonic_ns: u64,
}
