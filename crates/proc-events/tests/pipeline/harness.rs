//! A pipeline on a scripted machine, with one subscriber.

use std::cell::RefMut;
use std::sync::Arc;
use std::time::Duration;

use proc_events::delivery::queue::SubscriberQueue;
use proc_events::model::now::Now;
use proc_events::model::snapshot::Snapshot;
use proc_events::pipeline::{Pipeline, WatchTarget};
use proc_events::stats::Stats;
use proc_events::{Error, EventData, EventTypes, Fields, Interest, Notification};
use tokio::time::Instant;

use crate::backend::FakeBackend;
use crate::machine::{S, ScriptedMachine};

/// The id of every watch request.
const WATCH_ID: u32 = 5;
/// The id of every flush.
const FLUSH_ID: u32 = 6;

type Backend = FakeBackend<ScriptedMachine>;

pub(crate) struct Harness {
    pub(crate) pipeline: Pipeline<'static, Backend, Backend>,
    pub(crate) queue: Arc<SubscriberQueue>,
    pub(crate) backend: Backend,
    /// The time on the clock of timers.
    pub(crate) instant: Instant,
}

impl Harness {
    /// Returns a harness whose bootstrap scan has found no process.
    pub(crate) fn new(fields: Fields) -> Self {
        Self::with_interest(Interest { types: EventTypes::LIFECYCLE, fields, recapture: false })
    }

    /// Returns a harness with this interest.
    pub(crate) fn with_interest(interest: Interest) -> Self {
        let backend = FakeBackend::new(ScriptedMachine::default());
        let queue = Arc::new(SubscriberQueue::new(1 << 20, interest, Box::new(|| {})));
        let queues = Box::leak(Box::new(vec![Arc::clone(&queue)]));
        let mut pipeline =
            Pipeline::new(backend.clone(), queues, interest, Box::leak(Box::new(Stats::default())));
        pipeline.attach(Some(backend.clone()));
        pipeline.resync.request_scan(Arc::clone(&queue), 1);
        let mut harness = Self { pipeline, queue, backend, instant: Instant::now() };
        harness.snapshot(2 * S);
        harness.take();
        harness
    }

    /// Returns a harness with a process, 10, that has called exec.
    pub(crate) fn with_process(fields: Fields) -> Self {
        let mut harness = Self::new(fields);
        harness.machine().show(10, 9 * S, 1);
        harness.machine().exec(10, 10 * S);
        harness.drain();
        harness.take();
        harness
    }

