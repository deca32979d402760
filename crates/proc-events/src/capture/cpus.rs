//! The CPUs of the machine, and those that this program may run on.

use rustix::thread::{CpuSet, sched_getaffinity};

/// The kernel offers each event to each socket of a capture thread, for a tenth of a microsecond: that has to stay little.
pub(super) const CPUS_MAX: usize = 16;

/// The CPUs that run processes, and of those the ones that the calling thread may run on.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Cpus {
    pub(super) online: usize,
    pub(super) own: Vec<u32>,
}

impl Cpus {
    /// None where they are not shown, or are more than [`CPUS_MAX`].
    pub(super) fn of_this_thread() -> Self {
        let online = online().filter(|cpus| cpus.len() <= CPUS_MAX).unwrap_or_default();
        // The kernel refuses a set that is shorter than its own.
        let affinity = sched_getaffinity(None).unwrap_or_default();
        Self { online: online.len(), own: online.into_iter().filter(|&cpu| has(&affinity, cpu)).collect() }
    }
}

/// Returns true if the set has this CPU. A set ends before [`CpuSet::MAX_CPU`].
fn has(set: &CpuSet, cpu: u32) -> bool {
    (cpu as usize) < CpuSet::MAX_CPU && set.is_set(cpu as usize)
}

/// The set of this CPU alone; `None` if there is no such set.
pub(super) fn only(cpu: u32) -> Option<CpuSet> {
    let mut set = CpuSet::new();
    ((cpu as usize) < CpuSet::MAX_CPU).then(|| set.set(cpu as usize))?;
    Some(set)
}

fn online() -> Option<Vec<u32>> {
    numbers(std::fs::read_to_string("/sys/devices/system/cpu/online").ok()?.trim_end())
}

/// The numbers of a list as the kernel writes it: `0-3,6`.
fn numbers(list: &str) -> Option<Vec<u32>> {
    let range = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        Some(first.parse::<u32>().ok()?..=last.parse().ok()?)
    };
    let ranges: Option<Vec<_>> = list.split(',').map(range).collect();
    Some(ranges?.into_iter().flatten().take(CPUS_MAX + 1).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_cpus_is_read_as_the_kernel_writes_it() {
        assert_eq!(numbers("0"), Some(vec![0]));
        assert_eq!(numbers("0-2,5"), Some(vec![0, 1, 2, 5]));
        assert_eq!(numbers("0-4294967295").map(|cpus| cpus.len()), Some(CPUS_MAX + 1));
        assert_eq!((numbers(""), numbers("0-x")), (None, None));
    }

    #[test]
    fn a_cpu_beyond_the_longest_set_is_in_none() {
        let last = CpuSet::MAX_CPU as u32 - 1;
        assert!(only(last).is_some_and(|set| has(&set, last) && !has(&set, 0)));
        assert!(only(last + 1).is_none() && only(u32::MAX).is_none());
        assert!(!has(&CpuSet::new(), u32::MAX));
    }

    #[test]
    fn cpus_that_the_thread_may_not_run_on_are_not_its_own() {
        let before = Cpus::of_this_thread();
        let Some(&last) = before.own.last() else { return };
        // The thread ends with the test, and its mask with it.
        let narrowed = std::thread::spawn(move || {
            rustix::thread::sched_setaffinity(None, &only(last).unwrap()).unwrap();
            Cpus::of_this_thread()
        });
        assert_eq!(narrowed.join().unwrap(), Cpus { online: before.online, own: vec![last] });
    }
}
