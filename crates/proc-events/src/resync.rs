//! When a snapshot is taken, and what follows from it: for the scan at the start, for details that are newly wanted,
//! and to make right what was lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::time::ClockId;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::deathwatch;
use crate::error::{Error, ErrorCode};
use crate::event::Origin;
use crate::interest::Fields;
use crate::notice::{LossCause, LossReport, Notice};
use crate::outbox::Outbox;
use crate::procfs::{Procfs, Snapshot, clock_ns};
use crate::stats::Stats;
use crate::table::{Mark, ProcessTable, Repairs};

/// Between two resyncs at least; and at least this many times what the last one took, so that under a storm without end
/// most of the time is left for the storm.
const PAUSE: Duration = Duration::from_millis(50);
const PAUSE_SHARE: u32 = 4;

/// The snapshot that is being taken, if any, and the reasons to take the next.
#[derive(Debug)]
pub(crate) struct Resync {
    procfs: Arc<Procfs>,
    taking: Option<Taking>,
    /// Who wants to be told of every running process.
    askers: Vec<(Arc<Outbox>, u32)>,
    is_wanted: bool,
    /// Events known to be lost, and not yet made right.
    lost: u64,
    not_before: Instant,
    /// Between the starts of two snapshots, where they are the source of events.
    polling: Option<Duration>,
    /// Whether the table has been made equal to a snapshot once: before that, nothing in it can be missing.
    is_complete: bool,
}

#[derive(Debug)]
struct Taking {
    snapshot: JoinHandle<Result<Snapshot, Error>>,
    cancelled: Arc<AtomicBool>,
    began: Mark,
    started: Instant,
    askers: Vec<(Arc<Outbox>, u32)>,
    lost: u64,
}

impl Drop for Taking {
    fn drop(&mut self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }
}

impl Resync {
    pub(crate) fn new(procfs: Arc<Procfs>) -> Self {
        Self {
            procfs,
            taking: None,
            askers: Vec::new(),
            is_wanted: false,
            lost: 0,
            not_before: Instant::now(),
            polling: None,
            is_complete: false,
        }
    }

    /// From now on, snapshots are the source of events.
    pub(crate) fn poll_every(&mut self, interval: Duration) {
        self.polling = Some(interval);
        self.not_before = Instant::now();
    }

    /// Has every running process reported to `outbox`.
    pub(crate) fn ask(&mut self, outbox: Arc<Outbox>, id: u32) {
        self.askers.push((outbox, id));
    }

    /// Has the details of every running process read again.
    pub(crate) const fn want(&mut self) {
        self.is_wanted = true;
    }

    /// Events were lost.
    pub(crate) const fn lost(&mut self, events: u64) {
        self.lost += events;
    }

    /// When the next snapshot is to begin, if it has to wait.
    pub(crate) fn due(&self) -> Option<Instant> {
        let has_reason = self.lost > 0 || self.polling.is_some() && self.is_complete;
        (self.taking.is_none() && has_reason).then_some(self.not_before)
    }

    pub(crate) fn begin_if_due(&mut self, table: &mut ProcessTable, fields: Fields) {
        let is_due = self.due().is_some_and(|due| due <= Instant::now());
        if self.taking.is_some() || !(is_due || self.is_wanted || !self.askers.is_empty()) {
            return;
        }
        let cancelled = Arc::new(AtomicBool::new(false));
        let (procfs, its_cancelled) = (Arc::clone(&self.procfs), Arc::clone(&cancelled));
        self.is_wanted = false;
        self.taking = Some(Taking {
            began: table.begin_snapshot(),
            started: Instant::now(),
            snapshot: tokio::task::spawn_blocking(move || procfs.snapshot(fields, &its_cancelled)),
            cancelled,
            askers: std::mem::take(&mut self.askers),
            lost: std::mem::take(&mut self.lost),
        });
    }

    /// Waits for the snapshot that is being taken.
    pub(crate) async fn finished(&mut self) -> Result<Snapshot, Error> {
        match &mut self.taking {
            Some(taking) => (&mut taking.snapshot).await.unwrap_or_else(|_| {
                Err(Error::shown_by(ErrorCode::ProcUnreadable, "the snapshot's thread panicked"))
            }),
            None => std::future::pending().await,
        }
    }

    /// Makes the table right. Every message that was sent before the snapshot was complete must be in it.
    pub(crate) fn settle(
        &mut self,
        snapshot: Result<Snapshot, Error>,
        table: &mut ProcessTable,
        outboxes: &[Arc<Outbox>],
        stats: &Stats,
    ) -> Result<(), Error> {
        let Some(mut taking) = self.taking.take() else { return Ok(()) };
        let took = taking.started.elapsed();
        self.not_before = match self.polling {
            Some(interval) => taking.started + interval.max(took * 2),
            None => Instant::now() + PAUSE.max(took * PAUSE_SHARE),
        };
        let snapshot = match snapshot {
            Ok(snapshot) => snapshot,
            Err(error) => {
                stats.process_scan_failed.count();
                self.lost += taking.lost;
                // Without a first scan, what was asked for cannot be given; later, the next attempt may succeed.
                return if taking.askers.is_empty() { Ok(()) } else { Err(error) };
            }
        };
        let now_ns = clock_ns(ClockId::Monotonic);
        let mut ended = table.missing(&snapshot, taking.began);
        // What the snapshot does not show may only be hidden from this user.
        ended.retain(|&pid| !matches!(deathwatch::running(pid), Ok(Some(_))));
        let mut events = Vec::new();
        let origin = if self.polling.is_some() { Origin::Polling } else { Origin::Resync };
        let repairs = table.reconcile(snapshot, taking.began, &ended, origin, now_ns, &mut events);
        let informed = || outboxes.iter().filter(|outbox| !outbox.is_held());
        if self.is_complete {
            informed().for_each(|outbox| outbox.push(&events));
        }
        if self.is_complete && self.polling.is_some() {
            let total = |count: u32| u64::from(count);
            stats.exec.add(total(repairs.execs));
            stats.exit.add(total(repairs.exits));
            stats.events.add(total(repairs.execs) + total(repairs.exits));
        } else if self.is_complete
            && let Some(loss) = report(taking.lost, repairs)
        {
            stats.resync.count();
            informed().for_each(|outbox| outbox.notify(Notice::Loss(loss)));
        }
        self.is_complete = true;
        for (outbox, id) in taking.askers.drain(..) {
            outbox.release(table.running(outbox.joined(), now_ns), id);
        }
        Ok(())
    }
}

/// What could be repaired has been lost, even where nothing else has told of it.
fn report(lost: u64, repairs: Repairs) -> Option<LossReport> {
    let lost = lost.max(u64::from(repairs.execs) + u64::from(repairs.exits));
    (lost > 0).then_some(LossReport {
        cause: LossCause::Socket,
        lost,
        recovered_execs: repairs.execs,
        recovered_exits: repairs.exits,
    })
}