    pub(crate) fn machine(&self) -> RefMut<'_, ScriptedMachine> {
        self.backend.machine()
    }

    pub(crate) const fn now(&self, monotonic_ns: u64) -> Now {
        Now { instant: self.instant, monotonic_ns }
    }

    pub(crate) fn advance(&mut self, seconds: u64) {
        self.instant += Duration::from_secs(seconds);
    }

    pub(crate) fn drain(&mut self) {
        self.drain_up_to(usize::MAX);
    }

    pub(crate) fn drain_up_to(&mut self, datagrams: usize) {
        self.pipeline.drain(datagrams).unwrap();
    }

    pub(crate) fn begin_snapshot_if_due(&mut self, now_ns: u64) -> bool {
        let now = self.now(now_ns);
        self.pipeline.begin_snapshot_if_due(now).unwrap()
    }

    pub(crate) fn begin_snapshot(&mut self) -> Snapshot {
        self.advance(3600);
        assert!(self.begin_snapshot_if_due(u64::MAX));
        Snapshot { processes: self.machine().shown.values().cloned().collect(), ..Snapshot::default() }
    }

    pub(crate) fn finish_snapshot(&mut self, snapshot: Result<Snapshot, Error>, now_ns: u64) {
        let now = self.now(now_ns);
        self.pipeline.finish_snapshot(snapshot, now).unwrap();
    }

    /// Reconciles the deferred snapshot, after the kernel's time to report has passed.
    pub(crate) fn finish_deferred_snapshot(&mut self, now_ns: u64) {
        self.advance(1);
        let now = self.now(now_ns);
        self.pipeline.finish_snapshot_if_due(now).unwrap();
    }

    /// Takes a whole snapshot, and reconciles it.
    pub(crate) fn snapshot(&mut self, now_ns: u64) {
        let snapshot = self.begin_snapshot();
        self.finish_snapshot(Ok(snapshot), now_ns);
        self.finish_deferred_snapshot(now_ns);
    }

    /// Takes a whole snapshot for another reason than a loss.
    pub(crate) fn refresh(&mut self, now_ns: u64) {
        self.pipeline.resync.request_refresh();
        self.snapshot(now_ns);
    }

    /// Watches the exit of process 10.
    pub(crate) fn try_watch_exit(&mut self, now_ns: u64) -> Result<(), Error> {
        self.try_watch_exit_of(None, now_ns)
    }

    /// Watches the exit of the process 10 that was created at this time, in clock ticks.
    pub(crate) fn watch_exit_of(&mut self, start_time: u64, now_ns: u64) {
        self.try_watch_exit_of(Some(start_time), now_ns).unwrap();
    }

    fn try_watch_exit_of(&mut self, start_time: Option<u64>, now_ns: u64) -> Result<(), Error> {
        let (queue, now) = (Arc::clone(&self.queue), self.now(now_ns));
        self.pipeline.watch_exit(queue, WatchTarget { id: WATCH_ID, pid: 10, start_time }, now)
    }

    /// Requests a flush.
    pub(crate) fn try_flush(&mut self, now_ns: u64) -> Result<(), Error> {
        let (queue, now) = (Arc::clone(&self.queue), self.now(now_ns));
        self.pipeline.flush(queue, FLUSH_ID, now)
    }

    /// Watches the exit of process 10.
    pub(crate) fn watch_exit(&mut self, now_ns: u64) {
        self.try_watch_exit(now_ns).unwrap();
    }

    /// Lets the pidfds of these processes show their exit.
    pub(crate) fn on_watched_exits(&mut self, pids: &[u32], now_ns: u64) {
        let now = self.now(now_ns);
        self.pipeline.on_watched_exits(pids, now).unwrap();
    }

    pub(crate) fn expire_pending_exits(&mut self, now_ns: u64) {
        let now = self.now(now_ns);
        self.pipeline.expire_pending_exits(now).unwrap();
    }

    /// Expires the pending exits, after the kernel's time to report has passed.
    pub(crate) fn expire_pending_exits_after_grace(&mut self, now_ns: u64) {
        self.advance(1);
        self.expire_pending_exits(now_ns);
    }

    /// Takes the subscriber's notifications, as text.
    pub(crate) fn take(&self) -> Vec<String> {
        let mut notifications = Vec::new();
        for _ in 0..3 {
            self.queue.take(usize::MAX, &mut notifications);
        }
        notifications.iter().map(describe).collect()
    }

    /// Takes the subscriber's events, and returns the name and the arguments that each one carries.
    pub(crate) fn take_details(&self) -> Vec<(String, String)> {
        let mut notifications = Vec::new();
        self.queue.take(usize::MAX, &mut notifications);
        let details = |notification: &Notification| {
            let (Notification::Event(event) | Notification::ScanEvent { event, .. }) = notification else {
                return None;
            };
            let process = event.process.as_deref()?;
            let argv = process.argv.as_ref().map_or("-", |argv| &*argv.text);
            Some((process.name.as_deref().unwrap_or("-").to_owned(), argv.to_owned()))
        };
        notifications.iter().filter_map(details).collect()
    }
}

fn describe(notification: &Notification) -> String {
    let event = match notification {
        Notification::Event(event) | Notification::ScanEvent { event, .. } => event,
        Notification::Flushed { id } => return format!("flushed {id}"),
        Notification::Watched { id, watch } => return format!("watched {id} {watch:?}"),
        Notification::Loss(loss) => {
            return format!("loss {} +{} -{}", loss.lost, loss.recovered_execs, loss.recovered_exits);
        }
        other => return format!("{other:?}"),
    };
    let name = event.process.as_ref().and_then(|process| process.name.as_deref()).unwrap_or("-");
    let origin = format!("{:?}", event.origin).to_lowercase();
    match event.data {
        EventData::Exec { .. } => format!("exec {} {name} {origin}", event.pid),
        EventData::Exit { status, .. } => {
            let status = status.map_or("?".to_owned(), |status| format!("={}", status.code().unwrap()));
            format!("exit {} {status} {origin}", event.pid)
        }
        other => format!("{other:?} {}", event.pid),
    }
}
