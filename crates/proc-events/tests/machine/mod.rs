//! A machine made of plain values: its processes, what its kernel reports of them, and what its `/proc` shows. It does
//! nothing by itself; the test decides what happens.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use proc_events::connector::wire::{self, DATAGRAM_LEN, what};
use proc_events::model::snapshot::ObservedProcess;
use proc_events::{Fields, ProcessInfo};

/// The resolution of creation times, as on most machines.
const TICK_NS: u64 = 10_000_000;

pub(crate) type Datagram = [u8; DATAGRAM_LEN];

/// A process that runs.
#[derive(Clone, Debug)]
pub(crate) struct Process {
    pub(crate) life: usize,
    pub(crate) never_execed: bool,
    pub(crate) leader_has_left: bool,
    start_ns: u64,
    program: u64,
}

/// A process from its creation on, and after its end.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ProcessInstance {
    pub(crate) has_execed: bool,
    ended_ns: Option<u64>,
    /// Another thread than the leader has called exec.
    pub(crate) was_taken_over: bool,
    /// A report of it was lost.
    pub(crate) was_lost: bool,
}

/// An exit that the kernel has not reported yet, though the process is gone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unreported {
    pid: u32,
    life: usize,
    code: u32,
}

impl ProcessInstance {
    pub(crate) fn has_ended_by(&self, now_ns: u64) -> bool {
        self.ended_ns.is_some_and(|ended_ns| ended_ns <= now_ns)
    }
}

#[derive(Debug, Default)]
pub(crate) struct Machine {
    pub(crate) now_ns: u64,
    pub(crate) processes: BTreeMap<u32, Process>,
    pub(crate) lives: Vec<ProcessInstance>,
    /// What was sent at this time: whose report, and whether of an exit. No two are sent at the same.
    pub(crate) sent: HashMap<u64, (usize, bool)>,
    /// The lives that a pid has had, each with the time of its creation.
    on_fork: HashMap<u32, Vec<(u64, usize)>>,
    /// Whose end was noticed at this time, without a report, by pid.
    pub(crate) noticed: HashMap<(u64, u32), usize>,
    /// When a pid was given back.
    freed: BTreeMap<u32, u64>,
    /// Whether to print what happens.
    pub(crate) reported: bool,
    programs: u64,
    seq: u32,
}

impl Machine {
    pub(crate) fn new() -> Self {
        Self { now_ns: 1_000_000_000, ..Self::default() }
    }

    #[expect(clippy::print_stdout, reason = "the story of a seed that fails is for people to read")]
    pub(crate) fn tell(&self, what: impl FnOnce() -> String) {
        if self.reported {
            println!("{} {}", self.now_ns, what());
        }
    }

    /// A report was lost.
    pub(crate) fn lose(&mut self, life: usize) {
        self.tell(|| format!("lost a report of life {life}"));
        self.lives[life].was_lost = true;
    }

    fn report(&mut self, kind: u32, life: usize, words: &[u32]) -> Datagram {
        self.now_ns += 1;
        self.seq += 1;
        self.tell(|| format!("sent {kind:#x} {words:?} of life {life}"));
        self.sent.insert(self.now_ns, (life, kind == what::PROC_EVENT_EXIT));
        wire::datagram(kind, self.seq, self.now_ns, words)
    }

    /// `pid` is created, unless it is taken, or was so in this tick: the kernel comes around to a pid later than that,
    /// and no identity made of pid and creation time could tell.
    pub(crate) fn fork(&mut self, pid: u32) -> Option<Datagram> {
        let is_fresh = self.freed.get(&pid).is_some_and(|freed| freed / TICK_NS >= self.now_ns / TICK_NS);
        if is_fresh || self.processes.contains_key(&pid) {
            return None;
        }
        let life = self.lives.len();
        self.lives.push(ProcessInstance::default());
        self.programs += 1;
        let (start_ns, program) = (self.now_ns, self.programs);
        let on_fork = Process { life, never_execed: true, leader_has_left: false, start_ns, program };
        self.processes.insert(pid, on_fork);
        self.on_fork.entry(pid).or_default().push((start_ns, life));
        Some(self.report(what::PROC_EVENT_FORK, life, &[1, 1, pid, pid]))
    }

    pub(crate) fn exec(&mut self, pid: u32) -> Option<Datagram> {
        self.programs += 1;
        let process = self.processes.get_mut(&pid)?;
        // Whoever calls exec becomes the leader.
        self.lives[process.life].was_taken_over |= process.leader_has_left;
        (process.never_execed, process.leader_has_left, process.program) = (false, false, self.programs);
        let life = process.life;
        self.lives[life].has_execed = true;
        Some(self.report(what::PROC_EVENT_EXEC, life, &[pid, pid]))
    }

    /// The leader ends, but other threads go on.
    pub(crate) fn leader_leaves(&mut self, pid: u32) -> Option<Datagram> {
        let process = self.processes.get_mut(&pid).filter(|process| !process.leader_has_left)?;
        process.leader_has_left = true;
        let life = process.life;
        Some(self.report(what::PROC_EVENT_EXIT, life, &[pid, pid, 0, 17, 1, 1]))
    }

    /// The process ends. Without a leader nothing is left to report: its last thread is none of the filter's.
    pub(crate) fn vanish(&mut self, pid: u32, code: u32) -> Option<Unreported> {
        let process = self.processes.remove(&pid)?;
        self.now_ns += 1;
        self.freed.insert(pid, self.now_ns);
        self.lives[process.life].ended_ns = Some(self.now_ns);
        (!process.leader_has_left).then_some(Unreported { pid, life: process.life, code })
    }

    pub(crate) fn report_exit(&mut self, exit: Unreported) -> Datagram {
        self.report(what::PROC_EVENT_EXIT, exit.life, &[exit.pid, exit.pid, exit.code << 8, 17, 1, 1])
    }

    /// The lives that this pid had before this time, the last first.
    pub(crate) fn born_before(&self, pid: u32, now_ns: u64) -> impl Iterator<Item = usize> {
        let on_fork = self.on_fork.get(&pid).into_iter().flatten().rev();
        on_fork.filter(move |(born_ns, _)| *born_ns < now_ns).map(|(_, life)| *life)
    }

    /// What `/proc` shows of a process. Its name tells which life this is.
    pub(crate) fn observe(&self, pid: u32, fields: Fields) -> Option<ObservedProcess> {
        let process = self.processes.get(&pid)?;
        let name = (!fields.is_empty()).then(|| process.life.to_string().into());
        Some(ObservedProcess {
            pid,
            ppid: 1,
            session: 1,
            start_time: start_tick(process),
            start_ns: start_tick(process) * TICK_NS,
            never_execed: process.never_execed,
            leader_exited: process.leader_has_left,
            program: process.program,
            comm: [0; 16],
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
