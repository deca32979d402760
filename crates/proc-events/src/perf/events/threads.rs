//! Attaches events to single threads, where those of all tasks are refused.

use std::io;
use std::os::fd::AsFd;

use rustc_hash::{FxHashMap, FxHashSet};
use rustix::process::{Resource, getrlimit};
use rustix::time::ClockId;

use super::{PerfEvents, open_rings};
use crate::perf::record::TaskChange;
use crate::procfs::{Procfs, clock_ns};
use crate::sys::perf::{Changes, Scope, open_task_event, write_to_ring_of};
use crate::sys::thread_end::thread_id;

/// The largest number of events.
const EVENTS_MAX: usize = 4096;
/// The largest number of threads whose events write to one ring. To wake a reader, the kernel goes through all events of the
/// ring, in the process that it reports.
pub(super) const RING_THREADS_MAX: usize = 64;
/// The largest size of a ring for the threads that the first rings have no place for, in pages. Holds about 90 processes.
const FURTHER_RING_PAGES_MAX: usize = 16;
/// The largest number of lists of the threads of one process. Threads that start meanwhile appear in the next one.
const LISTS_MAX: usize = 8;

/// The threads that have an event.
struct Threads<'a> {
    cpus: &'a [u32],
    /// The number of events that may still be opened.
    left: usize,
    /// The number of threads whose events write to the last rings.
    in_ring: usize,
    known: FxHashSet<u32>,
    /// The processes whose threads have events, and the time since which all have, in nanoseconds.
    attached_ns: FxHashMap<u32, u64>,
}

impl PerfEvents {
    /// Attaches events to the threads of this program, and of other processes as far as that is permitted.
    pub(super) fn attach_threads(&mut self, procfs: &Procfs, cpus: &[u32]) -> io::Result<()> {
        let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        let own = thread_id() as u32;
        let mut threads = Threads {
            cpus,
            left: EVENTS_MAX.min(usize::try_from(limit / 2).unwrap_or(usize::MAX)).saturating_sub(cpus.len()),
            in_ring: 1,
            known: FxHashSet::from_iter([own]),
            attached_ns: FxHashMap::default(),
        };
        self.attach_process(procfs, std::process::id(), &mut threads)?;
        for pid in procfs.pids().unwrap_or_default() {
            // The cursor shows the processes of other users, and those for which no descriptor is left.
            if self.attach_process(procfs, pid, &mut threads).is_err() && threads.left < cpus.len() {
                break;
            }
        }
        Ok(())
    }

    fn attach_process(&mut self, procfs: &Procfs, pid: u32, threads: &mut Threads<'_>) -> io::Result<()> {
        for _ in 0..LISTS_MAX {
            let tids = procfs.threads(pid);
            // A thread that one with an event on each CPU has created has them, too. Its creation was reported.
            self.read_rings().map_err(|_| io::ErrorKind::InvalidData)?;
            let is_inherited = |tid: u32| {
                self.merger.waiting().iter().filter(|record| record.tid == tid).any(|record| {
                    let TaskChange::Forked { ppid } = record.change else { return false };
                    threads.attached_ns.get(&ppid).is_some_and(|&attached_ns| attached_ns <= record.time_ns)
                })
            };
            let new: Vec<u32> =
                tids.into_iter().filter(|tid| !threads.known.contains(tid) && !is_inherited(*tid)).collect();
            if new.is_empty() {
                // Since its creation, if it has inherited them.
                threads.attached_ns.entry(pid).or_insert(0);
                break;
            }
            for tid in new {
                threads.known.insert(tid);
                self.attach(tid, threads)?;
            }
            threads.attached_ns.insert(pid, clock_ns(ClockId::Monotonic));
        }
        Ok(())
    }

    fn attach(&mut self, tid: u32, threads: &mut Threads<'_>) -> io::Result<()> {
        let count = threads.cpus.len();
        if threads.left < count {
            return Err(io::ErrorKind::QuotaExceeded.into());
        }
        for (at, &cpu) in threads.cpus.iter().enumerate() {
            let event = match open_task_event(Scope::Thread(tid), Changes::All, cpu, 1) {
                Err(error) if error.raw_os_error() == Some(libc::ESRCH) => return Ok(()),
                event => event?,
            };
            // Most threads are those of other users, and have no events.
            if at == 0 {
                self.provide_ring(threads);
            }
            let rings = self.rings.rchunks(count).next().unwrap_or_default();
            if let Some(ring) = rings.get(at) {
                write_to_ring_of(event.as_fd(), ring.as_fd())?;
            }
            self.others.push(event);
            threads.left -= 1;
        }
        Ok(())
    }

    /// Opens further rings if the last ones have as many threads as they may.
    fn provide_ring(&mut self, threads: &mut Threads<'_>) {
        let count = threads.cpus.len();
        if threads.in_ring == RING_THREADS_MAX && threads.left >= 2 * count {
            threads.in_ring = 0;
            // Without the memory for it, each record costs the process that it reports more.
            let pages = FURTHER_RING_PAGES_MAX;
            if let Ok(rings) = open_rings(threads.cpus, Scope::Thread(0), Changes::None, pages) {
                self.rings.extend(rings);
                threads.left -= count;
            }
        }
        threads.in_ring += 1;
    }
}
