//! The processes that the `/proc` of another pid namespace shows. Their pids mean nothing to the calls of this process, so that
//! there are no pidfds, and no file shows the last one. A new process is listed behind the one before. It is looked at often
//! while it is young, and then its pid is looked for in the list.

use std::os::fd::{OwnedFd, RawFd};
use std::sync::Arc;

use rustc_hash::FxHashSet;

use super::host::Look;
use crate::error::Error;
use crate::procfs::{PidList, Procfs};

/// Size of the buffer for the pids behind the last new one, in bytes. Holds some ten.
const NEW_BYTES: usize = 512;
/// A process that is younger than this is looked at, in nanoseconds.
const YOUNG_NS: u64 = 1_000_000_000;
/// The time between two looks is this part of the age of the process.
const AGE_PART: u64 = 16;
/// Time between two lists of all pids, in nanoseconds.
const LIST_NS: u64 = 250_000_000;

/// The list, and the processes whose exit is looked for.
#[derive(Debug)]
pub(super) struct ForeignPids {
    procfs: Arc<Procfs>,
    behind: PidList,
    /// The listed pids.
    known: FxHashSet<u32>,
    /// The pid that was new last. Behind it are the next ones, until pids wrap around.
    last: u32,
    /// Time of the last list of all pids, in nanoseconds.
    listed_ns: u64,
    /// True if no exit was looked for since that list.
    is_just_listed: bool,
    watched: Vec<Watched>,
}

#[derive(Debug)]
struct Watched {
    pid: u32,
    generation: u32,
    /// The tracker's descriptor of its directory.
    fd: RawFd,
    /// A copy of it.
    directory: OwnedFd,
    since_ns: u64,
    next_ns: u64,
    /// The number of looks in a row that showed a zombie.
    zombies: u32,
}

impl ForeignPids {
    /// Lists all processes, none of which is new.
    pub(super) fn new(procfs: &Arc<Procfs>, now_ns: u64) -> Result<Self, Error> {
        let mut pids = Self {
            procfs: Arc::clone(procfs),
            behind: procfs.short_list(NEW_BYTES)?,
            known: FxHashSet::default(),
            last: 0,
            listed_ns: 0,
            is_just_listed: false,
            watched: Vec::new(),
        };
        pids.list_all(now_ns);
        Ok(pids)
    }

    /// Returns the pids that were listed for the first time.
    pub(super) fn take_new(&mut self, now_ns: u64) -> Vec<u32> {
        let new = if now_ns >= self.listed_ns + LIST_NS { self.list_all(now_ns) } else { self.list_behind() };
        self.last = new.last().map_or(self.last, |&pid| pid);
        new
    }

    fn list_all(&mut self, now_ns: u64) -> Vec<u32> {
        self.listed_ns = now_ns;
        // Without a list, the next one shows the same.
        let Ok(pids) = self.procfs.pids() else { return Vec::new() };
        let new = pids.iter().copied().filter(|pid| !self.known.contains(pid)).collect();
        self.known = pids.into_iter().collect();
        self.is_just_listed = true;
        new
    }

    fn list_behind(&mut self) -> Vec<u32> {
        let Self { behind, known, last, .. } = self;
        let (mut new, mut found) = (Vec::new(), Vec::new());
        let mut has_more = behind.skip_to(last.saturating_add(1));
        while has_more {
            found.clear();
            has_more = behind.read(&mut found).unwrap_or(false);
            let before = new.len();
            new.extend(found.iter().filter(|pid| known.insert(**pid)));
            // After a wrap, older processes have larger pids.
            has_more &= new.len() - before == found.len();
        }
        new
    }

    /// Looks for the exit of a process from now on, until its directory is closed.
    pub(super) fn watch(&mut self, pid: u32, generation: u32, fd: RawFd, directory: OwnedFd, now_ns: u64) {
        let (since_ns, next_ns, zombies) = (now_ns, now_ns, 0);
        self.watched.push(Watched { pid, generation, fd, directory, since_ns, next_ns, zombies });
    }

    /// Ends the looks at the process with this directory.
    pub(super) fn forget(&mut self, fd: RawFd) {
        self.watched.retain(|watched| watched.fd != fd);
    }

