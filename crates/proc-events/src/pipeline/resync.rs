//! When a snapshot is taken, and what follows from it: for the scan at the start, for details that are newly wanted,
//! and to make right what was lost. Time is an argument; the caller takes the snapshot.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::delivery::queue::SubscriberQueue;
use crate::error::Error;
use crate::model::event::{Origin, ProcessEvent};
use crate::model::notification::{LossCause, LossReport, Notification};
use crate::model::snapshot::Snapshot;
use crate::model::stream_position::StreamPosition;
use crate::process::ancestry::AncestryTracker;
use crate::process::table::{ProcessTable, Repairs};
use crate::stats::Stats;

/// Between two resyncs at least; and at least this many times what the last one took, so that under a storm without end
/// most of the time is left for the storm.
const MIN_RESYNC_INTERVAL: Duration = Duration::from_millis(50);
const RESYNC_BACKOFF_FACTOR: u32 = 4;

/// How long the kernel is given to report what a snapshot shows already: it does so only once the new program, or the
/// absence of the process, can be seen, and may be interrupted in between.
pub(crate) const REPORT_GRACE: Duration = Duration::from_millis(50);

/// After a snapshot that has left something open for want of means, the next one is taken this much later.
const RECHECK_DELAY: Duration = Duration::from_secs(1);

/// The longest time between two snapshots.
const AUDIT_INTERVAL: Duration = Duration::from_secs(300);

/// The reasons to take a snapshot, and what it is owed to while it is being taken.
#[expect(clippy::struct_excessive_bools, reason = "each is a reason of its own")]
#[derive(Debug)]
pub struct Resync {
    in_flight: Option<InFlightSnapshot>,
    /// Who wants to be told of every running process.
    requesters: Vec<(Arc<SubscriberQueue>, u32)>,
    refresh_wanted: bool,
    /// The last snapshot could not be taken, or has left something open.
    is_owed: bool,
    /// Something could not be told for want of means, which may be there a little later.
    recheck_wanted: bool,
    /// Events known to be lost, of which no snapshot has been begun since.
    lost: u64,
    loss_ledger: LossLedger,
    not_before: Instant,
    /// Between the starts of two snapshots, where they are the source of events.
    polling: Option<Duration>,
    /// Whether the table has been made equal to a snapshot once: before that, nothing in it can be missing.
    is_complete: bool,
}

/// A second look at a process that a snapshot does not show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recheck {
    /// It is gone.
    Exited,
    /// It is hidden from this user, or it cannot be told whether it is gone.
    Keep,
    /// Another one has the pid by now.
    PidReused,
}

/// Since the start: how many losses were counted, how many were made right, and of how many was told. What could be
/// made right was lost, even where nothing has counted it; and what was told of is not told of again.
#[derive(Debug, Default)]
struct LossLedger {
    counted: u64,
    repaired: u64,
    reported: u64,
}

impl LossLedger {
    /// Of how many losses is to be told.
    fn take_unreported(&mut self) -> u64 {
        let lost = self.counted.max(self.repaired).saturating_sub(self.reported);
        self.reported += lost;
        lost
    }
}

#[derive(Debug)]
struct InFlightSnapshot {
    began: StreamPosition,
    started: Instant,
    requesters: Vec<(Arc<SubscriberQueue>, u32)>,
    lost: u64,
    /// How long it took, once it is complete.
    took: Option<Duration>,
    /// What it has shown, and when that is to be settled.
    deferred: Option<(Snapshot, Instant)>,
}

impl Resync {
    /// Without any reason yet.
    #[must_use]
    pub const fn new(now: Instant) -> Self {
        Self {
            in_flight: None,
            requesters: Vec::new(),
            refresh_wanted: false,
            is_owed: false,
            recheck_wanted: false,
            lost: 0,
            loss_ledger: LossLedger { counted: 0, repaired: 0, reported: 0 },
            not_before: now,
            polling: None,
            is_complete: false,
        }
    }

    /// From now on, snapshots are the source of events.
    pub const fn poll_every(&mut self, interval: Duration, now: Instant) {
        self.polling = Some(interval);
        self.not_before = now;
    }

    /// Has every running process reported to `queue`.
    pub fn request_scan(&mut self, queue: Arc<SubscriberQueue>, id: u32) {
        self.requesters.push((queue, id));
    }

    /// Has the details of every running process read again.
    pub const fn request_refresh(&mut self) {
        self.refresh_wanted = true;
    }

    /// Events were lost.
    pub const fn lost(&mut self, events: u64) {
        self.lost += events;
        self.loss_ledger.counted += events;
    }

    /// A process could not be read though it runs: the next snapshot is taken soon.
    pub const fn require_another(&mut self) {
        self.is_owed = true;
    }

