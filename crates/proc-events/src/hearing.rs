//! From the socket to the outboxes: what a datagram says, whether that is the whole truth, and who is told. It asks the
//! machine through the traits of [`crate::door`] only, and takes time as an argument.

use std::io::ErrorKind;
use std::sync::Arc;

use neli::connector::ProcEvent;
use rustix::io::Errno;
use tokio::time::Instant;

use crate::door::{self, Door, Processes, Received};
use crate::error::{Error, ErrorCode};
use crate::event::{ExitStatus, ProcessEvent};
use crate::interest::{EventType, Fields, Interest};
use crate::liveness::Liveness;
use crate::loss::DropCounter;
use crate::outbox::Outbox;
use crate::procfs::{Sighting, Snapshot};
use crate::resync::{Again, Resync};
use crate::stats::Stats;
use crate::table::{Mark, ProcessTable, known_pid};
use crate::wire::{self, DATAGRAM_LEN, Message, Reject};

/// Datagrams read before what they say is handed on.
const BATCH: usize = 512;

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
    /// When it is compared with a snapshot.
    pub resync: Resync,
    pub(crate) liveness: Liveness,
    stats: &'a Stats,
    drops: DropCounter,
    /// The sequence number, CPU and time of the last message.
    last: (u32, u32, u64),
    /// What is to be handed on at the end of the batch; kept for its capacity.
    events: Vec<ProcessEvent>,
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
            resync: Resync::new(Instant::now()),
            liveness: Liveness::new(),
            stats,
            drops: DropCounter::default(),
            last: (0, 0, 0),
            events: Vec::with_capacity(BATCH),
        }
    }

    /// Takes a socket into service that was opened just now, or none.
    pub fn adopt(&mut self, door: Option<D>) {
        // A new socket counts from zero: what it has dropped since is not to be overlooked.
        self.drops = DropCounter::default();
        self.door = door;
    }

    /// Reads until nothing is left, or `turn` datagrams.
    ///
    /// # Errors
    /// [`ErrorCode::SourceFailed`]; what was read before it has been handed on.
    pub fn drain(&mut self, turn: usize) -> Result<(), Error> {
        let read = self.read(turn);
        self.hand_on();
        // What was dropped had no room behind what waited. The snapshot for its sake begins after all of that was read:
        // what is heard once it has begun counts as newer than it, and would not be missed there.
        let is_any_left = matches!(read, Ok(false));
        let drops = self.door.as_ref().filter(|_| !is_any_left).map(Door::drops);
        if let Some(Ok(drops)) = drops {
            let lost = u64::from(self.drops.observe(drops));
            self.stats.lost_socket.add(lost);
            self.resync.lost(lost);
        }
        read.map(|_| ())
    }

    /// Whether it has read all there was.
    fn read(&mut self, turn: usize) -> Result<bool, Error> {
        let mut datagram = [0; DATAGRAM_LEN];
        for read in 1..=turn {
            let Some(door) = &self.door else { return Ok(true) };
            match door::receive(|| door.recvfrom(&mut datagram)) {
                Ok(Received::Datagram(len)) => self.hear(&datagram[..len])?,
                Ok(Received::Foreign) => self.stats.rejected.count(),
                Ok(Received::Nothing) => {
                    door.exhausted();
                    return Ok(true);
                }
                // A loss, which the drop counter tells exactly.
                Err(Errno::NOBUFS) => {}
                Err(errno) => return Err(Error::new(ErrorCode::SourceFailed, "recvfrom", errno)),
            }
            if read % BATCH == 0 {
                self.hand_on();
            }
        }
        Ok(false)
    }

    fn hand_on(&mut self) {
        if !self.events.is_empty() {
            self.outboxes.iter().for_each(|outbox| outbox.push(&self.events));
            self.events.clear();
        }
    }

    fn hear(&mut self, datagram: &[u8]) -> Result<(), Error> {
        self.liveness.heard();
        let stats = self.stats;
        let message = match wire::parse(datagram) {
            Ok(message) => message,
            Err(reject) => {
                match reject {
                    Reject::Malformed => stats.rejected.count(),
                    Reject::UnknownKind(_) => stats.ignored.count(),
                }
                return Ok(());
            }
        };
        // One that comes twice is told once.
        let identity = (message.seq, message.cpu, message.timestamp_ns);
        if std::mem::replace(&mut self.last, identity) == identity {
            stats.ignored.count();
            return Ok(());
        }
        match message.event {
            ProcEvent::Ack { .. } => return Ok(()),
            ProcEvent::Comm { .. } if !self.interest.kinds.has(EventType::Comm) => return Ok(()),
            _ => stats.events.count(),
        }
        let mut seen = None;
        match message.event {
            ProcEvent::Exec { process_tgid, .. } => {
                stats.exec.count();
                let pid = process_tgid as u32;
                self.processes.forget(pid);
                let fields = self.interest.fields;
                seen =
                    (!fields.is_empty()).then(|| self.processes.capture(pid, fields, message.timestamp_ns));
            }
            ProcEvent::Exit { process_tgid, exit_code, parent_tgid, .. } => {
                stats.exit.count();
                let pid = process_tgid as u32;
                if let Some(seen) = self.still_running(pid, &message)? {
                    let (status, ppid) = (ExitStatus(exit_code), known_pid(parent_tgid));
                    self.table.leader_left(pid, message.timestamp_ns, status, ppid, &seen, &mut self.events);
                    return Ok(());
                }
                self.table.apply(&message, None, &mut self.events);
                // It may have been the late report of an earlier process with this pid.
                if !self.table.knows(pid) {
                    self.processes.forget(pid);
                }
                return Ok(());
            }
            _ => {}
        }
        self.table.apply(&message, seen, &mut self.events);
        Ok(())
    }

    /// The process, if this exit is only that of its leader; its end is then awaited.
    fn still_running(&mut self, pid: u32, exit: &Message) -> Result<Option<Sighting>, Error> {
        // Where it cannot be told, the report is taken at its word.
        let Ok(Some(pidfd)) = self.processes.running(pid) else { return Ok(None) };
        // One that was created later has only inherited the pid.
        let same = self.processes.sight(pid, Fields::NONE).filter(|seen| seen.start_ns <= exit.timestamp_ns);
        if same.is_some() {
            self.await_end(pid, pidfd)?;
        }
        Ok(same)
    }

    /// Processes whose end was awaited have ended.
    ///
    /// # Errors
    /// See [`Hearing::drain`].
    pub fn conclude(&mut self, pids: &[u32], now_ns: u64) -> Result<(), Error> {
        let noticed = self.table.mark();
        // If the kernel has reported it, that is what counts.
        self.drain(usize::MAX)?;
        for &pid in pids {
            self.end(pid, noticed, now_ns);
        }
        self.hand_on();
        Ok(())
    }

    /// Whether a snapshot is to be taken now, and then given to [`Hearing::settle`].
    pub fn begin_snapshot_if_due(&mut self, now: Instant) -> bool {
        self.resync.begin_if_due(now, &mut self.table)
    }

    /// Makes the table right by a snapshot.
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
        if let Err(error) = self.drain(usize::MAX) {
            self.resync.abandon();
            return Err(error);
        }
        let Self { resync, table, processes, outboxes, stats, interest, .. } = self;
        let look_again = |pid| match processes.running(pid) {
            Ok(Some(_)) => Again::Runs(processes.sight(pid, interest.fields)),
            // For want of descriptors, say; where it can never be told, the snapshot is all there is.
            Err(error) if error.kind() != ErrorKind::Unsupported => Again::Runs(None),
            _ => Again::HasEnded,
        };
        resync.settle(snapshot, (now, now_ns), table, look_again, outboxes, stats)?;
        if self.door.is_some() { self.await_leaderless(now_ns) } else { Ok(()) }
    }

    /// Watches those whose leader was seen to have left: it may have done so before it could be heard, or unheard.
    fn await_leaderless(&mut self, now_ns: u64) -> Result<(), Error> {
        let leaderless: Vec<_> = self.table.leaderless().collect();
        for (pid, start_time) in leaderless {
            let running = self.processes.running(pid).ok().flatten();
            let seen = self.processes.sight(pid, Fields::NONE);
            match running.filter(|_| seen.is_some_and(|seen| seen.start_time == start_time)) {
                Some(pidfd) => self.await_end(pid, pidfd)?,
                None => self.end(pid, self.table.mark(), now_ns),
            }
        }
        self.hand_on();
        Ok(())
    }

    fn await_end(&mut self, pid: u32, pidfd: P::Pidfd) -> Result<(), Error> {
        let watched = self.processes.await_end(pid, pidfd);
        watched.map_err(|error| Error::unexpected("epoll_ctl a pidfd", &error))
    }

    fn end(&mut self, pid: u32, noticed: Mark, now_ns: u64) {
        let status = self.processes.exit_status(pid);
        self.processes.forget(pid);
        self.table.ended(pid, noticed, now_ns, status, &mut self.events);
    }
}
