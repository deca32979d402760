//! From the socket to the outboxes: what a datagram says, whether that is the whole truth, and who is told. It asks the
//! machine through the traits of [`crate::source`] only, and takes time as an argument.

pub(crate) mod activity;
pub mod resync;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use neli::connector::ProcEvent;
use rustc_hash::FxHashMap;
use rustix::io::Errno;
use tokio::time::Instant;

use crate::connector::drop_counter::DropCounter;
use crate::connector::source::{Batch, DatagramSource};
use crate::connector::wire::known_pid;
use crate::connector::wire::{self, Message, Reject};
use crate::delivery::queue::SubscriberQueue;
use crate::error::{Error, ErrorCode};
use crate::model::event::{ExitStatus, ProcessEvent};
use crate::model::interest::{EventType, Fields, Interest};
use crate::model::notification::{Notification, WatchResult};
use crate::model::snapshot::{ObservedProcess, Snapshot};
use crate::model::stream_position::StreamPosition;
use crate::pipeline::activity::ActivityFlag;
use crate::pipeline::resync::{REPORT_GRACE, Recheck, Resync};
use crate::process::ancestry::AncestryTracker;
use crate::process::inspector::{Exec, Liveness, ProcessInspector};
use crate::process::table::{LeaderExit, ProcessTable};
use crate::stats::Stats;

/// As many events as are handed on at a time, in most cases.
const BATCH: usize = 1024;

/// How long, and how many, exits are remembered for who asks for a process that has just ended.
const RECENT_NS: u64 = 1_000_000_000;
const RECENT_MAX: usize = 1024;

/// What is between the doors and the outboxes.
#[derive(Debug)]
pub struct Pipeline<'a, D, P> {
    /// The socket; `None` while `/proc` is polled.
    pub source: Option<D>,
    /// The machine's processes.
    pub processes: P,
    /// Who is told.
    pub queues: &'a mut Vec<Arc<SubscriberQueue>>,
    /// What they want.
    pub interest: Interest,
    /// The live processes.
    pub table: ProcessTable,
    /// Who descends from whom, as far as somebody wants to know.
    pub ancestry: AncestryTracker,
    /// When the table is compared with a snapshot.
    pub resync: Resync,
    pub(crate) liveness: ActivityFlag,
    stats: &'a Stats,
    drops: DropCounter,
    batch: Batch,
    /// The sequence number, CPU and time of the last message.
    last: (u32, u32, u64),
    /// How often it was asked for something that concerns what comes in next. What waits is read after that was answered.
    pub asked: Arc<AtomicU64>,
    /// How often that was answered.
    pub answered: u64,
    /// Added to the kernel's times, to get those of this process's time namespace.
    pub clock_offset_ns: i64,
    /// What is to be handed on; kept for its capacity.
    events: Vec<ProcessEvent>,
    /// How many of these were kept back the last time.
    kept: usize,
    /// True if the socket has to be read again before anything is passed on. A process has turned out to have ended since
    /// the last receive, and an exec that takes its exit back was sent by then. Or details were read since, which an exec
    /// sent by then may have changed.
    owes_receive: bool,
    /// The processes that have ended, but have not been reported to have.
    expected: FxHashMap<u32, PendingExit>,
    /// Who is to be told that a process has ended, once its exit was handed on.
    answers: Vec<(Arc<SubscriberQueue>, u32)>,
    /// The last exits that were heard: pid, time and status.
    recent: VecDeque<(u32, u64, ExitStatus)>,
    /// The requests of [`Pipeline::watch_exit_of`] that were not answered yet: a source that fails meanwhile leaves them here.
    watch_requests: VecDeque<WatchRequest>,
}

/// A request to watch a process.
#[derive(Debug)]
struct WatchRequest {
    queue: Arc<SubscriberQueue>,
    id: u32,
    pid: u32,
    /// When to answer it.
    due: Instant,
}

/// A report that the kernel is about to make.
#[derive(Debug)]
struct PendingExit {
    /// Where in the stream the end was noticed.
    noticed: StreamPosition,
    /// How long the report is waited for.
    until: Instant,
    /// Who has asked whether the process runs.
    requesters: Vec<(Arc<SubscriberQueue>, u32)>,
}

