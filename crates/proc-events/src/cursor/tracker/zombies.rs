//! When to check if zombies are reaped: a little after their exit, then ever more rarely. Pure.
//!
//! Kernels before 6.9 do not show that by the pidfd, so that each zombie would keep a descriptor until the next list.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Time from an exit to the first check, in nanoseconds.
const FIRST_NS: u64 = 20_000_000;
/// The longest time between two checks, in nanoseconds.
const MAX_NS: u64 = 60_000_000_000;

/// A zombie whose exit is reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Zombie {
    /// Time of the next check, in nanoseconds.
    due_ns: u64,
    /// Time from the check before to this one, in nanoseconds.
    wait_ns: u64,
    pub(super) pid: u32,
    pub(super) generation: u32,
}

/// The zombies that are to be checked.
#[derive(Debug, Default)]
pub(super) struct Zombies {
    /// The one that is due first comes first.
    waiting: BinaryHeap<Reverse<Zombie>>,
    tells_reaping: bool,
}

impl Zombies {
    /// Adds a zombie whose exit has just been reported.
    pub(super) fn add(&mut self, pid: u32, generation: u32, now_ns: u64) {
        if !self.tells_reaping {
            self.push(Zombie { due_ns: 0, wait_ns: FIRST_NS, pid, generation }, now_ns);
        }
    }

    /// Adds a zombie again that is not reaped yet.
    pub(super) fn add_again(&mut self, zombie: Zombie, now_ns: u64) {
        self.push(Zombie { wait_ns: (2 * zombie.wait_ns).min(MAX_NS), ..zombie }, now_ns);
    }

    fn push(&mut self, zombie: Zombie, now_ns: u64) {
        self.waiting.push(Reverse(Zombie { due_ns: now_ns + zombie.wait_ns, ..zombie }));
    }

    /// A pidfd has told that its process is reaped. All others will, too.
    pub(super) fn on_reaping_told(&mut self) {
        if !std::mem::replace(&mut self.tells_reaping, true) {
            self.waiting = BinaryHeap::new();
        }
    }

    /// Takes a zombie that is due.
    pub(super) fn take_due(&mut self, now_ns: u64) -> Option<Zombie> {
        let is_due = self.waiting.peek().is_some_and(|Reverse(zombie)| zombie.due_ns <= now_ns);
        if is_due { self.waiting.pop().map(|Reverse(zombie)| zombie) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zombie_is_checked_ever_more_rarely_and_delays_no_other() {
        let mut zombies = Zombies::default();
        zombies.add(7, 1, 0);
        assert_eq!(zombies.take_due(FIRST_NS - 1), None);
        let zombie = zombies.take_due(FIRST_NS).unwrap();
        zombies.add_again(zombie, FIRST_NS);
        zombies.add(8, 2, FIRST_NS);
        let pids = |zombies: &mut Zombies, now_ns| zombies.take_due(now_ns).map(|zombie| zombie.pid);
        assert_eq!(pids(&mut zombies, 2 * FIRST_NS), Some(8));
        assert_eq!(pids(&mut zombies, 3 * FIRST_NS - 1), None);
        assert_eq!(pids(&mut zombies, 3 * FIRST_NS), Some(7));
        zombies.add_again(Zombie { wait_ns: MAX_NS, ..zombie }, 0);
        assert_eq!(pids(&mut zombies, MAX_NS), Some(7));
    }

    #[test]
    fn no_zombie_is_checked_where_pidfds_tell_that_it_is_reaped() {
        let mut zombies = Zombies::default();
        zombies.add(7, 1, 0);
        zombies.on_reaping_told();
        zombies.add(8, 2, 0);
        assert_eq!(zombies.take_due(MAX_NS), None);
    }
}
