//! A machine whose socket and `/proc` fail in every way that the kernel, or another sender, can make them fail.

use std::collections::VecDeque;

use proc_events::Fields;
use proc_events::connector::wire::{self, DATAGRAM_LEN, what};
use proc_events::model::snapshot::ObservedProcess;
use proc_events::sys::datagram::Datagram;
use rustix::io::Errno;

use crate::backend::{Call, FakeKernel, FakeMachine};
use crate::machine::{Machine, Report};
use crate::rng::Rng;

const CPUS: usize = 4;

/// The rate and the kind of the faults.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Faults {
    /// Each call fails once in so many times; 0: never.
    pub(crate) rate: u64,
    /// True if messages may be lost without being counted.
    pub(crate) are_silent: bool,
}

#[derive(Debug)]
pub(crate) struct World {
    pub(crate) machine: Machine,
    pub(crate) rng: Rng,
    pub(crate) faults: Faults,
    /// The largest number of datagrams in the queue.
    pub(crate) capacity: usize,
    /// True if an overflow closes the queue until it is read empty, and is reported by an errno.
    blacks_out: bool,
    /// The number of reports that did not fit the queue.
    pub(crate) dropped: u64,
    /// The number of datagrams that the pipeline must reject.
    pub(crate) forged: u64,
    kernel: FakeKernel,
    /// The reports that each CPU has not queued yet, with their instances.
    late: [VecDeque<(usize, Report)>; CPUS],
    is_blacked_out: bool,
    error: Option<Errno>,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let faults = Faults { rate: [0, 10, 40, 200][rng.below(4) as usize], are_silent: rng.one_in(2) };
        let capacity = [3, 16, 100, 100_000][rng.below(4) as usize];
        let blacks_out = rng.one_in(4);
        Self {
            machine: Machine::new(),
            rng,
            faults,
            capacity,
            blacks_out,
            dropped: 0,
            forged: 0,
            kernel: FakeKernel::default(),
            late: Default::default(),
            is_blacked_out: false,
            error: None,
        }
    }

    /// Returns true if the next call fails.
    pub(crate) fn fails(&mut self) -> bool {
        self.faults.rate > 0 && self.rng.one_in(self.faults.rate)
    }

    /// Returns true if a report of this instance is late. The process waits while the kernel sends, so nothing else happens
    /// to it meanwhile.
    pub(crate) fn is_busy(&self, instance: usize) -> bool {
        self.late[instance % CPUS].iter().any(|(late, _)| *late == instance)
    }

    /// Queues a report, unless its CPU is interrupted before.
    pub(crate) fn send(&mut self, instance: usize, report: Report) {
        let is_late = self.fails();
        let late = &mut self.late[instance % CPUS];
        if is_late || !late.is_empty() {
            late.push_back((instance, report));
        } else {
            self.enqueue(instance, report);
        }
    }

    /// Lets one CPU queue a late report.
    pub(crate) fn send_late(&mut self) {
        let cpu = self.rng.below(CPUS as u64) as usize;
        if let Some((instance, report)) = self.late[cpu].pop_front() {
            self.enqueue(instance, report);
        }
    }

    pub(crate) fn send_all_late(&mut self) {
        while self.late.iter().any(|late| !late.is_empty()) {
            self.send_late();
        }
    }

    #[expect(clippy::same_functions_in_if_condition, reason = "each call takes another random number")]
    fn enqueue(&mut self, instance: usize, bytes: Report) {
        if self.faults.are_silent && self.fails() {
            // The kernel has no memory for the message. It counts that nowhere.
            self.machine.lose(instance);
        } else if self.fails() || self.kernel.queue.len() >= self.capacity || self.is_blacked_out {
            // The kernel counts a copy without memory like a full queue.
            self.machine.lose(instance);
            self.drop_one();
        } else if self.faults.are_silent && self.fails() {
            self.machine.lose(instance);
            self.forged += 1;
            let len = self.rng.below(52) as usize;
            self.kernel.queue.push_back(Datagram { bytes, len, port: Some(0) });
        } else {
            if self.fails() {
                self.kernel.send(bytes);
            }
            self.kernel.send(bytes);
            if self.fails() {
                self.forge();
            }
        }
    }

    fn drop_one(&mut self) {
        self.dropped += 1;
        self.kernel.drops = self.kernel.drops.wrapping_add(1);
        if self.blacks_out {
            self.is_blacked_out = true;
            self.error = Some(Errno::NOBUFS);
        }
    }

    /// Lets another sender report the exit of a running process, or send a datagram that is too long.
    fn forge(&mut self) {
        let running = self.machine.processes.len() as u64;
        let victim = (running > 0).then(|| self.rng.below(running) as usize);
        let Some(&pid) = victim.and_then(|victim| self.machine.processes.keys().nth(victim)) else { return };
        let bytes = wire::datagram(what::PROC_EVENT_EXIT, 0, self.machine.now_ns, &[pid, pid, 9, 17, 1, 1]);
        let (len, port) =
            [(DATAGRAM_LEN, Some(4242)), (DATAGRAM_LEN, None), (200, Some(0))][self.rng.below(3) as usize];
        self.forged += 1;
        self.kernel.queue.push_back(Datagram { bytes, len, port });
    }

    /// Opens a new socket. The datagrams of the old one are lost, and some that were sent since did not fit.
    pub(crate) fn reopen(&mut self) {
        self.machine.trace(|| format!("opened anew, {} were waiting", self.kernel.queue.len()));
        for Datagram { bytes, len, port } in std::mem::take(&mut self.kernel.queue) {
            if len == DATAGRAM_LEN && port == Some(0) {
                let (instance, _) = self.machine.reports[&wire::parse(&bytes).unwrap().timestamp_ns];
                self.machine.lose(instance);
            } else {
                self.forged -= 1;
            }
        }
        self.kernel.drops = 0;
        self.error = None;
        self.is_blacked_out = false;
        for _ in 0..self.rng.below(3) {
            self.drop_one();
        }
    }

    /// Returns the watched processes that have exited, and stops watching them.
    pub(crate) fn take_watched_exits(&mut self) -> Vec<u32> {
        let Self { kernel: FakeKernel { watched, .. }, machine, .. } = self;
        machine.now_ns += 1;
        let now_ns = machine.now_ns;
        let instances = &machine.instances;
        let has_exited = |instance: u64| instances[instance as usize].has_exited_by(now_ns);
        let exited: Vec<_> = watched
            .iter()
            .map(|(&pid, &instance)| (pid, instance))
            .filter(|(_, instance)| has_exited(*instance))
            .collect();
        watched.retain(|_, instance| !has_exited(*instance));
        machine.noticed.extend(exited.iter().map(|&(pid, instance)| ((now_ns, pid), instance as usize)));
        exited.into_iter().map(|(pid, _)| pid).collect()
    }
}

impl FakeMachine for World {
    fn kernel(&mut self) -> &mut FakeKernel {
        &mut self.kernel
    }

    fn observed(&self, pid: u32, fields: Fields) -> Option<ObservedProcess> {
        self.machine.observed(pid, fields)
    }

    fn pidfd(&self, pid: u32) -> Option<u64> {
        self.machine.processes.get(&pid).map(|process| process.instance as u64)
    }

    fn fault(&mut self, call: Call) -> Option<Errno> {
        match call {
            Call::Receive if self.fails() => Some(Errno::INTR),
            Call::Receive if self.fails() && self.fails() => Some(Errno::NOMEM),
            Call::Receive => self.error.take(),
            Call::Liveness => self.fails().then_some(Errno::MFILE),
            Call::WatchExit => self.fails().then_some(Errno::NOSPC),
            Call::Capture => self.fails().then_some(Errno::SRCH),
            // The simulation's snapshots fail instead.
            Call::Observe => None,
        }
    }

    fn next_datagram(&mut self) -> Option<Datagram> {
        let datagram = self.kernel.queue.pop_front();
        self.is_blacked_out &= datagram.is_some();
        datagram
    }
}