impl<'a, D: DatagramSource, P: ProcessInspector> Pipeline<'a, D, P> {
    /// A hearing without a door yet.
    pub fn new(
        processes: P,
        queues: &'a mut Vec<Arc<SubscriberQueue>>,
        interest: Interest,
        stats: &'a Stats,
    ) -> Self {
        Self {
            source: None,
            processes,
            queues,
            interest,
            table: ProcessTable::default(),
            ancestry: AncestryTracker::default(),
            resync: Resync::new(Instant::now()),
            liveness: ActivityFlag::default(),
            stats,
            drops: DropCounter::default(),
            batch: Batch::default(),
            last: (0, 0, 0),
            asked: Arc::default(),
            answered: 0,
            clock_offset_ns: 0,
            events: Vec::with_capacity(BATCH),
            kept: 0,
            owes_receive: false,
            expected: FxHashMap::default(),
            answers: Vec::new(),
            recent: VecDeque::with_capacity(RECENT_MAX),
            watch_requests: VecDeque::new(),
        }
    }

    /// Takes a socket into service that was opened just now, or none.
    pub fn attach(&mut self, source: Option<D>) {
        // A new socket counts from zero: what it has dropped since is not to be overlooked.
        self.drops = DropCounter::default();
        // What came out of the old one proves nothing of the new one; that it is gone is made right with the rest.
        self.batch = Batch::default();
        self.source = source;
    }

    /// Reads until nothing is left, or `turn` datagrams, or something is to be answered first.
    ///
    /// # Errors
    /// [`ErrorCode::SourceFailed`]; what was read before it has been handed on.
    pub fn drain(&mut self, turn: usize) -> Result<(), Error> {
        self.read(turn, u64::MAX)
    }

    /// Reads what was sent before now, however much more is coming in.
    ///
    /// # Errors
    /// See [`Pipeline::drain`].
    pub fn catch_up(&mut self, now_ns: u64) -> Result<(), Error> {
        // The limit is for a flood of what is not the kernel's, and has no time.
        self.read(1 << 20, now_ns)
    }

    fn read(&mut self, turn: usize, until_ns: u64) -> Result<(), Error> {
        let read = self.receive(turn, until_ns);
        self.dispatch(!matches!(read, Ok(false)) || !self.answers.is_empty());
        for (queue, id) in self.answers.drain(..) {
            queue.notify(Notification::Watched { id, watch: WatchResult::Gone });
        }
        if let Some(Ok(drops)) = self.source.as_ref().map(DatagramSource::drops) {
            let lost = self.drops.observe(drops);
            self.count_lost(lost.into());
        }
        read.map(drop)
    }

    fn count_lost(&mut self, lost: u64) {
        self.stats.lost_socket.add(lost);
        self.resync.lost(lost);
    }

    /// Whether nothing is left.
    fn receive(&mut self, turn: usize, until_ns: u64) -> Result<bool, Error> {
        let mut nothing_is_left = false;
        let mut heard = 0;
        while heard < turn {
            let Some(source) = &self.source else { break };
            if until_ns == u64::MAX && self.asked.load(Ordering::Acquire) > self.answered {
                return Ok(false);
            }
            if let Some(datagram) = self.batch.pop() {
                heard += 1;
                match datagram.message() {
                    Some(message) => self.handle_datagram(message),
                    None => self.stats.rejected.count(),
                }
                // The kernel takes the time of an event before it queues it: whatever was queued by then is ahead of this.
                if self.last.2 >= until_ns && !self.table.may_retract_after(until_ns, self.last.2) {
                    return Ok(false);
                }
            } else if nothing_is_left && !self.owes_receive {
                source.exhausted();
                return Ok(true);
            } else {
                self.owes_receive = false;
                match source.receive(&mut self.batch) {
                    Ok(is_all) => nothing_is_left = is_all,
                    Err(Errno::INTR) => {}
                    // A loss. Where the drop counter does not tell how great it is, it is one at least.
                    Err(Errno::NOBUFS) => {
                        if source.drops().is_err() {
                            self.count_lost(1);
                        }
                    }
                    Err(errno) => return Err(Error::new(ErrorCode::SourceFailed, "recvmmsg", errno)),
                }
            }
        }
        Ok(false)
    }

    /// When the last event happened that was heard: nanoseconds on `CLOCK_MONOTONIC`.
    pub const fn last_ns(&self) -> u64 {
        self.last.2
    }

