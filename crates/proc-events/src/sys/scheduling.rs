//! How soon the reader's thread gets a CPU, which decides what can still be read of a process that ends at once.

use crate::sys::{self, SchedAttr};

/// The slice asked of the scheduler, in nanoseconds: the shortest that it grants. Linux 6.12 and newer.
const SLICE_NS: u64 = 100_000;

/// How the reader's thread is scheduled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum Priority {
    /// As any thread.
    #[default]
    Ordinary,
    /// With a short slice, so that it is woken sooner. Takes no privilege.
    ShortSlice,
    /// Ahead of every ordinary thread (`SCHED_FIFO` 1). Takes `CAP_SYS_NICE`, or `RLIMIT_RTPRIO`.
    Realtime,
}

/// The calling thread's schedule.
#[derive(Debug)]
pub(crate) struct ThreadScheduling {
    /// What it was before anything was changed; `None` where that cannot be asked, and so nothing is changed.
    original: Option<SchedAttr>,
    priority: Priority,
}

impl ThreadScheduling {
    pub(crate) fn of_this_thread() -> Self {
        Self { original: sys::sched_getattr().ok(), priority: Priority::Ordinary }
    }

    /// What is in force.
    pub(crate) const fn priority(&self) -> Priority {
        self.priority
    }

    /// Takes the best that is permitted.
    pub(crate) fn raise(&mut self) {
        let Some(original) = self.original.filter(|_| self.priority == Priority::Ordinary) else { return };
        // The program has given it real-time priority already, perhaps a higher one.
        if matches!(original.policy, sys::SCHED_FIFO | sys::SCHED_RR | sys::SCHED_DEADLINE) {
            self.priority = Priority::Realtime;
            return;
        }
        // A thread started by this one, for a snapshot, is not to inherit it.
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

    /// Lets ordinary threads go on, but is still woken sooner than they are.
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

    /// Goes back to what it was.
    pub(crate) fn restore(&mut self) {
        if self.priority != Priority::Ordinary
            && let Some(original) = self.original
            // Giving up is allowed to anybody, but for the reset on fork, which harms nobody.
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
    fn a_higher_priority_is_not_lowered() {
        // The thread ends with the test, and its priority with it.
        let thread = std::thread::spawn(|| {
            let given = SchedAttr { policy: sys::SCHED_FIFO, priority: 3, ..SchedAttr::default() };
            // Without the permission there is nothing to lower.
            if sys::sched_setattr(&given).is_err() {
                return;
            }
            let mut schedule = ThreadScheduling::of_this_thread();
            let is_kept =
                || sys::sched_getattr().is_ok_and(|now| (now.policy, now.priority) == (sys::SCHED_FIFO, 3));
            schedule.raise();
            assert!(is_kept() && schedule.priority() == Priority::Realtime);
            schedule.lower();
            assert!(is_kept());
            schedule.restore();
            assert!(is_kept());
        });
        assert!(thread.join().is_ok());
    }
}
