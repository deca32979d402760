//! Coalesces wake-ups, as interrupt coalescing does for a network card.
//!
//! A wake-up costs more than an event, in the reader and in the subscriber. At a high rate the reader therefore delays
//! a read by 1.5 ms and handles the events in one batch. At a low rate the delay itself would cost a wake-up, so the
//! reader reads each event at once.
//!
//! If all subscribers accept a longer delay, the reader delays each read by that.

use std::time::Duration;

/// Time by which a read is delayed at a high rate.
pub(super) const COALESCE_DELAY: Duration = Duration::from_micros(1500);
/// The rate is high if there were this many events in [`RATE_WINDOW_NS`].
const BURST_EVENTS: u32 = 48;
/// Number of events in one accepted delay above which the next delay probably has events, too: those of one process.
const SPARSE_EVENTS: u32 = 2;
/// Time window of the rate, in nanoseconds.
const RATE_WINDOW_NS: u64 = 20_000_000;

/// The recent rate of events. It uses the kernel's timestamps of the events, because at a low rate reading the clock
/// costs more than it helps.
#[derive(Debug, Default)]
pub(super) struct Coalescer {
    /// Time of the last event, in nanoseconds on `CLOCK_MONOTONIC`.
    last_ns: u64,
    /// Number of events in the last [`RATE_WINDOW_NS`] before `last_ns`, where older ones count less.
    rate: f32,
    /// True if the last read left events in the socket.
    has_backlog: bool,
    /// Number of events that the last read returned.
    last_count: u32,
    /// The longest delay that all subscribers accept.
    max_latency: Duration,
}

impl Coalescer {
    /// Sets the longest delay that all subscribers accept.
    pub(super) const fn set_max_latency(&mut self, max_latency: Duration) {
        self.max_latency = max_latency;
    }

    /// Returns the time by which to delay the next read. Returns `None` if the rate is low and no subscriber accepts a
    /// delay, or if events are left to read. `is_short`: only the delay at a high rate is possible.
    pub(super) fn coalesce_delay(&self, is_short: bool, now_ns: impl FnOnce() -> u64) -> Option<Duration> {
        if self.accepts_delay() && !is_short {
            return (!self.has_backlog).then_some(self.max_latency);
        }
        (self.is_burst() && self.decayed_rate(now_ns()) >= BURST_EVENTS as f32).then_some(COALESCE_DELAY)
    }

    /// Returns true if the subscribers accept more than the delay at a high rate.
    fn accepts_delay(&self) -> bool {
        self.max_latency > COALESCE_DELAY
    }

    fn is_burst(&self) -> bool {
        !self.has_backlog && self.rate >= BURST_EVENTS as f32
    }

    /// Returns true if the reader should read again without waiting for the socket. This saves a wake-up, and the
    /// processes that cause the events need not wake the reader. If no event came meanwhile, it costs a wake-up instead.
    pub(super) fn should_read_again(&self) -> bool {
        let is_dense = self.accepts_delay() && !self.has_backlog && self.last_count > SPARSE_EVENTS;
        self.last_count > 0 && (self.is_burst() || is_dense)
    }

    /// Records a read of `count` events, of which the last happened at `last_ns`. `is_drained` is true if none is left.
    pub(super) fn record_read(&mut self, count: u32, is_drained: bool, last_ns: u64) {
        // The limit makes the rate decay below `BURST_EVENTS` within half a window after a burst.
        self.rate = (self.decayed_rate(last_ns) + count as f32).min(2.0 * BURST_EVENTS as f32);
        self.last_ns = last_ns;
        self.has_backlog = !is_drained;
        self.last_count = count;
    }

    /// Returns the rate, which decays linearly to 0 within [`RATE_WINDOW_NS`] after the last event.
    fn decayed_rate(&self, now_ns: u64) -> f32 {
        let windows = now_ns.saturating_sub(self.last_ns) as f32 / RATE_WINDOW_NS as f32;
        self.rate * (1.0 - windows).max(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    /// Records `count` pairs of events, 0.1 ms apart, one pair every `interval_us` microseconds. Returns the time after
    /// them.
    fn record_pairs(coalescer: &mut Coalescer, mut now_ns: u64, count: u64, interval_us: u64) -> u64 {
        for _ in 0..count {
            for offset_ns in [0, MS / 10] {
                coalescer.record_read(1, true, now_ns + offset_ns);
            }
            now_ns += interval_us * 1000;
        }
        now_ns
    }

    #[test]
    fn every_read_is_delayed_if_all_subscribers_accept_it() {
        let mut coalescer = Coalescer::default();
        let latency = Duration::from_millis(20);
        coalescer.set_max_latency(latency);
        assert_eq!(coalescer.coalesce_delay(false, || 0), Some(latency), "the first event");
        assert!(!coalescer.should_read_again());
        coalescer.record_read(3, true, MS);
        assert_eq!(coalescer.coalesce_delay(false, || MS), Some(latency));
        assert!(coalescer.should_read_again(), "one wake-up a batch");
        coalescer.record_read(2, true, MS);
        assert!(!coalescer.should_read_again(), "the next batch would probably be empty");
        coalescer.record_read(3, true, MS);
        assert_eq!(coalescer.coalesce_delay(true, || MS), None, "a snapshot is awaited");
        coalescer.record_read(1024, false, MS);
        assert_eq!(coalescer.coalesce_delay(false, || MS), None, "events are left");
        assert!(!coalescer.should_read_again());
        coalescer.record_read(0, true, MS);
        assert!(!coalescer.should_read_again(), "the reader waits for the socket");
        coalescer.set_max_latency(Duration::from_millis(1));
        assert_eq!(
            coalescer.coalesce_delay(false, || 1000 * MS),
            None,
            "shorter than the delay at a high rate"
        );
    }

    #[test]
    fn low_rate_is_read_at_once_and_high_rate_in_batches() {
        let (start, mut coalescer) = (1000 * MS, Coalescer::default());
        assert_eq!(coalescer.coalesce_delay(false, || start), None);
        let now = record_pairs(&mut coalescer, start, 100, 50_000);
        assert_eq!(coalescer.coalesce_delay(false, || now), None, "20 processes a second");
        let now = record_pairs(&mut coalescer, now, 1000, 1000);
        assert_eq!(coalescer.coalesce_delay(false, || now), None, "1,000 a second");
        let now = record_pairs(&mut coalescer, now, 1000, 500);
        assert_eq!(coalescer.coalesce_delay(false, || now), Some(COALESCE_DELAY), "2,000 a second");
        assert!(coalescer.should_read_again());
        assert_eq!(coalescer.coalesce_delay(false, || now + 19 * MS), None);
        // After an empty read, the reader waits for the socket.
        coalescer.record_read(0, true, now);
        assert!(coalescer.coalesce_delay(false, || now).is_some() && !coalescer.should_read_again());
        // With events left, the reader reads at once.
        coalescer.record_read(1024, false, now);
        assert_eq!(coalescer.coalesce_delay(false, || now), None);
    }
}
