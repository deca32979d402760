//! A snapshot that is being taken, on the one thread beside the reader's.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::task::JoinHandle;

use crate::error::{Error, ErrorCode};
use crate::model::interest::Fields;
use crate::model::snapshot::{KnownProcesses, Snapshot};
use crate::procfs::Procfs;

/// The snapshot to come. Dropping it ends it early.
#[derive(Debug)]
pub(super) struct SnapshotTask {
    snapshot: JoinHandle<Result<Snapshot, Error>>,
    cancelled: Arc<AtomicBool>,
}

impl SnapshotTask {
    /// Must be called within a tokio runtime. See [`Procfs::snapshot`].
    pub(super) fn begin(procfs: &Arc<Procfs>, fields: Fields, known: KnownProcesses) -> Self {
        let cancelled = Arc::new(AtomicBool::new(false));
        let (procfs, its_cancelled) = (Arc::clone(procfs), Arc::clone(&cancelled));
        let snapshot = tokio::task::spawn_blocking(move || procfs.snapshot(fields, &known, &its_cancelled));
        Self { snapshot, cancelled }
    }

    /// Waits for it. Must not be called again after it has returned.
    pub(super) async fn finished(&mut self) -> Result<Snapshot, Error> {
        let panicked = || Error::shown_by(ErrorCode::ProcUnreadable, "the snapshot's thread panicked");
        (&mut self.snapshot).await.unwrap_or_else(|_| Err(panicked()))
    }
}

impl Drop for SnapshotTask {
    fn drop(&mut self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }
}
