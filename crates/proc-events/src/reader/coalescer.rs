//! How long events are gathered before they are read. A wake-up costs more than an event, here and in JavaScript: so
//! where they come fast, they are read one and a half milliseconds' worth at a time. Where they come slowly, the wait
//! itself would cost a wake-up more than it saves, and each is read at once.

use std::time::Duration;

/// What is gathered where events come fast.
const COALESCE_DELAY: Duration = Duration::from_micros(1500);
/// Events come fast if there were so many in this time.
const BURST_EVENTS: u32 = 48;
const RATE_WINDOW_NS: u64 = 20_000_000;

/// How many events there were lately. It goes by the kernel's times in them: where they come slowly, looking at the clock
/// would cost more than it tells.
#[derive(Debug, Default)]
pub(super) struct Coalescer {
    /// When the last one happened.
    last_ns: u64,
    lately: f32,
    /// Whether more was waiting already, and nothing has to be gathered.
    is_behind: bool,
    /// Whether the last time anything was read.
    leader_exit_only: bool,
}

impl Coalescer {
    /// How long to gather more, now that something has come in.
    pub(super) fn batch_delay(&self, now_ns: impl FnOnce() -> u64) -> Option<Duration> {
        (self.is_fast() && self.decayed_rate(now_ns()) >= BURST_EVENTS as f32).then_some(COALESCE_DELAY)
    }

    fn is_fast(&self) -> bool {
        !self.is_behind && self.lately >= BURST_EVENTS as f32
    }

    /// Whether to gather at once, without waiting for something to come in: it takes a wake-up less, and those who cause the
    /// events wake nobody.
    pub(super) fn expects_more(&self) -> bool {
        self.leader_exit_only && self.is_fast()
    }

    /// So many were read, of which the last happened at this time; `is_all` says that none is left.
    pub(super) fn read(&mut self, count: u32, is_all: bool, last_ns: u64) {
        // No more than is forgotten in a moment.
        self.lately = (self.decayed_rate(last_ns) + count as f32).min(2.0 * BURST_EVENTS as f32);
        self.last_ns = last_ns;
        self.is_behind = !is_all;
        self.leader_exit_only = count > 0;
    }

    /// What counts less the longer ago it was.
    fn decayed_rate(&self, now_ns: u64) -> f32 {
        let ago = now_ns.saturating_sub(self.last_ns) as f32 / RATE_WINDOW_NS as f32;
        self.lately * (1.0 - ago).max(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    /// Pairs of events, a tenth of a millisecond apart, so many microseconds from pair to pair.
    fn pairs(pace: &mut Coalescer, mut now_ns: u64, count: u64, apart: u64) -> u64 {
        for _ in 0..count {
            for event in [0, MS / 10] {
                pace.read(1, true, now_ns + event);
            }
            now_ns += apart * 1000;
        }
        now_ns
    }

    #[test]
    fn a_few_are_read_at_once_and_many_together() {
        let (start, mut pace) = (1000 * MS, Coalescer::default());
        assert_eq!(pace.batch_delay(|| start), None);
        let now = pairs(&mut pace, start, 100, 50_000);
        assert_eq!(pace.batch_delay(|| now), None, "20 processes a second");
        let now = pairs(&mut pace, now, 1000, 1000);
        assert_eq!(pace.batch_delay(|| now), None, "1,000 a second");
        let now = pairs(&mut pace, now, 1000, 500);
        assert_eq!(pace.batch_delay(|| now), Some(COALESCE_DELAY), "2,000 a second");
        assert!(pace.expects_more());
        assert_eq!(pace.batch_delay(|| now + 19 * MS), None);
        // Nothing came in this time: who knows when something will.
        pace.read(0, true, now);
        assert!(pace.batch_delay(|| now).is_some() && !pace.expects_more());
        // More is waiting: there is nothing to gather.
        pace.read(1024, false, now);
        assert_eq!(pace.batch_delay(|| now), None);
    }
}
