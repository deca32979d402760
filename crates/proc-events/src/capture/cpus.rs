//! The CPUs of the machine, and those on which this thread may run.

use rustix::thread::{CpuSet, sched_getaffinity};

use crate::sys::cpus::online;

/// Maximum number of CPUs with a capture worker each. The kernel offers each event to the socket of each worker, which
/// costs 0.1 µs a worker.
pub(super) const MAX_CPUS: usize = 16;

/// The online CPUs, and those among them on which the calling thread may run.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Cpus {
    pub(super) online: Vec<u32>,
    pub(super) allowed: Vec<u32>,
}

impl Cpus {
    /// Reads the CPUs. Returns none if `/sys` does not show them, or if there are more than [`MAX_CPUS`].
    pub(super) fn of_this_thread() -> Self {
        let online = online(MAX_CPUS).filter(|cpus| cpus.len() <= MAX_CPUS).unwrap_or_default();
        // The call fails if the kernel's set is longer than `CpuSet`.
        let affinity = sched_getaffinity(None).unwrap_or_default();
        let is_allowed = |cpu: &u32| contains(&affinity, *cpu);
        let allowed = online.iter().copied().filter(is_allowed).collect();
        Self { online, allowed }
    }
}

/// Returns true if the set contains this CPU. No set contains [`CpuSet::MAX_CPU`] or greater.
fn contains(set: &CpuSet, cpu: u32) -> bool {
    (cpu as usize) < CpuSet::MAX_CPU && set.is_set(cpu as usize)
}

/// Returns the set of this CPU alone. Returns `None` if a set cannot contain this CPU.
pub(super) fn only(cpu: u32) -> Option<CpuSet> {
    let mut set = CpuSet::new();
    ((cpu as usize) < CpuSet::MAX_CPU).then(|| set.set(cpu as usize))?;
    Some(set)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_past_the_set_size_is_in_no_set() {
        let last = CpuSet::MAX_CPU as u32 - 1;
        assert!(only(last).is_some_and(|set| contains(&set, last) && !contains(&set, 0)));
        assert!(only(last + 1).is_none() && only(u32::MAX).is_none());
        assert!(!contains(&CpuSet::new(), u32::MAX));
    }

    #[test]
    fn cpus_outside_the_affinity_mask_are_not_allowed() {
        let before = Cpus::of_this_thread();
        let Some(&last) = before.allowed.last() else { return };
        // A thread of its own, because the mask must not outlive the test.
        let narrowed = std::thread::spawn(move || {
            rustix::thread::sched_setaffinity(None, &only(last).unwrap()).unwrap();
            Cpus::of_this_thread()
        });
        assert_eq!(narrowed.join().unwrap(), Cpus { online: before.online, allowed: vec![last] });
    }
}
