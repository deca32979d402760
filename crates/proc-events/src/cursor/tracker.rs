//! Decides which processes are new, which have called exec, and which have exited. Pure: the host does the I/O, and time is
//! an argument.

mod recorded;
mod records;

use rustc_hash::{FxHashMap, FxHashSet};

use self::recorded::{Recorded, lacks_program};
use super::host::{Details, Look, PidHost, PidOwner};
use super::schedule::{ARGUMENTS_NS, EXEC_LATE_NS, MID_EXEC_NS, Phase, next_look_ns};
use crate::model::event::{ExitStatus, Origin};
use crate::model::report::{Change, ProcessReport};
use crate::model::snapshot::{KnownProcess, ObservedProcess};

/// The largest number of ids that are looked at in one go. If more were given out, a list of all processes is cheaper.
const NEW_IDS_MAX: u64 = 65_536;
/// The number of last ids that are looked at once more if they belong to no process. The kernel gives out an id a little
/// before the process can be found by it.
const RETRIED_IDS: u64 = 64;
/// Time after which a process can surely be found by its id, unless the kernel preempts its creation.
const RETRY_NS: u64 = 200_000;
/// A process that was younger than this at the first list may soon call exec again.
const RECENT_NS: u64 = 1_000_000_000;
/// Time that a parent has to reap a zombie whose status this user may not see. The exit is then reported without it.
const REAP_TIMEOUT_NS: u64 = 20_000_000;

/// A process that is known.
#[derive(Debug)]
struct Tracked<H> {
    pidfd: H,
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

/// A process that is looked at again.
#[derive(Clone, Debug)]
struct Young {
    pid: u32,
    phase: Phase,
    /// Time at which the phase began.
    since_ns: u64,
    next_ns: u64,
    /// The process as it was seen last, or before the exec that is not reported yet.
    seen: KnownProcess,
    /// The process in an exec that is not reported yet.
    starting: Option<Box<Look>>,
}

impl Young {
    fn new(phase: Phase, observed: &ObservedProcess, now_ns: u64) -> Self {
        let wait_ns = next_look_ns(phase, 0).unwrap_or(0);
        let (pid, seen) = (observed.pid, known(observed));
        Self { pid, phase, since_ns: now_ns, next_ns: now_ns + wait_ns, seen, starting: None }
    }
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
    /// The ids that belonged to no process, each with the time until which they are looked at again.
    retried: Vec<(u32, u64)>,
    reports: Vec<ProcessReport>,
    unseen: u64,
    needs_list: bool,
    is_limited: bool,
    /// The processes that the kernel's records show.
    recorded: FxHashMap<u32, Recorded>,
    /// The ids of the recorded processes and threads at which the cursor has not looked yet.
    recorded_ids: FxHashSet<u32>,
    /// The processes whose last thread a record has shown to exit, and the time at which that is checked.
    leaving: Vec<(u32, u64)>,
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
            retried: Vec::new(),
            reports: Vec::new(),
            unseen: 0,
            needs_list: false,
            is_limited: false,
            recorded: FxHashMap::default(),
            recorded_ids: FxHashSet::default(),
            leaving: Vec::new(),
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

    /// Watches the listed processes, so that their exits are reported. A process that is not known, and was not created
    /// before the first list, is reported as new. The list must be later than the `last` id that was given.
    pub fn on_list(&mut self, host: &mut impl PidHost<Pidfd = H>, pids: &[u32], is_first: bool, now_ns: u64) {
        self.is_limited = false;
        if !is_first {
            self.forget_reaped(host, pids);
        }
        for &pid in pids {
            if self.processes.contains_key(&pid) {
                continue;
            }
            match host.open(pid) {
                PidOwner::Process(pidfd) if is_first => self.on_running_process(host, pid, pidfd, now_ns),
                PidOwner::Process(pidfd) => self.on_new_process(host, pid, pidfd, true, now_ns),
                PidOwner::Unknown => self.is_limited = true,
                PidOwner::Thread | PidOwner::Free => {}
            }
        }
    }

