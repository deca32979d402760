//! A history of a world that a seed determines, and a pipeline with several subscribers on it.

mod snapshots;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use proc_events::delivery::queue::SubscriberQueue;
use proc_events::model::now::Now;
use proc_events::pipeline::Pipeline;
use proc_events::stats::Stats;
use proc_events::{Error, ErrorCode, EventTypes, Field, Fields, Interest, Notification};
use tokio::time::Instant;

use crate::backend::FakeBackend;
use crate::machine::Machine;
use crate::subscriber::{ShownInstances, Subscriber};
use crate::world::World;
use snapshots::SnapshotTask;

const PIDS: u64 = 24;
/// The number of steps after each half of the subscribers has joined.
const STEPS: usize = 300;

/// One subscriber with its queue.
struct Listener {
    queue: Arc<SubscriberQueue>,
    subscriber: Subscriber,
    has_requested_scan: bool,
}

type WorldBackend = FakeBackend<World>;
type WorldPipeline<'a> = Pipeline<'a, WorldBackend, WorldBackend>;

struct Simulation<'a> {
    backend: WorldBackend,
    pipeline: WorldPipeline<'a>,
    stats: &'a Stats,
    snapshot: Option<SnapshotTask>,
    /// The instances that the last snapshot has shown.
    last_shown: BTreeMap<u32, usize>,
    /// The strict one, which is the first, empties its queue at once.
    listeners: Vec<Listener>,
    shown: ShownInstances,
    base: Instant,
}

/// Simulates the history of a seed, and checks it. `is_traced`: prints all that happens.
pub(crate) fn simulate(seed: u64, is_traced: bool) {
    let mut world = World::new(seed);
    let fields = [Fields::NONE, Fields::NONE.with(Field::Name)][world.rng.below(2) as usize];
    let backend = FakeBackend::new(world);
    let (stats, mut queues) = (Stats::default(), Vec::new());
    let interest = Interest { types: EventTypes::LIFECYCLE, fields, recapture: false };
    let mut pipeline = Pipeline::new(backend.clone(), &mut queues, interest, &stats);
    backend.machine().reopen();
    pipeline.attach(Some(backend.clone()));
    let mut simulation = Simulation {
        backend,
        pipeline,
        stats: &stats,
        snapshot: None,
        last_shown: BTreeMap::new(),
        listeners: Vec::new(),
        shown: ShownInstances::default(),
        base: Instant::now(),
    };
    simulation.backend.machine().machine.is_traced = is_traced;
    for capacities in [[usize::MAX, 4], [usize::MAX, 64]] {
        for capacity in capacities {
            simulation.join(capacity);
        }
        for _ in 0..STEPS {
            simulation.step();
        }
    }
    simulation.stop_faults();
    simulation.check();
}

