//! What the hearing makes of histories that would mislead it: late and lost reports, descriptors that run out, pids that
//! are given away. Told step by step, with a machine that does what the test says. No kernel, no clock.

#![expect(clippy::unwrap_used, reason = "in a test, a panic is the report")]

use std::cell::{RefCell, RefMut};
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use proc_events::connector::source::{Batch, DatagramSource};
use proc_events::connector::wire::{self, DATAGRAM_LEN, what};
use proc_events::delivery::queue::SubscriberQueue;
use proc_events::model::now::Now;
use proc_events::model::snapshot::{ObservedProcess, Snapshot};
use proc_events::pipeline::Pipeline;
use proc_events::process::inspector::{Exec, Liveness, ProcessInspector};
use proc_events::stats::Stats;
use proc_events::sys::datagram::Datagram;
use proc_events::{
    Argv, Error, ErrorCode, EventData, EventTypes, ExitStatus, Field, Fields, Interest, Notification,
    ProcessInfo,
};
use rustix::io::Errno;
use tokio::time::Instant;

/// A second.
const S: u64 = 1_000_000_000;
const MS: u64 = 1_000_000;

#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is something that goes wrong")]
struct Machine {
    queue: VecDeque<[u8; DATAGRAM_LEN]>,
    drops: u32,
    seq: u32,
    /// What `/proc` shows.
    shown: BTreeMap<u32, ObservedProcess>,
    watched: BTreeMap<u32, u64>,
    has_no_pidfds: bool,
    /// No descriptor is left for a pidfd.
    is_out_of_pidfds: bool,
    /// No descriptor is left for a file.
    is_out_of_files: bool,
    watches_nobody: bool,
    /// Happens when somebody asks whether a process runs.
    since_snapshot: Option<fn(&mut Self)>,
    /// Execs come in faster than they can be read.
    is_endless: bool,
    /// The next read of the socket fails.
    fails: bool,
    reads: u64,
}

