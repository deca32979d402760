//! Supervises the event source: attaches it, tests it, and reopens it after a failure.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use rustix::time::ClockId;
use tokio::time::Instant;

use super::Reader;
use super::connection::{THREAD_NAME, open_connector, polling_limit};
use super::interest::kernel_types;
use crate::connector::Connector;
use crate::delivery::queue::SubscriberQueue;
use crate::error::{Error, ErrorCode};
use crate::model::notification::Notification;
use crate::model::source_kind::SourceKind;
use crate::procfs::clock_ns;

impl Reader<'_> {
    /// Notifies a new subscriber of the source, and sets the position at which it joins the stream.
    pub(super) fn announce_source(&self, queue: &SubscriberQueue) {
        queue.set_joined(self.pipeline.table.position());
        let source = if self.pipeline.source.is_some() { SourceKind::Netlink } else { SourceKind::Polling };
        let receive_buffer_size = self.handle.receive_buffer_size.load(Ordering::Relaxed) as u32;
        queue.notify(Notification::Opened { receive_buffer_size, source });
        if let Some(reason) = &self.fallback_reason {
            queue.notify(Notification::FellBackToPolling(reason.clone()));
        }
        if self.pipeline.source.is_none()
            && let Some(limit) = polling_limit(self.pipeline.processes.procfs())
        {
            queue.notify(Notification::FellBackToPolling(limit));
        }
    }

    /// Attaches a connector that was opened just now. Without one, starts to poll `/proc`.
    pub(super) fn attach(&mut self, connector: Option<Connector>) -> Result<(), Error> {
        let size = connector.as_ref().map_or(0, Connector::receive_buffer_size);
        self.handle.receive_buffer_size.store(size as u64, Ordering::Relaxed);
        let failed = |error: std::io::Error| Error::from_io("fcntl", "F_DUPFD_CLOEXEC", &error);
        self.handle.kernel_filter.attach(connector.as_ref()).map_err(failed)?;
        let queues = &*self.pipeline.queues;
        self.handle.kernel_filter.set(|| kernel_types(queues))?;
        let is_polling = connector.is_none();
        self.pipeline.attach(connector);
        if is_polling {
            self.start_polling();
        }
        Ok(())
    }

    /// Reopens the source if it was silent since the last check and does not report a self-test. The self-test
    /// distinguishes an idle machine from a kernel that no longer reports.
    pub(super) fn check_connector(&mut self) -> Result<(), Error> {
        self.pipeline.resync.audit(Instant::now());
        if self.pipeline.source.is_none() || self.pipeline.activity.take() || self.self_test()? {
            return Ok(());
        }
        let reason = Error::detected(ErrorCode::SourceFailed, "the kernel did not report prctl PR_SET_NAME");
        self.reopen(reason)
    }

    /// Reopens the source. The resync that follows recovers the events in between.
    pub(super) fn reopen(&mut self, reason: Error) -> Result<(), Error> {
        // Close the old socket first, so that the kernel no longer counts it as a listener. Detaching never fails.
        let _ = self.handle.kernel_filter.attach(None);
        self.pipeline.attach(None);
        let options = &self.handle.options;
        let procfs = Arc::clone(self.pipeline.processes.procfs());
        let opened =
            open_connector(options, &procfs, kernel_types(self.pipeline.queues)).and_then(|connector| {
                self.attach(Some(connector))?;
                if self.self_test()? { Ok(()) } else { Err(reason.clone()) }
            });
        let notification = match opened {
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
                self.fallback_reason = Some(error.clone());
                Notification::FellBackToPolling(error)
            }
        };
        self.pipeline.queues.iter().for_each(|queue| queue.notify(notification.clone()));
        self.apply_capture();
        self.has_usage_failed = false;
        self.apply_usage();
        Ok(())
    }

    /// Triggers an event that the kernel filter passes to this socket only. Returns true if the event arrives. The
    /// kernel queues it before the call returns.
    fn self_test(&mut self) -> Result<bool, Error> {
        let before = self.handle.stats.lost_socket.get();
        self.pipeline.activity.take();
        let name = std::ffi::CString::new(THREAD_NAME).unwrap_or_default();
        rustix::thread::set_name(&name)
            .map_err(|errno| Error::from_io("prctl", "PR_SET_NAME", &errno.into()))?;
        self.pipeline.catch_up(clock_ns(ClockId::Monotonic))?;
        // A full receive buffer may have dropped the event. That is a loss, and not a failure.
        Ok(self.pipeline.activity.take() || self.handle.stats.lost_socket.get() > before)
    }
}
