//! Opens the event source that the options name.

use std::sync::Arc;

use crate::connector::Connector;
use crate::error::{Error, ErrorCode};
use crate::model::interest::EventTypes;
use crate::model::source_kind::SourceKind;
use crate::options::Options;
use crate::probe::{can_poll, shows_other_users};
use crate::procfs::Procfs;

/// The name of the reader thread. The self-test sets the same name again, because the kernel reports that too.
pub(crate) const THREAD_NAME: &str = "proc-events";

/// Opens the source that the options name. Returns no connector if the reader must poll `/proc`. Returns an error
/// beside it if the options ask for the connector, which is unavailable for this reason.
pub(super) fn open(
    options: &Options,
    procfs: &Arc<Procfs>,
    types: EventTypes,
) -> Result<(Option<Connector>, Option<Error>), Error> {
    if options.source == SourceKind::Polling {
        return can_poll(procfs).map(|()| (None, None));
    }
    match open_connector(options, procfs, types) {
        Ok(connector) => Ok((Some(connector), None)),
        Err(reason) if options.falls_back && can_poll(procfs).is_ok() => Ok((None, Some(reason))),
        Err(reason) => Err(reason),
    }
}

/// Returns what is missing in `/proc` as a source: the pids of this process, or the processes of other users.
pub(super) fn polling_limit(procfs: &Arc<Procfs>) -> Option<Error> {
    if procfs.is_of_own_pid_namespace() {
        return shows_other_users(procfs).err();
    }
    Some(Error::detected(ErrorCode::ProcNamespace, "its pids are not those of this process"))
}

/// Opens the connector, and checks that `/proc` shows the pid namespace of its events.
pub(super) fn open_connector(
    options: &Options,
    procfs: &Arc<Procfs>,
    types: EventTypes,
) -> Result<Connector, Error> {
    let connector = Connector::open(&options.proc_root, options.receive_buffer_size, types)?;
    // The kernel reports pids of the initial pid namespace, and accepts listeners from that namespace only. So `/proc`
    // must show the pid namespace of this process.
    if !procfs.is_of_own_pid_namespace() {
        let finding = "the proc file system shows another pid namespace";
        return Err(Error::detected(ErrorCode::ProcUnreadable, finding));
    }
    Ok(connector)
}
