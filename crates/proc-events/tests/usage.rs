//! Costs never go to another process: random histories of few pids, with losses and late reads.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use proc_events::taskstats::collector::UsageCollector;
use proc_events::taskstats::source::UsageSource;
use proc_events::taskstats::wire::Record;
use proc_events::{EventData, ExitStatus, Origin, ProcessEvent, ResourceUsage, RunTime};
use proptest::prelude::*;

/// Time between two steps of a history, in nanoseconds. Records have whole microseconds.
const STEP_NS: u64 = 1700;

/// The kernel's side of both sockets.
#[derive(Debug, Default)]
struct Kernel {
    now_ns: u64,
    records: VecDeque<Record>,
    drops: u32,
    /// The largest number of records that the buffer holds.
    room: usize,
}

#[derive(Clone, Debug)]
struct FakeSource(Rc<RefCell<Kernel>>);

impl UsageSource for FakeSource {
    fn receive(&self, take: &mut dyn FnMut(Record, u64)) -> rustix::io::Result<()> {
        let mut kernel = self.0.borrow_mut();
        kernel.now_ns += STEP_NS;
        let now_ns = kernel.now_ns;
        kernel.records.drain(..).for_each(|record| take(record, now_ns));
        Ok(())
    }
    fn drops(&self) -> u32 {
        self.0.borrow().drops
    }
    fn may_have_dropped(&self, records: usize) -> bool {
        records >= self.0.borrow().room
    }
    fn is_half_full(&self) -> bool {
        false
    }
    fn now_ns(&self) -> u64 {
        self.0.borrow().now_ns
    }
}

/// A process of a history. Its CPU time is its number.
#[derive(Clone, Copy, Debug)]
struct Life {
    number: u64,
    began_ns: u64,
    is_recorded: bool,
    exec_ns: Option<u64>,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    /// The process with this pid goes on: it begins, calls exec, is recorded, or is reported as exited.
    Advance(u32),
    /// The same, and what it causes is lost.
    Lose(u32),
    /// The reader handles up to this many exits.
    Read(usize),
    Wait(u64),
}

struct World {
    kernel: Rc<RefCell<Kernel>>,
    lives: Vec<Option<Life>>,
    exits: VecDeque<ProcessEvent>,
    expected: VecDeque<u64>,
    collector: UsageCollector,
    next: u64,
    has_lost_exits: bool,
    matched: u64,
    lost: u64,
    opened_ns: u64,
    asked: u64,
    /// False: each third process does not.
    all_call_exec: bool,
}

impl World {
    /// Returns a world whose processes may have begun before the costs were asked for.
    fn new(room: usize) -> Self {
        let kernel = Rc::new(RefCell::new(Kernel { now_ns: 1_000_000, room, ..Kernel::default() }));
        Self {
            collector: UsageCollector::new(Box::new(FakeSource(Rc::clone(&kernel)))),
            kernel,
            lives: vec![None; 4],
            exits: VecDeque::new(),
            expected: VecDeque::new(),
            next: 1,
            has_lost_exits: false,
            matched: 0,
            lost: 0,
            opened_ns: 1_000_000,
            asked: 0,
            all_call_exec: false,
        }
    }

    /// Forgets the records until now, as a registration at this moment does.
    fn open(&mut self) {
        self.kernel.borrow_mut().records.clear();
        self.opened_ns = self.kernel.borrow().now_ns;
        self.collector = UsageCollector::new(Box::new(FakeSource(Rc::clone(&self.kernel))));
    }

    fn step(&mut self, step: Step) {
        self.kernel.borrow_mut().now_ns += STEP_NS;
        match step {
            Step::Advance(pid) => self.advance(pid, false),
            Step::Lose(pid) => self.advance(pid, true),
            Step::Read(count) => self.read(count),
            Step::Wait(ns) => {
                // A process that is recorded is about to exit.
                let is_recorded = |life: &Option<Life>| life.is_some_and(|life| life.is_recorded);
                for pid in (0..4).filter(|&pid| is_recorded(&self.lives[pid as usize])).collect::<Vec<_>>() {
                    self.advance(pid, false);
                }
                self.kernel.borrow_mut().now_ns += ns;
            }
        }
    }

