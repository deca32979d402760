//! Decides when to take a `/proc` snapshot, and tracks the one in flight and its requesters. Time is an argument, and the
//! caller takes the snapshot.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::loss_ledger::LossLedger;
use super::reconcile::{Recheck, Target};
use crate::delivery::queue::SubscriberQueue;
use crate::error::Error;
use crate::model::event::Origin;
use crate::model::notification::{LossCause, LossReport, Notification};
use crate::model::now::Now;
use crate::model::snapshot::Snapshot;
use crate::model::stream_position::StreamPosition;
use crate::process::ancestry::AncestryTracker;
use crate::process::table::{ProcessTable, Repairs};
use crate::stats::Stats;

/// The least time between two resyncs.
const MIN_RESYNC_INTERVAL: Duration = Duration::from_millis(50);
/// The least time between two resyncs, as a multiple of what the last one took. In an endless storm, most of the time is
/// left for the storm.
const RESYNC_BACKOFF_FACTOR: u32 = 4;

/// Time that the kernel has to report what a snapshot shows. It reports an exec or exit only after `/proc` shows it, and may
/// be preempted in between.
pub(crate) const REPORT_GRACE: Duration = Duration::from_millis(50);

/// Delay of the next snapshot, if resources were missing to judge the last one.
const RECHECK_DELAY: Duration = Duration::from_secs(1);

/// The longest time between two snapshots.
const AUDIT_INTERVAL: Duration = Duration::from_secs(300);

/// Schedules snapshots, and reconciles the process table with them.
#[expect(clippy::struct_excessive_bools, reason = "each is a reason of its own")]
#[derive(Debug)]
pub struct Resync {
    in_flight: Option<InFlightSnapshot>,
    requesters: Vec<Requester>,
    refresh_wanted: bool,
    /// True if the last snapshot failed, or left a process unread.
    another_wanted: bool,
    /// True if resources were missing to judge a process. They may be available a little later.
    recheck_wanted: bool,
    /// Events lost since the last snapshot began.
    lost: u64,
    loss_ledger: LossLedger,
    /// The earliest time of the next snapshot that is taken for a loss or a process that could not be read.
    not_before: Instant,
    /// Set if there is no connector.
    polling: Option<Polling>,
    /// The time of the next snapshot that is taken without a reason of its own, if there is no connector.
    poll_due: Instant,
    /// True if scans report kernel threads.
    reports_kernel_threads: bool,
    /// True once the table was reconciled with a snapshot. Before that, no process can be missing from it.
    is_complete: bool,
}

/// How often a snapshot is taken without a connector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Polling {
    /// Snapshots are the only source of events. The time is that between the starts of two.
    Only(Duration),
    /// A thread of this program reports processes, and snapshots show what it has missed.
    Audit,
}

impl Polling {
    /// Returns the time between the starts of two snapshots that take as long as the last one `took`.
    fn interval(self, took: Duration) -> Duration {
        match self {
            Self::Only(interval) => interval.max(took * 2),
            // The thread looks for what it has missed by itself, and more often.
            Self::Audit => AUDIT_INTERVAL,
        }
    }
}

/// A subscriber that waits for a snapshot.
#[derive(Debug)]
struct Requester {
    queue: Arc<SubscriberQueue>,
    /// The id of the request.
    id: u32,
    /// True if the subscriber wants every running process, false if only the repairs.
    is_scan: bool,
}

#[derive(Debug)]
struct InFlightSnapshot {
    began: StreamPosition,
    started: Instant,
    requesters: Vec<Requester>,
    lost: u64,
    /// How long the snapshot took, once it is taken.
    took: Option<Duration>,
    /// The snapshot, and the time at which to reconcile it.
    deferred: Option<(Snapshot, Instant)>,
}

impl Resync {
    /// Returns a schedule without a reason for a snapshot.
    #[must_use]
    pub const fn new(now: Instant) -> Self {
        Self {
            in_flight: None,
            requesters: Vec::new(),
            refresh_wanted: false,
            another_wanted: false,
            recheck_wanted: false,
            lost: 0,
            loss_ledger: LossLedger::new(),
            not_before: now,
            polling: None,
            poll_due: now,
            reports_kernel_threads: false,
            is_complete: false,
        }
    }

    /// Takes snapshots regularly from now on. The first one follows at once, unless that is done already.
    pub fn poll(&mut self, polling: Polling, now: Instant) {
        if self.polling.replace(polling) != Some(polling) {
            (self.not_before, self.poll_due) = (now, now);
        }
    }

    /// Makes scans report kernel threads, or not.
    pub const fn report_kernel_threads(&mut self, reports: bool) {
        self.reports_kernel_threads = reports;
    }

    /// Requests that every running process is reported to `queue`.
    pub fn request_scan(&mut self, queue: Arc<SubscriberQueue>, id: u32) {
        self.requesters.push(Requester { queue, id, is_scan: true });
    }