    /// Whether something was received that was not heard yet, or was not handed on yet.
    pub const fn is_behind(&self) -> bool {
        !self.batch.is_empty() || self.kept > 0
    }

    /// Tells the subscribers. While more is coming in, the exits that this may take back are kept, once.
    fn dispatch(&mut self, nothing_is_left: bool) {
        if self.events.is_empty() {
            return;
        }
        let kept = std::mem::take(&mut self.kept);
        let mut tentative_exits = Vec::new();
        if !nothing_is_left {
            let table = &self.table;
            tentative_exits.extend(self.events.extract_if(kept.., |event| table.is_tentative(event)));
        }
        self.queues.iter().for_each(|queue| queue.push(&self.events));
        self.events.clear();
        self.table.commit_exits_except(&tentative_exits);
        let table = &self.table;
        self.ancestry.prune_exited(|pid| table.has_tentative_exit(pid));
        self.kept = tentative_exits.len();
        self.events.append(&mut tentative_exits);
    }

    fn handle_datagram(&mut self, datagram: &[u8]) {
        self.liveness.heard();
        let stats = self.stats;
        let mut message = match wire::parse(datagram) {
            Ok(message) => message,
            Err(reject) => {
                match reject {
                    Reject::Malformed => stats.rejected.count(),
                    Reject::UnknownKind(_) => stats.ignored.count(),
                }
                return;
            }
        };
        message.timestamp_ns = message.timestamp_ns.saturating_add_signed(self.clock_offset_ns);
        // One that comes twice is told once.
        let identity = (message.seq, message.cpu, message.timestamp_ns);
        if std::mem::replace(&mut self.last, identity) == identity {
            stats.ignored.count();
            return;
        }
        match message.event {
            ProcEvent::Ack { .. } => return,
            ProcEvent::Comm { .. } if !self.interest.types.has(EventType::Comm) => return,
            _ => stats.events.count(),
        }
        let first = self.events.len();
        let mut seen = None;
        match message.event {
            ProcEvent::Fork { parent_tgid, child_pid, child_tgid, .. } if child_pid == child_tgid => {
                self.ancestry.on_fork(child_tgid as u32, parent_tgid as u32, message.timestamp_ns);
            }
            ProcEvent::Exec { process_tgid, .. } => {
                stats.exec.count();
                let pid = process_tgid as u32;
                self.processes.forget(pid);
                let fields = self.interest.fields;
                self.ancestry.on_exec(pid);
                let Message { seq, cpu, timestamp_ns, .. } = message;
                let exec = Exec { pid, cpu, seq, timestamp_ns };
                if !fields.is_empty() {
                    seen = Some(self.processes.capture(exec, fields));
                    self.owes_receive = true;
                } else if self.table.needs_identity(pid, timestamp_ns) {
                    seen = Some(ObservedProcess { process: None, ..self.processes.capture(exec, fields) });
                }
                let parent = seen.as_ref().filter(|seen| seen.start_time != 0).map(|seen| seen.ppid);
                self.ancestry.observe_parent(pid, parent, message.timestamp_ns);
            }
            ProcEvent::Exit { process_tgid, exit_code, parent_tgid, .. } => {
                stats.exit.count();
                let pid = process_tgid as u32;
                if let Some((seen, set_exit_watched)) = self.leader_exit_only(pid, &message) {
                    let left = LeaderExit {
                        timestamp_ns: message.timestamp_ns,
                        status: Some(ExitStatus(exit_code)),
                        ppid: known_pid(parent_tgid),
                        set_exit_watched,
                        ..LeaderExit::default()
                    };
                    self.table.on_leader_exit(pid, left, &seen, &mut self.events);
                    self.count_ignored();
                    self.tag_from(first);
                    return;
                }
                if self.table.is_late_exit(pid, message.timestamp_ns) {
                    let Message { seq, cpu, timestamp_ns, .. } = message;
                    // A zombie still has its creation time, which tells a process from the one before.
                    let on_exit = self.processes.capture(Exec { pid, cpu, seq, timestamp_ns }, Fields::NONE);
                    if on_exit.start_time != 0 {
                        self.table.expect_exit_of_created(pid, on_exit.start_ns);
                    }
                }
                self.table.apply(&message, None, &mut self.events);
                self.count_ignored();
                self.owes_receive |= self.table.has_tentative_exit(pid);
                self.ancestry.observe_parent(pid, known_pid(parent_tgid), message.timestamp_ns);
                self.tag_from(first);
                if self.recent.len() == RECENT_MAX {
                    self.recent.pop_front();
                }
                self.recent.push_back((pid, message.timestamp_ns, ExitStatus(exit_code)));
                // It may have been the late report of an earlier process with this pid.
                if !self.table.knows(pid) {
                    if let Some(expected) = self.expected.remove(&pid) {
                        self.answers.extend(expected.requesters);
                    }
                    self.processes.forget(pid);
                    self.ancestry.on_exit(pid);
                }
                return;
            }
            _ => {}
        }
        self.table.apply(&message, seen, &mut self.events);
        self.count_ignored();
        self.tag_from(first);
    }

