//! Exits that are watched, awaited or remembered: what a pidfd shows before the kernel's report, or without one.

use std::sync::Arc;

use tokio::time::Instant;

use super::Pipeline;
use super::awaited::{PendingExit, Request, RequestKind, Requester, WatchTarget};
use super::resync::REPORT_GRACE;
use crate::connector::source::DatagramSource;
use crate::delivery::queue::SubscriberQueue;
use crate::error::Error;
use crate::model::interest::Fields;
use crate::model::notification::{Notification, WatchResult};
use crate::model::now::Now;
use crate::model::snapshot::ObservedProcess;
use crate::model::stream_position::StreamPosition;
use crate::process::inspector::{Liveness, ProcessInspector};
use crate::process::table::RecentExit;

impl<D: DatagramSource, P: ProcessInspector> Pipeline<'_, D, P> {
    /// Watches the exit of a process that is `pidfd`'s. Returns false if that is impossible. Then no earlier process with
    /// this pid is watched any more, because its exit would be taken for that of this one.
    pub(super) fn watch_process(&mut self, pid: u32, pidfd: Option<P::Pidfd>) -> bool {
        let is_watched = pidfd.is_some_and(|pidfd| self.processes.watch_exit(pid, pidfd).is_ok());
        if !is_watched {
            self.processes.unwatch(pid);
        }
        is_watched
    }

    /// Handles the exits of watched processes.
    ///
    /// # Errors
    /// See [`Pipeline::drain`].
    pub fn on_watched_exits(&mut self, pids: &[u32], now: Now) -> Result<(), Error> {
        let noticed = self.table.position();
        // The kernel's report takes precedence, if it has arrived.
        self.catch_up(now.monotonic_ns)?;
        for &pid in pids {
            if self.is_known_to_run(pid) {
                continue;
            }
            let status = self.processes.exit_status(pid);
            if status.is_none()
                && self.source.is_some()
                && self.table.awaits_last_thread(pid, noticed, now.monotonic_ns)
            {
                self.await_report(pid, noticed, now);
                continue;
            }
            // If it is not reported, the pid may be reused, and the exit of the next process watched.
            let is_reported = self.end_leaderless(pid, noticed, now.monotonic_ns, status);
            if !is_reported && self.table.knows(pid) {
                let is_reported = self.is_reported();
                let pending = self.await_report(pid, noticed, now);
                // No report comes. Without a status, the parent may soon reap the process.
                if !is_reported && status.is_some() {
                    pending.until = now.instant;
                }
            }
        }
        self.dispatch(true);
        self.answer_exited_watches(now.monotonic_ns);
        Ok(())
    }

    /// Returns true if the process of this pid that the table knows runs. A snapshot may have shown it in place of an earlier one.
    fn is_known_to_run(&mut self, pid: u32) -> bool {
        let start_time = self.table.start_time(pid);
        let observed = if start_time == 0 { None } else { self.processes.observe(pid, Fields::NONE) };
        observed.is_some_and(|observed| observed.start_time == start_time)
    }

    fn await_report(&mut self, pid: u32, noticed: StreamPosition, now: Now) -> &mut PendingExit {
        let until = now.instant + REPORT_GRACE;
        let (noticed_ns, start_time) = (now.monotonic_ns, self.table.start_time(pid));
        let new = || PendingExit { noticed, noticed_ns, start_time, until, requesters: Vec::new() };
        let pending = self.pending_exits.entry(pid).or_insert_with(new);
        // The exit of the next process with the pid is noticed. That of the one before is reported by now.
        if pending.start_time != start_time {
            *pending = PendingExit { requesters: std::mem::take(&mut pending.requesters), ..new() };
        }
        pending
    }

    /// Returns the time of the next call of [`Pipeline::expire_pending_exits`].
    pub fn expected_until(&self) -> Option<Instant> {
        let reports = self.pending_exits.values().map(|exit| exit.until);
        let flushes = self.held_flushes.iter().map(|flush| flush.until);
        reports.chain(self.requests.iter().map(|request| request.due)).chain(flushes).min()
    }

    /// Synthesizes the exits whose report has not come in time, and answers the requests and flushes that are left.
    ///
    /// # Errors
    /// See [`Pipeline::drain`].
    pub fn expire_pending_exits(&mut self, now: Now) -> Result<(), Error> {
        if self.expected_until().is_none_or(|until| until > now.instant) {
            return Ok(());
        }
        self.answer_requests(now)?;
        self.catch_up(now.monotonic_ns)?;
        let expired: Vec<_> = self.pending_exits.extract_if(|_, exit| exit.until <= now.instant).collect();
        for (pid, PendingExit { noticed, noticed_ns, start_time, requesters, .. }) in expired {
            // A snapshot may have shown the exit, and the next process with the pid.
            let is_another = start_time != 0 && self.table.start_time(pid) != start_time;
            let status = self.processes.exit_status(pid);
            if !is_another
                && !self.is_known_to_run(pid)
                && !self.end_leaderless(pid, noticed, noticed_ns, status)
            {
                self.change_table(|table, sink| {
                    table.on_unreported_exit(pid, noticed, now.monotonic_ns, status, sink);
                });
            }
            self.after_exit(pid);
            self.dispatch(true);
            for requester in requesters {
                self.answer_exited(requester, now.monotonic_ns);
            }
        }
        self.expire_held_flushes(now.instant);
        Ok(())
    }

    /// Answers `queue` whether a process runs. If it does, its exit is reported in any case. If the source fails, the request
    /// is left to [`Pipeline::expire_pending_exits`].
    ///
    /// # Errors
    /// See [`Pipeline::drain`].
    pub fn watch_exit(
        &mut self,
        queue: Arc<SubscriberQueue>,
        target: WatchTarget,
        now: Now,
    ) -> Result<(), Error> {
        self.request(queue, RequestKind::Watch(target), now)
    }

    pub(super) fn request(
        &mut self,
        queue: Arc<SubscriberQueue>,
        kind: RequestKind,
        now: Now,
    ) -> Result<(), Error> {
        self.requests.push_back(Request { queue, kind, due: now.instant });
        self.answer_requests(now)
    }

    fn answer_requests(&mut self, now: Now) -> Result<(), Error> {
        while !self.requests.is_empty() {
            // The reports before a request, for example the exit of an earlier process with the pid, precede the answer.
            self.catch_up(now.monotonic_ns)?;
            self.dispatch(true);
            let Some(Request { queue, kind, due }) = self.requests.pop_front() else { continue };
            match kind {
                RequestKind::Watch(target) => self.answer_watch(queue, target, due, now)?,
                RequestKind::Flush(id) => self.answer_flush(queue, id, now),
            }
        }
        Ok(())
    }

    fn answer_watch(
        &mut self,
        queue: Arc<SubscriberQueue>,
        target: WatchTarget,
        due: Instant,
        now: Now,
    ) -> Result<(), Error> {
        let WatchTarget { id, pid, start_time } = target;
        let observed = self.processes.observe(pid, self.interest.fields);
        let is_unproven = start_time.is_some() && observed.is_none();
        let is_another = observed.as_ref().is_some_and(|observed| target.is_another(observed.start_time));
        let is_running = match self.processes.liveness(pid) {
            _ if is_unproven || is_another => false,
            _ if !self.processes.supports_pidfd() => observed.is_some(),
            Liveness::Alive(pidfd) => {
                // Without a watch, the kernel's report or a snapshot shows the exit.
                if !self.watch_process(pid, Some(pidfd)) {
                    self.resync.schedule_recheck();
                }
                true
            }
            Liveness::Exited => false,
            Liveness::Unknown => observed.is_some(),
        };
        let is_awaited =
            !is_another && self.table.knows(pid) && !target.is_another(self.table.start_time(pid));
        if !is_running && is_awaited && self.is_reported() {
            let noticed = self.table.position();
            self.await_report(pid, noticed, now).requesters.push((queue, target));
            return Ok(());
        }
        if is_running {
            let unseen = ObservedProcess { pid, never_execed: true, ..ObservedProcess::default() };
            let observed = observed.unwrap_or(unseen);
            self.change_table(|table, sink| table.set_reported(&observed, now.monotonic_ns, sink));
            self.dispatch(true);
            queue.notify(Notification::Watched { id, watch: WatchResult::Running });
            return Ok(());
        }
        // An unknown process may have exited since the socket was read.
        if let Err(error) = self.catch_up(now.monotonic_ns) {
            self.requests.push_front(Request { queue, kind: RequestKind::Watch(target), due });
            return Err(error);
        }
        self.dispatch(true);
        self.answer_exited((queue, target), now.monotonic_ns);
        Ok(())
    }

    /// Answers a watch request of a process that does not run.
    pub(super) fn answer_exited(&mut self, (queue, target): Requester, now_ns: u64) {
        let watch = self.recent_exit(&target, now_ns);
        queue.notify(Notification::Watched { id: target.id, watch });
    }

    /// Returns how a process ended that exited less than a second ago, or that is a zombie. A caller may learn the pid of a
    /// short-lived child only after its exit.
    fn recent_exit(&mut self, target: &WatchTarget, now_ns: u64) -> WatchResult {
        let pid = target.pid;
        let shown = self.processes.read_reported(pid, Fields::NONE, u64::MAX);
        let is_another_shown = target.is_another(shown.start_time);
        // An exit without a known creation time may be that of the process that is shown, unless it was before its creation.
        let is_of_shown = |exit: &RecentExit| {
            is_another_shown && exit.start_time == 0 && exit.timestamp_ns >= shown.start_ns
        };
        let accepts = |exit: &RecentExit| !target.is_another(exit.start_time) && !is_of_shown(exit);
        if let Some(RecentExit { timestamp_ns, status, .. }) = self.table.recent_exit(pid, now_ns, accepts) {
            return WatchResult::Exited { pid, timestamp_ns, status };
        }
        if is_another_shown {
            return WatchResult::Gone;
        }
        let zombie = |status| WatchResult::Exited { pid, timestamp_ns: now_ns, status };
        self.processes.zombie_status(pid).map_or(WatchResult::Gone, zombie)
    }
}
