//! When a snapshot is taken, and what follows from it: for the scan at the start, for details that are newly wanted,
//! and to make right what was lost. Time is an argument; taking the snapshot is the caller's.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::descent::Descent;
use crate::error::Error;
use crate::event::{Origin, ProcessEvent};
use crate::notice::{LossCause, LossReport, Notice};
use crate::outbox::Outbox;
use crate::procfs::Snapshot;
use crate::stats::Stats;
use crate::table::{Mark, ProcessTable, Repairs};

/// Between two resyncs at least; and at least this many times what the last one took, so that under a storm without end
/// most of the time is left for the storm.
const PAUSE: Duration = Duration::from_millis(50);
const PAUSE_SHARE: u32 = 4;

/// How long the kernel is given to report what a snapshot shows already: it does so only once the new program, or the
/// absence of the process, can be seen, and may be interrupted in between.
pub(crate) const GRACE: Duration = Duration::from_millis(50);

/// After a snapshot that has left something open for want of means, the next one is taken this much later.
const DOUBT: Duration = Duration::from_secs(1);

/// The longest time between two snapshots.
const AUDIT_INTERVAL: Duration = Duration::from_secs(300);

/// The reasons to take a snapshot, and what it is owed to while it is being taken.
#[expect(clippy::struct_excessive_bools, reason = "each is a reason of its own")]
#[derive(Debug)]
pub struct Resync {
    taking: Option<Taking>,
    /// Who wants to be told of every running process.
    askers: Vec<(Arc<Outbox>, u32)>,
    is_wanted: bool,
    /// The last snapshot could not be taken, or has left something open.
    is_owed: bool,
    /// Something could not be told for want of means, which may be there a little later.
    is_in_doubt: bool,
    /// Events known to be lost, of which no snapshot has been begun since.
    lost: u64,
    totals: Totals,
    not_before: Instant,
    /// Between the starts of two snapshots, where they are the source of events.
    polling: Option<Duration>,
    /// Whether the table has been made equal to a snapshot once: before that, nothing in it can be missing.
    is_complete: bool,
}

/// A second look at a process that a snapshot does not show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// It is gone.
    HasEnded,
    /// It is hidden from this user, or it cannot be told whether it is gone.
    Stays,
    /// Another one has the pid by now.
    IsAnother,
}

/// Since the start: how many losses were counted, how many were made right, and of how many was told. What could be
/// made right was lost, even where nothing has counted it; and what was told of is not told of again.
#[derive(Debug, Default)]
struct Totals {
    counted: u64,
    repaired: u64,
    told: u64,
}

impl Totals {
    /// Of how many losses is to be told.
    fn untold(&mut self) -> u64 {
        let lost = self.counted.max(self.repaired).saturating_sub(self.told);
        self.told += lost;
        lost
    }
}

#[derive(Debug)]
struct Taking {
    began: Mark,
    started: Instant,
    askers: Vec<(Arc<Outbox>, u32)>,
    lost: u64,
    /// How long it took, once it is complete.
    took: Option<Duration>,
    /// What it has shown, and when that is to be settled.
    put_off: Option<(Snapshot, Instant)>,
}