impl Simulation<'_> {
    fn random_below(&self, limit: u64) -> u64 {
        self.backend.machine().rng.below(limit)
    }

    fn with_machine<T>(&self, read: impl FnOnce(&mut Machine) -> T) -> T {
        read(&mut self.backend.machine().machine)
    }

    fn now(&self, monotonic_ns: u64) -> Now {
        Now { instant: self.instant(), monotonic_ns }
    }

    fn instant(&self) -> Instant {
        self.base + Duration::from_nanos(self.with_machine(|machine| machine.now_ns))
    }

    /// Returns a time at which nothing is sent.
    fn unused_ns(&self) -> u64 {
        self.with_machine(|machine| {
            machine.now_ns += 1;
            machine.now_ns
        })
    }

    fn advance(&self, ns: u64) {
        self.with_machine(|machine| machine.now_ns += ns);
    }

    fn join(&mut self, capacity: usize) {
        let queue = Arc::new(SubscriberQueue::new(capacity, self.pipeline.interest, Box::new(|| {})));
        queue.set_joined(self.pipeline.table.position());
        self.pipeline.queues.push(Arc::clone(&queue));
        let mut subscriber = Subscriber::default();
        subscriber.is_strict = self.listeners.is_empty();
        subscriber.is_late = true;
        self.listeners.push(Listener { queue, subscriber, has_requested_scan: false });
    }

    fn request_scan(&mut self, listener: usize) {
        let listener = &mut self.listeners[listener];
        if !std::mem::replace(&mut listener.has_requested_scan, true) {
            self.pipeline.resync.request_scan(Arc::clone(&listener.queue), 1);
        }
    }

    fn step(&mut self) {
        // The reader is never later than that.
        self.expire_pending_exits();
        match self.random_below(20) {
            0..10 => self.change_processes(),
            10..13 => self.backend.machine().send_late(),
            13 | 14 => self.drain(),
            15 => self.show_watched_exits(),
            16 => {
                self.finish_snapshot_if_due();
                self.begin_snapshot();
            }
            17 => self.read_processes(3),
            18 => {
                let ns = [1_000, 1_000_000, 30_000_000, 2_000_000_000][self.random_below(4) as usize];
                // No interrupt takes so long, neither of a CPU nor of the reader.
                if ns > 100_000_000 {
                    self.backend.machine().send_all_late();
                    self.drain();
                }
                self.advance(ns);
            }
            _ => {
                let listener = self.random_below(self.listeners.len() as u64) as usize;
                self.request_scan(listener);
                self.take_some(listener);
            }
        }
        self.take_strict();
    }

    /// Lets a process fork, exec or exit.
    fn change_processes(&self) {
        let world = &mut *self.backend.machine();
        let (pid, code) = (2 + world.rng.below(PIDS) as u32, world.rng.below(3) as u32);
        world.machine.now_ns += 10_000 + world.rng.below(1_000_000);
        let Some(process) = world.machine.processes.get(&pid) else {
            if let Some(report) = world.machine.fork(pid) {
                world.send(world.machine.processes[&pid].instance, report);
            }
            return;
        };
        let instance = process.instance;
        if world.is_busy(instance) {
            return;
        }
        let report = match world.rng.below(10) {
            0..4 => world.machine.exec(pid),
            4 => world.machine.exit_leader(pid),
            5 => {
                if let Some(report) = world.machine.exit_leader(pid) {
                    world.send(instance, report);
                }
                world.machine.exec(pid)
            }
            _ => Some(match world.machine.exit(pid, code) {
                Some(exit) => world.machine.report_exit(exit),
                None => world.machine.report_last_thread(pid, instance, code),
            }),
        };
        if let Some(report) = report {
            world.send(instance, report);
        }
    }

    fn drain(&mut self) {
        let drained = self.pipeline.drain(usize::MAX);
        self.reopen_if_failed(drained);
    }

    /// Reopens the socket, as the reader does when its source fails.
    fn reopen_if_failed(&mut self, result: Result<(), Error>) {
        if let Err(error) = result {
            assert_eq!(error.code, ErrorCode::SourceFailed, "{error}");
            self.pipeline.attach(None);
            self.backend.machine().reopen();
            self.pipeline.attach(Some(self.backend.clone()));
            self.pipeline.resync.lost(1);
        }
    }

    fn expire_pending_exits(&mut self) {
        let expired = self.pipeline.expire_pending_exits(self.now_unused());
        self.reopen_if_failed(expired);
    }

    fn show_watched_exits(&mut self) {
        let exited = self.backend.machine().take_watched_exits();
        let now_ns = self.with_machine(|machine| {
            machine.trace(|| format!("watches show {exited:?}"));
            machine.now_ns
        });
        let result = self.pipeline.on_watched_exits(&exited, self.now(now_ns));
        self.reopen_if_failed(result);
    }

    /// Returns the time before the next unused one on the clock of timers, and the unused one on the kernel's.
    fn now_unused(&self) -> Now {
        let instant = self.instant();
        Now { instant, monotonic_ns: self.unused_ns() }
    }

    fn take_some(&mut self, listener: usize) {
        let most = self.random_below(9) as usize;
        self.take_up_to(most, listener);
    }

    fn take_strict(&mut self) {
        for listener in 0..self.listeners.len() {
            if self.listeners[listener].subscriber.is_strict {
                self.take_up_to(usize::MAX, listener);
            }
        }
    }

    /// Returns true if there was a notification.
    fn take_up_to(&mut self, most: usize, listener: usize) -> bool {
        let Listener { queue, subscriber, .. } = &mut self.listeners[listener];
        let mut notifications: Vec<Notification> = Vec::new();
        queue.take(most, &mut notifications);
        let machine = &self.backend.machine().machine;
        for notification in &notifications {
            machine.trace(|| format!("received by {listener}: {notification:?}"));
            subscriber.on_notification(notification, machine, &self.shown);
        }
        subscriber.is_late = queue.awaiting_scan();
        !notifications.is_empty()
    }

    /// Stops the faults, and finishes everything that is under way.
    fn stop_faults(&mut self) {
        let has_silent_losses = {
            let mut world = self.backend.machine();
            world.send_all_late();
            let rate = std::mem::replace(&mut world.faults.rate, 0);
            world.capacity = usize::MAX;
            rate > 0 && world.faults.are_silent
        };
        (0..self.listeners.len()).for_each(|listener| self.request_scan(listener));
        self.pipeline.drain(usize::MAX).unwrap();
        self.read_processes(usize::MAX);
        self.advance(1_000_000_000);
        self.finish_snapshot_if_due();
        // The next snapshot finds the losses that nothing has counted, whatever the reason to take it.
        if has_silent_losses {
            self.pipeline.resync.request_refresh();
        }
        for _ in 0..4 {
            self.advance(10_000_000_000_000);
            self.begin_snapshot();
            self.read_processes(usize::MAX);
            self.advance(1_000_000_000);
            self.finish_snapshot_if_due();
            self.show_watched_exits();
            self.advance(1_000_000_000);
            self.expire_pending_exits();
            self.take_strict();
        }
        assert_eq!(self.pipeline.resync.due(), None, "nothing is left to be repaired");
        assert_eq!(self.pipeline.expected_until(), None, "no exit is awaited");
        for listener in 0..self.listeners.len() {
            while self.take_up_to(usize::MAX, listener) {}
        }
    }

    fn check(&self) {
        let world = &*self.backend.machine();
        for Listener { queue, subscriber, .. } in &self.listeners {
            subscriber.assert_agrees_with(&world.machine);
            assert_eq!(subscriber.lost_in_queue, queue.stats().lost);
        }
        let counts = self.stats.counts();
        assert_eq!(counts.lost_socket, world.dropped, "every drop is counted");
        assert_eq!(counts.rejected, world.forged, "every foreign or cut datagram is counted");
        let strict = &self.listeners[0].subscriber;
        assert_eq!(strict.lost_in_queue, 0);
        assert!(strict.lost_in_socket >= counts.lost_socket, "every loss is reported");
        let table = &self.pipeline.table;
        for (&pid, process) in &world.machine.processes {
            assert!(process.never_execed || table.knows(pid), "{pid} is not in the table");
        }
        assert!(table.len() <= world.machine.processes.len(), "the table holds processes that have exited");
    }
}