    fn count_ignored(&mut self) {
        let ignored = self.table.take_ignored();
        if ignored > 0 {
            self.stats.ignored.add(ignored);
        }
    }

    /// Marks the events that have been added since there were `count`: one of those before may be gone instead.
    fn tag_from(&mut self, count: usize) {
        let first = count.min(self.events.len().saturating_sub(1));
        self.ancestry.tag(&mut self.events[first..]);
    }

    /// The process, if this exit may only be that of its leader, and whether its end is awaited since.
    fn leader_exit_only(&mut self, pid: u32, exit: &Message) -> Option<(ObservedProcess, bool)> {
        if !self.processes.supports_pidfd() {
            return None;
        }
        let pidfd = match self.processes.liveness(pid) {
            Liveness::Exited => return None,
            Liveness::Unknown => None,
            Liveness::Alive(pidfd) => Some(pidfd),
        };
        let seen = self.processes.observe(pid, Fields::NONE);
        // One that was created later has only inherited the pid.
        if seen.as_ref().is_some_and(|seen| seen.start_ns > exit.timestamp_ns) {
            return None;
        }
        let set_exit_watched = self.watch_exit(pid, pidfd);
        if seen.is_none() || !set_exit_watched {
            self.resync.schedule_recheck();
        }
        // It may be hidden from this user.
        Some((seen.unwrap_or(ObservedProcess { pid, ..ObservedProcess::default() }), set_exit_watched))
    }

    /// Awaits the end of a process; false where that cannot be done. Then no earlier process with this pid is awaited any
    /// more, whose end would be taken for that of this one.
    fn watch_exit(&mut self, pid: u32, pidfd: Option<P::Pidfd>) -> bool {
        let set_exit_watched = pidfd.is_some_and(|pidfd| self.processes.watch_exit(pid, pidfd).is_ok());
        if !set_exit_watched {
            self.processes.forget(pid);
        }
        set_exit_watched
    }

    /// Processes whose end was awaited have ended.
    ///
    /// # Errors
    /// See [`Pipeline::drain`].
    pub fn on_watched_exits(&mut self, pids: &[u32], now: Instant, now_ns: u64) -> Result<(), Error> {
        let noticed = self.table.position();
        // If the kernel has reported it, that is what counts.
        self.catch_up(now_ns)?;
        for &pid in pids {
            let status = self.processes.exit_status(pid);
            // Not so if the pid has been given away since, and the end of the next one is awaited.
            let first = self.events.len();
            if self.table.ended(pid, noticed, now_ns, status, &mut self.events) {
                self.tag_from(first);
                self.ancestry.on_exit(pid);
                self.processes.forget(pid);
            } else if self.table.knows(pid) {
                self.expect(pid, noticed, now);
            }
        }
        self.dispatch(true);
        Ok(())
    }

    fn expect(&mut self, pid: u32, noticed: StreamPosition, now: Instant) -> &mut PendingExit {
        let until = now + REPORT_GRACE;
        self.expected.entry(pid).or_insert_with(|| PendingExit { noticed, until, requesters: Vec::new() })
    }

    /// When a report that is expected is waited for no longer.
    pub fn expected_until(&self) -> Option<Instant> {
        let reports = self.expected.values().map(|expected| expected.until);
        reports.chain(self.watch_requests.iter().map(|request| request.due)).min()
    }

