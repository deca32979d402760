//! How often the cursor is read: ticks that depend on what has been new lately, and on the wish of the user. Pure.

use std::time::Duration;

use crate::model::effort::Effort;

/// The cursor is read at the busy tick as long as the last new process is not older than this.
const BUSY_NS: u64 = 500_000_000;

/// After this time without a new process, the idle tick is longer where opened programs wake the reader.
const QUIET_NS: u64 = 5_000_000_000;

/// Time between two reads of a cursor that audits, in microseconds.
const AUDIT_US: u64 = 250_000;

/// The times between two reads of the cursor.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// The ticks in nanoseconds: while processes start; a little after, where opened programs wake the reader; later; and where
    /// they do not.
    ticks: [u64; 4],
    busy_until_ns: u64,
}

impl Pace {
    /// Returns the pace of an effort. No tick is longer than `longest`.
    #[must_use]
    pub fn new(effort: Effort, longest: Duration) -> Self {
        let longest_us = u64::try_from(longest.as_micros()).unwrap_or(u64::MAX);
        let ticks_us = match effort {
            Effort::Low => [10_000, 250_000, 250_000, 250_000],
            Effort::Normal => [1_000, 50_000, 100_000, 5_000],
            Effort::High => [250, 1_000, 1_000, 1_000],
        };
        Self { ticks: ticks_us.map(|tick_us: u64| tick_us.min(longest_us) * 1_000), busy_until_ns: 0 }
    }

    /// Returns the pace where the kernel's records show all processes, and the cursor only those that were missed.
    #[must_use]
    pub fn audit(longest: Duration) -> Self {
        let longest_us = u64::try_from(longest.as_micros()).unwrap_or(u64::MAX);
        let ticks_us = [1_000, AUDIT_US, AUDIT_US, AUDIT_US];
        Self { ticks: ticks_us.map(|tick_us: u64| tick_us.min(longest_us) * 1_000), busy_until_ns: 0 }
    }

    /// Records that a process or thread was new.
    pub const fn on_new(&mut self, now_ns: u64) {
        self.busy_until_ns = now_ns.saturating_add(BUSY_NS);
    }

    /// Returns the time to the next read of the cursor. `is_woken`: opened programs wake the reader.
    #[must_use]
    pub const fn tick_ns(&self, now_ns: u64, is_woken: bool) -> u64 {
        let [busy, idle, quiet, idle_blind] = self.ticks;
        if now_ns < self.busy_until_ns {
            busy
        } else if is_woken {
            if now_ns < self.busy_until_ns.saturating_add(QUIET_NS) { idle } else { quiet }
        } else {
            idle_blind
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tick_is_short_for_half_a_second_after_a_new_process() {
        let mut pace = Pace::new(Effort::Normal, Duration::from_millis(250));
        assert_eq!([true, false].map(|woken| pace.tick_ns(7, woken)), [50_000_000, 5_000_000]);
        pace.on_new(7);
        assert_eq!([true, false].map(|woken| pace.tick_ns(BUSY_NS + 6, woken)), [1_000_000; 2]);
        assert_eq!(pace.tick_ns(BUSY_NS + 7, true), 50_000_000);
        assert_eq!(pace.tick_ns(BUSY_NS + 7 + QUIET_NS, true), 100_000_000);
    }

    #[test]
    fn no_tick_is_longer_than_the_interval_of_the_user() {
        let mut pace = Pace::new(Effort::Low, Duration::from_millis(3));
        assert_eq!(pace.tick_ns(0, true), 3_000_000);
        pace.on_new(0);
        assert_eq!(pace.tick_ns(0, true), 3_000_000);
        assert_eq!(Pace::new(Effort::Low, Duration::MAX).tick_ns(0, false), 250_000_000);
    }
}