    /// Requests [`Notification::Flushed`] for `queue` after the snapshot in flight, or after the next one if that is needed or
    /// requested.
    pub fn request_flush(&mut self, queue: Arc<SubscriberQueue>, id: u32) {
        let needs_next = self.needs_snapshot() || self.polling.is_some() || !self.requesters.is_empty();
        let requesters = match &mut self.in_flight {
            Some(in_flight) if !needs_next => &mut in_flight.requesters,
            _ => &mut self.requesters,
        };
        requesters.push(Requester { queue, id, is_scan: false });
    }

    /// Returns true if lost events are not repaired yet, requested details not read, or a requested scan not delivered.
    pub const fn is_catching_up(&self) -> bool {
        self.needs_snapshot() || self.in_flight.is_some() || !self.requesters.is_empty()
    }

    const fn needs_snapshot(&self) -> bool {
        self.lost > 0 || self.refresh_wanted || self.another_wanted
    }

    /// Requests that the missing details of every running process are read.
    pub const fn request_refresh(&mut self) {
        self.refresh_wanted = true;
    }

    /// Counts lost events.
    pub const fn lost(&mut self, events: u64) {
        self.lost += events;
        self.loss_ledger.count(events);
    }

    /// Requests another snapshot soon, because a running process could not be read.
    pub const fn require_another(&mut self) {
        self.another_wanted = true;
    }

    /// Requests a snapshot if the last one is older than [`AUDIT_INTERVAL`]. The kernel counts no loss if it had no memory
    /// for a message.
    pub fn audit(&mut self, now: Instant) {
        self.refresh_wanted |= self.is_complete && now >= self.not_before + AUDIT_INTERVAL;
    }

    /// Requests a snapshot after a delay, because resources were missing to judge a process.
    pub const fn schedule_recheck(&mut self) {
        self.recheck_wanted = true;
    }

    /// Returns the time at which the next snapshot is to begin, or the deferred one is to be reconciled.
    pub fn due(&self) -> Option<Instant> {
        if let Some(in_flight) = &self.in_flight {
            return in_flight.deferred.as_ref().map(|(_, until)| *until);
        }
        let repair = (self.lost > 0 || self.another_wanted).then_some(self.not_before);
        let recheck = self.recheck_wanted.then_some(self.not_before + RECHECK_DELAY);
        let poll = (self.polling.is_some() && self.is_complete).then_some(self.poll_due);
        repair.into_iter().chain(recheck).chain(poll).min()
    }

    /// Returns true if a snapshot is to begin now.
    #[must_use]
    pub fn is_due(&self, now: Instant) -> bool {
        let is_due = self.due().is_some_and(|due| due <= now);
        self.in_flight.is_none() && (is_due || self.is_requested())
    }

    /// Returns true if a snapshot is to be taken now or later.
    pub fn has_reason(&self) -> bool {
        self.is_requested() || self.due().is_some()
    }

    /// After a failed snapshot, requests wait for the next one, too.
    fn is_requested(&self) -> bool {
        !self.another_wanted && (self.refresh_wanted || !self.requesters.is_empty())
    }

