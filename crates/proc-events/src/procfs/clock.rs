//! Reads the kernel's clocks.

use rustix::time::ClockId;

/// Returns the time of `clock`, in nanoseconds.
pub(crate) fn clock_ns(clock: ClockId) -> u64 {
    let now = rustix::time::clock_gettime(clock);
    (now.tv_sec as u64).saturating_mul(1_000_000_000).saturating_add(now.tv_nsec as u64)
}