    /// Compares the table with `/proc` even without a reason if that was not done for [`AUDIT_INTERVAL`]: the kernel counts
    /// no loss where it had no memory for a message.
    pub fn audit(&mut self, now: Instant) {
        self.refresh_wanted |= self.is_complete && now >= self.not_before + AUDIT_INTERVAL;
    }

    /// Something could not be told for want of means: a later snapshot may.
    pub const fn schedule_recheck(&mut self) {
        self.recheck_wanted = true;
    }

    /// When the next snapshot is to begin, or the last one to be settled, if that has to wait.
    pub fn due(&self) -> Option<Instant> {
        if let Some(in_flight) = &self.in_flight {
            return in_flight.deferred.as_ref().map(|(_, until)| *until);
        }
        let has_reason = self.lost > 0 || self.is_owed || self.polling.is_some() && self.is_complete;
        let later = self.recheck_wanted.then_some(self.not_before + RECHECK_DELAY);
        has_reason.then_some(self.not_before).or(later)
    }

    /// Whether a snapshot is to be taken now.
    #[must_use]
    pub fn is_due(&self, now: Instant) -> bool {
        let is_due = self.due().is_some_and(|due| due <= now);
        self.in_flight.is_none() && (is_due || self.is_asked_for())
    }

    /// Whether one is to be taken now or later.
    pub fn has_reason(&self) -> bool {
        self.is_asked_for() || self.due().is_some()
    }

    /// After a failure, whoever asks has to wait, too.
    fn is_asked_for(&self) -> bool {
        !self.is_owed && (self.refresh_wanted || !self.requesters.is_empty())
    }

    /// A snapshot is being taken from now on, and is then to be given to [`Resync::finish_snapshot`].
    pub fn begin(&mut self, now: Instant, table: &mut ProcessTable, ancestry: &mut AncestryTracker) {
        self.refresh_wanted = false;
        self.is_owed = false;
        self.recheck_wanted = false;
        ancestry.begin_snapshot();
        self.in_flight = Some(InFlightSnapshot {
            began: table.begin_snapshot(),
            started: now,
            requesters: std::mem::take(&mut self.requesters),
            lost: std::mem::take(&mut self.lost),
            took: None,
            deferred: None,
        });
    }

    /// Gives the snapshot back if it can be settled now. If it shows what the kernel was to report but has not, the kernel
    /// is given the time to do so.
    pub fn defer_snapshot(
        &mut self,
        snapshot: Snapshot,
        now: Instant,
        table: &ProcessTable,
    ) -> Option<Snapshot> {
        let Some(in_flight) = &mut self.in_flight else { return Some(snapshot) };
        in_flight.took = Some(now.saturating_duration_since(in_flight.started));
        let (began, is_first) = (in_flight.began, !self.is_complete);
        // What the first one shows is new without having been missed.
        let is_as_reported = if is_first {
            table.missing(&snapshot, began).is_empty()
        } else {
            table.agrees_with(&snapshot, began)
        };
        if is_as_reported {
            return Some(snapshot);
        }
        in_flight.deferred = Some((snapshot, now + REPORT_GRACE));
        None
    }

    /// The snapshot that was put off until now.
    pub fn take_deferred(&mut self, now: Instant) -> Option<Snapshot> {
        let deferred = &mut self.in_flight.as_mut()?.deferred;
        Some(deferred.take_if(|(_, until)| *until <= now)?.0)
    }

    /// Forgets the snapshot that is being taken, but not what it is to be taken for.
    pub fn abandon(&mut self) {
        if let Some(in_flight) = self.in_flight.take() {
            self.lost += in_flight.lost;
            self.requesters.extend(in_flight.requesters);
            self.is_owed = true;
        }
    }

