//! Scheduling of the reader thread and of the capture workers.
//!
//! The delay until the reader runs decides how much of a short-lived process can still be read from `/proc`.

use std::io;

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

/// The scheduler, as the calling thread may ask it. A trait, so that a test can stand in for another kernel.
pub(crate) trait Scheduler {
    /// Returns the attributes of the calling thread.
    fn get(&self) -> io::Result<SchedAttr>;
    /// Sets the attributes of the calling thread.
    fn set(&self, attr: &SchedAttr) -> io::Result<()>;
}

/// The scheduler of this kernel.
#[derive(Debug)]
pub(crate) struct LinuxScheduler;

impl Scheduler for LinuxScheduler {
    fn get(&self) -> io::Result<SchedAttr> {
        sys::sched_getattr()
    }
    fn set(&self, attr: &SchedAttr) -> io::Result<()> {
        sys::sched_setattr(attr)
    }
}

/// The scheduling of the calling thread.
#[derive(Debug)]
pub(crate) struct ThreadScheduling<S = LinuxScheduler> {
    scheduler: S,
    /// The attributes before the first change. `None` if they cannot be read; nothing is changed then.
    original: Option<SchedAttr>,
    priority: Priority,
    /// True if a real-time priority was lowered, and may be raised again.
    is_lowered: bool,
}

impl ThreadScheduling {
    /// Reads the scheduling of the calling thread.
    pub(crate) fn of_this_thread() -> Self {
        Self::new(LinuxScheduler)
    }
}

impl<S: Scheduler> ThreadScheduling<S> {
    fn new(scheduler: S) -> Self {
        let original = scheduler.get().ok();
        Self { scheduler, original, priority: Priority::Ordinary, is_lowered: false }
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
        if self.set_realtime(original) {
            self.priority = Priority::Realtime;
        } else if self.set_short_slice(original.flags) {
            self.priority = Priority::ShortSlice;
        }
    }

    fn set_realtime(&self, original: SchedAttr) -> bool {
        // Reset on fork, so that the snapshot thread does not inherit the priority.
        let realtime =
            SchedAttr { policy: sys::SCHED_FIFO, priority: 1, flags: sys::RESET_ON_FORK, ..original };
        self.scheduler.set(&realtime).is_ok()
    }

    /// Requests a short time slice, and no real-time priority.
    pub(crate) fn shorten(&mut self) {
        if self.priority == Priority::Ordinary && self.set_short_slice(0) {
            self.priority = Priority::ShortSlice;
        }
    }

    /// Lowers real-time priority to a short time slice, so that ordinary threads can run. Keeps the real-time priority
    /// where the kernel grants no slice.
    pub(crate) fn lower(&mut self) {
        if self.priority == Priority::Realtime && self.set_short_slice(sys::RESET_ON_FORK) {
            (self.priority, self.is_lowered) = (Priority::ShortSlice, true);
        }
    }

    /// Raises a priority again that was lowered.
    pub(crate) fn undo_lower(&mut self) {
        if self.is_lowered && self.original.is_some_and(|original| self.set_realtime(original)) {
            (self.priority, self.is_lowered) = (Priority::Realtime, false);
        }
    }

    /// Sets an ordinary policy with a short time slice. Returns true if the kernel has granted it. Before Linux 6.12 the
    /// kernel shows no slice, and accepts a request without effect.
    fn set_short_slice(&self, flags: u64) -> bool {
        let shows_slice = |attr: &SchedAttr| attr.policy == sys::SCHED_OTHER && attr.runtime_ns != 0;
        let Some(original) = self.original.filter(shows_slice) else { return false };
        self.scheduler.set(&SchedAttr { runtime_ns: SLICE_NS, flags, ..original }).is_ok()
            && self.scheduler.get().is_ok_and(|now| now.runtime_ns == SLICE_NS)
    }

    /// Restores the original scheduling.
    pub(crate) fn restore(&mut self) {
        if self.priority != Priority::Ordinary
            && let Some(original) = self.original
            // Lowering needs no privilege, but clearing the reset-on-fork flag does. Keeping the flag is harmless.
            && (self.scheduler.set(&original).is_ok()
                || self.scheduler.set(&SchedAttr { flags: sys::RESET_ON_FORK, ..original }).is_ok())
        {
            (self.priority, self.is_lowered) = (Priority::Ordinary, false);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use rustix::io::Errno;

    use super::*;

    /// A kernel that shows and grants time slices, or accepts and ignores them; and a user with real-time priority, or
    /// without.
    struct FakeScheduler {
        now: Cell<SchedAttr>,
        grants_slices: bool,
        permits_realtime: bool,
    }

    impl Scheduler for &FakeScheduler {
        fn get(&self) -> io::Result<SchedAttr> {
            Ok(self.now.get())
        }
        fn set(&self, attr: &SchedAttr) -> io::Result<()> {
            if attr.policy == sys::SCHED_FIFO && !self.permits_realtime {
                return Err(Errno::PERM.into());
            }
            let has_slice = self.grants_slices && attr.policy == sys::SCHED_OTHER;
            self.now.set(SchedAttr { runtime_ns: if has_slice { attr.runtime_ns } else { 0 }, ..*attr });
            Ok(())
        }
    }

    fn kernel(grants_slices: bool, permits_realtime: bool) -> FakeScheduler {
        let runtime_ns = if grants_slices { 2_800_000 } else { 0 };
        let now = Cell::new(SchedAttr { runtime_ns, ..SchedAttr::default() });
        FakeScheduler { now, grants_slices, permits_realtime }
    }

    #[test]
    fn short_slice_is_said_only_where_the_kernel_grants_it() {
        for (grants_slices, raised) in [(true, Priority::ShortSlice), (false, Priority::Ordinary)] {
            let kernel = kernel(grants_slices, false);
            let mut scheduling = ThreadScheduling::new(&kernel);
            scheduling.raise();
            assert_eq!(scheduling.priority(), raised);
            assert_eq!(kernel.now.get().runtime_ns == SLICE_NS, grants_slices);
        }
    }

    #[test]
    fn real_time_priority_is_not_traded_for_a_slice_that_is_not_granted() {
        for (grants_slices, lowered) in [(true, Priority::ShortSlice), (false, Priority::Realtime)] {
            let kernel = kernel(grants_slices, true);
            let mut scheduling = ThreadScheduling::new(&kernel);
            scheduling.raise();
            scheduling.lower();
            assert_eq!(scheduling.priority(), lowered);
            assert_eq!(kernel.now.get().policy == sys::SCHED_FIFO, !grants_slices);
            scheduling.restore();
            assert_eq!(
                (scheduling.priority(), kernel.now.get().policy),
                (Priority::Ordinary, sys::SCHED_OTHER)
            );
        }
    }

    #[test]
    fn a_lowered_priority_is_raised_again() {
        let kernel = kernel(true, true);
        let mut scheduling = ThreadScheduling::new(&kernel);
        scheduling.undo_lower();
        assert_eq!(scheduling.priority(), Priority::Ordinary, "nothing was lowered");
        scheduling.raise();
        scheduling.lower();
        assert_eq!(scheduling.priority(), Priority::ShortSlice);
        scheduling.undo_lower();
        assert_eq!((scheduling.priority(), kernel.now.get().policy), (Priority::Realtime, sys::SCHED_FIFO));
    }

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
