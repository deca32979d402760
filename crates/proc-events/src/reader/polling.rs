//! The source without the connector: the cursor's thread, and snapshots for what it misses. Without the thread, snapshots
//! alone.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::Instant;

use super::Reader;
use crate::cursor::{CursorOptions, CursorSource};
use crate::error::{Error, ErrorCode};
use crate::model::interest::{EventType, Field, Interest};
use crate::model::notification::Notification;
use crate::model::now::Now;
use crate::model::source_kind::Watching;
use crate::pipeline::resync::Polling;
use crate::procfs::{STUCK_MAX, stuck_threads};

/// Time between two checks for a cursor's thread that hangs.
const CURSOR_CHECK_INTERVAL: Duration = Duration::from_secs(1);

impl Reader<'_> {
    /// Starts to notice processes without the connector.
    pub(super) fn start_polling(&mut self) {
        let options = &self.handle.options;
        let cursor = CursorOptions {
            proc_root: options.proc_root.clone(),
            max_argv_bytes: options.max_argv_bytes,
            effort: options.effort,
            raise_priority: options.raise_priority,
            interval: options.polling_interval,
            uses_perf: true,
        };
        // It works in no sandbox that hides the last process id. Snapshots work everywhere.
        let fields = self.pipeline.interest.fields;
        let can_start = stuck_threads() < STUCK_MAX;
        self.cursor = None;
        self.cursor =
            can_start.then(|| CursorSource::start(cursor, &self.handle.stats, fields).ok()).flatten();
        if options.raise_priority && self.cursor.is_some() {
            // The thread wakes this one while the new program starts, and must not wait for it.
            self.scheduling.shorten();
        }
        let now = Instant::now();
        self.apply_renames();
        self.cursor_check = self.cursor.as_ref().map(|_| now + CURSOR_CHECK_INTERVAL);
        self.schedule_polling(now);
    }

    /// Applies the reports of the cursor's thread. Goes on with snapshots alone if the thread has ended.
    pub(super) fn apply_reports(&mut self, now: Instant) {
        let Some(cursor) = &self.cursor else { return };
        // Ask first, because the thread reports before it ends.
        let has_ended = cursor.has_ended();
        let (reports, lost) = (cursor.take_reports(), cursor.take_lost());
        let was_recorded = self.handle.watching.load(Ordering::Relaxed) == Watching::Perf as u64;
        let fell_back = was_recorded && !has_ended && !cursor.is_recorded();
        if !reports.is_empty() {
            self.pipeline.apply_reports(reports);
        }
        if lost > 0 {
            self.pipeline.on_lost_records(lost);
        }
        if has_ended {
            (self.cursor, self.cursor_check) = (None, None);
        }
        self.schedule_polling(now);
        // Last, so that a subscriber finds the present way of watching when it is told.
        if fell_back {
            self.on_records_end();
        }
    }

    /// Tells subscribers that the kernel sends no more records. A snapshot shows what was missed since the last one.
    fn on_records_end(&mut self) {
        self.pipeline.resync.request_refresh();
        let reason =
            Error::detected(ErrorCode::SourceFailed, "perf events do not report each process any more");
        let notification = Notification::FellBackToPolling(reason);
        self.pipeline.queues.iter().for_each(|queue| queue.notify(notification.clone()));
    }

    /// Makes the cursor's thread report renames, if a subscriber needs them.
    pub(super) fn apply_renames(&self) {
        let Interest { types, fields, .. } = self.pipeline.interest;
        if let Some(cursor) = &self.cursor {
            cursor.set_wants_renames(types.has(EventType::Comm) || fields.has(Field::Comm));
        }
    }

    /// Replaces the cursor's thread if it hangs, because a process holds its memory lock. A snapshot shows what was missed.
    pub(super) fn replace_cursor_if_hung(&mut self, now: Now) {
        if self.cursor_check.is_none_or(|due| due > now.instant) {
            return;
        }
        self.cursor_check = Some(now.instant + CURSOR_CHECK_INTERVAL);
        if self.cursor.as_mut().is_some_and(|cursor| cursor.abandon_if_hung(now.monotonic_ns)) {
            self.handle.stats.capture_timeouts.count();
            self.start_polling();
            self.pipeline.resync.request_refresh();
        }
    }

    /// Reports the watched exits that have not been handled before a snapshot, because only their pidfds show the status. With
    /// a source of reports, the snapshot waits for these.
    pub(super) fn take_watched_exits(&mut self, now: Now) -> Result<(), Error> {
        if self.pipeline.is_reported() {
            return Ok(());
        }
        // The next wait reports a failure.
        let exited = self.pipeline.processes.exit_watcher().take_exited().unwrap_or_default();
        self.pipeline.on_watched_exits(&exited, now)?;
        self.pipeline.expire_pending_exits(now)
    }

    /// Makes the cursor's thread look at once, so that it reports what a snapshot shows.
    pub(super) fn look_now(&self) {
        if let Some(cursor) = &self.cursor {
            cursor.look_now();
        }
    }

    /// Sets how often snapshots are taken: seldom, unless some processes are not watched.
    fn schedule_polling(&mut self, now: Instant) {
        let is_watched = self.cursor.as_ref().is_some_and(|cursor| !cursor.is_limited());
        // Otherwise a report may never come.
        self.pipeline.has_reporter = is_watched;
        let interval = self.handle.options.polling_interval;
        self.pipeline.resync.poll(if is_watched { Polling::Audit } else { Polling::Only(interval) }, now);
        let watching = match &self.cursor {
            Some(cursor) if cursor.is_recorded() => Watching::Perf,
            Some(_) => Watching::Cursor,
            None => Watching::Snapshot,
        };
        self.handle.watching.store(watching as u64, Ordering::Relaxed);
    }
}