    fn advance(&mut self, pid: u32, is_lost: bool) {
        let mut kernel = self.kernel.borrow_mut();
        let (now_ns, all_call_exec) = (kernel.now_ns, self.all_call_exec);
        let life = &mut self.lives[pid as usize];
        match life {
            None => {
                *life = Some(Life { number: self.next, began_ns: now_ns, is_recorded: false, exec_ns: None });
                self.next += 1;
            }
            Some(life) if life.exec_ns.is_none() && (all_call_exec || life.number % 3 != 0) => {
                life.exec_ns = Some(now_ns);
            }
            Some(life) if !life.is_recorded => {
                life.is_recorded = true;
                if is_lost || kernel.records.len() >= kernel.room {
                    // Only a full buffer drops records.
                    if kernel.records.len() < kernel.room {
                        kernel.room = kernel.records.len();
                    }
                    kernel.drops += 1;
                } else {
                    let usage = ResourceUsage { cpu_ns: life.number, ..ResourceUsage::default() };
                    let elapsed_ns = (now_ns - life.began_ns) / 1000 * 1000;
                    kernel.records.push_back(Record { pid, elapsed_ns, status: None, usage });
                }
            }
            Some(ended) => {
                let ran = ended.exec_ns.map(|exec_ns| RunTime::SinceExec(now_ns - exec_ns));
                let status = Some(ExitStatus(0));
                if is_lost {
                    self.has_lost_exits = true;
                } else {
                    self.expected.push_back(ended.number);
                    self.exits.push_back(ProcessEvent::new(
                        pid,
                        now_ns,
                        Origin::Kernel,
                        EventData::Exit { status, ppid: None, ran, known: true },
                        None,
                    ));
                }
                *life = None;
            }
        }
    }

    fn read(&mut self, count: usize) {
        let count = count.min(self.exits.len());
        let mut events: Vec<_> = self.exits.drain(..count).collect();
        // The loss counter is read behind the exits.
        if std::mem::take(&mut self.has_lost_exits) {
            self.collector.on_loss();
        }
        self.asked += events.iter().filter(|event| event.timestamp_ns > self.opened_ns).count() as u64;
        self.lost += self.collector.attach(&mut events);
        // The record of a process that exited within 20 ms after the opening, and ran before, may have come before.
        let may_precede = |event: &&ProcessEvent| {
            let EventData::Exit { ran, .. } = event.data else { return false };
            let ran_ns = ran.map_or(u64::MAX, |(RunTime::SinceExec(ns) | RunTime::SinceStart(ns))| ns);
            event.usage.is_none()
                && (self.opened_ns + 1..=self.opened_ns + 20_000_000).contains(&event.timestamp_ns)
                && event.timestamp_ns.saturating_sub(ran_ns) <= self.opened_ns
        };
        self.asked -= events.iter().filter(may_precede).count() as u64;
        for (event, number) in events.iter().zip(self.expected.drain(..count)) {
            if let Some(usage) = &event.usage {
                assert_eq!(usage.cpu_ns, number, "the cost of another process");
                self.matched += 1;
            }
        }
    }
}

fn step(loss: u32) -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => (0..4_u32).prop_map(Step::Advance),
        loss => (0..4_u32).prop_map(Step::Lose),
        3 => (0..6_usize).prop_map(Step::Read),
        1 => (0..3_000_000_000_u64).prop_map(Step::Wait),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn costs_are_those_of_the_process_or_lost(
        before in proptest::collection::vec(step(1), 0..30),
        steps in proptest::collection::vec(step(1), 0..200),
        room in 2..20_usize,
    ) {
        let mut world = World::new(room);
        for step in before {
            world.step(step);
        }
        world.open();
        (world.matched, world.lost, world.asked) = (0, 0, 0);
        for step in steps {
            world.step(step);
        }
        world.read(usize::MAX);
        prop_assert_eq!(world.matched + world.lost, world.asked);
    }

    #[test]
    fn every_cost_of_processes_that_call_exec_after_the_opening_is_matched(
        before in proptest::collection::vec(step(0), 0..30),
        steps in proptest::collection::vec(step(0), 0..200),
    ) {
        let mut world = World::new(usize::MAX);
        for step in before {
            world.step(step);
        }
        world.open();
        // Processes that run already end unnoticed.
        world.lives = vec![None; 4];
        world.exits.clear();
        world.expected.clear();
        (world.matched, world.lost, world.asked) = (0, 0, 0);
        world.all_call_exec = true;
        for step in steps {
            world.step(step);
        }
        world.read(usize::MAX);
        prop_assert_eq!((world.matched, world.lost), (world.asked, 0));
    }

    #[test]
    fn every_cost_is_matched_without_a_loss(
        steps in proptest::collection::vec(step(0), 0..200),
    ) {
        let mut world = World::new(usize::MAX);
        // The exits in the first second may be those of processes that were recorded before.
        world.step(Step::Wait(2_000_000_000));
        for step in steps {
            world.step(step);
        }
        world.read(usize::MAX);
        prop_assert_eq!((world.matched, world.lost), (world.asked, 0));
    }
}