    /// Looks at the ids that were given out since the last call, up to `last`. Returns true if there was one that no record
    /// has shown.
    pub fn on_cursor(&mut self, host: &mut impl PidHost<Pidfd = H>, last: u32, now_ns: u64) -> bool {
        for (pid, until_ns) in std::mem::take(&mut self.retried) {
            // A record has shown it meanwhile.
            if self.recorded_ids.remove(&pid) {
                continue;
            }
            self.look_at_id(host, pid, until_ns, now_ns);
        }
        let first = std::mem::replace(&mut self.last, last);
        if last == first {
            return false;
        }
        // After the largest id the kernel goes on with the smallest free one.
        let end = if last > first { u64::from(last) + 1 } else { u64::from(host.pid_max()) };
        let before_wrap = u64::from(first) + 1..end;
        let after_wrap = 1..if last > first { 1 } else { u64::from(last) + 1 };
        let count = before_wrap.end.saturating_sub(before_wrap.start) + (after_wrap.end - 1);
        if count > NEW_IDS_MAX {
            self.needs_list = true;
            return true;
        }
        let mut left = count;
        let mut is_new = false;
        for pid in before_wrap.chain(after_wrap) {
            let until_ns = if left <= RETRIED_IDS { now_ns + RETRY_NS } else { 0 };
            if !self.recorded_ids.remove(&(pid as u32)) {
                self.look_at_id(host, pid as u32, until_ns, now_ns);
                is_new = true;
            }
            left -= 1;
        }
        is_new
    }

    /// Looks at an id. If it belongs to no process, it is looked at again until `until_ns`.
    fn look_at_id(&mut self, host: &mut impl PidHost<Pidfd = H>, pid: u32, until_ns: u64, now_ns: u64) {
        if let Some(known) = self.processes.get(&pid) {
            if !host.has_exited(&known.pidfd) {
                return;
            }
            let status = host.reaped_status(&known.pidfd);
            if status.is_none() && is_shown(host, pid, known.start_time) {
                return;
            }
            // The kernel has given the id out again. The exit of the process that had it before comes first.
            self.finish(host, pid, status, true, now_ns);
        }
        match host.open(pid) {
            PidOwner::Process(pidfd) => self.on_new_process(host, pid, pidfd, false, now_ns),
            PidOwner::Thread | PidOwner::Free if now_ns < until_ns => self.retried.push((pid, until_ns)),
            PidOwner::Free => self.unseen += 1,
            PidOwner::Unknown => self.is_limited = true,
            PidOwner::Thread => {}
        }
    }

    /// Watches a process of the first list, which subscribers get from a snapshot.
    fn on_running_process(&mut self, host: &mut impl PidHost<Pidfd = H>, pid: u32, pidfd: H, now_ns: u64) {
        let Some(Look { observed, is_zombie, .. }) = host.look(pid) else {
            host.close(pidfd);
            return;
        };
        let is_tracked = self.track(host, pid, pidfd, Some(&observed), now_ns);
        let is_recent = observed.start_ns + RECENT_NS > now_ns;
        if is_tracked && !is_zombie && !observed.is_kernel_thread && (observed.never_execed || is_recent) {
            let phase = if observed.never_execed { Phase::Forked } else { Phase::Running };
            self.young.push(Young::new(phase, &observed, now_ns));
        }
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
            self.is_limited = true;
            return false;
        }
        let start_time = observed.map_or(0, |observed| observed.start_time);
        let ppid = observed.map(|observed| observed.ppid);
        let (generation, end) = (self.generations, End::None);
        let known = Tracked { pidfd, start_time, ppid, generation, end, noticed_ns: now_ns, execed_ns: 0 };
        self.processes.insert(pid, known);
        true
    }

