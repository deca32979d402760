//! The snapshot in flight. A thread beside the reader thread takes it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::task::JoinHandle;

use crate::error::{Error, ErrorCode};
use crate::model::interest::Fields;
use crate::model::snapshot::{KnownProcesses, Snapshot};
use crate::procfs::Procfs;

/// The snapshot in flight. Dropping it cancels the snapshot.
#[derive(Debug)]
pub(super) struct SnapshotTask {
    snapshot: JoinHandle<Result<Snapshot, Error>>,
    cancelled: Arc<AtomicBool>,
}

impl SnapshotTask {
    /// Starts a snapshot, see [`Procfs::snapshot`]. Must be called within a tokio runtime.
    pub(super) fn begin(procfs: &Arc<Procfs>, fields: Fields, known: KnownProcesses) -> Self {
        let cancelled = Arc::new(AtomicBool::new(false));
        let (procfs, is_cancelled) = (Arc::clone(procfs), Arc::clone(&cancelled));
        let snapshot = tokio::task::spawn_blocking(move || procfs.snapshot(fields, &known, &is_cancelled));
        Self { snapshot, cancelled }
    }

    /// Waits for the snapshot. Must not be called again after it has returned.
    pub(super) async fn finished(&mut self) -> Result<Snapshot, Error> {
        let panicked = || Error::detected(ErrorCode::ProcUnreadable, "the snapshot thread panicked");
        (&mut self.snapshot).await.unwrap_or_else(|_| Err(panicked()))
    }
}

impl Drop for SnapshotTask {
    fn drop(&mut self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }
}
