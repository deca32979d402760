//! A machine made of plain values: its processes, the kernel's reports of them, and `/proc`. Nothing happens on it by
//! itself: the test calls a method for each fork, exec and exit.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use proc_events::connector::wire::{self, DATAGRAM_LEN, what};
use proc_events::model::snapshot::ObservedProcess;
use proc_events::{Fields, ProcessInfo};

/// The resolution of creation times, in nanoseconds, as on most machines.
const TICK_NS: u64 = 10_000_000;

/// The bytes of a datagram.
pub(crate) type Report = [u8; DATAGRAM_LEN];

/// A process that runs.
#[derive(Clone, Debug)]
pub(crate) struct Process {
    /// Index in [`Machine::instances`].
    pub(crate) instance: usize,
    pub(crate) never_execed: bool,
    pub(crate) leader_exited: bool,
    start_ns: u64,
    program: u64,
}

/// A process from its creation on, and after its exit. A pid has many instances, one after the other.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ProcessInstance {
    pub(crate) has_execed: bool,
    exited_ns: Option<u64>,
    /// Another thread than the leader has called exec.
    had_non_leader_exec: bool,
    has_lost_report: bool,
}

/// The exit of a process that is gone, and that the kernel has not reported yet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct UnreportedExit {
    pid: u32,
    instance: usize,
    code: u32,
}

impl ProcessInstance {
    pub(crate) fn has_exited_by(&self, now_ns: u64) -> bool {
        self.exited_ns.is_some_and(|exited_ns| exited_ns <= now_ns)
    }
}

#[derive(Debug, Default)]
pub(crate) struct Machine {
    pub(crate) now_ns: u64,
    /// The processes that run, by pid.
    pub(crate) processes: BTreeMap<u32, Process>,
    pub(crate) instances: Vec<ProcessInstance>,
    /// The reports by their times, which are unique: the instance, and true if it is an exit.
    pub(crate) reports: HashMap<u64, (usize, bool)>,
    /// The instances of a pid, each with the time of its creation.
    created: HashMap<u32, Vec<(u64, usize)>>,
    /// The instances whose exit a watch showed, by the time and the pid.
    pub(crate) noticed: HashMap<(u64, u32), usize>,
    /// The time at which a pid became free.
    freed_ns: BTreeMap<u32, u64>,
    /// True if everything that happens is printed.
    pub(crate) is_traced: bool,
    programs: u64,
    seq: u32,
}

impl Machine {
    pub(crate) fn new() -> Self {
        Self { now_ns: 1_000_000_000, ..Self::default() }
    }

    #[expect(clippy::print_stdout, reason = "the history of a failing seed is for people to read")]
    pub(crate) fn trace(&self, line: impl FnOnce() -> String) {
        if self.is_traced {
            println!("{} {}", self.now_ns, line());
        }
    }

    /// Records that a report was lost.
    pub(crate) fn lose(&mut self, instance: usize) {
        self.trace(|| format!("lost a report of instance {instance}"));
        self.instances[instance].has_lost_report = true;
    }

    fn report(&mut self, kind: u32, instance: usize, words: &[u32]) -> Report {
        self.now_ns += 1;
        self.seq += 1;
        self.trace(|| format!("sent {kind:#x} {words:?} of instance {instance}"));
        self.reports.insert(self.now_ns, (instance, kind == what::PROC_EVENT_EXIT));
        wire::datagram(kind, self.seq, self.now_ns, words)
    }

    /// Creates a process, unless the pid is taken, or was taken in this tick. The kernel reuses a pid later than that, and
    /// an identity made of pid and creation time could not separate the two processes.
    pub(crate) fn fork(&mut self, pid: u32) -> Option<Report> {
        let is_fresh = self.freed_ns.get(&pid).is_some_and(|freed| freed / TICK_NS >= self.now_ns / TICK_NS);
        if is_fresh || self.processes.contains_key(&pid) {
            return None;
        }
        let instance = self.instances.len();
        self.instances.push(ProcessInstance::default());
        self.programs += 1;
        let (start_ns, program) = (self.now_ns, self.programs);
        let process = Process { instance, never_execed: true, leader_exited: false, start_ns, program };
        self.processes.insert(pid, process);
        self.created.entry(pid).or_default().push((start_ns, instance));
        Some(self.report(what::PROC_EVENT_FORK, instance, &[1, 1, pid, pid]))
    }