    /// Looks soon at the processes that have been forked lately, because a new program has begun to run.
    pub fn on_program_started(&mut self, now_ns: u64) {
        let may_exec = |young: &&mut Young| {
            young.phase == Phase::Forked && now_ns.saturating_sub(young.since_ns) < EXEC_LATE_NS
        };
        self.young.iter_mut().filter(may_exec).for_each(|young| young.next_ns = now_ns);
    }

    /// Looks at the processes whose time has come, and gives up the statuses that were awaited for too long.
    pub fn look_at_due(&mut self, host: &mut impl PidHost<Pidfd = H>, now_ns: u64) {
        let mut at = 0;
        while at < self.young.len() {
            if self.young[at].next_ns > now_ns {
                at += 1;
                continue;
            }
            // A look puts the process back at the end, with a later time.
            let young = self.young.swap_remove(at);
            match host.look(young.pid) {
                Some(look) => self.follow(host, young, look, now_ns),
                // A process that is gone is reported by its pidfd, and a hidden one not at all.
                None => self.report_start(young, now_ns),
            }
        }
        while let Some(at) = self.dying.iter().position(|&(_, until_ns)| until_ns <= now_ns) {
            let (pid, _) = self.dying.swap_remove(at);
            let status = self.processes.get(&pid).and_then(|known| host.reaped_status(&known.pidfd));
            self.finish(host, pid, status, status.is_some(), now_ns);
        }
        self.check_leaving(host, now_ns);
    }

    /// Reports an exec, if `look` shows one, and keeps the process if it is to be looked at again.
    fn follow(&mut self, host: &mut impl PidHost<Pidfd = H>, mut young: Young, look: Look, now_ns: u64) {
        let observed = &look.observed;
        if observed.start_time != young.seen.start_time {
            // Another process has the pid already. The cursor or a list shows it.
            return self.report_start(young, now_ns);
        }
        let is_zombie = look.is_zombie;
        if young.phase == Phase::Starting || !observed.never_execed && !young.seen.is(observed) {
            if young.phase != Phase::Starting {
                (young.phase, young.since_ns) = (Phase::Starting, now_ns);
            }
            let is_recorded = self.recorded.contains_key(&young.pid);
            // The records that precede the exit of a zombie may not be read yet.
            let patience_ns = if is_recorded && look.is_mid_exec { MID_EXEC_NS } else { ARGUMENTS_NS };
            let is_final = is_zombie && !is_recorded || now_ns >= young.since_ns + patience_ns;
            // A record shows that the program is the new one already.
            let is_certain = young.starting.is_none() && is_recorded;
            let may_read = is_final || !look.is_mid_exec || is_certain;
            let mut details = may_read.then(|| host.details(&look));
            // A record shows the program, too, unless it could be read.
            let is_known = |details: &Details| !is_recorded || !lacks_program(&details.observed);
            let is_done = |details: &mut Details| {
                is_final || details.is_complete && !look.is_mid_exec && is_known(details)
            };
            if let Some(Details { observed, .. }) = details.take_if(is_done) {
                young.starting = None;
                (young.phase, young.since_ns, young.seen) = (Phase::Running, now_ns, known(&observed));
                self.report(young.pid, now_ns, Change::Execed(Box::new(observed)));
            } else {
                // If the process is gone at the next look, this is all that is known.
                let read = details.map(|Details { observed, .. }| Look { observed, ..look.clone() });
                let before = young.starting.take().filter(|_| read.is_none());
                young.starting = Some(before.unwrap_or_else(|| Box::new(read.unwrap_or(look))));
            }
        } else if observed.program != 0 {
            young.seen.program = observed.program;
        }
        // The next exec has a record, too.
        let is_recorded = self.recorded.contains_key(&young.pid);
        let is_last = match young.phase {
            Phase::Starting => is_zombie && !is_recorded,
            Phase::Running => is_zombie || is_recorded,
            Phase::Forked => is_zombie,
        };
        if let Some(wait_ns) = next_look_ns(young.phase, now_ns - young.since_ns).filter(|_| !is_last) {
            young.next_ns = now_ns + wait_ns;
            self.young.push(young);
        }
    }

