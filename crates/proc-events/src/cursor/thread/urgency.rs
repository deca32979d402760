//! The real-time priority of the thread. The thread gives it up while it takes much of a CPU, as it does with the records of
//! thousands of processes: others must run, too.

use rustix::time::ClockId;

use crate::procfs::clock_ns;
use crate::sys::scheduling::ThreadScheduling;

/// Time over which the use of the CPU is measured, in nanoseconds.
const WINDOW_NS: u64 = 100_000_000;

/// The priority, if it was raised.
#[derive(Debug, Default)]
pub(super) struct Urgency {
    scheduling: Option<ThreadScheduling>,
    /// Time at which the present window began, in nanoseconds.
    began_ns: u64,
    /// CPU time of this thread at that time, in nanoseconds.
    used_ns: u64,
}

impl Urgency {
    /// Raises the priority of the calling thread as far as permitted.
    pub(super) fn raised(mut scheduling: ThreadScheduling) -> Self {
        scheduling.raise();
        Self { scheduling: Some(scheduling), ..Self::default() }
    }

    /// Gives up the priority if the thread took more than half of a CPU in the last window, and raises it again after another one.
    pub(super) fn check(&mut self, now_ns: u64) {
        let elapsed_ns = now_ns.saturating_sub(self.began_ns);
        let Some(scheduling) = self.scheduling.as_mut().filter(|_| elapsed_ns >= WINDOW_NS) else { return };
        let used_ns = clock_ns(ClockId::ThreadCPUTime);
        self.began_ns = now_ns;
        if 2 * (used_ns - std::mem::replace(&mut self.used_ns, used_ns)) > elapsed_ns {
            scheduling.restore();
        } else {
            scheduling.raise();
        }
    }

    /// Ends the real-time priority for good. It would make the thread look while a new program still starts.
    pub(super) fn end(&mut self) {
        if let Some(mut scheduling) = self.scheduling.take() {
            scheduling.restore();
            scheduling.shorten();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::scheduling::Priority;

    #[test]
    fn priority_is_given_up_after_a_busy_window_and_raised_after_an_idle_one() {
        // In a thread of its own, whose priority changes.
        let test = || {
            let mut urgency = Urgency::raised(ThreadScheduling::of_this_thread());
            let priority = |urgency: &Urgency| urgency.scheduling.as_ref().map(ThreadScheduling::priority);
            let raised = priority(&urgency);
            urgency.check(10 * WINDOW_NS);
            let began_ns = clock_ns(ClockId::ThreadCPUTime);
            while clock_ns(ClockId::ThreadCPUTime) < began_ns + WINDOW_NS {}
            urgency.check(11 * WINDOW_NS - 1);
            assert_eq!(priority(&urgency), raised, "the window is not over");
            urgency.check(11 * WINDOW_NS);
            assert_eq!(priority(&urgency), Some(Priority::Ordinary));
            urgency.check(13 * WINDOW_NS);
            assert_eq!(priority(&urgency), raised);
            urgency.end();
            urgency.check(15 * WINDOW_NS);
            assert_eq!(priority(&urgency), None);
        };
        std::thread::spawn(test).join().unwrap();
    }
}
