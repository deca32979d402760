//! Decides which processes are new, which have called exec, and which have exited. Pure: the host does the I/O, and time is
//! an argument.

mod audits;
mod exits;
mod ids;
mod leaving;
mod lives;
mod looks;
mod recorded;
mod records;
mod young;
mod zombies;

use rustc_hash::{FxHashMap, FxHashSet};

use self::recorded::Recorded;
use super::host::PidHost;
use super::rest::Lives;
use super::schedule::Phase;
use crate::model::event::Origin;
use crate::model::report::{Change, ProcessReport};
use crate::model::snapshot::{KnownProcess, ObservedProcess};
use young::Young;
use zombies::Zombies;

/// A process that was younger than this at the first list may soon call exec again.
const RECENT_NS: u64 = 1_000_000_000;

/// A process that is known.
#[derive(Debug)]
struct Tracked<H> {
    pidfd: H,
    /// The process as it was seen last, for the audits. `None`: they need not look at it, because it is looked at anyway, or
    /// cannot call exec.
    seen: Option<KnownProcess>,
    /// Creation time, in clock ticks; 0: the process was gone before it could be read.
    start_time: u64,
    ppid: Option<u32>,
    /// Tells this process from others with the same pid, before and after it.
    generation: u32,
    end: End,
    /// Time at which the process was noticed, in nanoseconds.
    noticed_ns: u64,
    /// Time at which its last exec was noticed without a record; 0 if none was.
    execed_ns: u64,
}

impl<H> Tracked<H> {
    /// Returns true if the id may belong to another process by now.
    fn has_left(&self, host: &mut impl PidHost<Pidfd = H>, pid: u32) -> bool {
        host.has_exited(&self.pidfd)
            && (host.reaped_status(&self.pidfd).is_some() || !host.is_shown(pid, self.start_time))
    }

    /// Returns true if a process that has exited is reaped.
    fn is_gone(&self, host: &mut impl PidHost<Pidfd = H>, pid: u32) -> bool {
        // A hidden zombie has no files either. Another process may have the id by now.
        let is_another = |start_time| self.start_time != 0 && start_time != self.start_time;
        host.is_free(pid) || host.look(pid).is_some_and(|look| is_another(look.observed.start_time))
    }
}

/// How far a process has come to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// No exit was noticed.
    None,
    /// Its exit was noticed, and is not reported because the status is awaited.
    Awaited,
    /// Its exit is reported. It is a zombie, which must not be taken for a new process.
    Reported,
}

/// The processes that are known, and those that are looked at again.
#[derive(Debug)]
pub struct CursorTracker<H> {
    /// The last id that was given out, and looked at.
    last: u32,
    processes: FxHashMap<u32, Tracked<H>>,
    generations: u32,
    young: Vec<Young>,
    /// The pids of zombies whose status is awaited, each with the time until which it is.
    dying: Vec<(u32, u64)>,
    /// The zombies whose exit is reported.
    zombies: Zombies,
    /// The ids that belonged to no process, each with the time until which they are looked at again.
    retried: Vec<(u32, u64)>,
    reports: Vec<ProcessReport>,
    unseen: u64,
    lives: Lives,
    /// A life that ends within this time is short, in nanoseconds.
    short_ns: u64,
    needs_list: bool,
    is_limited: bool,
    /// A listed process that is younger than this is left to its record, in nanoseconds. 0 if the cursor has gone past it.
    list_wait_ns: u64,
    /// True if the present list has shown a process that is not watched.
    is_list_limited: bool,
    /// The processes that the kernel's records show.
    recorded: FxHashMap<u32, Recorded>,
    /// The ids of the recorded processes and threads at which the cursor has not looked yet.
    recorded_ids: FxHashSet<u32>,
    /// The processes whose last thread a record has shown to exit, and the time at which that is checked.
    leaving: Vec<(u32, u64)>,
    /// Time within which each change has a record, in nanoseconds; 0: not all changes have one.
    record_ns: u64,
}

impl<H> CursorTracker<H> {
    /// Returns a tracker that knows no process. `last` is the id that was given out last.
    #[must_use]
    pub fn new(last: u32) -> Self {
        Self {
            last,
            processes: FxHashMap::default(),
            generations: 0,
            young: Vec::new(),
            dying: Vec::new(),
            zombies: Zombies::default(),
            retried: Vec::new(),
            reports: Vec::new(),
            unseen: 0,
            lives: Lives::default(),
            short_ns: 0,
            needs_list: false,
            is_limited: false,
            is_list_limited: false,
            list_wait_ns: 0,
            recorded: FxHashMap::default(),
            recorded_ids: FxHashSet::default(),
            leaving: Vec::new(),
            record_ns: 0,
        }
    }

