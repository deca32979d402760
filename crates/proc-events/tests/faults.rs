//! The hearing against a machine whose door goes wrong: whatever it does, once it stops doing so and one snapshot was
//! compared, every subscriber believes what is true, and was told nothing untrue before. No kernel, no thread, no clock.

#![expect(clippy::unwrap_used, clippy::panic, reason = "in a test, a panic is the report")]

#[path = "support/fake_backend.rs"]
mod fake_backend;
mod machine;
#[path = "machine/subscriber.rs"]
mod subscriber;
#[path = "machine/world.rs"]
mod world;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::Write;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use proc_events::delivery::queue::SubscriberQueue;
use proc_events::model::now::Now;
use proc_events::model::snapshot::{KnownProcesses, ObservedProcess, Snapshot};
use proc_events::pipeline::Pipeline;
use proc_events::stats::Stats;
use proc_events::{Error, ErrorCode, EventTypes, Field, Fields, Interest, Notification};
use tokio::time::Instant;

use fake_backend::FakeBackend;
use subscriber::{Shown, Subscriber};
use world::World;

const PIDS: u64 = 24;

/// A snapshot that is being taken, process by process.
struct Look {
    to_read: Vec<u32>,
    known: KnownProcesses,
    snapshot: Snapshot,
    lives: BTreeMap<u32, usize>,
}

/// One subscriber with its queue.
struct Listener {
    queue: Arc<SubscriberQueue>,
    subscriber: Subscriber,
    has_asked: bool,
}

type SimulatedPipeline<'a> = Pipeline<'a, FakeBackend<World>, FakeBackend<World>>;

struct Simulation<'a> {
    world: Rc<RefCell<World>>,
    pipeline: SimulatedPipeline<'a>,
    stats: &'a Stats,
    look: Option<Look>,
    /// Who was shown by the snapshot that is to be settled.
    seen: BTreeMap<u32, usize>,
    /// Those with endless queues empty them at once, the first one before the others.
    listeners: Vec<Listener>,
    shown: Shown,
    base: Instant,
}

impl<'a> Simulation<'a> {
    fn roll(&self, sides: u64) -> u64 {
        self.world.borrow_mut().dice.roll(sides)
    }
    fn now(&self) -> Instant {
        self.base + Duration::from_nanos(self.world.borrow().machine.now_ns)
    }
    /// A time at which nothing is sent.
    fn now_ns(&self) -> u64 {
        let machine = &mut self.world.borrow_mut().machine;
        machine.now_ns += 1;
        machine.now_ns
    }

    fn running(&self) -> BTreeMap<u32, usize> {
        let world = self.world.borrow();
        world.machine.processes.iter().map(|(&pid, process)| (pid, process.life)).collect()
    }

    fn join(&mut self, capacity: usize) {
        let queue = Arc::new(SubscriberQueue::new(capacity, self.pipeline.interest, Box::new(|| {})));
        queue.set_joined(self.pipeline.table.position());
        self.pipeline.queues.push(Arc::clone(&queue));
        let mut subscriber = Subscriber::default();
        subscriber.is_strict = self.listeners.is_empty();
        subscriber.is_late = true;
        self.listeners.push(Listener { queue, subscriber, has_asked: false });
    }

    fn ask(&mut self, listener: usize) {
        let listener = &mut self.listeners[listener];
        if !std::mem::replace(&mut listener.has_asked, true) {
            self.pipeline.resync.request_scan(Arc::clone(&listener.queue), 1);
        }
    }

    fn step(&mut self) {
        match self.roll(20) {
            0..10 => self.live(),
            10..13 => self.world.borrow_mut().catch_up(),
            13 | 14 => {
                let heard = self.pipeline.drain(usize::MAX);
                self.answer(heard);
            }
            15 => self.conclude(),
            16 => {
                self.finish_snapshot_if_due();
                self.begin_snapshot();
            }
            17 => self.read_some(3),
            18 => {
                let far = [1_000, 1_000_000, 30_000_000, 2_000_000_000][self.roll(4) as usize];
                // Nobody is interrupted for so long, neither a CPU nor the reader.
                if far > 100_000_000 {
                    self.world.borrow_mut().catch_up_with_all();
                    let heard = self.pipeline.drain(usize::MAX);
                    self.answer(heard);
                }
                self.world.borrow_mut().machine.now_ns += far;
            }
            _ => {
                let listener = self.roll(self.listeners.len() as u64) as usize;
                self.ask(listener);
                self.take(listener);
            }
        }
        self.take_at_once();
    }