    /// Reports the exec of a process that was seen in it, and is not to be looked at again.
    fn report_start(&mut self, young: Young, now_ns: u64) {
        if let Some(look) = young.starting {
            self.report(young.pid, now_ns, Change::Execed(Box::new(look.observed)));
        }
    }

    /// Handles the pidfd of a process that has become readable: the process has exited, or its parent has reaped it.
    pub fn on_exit(&mut self, host: &mut impl PidHost<Pidfd = H>, pid: u32, generation: u32, now_ns: u64) {
        let known = self.processes.get(&pid).filter(|known| known.generation == generation);
        let Some(known) = known else { return };
        let (start_time, end) = (known.start_time, known.end);
        let reaped = host.reaped_status(&known.pidfd);
        // A zombie still shows if it has called exec, and to its user the status.
        let look = if reaped.is_none() { host.look(pid) } else { None };
        let look = look.filter(|look| look.observed.start_time == start_time);
        let is_reaped = look.is_none();
        let status = reaped.or(look.as_ref().and_then(|look| look.status));
        if let Some(at) = self.young.iter().position(|young| young.pid == pid) {
            let young = self.young.swap_remove(at);
            match look {
                Some(look) => self.follow(host, young, look, now_ns),
                None => self.report_start(young, now_ns),
            }
        }
        if status.is_some() || end == End::Reported {
            self.finish(host, pid, status, is_reaped, now_ns);
        } else if let Some(known) = self.processes.get_mut(&pid).filter(|_| end == End::None) {
            known.end = End::Awaited;
            self.dying.push((pid, now_ns + REAP_TIMEOUT_NS));
        }
    }

    /// Reports the exit of a known process, unless that is done. Forgets the process if its parent has reaped it.
    fn finish(
        &mut self,
        host: &mut impl PidHost<Pidfd = H>,
        pid: u32,
        status: Option<ExitStatus>,
        is_reaped: bool,
        now_ns: u64,
    ) {
        let Some(known) = self.processes.get_mut(&pid) else { return };
        let end = std::mem::replace(&mut known.end, End::Reported);
        if end == End::Awaited {
            self.dying.retain(|&(dying, _)| dying != pid);
        }
        if end != End::Reported {
            let (start_time, ppid) = (known.start_time, known.ppid);
            self.stop_looking(pid, now_ns);
            self.report(pid, now_ns, Change::Exited { start_time, status, ppid });
        }
        if is_reaped && let Some(Tracked { pidfd, .. }) = self.processes.remove(&pid) {
            host.close(pidfd);
        }
    }

    /// Forgets the zombies that are not listed any more. Kernels before 6.15 do not show that by the pidfd.
    fn forget_reaped(&mut self, host: &mut impl PidHost<Pidfd = H>, listed: &[u32]) {
        let is_gone = |(pid, known): (&u32, &Tracked<H>)| {
            (known.end == End::Reported && !listed.contains(pid)).then_some(*pid)
        };
        let gone: Vec<u32> = self.processes.iter().filter_map(is_gone).collect();
        for pid in gone {
            if let Some(Tracked { pidfd, .. }) = self.processes.remove(&pid) {
                host.close(pidfd);
            }
        }
    }
}

/// Returns true if `/proc` shows this process.
fn is_shown(host: &mut impl PidHost, pid: u32, start_time: u64) -> bool {
    host.look(pid).is_some_and(|look| look.observed.start_time == start_time)
}

const fn known(observed: &ObservedProcess) -> KnownProcess {
    let &ObservedProcess { start_time, program, never_execed, .. } = observed;
    KnownProcess { start_time, program, never_execed }
}
