//! Waits for the next wake-up of the reader's thread.

use std::future::pending;
use std::io;

use tokio::task::yield_now;
use tokio::time::{Instant, sleep_until};

use super::snapshot_task::SnapshotTask;
use super::{Reader, Wake};
use crate::connector::Connector;
use crate::cursor::CursorSource;
use crate::error::Error;
use crate::model::snapshot::Snapshot;
use crate::pipeline::Pipeline;

impl Reader<'_> {
    /// Waits for the next wake-up.
    pub(super) async fn next_wake(&mut self) -> Result<Wake, Error> {
        let report_due = self
            .pipeline
            .expected_until()
            .into_iter()
            .chain(self.rename_pause.until)
            .chain(self.cursor_check);
        let reads_again = self.coalescer.should_read_again() && self.update_scheduling();
        let is_behind = self.pipeline.is_behind();
        let Pipeline { source, processes, resync, .. } = &mut self.pipeline;
        let due = resync.due().into_iter().chain(report_due).min();
        let exit_watcher = processes.exit_watcher();
        // Skip the select. Commands are drained before the next read anyway, and a steady stream of events needs no
        // self-test.
        if reads_again
            && self.sleep_began.is_none()
            && source.is_some()
            && due.is_none()
            && self.snapshot_task.is_none()
            && exit_watcher.is_empty()
        {
            return Ok(Wake::Readable);
        }
        let wake = tokio::select! {
            biased;
            command = self.commands.recv() => command.map(Wake::Command),
            snapshot = finished(self.snapshot_task.as_mut()) => Ok(Wake::Snapshot(snapshot)),
            exited = exit_watcher.exited(), if !exit_watcher.is_empty() => exited.map(Wake::Exited),
            () = until(due) => Ok(Wake::Due),
            tick = self.self_test_timer.tick() => tick.map(|()| Wake::SelfTestDue),
            ready = reported(self.cursor.as_ref()), if self.cursor.is_some() => ready.map(|()| Wake::Reported),
            ready = readable(source.as_ref(), is_behind || reads_again) => ready.map(|()| Wake::Readable),
        };
        wake.map_err(|error| Error::from_io("epoll_wait", "of the reader thread", &error))
    }
}

/// Waits for the snapshot in flight. Waits forever if there is none.
async fn finished(task: Option<&mut SnapshotTask>) -> Result<Snapshot, Error> {
    match task {
        Some(task) => task.finished().await,
        None => pending().await,
    }
}

/// Waits until the cursor's thread has reported processes. Waits forever without one.
async fn reported(cursor: Option<&CursorSource>) -> io::Result<()> {
    match cursor {
        Some(cursor) => cursor.readable().await,
        None => pending().await,
    }
}

/// Waits until the socket is readable, or only yields if the caller `reads_again` in any case. Waits forever without a
/// socket.
async fn readable(connector: Option<&Connector>, reads_again: bool) -> io::Result<()> {
    match connector {
        // Yield once, so that the runtime can poll the other wake-ups.
        Some(_) if reads_again => {
            yield_now().await;
            Ok(())
        }
        Some(connector) => connector.readable().await,
        None => pending().await,
    }
}

/// Waits until `due`. Waits forever if nothing is due.
async fn until(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due).await,
        None => pending().await,
    }
}
