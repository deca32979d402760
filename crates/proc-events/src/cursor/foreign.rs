//! The processes that the `/proc` of another pid namespace shows. Their pids mean nothing to the calls of this process, so that
//! there are no pidfds, and no file shows the last one. A new process is listed behind the one before, and each is looked at
//! until it is gone.

use std::os::fd::RawFd;
use std::sync::Arc;

use rustc_hash::FxHashSet;

use super::host::Look;
use crate::error::Error;
use crate::procfs::{PidList, Procfs};

/// The largest number of processes that are looked at. Snapshots show the exits of all others.
const WATCHED_MAX: usize = 1024;
/// A process that is younger than this is looked at each time, in nanoseconds.
const YOUNG_NS: u64 = 1_000_000_000;
/// Time between two looks at an older process, and between two lists of all pids, in nanoseconds.
const OLDER_NS: u64 = 250_000_000;

/// The list, and the processes whose exit is looked for.
#[derive(Debug)]
pub(super) struct ForeignPids {
    list: PidList,
    found: Vec<u32>,
    /// The listed pids.
    known: FxHashSet<u32>,
    /// The pid that was new last. Behind it are the next ones, until the kernel begins anew with small pids.
    last: u32,
    /// Time of the last list of all pids, in nanoseconds.
    listed_ns: u64,
    watched: Vec<Watched>,
    /// Time of the last look at all of them, in nanoseconds.
    looked_ns: u64,
}

#[derive(Debug)]
struct Watched {
    pid: u32,
    generation: u32,
    /// The descriptor of its directory.
    fd: RawFd,
    /// Creation time, in clock ticks; `None` before the first look.
    start_time: Option<u64>,
    since_ns: u64,
    is_zombie: bool,
}

impl ForeignPids {
    /// Lists all processes, none of which is new.
    pub(super) fn new(procfs: &Arc<Procfs>, now_ns: u64) -> Result<Self, Error> {
        let (list, found, known, watched) = (procfs.list()?, Vec::new(), FxHashSet::default(), Vec::new());
        let mut pids = Self { list, found, known, last: 0, listed_ns: 0, watched, looked_ns: 0 };
        pids.take_new(now_ns);
        Ok(pids)
    }

    /// Returns the pids that were listed for the first time.
    pub(super) fn take_new(&mut self, now_ns: u64) -> Vec<u32> {
        let Self { list, found, known, last, listed_ns, .. } = self;
        let lists_all = now_ns >= *listed_ns + OLDER_NS;
        let mut new = Vec::new();
        found.clear();
        if !list.skip_to(if lists_all { 0 } else { last.saturating_add(1) }) {
            return new;
        }
        let mut is_complete;
        loop {
            let (listed, before) = (found.len(), new.len());
            let read = list.read(found);
            new.extend(found.iter().skip(listed).filter(|pid| !known.contains(pid)));
            is_complete = matches!(read, Ok(false));
            // Behind pids that are known are those from before the kernel began anew.
            if !matches!(read, Ok(true)) || !lists_all && new.len() == before {
                break;
            }
        }
        if lists_all && is_complete {
            *known = found.iter().copied().collect();
            *listed_ns = now_ns;
        } else {
            known.extend(&new);
        }
        *last = new.last().map_or(*last, |&pid| pid);
        new
    }

    /// Looks at a process from now on, until its directory is closed. Returns false if there are too many.
    pub(super) fn watch(&mut self, pid: u32, generation: u32, fd: RawFd, now_ns: u64) -> bool {
        let has_room = self.watched.len() < WATCHED_MAX;
        if has_room {
            let (start_time, is_zombie) = (None, false);
            self.watched.push(Watched { pid, generation, fd, start_time, since_ns: now_ns, is_zombie });
        }
        has_room
    }

    /// Ends the looks at the process with this directory.
    pub(super) fn forget(&mut self, fd: RawFd) {
        self.watched.retain(|watched| watched.fd != fd);
    }

    /// Returns the pids and generations of the processes that have exited since the last call, and of those that their parents have
    /// reaped.
    pub(super) fn exited(
        &mut self,
        now_ns: u64,
        mut look: impl FnMut(u32) -> Option<Look>,
    ) -> Vec<(u32, u32)> {
        let looks_at_all = now_ns >= self.looked_ns + OLDER_NS;
        self.looked_ns = if looks_at_all { now_ns } else { self.looked_ns };
        let mut has_exited = |watched: &mut Watched| {
            let is_due = looks_at_all || now_ns < watched.since_ns + YOUNG_NS;
            let was_zombie = watched.is_zombie;
            is_due
                && match look(watched.pid) {
                    Some(look)
                        if look.observed.start_time
                            == *watched.start_time.get_or_insert(look.observed.start_time) =>
                    {
                        watched.is_zombie = look.is_zombie;
                        look.is_zombie && !was_zombie
                    }
                    _ => true,
                }
        };
        let exited = self
            .watched
            .iter_mut()
            .filter_map(|watched| has_exited(watched).then_some((watched.pid, watched.generation)));
        exited.collect()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::process::Command;

    use super::*;

    #[test]
    fn process_is_new_once_and_exits_as_a_zombie_and_when_it_is_reaped() {
        let procfs = Arc::new(Procfs::open(Path::new("/proc")).unwrap());
        let mut pids = ForeignPids::new(&procfs, OLDER_NS).unwrap();
        // The pid of the child is at the end of the list only if the kernel has not begun anew.
        let mut first = Command::new("/bin/true").spawn().unwrap();
        assert!(pids.take_new(2 * OLDER_NS).contains(&first.id()));
        let mut child = Command::new("/bin/cat").stdin(std::process::Stdio::piped()).spawn().unwrap();
        let pid = child.id();
        let new = pids.take_new(2 * OLDER_NS + 1);
        assert!(new.contains(&pid) || pid < first.id());
        first.wait().unwrap();
        assert!(new.is_empty() || !pids.take_new(3 * OLDER_NS).contains(&pid), "it is new once");
        assert!(pids.watch(pid, 7, 3, 0));
        let mut reader = procfs.unbounded_reader();
        let mut exited = |pids: &mut ForeignPids, now_ns| pids.exited(now_ns, |pid| reader.look(pid));
        assert_eq!(exited(&mut pids, 1), []);
        drop(child.stdin.take());
        while exited(&mut pids, 2).is_empty() {
            std::thread::yield_now();
        }
        assert_eq!(exited(&mut pids, 2), [], "it is told once");
        child.wait().unwrap();
        let late_ns = YOUNG_NS + OLDER_NS;
        assert_eq!(exited(&mut pids, late_ns), [(pid, 7)]);
        assert_eq!(exited(&mut pids, late_ns + OLDER_NS - 1), [], "an older one is looked at less often");
        pids.forget(3);
        assert_eq!(exited(&mut pids, late_ns + OLDER_NS), []);
    }

    #[test]
    fn number_of_watched_processes_is_limited() {
        let procfs = Arc::new(Procfs::open(Path::new("/proc")).unwrap());
        let mut pids = ForeignPids::new(&procfs, 0).unwrap();
        let max = WATCHED_MAX as u32;
        assert!((0..max).all(|n| pids.watch(n, n, n as RawFd, 0)));
        assert!(!pids.watch(max, max, max as RawFd, 0));
        pids.forget(0);
        assert!(pids.watch(max, max, max as RawFd, 0));
    }
}
