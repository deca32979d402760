//! Reads the kernel's clocks.

use rustix::time::ClockId;

/// Largest number of readings of both clocks.
const CLOCK_READINGS_MAX: u32 = 4;
/// A reading of both clocks that takes longer was interrupted, in nanoseconds.
const EXACT_READING_NS: u64 = 5_000;

/// Returns the present difference between the time of day and the time of events: `CLOCK_REALTIME` minus
/// `CLOCK_MONOTONIC`, in nanoseconds. It changes whenever the clock is set, and with each suspend.
#[must_use]
pub fn realtime_offset_ns() -> u64 {
    let mut offset_ns = 0;
    // An interruption between the readings makes the result inexact.
    for _ in 0..CLOCK_READINGS_MAX {
        let before = clock_ns(ClockId::Monotonic);
        let realtime = clock_ns(ClockId::Realtime);
        let took = clock_ns(ClockId::Monotonic).saturating_sub(before);
        offset_ns = realtime.saturating_sub(before + took / 2);
        if took <= EXACT_READING_NS {
            break;
        }
    }
    offset_ns
}

/// Returns the time of `clock`, in nanoseconds.
pub(crate) fn clock_ns(clock: ClockId) -> u64 {
    let now = rustix::time::clock_gettime(clock);
    (now.tv_sec as u64).saturating_mul(1_000_000_000).saturating_add(now.tv_nsec as u64)
}