    /// Records that a snapshot begins. It is to be passed to [`Resync::finish_snapshot`].
    pub fn begin(&mut self, now: Instant, table: &mut ProcessTable, ancestry: &mut AncestryTracker) {
        self.refresh_wanted = false;
        self.another_wanted = false;
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

    /// Returns the snapshot if it can be reconciled now. If it shows what the kernel has not reported yet, keeps it for
    /// [`REPORT_GRACE`], so that the kernel can report it.
    pub fn defer_snapshot(
        &mut self,
        snapshot: Snapshot,
        now: Instant,
        table: &ProcessTable,
    ) -> Option<Snapshot> {
        let Some(in_flight) = &mut self.in_flight else { return Some(snapshot) };
        in_flight.took = Some(now.saturating_duration_since(in_flight.started));
        let (began, is_first) = (in_flight.began, !self.is_complete);
        // Processes that the first snapshot shows are new without having been missed.
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

    /// Returns the deferred snapshot, if its time has come.
    pub fn take_deferred(&mut self, now: Instant) -> Option<Snapshot> {
        let deferred = &mut self.in_flight.as_mut()?.deferred;
        Some(deferred.take_if(|(_, until)| *until <= now)?.0)
    }

    /// Discards the snapshot in flight, and keeps the reasons for it.
    pub fn abandon(&mut self) {
        if let Some(in_flight) = self.in_flight.take() {
            self.lost += in_flight.lost;
            self.requesters.extend(in_flight.requesters);
            self.another_wanted = true;
        }
    }

    /// Reconciles the table with the snapshot, and reports repairs and losses. All messages that were sent before the
    /// snapshot ended must be in the table. `recheck` checks a process that the snapshot lacks.
    ///
    /// # Errors
    /// If the first snapshot failed, and a subscriber waits for it.
    pub fn finish_snapshot(
        &mut self,
        snapshot: Result<Snapshot, Error>,
        now: Now,
        mut target: Target<'_>,
        mut recheck: impl FnMut(u32) -> Recheck,
    ) -> Result<(), Error> {
        let Some(in_flight) = &self.in_flight else { return Ok(()) };
        let took = in_flight.took.unwrap_or_else(|| now.instant.saturating_duration_since(in_flight.started));
        self.not_before = now.instant + MIN_RESYNC_INTERVAL.max(took * RESYNC_BACKOFF_FACTOR);
        self.poll_due =
            in_flight.started + self.polling.map_or(AUDIT_INTERVAL, |polling| polling.interval(took));
        let snapshot = match snapshot {
            Ok(snapshot) => snapshot,
            Err(error) => {
                target.stats.process_scan_failed.count();
                // Without a first scan the reader cannot go on. Later, the next attempt may succeed.
                let is_first = !self.is_complete && !in_flight.requesters.is_empty();
                self.abandon();
                return if is_first { Err(error) } else { Ok(()) };
            }
        };
        let Some(mut in_flight) = self.in_flight.take() else { return Ok(()) };
        let mut exited = target.table.missing(&snapshot, in_flight.began);
        exited.retain(|&pid| {
            let result = recheck(pid);
            self.another_wanted |= result == Recheck::PidReused;
            result == Recheck::Exited
        });
        // With the `/proc` source, its events are not repairs, unless records were lost.
        let is_repair = self.polling.is_none() || in_flight.lost > 0;
        let origin = if is_repair { Origin::Resync } else { Origin::Polling };
        let repairs = target.reconcile(snapshot, in_flight.began, &exited, origin, now.monotonic_ns);
        let Target { table, ancestry, queues, stats, usage: _ } = target;
        self.report(repairs, is_repair, queues, stats);
        self.is_complete = true;
        for Requester { queue, id, is_scan } in in_flight.requesters.drain(..) {
            if !is_scan {
                queue.notify(Notification::Flushed { id });
                continue;
            }
            // A subscriber waiting for its bootstrap scan already received all events since it joined. A later scan request
            // gets every process.
            let since = if queue.awaiting_scan() { queue.joined() } else { table.position() };
            let running = table.running(since, now.monotonic_ns, self.reports_kernel_threads);
            queue.deliver_scan(running.map(|event| ancestry.tag(event)), id);
        }
        Ok(())
    }

    /// Counts the repairs, and reports a loss if there was one.
    fn report(&mut self, repairs: Repairs, is_repair: bool, queues: &[Arc<SubscriberQueue>], stats: &Stats) {
        let (execs, exits) = (u64::from(repairs.execs), u64::from(repairs.exits));
        if self.is_complete && !is_repair {
            stats.exec.add(execs);
            stats.exit.add(exits);
            stats.events.add(execs + exits);
        }
        let repairs = match (is_repair, self.is_complete) {
            (false, _) => Repairs::default(),
            // Processes that the first snapshot finds ran before.
            (true, false) => Repairs { execs: 0, ..repairs },
            (true, true) => repairs,
        };
        self.loss_ledger.repair(u64::from(repairs.execs) + u64::from(repairs.exits));
        let lost = self.loss_ledger.take_unreported();
        // Losses since this snapshot began are reported now, and repaired by the next one.
        self.another_wanted |= std::mem::take(&mut self.lost) > 0;
        if lost == 0 && repairs == Repairs::default() {
            return;
        }
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connector::wire::{self, what};
    use crate::model::event::ExitStatus;

    #[test]
    fn missing_process_is_reported_by_the_kernel_within_the_grace_period() {
        let (start, mut table, mut events) = (Instant::now(), ProcessTable::default(), Vec::new());
        let mut apply = |table: &mut ProcessTable, kind, now_ns, words: &[u32]| {
            let message = wire::parse(&wire::datagram(kind, 0, now_ns, words)).ok();
            table.apply(&message.expect("a datagram of a known kind"), None, &mut events);
        };
        apply(&mut table, what::PROC_EVENT_EXEC, 1, &[7, 7]);
        let mut resync = Resync::new(start);
        resync.lost(1);
        let mut ancestry = AncestryTracker::default();
        assert!(resync.is_due(start));
        resync.begin(start, &mut table, &mut ancestry);
        assert!(resync.defer_snapshot(Snapshot::default(), start, &table).is_none());
        let until = resync.due().expect("a deferred snapshot has a time");
        assert!(resync.take_deferred(until.checked_sub(Duration::from_millis(1)).expect("later")).is_none());
        // The report counts, because only the kernel knows the status.
        apply(&mut table, what::PROC_EVENT_EXIT, 2, &[7, 7, 3 << 8, 17, 1, 1]);
        let snapshot = resync.take_deferred(until);
        let ended = |_| Recheck::Exited;
        let stats = Stats::default();
        let now = Now { instant: until, monotonic_ns: 3 };
        let target =
            Target { table: &mut table, ancestry: &mut ancestry, queues: &[], usage: None, stats: &stats };
        let snapshot = Ok(snapshot.expect("the grace period is over"));
        resync
            .finish_snapshot(snapshot, now, target, ended)
            .expect("no subscriber waits for the first snapshot");
        assert_eq!(events.len(), 2);
        assert!(matches!(
            events[1].data,
            crate::model::event::EventData::Exit { status: Some(ExitStatus(0x300)), .. }
        ));
    }
}
