//! Opens the perf events of all tasks, or of the threads of this program, and reads their rings.

mod threads;

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::time::ClockId;

use super::merge::Merger;
use super::record::{Malformed, TaskChange, TaskRecord};
use crate::procfs::{Procfs, clock_ns};
use crate::sys::cpus::online;
use crate::sys::perf::{Changes, Ring, Scope, enabled_ns_of, open_task_event};
use crate::sys::thread_end::thread_id;

/// The largest number of CPUs if each thread needs an event on each of them.
const THREAD_CPUS_MAX: usize = 16;
/// The largest number of CPUs.
const CPUS_MAX: usize = 1024;
/// The largest size of all rings of one kind, in pages. The kernel lets an ordinary user lock 129 pages a CPU.
const PAGES_MAX: usize = 2048;
/// The largest size of a ring, in pages. Holds about 400 processes.
const RING_PAGES_MAX: usize = 64;
/// The least size of a ring, in pages.
const RING_PAGES_MIN: usize = 4;

/// The processes that the events report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coverage {
    /// All that this pid namespace shows.
    All,
    /// All that descend from this program, or from others of this user.
    Descendants,
}

/// Perf events on each CPU, and the ring of each CPU.
#[derive(Debug)]
pub(crate) struct PerfEvents {
    rings: Vec<Ring>,
    /// The rings of mapped programs, if they have their own. Their records wake no reader: the kernel writes five for an exec,
    /// and each wake-up costs the program that calls exec some microseconds.
    mappings: Vec<Ring>,
    /// Events that write to the ring of their CPU.
    others: Vec<OwnedFd>,
    coverage: Coverage,
    merger: Merger,
    /// The number of records that the kernel dropped, since [`PerfEvents::take_lost`].
    lost: u64,
    /// True if records of mappings were dropped.
    has_lost_mappings: bool,
    bytes: Vec<u8>,
    clock_offset_ns: i64,
    /// The CPUs with events.
    cpus: Vec<u32>,
    /// For how long the event of each ring had been enabled at the last check, in nanoseconds.
    enabled_ns: Vec<u64>,
}

impl PerfEvents {
    /// Opens the events for all processes if that is permitted, else for the threads of this program and of others of its
    /// user. The calling thread must live as long as the result. `clock_offset_ns`: see
    /// [`clock_offset_ns`](crate::connector::namespace::clock_offset_ns). `has_own_table`: no other thread uses the descriptors of
    /// the calling one.
    ///
    /// # Errors
    /// If the kernel or a sandbox refuses them, or more descriptors are needed than may be used.
    pub(crate) fn open(procfs: &Procfs, clock_offset_ns: i64, has_own_table: bool) -> io::Result<Self> {
        let cpus = online(CPUS_MAX).unwrap_or_default();
        if cpus.is_empty() || cpus.len() > CPUS_MAX {
            return Err(io::ErrorKind::Unsupported.into());
        }
        let mut events = match Self::of_system(&cpus, clock_offset_ns) {
            // Thousands of descriptors in the table of the program would be too many.
            Err(_) if cpus.len() <= THREAD_CPUS_MAX && has_own_table => {
                Self::of_threads(procfs, &cpus, clock_offset_ns)?
            }
            result => result?,
        };
        if !events.self_test() {
            return Err(io::ErrorKind::Unsupported.into());
        }
        Ok(events)
    }

    fn of_system(cpus: &[u32], clock_offset_ns: i64) -> io::Result<Self> {
        let open = |changes| open_rings(cpus, Scope::System, changes, RING_PAGES_MAX);
        let rings = open(Changes::Tasks)?;
        if let Ok(mappings) = open(Changes::Mappings) {
            return Ok(Self::new(Coverage::All, cpus, rings, mappings, clock_offset_ns));
        }
        // The limit of descriptors or of locked memory allows one ring for each CPU.
        drop(rings);
        Ok(Self::new(Coverage::All, cpus, open(Changes::All)?, Vec::new(), clock_offset_ns))
    }

    fn of_threads(procfs: &Procfs, cpus: &[u32], clock_offset_ns: i64) -> io::Result<Self> {
        // Each further event would make each fork dearer.
        let rings = open_rings(cpus, Scope::Thread(0), Changes::All, RING_PAGES_MAX)?;
        let mut events = Self::new(Coverage::Descendants, cpus, rings, Vec::new(), clock_offset_ns);
        events.attach_threads(procfs, cpus)?;
        Ok(events)
    }

    fn new(
        coverage: Coverage,
        cpus: &[u32],
        rings: Vec<Ring>,
        mappings: Vec<Ring>,
        clock_offset_ns: i64,
    ) -> Self {
        let (others, merger, bytes) = (Vec::new(), Merger::default(), Vec::new());
        let (lost, has_lost_mappings) = (0, false);
        let (cpus, enabled_ns) = (cpus.to_vec(), vec![0; rings.len()]);
        Self {
            rings,
            mappings,
            others,
            coverage,
            merger,
            lost,
            has_lost_mappings,
            bytes,
            clock_offset_ns,
            cpus,
            enabled_ns,
        }
    }