    /// Takes the reports, in the order of their times.
    pub fn take_reports(&mut self) -> Vec<ProcessReport> {
        std::mem::take(&mut self.reports)
    }

    /// Returns the number of ids since the last call that were free before they could be looked at.
    pub const fn take_unseen(&mut self) -> u64 {
        std::mem::replace(&mut self.unseen, 0)
    }

    /// Returns true if a list of all processes is needed, because too many ids were given out at once.
    pub const fn take_needs_list(&mut self) -> bool {
        std::mem::replace(&mut self.needs_list, false)
    }

    /// Returns true if some processes are not watched, because no descriptor is left for them. Snapshots must show them.
    #[must_use]
    pub const fn is_limited(&self) -> bool {
        self.is_limited
    }

    /// Returns true if a process is looked at again.
    #[must_use]
    pub const fn has_young(&self) -> bool {
        !self.young.is_empty()
    }

    /// Returns the number of known processes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.processes.len()
    }

    /// Returns true if no process is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.processes.is_empty()
    }

    /// Returns the time of the next look at a process; `None` if none is due.
    #[must_use]
    pub fn next_look_ns(&self) -> Option<u64> {
        let young = self.young.iter().map(|young| young.next_ns);
        young.chain(self.dying.iter().chain(&self.leaving).map(|&(_, until_ns)| until_ns)).min()
    }

    /// Records that a process is not watched.
    const fn set_limited(&mut self) {
        (self.is_limited, self.is_list_limited) = (true, true);
    }

    /// Reports a change with the time of its record, if there is one.
    fn report(&mut self, pid: u32, now_ns: u64, mut change: Change) {
        let recorded_ns = self.complete_from_records(pid, &mut change, now_ns);
        if recorded_ns.is_none()
            && let Change::Execed(_) = change
            && let Some(known) = self.processes.get_mut(&pid)
        {
            known.execed_ns = now_ns;
        }
        let origin = if recorded_ns.is_some() { Origin::Kernel } else { Origin::Polling };
        let timestamp_ns = recorded_ns.unwrap_or(now_ns);
        self.reports.push(ProcessReport { pid, timestamp_ns, origin, change });
    }

    /// Reports and watches a process, unless it is an older zombie, or one in a list: a snapshot may have shown its exit.
    fn on_new_process(
        &mut self,
        host: &mut impl PidHost<Pidfd = H>,
        pid: u32,
        pidfd: H,
        is_listed: bool,
        now_ns: u64,
    ) {
        let Some(look) = host.look(pid) else {
            if host.has_exited(&pidfd) {
                // Only its exit can still be reported.
                self.track(host, pid, pidfd, None, now_ns);
            } else {
                // The process is hidden from this user.
                host.close(pidfd);
            }
            return;
        };
        let observed = &look.observed;
        if is_listed && !self.is_limited && observed.start_ns + self.list_wait_ns > now_ns {
            // Its record is not read yet. Without one, the cursor shows it.
            return host.close(pidfd);
        }
        if !self.track(host, pid, pidfd, Some(observed), now_ns) || self.recorded.contains_key(&pid) {
            return;
        }
        let is_old = is_listed || observed.start_ns + RECENT_NS <= now_ns;
        if look.is_zombie && is_old {
            if let Some(known) = self.processes.get_mut(&pid) {
                known.end = End::Reported;
            }
            return;
        }
        self.report(pid, now_ns, Change::Forked(Box::new(observed.clone())));
        if !observed.is_kernel_thread {
            let mut young = Young::new(Phase::Forked, observed, now_ns);
            young.seen.never_execed = true;
            self.follow(host, young, look, now_ns);
        }
    }

    /// Starts to watch a process. Returns false if that is impossible.
    fn track(
        &mut self,
        host: &mut impl PidHost<Pidfd = H>,
        pid: u32,
        pidfd: H,
        observed: Option<&ObservedProcess>,
        now_ns: u64,
    ) -> bool {
        // 0 stands for other wake-ups.
        self.generations = self.generations.wrapping_add(1).max(1);
        if !host.watch(pid, self.generations, &pidfd) {
            host.close(pidfd);
            self.set_limited();
            return false;
        }
        let start_time = observed.map_or(0, |observed| observed.start_time);
        let ppid = observed.map(|observed| observed.ppid);
        let (generation, end, seen) = (self.generations, End::None, None);
        let known =
            Tracked { pidfd, seen, start_time, ppid, generation, end, noticed_ns: now_ns, execed_ns: 0 };
        self.processes.insert(pid, known);
        self.lives.started += 1;
        true
    }
}
