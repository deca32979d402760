//! Reads the kernel's clocks.

use rustix::time::ClockId;

/// Returns the present difference between the time of day and the time of events: `CLOCK_REALTIME` minus
/// `CLOCK_MONOTONIC`, in nanoseconds. It changes whenever the clock is set, and with each suspend.
#[must_use]
pub fn realtime_offset_ns() -> u64 {
    let before = clock_ns(ClockId::Monotonic);
    let realtime = clock_ns(ClockId::Realtime);
    let after = clock_ns(ClockId::Monotonic);
    realtime.saturating_sub(before + after.saturating_sub(before) / 2)
}

/// Returns the time of `clock`, in nanoseconds.
pub(crate) fn clock_ns(clock: ClockId) -> u64 {
    let now = rustix::time::clock_gettime(clock);
    (now.tv_sec as u64).saturating_mul(1_000_000_000).saturating_add(now.tv_nsec as u64)
}
