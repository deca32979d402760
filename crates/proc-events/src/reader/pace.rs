//! How long events are gathered before they are read. A wake-up costs more than an event, here and in JavaScript: so
//! where they come in close succession, the first one waits for the others. One that comes alone is read at once.

use std::time::Duration;

use tokio::time::Instant;

/// Events come in close succession if the last ones were read so recently.
const SUCCESSION: Duration = Duration::from_millis(2);
/// What the first event waits for a few others, and for many.
const FOR_FEW: Duration = Duration::from_micros(250);
const FOR_MANY: Duration = Duration::from_millis(1);
/// So many at a time are many.
const MANY: u64 = 8;

/// When the last events were read, and how many.
#[derive(Debug, Default)]
pub(super) struct Pace {
    last: Option<(Instant, u64)>,
}

impl Pace {
    /// How long to gather more, now that something has come in.
    pub(super) fn nap(&self, now: Instant) -> Option<Duration> {
        let (last, count) = self.last?;
        let is_in_succession = now.saturating_duration_since(last) < SUCCESSION;
        is_in_succession.then_some(if count < MANY { FOR_FEW } else { FOR_MANY })
    }

    /// So many were read; `is_all` says that none is left.
    pub(super) fn read(&mut self, count: u64, is_all: bool, now: Instant) {
        // Where more is waiting already, nothing has to be gathered.
        self.last = is_all.then_some((now, count));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_comes_alone_is_read_at_once() {
        let (start, mut pace) = (Instant::now(), Pace::default());
        let at = |microseconds| start + Duration::from_micros(microseconds);
        assert_eq!(pace.nap(at(0)), None);
        pace.read(1, true, at(0));
        assert_eq!(pace.nap(at(500)), Some(FOR_FEW));
        assert_eq!(pace.nap(at(2000)), None);
        pace.read(100, true, at(3000));
        assert_eq!(pace.nap(at(3100)), Some(FOR_MANY));
        pace.read(1024, false, at(4200));
        assert_eq!(pace.nap(at(4200)), None);
    }
}
