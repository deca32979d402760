//! How long events are gathered before they are read. A wake-up costs more than an event, here and in JavaScript: so
//! where they come fast, they are read a millisecond's worth at a time. Where they come slowly, the wait itself would cost
//! a wake-up more than it saves, and each is read at once.

use std::time::Duration;

use tokio::time::Instant;

/// What is gathered where events come fast.
const NAP: Duration = Duration::from_millis(1);
/// Events come fast if there were so many in this time.
const MANY: u32 = 48;
const LATELY: Duration = Duration::from_millis(20);

/// How many events there were lately.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// When the last ones were read; `None` where more was waiting already, and nothing has to be gathered.
    last: Option<Instant>,
    lately: f32,
    /// Whether the last time anything was read.
    goes_on: bool,
}

impl Pace {
    /// How long to gather more, now that something has come in.
    pub(super) fn nap(&self, now: Instant) -> Option<Duration> {
        self.last.filter(|last| self.fading(*last, now) >= MANY as f32).map(|_| NAP)
    }

    /// Whether to gather at once, without waiting for something to come in: it takes a wake-up less, and those who cause the
    /// events wake nobody.
    pub(super) fn is_sure_of_more(&self, now: Instant) -> bool {
        self.goes_on && self.nap(now).is_some()
    }

    /// So many were read; `is_all` says that none is left.
    pub(super) fn read(&mut self, count: u32, is_all: bool, now: Instant) {
        let faded = self.last.map_or(0.0, |last| self.fading(last, now));
        // No more than is forgotten in a moment.
        self.lately = (faded + count as f32).min(2.0 * MANY as f32);
        self.last = is_all.then_some(now);
        self.goes_on = count > 0;
    }

    /// What counts less the longer ago it was.
    fn fading(&self, last: Instant, now: Instant) -> f32 {
        let ago = now.saturating_duration_since(last).as_secs_f32() / LATELY.as_secs_f32();
        self.lately * (1.0 - ago).max(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pairs of events, a tenth of a millisecond apart, so many milliseconds from pair to pair.
    fn pairs(pace: &mut Pace, start: Instant, count: u64, apart: u64) -> Instant {
        let mut now = start;
        for _ in 0..count {
            for event in [0, 100] {
                pace.read(1, true, now + Duration::from_micros(event));
            }
            now += Duration::from_micros(apart);
        }
        now
    }

    #[test]
    fn a_few_are_read_at_once_and_many_together() {
        let (start, mut pace) = (Instant::now(), Pace::default());
        assert_eq!(pace.nap(start), None);
        let now = pairs(&mut pace, start, 100, 50_000);
        assert_eq!(pace.nap(now), None, "20 processes a second");
        let now = pairs(&mut pace, now, 1000, 1000);
        assert_eq!(pace.nap(now), None, "1,000 a second");
        let now = pairs(&mut pace, now, 1000, 500);
        assert_eq!(pace.nap(now), Some(NAP), "2,000 a second");
        assert!(pace.is_sure_of_more(now));
        assert_eq!(pace.nap(now + Duration::from_millis(19)), None);
        // Nothing came in this time: who knows when something will.
        pace.read(0, true, now);
        assert!(pace.nap(now).is_some() && !pace.is_sure_of_more(now));
        // More is waiting: there is nothing to gather.
        pace.read(1024, false, now);
        assert_eq!(pace.nap(now), None);
    }
}