    /// Returns false if a CPU has no events, because it came online later, or was offline since the last call.
    pub(crate) fn has_all_cpus(&mut self) -> bool {
        let Self { cpus, rings, coverage, enabled_ns, .. } = self;
        let is_new = |cpu: &u32| !cpus.contains(cpu);
        if online(CPUS_MAX).is_some_and(|online| online.iter().any(is_new)) {
            return false;
        }
        // The events of single threads outlive a CPU that goes offline.
        *coverage == Coverage::Descendants
            || rings.iter().zip(enabled_ns).all(|(ring, before_ns)| {
                enabled_ns_of(ring.as_fd()).is_none_or(|now_ns| now_ns > std::mem::replace(before_ns, now_ns))
            })
    }

    /// Returns the processes that the events report.
    pub(crate) const fn coverage(&self) -> Coverage {
        self.coverage
    }

    /// Returns the number of descriptors that the events use.
    pub(crate) const fn descriptors(&self) -> u64 {
        (self.rings.len() + self.mappings.len() + self.others.len()) as u64
    }

    /// Returns the descriptors that are readable if there are new records.
    pub(crate) fn fds(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.rings.iter().map(AsFd::as_fd)
    }

    /// Reads all rings, and returns the records up to now in the order of their times. Others may wait: see
    /// [`PerfEvents::has_waiting`].
    ///
    /// # Errors
    /// If the rings hold no records.
    pub(crate) fn read(&mut self) -> Result<Vec<TaskRecord>, Malformed> {
        let until_ns = clock_ns(ClockId::Monotonic);
        self.read_rings()?;
        Ok(self.merger.take(until_ns))
    }

    fn read_rings(&mut self) -> Result<(), Malformed> {
        let Self { rings, mappings, merger, lost, has_lost_mappings, bytes, clock_offset_ns, .. } = self;
        for ring in rings {
            *lost += merger.add(take(ring, bytes)?, *clock_offset_ns)?;
        }
        for ring in mappings {
            *has_lost_mappings |= merger.add_mappings(take(ring, bytes)?, *clock_offset_ns)?;
        }
        Ok(())
    }

    /// Returns true if there are records that the next [`PerfEvents::read`] returns.
    pub(crate) const fn has_waiting(&self) -> bool {
        self.merger.has_waiting()
    }

    /// Returns the number of records since the last call that the kernel dropped because a ring was full.
    pub(crate) const fn take_lost(&mut self) -> u64 {
        std::mem::replace(&mut self.lost, 0)
    }

    /// Returns true if the kernel has dropped records of mappings since the last call.
    pub(crate) const fn take_lost_mappings(&mut self) -> bool {
        std::mem::replace(&mut self.has_lost_mappings, false)
    }

    /// Renames the calling thread to its own name. Returns true if the kernel reports that, or may have dropped the report.
    pub(crate) fn self_test(&mut self) -> bool {
        let Ok(name) = rustix::thread::name() else { return false };
        let tid = thread_id() as u32;
        let is_own =
            |record: &TaskRecord| record.tid == tid && matches!(record.change, TaskChange::Renamed { .. });
        let count = |events: &Self| events.merger.waiting().iter().filter(|record| is_own(record)).count();
        let before = count(self);
        // The kernel reports that a ring was full with the next record that has room.
        (0..2).any(|_| {
            let is_renamed = rustix::thread::set_name(&name).is_ok();
            is_renamed && self.read_rings().is_ok() && (count(self) > before || self.lost > 0)
        })
    }

    /// Makes the events report nothing more.
    #[cfg(test)]
    pub(crate) fn disable(&self) {
        for fd in self.fds() {
            crate::sys::perf::disable(fd).expect("it is a perf event");
        }
    }
}

/// Opens an event on each CPU, with a ring of up to `pages` pages.
fn open_rings(cpus: &[u32], scope: Scope, changes: Changes, mut pages: usize) -> io::Result<Vec<Ring>> {
    while pages > RING_PAGES_MIN && pages * cpus.len() > PAGES_MAX {
        pages /= 2;
    }
    loop {
        // The records of mappings are read with those of tasks, and no thread waits for them.
        let is_read_late = changes == Changes::Mappings;
        let wake_bytes = if is_read_late { (pages * rustix::param::page_size() / 2) as u32 } else { 1 };
        let open = |&cpu: &u32| Ring::new(open_task_event(scope, changes, cpu, wake_bytes)?, pages);
        match cpus.iter().map(open).collect() {
            // Another program of this user may have locked the rest of the memory.
            Err(error) if pages > RING_PAGES_MIN && is_memory_limit(&error) => pages /= 2,
            result => return result,
        }
    }
}

