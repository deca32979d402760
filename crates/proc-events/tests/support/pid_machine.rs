//! The one fake of the machine that the cursor asks about: process ids that wrap, threads, zombies, and descriptors that run
//! out. Nothing happens on it by itself.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proc_events::cursor::host::{Details, Look, PidHost, PidOwner};
use proc_events::model::snapshot::{ObservedProcess, Snapshot};
use proc_events::perf::record::{TaskChange, TaskRecord};
use proc_events::{ExitStatus, Fields, ProcessInfo};

/// The resolution of creation times, in nanoseconds. Short, so that all processes are new at the start of a test.
const TICK_NS: u64 = 1_000;
/// Time between two records, in nanoseconds: the time that an exec takes at least.
const RECORD_NS: u64 = 30_000;

/// A process, from its creation on and after its end.
#[derive(Clone, Debug)]
pub(crate) struct Instance {
    pub(crate) pid: u32,
    pub(crate) start_time: u64,
    pub(crate) program: u64,
    pub(crate) execs: u32,
    pub(crate) has_exited: bool,
    pub(crate) is_reaped: bool,
    pub(crate) code: u32,
}

#[derive(Debug)]
pub(crate) struct PidMachine {
    pub(crate) instances: Vec<Instance>,
    /// The instance that has each pid, until it is reaped.
    pub(crate) owners: BTreeMap<u32, usize>,
    pub(crate) threads: BTreeSet<u32>,
    /// The id that was given out last.
    pub(crate) last: u32,
    pub(crate) pid_max: u32,
    pub(crate) free_descriptors: usize,
    pub(crate) free_watches: usize,
    /// The watched pidfds: the instance, and the generation.
    pub(crate) watched: BTreeMap<usize, u32>,
    /// The instances whose exit was told; true if their reaping was told, too.
    pub(crate) told: BTreeMap<usize, bool>,
    /// True if this user may not see the status of zombies.
    pub(crate) hides_statuses: bool,
    /// True if a pidfd does not tell the status once the parent has reaped the process, as before Linux 6.15.
    pub(crate) forgets_statuses: bool,
    /// True if an exec has not set the arguments yet.
    pub(crate) hides_arguments: bool,
    /// The details that are requested. None of them can be read.
    pub(crate) requested: Fields,
    /// The processes that this user may not see.
    pub(crate) hidden: BTreeSet<u32>,
    /// The running processes whose stat shows that they exit, as that of a process without its first thread does.
    pub(crate) exiting: BTreeSet<u32>,
    /// The process that its parent reaps just before its stat is read next.
    pub(crate) vanishing: Option<u32>,
    pub(crate) looks: usize,
    /// The records of task events that were not read yet; `None`: they cannot be had.
    pub(crate) records: Option<Vec<TaskRecord>>,
    /// The processes that are not recorded, because they have other rights.
    pub(crate) unrecorded: BTreeSet<u32>,
    /// Time of the last record.
    pub(crate) now_ns: u64,
}

impl Default for PidMachine {
    fn default() -> Self {
        Self {
            instances: Vec::new(),
            owners: BTreeMap::new(),
            threads: BTreeSet::new(),
            last: 1,
            pid_max: 1 << 22,
            free_descriptors: usize::MAX,
            free_watches: usize::MAX,
            watched: BTreeMap::new(),
            told: BTreeMap::new(),
            hides_statuses: false,
            forgets_statuses: false,
            hides_arguments: false,
            requested: Fields::NONE,
            hidden: BTreeSet::new(),
            exiting: BTreeSet::new(),
            vanishing: None,
            looks: 0,
            records: None,
            unrecorded: BTreeSet::new(),
            now_ns: 0,
        }
    }
}

impl PidMachine {
    /// Gives out the next free id, and wraps after the largest one. Returns `None` if all are taken.
    fn next_id(&mut self) -> Option<u32> {
        for _ in 0..self.pid_max {
            self.last = if self.last + 1 >= self.pid_max { 1 } else { self.last + 1 };
            if !self.owners.contains_key(&self.last) && !self.threads.contains(&self.last) {
                return Some(self.last);
            }
        }
        None
    }

    fn record(&mut self, pid: u32, tid: u32, change: TaskChange) {
        self.now_ns += RECORD_NS;
        if let Some(records) = self.records.as_mut().filter(|_| !self.unrecorded.contains(&pid)) {
            records.push(TaskRecord { time_ns: self.now_ns, pid, tid, change });
        }
    }

