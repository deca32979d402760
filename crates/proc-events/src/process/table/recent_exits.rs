//! The latest exits. A caller may learn the pid of a short-lived child only after its exit. Pure.

use std::collections::VecDeque;

use crate::model::event::ExitStatus;

/// The longest time for which an exit is remembered.
const RECENT_NS: u64 = 1_000_000_000;
/// The largest number of exits that are remembered.
const RECENT_MAX: usize = 1024;

/// The exit of a process that was reported less than a second ago.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecentExit {
    /// The pid.
    pub pid: u32,
    /// Creation time, in clock ticks; 0: unknown.
    pub start_time: u64,
    /// Time of the exit, in nanoseconds.
    pub timestamp_ns: u64,
    /// The wait status; `None` if unknown.
    pub status: Option<ExitStatus>,
}

/// The latest exits, in the order of their reports.
#[derive(Debug, Default)]
pub(super) struct RecentExits(VecDeque<RecentExit>);

impl RecentExits {
    pub(super) fn push(&mut self, exit: RecentExit) {
        if self.0.len() == RECENT_MAX {
            self.0.pop_front();
        }
        self.0.push_back(exit);
    }

    /// Forgets an exit that an exec has retracted.
    pub(super) fn retract(&mut self, pid: u32, timestamp_ns: u64) {
        let is_retracted = |exit: &RecentExit| exit.pid == pid && exit.timestamp_ns == timestamp_ns;
        if let Some(at) = self.0.iter().rposition(is_retracted) {
            self.0.remove(at);
        }
    }

    /// Returns the last exit of `pid` that is not too old and that `accepts` accepts.
    pub(super) fn find(
        &self,
        pid: u32,
        now_ns: u64,
        accepts: impl Fn(&RecentExit) -> bool,
    ) -> Option<RecentExit> {
        let is_recent = |exit: &&RecentExit| {
            exit.pid == pid && now_ns.saturating_sub(exit.timestamp_ns) < RECENT_NS && accepts(exit)
        };
        self.0.iter().rev().find(is_recent).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exit(pid: u32, timestamp_ns: u64) -> RecentExit {
        RecentExit { pid, start_time: 0, timestamp_ns, status: None }
    }

    #[test]
    fn last_accepted_exit_of_the_last_second_is_found() {
        let mut exits = RecentExits::default();
        for recent in [exit(7, 1), exit(8, 2), exit(7, 3)] {
            exits.push(recent);
        }
        let found = |pid, now_ns| exits.find(pid, now_ns, |_| true).map(|exit| exit.timestamp_ns);
        assert_eq!([found(7, 4), found(8, 4), found(9, 4)], [Some(3), Some(2), None]);
        assert_eq!([found(7, RECENT_NS + 2), found(7, RECENT_NS + 3)], [Some(3), None]);
        assert_eq!(exits.find(7, 4, |exit| exit.timestamp_ns < 3), Some(exit(7, 1)));
    }

    #[test]
    fn retracted_exit_is_forgotten() {
        let mut exits = RecentExits::default();
        for recent in [exit(7, 1), exit(7, 3)] {
            exits.push(recent);
        }
        exits.retract(7, 3);
        exits.retract(7, 5);
        assert_eq!(exits.find(7, 4, |_| true), Some(exit(7, 1)));
    }

    #[test]
    fn oldest_exits_are_forgotten_first() {
        let mut exits = RecentExits::default();
        (0..=RECENT_MAX as u32).for_each(|pid| exits.push(exit(pid, 1)));
        assert_eq!((exits.find(0, 1, |_| true), exits.find(1, 1, |_| true)), (None, Some(exit(1, 1))));
    }
}