/// Takes the new records of a ring.
fn take<'a>(ring: &Ring, bytes: &'a mut Vec<u8>) -> Result<&'a [u8], Malformed> {
    bytes.clear();
    if ring.take(bytes) { Ok(bytes) } else { Err(Malformed) }
}

/// Returns true if a smaller ring may be permitted.
fn is_memory_limit(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EPERM | libc::ENOMEM | libc::EAGAIN))
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::process::Command;
    use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

    use super::threads::RING_THREADS_MAX;
    use super::*;

    /// Calls `test` with events on a thread of its own. Does nothing where they are refused.
    fn with_events(test: impl FnOnce(&mut PerfEvents) + Send + 'static) {
        with_opened(|procfs| PerfEvents::open(procfs, 0, true), test);
    }

    fn with_opened(
        open: impl FnOnce(&Procfs) -> io::Result<PerfEvents> + Send + 'static,
        test: impl FnOnce(&mut PerfEvents) + Send + 'static,
    ) {
        let thread = std::thread::spawn(|| {
            let procfs = Procfs::open(Path::new("/proc")).unwrap();
            if let Ok(mut events) = open(&procfs) {
                test(&mut events);
            }
        });
        thread.join().unwrap();
    }

    fn read_all(events: &mut PerfEvents) -> Vec<TaskRecord> {
        let mut records = events.read().unwrap();
        while events.has_waiting() {
            records.extend(events.read().unwrap());
        }
        records
    }

    /// Returns the changes of a process, in their order.
    fn changes_of(events: &mut PerfEvents, pid: u32) -> Vec<&'static str> {
        let mut seen = Vec::new();
        for TaskRecord { tid, change, .. } in read_all(events).into_iter().filter(|record| record.pid == pid)
        {
            assert_eq!(tid, pid);
            match change {
                TaskChange::Forked { ppid } => {
                    assert_eq!(ppid, std::process::id());
                    seen.push("forked");
                }
                TaskChange::Execed { comm } => {
                    assert_eq!(&comm[..5], b"true\0");
                    seen.push("execed");
                }
                TaskChange::Mapped { path } if seen.last() == Some(&"execed") => {
                    assert!(path.ends_with(b"true"));
                    seen.push("mapped");
                }
                TaskChange::Exited { ppid } => {
                    assert_eq!(ppid, std::process::id());
                    seen.push("exited");
                }
                _ => {}
            }
        }
        seen
    }

    /// Starts a thread that runs a program for each message, and sends the pid.
    fn spawner() -> (SyncSender<()>, Receiver<u32>) {
        let (start, started) = sync_channel(0);
        let (give, given) = sync_channel(1);
        std::thread::spawn(move || {
            while started.recv().is_ok() {
                let mut child = Command::new("/bin/true").spawn().unwrap();
                child.wait().unwrap();
                give.send(child.id()).unwrap();
            }
        });
        (start, given)
    }

    #[test]
    fn child_of_another_thread_is_reported_from_its_fork_to_its_exit() {
        let (start, given) = spawner();
        with_events(move |events| {
            start.send(()).unwrap();
            let pid = given.recv().unwrap();
            assert_eq!(changes_of(events, pid), ["forked", "execed", "mapped", "exited"]);
        });
    }

    #[test]
    fn threads_that_the_first_rings_have_no_place_for_get_rings_of_their_own() {
        let spawners: Vec<_> = std::iter::repeat_with(spawner).take(RING_THREADS_MAX + 1).collect();
        let cpus = online(CPUS_MAX).unwrap();
        let count = cpus.len();
        let open = move |procfs: &Procfs| PerfEvents::of_threads(procfs, &cpus, 0);
        with_opened(open, move |events| {
            for (start, given) in [spawners.first().unwrap(), spawners.last().unwrap()] {
                start.send(()).unwrap();
                let pid = given.recv().unwrap();
                assert_eq!(changes_of(events, pid), ["forked", "execed", "mapped", "exited"]);
            }
            assert!(events.rings.len() > count, "this user may lock more memory");
        });
    }

    #[test]
    fn self_test_succeeds_while_the_rings_are_full() {
        with_events(|events| {
            // The thread stays on one CPU.
            let mut cpus = rustix::thread::CpuSet::new();
            cpus.set(rustix::thread::sched_getcpu());
            rustix::thread::sched_setaffinity(None, &cpus).unwrap();
            let renames = || {
                // A record has at least 32 bytes.
                for _ in 0..RING_PAGES_MAX * rustix::param::page_size() / 32 {
                    rustix::thread::set_name(c"other").unwrap();
                }
            };
            // It has the same CPU.
            std::thread::spawn(renames).join().unwrap();
            assert!(events.self_test());
            assert!(events.take_lost() > 0, "a ring was full");
        });
    }

    #[test]
    fn self_test_fails_once_the_events_are_disabled() {
        with_events(|events| {
            assert!(events.self_test());
            events.disable();
            assert!(!events.self_test());
        });
    }
}