    /// Something happens on the machine.
    fn live(&self) {
        let world = &mut *self.world.borrow_mut();
        let (pid, code) = (2 + world.dice.roll(PIDS) as u32, world.dice.roll(3) as u32);
        world.machine.now_ns += 10_000 + world.dice.roll(1_000_000);
        let Some(process) = world.machine.processes.get(&pid) else {
            if let Some(said) = world.machine.fork(pid) {
                world.send(world.machine.processes[&pid].life, said);
            }
            return;
        };
        let life = process.life;
        if world.is_busy(life) {
            return;
        }
        let said = match world.dice.roll(10) {
            0..4 => world.machine.exec(pid),
            4 => world.machine.leader_leaves(pid),
            5 => {
                let left = world.machine.leader_leaves(pid);
                if let Some(said) = left {
                    world.send(life, said);
                }
                world.machine.exec(pid)
            }
            _ => world.machine.vanish(pid, code).map(|exit| world.machine.report_exit(exit)),
        };
        if let Some(said) = said {
            world.send(life, said);
        }
    }

    /// As the reader does when its source fails.
    fn answer(&mut self, heard: Result<(), Error>) {
        if let Err(error) = heard {
            assert_eq!(error.code, ErrorCode::SourceFailed, "{error}");
            self.pipeline.attach(None);
            self.pipeline.attach(Some(World::open(&self.world)));
            self.pipeline.resync.lost(1);
        }
    }

    fn conclude(&mut self) {
        let ended = self.world.borrow_mut().ended();
        let now_ns = self.world.borrow().machine.now_ns;
        self.world.borrow().machine.tell(|| format!("ended {ended:?}"));
        let heard = self.pipeline.on_watched_exits(&ended, Now { instant: self.now(), monotonic_ns: now_ns });
        self.answer(heard);
    }

    fn begin_snapshot(&mut self) {
        let (now, now_ns) = (self.now(), self.now_ns());
        let begun = self.pipeline.begin_snapshot_if_due(Now { instant: now, monotonic_ns: now_ns });
        // As in any other turn of the reader.
        self.take_at_once();
        let has_begun = *begun.as_ref().unwrap_or(&false);
        self.answer(begun.map(drop));
        if has_begun {
            let to_read = self.world.borrow().machine.processes.keys().rev().copied().collect();
            self.world.borrow().machine.tell(|| "looking".to_owned());
            let known = self.pipeline.table.known(self.pipeline.interest.fields);
            self.look = Some(Look { to_read, known, snapshot: Snapshot::default(), lives: BTreeMap::new() });
        }
    }

    fn read_some(&mut self, most: usize) {
        let Some(look) = &mut self.look else { return };
        let mut world = self.world.borrow_mut();
        for _ in 0..most {
            let Some(pid) = look.to_read.pop() else {
                drop(world);
                return self.finish_snapshot();
            };
            // A process that runs may not be readable at that moment.
            let seen =
                if world.fails() { None } else { world.machine.observe(pid, self.pipeline.interest.fields) };
            if let Some(seen) = seen {
                look.lives.insert(pid, world.machine.processes[&pid].life);
                let is_known = look.known.get(&pid).is_some_and(|known| known.is(&seen));
                let process = seen.process.filter(|_| !is_known);
                look.snapshot.processes.push(ObservedProcess { process, ..seen });
            } else {
                look.snapshot.unread.push(pid);
            }
        }
    }

    fn finish_snapshot(&mut self) {
        let Some(look) = self.look.take() else { return };
        let is_asked_for = self.listeners.iter().any(|listener| listener.queue.awaiting_scan());
        let fails = !is_asked_for && self.world.borrow_mut().fails();
        let unreadable = Error::detected(ErrorCode::ProcUnreadable, "simulated");
        let snapshot = if fails { Err(unreadable) } else { Ok(look.snapshot) };
        self.world.borrow().machine.tell(|| format!("shown {:?}, fails {fails}", look.lives));
        self.seen = look.lives;
        self.settling(|pipeline, now| pipeline.finish_snapshot(snapshot, now));
    }

    fn finish_snapshot_if_due(&mut self) {
        if self.look.is_none() && self.pipeline.resync.due().is_some_and(|due| due <= self.now()) {
            self.settling(Pipeline::finish_snapshot_if_due);
        }
    }

