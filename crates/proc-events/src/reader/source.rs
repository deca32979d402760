//! Where events come from: opening the source, keeping it, and what is left when it fails.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use rustix::time::ClockId;
use tokio::time::Instant;

use super::Reader;

use crate::error::{Error, ErrorCode};
use crate::interest::Kinds;
use crate::monitor::{Options, SourceKind};
use crate::notice::Notice;
use crate::outbox::Outbox;
use crate::probe::shows_others;
use crate::procfs::{Procfs, clock_ns};
use crate::socket::Connector;

/// The thread's name is what it renames itself to: to nothing else, but in a way that the kernel reports.
pub(crate) const THREAD_NAME: &str = "proc-events";

/// The source that the options name; the reason, where it is not the one that was wished for.
pub(super) fn open(
    options: &Options,
    procfs: &Arc<Procfs>,
    kinds: Kinds,
) -> Result<(Option<Connector>, Option<Error>), Error> {
    if options.source == SourceKind::Polling {
        return shows_others(procfs).map(|()| (None, None));
    }
    match netlink(options, procfs, kinds) {
        Ok(connector) => Ok((Some(connector), None)),
        Err(reason) if options.falls_back && shows_others(procfs).is_ok() => Ok((None, Some(reason))),
        Err(reason) => Err(reason),
    }
}

fn netlink(options: &Options, procfs: &Arc<Procfs>, kinds: Kinds) -> Result<Connector, Error> {
    let connector = Connector::open(&options.proc_root, options.receive_buffer_size, kinds)?;
    // The kernel's numbers are those of the initial pid namespace, where this process is, or it would not be heard.
    if !procfs.is_of_own_pid_namespace() {
        let shown = "readlink self: the proc file system of another pid namespace";
        return Err(Error::shown_by(ErrorCode::ProcUnreadable, shown));
    }
    Ok(connector)
}

impl Reader<'_> {
    pub(super) fn welcome(&self, outbox: &Outbox) {
        outbox.join(self.hearing.table.mark());
        let source = if self.hearing.door.is_some() { SourceKind::Netlink } else { SourceKind::Polling };
        let receive_buffer_size = self.shared.receive_buffer_size.load(Ordering::Relaxed) as u32;
        outbox.notify(Notice::Opened { receive_buffer_size, source });
        if let Some(reason) = &self.fallen_back {
            outbox.notify(Notice::FallenBack(reason.clone()));
        }
    }

    /// Takes the source into service.
    pub(super) fn adopt(&mut self, connector: Option<Connector>) -> Result<(), Error> {
        let size = connector.as_ref().map_or(0, Connector::receive_buffer_size);
        self.shared.receive_buffer_size.store(size as u64, Ordering::Relaxed);
        let failed = |error: std::io::Error| Error::unexpected("fcntl F_DUPFD_CLOEXEC", &error);
        self.shared.gate.serve(connector.as_ref()).map_err(failed)?;
        let outboxes = &*self.hearing.outboxes;
        self.shared.gate.follow(|| super::commands::passing(outboxes))?;
        if connector.is_none() {
            self.hearing.resync.poll_every(self.shared.options.polling_interval, Instant::now());
        }
        self.hearing.adopt(connector);
        Ok(())
    }

    /// Called from time to time: whether a silence since is that of the machine, or of a kernel that no longer reports.
    pub(super) fn check_hearing(&mut self) -> Result<(), Error> {
        self.hearing.resync.audit(Instant::now());
        if self.hearing.door.is_none() || self.hearing.liveness.has_heard() || self.hears_itself()? {
            return Ok(());
        }
        let reason =
            Error::shown_by(ErrorCode::SourceFailed, "prctl PR_SET_NAME: not reported by the kernel");
        self.reopen(reason)
    }

    /// Opens the source anew. What was missed meanwhile is found by a resync.
    pub(super) fn reopen(&mut self, reason: Error) -> Result<(), Error> {
        // Closed first: it no longer counts among the kernel's listeners when the new one is opened.
        // Nothing can fail where nothing is opened.
        let _ = self.shared.gate.serve(None);
        self.hearing.adopt(None);
        let options = &self.shared.options;
        let procfs = Arc::clone(self.hearing.processes.procfs());
        let opened = netlink(options, &procfs, super::commands::passing(self.hearing.outboxes)).and_then(
            |connector| {
                self.adopt(Some(connector))?;
                if self.hears_itself()? { Ok(()) } else { Err(reason.clone()) }
            },
        );
        let told = match opened {
            Ok(()) => {
                self.shared.stats.restart.count();
                self.hearing.resync.lost(1);
                Notice::Restart(reason)
            }
            Err(error) => {
                self.shared.stats.reinit_failed.count();
                if !options.falls_back {
                    return Err(error);
                }
                self.adopt(None)?;
                self.fallen_back = Some(error.clone());
                Notice::FallenBack(error)
            }
        };
        self.hearing.outboxes.iter().for_each(|outbox| outbox.notify(told.clone()));
        self.follow_capture();
        Ok(())
    }

    /// Makes an event that only this listener is sent, and looks whether it comes. The kernel queues it before the call
    /// returns.
    fn hears_itself(&mut self) -> Result<bool, Error> {
        let before = self.shared.stats.lost_socket.get();
        self.hearing.liveness.has_heard();
        let name = std::ffi::CString::new(THREAD_NAME).unwrap_or_default();
        rustix::thread::set_name(&name)
            .map_err(|errno| Error::unexpected("prctl PR_SET_NAME", &errno.into()))?;
        self.hearing.catch_up(clock_ns(ClockId::Monotonic))?;
        // A full queue has had no room for it, but is no sign of deafness.
        Ok(self.hearing.liveness.has_heard() || self.shared.stats.lost_socket.get() > before)
    }
}
