//! How long to rest between two looks while many processes start and none is short-lived. Each wake-up then handles several
//! changes. Pure.

use std::time::Duration;

use crate::model::effort::Effort;

/// Time over which processes are counted, in nanoseconds.
const WINDOW_NS: u64 = 50_000_000;
/// The least number of new processes in that time that is worth a rest: 300 a second.
const MANY: u32 = 15;
/// A process is short-lived if it lives for less than so many rests. Its start and its end may each be noticed a rest late, so that
/// the measured life is up to a rest shorter or longer.
const SHORT_RESTS: u64 = 2;
/// One of so many processes may be short-lived.
const SHORT_SHARE: u32 = 20;

/// The processes that were new or have ended since the last count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lives {
    /// New processes.
    pub started: u32,
    /// Processes that have ended, or were never seen.
    pub ended: u32,
    /// Ended processes that lived for a shorter time than [`Rest::short_ns`].
    pub short: u32,
}

/// The rest between two looks.
#[derive(Debug)]
pub struct Rest {
    longest_ns: u64,
    window_ns: u64,
    lives: Lives,
    is_resting: bool,
}

impl Rest {
    /// Returns the rest of an effort, which is no longer than `longest`. It begins when there are enough long-lived processes.
    #[must_use]
    pub fn new(effort: Effort, longest: Duration) -> Self {
        let longest_us: u64 = match effort {
            Effort::Low => 5_000,
            Effort::Normal => 1_500,
            Effort::High => 0,
        };
        let lives = Lives { started: 0, ended: 0, short: 0 };
        let longest_ns = u64::try_from(longest.as_nanos()).unwrap_or(u64::MAX).min(longest_us * 1_000);
        Self { longest_ns, window_ns: 0, lives, is_resting: false }
    }

    /// Returns the time below which a life is short, in nanoseconds.
    #[must_use]
    pub const fn short_ns(&self) -> u64 {
        self.longest_ns * SHORT_RESTS
    }

    /// Counts processes. A short-lived one ends the rest at once, a window without any begins it.
    pub const fn count(&mut self, lives: Lives, now_ns: u64) {
        self.lives.started += lives.started;
        self.lives.ended += lives.ended;
        self.lives.short += lives.short;
        let Lives { started, ended, short } = self.lives;
        let is_over = now_ns >= self.window_ns + WINDOW_NS;
        let is_short = short * SHORT_SHARE > if is_over || ended > MANY { ended } else { MANY };
        if is_over {
            self.is_resting = started >= MANY && !is_short;
            self.window_ns = now_ns;
            self.lives = Lives { started: 0, ended: 0, short: 0 };
        } else if is_short {
            self.is_resting = false;
        }
    }

    /// Returns the time from one look to the next, in nanoseconds.
    #[must_use]
    pub const fn ns(&self) -> u64 {
        if self.is_resting { self.longest_ns } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    fn after(lives: &[(u32, u32, u32)]) -> u64 {
        let mut rest = Rest::new(Effort::Normal, Duration::MAX);
        for (window, &(started, ended, short)) in lives.iter().enumerate() {
            rest.count(Lives { started, ended, short }, (window as u64 + 1) * WINDOW_NS);
        }
        rest.ns()
    }

    #[test]
    fn many_long_lived_processes_are_looked_at_together() {
        assert_eq!(after(&[(50, 50, 0)]), 1_500_000);
        assert_eq!(after(&[(50, 50, 2)]), 1_500_000);
        assert_eq!(after(&[(MANY - 1, 50, 0)]), 0);
        assert_eq!(after(&[(50, 50, 3)]), 0);
        assert_eq!(after(&[(50, 50, 0), (50, 50, 50)]), 0);
        assert_eq!(after(&[(50, 50, 0), (0, 0, 0)]), 0);
    }

    #[test]
    fn short_lived_process_ends_the_rest_at_once() {
        let mut rest = Rest::new(Effort::Normal, Duration::MAX);
        rest.count(Lives { started: 50, ended: 50, short: 0 }, WINDOW_NS);
        rest.count(Lives { started: 1, ended: 1, short: 1 }, WINDOW_NS + MS);
        assert_eq!(rest.ns(), 0);
    }

    #[test]
    fn high_effort_never_rests() {
        let mut rest = Rest::new(Effort::High, Duration::MAX);
        rest.count(Lives { started: 50, ended: 50, short: 0 }, WINDOW_NS);
        assert_eq!((rest.ns(), rest.short_ns()), (0, 0));
    }

    #[test]
    fn rest_and_short_life_depend_on_the_effort_and_the_interval_of_the_user() {
        let times = |effort, longest| {
            let mut rest = Rest::new(effort, longest);
            rest.count(Lives { started: 50, ended: 50, short: 0 }, WINDOW_NS);
            (rest.ns(), rest.short_ns())
        };
        assert_eq!(times(Effort::Normal, Duration::MAX), (3 * MS / 2, 3 * MS));
        assert_eq!(times(Effort::Low, Duration::MAX), (5 * MS, 10 * MS));
        assert_eq!(times(Effort::Low, Duration::from_millis(1)), (MS, 2 * MS));
    }
}
