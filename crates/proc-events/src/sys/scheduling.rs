//! Scheduling of the reader thread.
//!
//! The delay until the reader runs decides how much of a short-lived process can still be read from `/proc`.

use crate::sys::{self, SchedAttr};

/// The time slice that is requested, in nanoseconds: the shortest that the scheduler grants. Linux 6.12 and newer.
const SLICE_NS: u64 = 100_000;

/// Scheduling priority of the reader thread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum Priority {
    /// The scheduling that the thread started with.
    #[default]
    Ordinary,
    /// A short time slice, so that the thread wakes sooner. Needs no privilege.
    ShortSlice,
    /// `SCHED_FIFO` with priority 1, ahead of every ordinary thread. Needs `CAP_SYS_NICE` or `RLIMIT_RTPRIO`.
    Realtime,
}

/// The scheduling of the calling thread.
#[derive(Debug)]
pub(crate) struct ThreadScheduling {
    /// The attributes before the first change. `None` if they cannot be read; nothing is changed then.
    original: Option<SchedAttr>,
    priority: Priority,
}

impl ThreadScheduling {
    /// Reads the scheduling of the calling thread.
    pub(crate) fn of_this_thread() -> Self {
        Self { original: sys::sched_getattr().ok(), priority: Priority::Ordinary }
    }

    /// Returns the priority in force.
    pub(crate) const fn priority(&self) -> Priority {
        self.priority
    }

    /// Raises the priority as far as permitted.
    pub(crate) fn raise(&mut self) {
        let Some(original) = self.original.filter(|_| self.priority == Priority::Ordinary) else { return };
        // The program has set a real-time policy already, possibly with a higher priority.
        if matches!(original.policy, sys::SCHED_FIFO | sys::SCHED_RR | sys::SCHED_DEADLINE) {
            self.priority = Priority::Realtime;
            return;
        }
        // Reset on fork, so that the snapshot thread does not inherit the priority.
        let realtime =
            SchedAttr { policy: sys::SCHED_FIFO, priority: 1, flags: sys::RESET_ON_FORK, ..original };
        let short = SchedAttr { runtime_ns: SLICE_NS, ..original };
        self.priority = if sys::sched_setattr(&realtime).is_ok() {
            Priority::Realtime
        } else if original.policy == sys::SCHED_OTHER && sys::sched_setattr(&short).is_ok() {
            Priority::ShortSlice
        } else {
            Priority::Ordinary
        };
    }

    /// Lowers real-time priority to a short time slice, so that ordinary threads can run.
    pub(crate) fn lower(&mut self) {
        if self.priority == Priority::Realtime
            && let Some(original) = self.original
            && original.policy == sys::SCHED_OTHER
            && sys::sched_setattr(&SchedAttr { runtime_ns: SLICE_NS, flags: sys::RESET_ON_FORK, ..original })
                .is_ok()
        {
            self.priority = Priority::ShortSlice;
        }
    }

    /// Restores the original scheduling.
    pub(crate) fn restore(&mut self) {
        if self.priority != Priority::Ordinary
            && let Some(original) = self.original
            // Lowering needs no privilege, but clearing the reset-on-fork flag does. Keeping the flag is harmless.
            && (sys::sched_setattr(&original).is_ok()
                || sys::sched_setattr(&SchedAttr { flags: sys::RESET_ON_FORK, ..original }).is_ok())
        {
            self.priority = Priority::Ordinary;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_real_time_priority_set_by_the_program_is_unchanged() {
        // The thread ends with the test, and its priority with it.
        let thread = std::thread::spawn(|| {
            let set_by_program = SchedAttr { policy: sys::SCHED_FIFO, priority: 3, ..SchedAttr::default() };
            // Not permitted: there is nothing to test.
            if sys::sched_setattr(&set_by_program).is_err() {
                return;
            }
            let mut scheduling = ThreadScheduling::of_this_thread();
            let is_unchanged =
                || sys::sched_getattr().is_ok_and(|now| (now.policy, now.priority) == (sys::SCHED_FIFO, 3));
            scheduling.raise();
            assert!(is_unchanged() && scheduling.priority() == Priority::Realtime);
            scheduling.lower();
            assert!(is_unchanged());
            scheduling.restore();
            assert!(is_unchanged());
        });
        assert!(thread.join().is_ok());
    }
}