    /// Ends the wait for reports that have not come.
    ///
    /// # Errors
    /// See [`Pipeline::drain`].
    pub fn expire_pending_exits(&mut self, now: Instant, now_ns: u64) -> Result<(), Error> {
        if self.expected_until().is_none_or(|until| until > now) {
            return Ok(());
        }
        self.answer_watch_requests(now, now_ns)?;
        self.catch_up(now_ns)?;
        let overdue: Vec<_> = self.expected.extract_if(|_, expected| expected.until <= now).collect();
        for (pid, PendingExit { noticed, requesters, .. }) in overdue {
            let status = self.processes.exit_status(pid);
            let first = self.events.len();
            self.table.unreported(pid, noticed, now_ns, status, &mut self.events);
            if !self.table.knows(pid) {
                self.tag_from(first);
                self.ancestry.on_exit(pid);
                self.processes.forget(pid);
            }
            self.dispatch(true);
            for (queue, id) in requesters {
                queue.notify(Notification::Watched { id, watch: WatchResult::Gone });
            }
        }
        Ok(())
    }

    /// Tells `queue` whether a process is running; if so, its end is told in any case. A failure leaves the request to
    /// [`Pipeline::expire_pending_exits`].
    ///
    /// # Errors
    /// See [`Pipeline::drain`].
    pub fn watch_exit_of(
        &mut self,
        queue: Arc<SubscriberQueue>,
        id: u32,
        pid: u32,
        (now, now_ns): (Instant, u64),
    ) -> Result<(), Error> {
        self.watch_requests.push_back(WatchRequest { queue, id, pid, due: now });
        self.answer_watch_requests(now, now_ns)
    }

    fn answer_watch_requests(&mut self, now: Instant, now_ns: u64) -> Result<(), Error> {
        while !self.watch_requests.is_empty() {
            // An earlier process with this pid has ended before the answer.
            self.catch_up(now_ns)?;
            self.dispatch(true);
            if let Some(request) = self.watch_requests.pop_front() {
                self.answer_watch_request(request, now, now_ns);
            }
        }
        Ok(())
    }

    fn answer_watch_request(
        &mut self,
        WatchRequest { queue, id, pid, due: _ }: WatchRequest,
        now: Instant,
        now_ns: u64,
    ) {
        let seen = self.processes.observe(pid, self.interest.fields);
        let liveness = self.processes.liveness(pid);
        let is_running = match liveness {
            _ if !self.processes.supports_pidfd() => seen.is_some(),
            Liveness::Alive(pidfd) => {
                // Without it, the kernel's report, or a snapshot, tells.
                if !self.watch_exit(pid, Some(pidfd)) {
                    self.resync.schedule_recheck();
                }
                true
            }
            Liveness::Exited => false,
            Liveness::Unknown => seen.is_some(),
        };
        if !is_running && self.table.knows(pid) && self.source.is_some() {
            let noticed = self.table.position();
            self.expect(pid, noticed, now).requesters.push((queue, id));
            return;
        }
        if is_running {
            let seen =
                seen.unwrap_or(ObservedProcess { pid, never_execed: true, ..ObservedProcess::default() });
            self.table.report_running(&seen, now_ns, &mut self.events);
            self.dispatch(true);
        }
        let watch = if is_running { WatchResult::Running } else { self.recent_exit(pid, now_ns) };
        queue.notify(Notification::Watched { id, watch });
    }

    /// Nobody can know of a process that ends at once before it has ended: so who asks is told how.
    fn recent_exit(&mut self, pid: u32, now_ns: u64) -> WatchResult {
        let is_it =
            |exit: &&(u32, u64, ExitStatus)| exit.0 == pid && now_ns.saturating_sub(exit.1) < RECENT_NS;
        if let Some(&(pid, timestamp_ns, status)) = self.recent.iter().rev().find(is_it) {
            return WatchResult::Exited { pid, timestamp_ns, status: Some(status) };
        }
        let uncollected = |status| WatchResult::Exited { pid, timestamp_ns: now_ns, status };
        self.processes.zombie_status(pid).map_or(WatchResult::Gone, uncollected)
    }

    /// Whether a snapshot is to be taken now, and then given to [`Pipeline::finish_snapshot`].
    ///
    /// # Errors
    /// See [`Pipeline::drain`].
    pub fn begin_snapshot_if_due(&mut self, now: Instant, now_ns: u64) -> Result<bool, Error> {
        if !self.resync.is_due(now) {
            return Ok(false);
        }
        // What was dropped had no room behind what waits. Heard only after the snapshot has begun, that would count as
        // newer than it, and what is missing there as alive.
        self.catch_up(now_ns)?;
        self.resync.begin(now, &mut self.table, &mut self.ancestry);
        Ok(true)
    }

