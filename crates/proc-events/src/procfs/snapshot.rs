//! Snapshots of all processes, and the search for exited ones.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustc_hash::FxHashSet;
use rustix::io::Errno;

use super::mount::Procfs;
use super::reader::{ReadResult, Reader};
use crate::error::{Error, ErrorCode};
use crate::model::interest::Fields;
use crate::model::snapshot::{KnownProcesses, Snapshot};
use crate::sys::pidfd;

/// Longest time that a snapshot waits in one go for reads that hang. A snapshot has a thread of its own.
const SNAPSHOT_BURST: Duration = Duration::from_secs(1);

impl Procfs {
    /// Reads `fields` of every process that runs now. Processes among `known` are returned without details.
    ///
    /// Setting `cancelled` ends the snapshot early. It then contains only the processes read so far.
    ///
    /// # Errors
    /// [`ErrorCode::ProcUnreadable`] if the directory cannot be read, or no descriptor or memory is left.
    pub fn snapshot(
        self: &Arc<Self>,
        fields: Fields,
        known: &KnownProcesses,
        cancelled: &AtomicBool,
    ) -> Result<Snapshot, Error> {
        let mut reader = Reader::new(self, SNAPSHOT_BURST, false);
        let mut snapshot = Snapshot::default();
        for pid in self.pids()? {
            if cancelled.load(Ordering::Relaxed) {
                break;
            }
            match reader.read_unless_known(pid, fields, known.get(&pid)).map_err(unreadable_process)? {
                ReadResult::Running(observed) => snapshot.processes.push(*observed),
                ReadResult::Disappeared => snapshot.unread.push(pid),
                ReadResult::Zombie | ReadResult::Hidden => {}
            }
        }
        Ok(snapshot)
    }

    /// Returns those of `pids` whose process has exited, including zombies, and the pids that now belong to a thread.
    ///
    /// # Errors
    /// [`ErrorCode::ProcUnreadable`] if the directory cannot be read, or no descriptor or memory is left.
    /// [`ErrorCode::ProcNamespace`] if it shows another pid namespace.
    pub fn exited_among(self: &Arc<Self>, pids: &[u32]) -> Result<Vec<u32>, Error> {
        let listed: FxHashSet<u32> = self.pids()?.into_iter().collect();
        if !self.is_of_own_pid_namespace() {
            return Err(Error::detected(ErrorCode::ProcNamespace, "/proc/self is not this process"));
        }
        let mut reader = self.reader();
        let mut exited = Vec::new();
        for &pid in pids {
            let has_exited = match pidfd::open_if_running(pid) {
                // A pidfd also shows processes that `/proc` hides from this user.
                Ok(running) => running.is_none(),
                _ if !listed.contains(&pid) => true,
                _ => {
                    let read = reader.read_process(pid, Fields::NONE).map_err(unreadable_process)?;
                    !matches!(read, ReadResult::Running(_))
                }
            };
            if has_exited {
                exited.push(pid);
            }
        }
        Ok(exited)
    }
}

fn unreadable_process(errno: Errno) -> Error {
    Error::from_errno(ErrorCode::ProcUnreadable, "open", "a process's stat", errno)
}
