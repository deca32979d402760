//! Reconciles the process table with snapshots of `/proc`.

use super::Pipeline;
use super::reconcile::{Recheck, Target};
use crate::connector::source::DatagramSource;
use crate::error::Error;
use crate::model::interest::Fields;
use crate::model::now::Now;
use crate::model::snapshot::Snapshot;
use crate::process::inspector::{Liveness, ProcessInspector};

impl<D: DatagramSource, P: ProcessInspector> Pipeline<'_, D, P> {
    /// Returns true if the caller is to take a snapshot now, and then to pass it to [`Pipeline::finish_snapshot`].
    ///
    /// # Errors
    /// See [`Pipeline::drain`].
    pub fn begin_snapshot_if_due(&mut self, now: Now) -> Result<bool, Error> {
        if !self.resync.is_due(now.instant) {
            return Ok(false);
        }
        // Drain the socket before the snapshot. Datagrams queued before the overflow are older than the snapshot. Read
        // afterwards, they would count as newer, and a process missing from the snapshot would be kept as alive.
        self.catch_up(now.monotonic_ns)?;
        self.resync.begin(now.instant, &mut self.table, &mut self.ancestry);
        Ok(true)
    }

    /// Reconciles the table with a snapshot, at once or, by [`Pipeline::finish_snapshot_if_due`], a little later.
    ///
    /// # Errors
    /// See [`Pipeline::drain`]. Also fails if the first snapshot failed.
    pub fn finish_snapshot(&mut self, snapshot: Result<Snapshot, Error>, now: Now) -> Result<(), Error> {
        // Reports that were sent before the snapshot ended must be in the table.
        if let Err(error) = self.catch_up(now.monotonic_ns) {
            self.resync.abandon();
            return Err(error);
        }
        let snapshot = match snapshot {
            Ok(snapshot) if self.is_reported() => {
                match self.resync.defer_snapshot(snapshot, now.instant, &self.table) {
                    Some(snapshot) => Ok(snapshot),
                    None => return Ok(()),
                }
            }
            other => other,
        };
        self.reconcile_now(snapshot, now)
    }

    /// Reconciles the table with the deferred snapshot, if its time has come.
    ///
    /// # Errors
    /// See [`Pipeline::drain`].
    pub fn finish_snapshot_if_due(&mut self, now: Now) -> Result<(), Error> {
        let Some(snapshot) = self.resync.take_deferred(now.instant) else { return Ok(()) };
        if let Err(error) = self.catch_up(now.monotonic_ns) {
            self.resync.abandon();
            return Err(error);
        }
        self.reconcile_now(Ok(snapshot), now)
    }

    fn reconcile_now(&mut self, mut snapshot: Result<Snapshot, Error>, now: Now) -> Result<(), Error> {
        // Events that are held back are older.
        self.dispatch(true);
        let Self { resync, table, ancestry, processes, queues, stats, usage, .. } = self;
        let supports_pidfd = processes.supports_pidfd();
        if let Ok(snapshot) = &mut snapshot
            && !supports_pidfd
        {
            snapshot.processes.retain(|observed| !observed.leader_exited);
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
        let usage = usage.as_deref_mut();
        resync.finish_snapshot(snapshot, now, Target { table, ancestry, queues, usage, stats }, recheck)?;
        // The next snapshot finds an unknown process that was listed and could not be read.
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
            self.watch_leaderless();
        }
        Ok(())
    }

    /// Watches the processes whose leader the snapshot shows as exited. That exit was before the first message, or its report
    /// was lost.
    fn watch_leaderless(&mut self) {
        let leaderless: Vec<_> = self.table.leaderless().collect();
        for (pid, start_time) in leaderless {
            let pidfd = match self.processes.liveness(pid) {
                Liveness::Alive(pidfd) => {
                    let observed = self.processes.observe(pid, Fields::NONE);
                    let is_same = observed.is_some_and(|observed| observed.start_time == start_time);
                    is_same.then_some(pidfd)
                }
                Liveness::Exited | Liveness::Unknown => None,
            };
            // If the process has exited, the kernel may still report it. Otherwise the next snapshot shows it.
            if self.watch_process(pid, pidfd) {
                self.table.set_exit_watched(pid);
            } else {
                self.resync.schedule_recheck();
            }
        }
    }
}
