//! The door of a machine that goes wrong in every way that the kernel, or somebody else, can make it go wrong.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::rc::Rc;

use proc_events::connector::wire::{self, DATAGRAM_LEN, what};
use proc_events::model::snapshot::ObservedProcess;
use proc_events::process::inspector::{Exec, Liveness};
use proc_events::sys::datagram::Datagram;
use proc_events::{Fields, ProcessInfo};
use rustix::io::Errno;

use crate::fake_backend::{FakeBackend, FakeMachine};
use crate::machine::{Datagram as Bytes, Machine};

const CPUS: usize = 4;

/// A sequence of numbers that a seed determines.
#[derive(Debug)]
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }
    /// A number below `sides`.
    pub(crate) const fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) % sides
    }
    pub(crate) const fn one_in(&mut self, sides: u64) -> bool {
        self.roll(sides) == 0
    }
}

/// A datagram in the queue, with whose it is, its whole length and its sender.
#[derive(Clone, Copy, Debug)]
struct Queued {
    life: usize,
    bytes: Bytes,
    len: usize,
    port: Option<u32>,
}

/// What can go wrong.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Faults {
    /// Once in so many times each; 0 for never.
    pub(crate) rate: u64,
    /// Messages may be lost without a trace.
    pub(crate) silent: bool,
}

#[derive(Debug)]
pub(crate) struct World {
    pub(crate) machine: Machine,
    pub(crate) dice: Rng,
    pub(crate) faults: Faults,
    /// How many datagrams the queue holds.
    pub(crate) room: usize,
    /// Whether an overflow closes the queue until it was read empty, and is told by an errno.
    pub(crate) blacks_out: bool,
    /// Every message that was dropped for want of room.
    pub(crate) dropped: u64,
    /// Every datagram that is to be rejected.
    pub(crate) forged: u64,
    /// What each CPU has still to put into the queue: whose it is, and the datagram.
    late: [VecDeque<(usize, Bytes)>; CPUS],
    queue: VecDeque<Queued>,
    is_blacked_out: bool,
    error: Option<Errno>,
    drops: u32,
    /// Whose end is awaited.
    watched: BTreeMap<u32, usize>,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let mut dice = Rng::new(seed);
        let faults = Faults { rate: [0, 10, 40, 200][dice.roll(4) as usize], silent: dice.one_in(2) };
        let room = [3, 16, 100, 100_000][dice.roll(4) as usize];
        let blacks_out = dice.one_in(4);
        Self {
            machine: Machine::new(),
            dice,
            faults,
            room,
            blacks_out,
            dropped: 0,
            forged: 0,
            late: Default::default(),
            queue: VecDeque::new(),
            is_blacked_out: false,
            error: None,
            drops: 0,
            watched: BTreeMap::new(),
        }
    }

    pub(crate) fn fails(&mut self) -> bool {
        self.faults.rate > 0 && self.dice.one_in(self.faults.rate)
    }

    /// The kernel sends while the process waits, so nothing else happens to it meanwhile.
    pub(crate) fn is_busy(&self, life: usize) -> bool {
        self.late[life % CPUS].iter().any(|(late, _)| *late == life)
    }

    /// A CPU sends what a process did, or is interrupted before it has.
    pub(crate) fn send(&mut self, life: usize, datagram: Bytes) {
        let is_late = self.fails();
        let late = &mut self.late[life % CPUS];
        if is_late || !late.is_empty() {
            late.push_back((life, datagram));
        } else {
            self.enqueue(life, datagram);
        }
    }

    /// Some CPU comes to send.
    pub(crate) fn catch_up(&mut self) {
        let cpu = self.dice.roll(CPUS as u64) as usize;
        if let Some((life, datagram)) = self.late[cpu].pop_front() {
            self.enqueue(life, datagram);
        }
    }

    pub(crate) fn catch_up_with_all(&mut self) {
        while self.late.iter().any(|late| !late.is_empty()) {
            self.catch_up();
        }
    }

    #[expect(clippy::same_functions_in_if_condition, reason = "each is another throw of the dice")]
    fn enqueue(&mut self, life: usize, bytes: Bytes) {
        let whole = Queued { life, bytes, len: DATAGRAM_LEN, port: Some(0) };
        if self.faults.silent && self.fails() {
            // No memory for the message itself: the kernel tells nobody.
            self.machine.lose(life);
        } else if self.fails() || self.queue.len() >= self.room || self.is_blacked_out {
            // No memory for this socket's copy counts as no room.
            self.machine.lose(life);
            self.drop_one();
        } else if self.faults.silent && self.fails() {
            self.machine.lose(life);
            self.forged += 1;
            let len = self.dice.roll(52) as usize;
            self.queue.push_back(Queued { len, ..whole });
        } else {
            if self.fails() {
                self.queue.push_back(whole);
            }
            self.queue.push_back(whole);
            if self.fails() {
                self.forge();
            }
        }
    }

    fn drop_one(&mut self) {
        self.dropped += 1;
        self.drops = self.drops.wrapping_add(1);
        if self.blacks_out {
            self.is_blacked_out = true;
            self.error = Some(Errno::NOBUFS);
        }
    }

    /// Somebody else sends the exit of a process that runs, or something that is too long.
    fn forge(&mut self) {
        let running = self.machine.processes.len() as u64;
        let victim = (running > 0).then(|| self.dice.roll(running) as usize);
        let Some(&pid) = victim.and_then(|victim| self.machine.processes.keys().nth(victim)) else { return };
        let bytes = wire::datagram(what::PROC_EVENT_EXIT, 0, self.machine.now_ns, &[pid, pid, 9, 17, 1, 1]);
        let (len, port) =
            [(DATAGRAM_LEN, Some(4242)), (DATAGRAM_LEN, None), (200, Some(0))][self.dice.roll(3) as usize];
        self.forged += 1;
        self.queue.push_back(Queued { life: 0, bytes, len, port });
    }

    /// A new socket: what waited in the old one is gone, and some of what came since had no room.
    pub(crate) fn open(world: &Rc<RefCell<Self>>) -> FakeBackend<Self> {
        let mut this = world.borrow_mut();
        this.machine.tell(|| format!("opened anew, {} were waiting", this.queue.len()));
        this.forged -= this.queue.iter().filter(|queued| queued.is_foreign()).count() as u64;
        while let Some(queued) = this.queue.pop_front() {
            this.machine.lose(queued.life);
        }
        this.drops = 0;
        this.error = None;
        this.is_blacked_out = false;
        for _ in 0..this.dice.roll(3) {
            this.drop_one();
        }
        FakeBackend(Rc::clone(world))
    }

    /// Those of the watched processes that have ended, noticed now; they are no longer watched.
    pub(crate) fn ended(&mut self) -> Vec<u32> {
        let Self { watched, machine, .. } = self;
        machine.now_ns += 1;
        let now_ns = machine.now_ns;
        let has_ended = |life: usize| machine.lives[life].has_ended_by(now_ns);
        let ended: Vec<_> =
            watched.iter().map(|(&pid, &life)| (pid, life)).filter(|(_, life)| has_ended(*life)).collect();
        watched.retain(|_, life| !has_ended(*life));
        machine.noticed.extend(ended.iter().map(|&(pid, life)| ((now_ns, pid), life)));
        ended.into_iter().map(|(pid, _)| pid).collect()
    }
}