    /// Calls exec. The thread that calls it becomes the leader.
    pub(crate) fn exec(&mut self, pid: u32) -> Option<Report> {
        self.programs += 1;
        let process = self.processes.get_mut(&pid)?;
        let instance = process.instance;
        self.instances[instance].had_non_leader_exec |= process.leader_exited;
        self.instances[instance].has_execed = true;
        (process.never_execed, process.leader_exited, process.program) = (false, false, self.programs);
        Some(self.report(what::PROC_EVENT_EXEC, instance, &[pid, pid]))
    }

    /// Lets the leader exit. Other threads of the process go on.
    pub(crate) fn exit_leader(&mut self, pid: u32) -> Option<Report> {
        let process = self.processes.get_mut(&pid).filter(|process| !process.leader_exited)?;
        process.leader_exited = true;
        let instance = process.instance;
        Some(self.report(what::PROC_EVENT_EXIT, instance, &[pid, pid, 0, 17, 1, 1]))
    }

    /// Lets a process exit. Without a leader only the exit of its last thread is left to report.
    pub(crate) fn exit(&mut self, pid: u32, code: u32) -> Option<UnreportedExit> {
        let Process { instance, leader_exited, .. } = self.processes.remove(&pid)?;
        self.now_ns += 1;
        self.freed_ns.insert(pid, self.now_ns);
        self.instances[instance].exited_ns = Some(self.now_ns);
        (!leader_exited).then_some(UnreportedExit { pid, instance, code })
    }

    pub(crate) fn report_exit(&mut self, exit: UnreportedExit) -> Report {
        let UnreportedExit { pid, instance, code } = exit;
        self.report(what::PROC_EVENT_EXIT, instance, &[pid, pid, code << 8, 17, 1, 1])
    }

    /// Reports the exit of the last thread of a process that had no leader.
    pub(crate) fn report_last_thread(&mut self, pid: u32, instance: usize, code: u32) -> Report {
        self.report(what::PROC_EVENT_EXIT, instance, &[pid + 1000, pid, code << 8, u32::MAX, 0, 0])
    }

    /// Returns the instances of this pid that were created before this time, the last one first.
    pub(crate) fn created_before(&self, pid: u32, now_ns: u64) -> impl Iterator<Item = usize> {
        let created = self.created.get(&pid).into_iter().flatten().rev();
        created.filter(move |(created_ns, _)| *created_ns < now_ns).map(|(_, instance)| *instance)
    }

    /// Returns true if the exits of this instance are ambiguous: an exec was lost that made the leader's exit one of
    /// several.
    pub(crate) fn has_ambiguous_exits(&self, instance: usize) -> bool {
        let instance = &self.instances[instance];
        instance.had_non_leader_exec && instance.has_lost_report
    }

    /// Returns the instances that run, by pid.
    pub(crate) fn running(&self) -> BTreeMap<u32, usize> {
        self.processes.iter().map(|(&pid, process)| (pid, process.instance)).collect()
    }

    /// Returns what `/proc` shows of a process. Its name is the number of the instance.
    pub(crate) fn observed(&self, pid: u32, fields: Fields) -> Option<ObservedProcess> {
        let process = self.processes.get(&pid)?;
        let name = (!fields.is_empty()).then(|| process.instance.to_string().into());
        Some(ObservedProcess {
            pid,
            ppid: 1,
            session: 1,
            start_time: start_tick(process),
            start_ns: start_tick(process) * TICK_NS,
            never_execed: process.never_execed,
            is_kernel_thread: false,
            leader_exited: process.leader_exited,
            program: process.program,
            comm: [0; 16],
            began_ns: self.now_ns,
            read_ns: self.now_ns,
            process: name.map(|name| {
                Arc::new(ProcessInfo { requested: fields, name: Some(name), ..ProcessInfo::default() })
            }),
        })
    }
}

const fn start_tick(process: &Process) -> u64 {
    process.start_ns / TICK_NS
}
