//! Finds out which sources this environment permits, and leaves no trace.

use std::path::Path;
use std::sync::Arc;

use crate::connector;
use crate::error::{Error, ErrorCode};
use crate::model::interest::Fields;
use crate::procfs::Procfs;
use crate::taskstats;

/// The sources that this environment permits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// `Ok` if the kernel's process connector can be used.
    pub netlink: Result<(), Error>,
    /// `Ok` if `/proc` can be polled. It may show only the processes of this user.
    pub polling: Result<(), Error>,
    /// `Ok` if the costs of processes can be read, beside the connector.
    pub usage: Result<(), Error>,
}

/// Tries both sources, and to read costs. `proc_root` is the mount point of the host's proc file system.
#[must_use]
pub fn probe(proc_root: &Path) -> Probe {
    match Procfs::open(proc_root).map(Arc::new) {
        Ok(procfs) => {
            let netlink = connector::probe(proc_root);
            let usage = netlink.clone().and_then(|()| taskstats::probe(proc_root));
            Probe { netlink, polling: can_poll(&procfs), usage }
        }
        // All need `/proc`.
        Err(error) => Probe { netlink: Err(error.clone()), polling: Err(error.clone()), usage: Err(error) },
    }
}

/// Checks that `/proc` shows the processes of all users, or at least those of this user with their own pids.
///
/// # Errors
/// [`ErrorCode::ProcUnreadable`] if it does neither.
pub(crate) fn can_poll(procfs: &Arc<Procfs>) -> Result<(), Error> {
    let is_own_shown = || procfs.reader().observe(std::process::id(), Fields::NONE).is_some();
    match shows_other_users(procfs) {
        Err(_) if procfs.is_of_own_pid_namespace() && is_own_shown() => Ok(()),
        result => result,
    }
}

/// Checks that `/proc` shows the processes of other users.
///
/// # Errors
/// [`ErrorCode::ProcUnreadable`] if the mount option `hidepid` hides process 1.
pub(crate) fn shows_other_users(procfs: &Arc<Procfs>) -> Result<(), Error> {
    match procfs.reader().observe(1, Fields::NONE) {
        Some(_) => Ok(()),
        None => Err(Error::detected(
            ErrorCode::ProcUnreadable,
            "1/stat is unreadable: other users' processes are hidden (hidepid)",
        )),
    }
}