impl Queued {
    const fn is_foreign(&self) -> bool {
        self.len != DATAGRAM_LEN || !matches!(self.port, Some(0))
    }
}

impl FakeMachine for World {
    fn recvfrom(&mut self) -> Result<Datagram, Errno> {
        if self.fails() {
            return Err(Errno::INTR);
        }
        if self.fails() && self.fails() {
            return Err(Errno::NOMEM);
        }
        if let Some(errno) = self.error.take() {
            return Err(errno);
        }
        let Some(Queued { bytes, len, port, .. }) = self.queue.pop_front() else {
            self.is_blacked_out = false;
            return Err(Errno::AGAIN);
        };
        Ok(Datagram { bytes, len, port })
    }
    fn drops(&self) -> u32 {
        self.drops
    }
    fn liveness(&mut self, pid: u32) -> Liveness<u64> {
        if self.fails() {
            return Liveness::Unknown;
        }
        let process = self.machine.processes.get(&pid);
        process.map_or(Liveness::Exited, |process| Liveness::Alive(process.life as u64))
    }
    fn watch_exit(&mut self, pid: u32, pidfd: u64) -> io::Result<()> {
        if self.fails() {
            return Err(Errno::NOSPC.into());
        }
        self.watched.insert(pid, pidfd as usize);
        Ok(())
    }
    fn unwatch(&mut self, pid: u32) {
        self.watched.remove(&pid);
    }
    fn capture(&mut self, exec: Exec, fields: Fields) -> ObservedProcess {
        let observed = if self.fails() { None } else { self.machine.observe(exec.pid, fields) };
        observed.filter(|observed| observed.start_ns <= exec.timestamp_ns).unwrap_or_else(|| {
            ObservedProcess {
                process: Some(ProcessInfo { requested: fields, ..ProcessInfo::default() }.into()),
                ..ObservedProcess::default()
            }
        })
    }
    fn observe(&mut self, pid: u32, fields: Fields) -> Option<ObservedProcess> {
        self.machine.observe(pid, fields)
    }
}