    /// Makes the table right. Every message that was sent before the snapshot was complete must be in it.
    ///
    /// # Errors
    /// Where the snapshot could not be taken, and somebody has asked for it.
    pub fn finish_snapshot(
        &mut self,
        snapshot: Result<Snapshot, Error>,
        (now, now_ns): (Instant, u64),
        (table, ancestry): (&mut ProcessTable, &mut AncestryTracker),
        mut recheck: impl FnMut(u32) -> Recheck,
        queues: &[Arc<SubscriberQueue>],
        stats: &Stats,
    ) -> Result<(), Error> {
        let Some(in_flight) = &self.in_flight else { return Ok(()) };
        let took = in_flight.took.unwrap_or_else(|| now.saturating_duration_since(in_flight.started));
        self.not_before = match self.polling {
            Some(interval) => in_flight.started + interval.max(took * 2),
            None => now + MIN_RESYNC_INTERVAL.max(took * RESYNC_BACKOFF_FACTOR),
        };
        let snapshot = match snapshot {
            Ok(snapshot) => snapshot,
            Err(error) => {
                stats.process_scan_failed.count();
                // Without a first scan there is nothing to go on with; later, the next attempt may succeed.
                let is_first = !self.is_complete && !in_flight.requesters.is_empty();
                self.abandon();
                return if is_first { Err(error) } else { Ok(()) };
            }
        };
        let Some(mut in_flight) = self.in_flight.take() else { return Ok(()) };
        let mut ended = table.missing(&snapshot, in_flight.began);
        ended.retain(|&pid| {
            let again = recheck(pid);
            self.is_owed |= again == Recheck::PidReused;
            again == Recheck::Exited
        });
        let mut events = Vec::new();
        let origin = if self.polling.is_some() { Origin::Polling } else { Origin::Resync };
        let shown = (!ancestry.is_idle()).then(|| snapshot.clone());
        let repairs = table.reconcile(snapshot, in_flight.began, &ended, origin, now_ns, &mut events);
        if let Some(shown) = shown {
            let (exits, execs) = events.split_at_mut(repairs.exits as usize);
            ancestry.tag(exits);
            ancestry.reconcile(&shown);
            ancestry.tag(execs);
        }
        for queue in queues {
            queue.repair(&events);
        }
        // What the first one finds was not lost, but there before.
        let mut repairs = if self.is_complete { repairs } else { Repairs::default() };
        if self.polling.is_some() {
            let total = |count: u32| u64::from(count);
            stats.exec.add(total(repairs.execs));
            stats.exit.add(total(repairs.exits));
            stats.events.add(total(repairs.execs) + total(repairs.exits));
            // What happened between two snapshots is not lost, but told in its turn.
            repairs = Repairs::default();
        }
        self.loss_ledger.repaired += u64::from(repairs.execs) + u64::from(repairs.exits);
        let lost = self.loss_ledger.take_unreported();
        // What was lost since this snapshot began is told of now, but only the next one makes it right.
        self.is_owed |= std::mem::take(&mut self.lost) > 0;
        if lost > 0 || repairs != Repairs::default() {
            stats.resync.count();
            let loss = LossReport {
                cause: LossCause::Socket,
                lost,
                recovered_execs: repairs.execs,
                recovered_exits: repairs.exits,
            };
            for queue in queues {
                queue.notify(Notification::Loss(loss));
            }
        }
        self.is_complete = true;
        for (queue, id) in in_flight.requesters.drain(..) {
            // What it was told live since it joined it knows; but who asks later asks for everything.
            let since = if queue.awaiting_scan() { queue.joined() } else { table.position() };
            let found = |event: ProcessEvent| ProcessEvent { ancestry: ancestry.of(event.pid), ..event };
            queue.deliver_scan(table.running(since, now_ns).map(found), id);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connector::wire::{self, what};
    use crate::model::event::ExitStatus;

    #[test]
    fn the_kernel_is_given_time_to_report_what_is_gone() {
        let (start, mut table, mut events) = (Instant::now(), ProcessTable::default(), Vec::new());
        let mut heard = |table: &mut ProcessTable, kind, now_ns, words: &[u32]| {
            let message = wire::parse(&wire::datagram(kind, 0, now_ns, words)).ok();
            table.apply(&message.expect("a datagram of a known kind"), None, &mut events);
        };
        heard(&mut table, what::PROC_EVENT_EXEC, 1, &[7, 7]);
        let mut resync = Resync::new(start);
        resync.lost(1);
        let mut ancestry = AncestryTracker::default();
        assert!(resync.is_due(start));
        resync.begin(start, &mut table, &mut ancestry);
        assert!(resync.defer_snapshot(Snapshot::default(), start, &table).is_none());
        let until = resync.due().expect("a snapshot that was put off has its time");
        assert!(resync.take_deferred(until.checked_sub(Duration::from_millis(1)).expect("later")).is_none());
        // What it says meanwhile counts, with the status that only it knows.
        heard(&mut table, what::PROC_EVENT_EXIT, 2, &[7, 7, 3 << 8, 17, 1, 1]);
        let snapshot = resync.take_deferred(until);
        let ended = |_| Recheck::Exited;
        let stats = Stats::default();
        resync
            .finish_snapshot(
                Ok(snapshot.expect("its time has come")),
                (until, 3),
                (&mut table, &mut ancestry),
                ended,
                &[],
                &stats,
            )
            .expect("nobody has asked");
        assert_eq!(events.len(), 2);
        assert!(matches!(
            events[1].data,
            crate::model::event::EventData::Exit { status: Some(ExitStatus(0x300)), .. }
        ));
    }
}
