//! A monitored machine that does what the test says.

use std::cell::RefMut;
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use proc_events::connector::wire::{self, DATAGRAM_LEN, what};
use proc_events::delivery::queue::SubscriberQueue;
use proc_events::model::now::Now;
use proc_events::model::snapshot::{ObservedProcess, Snapshot};
use proc_events::pipeline::Pipeline;
use proc_events::process::inspector::Liveness;
use proc_events::stats::Stats;
use proc_events::sys::datagram::Datagram;
use proc_events::{EventData, EventTypes, Fields, Interest, Notification, ProcessInfo};
use rustix::io::Errno;
use tokio::time::Instant;

use crate::fake_backend::{FakeBackend, FakeMachine};

/// Nanoseconds of a second.
pub(crate) const S: u64 = 1_000_000_000;
/// Nanoseconds of a millisecond.
pub(crate) const MS: u64 = 1_000_000;

/// No event.
pub(crate) const NOTHING: [&str; 0] = [];

/// A machine whose kernel and `/proc` do what the test says.
#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fault of its own")]
pub(crate) struct ScriptedMachine {
    queue: VecDeque<[u8; DATAGRAM_LEN]>,
    pub(crate) drops: u32,
    seq: u32,
    /// The processes that `/proc` shows, by pid.
    pub(crate) shown: BTreeMap<u32, ObservedProcess>,
    /// The watched processes and their pidfds, by pid.
    pub(crate) watched: BTreeMap<u32, u64>,
    pub(crate) lacks_pidfds: bool,
    /// True if no descriptor is left for a pidfd.
    pub(crate) is_out_of_pidfds: bool,
    /// True if no descriptor is left for a file.
    pub(crate) is_out_of_files: bool,
    pub(crate) refuses_watches: bool,
    /// Runs once, when the liveness of a process is read.
    pub(crate) on_liveness: Option<fn(&mut Self)>,
    /// True if execs arrive faster than they are read.
    pub(crate) is_endless: bool,
    pub(crate) fails_next_read: bool,
    /// True once the pipeline has found the socket drained.
    pub(crate) is_exhausted: bool,
    pub(crate) reads: u64,
}

impl ScriptedMachine {
    fn send(&mut self, kind: u32, at: u64, words: &[u32]) {
        self.seq += 1;
        self.queue.push_back(wire::datagram(kind, self.seq, at, words));
    }
    /// The kernel reports an exec.
    pub(crate) fn exec(&mut self, pid: u32, at: u64) {
        self.send(what::PROC_EVENT_EXEC, at, &[pid, pid]);
    }
    /// The kernel reports an exit.
    pub(crate) fn exit(&mut self, pid: u32, at: u64, code: u32) {
        self.send(what::PROC_EVENT_EXIT, at, &[pid, pid, code << 8, 17, 1, 1]);
    }
    /// `/proc` shows a process from now on. Its name is its program's number.
    pub(crate) fn show(&mut self, pid: u32, start_ns: u64, program: u64) -> &mut ObservedProcess {
        let info = ProcessInfo { name: Some(program.to_string().into()), ..ProcessInfo::default() };
        let observed = ObservedProcess {
            pid,
            start_time: start_ns / 10_000_000,
            start_ns,
            program,
            process: Some(Arc::new(info)),
            ..ObservedProcess::default()
        };
        self.shown.insert(pid, observed);
        self.shown.get_mut(&pid).unwrap()
    }
}

impl FakeMachine for ScriptedMachine {
    fn recvfrom(&mut self) -> Result<Datagram, Errno> {
        self.reads += 1;
        if std::mem::take(&mut self.fails_next_read) {
            return Err(Errno::NOMEM);
        }
        if self.is_endless {
            let reads = self.reads;
            assert!(reads < 1_000_000, "the pipeline never stops reading");
            self.exec(7, 10 * S + reads * MS);
        }
        let bytes = self.queue.pop_front().ok_or(Errno::AGAIN)?;
        Ok(Datagram { bytes, len: DATAGRAM_LEN, port: Some(0) })
    }
    fn exhausted(&mut self) {
        self.is_exhausted = true;
    }
    fn drops(&self) -> u32 {
        self.drops
    }
    fn supports_pidfd(&self) -> bool {
        !self.lacks_pidfds
    }
    fn liveness(&mut self, pid: u32) -> Liveness<u64> {
        if let Some(on_liveness) = self.on_liveness.take() {
            on_liveness(self);
        }
        if self.lacks_pidfds || self.is_out_of_pidfds {
            return Liveness::Unknown;
        }
        self.shown.get(&pid).map_or(Liveness::Exited, |observed| Liveness::Alive(observed.start_time))
    }
    fn watch_exit(&mut self, pid: u32, pidfd: u64) -> io::Result<()> {
        if self.refuses_watches {
            return Err(Errno::NOSPC.into());
        }
        self.watched.insert(pid, pidfd);
        Ok(())
    }
    fn unwatch(&mut self, pid: u32) {
        self.watched.remove(&pid);
    }
    fn observe(&mut self, pid: u32, _: Fields) -> Option<ObservedProcess> {
        self.shown.get(&pid).filter(|_| !self.is_out_of_files).cloned()
    }
}