    /// Makes the table right by a snapshot, at once or, by [`Pipeline::finish_snapshot_if_due`], a little later.
    ///
    /// # Errors
    /// See [`Pipeline::drain`]; or where the very first snapshot could not be taken.
    pub fn finish_snapshot(
        &mut self,
        snapshot: Result<Snapshot, Error>,
        now: Instant,
        now_ns: u64,
    ) -> Result<(), Error> {
        // What the kernel had reported before the snapshot was complete has to be in the table.
        if let Err(error) = self.catch_up(now_ns) {
            self.resync.abandon();
            return Err(error);
        }
        let snapshot = match snapshot {
            Ok(snapshot) if self.source.is_some() => {
                match self.resync.defer_snapshot(snapshot, now, &self.table) {
                    Some(snapshot) => Ok(snapshot),
                    None => return Ok(()),
                }
            }
            other => other,
        };
        self.reconcile_now(snapshot, now, now_ns)
    }

    /// Makes the table right by the snapshot that was put off, if its time has come.
    ///
    /// # Errors
    /// See [`Pipeline::drain`].
    pub fn finish_snapshot_if_due(&mut self, now: Instant, now_ns: u64) -> Result<(), Error> {
        let Some(snapshot) = self.resync.take_deferred(now) else { return Ok(()) };
        if let Err(error) = self.catch_up(now_ns) {
            self.resync.abandon();
            return Err(error);
        }
        self.reconcile_now(Ok(snapshot), now, now_ns)
    }

    fn reconcile_now(
        &mut self,
        mut snapshot: Result<Snapshot, Error>,
        now: Instant,
        now_ns: u64,
    ) -> Result<(), Error> {
        // What is still kept back is older.
        self.dispatch(true);
        let Self { resync, table, ancestry, processes, queues, stats, .. } = self;
        let supports_pidfd = processes.supports_pidfd();
        if let Ok(snapshot) = &mut snapshot
            && !supports_pidfd
        {
            snapshot.processes.retain(|observed| !observed.on_leader_exit);
        }
        let mut recheck_wanted = false;
        let unread =
            snapshot.as_mut().map_or_else(|_| Vec::new(), |snapshot| std::mem::take(&mut snapshot.unread));
        let recheck = |pid| match processes.liveness(pid) {
            _ if !supports_pidfd => Recheck::Exited,
            Liveness::Exited => Recheck::Exited,
            Liveness::Alive(_) if processes.observe(pid, Fields::NONE).is_some() => Recheck::PidReused,
            Liveness::Alive(_) => Recheck::Keep,
            Liveness::Unknown => {
                recheck_wanted = true;
                Recheck::Keep
            }
        };
        resync.finish_snapshot(snapshot, (now, now_ns), (table, ancestry), recheck, queues, stats)?;
        // A process that was listed and could not be read, and that is not known, is to be found by the next snapshot.
        for pid in unread.into_iter().filter(|pid| !table.knows(*pid)) {
            match processes.liveness(pid) {
                _ if !supports_pidfd => {}
                Liveness::Exited => {}
                Liveness::Alive(_) => resync.require_another(),
                Liveness::Unknown => recheck_wanted = true,
            }
        }
        if recheck_wanted {
            resync.schedule_recheck();
        }
        if self.source.is_some() && supports_pidfd {
            self.await_leaderless();
        }
        Ok(())
    }

    /// Watches those whose leader was seen to have left: it may have done so before it could be heard, or unheard.
    fn await_leaderless(&mut self) {
        let leaderless: Vec<_> = self.table.leaderless().collect();
        for (pid, start_time) in leaderless {
            let pidfd = match self.processes.liveness(pid) {
                Liveness::Alive(pidfd) => {
                    let seen = self.processes.observe(pid, Fields::NONE);
                    Some(pidfd).filter(|_| seen.is_some_and(|seen| seen.start_time == start_time))
                }
                Liveness::Exited | Liveness::Unknown => None,
            };
            let is_watched = self.watch_exit(pid, pidfd);
            // If it has ended, that may be reported yet; else the next snapshot tells.
            if is_watched { self.table.set_exit_watched(pid) } else { self.resync.schedule_recheck() }
        }
    }
}
