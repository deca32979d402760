//! Where events come from: opening the source, keeping it, and what is left when it fails.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use rustix::time::ClockId;
use tokio::time::Instant;

use super::Reader;

use crate::connector::Connector;
use crate::delivery::queue::SubscriberQueue;
use crate::error::{Error, ErrorCode};
use crate::model::interest::EventTypes;
use crate::model::notification::Notification;
use crate::model::source_kind::SourceKind;
use crate::options::Options;
use crate::probe::shows_others;
use crate::procfs::{Procfs, clock_ns};

/// The thread's name is what it renames itself to: to nothing else, but in a way that the kernel reports.
pub(crate) const THREAD_NAME: &str = "proc-events";

/// The source that the options name; the reason, where it is not the one that was wished for.
pub(super) fn open(
    options: &Options,
    procfs: &Arc<Procfs>,
    types: EventTypes,
) -> Result<(Option<Connector>, Option<Error>), Error> {
    if options.source == SourceKind::Polling {
        return shows_others(procfs).map(|()| (None, None));
    }
    match netlink(options, procfs, types) {
        Ok(connector) => Ok((Some(connector), None)),
        Err(reason) if options.falls_back && shows_others(procfs).is_ok() => Ok((None, Some(reason))),
        Err(reason) => Err(reason),
    }
}

fn netlink(options: &Options, procfs: &Arc<Procfs>, types: EventTypes) -> Result<Connector, Error> {
    let connector = Connector::open(&options.proc_root, options.receive_buffer_size, types)?;
    // The kernel's numbers are those of the initial pid namespace, where this process is, or it would not be heard.
    if !procfs.is_of_own_pid_namespace() {
        let shown = "readlink self: the proc file system of another pid namespace";
        return Err(Error::shown_by(ErrorCode::ProcUnreadable, shown));
    }
    Ok(connector)
}

impl Reader<'_> {
    pub(super) fn announce_source(&self, queue: &SubscriberQueue) {
        queue.join(self.pipeline.table.position());
        let source = if self.pipeline.source.is_some() { SourceKind::Netlink } else { SourceKind::Polling };
        let receive_buffer_size = self.handle.receive_buffer_size.load(Ordering::Relaxed) as u32;
        queue.notify(Notification::Opened { receive_buffer_size, source });
        if let Some(reason) = &self.fallen_back {
            queue.notify(Notification::FellBackToPolling(reason.clone()));
        }
    }

    /// Takes the source into service.
    pub(super) fn attach(&mut self, connector: Option<Connector>) -> Result<(), Error> {
        let size = connector.as_ref().map_or(0, Connector::receive_buffer_size);
        self.handle.receive_buffer_size.store(size as u64, Ordering::Relaxed);
        let failed = |error: std::io::Error| Error::unexpected("fcntl F_DUPFD_CLOEXEC", &error);
        self.handle.kernel_filter.attach(connector.as_ref()).map_err(failed)?;
        let queues = &*self.pipeline.queues;
        self.handle.kernel_filter.set(|| super::commands::kernel_types(queues))?;
        if connector.is_none() {
            self.pipeline.resync.poll_every(self.handle.options.polling_interval, Instant::now());
        }
        self.pipeline.attach(connector);
        Ok(())
    }

    /// Called from time to time: whether a silence since is that of the machine, or of a kernel that no longer reports.
    pub(super) fn check_connector(&mut self) -> Result<(), Error> {
        self.pipeline.resync.audit(Instant::now());
        if self.pipeline.source.is_none() || self.pipeline.activity.take() || self.self_test()? {
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
        let _ = self.handle.kernel_filter.attach(None);
        self.pipeline.attach(None);
        let options = &self.handle.options;
        let procfs = Arc::clone(self.pipeline.processes.procfs());
        let opened = netlink(options, &procfs, super::commands::kernel_types(self.pipeline.queues)).and_then(
            |connector| {
                self.attach(Some(connector))?;
                if self.self_test()? { Ok(()) } else { Err(reason.clone()) }
            },
        );
        let told = match opened {
            Ok(()) => {
                self.handle.stats.restart.count();
                self.pipeline.resync.lost(1);
                Notification::Restart(reason)
            }
            Err(error) => {
                self.handle.stats.reinit_failed.count();
                if !options.falls_back {
                    return Err(error);
                }
                self.attach(None)?;
                self.fallen_back = Some(error.clone());
                Notification::FellBackToPolling(error)
            }
        };
        self.pipeline.queues.iter().for_each(|queue| queue.notify(told.clone()));
        self.apply_capture();
        Ok(())
    }

    /// Makes an event that only this listener is sent, and looks whether it comes. The kernel queues it before the call
    /// returns.
    fn self_test(&mut self) -> Result<bool, Error> {
        let before = self.handle.stats.lost_socket.get();
        self.pipeline.activity.take();
        let name = std::ffi::CString::new(THREAD_NAME).unwrap_or_default();
        rustix::thread::set_name(&name)
            .map_err(|errno| Error::unexpected("prctl PR_SET_NAME", &errno.into()))?;
        self.pipeline.catch_up(clock_ns(ClockId::Monotonic))?;
        // A full queue has had no room for it, but is no sign of deafness.
        Ok(self.pipeline.activity.take() || self.handle.stats.lost_socket.get() > before)
    }
}