pub(crate) struct Harness {
    pub(crate) pipeline: Pipeline<'static, FakeBackend<ScriptedMachine>, FakeBackend<ScriptedMachine>>,
    pub(crate) queue: Arc<SubscriberQueue>,
    pub(crate) backend: FakeBackend<ScriptedMachine>,
    pub(crate) now: Instant,
}

impl Harness {
    /// Returns a monitored machine without processes. The bootstrap scan is over.
    pub(crate) fn new(fields: Fields) -> Self {
        let backend = FakeBackend::default();
        let interest = Interest { types: EventTypes::LIFECYCLE, fields };
        let queue = Arc::new(SubscriberQueue::new(1 << 20, interest, Box::new(|| {})));
        let queues = Box::leak(Box::new(vec![Arc::clone(&queue)]));
        let mut pipeline =
            Pipeline::new(backend.clone(), queues, interest, Box::leak(Box::new(Stats::default())));
        pipeline.attach(Some(backend.clone()));
        pipeline.resync.request_scan(Arc::clone(&queue), 1);
        let mut harness = Self { pipeline, queue, backend, now: Instant::now() };
        harness.snapshot(2 * S);
        harness.events();
        harness
    }

    /// Returns a machine with a process 10, whose exec was reported.
    pub(crate) fn with_a_process(fields: Fields) -> Self {
        let mut harness = Self::new(fields);
        harness.machine().show(10, 9 * S, 1);
        harness.machine().exec(10, 10 * S);
        harness.drain();
        harness.events();
        harness
    }

    pub(crate) fn machine(&self) -> RefMut<'_, ScriptedMachine> {
        self.backend.0.borrow_mut()
    }
    /// Returns the harness's instant, with a time of the kernel's.
    pub(crate) const fn at(&self, monotonic_ns: u64) -> Now {
        Now { instant: self.now, monotonic_ns }
    }
    pub(crate) fn drain(&mut self) {
        self.pipeline.drain(usize::MAX).unwrap();
    }
    /// Begins a snapshot, and returns what `/proc` shows.
    pub(crate) fn begin(&mut self) -> Snapshot {
        self.now += Duration::from_secs(3600);
        let now = self.at(u64::MAX);
        assert!(self.pipeline.begin_snapshot_if_due(now).unwrap());
        Snapshot { processes: self.machine().shown.values().cloned().collect(), ..Snapshot::default() }
    }
    pub(crate) fn finish_snapshot(&mut self, snapshot: Snapshot, now_ns: u64) {
        let now = self.at(now_ns);
        self.pipeline.finish_snapshot(Ok(snapshot), now).unwrap();
    }
    /// Reconciles a deferred snapshot, after the grace period.
    pub(crate) fn after_grace(&mut self, now_ns: u64) {
        self.now += Duration::from_secs(1);
        let now = self.at(now_ns);
        self.pipeline.finish_snapshot_if_due(now).unwrap();
    }
    /// Takes a snapshot, and reconciles it.
    pub(crate) fn snapshot(&mut self, now_ns: u64) {
        let snapshot = self.begin();
        self.finish_snapshot(snapshot, now_ns);
        self.after_grace(now_ns);
    }
    /// Takes a snapshot for details, without a loss.
    pub(crate) fn snapshot_for_details(&mut self, now_ns: u64) {
        self.pipeline.resync.request_refresh();
        self.snapshot(now_ns);
    }
    /// Requests to watch the exit of process 10. The id of the request is 5.
    pub(crate) fn watch(&mut self, now_ns: u64) {
        let now = self.at(now_ns);
        self.pipeline.watch_exit(Arc::clone(&self.queue), 5, 10, now).unwrap();
    }
    /// Ends the wait for reports, after the grace period.
    pub(crate) fn expire_reports(&mut self, now_ns: u64) {
        self.now += Duration::from_secs(1);
        let now = self.at(now_ns);
        self.pipeline.expire_pending_exits(now).unwrap();
    }

    /// Returns a line for each notification since the last call.
    pub(crate) fn events(&self) -> Vec<String> {
        let mut notifications = Vec::new();
        for _ in 0..3 {
            self.queue.take(usize::MAX, &mut notifications);
        }
        notifications.iter().map(describe).collect()
    }
}

fn describe(notification: &Notification) -> String {
    let event = match notification {
        Notification::Event(event) | Notification::ScanEvent { event, .. } => event,
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