    /// Takes the records that were not read yet.
    pub(crate) fn take_records(&mut self) -> Vec<TaskRecord> {
        self.records.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Creates a process, and returns its pid.
    pub(crate) fn fork(&mut self) -> Option<u32> {
        let pid = self.next_id()?;
        let start_time = self.instances.len() as u64 + 100;
        self.owners.insert(pid, self.instances.len());
        let (has_exited, is_reaped) = (false, false);
        let program = start_time << 8;
        self.instances.push(Instance { pid, start_time, program, execs: 0, has_exited, is_reaped, code: 0 });
        self.unrecorded.remove(&pid);
        self.record(pid, pid, TaskChange::Forked { ppid: 1 });
        Some(pid)
    }

    pub(crate) fn start_thread(&mut self) -> Option<u32> {
        let id = self.next_id()?;
        self.threads.insert(id);
        Some(id)
    }

    pub(crate) fn running(&mut self, pid: u32) -> Option<&mut Instance> {
        let &instance = self.owners.get(&pid)?;
        Some(&mut self.instances[instance]).filter(|instance| !instance.has_exited)
    }

    pub(crate) fn exec(&mut self, pid: u32) {
        if let Some(instance) = self.running(pid) {
            instance.execs += 1;
            instance.program += 1;
            self.record(pid, pid, TaskChange::Execed { comm: *b"program\0\0\0\0\0\0\0\0\0" });
            self.record(pid, pid, TaskChange::Mapped { path: b"/bin/program".as_slice().into() });
        }
    }

    pub(crate) fn exit(&mut self, pid: u32, code: u32) {
        if let Some(instance) = self.running(pid) {
            (instance.has_exited, instance.code) = (true, code);
            self.record(pid, pid, TaskChange::Exited { ppid: 1 });
        }
    }

    pub(crate) fn reap(&mut self, pid: u32) {
        let Some(&owner) = self.owners.get(&pid) else { return };
        if self.instances[owner].has_exited {
            self.instances[owner].is_reaped = true;
            self.owners.remove(&pid);
        }
    }

    /// Lets a process run from its fork to its end.
    pub(crate) fn run(&mut self, code: u32) -> Option<u32> {
        let pid = self.fork()?;
        self.exec(pid);
        self.exit(pid, code);
        self.reap(pid);
        Some(pid)
    }

    /// Returns the pids of all processes, and the zombies.
    pub(crate) fn pids(&self) -> Vec<u32> {
        self.owners.keys().copied().collect()
    }

    /// Takes the pidfds that have become readable: the pid and the generation of each.
    pub(crate) fn take_exits(&mut self) -> Vec<(u32, u32)> {
        let Self { instances, watched, told, forgets_statuses, .. } = self;
        let mut exits = Vec::new();
        for (&owner, &generation) in watched.iter().filter(|&(&owner, _)| instances[owner].has_exited) {
            let is_reaped = instances[owner].is_reaped && !*forgets_statuses;
            if told.insert(owner, is_reaped).is_none_or(|was_reaped| is_reaped && !was_reaped) {
                exits.push((instances[owner].pid, generation));
            }
        }
        exits
    }

    fn observed(instance: &Instance) -> ObservedProcess {
        ObservedProcess {
            pid: instance.pid,
            ppid: 1,
            session: 1,
            start_time: instance.start_time,
            start_ns: instance.start_time * TICK_NS,
            never_execed: instance.execs == 0,
            // A zombie has no program any more.
            program: if instance.has_exited { 0 } else { instance.program },
            ..ObservedProcess::default()
        }
    }

    /// Returns what a snapshot shows.
    pub(crate) fn snapshot(&self) -> Snapshot {
        let owners = self.owners.values().map(|&owner| &self.instances[owner]);
        let running = owners.filter(|instance| !instance.has_exited);
        Snapshot { processes: running.map(Self::observed).collect(), unread: Vec::new() }
    }
}

impl PidHost for PidMachine {
    type Pidfd = usize;

    fn pid_max(&mut self) -> u32 {
        self.pid_max
    }

    fn open(&mut self, pid: u32) -> PidOwner<usize> {
        if self.free_descriptors == 0 {
            return PidOwner::Unknown;
        }
        match self.owners.get(&pid) {
            Some(&owner) => {
                self.free_descriptors -= 1;
                PidOwner::Process(owner)
            }
            None if self.threads.contains(&pid) => PidOwner::Thread,
            None => PidOwner::Free,
        }
    }

    fn is_free(&mut self, pid: u32) -> bool {
        !self.owners.contains_key(&pid)
    }

    fn watch(&mut self, pid: u32, generation: u32, pidfd: &usize) -> bool {
        assert_eq!(self.instances[*pidfd].pid, pid);
        assert_ne!(generation, 0);
        if self.free_watches == 0 {
            return false;
        }
        self.free_watches -= 1;
        self.watched.insert(*pidfd, generation);
        true
    }

    fn close(&mut self, pidfd: usize) {
        self.free_descriptors += 1;
        if self.watched.remove(&pidfd).is_some() {
            self.told.remove(&pidfd);
            self.free_watches += 1;
        }
    }

    fn has_exited(&mut self, pidfd: &usize) -> bool {
        self.instances[*pidfd].has_exited
    }

    fn reaped_status(&mut self, pidfd: &usize) -> Option<ExitStatus> {
        let instance = &self.instances[*pidfd];
        (instance.is_reaped && !self.forgets_statuses).then_some(ExitStatus(instance.code << 8))
    }

    fn look(&mut self, pid: u32) -> Option<Look> {
        self.looks += 1;
        if self.vanishing == Some(pid) {
            self.vanishing = None;
            self.exit(pid, 1);
            self.reap(pid);
        }
        let instance = self.owners.get(&pid).map(|&owner| &self.instances[owner])?;
        if self.hidden.contains(&pid) {
            return None;
        }
        let status = (instance.has_exited && !self.hides_statuses).then_some(ExitStatus(instance.code << 8));
        let (is_zombie, is_mid_exec) = (instance.has_exited, false);
        Some(Look {
            observed: Self::observed(instance),
            is_mid_exec,
            is_exiting: is_zombie || self.exiting.contains(&pid),
            is_zombie,
            status,
        })
    }

    fn details(&mut self, look: &Look) -> Details {
        let owner = self.owners.get(&look.observed.pid).map(|&owner| &self.instances[owner]);
        let same = owner.filter(|instance| instance.start_time == look.observed.start_time);
        let mut observed = same.map_or_else(|| look.observed.clone(), Self::observed);
        if !self.requested.is_empty() {
            let info = ProcessInfo { requested: self.requested, ..ProcessInfo::default() };
            observed.process = Some(Arc::new(info));
        }
        Details { observed, is_complete: same.is_some() && !self.hides_arguments }
    }
}
