//! Follows renames only as long as they are few.
//!
//! A captured comm needs the renames of all main threads. A process that renames itself in a loop would fill the socket's
//! buffer with them. The reader then has the kernel drop renames for a while, and reads the comms from a snapshot afterwards.

use std::time::Duration;

use tokio::time::Instant;

use super::Reader;
use super::interest::kernel_types;
use crate::error::Error;
use crate::model::interest::{EventType, EventTypes};
use crate::pipeline::RENAMES_MAX;

/// Time for which renames are not followed then.
const PAUSE: Duration = Duration::from_secs(1);

impl Reader<'_> {
    /// Returns the event types that the kernel filter must pass now.
    pub(super) fn kernel_types(&self) -> EventTypes {
        let types = kernel_types(self.pipeline.queues);
        if self.renames_resume_at.is_some() { types.without(EventTypes::RENAMES) } else { types }
    }

    /// Stops following renames if the last read had too many.
    pub(super) fn pause_renames_if_many(&mut self) -> Result<(), Error> {
        let is_subscribed = self.pipeline.interest.types.has(EventType::Comm);
        let are_many = self.pipeline.take_renames() > RENAMES_MAX;
        if are_many && !is_subscribed && self.renames_resume_at.is_none() {
            self.renames_resume_at = Some(Instant::now() + PAUSE);
            self.handle.kernel_filter.set(|| self.kernel_types())?;
        }
        Ok(())
    }

    /// Follows renames again, and requests a snapshot that shows what was missed.
    pub(super) fn resume_renames_if_due(&mut self, now: Instant) -> Result<(), Error> {
        if self.renames_resume_at.is_some_and(|resume_at| resume_at <= now) {
            self.renames_resume_at = None;
            self.handle.kernel_filter.set(|| self.kernel_types())?;
            self.pipeline.resync.request_refresh();
        }
        Ok(())
    }
}