impl Resync {
    /// Without any reason yet.
    #[must_use]
    pub const fn new(now: Instant) -> Self {
        Self {
            taking: None,
            askers: Vec::new(),
            is_wanted: false,
            is_owed: false,
            is_in_doubt: false,
            lost: 0,
            totals: Totals { counted: 0, repaired: 0, told: 0 },
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

    /// Has every running process reported to `outbox`.
    pub fn ask(&mut self, outbox: Arc<Outbox>, id: u32) {
        self.askers.push((outbox, id));
    }

    /// Has the details of every running process read again.
    pub const fn want(&mut self) {
        self.is_wanted = true;
    }

    /// Events were lost.
    pub const fn lost(&mut self, events: u64) {
        self.lost += events;
        self.totals.counted += events;
    }

    /// A process could not be read though it runs: the next snapshot is taken soon.
    pub const fn owe(&mut self) {
        self.is_owed = true;
    }

    /// Compares the table with `/proc` even without a reason if that was not done for [`AUDIT_INTERVAL`]: the kernel counts
    /// no loss where it had no memory for a message.
    pub fn audit(&mut self, now: Instant) {
        self.is_wanted |= self.is_complete && now >= self.not_before + AUDIT_INTERVAL;
    }

    /// Something could not be told for want of means: a later snapshot may.
    pub const fn doubt(&mut self) {
        self.is_in_doubt = true;
    }

    /// When the next snapshot is to begin, or the last one to be settled, if that has to wait.
    pub fn due(&self) -> Option<Instant> {
        if let Some(taking) = &self.taking {
            return taking.put_off.as_ref().map(|(_, until)| *until);
        }
        let has_reason = self.lost > 0 || self.is_owed || self.polling.is_some() && self.is_complete;
        let later = self.is_in_doubt.then_some(self.not_before + DOUBT);
        has_reason.then_some(self.not_before).or(later)
    }

    /// Whether a snapshot is to be taken now.
    #[must_use]
    pub fn is_due(&self, now: Instant) -> bool {
        let is_due = self.due().is_some_and(|due| due <= now);
        self.taking.is_none() && (is_due || self.is_asked_for())
    }

    /// Whether one is to be taken now or later.
    pub fn has_reason(&self) -> bool {
        self.is_asked_for() || self.due().is_some()
    }

    /// After a failure, whoever asks has to wait, too.
    fn is_asked_for(&self) -> bool {
        !self.is_owed && (self.is_wanted || !self.askers.is_empty())
    }

    /// A snapshot is being taken from now on, and is then to be given to [`Resync::settle`].
    pub fn begin(&mut self, now: Instant, table: &mut ProcessTable, descent: &mut Descent) {
        self.is_wanted = false;
        self.is_owed = false;
        self.is_in_doubt = false;
        descent.begin_snapshot();
        self.taking = Some(Taking {
            began: table.begin_snapshot(),
            started: now,
            askers: std::mem::take(&mut self.askers),
            lost: std::mem::take(&mut self.lost),
            took: None,
            put_off: None,
        });
    }

    /// Gives the snapshot back if it can be settled now. If it shows what the kernel was to report but has not, the kernel
    /// is given the time to do so.
    pub fn put_off(&mut self, snapshot: Snapshot, now: Instant, table: &ProcessTable) -> Option<Snapshot> {
        let Some(taking) = &mut self.taking else { return Some(snapshot) };
        taking.took = Some(now.saturating_duration_since(taking.started));
        let (began, is_first) = (taking.began, !self.is_complete);
        // What the first one shows is new without having been missed.
        let is_as_reported = if is_first {
            table.missing(&snapshot, began).is_empty()
        } else {
            table.agrees_with(&snapshot, began)
        };
        if is_as_reported {
            return Some(snapshot);
        }
        taking.put_off = Some((snapshot, now + GRACE));
        None
    }

    /// The snapshot that was put off until now.
    pub fn take_put_off(&mut self, now: Instant) -> Option<Snapshot> {
        let put_off = &mut self.taking.as_mut()?.put_off;
        Some(put_off.take_if(|(_, until)| *until <= now)?.0)
    }

    /// Forgets the snapshot that is being taken, but not what it is to be taken for.
    pub fn abandon(&mut self) {
        if let Some(taking) = self.taking.take() {
            self.lost += taking.lost;
            self.askers.extend(taking.askers);
            self.is_owed = true;
        }
    }

    /// Makes the table right. Every message that was sent before the snapshot was complete must be in it.
    ///
    /// # Errors
    /// Where the snapshot could not be taken, and somebody has asked for it.
    pub fn settle(
        &mut self,
        snapshot: Result<Snapshot, Error>,
        (now, now_ns): (Instant, u64),
        (table, descent): (&mut ProcessTable, &mut Descent),
        mut look_again: impl FnMut(u32) -> Again,
        outboxes: &[Arc<Outbox>],
        stats: &Stats,
    ) -> Result<(), Error> {
        let Some(taking) = &self.taking else { return Ok(()) };
        let took = taking.took.unwrap_or_else(|| now.saturating_duration_since(taking.started));
        self.not_before = match self.polling {
            Some(interval) => taking.started + interval.max(took * 2),
            None => now + PAUSE.max(took * PAUSE_SHARE),
        };
        let snapshot = match snapshot {
            Ok(snapshot) => snapshot,
            Err(error) => {
                stats.process_scan_failed.count();
                // Without a first scan there is nothing to go on with; later, the next attempt may succeed.
                let is_first = !self.is_complete && !taking.askers.is_empty();
                self.abandon();
                return if is_first { Err(error) } else { Ok(()) };
            }
        };
        let Some(mut taking) = self.taking.take() else { return Ok(()) };
        let mut ended = table.missing(&snapshot, taking.began);
        ended.retain(|&pid| {
            let again = look_again(pid);
            self.is_owed |= again == Again::IsAnother;
            again == Again::HasEnded
        });
        let mut events = Vec::new();
        let origin = if self.polling.is_some() { Origin::Polling } else { Origin::Resync };
        let shown = (!descent.is_idle()).then(|| snapshot.clone());
        let repairs = table.reconcile(snapshot, taking.began, &ended, origin, now_ns, &mut events);
        if let Some(shown) = shown {
            let (exits, execs) = events.split_at_mut(repairs.exits as usize);
            descent.mark(exits);
            descent.reconcile(&shown);
            descent.mark(execs);
        }
        for outbox in outboxes {
            outbox.repair(&events);
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
        self.totals.repaired += u64::from(repairs.execs) + u64::from(repairs.exits);
        let lost = self.totals.untold();
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
            for outbox in outboxes {
                outbox.notify(Notice::Loss(loss));
            }
        }
        self.is_complete = true;
        for (outbox, id) in taking.askers.drain(..) {
            // What it was told live since it joined it knows; but who asks later asks for everything.
            let mark = if outbox.is_held() { outbox.joined() } else { table.mark() };
            let found = |event: ProcessEvent| ProcessEvent { followed: descent.of(event.pid), ..event };
            outbox.release(table.running(mark, now_ns).map(found), id);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::ExitStatus;
    use crate::wire::{self, what};

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
        let mut descent = Descent::default();
        assert!(resync.is_due(start));
        resync.begin(start, &mut table, &mut descent);
        assert!(resync.put_off(Snapshot::default(), start, &table).is_none());
        let until = resync.due().expect("a snapshot that was put off has its time");
        assert!(resync.take_put_off(until.checked_sub(Duration::from_millis(1)).expect("later")).is_none());
        // What it says meanwhile counts, with the status that only it knows.
        heard(&mut table, what::PROC_EVENT_EXIT, 2, &[7, 7, 3 << 8, 17, 1, 1]);
        let snapshot = resync.take_put_off(until);
        let ended = |_| Again::HasEnded;
        let stats = Stats::default();
        resync
            .settle(
                Ok(snapshot.expect("its time has come")),
                (until, 3),
                (&mut table, &mut descent),
                ended,
                &[],
                &stats,
            )
            .expect("nobody has asked");
        assert_eq!(events.len(), 2);
        assert!(matches!(
            events[1].kind,
            crate::event::EventKind::Exit { status: Some(ExitStatus(0x300)), .. }
        ));
    }
}
