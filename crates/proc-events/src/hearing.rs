//! From the socket to the outboxes: what a datagram says, whether that is the whole truth, and who is told. It asks the
//! machine through the traits of [`crate::door`] only, and takes time as an argument.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use neli::connector::ProcEvent;
use rustc_hash::FxHashMap;
use rustix::io::Errno;
use tokio::time::Instant;

use crate::descent::Descent;
use crate::door::{Batch, Door, Exec, Presence, Processes};
use crate::error::{Error, ErrorCode};
use crate::event::{ExitStatus, ProcessEvent};
use crate::interest::{EventType, Fields, Interest};
use crate::liveness::Liveness;
use crate::loss::DropCounter;
use crate::notice::{Notice, Watch};
use crate::outbox::Outbox;
use crate::procfs::{Sighting, Snapshot};
use crate::resync::{Again, GRACE, Resync};
use crate::stats::Stats;
use crate::table::{Leaving, Mark, ProcessTable, known_pid};
use crate::wire::{self, Message, Reject};

/// As many events as are handed on at a time, in most cases.
const BATCH: usize = 1024;

/// How long, and how many, exits are remembered for who asks for a process that has just ended.
const RECENT_NS: u64 = 1_000_000_000;
const RECENT_MAX: usize = 1024;

/// What is between the doors and the outboxes.
#[derive(Debug)]
pub struct Hearing<'a, D, P> {
    /// The socket; `None` while `/proc` is polled.
    pub door: Option<D>,
    /// The machine's processes.
    pub processes: P,
    /// Who is told.
    pub outboxes: &'a mut Vec<Arc<Outbox>>,
    /// What they want.
    pub interest: Interest,
    /// The live processes.
    pub table: ProcessTable,
    /// Who descends from whom, as far as somebody wants to know.
    pub descent: Descent,
    /// When the table is compared with a snapshot.
    pub resync: Resync,
    pub(crate) liveness: Liveness,
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
    expected: FxHashMap<u32, Expected>,
    /// Who is to be told that a process has ended, once its exit was handed on.
    answers: Vec<(Arc<Outbox>, u32)>,
    /// The last exits that were heard: pid, time and status.
    recent: VecDeque<(u32, u64, ExitStatus)>,
    /// The requests of [`Hearing::watch`] that were not answered yet: a source that fails meanwhile leaves them here.
    watch_requests: VecDeque<WatchRequest>,
}

/// A request to watch a process.
#[derive(Debug)]
struct WatchRequest {
    outbox: Arc<Outbox>,
    id: u32,
    pid: u32,
    /// When to answer it.
    due: Instant,
}

/// A report that the kernel is about to make.
#[derive(Debug)]
struct Expected {
    /// Where in the stream the end was noticed.
    noticed: Mark,
    /// How long the report is waited for.
    until: Instant,
    /// Who has asked whether the process runs.
    askers: Vec<(Arc<Outbox>, u32)>,
}