impl Machine {
    fn send(&mut self, kind: u32, at: u64, words: &[u32]) {
        self.seq += 1;
        self.queue.push_back(wire::datagram(kind, self.seq, at, words));
    }
    fn exec(&mut self, pid: u32, at: u64) {
        self.send(what::PROC_EVENT_EXEC, at, &[pid, pid]);
    }
    fn exit(&mut self, pid: u32, at: u64, code: u32) {
        self.send(what::PROC_EVENT_EXIT, at, &[pid, pid, code << 8, 17, 1, 1]);
    }
    /// `/proc` shows a process, whose program is its name.
    fn show(&mut self, pid: u32, start_ns: u64, program: u64) -> &mut ObservedProcess {
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

#[derive(Clone, Default)]
struct FakeBackend(Rc<RefCell<Machine>>);

impl DatagramSource for FakeBackend {
    fn receive(&self, batch: &mut Batch) -> rustix::io::Result<bool> {
        let mut machine = self.0.borrow_mut();
        batch.receive_each(|| {
            machine.reads += 1;
            if std::mem::take(&mut machine.fails) {
                return Err(Errno::NOMEM);
            }
            if machine.is_endless {
                let reads = machine.reads;
                assert!(reads < 1_000_000, "it never stops reading");
                machine.exec(7, 10 * S + reads * MS);
            }
            let bytes = machine.queue.pop_front().ok_or(Errno::AGAIN)?;
            Ok(Datagram { bytes, len: DATAGRAM_LEN, port: Some(0) })
        })
    }
    fn exhausted(&self) {}
    fn drops(&self) -> io::Result<u32> {
        Ok(self.0.borrow().drops)
    }
}

impl ProcessInspector for FakeBackend {
    type Pidfd = u64;

    fn supports_pidfd(&self) -> bool {
        !self.0.borrow().has_no_pidfds
    }
    fn liveness(&self, pid: u32) -> Liveness<u64> {
        let mut machine = self.0.borrow_mut();
        if let Some(since_snapshot) = machine.since_snapshot.take() {
            since_snapshot(&mut machine);
        }
        if machine.has_no_pidfds || machine.is_out_of_pidfds {
            return Liveness::Unknown;
        }
        machine.shown.get(&pid).map_or(Liveness::Exited, |seen| Liveness::Alive(seen.start_time))
    }
    fn watch_exit(&mut self, pid: u32, pidfd: u64) -> io::Result<()> {
        let mut machine = self.0.borrow_mut();
        if machine.watches_nobody {
            return Err(Errno::NOSPC.into());
        }
        machine.watched.insert(pid, pidfd);
        Ok(())
    }
    fn unwatch(&mut self, pid: u32) {
        self.0.borrow_mut().watched.remove(&pid);
    }
    fn capture(&mut self, exec: Exec, fields: Fields) -> ObservedProcess {
        self.observe(exec.pid, fields).filter(|seen| seen.start_ns <= exec.timestamp_ns).unwrap_or_default()
    }
    fn observe(&mut self, pid: u32, _: Fields) -> Option<ObservedProcess> {
        let machine = self.0.borrow();
        machine.shown.get(&pid).filter(|_| !machine.is_out_of_files).cloned()
    }
    fn zombie_status(&mut self, _: u32) -> Option<Option<ExitStatus>> {
        None
    }
    fn exit_status(&mut self, _: u32) -> Option<ExitStatus> {
        None
    }
}

struct Harness {
    pipeline: Pipeline<'static, FakeBackend, FakeBackend>,
    queue: Arc<SubscriberQueue>,
    doors: FakeBackend,
    now: Instant,
}

impl Harness {
    /// A machine that is monitored, and has shown no process at the start.
    fn new(fields: Fields) -> Self {
        let doors = FakeBackend::default();
        let interest = Interest { types: EventTypes::LIFECYCLE, fields };
        let queue = Arc::new(SubscriberQueue::new(1 << 20, interest, Box::new(|| {})));
        let queues = Box::leak(Box::new(vec![Arc::clone(&queue)]));
        let mut pipeline =
            Pipeline::new(doors.clone(), queues, interest, Box::leak(Box::new(Stats::default())));
        pipeline.attach(Some(doors.clone()));
        pipeline.resync.request_scan(Arc::clone(&queue), 1);
        let mut bed = Self { pipeline, queue, doors, now: Instant::now() };
        bed.look(2 * S);
        bed.told();
        bed
    }

    /// One of whose processes, 10, has called exec.
    fn with_a_process(fields: Fields) -> Self {
        let mut bed = Self::new(fields);
        bed.machine().show(10, 9 * S, 1);
        bed.machine().exec(10, 10 * S);
        bed.handle_datagram();
        bed.told();
        bed
    }

    fn machine(&self) -> RefMut<'_, Machine> {
        self.doors.0.borrow_mut()
    }
    fn handle_datagram(&mut self) {
        self.pipeline.drain(usize::MAX).unwrap();
    }
    fn begin(&mut self) -> Snapshot {
        self.now += Duration::from_secs(3600);
        assert!(
            self.pipeline.begin_snapshot_if_due(Now { instant: self.now, monotonic_ns: u64::MAX }).unwrap()
        );
        Snapshot { processes: self.machine().shown.values().cloned().collect(), ..Snapshot::default() }
    }
    fn finish_snapshot(&mut self, snapshot: Snapshot, now_ns: u64) {
        self.pipeline.finish_snapshot(Ok(snapshot), Now { instant: self.now, monotonic_ns: now_ns }).unwrap();
    }
    fn after_the_grace(&mut self, now_ns: u64) {
        self.now += Duration::from_secs(1);
        self.pipeline.finish_snapshot_if_due(Now { instant: self.now, monotonic_ns: now_ns }).unwrap();
    }
    /// A whole snapshot.
    fn look(&mut self, now_ns: u64) {
        let snapshot = self.begin();
        self.finish_snapshot(snapshot, now_ns);
        self.after_the_grace(now_ns);
    }
    /// A whole snapshot, for a reason that is not a loss.
    fn look_for_details(&mut self, now_ns: u64) {
        self.pipeline.resync.request_refresh();
        self.look(now_ns);
    }

    fn told(&self) -> Vec<String> {
        let mut notifications = Vec::new();
        for _ in 0..3 {
            self.queue.take(usize::MAX, &mut notifications);
        }
        notifications.iter().map(tell).collect()
    }
}

fn tell(notification: &Notification) -> String {
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

const NOTHING: [&str; 0] = [];

#[test]
fn a_take_over_across_two_turns_is_one_life() {
    let mut bed = Harness::new(Fields::NONE);
    bed.machine().exec(10, 10 * S);
    bed.machine().exit(10, 11 * S, 0);
    // Of another thread, which then ends: when the leader's exit is heard, the process is gone.
    bed.machine().exec(10, 11 * S + MS);
    bed.machine().exit(10, 11 * S + 2 * MS, 3);
    bed.pipeline.drain(2).unwrap();
    assert_eq!(bed.told(), ["exec 10 - kernel"]);
    bed.handle_datagram();
    assert_eq!(bed.told(), ["exec 10 - kernel", "exit 10 =3 kernel"]);
}

#[test]
fn a_take_over_that_is_sent_while_the_exit_is_heard_is_one_life() {
    let mut bed = Harness::new(Fields::NONE);
    bed.machine().exec(10, 10 * S);
    bed.machine().exit(10, 11 * S, 0);
    // The queue is empty by then, and the process is gone when it is asked for.
    bed.machine().since_snapshot = Some(|machine| {
        machine.exec(10, 11 * S + MS);
        machine.exit(10, 11 * S + 2 * MS, 3);
    });
    bed.handle_datagram();
    bed.handle_datagram();
    assert_eq!(bed.told(), ["exec 10 - kernel", "exec 10 - kernel", "exit 10 =3 kernel"]);
}

#[test]
fn an_exit_is_kept_back_for_one_turn_only() {
    let mut bed = Harness::new(Fields::NONE);
    bed.machine().exec(10, 10 * S);
    bed.machine().exit(10, 11 * S, 0);
    for at in 0..9 {
        bed.machine().exec(11, 12 * S + at);
    }
    bed.pipeline.drain(2).unwrap();
    bed.pipeline.drain(2).unwrap();
    assert_eq!(bed.told(), ["exec 10 - kernel", "exit 10 =0 kernel", "exec 11 - kernel", "exec 11 - kernel"]);
}

#[test]
fn for_want_of_descriptors_no_exit_is_invented() {
    for is_last in [false, true] {
        let mut bed = Harness::with_a_process(Fields::NONE);
        // The leader has ended, and the process goes on.
        bed.machine().is_out_of_pidfds = !is_last;
        bed.machine().is_out_of_files = is_last;
        bed.machine().exit(10, 11 * S, 0);
        bed.handle_datagram();
        assert_eq!(bed.told(), NOTHING);
        // Later there are some.
        bed.machine().is_out_of_pidfds = false;
        bed.machine().is_out_of_files = false;
        bed.machine().shown.get_mut(&10).unwrap().leader_exited = true;
        if !is_last {
            bed.look(12 * S);
        }
        assert!(bed.machine().watched.contains_key(&10));
        bed.machine().shown.remove(&10);
        bed.pipeline.on_watched_exits(&[10], Now { instant: bed.now, monotonic_ns: 13 * S }).unwrap();
        assert_eq!(bed.told(), ["exit 10 =0 kernel"]);
    }
}

#[test]
fn a_zombie_that_could_not_be_told_from_the_living_is_told_by_the_next_look() {
    let mut bed = Harness::with_a_process(Fields::NONE);
    bed.machine().is_out_of_pidfds = true;
    bed.machine().shown.clear();
    bed.machine().exit(10, 11 * S, 3);
    bed.handle_datagram();
    assert_eq!(bed.told(), NOTHING);
    bed.machine().is_out_of_pidfds = false;
    bed.look(12 * S);
    assert_eq!(bed.told(), ["exit 10 =3 resync", "loss 1 +0 -1"]);
}

#[test]
fn a_leaderless_process_that_cannot_be_watched_has_not_ended() {
    let mut bed = Harness::new(Fields::NONE);
    bed.machine().show(10, 9 * S, 1).leader_exited = true;
    bed.machine().is_out_of_pidfds = true;
    bed.look_for_details(20 * S);
    assert_eq!(bed.told(), ["exec 10 1 resync", "loss 1 +1 -0"]);
    bed.look(30 * S);
    assert_eq!(bed.told(), NOTHING);
}

#[test]
fn where_it_can_never_be_told_the_leader_stands_for_the_process() {
    let mut bed = Harness::with_a_process(Fields::NONE);
    bed.machine().has_no_pidfds = true;
    bed.machine().exit(10, 11 * S, 0);
    bed.handle_datagram();
    assert_eq!(bed.told(), ["exit 10 =0 kernel"]);
    bed.machine().shown.get_mut(&10).unwrap().leader_exited = true;
    bed.look_for_details(20 * S);
    assert_eq!(bed.told(), NOTHING);
}

#[test]
fn the_end_of_one_life_does_not_unwatch_the_next() {
    let mut bed = Harness::with_a_process(Fields::NONE);
    bed.machine().exit(10, 11 * S, 0);
    bed.handle_datagram();
    assert!(bed.machine().watched.contains_key(&10));
    // It ends; the next one with its pid calls exec, and its leader leaves too.
    bed.machine().show(10, 15 * S, 2);
    bed.machine().exec(10, 16 * S);
    bed.machine().exit(10, 17 * S, 0);
    bed.pipeline.on_watched_exits(&[10], Now { instant: bed.now, monotonic_ns: 18 * S }).unwrap();
    assert!(bed.pipeline.table.knows(10));
    assert!(bed.machine().watched.contains_key(&10), "nobody will tell of its end");
}

#[test]
fn whom_the_machine_refused_to_watch_is_watched_later() {
    let mut bed = Harness::with_a_process(Fields::NONE);
    bed.machine().show(11, 9 * S, 1);
    bed.machine().exec(11, 10 * S);
    bed.handle_datagram();
    for pid in [10, 11] {
        bed.machine().shown.get_mut(&pid).unwrap().leader_exited = true;
    }
    bed.machine().watches_nobody = true;
    bed.look_for_details(20 * S);
    bed.machine().watches_nobody = false;
    bed.look(30 * S);
    let watched: Vec<u32> = bed.machine().watched.keys().copied().collect();
    assert_eq!(watched, [10, 11]);
}

#[test]
fn one_drop_is_one_loss() {
    let mut bed = Harness::with_a_process(Fields::NONE);
    bed.pipeline.resync.request_refresh();
    bed.machine().shown.remove(&10);
    // Its exit was dropped, which is counted only after the snapshot.
    let snapshot = bed.begin();
    bed.machine().drops = 1;
    bed.finish_snapshot(snapshot, 20 * S);
    bed.after_the_grace(20 * S);
    bed.look(30 * S);
    assert_eq!(bed.told(), ["exit 10 ? resync", "loss 1 +0 -1"]);
}

#[test]
fn an_exec_that_is_merely_late_is_told_once_and_is_no_loss() {
    let mut bed = Harness::new(Fields::NONE.with(Field::Name));
    // The new program can be seen, but the kernel has not said so yet.
    bed.machine().show(10, 9 * S, 1);
    bed.pipeline.resync.request_refresh();
    let snapshot = bed.begin();
    bed.finish_snapshot(snapshot, 10 * S);
    bed.machine().exec(10, 10 * S + MS);
    bed.after_the_grace(11 * S);
    assert_eq!(bed.told(), ["exec 10 1 kernel"]);
}

#[test]
fn settling_comes_to_an_end_under_a_storm_that_is_faster_than_the_reader() {
    let mut bed = Harness::new(Fields::NONE);
    bed.pipeline.resync.request_refresh();
    let snapshot = bed.begin();
    bed.machine().is_endless = true;
    bed.finish_snapshot(snapshot, 20 * S);
    assert!(bed.machine().reads < 100_000);
}

#[test]
fn a_leaderless_process_that_reports_meanwhile_keeps_its_status() {
    let mut bed = Harness::with_a_process(Fields::NONE);
    // All threads of it are about to end.
    bed.machine().shown.get_mut(&10).unwrap().leader_exited = true;
    bed.pipeline.resync.request_refresh();
    let snapshot = bed.begin();
    bed.machine().since_snapshot = Some(|machine| {
        machine.shown.remove(&10);
        machine.exit(10, 19 * S, 3);
    });
    bed.finish_snapshot(snapshot, 18 * S);
    bed.handle_datagram();
    assert_eq!(bed.told(), ["exit 10 =3 kernel"]);
}

#[test]
fn a_late_report_while_the_next_life_runs_tells_the_status_of_the_one_before() {
    let mut bed = Harness::with_a_process(Fields::NONE.with(Field::Name));
    bed.machine().show(10, 15 * S, 2).never_execed = true;
    bed.machine().exit(10, 15 * S + 20 * MS, 3);
    bed.handle_datagram();
    assert_eq!(bed.told(), ["exit 10 =3 kernel"]);
}

#[test]
fn a_concluded_exit_swallows_the_late_report_but_none_of_a_later_process() {
    let mut bed = Harness::with_a_process(Fields::NONE);
    bed.machine().shown.remove(&10);
    bed.look_for_details(20 * S);
    bed.told();
    bed.machine().exit(10, 20 * S + 1, 0);
    // Of a child that has never called exec.
    bed.machine().exit(10, 20 * S + 500 * MS, 5);
    bed.handle_datagram();
    assert_eq!(bed.told(), ["exit 10 =5 kernel"]);
}

#[test]
fn lives_are_told_apart_though_the_machine_has_slept() {
    let mut bed = Harness::with_a_process(Fields::NONE.with(Field::Name));
    // Created later, but the clock that stands still meanwhile makes it earlier.
    bed.machine().show(10, 0, 2).start_time = 10_500;
    bed.pipeline.resync.lost(1);
    bed.look(200 * S);
    assert_eq!(bed.told(), ["exit 10 ? resync", "exec 10 2 resync", "loss 2 +1 -1"]);
}

/// Asks whether 10 is running, as request 5.
fn watch(bed: &mut Harness, now_ns: u64) {
    let queue = Arc::clone(&bed.queue);
    bed.pipeline.watch_exit(queue, 5, 10, Now { instant: bed.now, monotonic_ns: now_ns }).unwrap();
}

fn after_the_grace_for_reports(bed: &mut Harness, now_ns: u64) {
    bed.now += Duration::from_secs(1);
    bed.pipeline.expire_pending_exits(Now { instant: bed.now, monotonic_ns: now_ns }).unwrap();
}

#[test]
fn the_end_of_one_that_is_watched_is_told_as_the_kernel_reports_it() {
    let mut bed = Harness::with_a_process(Fields::NONE);
    watch(&mut bed, 11 * S);
    assert_eq!(bed.told(), ["watched 5 Running"]);
    // The hold on it tells before the kernel does.
    bed.machine().shown.clear();
    bed.pipeline.on_watched_exits(&[10], Now { instant: bed.now, monotonic_ns: 12 * S }).unwrap();
    assert_eq!(bed.told(), NOTHING);
    bed.machine().exit(10, 12 * S, 3);
    bed.handle_datagram();
    after_the_grace_for_reports(&mut bed, 13 * S);
    assert_eq!(bed.told(), ["exit 10 =3 kernel"]);
    assert!(bed.machine().watched.is_empty());
}

#[test]
fn the_end_of_one_that_is_watched_is_told_though_its_report_is_lost() {
    let mut bed = Harness::new(Fields::NONE);
    bed.machine().show(10, 9 * S, 1).never_execed = true;
    watch(&mut bed, 11 * S);
    bed.machine().shown.clear();
    bed.pipeline.on_watched_exits(&[10], Now { instant: bed.now, monotonic_ns: 12 * S }).unwrap();
    after_the_grace_for_reports(&mut bed, 13 * S);
    assert_eq!(bed.told(), ["watched 5 Running", "exit 10 ? resync"]);
    assert!(bed.machine().watched.is_empty());
    assert_eq!(bed.pipeline.expected_until(), None);
}

#[test]
fn one_that_has_ended_unreported_is_answered_behind_its_exit() {
    for is_lost in [false, true] {
        let mut bed = Harness::with_a_process(Fields::NONE);
        bed.machine().shown.clear();
        watch(&mut bed, 11 * S);
        assert_eq!(bed.told(), NOTHING);
        if !is_lost {
            bed.machine().exit(10, 11 * S, 3);
            bed.handle_datagram();
        }
        after_the_grace_for_reports(&mut bed, 12 * S);
        let exit = if is_lost { "exit 10 ? resync" } else { "exit 10 =3 kernel" };
        assert_eq!(bed.told(), [exit, "watched 5 Gone"]);
    }
}

#[test]
fn one_that_has_just_ended_is_told_to_have() {
    let mut bed = Harness::with_a_process(Fields::NONE);
    bed.machine().shown.clear();
    bed.machine().exit(10, 11 * S, 3);
    bed.handle_datagram();
    bed.told();
    watch(&mut bed, 11 * S + MS);
    let told = bed.told().concat();
    assert!(told.starts_with("watched 5 Exited { pid: 10, timestamp_ns: 11000000000"), "{told}");
    watch(&mut bed, 12 * S);
    assert_eq!(bed.told(), ["watched 5 Gone"]);
}

#[test]
fn one_that_nobody_knows_is_answered_at_once() {
    let mut bed = Harness::new(Fields::NONE);
    watch(&mut bed, 11 * S);
    assert_eq!(bed.told(), ["watched 5 Gone"]);
}

#[test]
fn a_later_scan_finds_everything_behind_what_was_told() {
    let mut bed = Harness::with_a_process(Fields::NONE);
    bed.machine().show(11, 10 * S, 1);
    bed.machine().exec(11, 11 * S);
    bed.pipeline.resync.request_scan(Arc::clone(&bed.queue), 7);
    let snapshot = bed.begin();
    bed.finish_snapshot(snapshot, 12 * S);
    let mut told = bed.told();
    told[1..3].sort();
    assert_eq!(
        told,
        ["exec 11 - kernel", "exec 10 1 bootstrap", "exec 11 1 bootstrap", "ScanFinished { id: 7 }"]
    );
}

#[test]
fn a_look_that_fails_for_one_does_not_end_it_for_all() {
    let mut bed = Harness::new(Fields::NONE);
    let second = Arc::new(SubscriberQueue::new(100, bed.pipeline.interest, Box::new(|| {})));
    bed.pipeline.queues.push(Arc::clone(&second));
    bed.pipeline.resync.request_scan(second, 1);
    bed.begin();
    let error = Error::from_errno(ErrorCode::ProcUnreadable, "open", "a process's stat", Errno::MFILE);
    bed.pipeline.finish_snapshot(Err(error), Now { instant: bed.now, monotonic_ns: 9 * S }).unwrap();
    assert!(
        !bed.pipeline.begin_snapshot_if_due(Now { instant: bed.now, monotonic_ns: 9 * S }).unwrap(),
        "not at once"
    );
    assert!(bed.pipeline.resync.due().is_some());
}

/// The details of one process, which `/proc` shows with these arguments.
fn details(name: Option<&str>, argv: Option<&str>, fields: Fields) -> Arc<ProcessInfo> {
    let argv = argv.map(|text| Argv { text: text.into(), truncated: false });
    Arc::new(ProcessInfo { requested: fields, name: name.map(Into::into), argv, ..ProcessInfo::default() })
}
/// The details that the last events carried: name and arguments of each.
fn take_details(bed: &Harness) -> Vec<(String, String)> {
    let mut notifications = Vec::new();
    bed.queue.take(usize::MAX, &mut notifications);
    let of = |notification: &Notification| {
        let (Notification::Event(event) | Notification::ScanEvent { event, .. }) = notification else {
            return None;
        };
        let process = event.process.as_deref()?;
        let argv = process.argv.as_ref().map_or("-", |argv| &*argv.text);
        Some((process.name.as_deref().unwrap_or("-").to_owned(), argv.to_owned()))
    };
    notifications.iter().filter_map(of).collect()
}
const NAME: Fields = Fields::NONE.with(Field::Name);
const NAME_AND_ARGV: Fields = NAME.with(Field::Argv);

#[test]
fn a_snapshot_keeps_what_the_exec_has_captured() {
    let mut bed = Harness::new(NAME_AND_ARGV);
    bed.machine().show(10, 9 * S, 1).process = Some(details(Some("node"), Some("node\0x\0"), NAME_AND_ARGV));
    bed.machine().exec(10, 10 * S);
    bed.handle_datagram();
    take_details(&bed);
    // The main thread has renamed itself, and its memory is gone.
    let poorer = details(Some("MainThread"), None, NAME_AND_ARGV);
    bed.machine().shown.get_mut(&10).unwrap().process = Some(poorer);
    bed.look_for_details(20 * S);
    bed.machine().shown.clear();
    bed.machine().exit(10, 30 * S, 3);
    bed.handle_datagram();
    assert_eq!(take_details(&bed), [("node".to_owned(), "node\0x\0".to_owned())]);
}

#[test]
fn a_snapshot_fills_what_was_not_captured_at_the_exec() {
    let mut bed = Harness::new(NAME);
    bed.machine().show(10, 9 * S, 1).process = Some(details(Some("first"), None, NAME));
    bed.machine().exec(10, 10 * S);
    bed.handle_datagram();
    take_details(&bed);
    let more = details(Some("renamed"), Some("arguments\0"), NAME_AND_ARGV);
    bed.machine().shown.get_mut(&10).unwrap().process = Some(more);
    bed.look_for_details(20 * S);
    bed.machine().exit(10, 30 * S, 3);
    bed.machine().shown.clear();
    bed.handle_datagram();
    assert_eq!(take_details(&bed), [("first".to_owned(), "arguments\0".to_owned())]);
}

#[test]
fn a_process_whose_details_are_known_is_not_read_again() {
    let mut bed = Harness::new(NAME);
    bed.machine().show(10, 9 * S, 1).process = Some(details(Some("first"), None, NAME));
    bed.machine().exec(10, 10 * S);
    bed.handle_datagram();
    let seen = bed.machine().shown[&10].clone();
    let is_known = |bed: &Harness, fields, seen: &ObservedProcess| {
        bed.pipeline.table.known(fields).get(&10).is_some_and(|known| known.is(seen))
    };
    assert!(is_known(&bed, NAME, &seen));
    assert!(!is_known(&bed, NAME_AND_ARGV, &seen), "it was not asked for its arguments");
    assert!(!is_known(&bed, NAME, &ObservedProcess { program: 2, ..seen.clone() }), "another program");
    assert!(is_known(&bed, NAME, &ObservedProcess { program: 0, ..seen.clone() }), "its program is hidden");
    assert!(!is_known(&bed, NAME, &ObservedProcess { start_time: 7, ..seen }), "another process");
}

#[test]
fn a_late_report_of_a_synthesized_exit_is_dropped_however_late() {
    let mut bed = Harness::with_a_process(Fields::NONE);
    watch(&mut bed, 11 * S);
    bed.machine().shown.clear();
    bed.pipeline.on_watched_exits(&[10], Now { instant: bed.now, monotonic_ns: 12 * S }).unwrap();
    after_the_grace_for_reports(&mut bed, 12 * S + 50 * MS);
    assert_eq!(bed.told(), ["watched 5 Running", "exit 10 ? resync"]);
    bed.machine().exit(10, 15 * S, 3);
    bed.handle_datagram();
    assert_eq!(bed.told(), NOTHING);
    // The next exit is that of another process.
    bed.machine().exit(10, 15 * S + MS, 4);
    bed.handle_datagram();
    assert_eq!(bed.told(), ["exit 10 =4 kernel"]);
}

#[test]
fn a_late_report_after_a_resync_is_dropped_and_a_new_process_is_not() {
    let mut bed = Harness::with_a_process(Fields::NONE);
    bed.machine().shown.clear();
    bed.pipeline.resync.lost(1);
    bed.look(12 * S);
    assert_eq!(bed.told(), ["exit 10 ? resync", "loss 1 +0 -1"]);
    bed.machine().exec(10, 13 * S);
    bed.machine().exit(10, 13 * S + MS, 4);
    bed.handle_datagram();
    assert_eq!(bed.told(), ["exec 10 - kernel", "exit 10 =4 kernel"]);
    // It was made before the new process began.
    bed.machine().exit(10, 13 * S - MS, 3);
    bed.handle_datagram();
    assert_eq!(bed.told(), NOTHING);
}

#[test]
fn an_exec_that_the_scan_has_shown_is_not_told_again() {
    for is_gone in [false, true] {
        let mut bed = Harness::new(Fields::NONE);
        // `/proc` shows the new program before the kernel reports the exec.
        bed.machine().show(10, 10 * S, 1).read_ns = 10 * S + 5 * MS;
        bed.look_for_details(11 * S);
        assert_eq!(bed.told(), ["exec 10 1 resync", "loss 1 +1 -0"]);
        bed.machine().exec(10, 10 * S + 6 * MS);
        if is_gone {
            bed.machine().shown.clear();
        }
        bed.handle_datagram();
        assert_eq!(bed.told(), NOTHING);
        bed.machine().shown.clear();
        bed.machine().exit(10, 12 * S, 3);
        bed.handle_datagram();
        assert_eq!(bed.told(), ["exit 10 =3 kernel"]);
    }
}

#[test]
fn an_exec_of_another_program_is_told_right_after_the_scan() {
    let mut bed = Harness::new(Fields::NONE);
    bed.machine().show(10, 10 * S, 1).read_ns = 10 * S + 5 * MS;
    bed.look_for_details(11 * S);
    bed.told();
    bed.machine().show(10, 10 * S, 2);
    bed.machine().exec(10, 10 * S + 6 * MS);
    bed.handle_datagram();
    assert_eq!(bed.told(), ["exec 10 - kernel"]);
}

#[test]
fn details_that_were_read_after_the_next_exec_are_null() {
    let mut bed = Harness::new(NAME_AND_ARGV);
    // The process has called exec twice before the first is heard.
    let seen = bed.machine().show(10, 9 * S, 2).clone();
    let second = details(Some("second"), Some("second\0"), NAME_AND_ARGV);
    bed.machine()
        .shown
        .insert(10, ObservedProcess { process: Some(second), read_ns: 10 * S + 2 * MS, ..seen });
    bed.machine().exec(10, 10 * S);
    bed.machine().exec(10, 10 * S + MS);
    bed.handle_datagram();
    let second = ("second".to_owned(), "second\0".to_owned());
    assert_eq!(take_details(&bed), [("-".to_owned(), "-".to_owned()), second]);
}

#[test]
fn a_watch_is_answered_after_the_source_has_failed() {
    let mut bed = Harness::with_a_process(Fields::NONE);
    bed.machine().fails = true;
    let queue = Arc::clone(&bed.queue);
    let failed =
        bed.pipeline.watch_exit(queue, 5, 10, Now { instant: bed.now, monotonic_ns: 11 * S }).unwrap_err();
    assert_eq!(failed.code, ErrorCode::SourceFailed);
    assert_eq!(bed.told(), NOTHING);
    // As the reader does when its source fails.
    let doors = bed.doors.clone();
    bed.pipeline.attach(None);
    bed.pipeline.attach(Some(doors));
    assert_eq!(bed.pipeline.expected_until(), Some(bed.now));
    bed.pipeline.expire_pending_exits(Now { instant: bed.now, monotonic_ns: 12 * S }).unwrap();
    assert_eq!(bed.told(), ["watched 5 Running"]);
    assert_eq!(bed.pipeline.expected_until(), None);
}

#[test]
fn a_pid_that_is_used_again_at_once_is_told_by_the_creation_time() {
    let mut bed = Harness::with_a_process(Fields::NONE);
    bed.machine().exit(10, 11 * S, 0);
    bed.machine().exec(10, 11 * S + 50 * MS);
    // The exec is heard while the next process still runs.
    bed.machine().show(10, 11 * S + 40 * MS, 2);
    bed.handle_datagram();
    bed.machine().shown.clear();
    bed.machine().exit(10, 11 * S + 60 * MS, 7);
    bed.handle_datagram();
    assert_eq!(bed.told(), ["exit 10 =0 kernel", "exec 10 - kernel", "exit 10 =7 kernel"]);
}

#[test]
fn an_earlier_watch_does_not_end_a_later_process_that_cannot_be_watched() {
    let mut bed = Harness::with_a_process(Fields::NONE);
    // The leader leaves, and the process is watched.
    bed.machine().exit(10, 11 * S, 0);
    bed.handle_datagram();
    assert!(bed.machine().watched.contains_key(&10));
    // It ends unnoticed, and its pid is given to a process whose leader leaves, too.
    bed.machine().show(10, 12 * S, 2).leader_exited = true;
    bed.machine().watches_nobody = true;
    bed.machine().exit(10, 13 * S, 0);
    bed.handle_datagram();
    assert!(!bed.machine().watched.contains_key(&10), "the watch is that of the earlier process");
}

#[test]
fn a_process_that_disappeared_while_it_was_read_is_found_by_the_next_snapshot() {
    let mut bed = Harness::new(Fields::NONE);
    bed.machine().show(10, 9 * S, 1);
    bed.pipeline.resync.request_refresh();
    let mut snapshot = bed.begin();
    snapshot.processes.clear();
    snapshot.unread.push(10);
    bed.finish_snapshot(snapshot, 12 * S);
    bed.after_the_grace(12 * S);
    assert_eq!(bed.told(), NOTHING);
    assert!(bed.pipeline.resync.due().is_some());
    bed.look(13 * S);
    assert_eq!(bed.told(), ["exec 10 1 resync", "loss 1 +1 -0"]);
    assert_eq!(bed.pipeline.resync.due(), None);
}

#[test]
fn the_table_is_compared_from_time_to_time_though_nothing_was_counted_as_lost() {
    let mut bed = Harness::with_a_process(Fields::NONE);
    bed.machine().shown.clear();
    bed.pipeline.resync.audit(bed.now + Duration::from_secs(60));
    assert!(!bed.pipeline.resync.is_due(bed.now));
    bed.pipeline.resync.audit(bed.now + Duration::from_secs(600));
    assert!(bed.pipeline.resync.is_due(bed.now));
    bed.look(12 * S);
    assert_eq!(bed.told(), ["exit 10 ? resync", "loss 1 +0 -1"]);
}

#[test]
fn a_leader_that_left_with_a_code_makes_way_for_an_exec() {
    let mut bed = Harness::new(Fields::NONE);
    bed.machine().exec(10, 10 * S);
    // The leader ends by itself, another thread calls exec, and the process ends before any of it is heard.
    bed.machine().exit(10, 11 * S, 5);
    bed.machine().exec(10, 11 * S + MS);
    bed.machine().exit(10, 11 * S + 2 * MS, 3);
    bed.handle_datagram();
    assert_eq!(bed.told(), ["exec 10 - kernel", "exec 10 - kernel", "exit 10 =3 kernel"]);
}

#[test]
fn an_exec_that_only_a_watch_has_seen_is_told() {
    let mut bed = Harness::new(Fields::NONE);
    // The new program is visible, and the exec is about to be reported.
    bed.machine().show(10, 9 * S, 1).read_ns = 10 * S;
    watch(&mut bed, 10 * S);
    assert_eq!(bed.told(), ["watched 5 Running"]);
    bed.machine().exec(10, 10 * S + MS);
    bed.handle_datagram();
    assert_eq!(bed.told(), ["exec 10 - kernel"]);
}

#[test]
fn an_exec_that_only_a_watch_has_seen_is_told_though_its_report_is_lost() {
    let mut bed = Harness::new(Fields::NONE);
    bed.machine().show(10, 9 * S, 1).read_ns = 10 * S;
    watch(&mut bed, 10 * S);
    bed.told();
    bed.machine().drops = 1;
    bed.handle_datagram();
    bed.look(12 * S);
    assert_eq!(bed.told(), ["exec 10 1 resync", "loss 1 +1 -0"]);
}

#[test]
fn a_late_report_does_not_end_the_wait_for_that_of_the_next_process() {
    let mut bed = Harness::with_a_process(Fields::NONE);
    // Its report is late, and another process has its pid.
    bed.machine().show(10, 11 * S, 2);
    bed.look_for_details(12 * S);
    assert_eq!(bed.told(), ["exit 10 ? resync", "exec 10 2 resync", "loss 2 +1 -1"]);
    bed.machine().shown.clear();
    watch(&mut bed, 13 * S);
    bed.machine().exit(10, 11 * S - MS, 1);
    bed.handle_datagram();
    assert_eq!(bed.told(), NOTHING);
    bed.machine().exit(10, 13 * S, 2);
    bed.handle_datagram();
    assert_eq!(bed.told(), ["exit 10 =2 kernel", "watched 5 Gone"]);
}

#[test]
fn a_take_over_that_is_sent_while_something_is_settled_is_one_life() {
    let mut bed = Harness::with_a_process(Fields::NONE);
    bed.machine().shown.clear();
    bed.machine().exit(10, 11 * S, 0);
    bed.machine().exec(10, 11 * S + MS);
    bed.machine().exit(10, 11 * S + 2 * MS, 3);
    bed.pipeline.on_watched_exits(&[], Now { instant: bed.now, monotonic_ns: 11 * S }).unwrap();
    bed.handle_datagram();
    assert_eq!(bed.told(), ["exec 10 - kernel", "exit 10 =3 kernel"]);
}

#[test]
fn settling_comes_to_an_end_under_a_storm_though_an_exit_may_be_taken_back() {
    let mut bed = Harness::with_a_process(Fields::NONE);
    bed.pipeline.resync.request_refresh();
    let snapshot = bed.begin();
    bed.machine().shown.clear();
    bed.machine().exit(10, 20 * S, 0);
    bed.pipeline.drain(1).unwrap();
    bed.machine().is_endless = true;
    bed.finish_snapshot(snapshot, 20 * S);
    assert!(bed.machine().reads < 100_000);
}