    /// Returns the pids and generations of the processes that have exited since the last call, and of those that their parents have
    /// reaped. `is_gone` says if the process with this directory is reaped for certain: a look may also fail for another reason.
    pub(super) fn exited(
        &mut self,
        now_ns: u64,
        mut look: impl FnMut(u32) -> Option<Look>,
        is_gone: impl Fn(&OwnedFd) -> bool,
    ) -> Vec<(u32, u32)> {
        let is_listed = std::mem::take(&mut self.is_just_listed);
        let known = &mut self.known;
        let mut has_exited = |watched: &mut Watched| {
            let age_ns = now_ns.saturating_sub(watched.since_ns);
            if age_ns >= YOUNG_NS {
                return is_listed && !known.contains(&watched.pid) && is_gone(&watched.directory);
            }
            if now_ns < watched.next_ns {
                return false;
            }
            watched.next_ns = now_ns + age_ns / AGE_PART;
            if is_gone(&watched.directory) {
                // The pid may be given out again.
                known.remove(&watched.pid);
                return true;
            }
            // An exec of another thread than the first one shows a zombie for a moment.
            let is_zombie = look(watched.pid).is_some_and(|look| look.is_zombie);
            watched.zombies = if is_zombie { watched.zombies + 1 } else { 0 };
            watched.zombies == 2
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

    fn directory() -> OwnedFd {
        std::fs::File::open("/proc/self").unwrap().into()
    }

    #[test]
    fn process_is_new_once_and_exits_as_a_zombie_and_when_it_is_reaped() {
        let procfs = Arc::new(Procfs::open(Path::new("/proc")).unwrap());
        let mut pids = ForeignPids::new(&procfs, LIST_NS).unwrap();
        let mut first = Command::new("/bin/true").spawn().unwrap();
        assert!(pids.take_new(2 * LIST_NS).contains(&first.id()));
        let mut child = Command::new("/bin/cat").stdin(std::process::Stdio::piped()).spawn().unwrap();
        let pid = child.id();
        let new = pids.take_new(2 * LIST_NS + 1);
        assert!(new.contains(&pid) || pid < first.id(), "pids may wrap around");
        first.wait().unwrap();
        assert!(new.is_empty() || !pids.take_new(3 * LIST_NS).contains(&pid), "it is new once");
        pids.watch(pid, 7, 3, directory(), 0);
        let mut reader = procfs.unbounded_reader();
        let exited = |pids: &mut ForeignPids, reader: &mut crate::procfs::Reader, now_ns, is_gone: bool| {
            pids.exited(now_ns, |pid| reader.look(pid), |_| is_gone)
        };
        assert_eq!(exited(&mut pids, &mut reader, 1, false), []);
        drop(child.stdin.take());
        let mut now_ns = 2;
        while exited(&mut pids, &mut reader, now_ns, false).is_empty() {
            now_ns = pids.watched[0].next_ns;
            std::thread::yield_now();
        }
        now_ns = pids.watched[0].next_ns;
        assert_eq!(exited(&mut pids, &mut reader, now_ns, false), [], "it is reported once");
        child.wait().unwrap();
        now_ns = pids.watched[0].next_ns;
        assert_eq!(exited(&mut pids, &mut reader, now_ns, true), [(pid, 7)]);
        pids.forget(3);
        assert_eq!(exited(&mut pids, &mut reader, now_ns, true), []);
    }

    #[test]
    fn process_that_cannot_be_looked_at_has_not_exited() {
        let procfs = Arc::new(Procfs::open(Path::new("/proc")).unwrap());
        let mut pids = ForeignPids::new(&procfs, 0).unwrap();
        pids.watch(7, 1, 3, directory(), 0);
        assert_eq!(pids.exited(0, |_| None, |_| false), []);
        assert_eq!(pids.exited(0, |_| None, |_| true), [(7, 1)]);
    }

    #[test]
    fn older_process_has_exited_once_a_list_of_all_lacks_it_and_it_is_gone() {
        let procfs = Arc::new(Procfs::open(Path::new("/proc")).unwrap());
        let mut pids = ForeignPids::new(&procfs, 0).unwrap();
        let own = std::process::id();
        pids.watch(own, 1, 3, directory(), 0);
        // No process has the largest id.
        pids.watch(u32::MAX, 2, 4, directory(), 0);
        let look = |_: u32| -> Option<Look> { unreachable!("only young processes are looked at") };
        assert_eq!(pids.exited(YOUNG_NS, look, |_| true), [(u32::MAX, 2)]);
        assert_eq!(pids.exited(YOUNG_NS, look, |_| true), [], "there was no list since");
        pids.take_new(LIST_NS);
        assert_eq!(pids.exited(YOUNG_NS, look, |_| false), []);
    }
}