impl<'a, D: Door, P: Processes> Hearing<'a, D, P> {
    /// A hearing without a door yet.
    pub fn new(
        processes: P,
        outboxes: &'a mut Vec<Arc<Outbox>>,
        interest: Interest,
        stats: &'a Stats,
    ) -> Self {
        Self {
            door: None,
            processes,
            outboxes,
            interest,
            table: ProcessTable::default(),
            descent: Descent::default(),
            resync: Resync::new(Instant::now()),
            liveness: Liveness::default(),
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
    pub fn adopt(&mut self, door: Option<D>) {
        // A new socket counts from zero: what it has dropped since is not to be overlooked.
        self.drops = DropCounter::default();
        // What came out of the old one proves nothing of the new one; that it is gone is made right with the rest.
        self.batch = Batch::default();
        self.door = door;
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
    /// See [`Hearing::drain`].
    pub fn catch_up(&mut self, now_ns: u64) -> Result<(), Error> {
        // The limit is for a flood of what is not the kernel's, and has no time.
        self.read(1 << 20, now_ns)
    }

    fn read(&mut self, turn: usize, until_ns: u64) -> Result<(), Error> {
        let read = self.receive(turn, until_ns);
        self.hand_on(!matches!(read, Ok(false)) || !self.answers.is_empty());
        for (outbox, id) in self.answers.drain(..) {
            outbox.notify(Notice::Watched { id, watch: Watch::Gone });
        }
        if let Some(Ok(drops)) = self.door.as_ref().map(Door::drops) {
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
            let Some(door) = &self.door else { break };
            if until_ns == u64::MAX && self.asked.load(Ordering::Acquire) > self.answered {
                return Ok(false);
            }
            if let Some(datagram) = self.batch.pop() {
                heard += 1;
                match datagram.message() {
                    Some(message) => self.hear(message),
                    None => self.stats.rejected.count(),
                }
                // The kernel takes the time of an event before it queues it: whatever was queued by then is ahead of this.
                if self.last.2 >= until_ns && !self.table.may_take_back_after(until_ns, self.last.2) {
                    return Ok(false);
                }
            } else if nothing_is_left && !self.owes_receive {
                door.exhausted();
                return Ok(true);
            } else {
                self.owes_receive = false;
                match door.receive(&mut self.batch) {
                    Ok(is_all) => nothing_is_left = is_all,
                    Err(Errno::INTR) => {}
                    // A loss. Where the drop counter does not tell how great it is, it is one at least.
                    Err(Errno::NOBUFS) => {
                        if door.drops().is_err() {
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
    fn hand_on(&mut self, nothing_is_left: bool) {
        if self.events.is_empty() {
            return;
        }
        let kept = std::mem::take(&mut self.kept);
        let mut unsure = Vec::new();
        if !nothing_is_left {
            let table = &self.table;
            unsure.extend(self.events.extract_if(kept.., |event| table.may_take_back(event)));
        }
        self.outboxes.iter().for_each(|outbox| outbox.push(&self.events));
        self.events.clear();
        self.table.keep_unsure(&unsure);
        let table = &self.table;
        self.descent.forget_the_dead(|pid| table.is_unsure(pid));
        self.kept = unsure.len();
        self.events.append(&mut unsure);
    }

    fn hear(&mut self, datagram: &[u8]) {
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
            ProcEvent::Comm { .. } if !self.interest.kinds.has(EventType::Comm) => return,
            _ => stats.events.count(),
        }
        let first = self.events.len();
        let mut seen = None;
        match message.event {
            ProcEvent::Fork { parent_tgid, child_pid, child_tgid, .. } if child_pid == child_tgid => {
                self.descent.born(child_tgid as u32, parent_tgid as u32, message.timestamp_ns);
            }
            ProcEvent::Exec { process_tgid, .. } => {
                stats.exec.count();
                let pid = process_tgid as u32;
                self.processes.forget(pid);
                let fields = self.interest.fields;
                self.descent.execed(pid);
                let Message { seq, cpu, timestamp_ns, .. } = message;
                let exec = Exec { pid, cpu, seq, timestamp_ns };
                if !fields.is_empty() {
                    seen = Some(self.processes.capture(exec, fields));
                    self.owes_receive = true;
                } else if self.table.needs_identity(pid, timestamp_ns) {
                    seen = Some(Sighting { process: None, ..self.processes.capture(exec, fields) });
                }
                let parent = seen.as_ref().filter(|seen| seen.start_time != 0).map(|seen| seen.ppid);
                self.descent.has_parent(pid, parent, message.timestamp_ns);
            }
            ProcEvent::Exit { process_tgid, exit_code, parent_tgid, .. } => {
                stats.exit.count();
                let pid = process_tgid as u32;
                if let Some((seen, is_awaited)) = self.goes_on(pid, &message) {
                    let left = Leaving {
                        timestamp_ns: message.timestamp_ns,
                        status: Some(ExitStatus(exit_code)),
                        ppid: known_pid(parent_tgid),
                        is_awaited,
                        ..Leaving::default()
                    };
                    self.table.leader_left(pid, left, &seen, &mut self.events);
                    self.count_ignored();
                    self.mark(first);
                    return;
                }
                if self.table.is_late_exit(pid, message.timestamp_ns) {
                    let Message { seq, cpu, timestamp_ns, .. } = message;
                    // A zombie still has its creation time, which tells a process from the one before.
                    let exited = self.processes.capture(Exec { pid, cpu, seq, timestamp_ns }, Fields::NONE);
                    if exited.start_time != 0 {
                        self.table.expect_exit_of_created(pid, exited.start_ns);
                    }
                }
                self.table.apply(&message, None, &mut self.events);
                self.count_ignored();
                self.owes_receive |= self.table.is_unsure(pid);
                self.descent.has_parent(pid, known_pid(parent_tgid), message.timestamp_ns);
                self.mark(first);
                if self.recent.len() == RECENT_MAX {
                    self.recent.pop_front();
                }
                self.recent.push_back((pid, message.timestamp_ns, ExitStatus(exit_code)));
                // It may have been the late report of an earlier process with this pid.
                if !self.table.knows(pid) {
                    if let Some(expected) = self.expected.remove(&pid) {
                        self.answers.extend(expected.askers);
                    }
                    self.processes.forget(pid);
                    self.descent.exited(pid);
                }
                return;
            }
            _ => {}
        }
        self.table.apply(&message, seen, &mut self.events);
        self.count_ignored();
        self.mark(first);
    }

    fn count_ignored(&mut self) {
        let ignored = self.table.take_ignored();
        if ignored > 0 {
            self.stats.ignored.add(ignored);
        }
    }

    /// Marks the events that have been added since there were `count`: one of those before may be gone instead.
    fn mark(&mut self, count: usize) {
        let first = count.min(self.events.len().saturating_sub(1));
        self.descent.mark(&mut self.events[first..]);
    }

    /// The process, if this exit may only be that of its leader, and whether its end is awaited since.
    fn goes_on(&mut self, pid: u32, exit: &Message) -> Option<(Sighting, bool)> {
        if !self.processes.can_tell() {
            return None;
        }
        let pidfd = match self.processes.presence(pid) {
            Presence::Ended => return None,
            Presence::Unclear => None,
            Presence::Runs(pidfd) => Some(pidfd),
        };
        let seen = self.processes.sight(pid, Fields::NONE);
        // One that was created later has only inherited the pid.
        if seen.as_ref().is_some_and(|seen| seen.start_ns > exit.timestamp_ns) {
            return None;
        }
        let is_awaited = self.await_end(pid, pidfd);
        if seen.is_none() || !is_awaited {
            self.resync.doubt();
        }
        // It may be hidden from this user.
        Some((seen.unwrap_or(Sighting { pid, ..Sighting::default() }), is_awaited))
    }

    /// Awaits the end of a process; false where that cannot be done. Then no earlier process with this pid is awaited any
    /// more, whose end would be taken for that of this one.
    fn await_end(&mut self, pid: u32, pidfd: Option<P::Pidfd>) -> bool {
        let is_awaited = pidfd.is_some_and(|pidfd| self.processes.await_end(pid, pidfd).is_ok());
        if !is_awaited {
            self.processes.forget(pid);
        }
        is_awaited
    }

    /// Processes whose end was awaited have ended.
    ///
    /// # Errors
    /// See [`Hearing::drain`].
    pub fn conclude(&mut self, pids: &[u32], now: Instant, now_ns: u64) -> Result<(), Error> {
        let noticed = self.table.mark();
        // If the kernel has reported it, that is what counts.
        self.catch_up(now_ns)?;
        for &pid in pids {
            let status = self.processes.exit_status(pid);
            // Not so if the pid has been given away since, and the end of the next one is awaited.
            let first = self.events.len();
            if self.table.ended(pid, noticed, now_ns, status, &mut self.events) {
                self.mark(first);
                self.descent.exited(pid);
                self.processes.forget(pid);
            } else if self.table.knows(pid) {
                self.expect(pid, noticed, now);
            }
        }
        self.hand_on(true);
        Ok(())
    }

    fn expect(&mut self, pid: u32, noticed: Mark, now: Instant) -> &mut Expected {
        let until = now + GRACE;
        self.expected.entry(pid).or_insert_with(|| Expected { noticed, until, askers: Vec::new() })
    }

    /// When a report that is expected is waited for no longer.
    pub fn expected_until(&self) -> Option<Instant> {
        let reports = self.expected.values().map(|expected| expected.until);
        reports.chain(self.watch_requests.iter().map(|request| request.due)).min()
    }

    /// Ends the wait for reports that have not come.
    ///
    /// # Errors
    /// See [`Hearing::drain`].
    pub fn conclude_expected(&mut self, now: Instant, now_ns: u64) -> Result<(), Error> {
        if self.expected_until().is_none_or(|until| until > now) {
            return Ok(());
        }
        self.answer_watch_requests(now, now_ns)?;
        self.catch_up(now_ns)?;
        let overdue: Vec<_> = self.expected.extract_if(|_, expected| expected.until <= now).collect();
        for (pid, Expected { noticed, askers, .. }) in overdue {
            let status = self.processes.exit_status(pid);
            let first = self.events.len();
            self.table.unreported(pid, noticed, now_ns, status, &mut self.events);
            if !self.table.knows(pid) {
                self.mark(first);
                self.descent.exited(pid);
                self.processes.forget(pid);
            }
            self.hand_on(true);
            for (outbox, id) in askers {
                outbox.notify(Notice::Watched { id, watch: Watch::Gone });
            }
        }
        Ok(())
    }

    /// Tells `outbox` whether a process is running; if so, its end is told in any case. A failure leaves the request to
    /// [`Hearing::conclude_expected`].
    ///
    /// # Errors
    /// See [`Hearing::drain`].
    pub fn watch(
        &mut self,
        outbox: Arc<Outbox>,
        id: u32,
        pid: u32,
        (now, now_ns): (Instant, u64),
    ) -> Result<(), Error> {
        self.watch_requests.push_back(WatchRequest { outbox, id, pid, due: now });
        self.answer_watch_requests(now, now_ns)
    }

    fn answer_watch_requests(&mut self, now: Instant, now_ns: u64) -> Result<(), Error> {
        while !self.watch_requests.is_empty() {
            // An earlier process with this pid has ended before the answer.
            self.catch_up(now_ns)?;
            self.hand_on(true);
            if let Some(request) = self.watch_requests.pop_front() {
                self.answer_watch_request(request, now, now_ns);
            }
        }
        Ok(())
    }

    fn answer_watch_request(
        &mut self,
        WatchRequest { outbox, id, pid, due: _ }: WatchRequest,
        now: Instant,
        now_ns: u64,
    ) {
        let seen = self.processes.sight(pid, self.interest.fields);
        let presence = self.processes.presence(pid);
        let is_running = match presence {
            _ if !self.processes.can_tell() => seen.is_some(),
            Presence::Runs(pidfd) => {
                // Without it, the kernel's report, or a snapshot, tells.
                if !self.await_end(pid, Some(pidfd)) {
                    self.resync.doubt();
                }
                true
            }
            Presence::Ended => false,
            Presence::Unclear => seen.is_some(),
        };
        if !is_running && self.table.knows(pid) && self.door.is_some() {
            let noticed = self.table.mark();
            self.expect(pid, noticed, now).askers.push((outbox, id));
            return;
        }
        if is_running {
            let seen = seen.unwrap_or(Sighting { pid, never_execed: true, ..Sighting::default() });
            self.table.watch(&seen, now_ns, &mut self.events);
            self.hand_on(true);
        }
        let watch = if is_running { Watch::Runs } else { self.how_it_ended(pid, now_ns) };
        outbox.notify(Notice::Watched { id, watch });
    }

    /// Nobody can know of a process that ends at once before it has ended: so who asks is told how.
    fn how_it_ended(&mut self, pid: u32, now_ns: u64) -> Watch {
        let is_it =
            |exit: &&(u32, u64, ExitStatus)| exit.0 == pid && now_ns.saturating_sub(exit.1) < RECENT_NS;
        if let Some(&(pid, timestamp_ns, status)) = self.recent.iter().rev().find(is_it) {
            return Watch::Ended { pid, timestamp_ns, status: Some(status) };
        }
        let uncollected = |status| Watch::Ended { pid, timestamp_ns: now_ns, status };
        self.processes.corpse(pid).map_or(Watch::Gone, uncollected)
    }

    /// Whether a snapshot is to be taken now, and then given to [`Hearing::settle`].
    ///
    /// # Errors
    /// See [`Hearing::drain`].
    pub fn begin_snapshot_if_due(&mut self, now: Instant, now_ns: u64) -> Result<bool, Error> {
        if !self.resync.is_due(now) {
            return Ok(false);
        }
        // What was dropped had no room behind what waits. Heard only after the snapshot has begun, that would count as
        // newer than it, and what is missing there as alive.
        self.catch_up(now_ns)?;
        self.resync.begin(now, &mut self.table, &mut self.descent);
        Ok(true)
    }

    /// Makes the table right by a snapshot, at once or, by [`Hearing::settle_if_due`], a little later.
    ///
    /// # Errors
    /// See [`Hearing::drain`]; or where the very first snapshot could not be taken.
    pub fn settle(
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
            Ok(snapshot) if self.door.is_some() => match self.resync.put_off(snapshot, now, &self.table) {
                Some(snapshot) => Ok(snapshot),
                None => return Ok(()),
            },
            other => other,
        };
        self.make_right(snapshot, now, now_ns)
    }

    /// Makes the table right by the snapshot that was put off, if its time has come.
    ///
    /// # Errors
    /// See [`Hearing::drain`].
    pub fn settle_if_due(&mut self, now: Instant, now_ns: u64) -> Result<(), Error> {
        let Some(snapshot) = self.resync.take_put_off(now) else { return Ok(()) };
        if let Err(error) = self.catch_up(now_ns) {
            self.resync.abandon();
            return Err(error);
        }
        self.make_right(Ok(snapshot), now, now_ns)
    }

    fn make_right(
        &mut self,
        mut snapshot: Result<Snapshot, Error>,
        now: Instant,
        now_ns: u64,
    ) -> Result<(), Error> {
        // What is still kept back is older.
        self.hand_on(true);
        let Self { resync, table, descent, processes, outboxes, stats, .. } = self;
        let can_tell = processes.can_tell();
        if let Ok(snapshot) = &mut snapshot
            && !can_tell
        {
            snapshot.sightings.retain(|sighting| !sighting.leader_left);
        }
        let mut is_in_doubt = false;
        let unread =
            snapshot.as_mut().map_or_else(|_| Vec::new(), |snapshot| std::mem::take(&mut snapshot.unread));
        let look_again = |pid| match processes.presence(pid) {
            _ if !can_tell => Again::HasEnded,
            Presence::Ended => Again::HasEnded,
            Presence::Runs(_) if processes.sight(pid, Fields::NONE).is_some() => Again::IsAnother,
            Presence::Runs(_) => Again::Stays,
            Presence::Unclear => {
                is_in_doubt = true;
                Again::Stays
            }
        };
        resync.settle(snapshot, (now, now_ns), (table, descent), look_again, outboxes, stats)?;
        // A process that was listed and could not be read, and that is not known, is to be found by the next snapshot.
        for pid in unread.into_iter().filter(|pid| !table.knows(*pid)) {
            match processes.presence(pid) {
                _ if !can_tell => {}
                Presence::Ended => {}
                Presence::Runs(_) => resync.owe(),
                Presence::Unclear => is_in_doubt = true,
            }
        }
        if is_in_doubt {
            resync.doubt();
        }
        if self.door.is_some() && can_tell {
            self.await_leaderless();
        }
        Ok(())
    }

    /// Watches those whose leader was seen to have left: it may have done so before it could be heard, or unheard.
    fn await_leaderless(&mut self) {
        let leaderless: Vec<_> = self.table.leaderless().collect();
        for (pid, start_time) in leaderless {
            let pidfd = match self.processes.presence(pid) {
                Presence::Runs(pidfd) => {
                    let seen = self.processes.sight(pid, Fields::NONE);
                    Some(pidfd).filter(|_| seen.is_some_and(|seen| seen.start_time == start_time))
                }
                Presence::Ended | Presence::Unclear => None,
            };
            let is_watched = self.await_end(pid, pidfd);
            // If it has ended, that may be reported yet; else the next snapshot tells.
            if is_watched { self.table.is_awaited(pid) } else { self.resync.doubt() }
        }
    }
}