    fn settling(
        &mut self,
        finish_snapshot: impl FnOnce(&mut SimulatedPipeline<'a>, Now) -> Result<(), Error>,
    ) {
        let (now, now_ns) = (self.now(), self.now_ns());
        let settled = finish_snapshot(&mut self.pipeline, Now { instant: now, monotonic_ns: now_ns });
        // Who asks is told of what was shown, and of what was heard.
        let mut may_be_told = vec![self.seen.clone(), self.running()];
        self.shown.insert(now_ns, may_be_told.clone());
        self.take_up_to(usize::MAX, 0);
        let first = &self.listeners[0].subscriber.running;
        may_be_told.insert(0, first.iter().filter_map(|(&pid, lives)| Some((pid, *lives.last()?))).collect());
        self.shown.insert(now_ns, may_be_told);
        self.take_at_once();
        self.answer(settled);
    }

    fn take(&mut self, listener: usize) {
        let most = self.roll(9) as usize;
        self.take_up_to(most, listener);
    }

    fn take_at_once(&mut self) {
        for listener in 0..self.listeners.len() {
            if self.listeners[listener].subscriber.is_strict {
                self.take_up_to(usize::MAX, listener);
            }
        }
    }

    /// Whether there was something.
    fn take_up_to(&mut self, most: usize, listener: usize) -> bool {
        let Listener { queue, subscriber, .. } = &mut self.listeners[listener];
        let mut notifications: Vec<Notification> = Vec::new();
        queue.take(most, &mut notifications);
        let machine = &self.world.borrow().machine;
        for notification in &notifications {
            machine.tell(|| format!("told {listener}: {notification:?}"));
            subscriber.handle_datagram(notification, machine, &self.shown);
        }
        subscriber.is_late = queue.awaiting_scan();
        !notifications.is_empty()
    }

    /// The faults cease, and what is under way comes to its end.
    fn stop_faults(&mut self) {
        let silent = {
            let mut world = self.world.borrow_mut();
            world.catch_up_with_all();
            let before = std::mem::replace(&mut world.faults.rate, 0);
            world.room = usize::MAX;
            before > 0 && world.faults.silent
        };
        (0..self.listeners.len()).for_each(|listener| self.ask(listener));
        self.pipeline.drain(usize::MAX).unwrap();
        // What was lost without a trace is found by whatever reason there is for the next snapshot.
        self.read_some(usize::MAX);
        self.world.borrow_mut().machine.now_ns += 1_000_000_000;
        self.finish_snapshot_if_due();
        if silent {
            self.pipeline.resync.request_refresh();
        }
        for _ in 0..4 {
            self.world.borrow_mut().machine.now_ns += 10_000_000_000_000;
            self.begin_snapshot();
            self.read_some(usize::MAX);
            self.world.borrow_mut().machine.now_ns += 1_000_000_000;
            self.finish_snapshot_if_due();
            self.conclude();
            self.take_at_once();
        }
        assert_eq!(self.pipeline.resync.due(), None, "nothing is left to be made right");
        for listener in 0..self.listeners.len() {
            while self.take_up_to(usize::MAX, listener) {}
        }
    }

    fn assert_all_is_well(&self) {
        let world = self.world.borrow();
        for listener in &self.listeners {
            listener.subscriber.assert_agrees_with(&world.machine);
            assert_eq!(listener.subscriber.lost_in_queue, listener.queue.stats().lost);
        }
        let counts = self.stats.counts();
        assert_eq!(counts.lost_socket, world.dropped, "every drop is counted");
        assert_eq!(counts.rejected, world.forged, "every foreign or cut datagram is counted");
        let first = &self.listeners[0].subscriber;
        assert_eq!(first.lost_in_queue, 0);
        assert!(first.lost_in_socket >= counts.lost_socket, "every loss is told");
        for &pid in world.machine.processes.keys() {
            let is_new = world.machine.processes[&pid].never_execed;
            assert!(is_new || self.pipeline.table.knows(pid), "{pid} is not in the table");
        }
        assert!(self.pipeline.table.len() <= world.machine.processes.len(), "the table holds what is gone");
    }
}

fn simulate(seed: u64) {
    simulate_and_tell(seed, false);
}

/// `reported`: prints all that happens.
fn simulate_and_tell(seed: u64, reported: bool) {
    let world = Rc::new(RefCell::new(World::new(seed)));
    let fields = [Fields::NONE, Fields::NONE.with(Field::Name)][world.borrow_mut().dice.roll(2) as usize];
    let (stats, mut queues) = (Stats::default(), Vec::new());
    let interest = Interest { types: EventTypes::LIFECYCLE, fields };
    let processes = FakeBackend(Rc::clone(&world));
    let mut pipeline = Pipeline::new(processes, &mut queues, interest, &stats);
    pipeline.attach(Some(World::open(&world)));
    let mut simulation = Simulation {
        world,
        pipeline,
        stats: &stats,
        look: None,
        seen: BTreeMap::new(),
        listeners: Vec::new(),
        shown: Shown::default(),
        base: Instant::now(),
    };
    simulation.world.borrow_mut().machine.reported = reported;
    simulation.join(usize::MAX);
    simulation.join(4);
    for _ in 0..300 {
        simulation.step();
    }
    simulation.join(usize::MAX);
    simulation.join(64);
    for _ in 0..300 {
        simulation.step();
    }
    simulation.stop_faults();
    simulation.assert_all_is_well();
}

/// The seeds that are always tried.
const FIXED: Range<u64> = 0..2000;
/// The seeds of one day, apart from those of every other day.
const SEEDS_A_DAY: u64 = 100_000;
const FRESH: u64 = 2000;
/// The search ends with so many seeds that fail.
const FAILURES_MAX: usize = 100;

/// The seeds to try, in two ranges: `PROC_EVENTS_SEEDS=1000..200000`, or the fixed ones and, where `CI` is set, fresh ones
/// of today.
fn seeds() -> [Range<u64>; 2] {
    let variable = |name| std::env::var(name).ok();
    let today = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs() / 86_400;
    seeds_for(variable("PROC_EVENTS_SEEDS").as_deref(), variable("CI").is_some(), today)
}

/// `today` is the number of days since 1970.
fn seeds_for(chosen: Option<&str>, is_ci: bool, today: u64) -> [Range<u64>; 2] {
    if let Some(chosen) = chosen {
        let (first, end) = chosen.split_once("..").unwrap();
        return [first.parse().unwrap()..end.parse().unwrap(), 0..0];
    }
    let first = today * SEEDS_A_DAY;
    [FIXED, first..first + if is_ci { FRESH } else { 0 }]
}

#[test]
fn whatever_the_door_does_the_subscribers_end_up_right() {
    let ranges = seeds();
    // The test harness shows what is printed otherwise only if the test fails.
    let tried: Vec<_> = ranges.iter().filter(|range| !range.is_empty()).collect();
    writeln!(std::io::stderr(), "seeds of the simulation: {tried:?}").unwrap();
    let reported = ranges.iter().cloned().flatten().count() == 1;
    let fails = |seed: &u64| catch_unwind(AssertUnwindSafe(|| simulate_and_tell(*seed, reported))).is_err();
    let failing: Vec<u64> = ranges.into_iter().flatten().filter(fails).take(FAILURES_MAX).collect();
    let repeat = |seed: &u64| {
        format!("PROC_EVENTS_SEEDS={seed}..{} cargo test -p proc-events --test faults", seed + 1)
    };
    let commands: Vec<_> = failing.iter().map(repeat).collect();
    assert!(failing.is_empty(), "{} seeds fail:\n{}", failing.len(), commands.join("\n"));
}

#[test]
fn the_seeds_are_fixed_or_of_the_day_or_chosen() {
    assert_eq!(seeds_for(None, false, 20_000), [0..2000, 2_000_000_000..2_000_000_000]);
    assert_eq!(seeds_for(None, true, 20_000), [0..2000, 2_000_000_000..2_000_002_000]);
    assert_eq!(seeds_for(Some("7..9"), true, 20_000), [7..9, 0..0]);
}

/// A pid was given away between the end of a process without a leader and the notice of it.
#[test]
fn regression_seeds() {
    [
        6276, 22629, 31303, 5_003_480, 5_012_447, 5_013_099, 5_026_138, 5_033_388, 5_037_608, 5_049_674,
        5_060_930, 5_079_301, 5_082_101, 5_118_060, 5_128_110, 5_160_147, 5_185_975, 5_510_068, 5_555_226,
        5_593_731, 5_965_259,
    ]
    .into_iter()
    .for_each(simulate);
}
