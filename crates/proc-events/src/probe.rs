//! What this environment can do, found out without leaving anything behind.

use std::path::Path;
use std::sync::Arc;

use crate::connector;
use crate::error::{Error, ErrorCode};
use crate::model::interest::Fields;
use crate::procfs::Procfs;

/// What can be had here, or why not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// The kernel's process connector.
    pub netlink: Result<(), Error>,
    /// Snapshots of `/proc`.
    pub polling: Result<(), Error>,
}

/// Tries both sources.
#[must_use]
pub fn probe(proc_root: &Path) -> Probe {
    match Procfs::open(proc_root).map(Arc::new) {
        Ok(procfs) => Probe { netlink: connector::probe(proc_root), polling: shows_others(&procfs) },
        // Either source needs it.
        Err(error) => Probe { netlink: Err(error.clone()), polling: Err(error) },
    }
}

/// Whether the processes of other users are shown: with the mount option `hidepid` they may not be.
pub(crate) fn shows_others(procfs: &Arc<Procfs>) -> Result<(), Error> {
    match procfs.reader().observe(1, Fields::NONE) {
        Some(_) => Ok(()),
        None => Err(Error::shown_by(
            ErrorCode::ProcUnreadable,
            "open 1/stat: other users' processes are hidden (hidepid)",
        )),
    }
}
