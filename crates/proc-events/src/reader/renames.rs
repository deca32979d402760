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

/// Time for which renames are not followed then, at first.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest such time. It doubles while the loop goes on.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// The times at which renames are not followed.
#[derive(Debug, Default)]
pub(super) struct RenamePause {
    /// The end of the present pause; `None`: renames are followed.
    pub(super) until: Option<Instant>,
    /// The end and the length of the last pause.
    last: Option<(Instant, Duration)>,
}

impl RenamePause {
    fn begin(&mut self, now: Instant) {
        // The loop has gone on if it is noticed again so soon.
        let previous = self.last.filter(|(ended, length)| now < *ended + *length);
        let length = previous.map_or(FIRST_PAUSE, |(_, length)| (2 * length).min(LONGEST_PAUSE));
        self.until = Some(now + length);
        self.last = Some((now + length, length));
    }

    /// Returns true if the pause ends now.
    fn end_if_due(&mut self, now: Instant) -> bool {
        self.until.take_if(|until| *until <= now).is_some()
    }
}

impl Reader<'_> {
    /// Returns the event types that the kernel filter must pass now.
    pub(super) fn kernel_types(&self) -> EventTypes {
        let types = kernel_types(self.pipeline.queues);
        if self.rename_pause.until.is_some() { types.without(EventTypes::RENAMES) } else { types }
    }

    /// Stops following renames if the last read had too many.
    pub(super) fn pause_renames_if_many(&mut self) -> Result<(), Error> {
        let is_subscribed = self.pipeline.interest.types.has(EventType::Comm);
        let are_many = self.pipeline.take_renames() > RENAMES_MAX;
        if are_many && !is_subscribed && self.rename_pause.until.is_none() {
            self.rename_pause.begin(Instant::now());
            self.handle.kernel_filter.set(|| self.kernel_types())?;
        }
        Ok(())
    }

    /// Follows renames again, and requests a snapshot that shows what was missed.
    pub(super) fn resume_renames_if_due(&mut self, now: Instant) -> Result<(), Error> {
        if self.rename_pause.end_if_due(now) {
            self.handle.kernel_filter.set(|| self.kernel_types())?;
            self.pipeline.resync.request_refresh();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pause_doubles_while_the_loop_goes_on() {
        let (mut pause, mut now) = (RenamePause::default(), Instant::now());
        for seconds in [1, 2, 4, 8, 16, 32, 60, 60] {
            pause.begin(now);
            let length = Duration::from_secs(seconds);
            assert!(!pause.end_if_due(now + length - Duration::from_millis(1)));
            now += length;
            assert!(pause.end_if_due(now) && !pause.end_if_due(now));
        }
        // The loop has ended.
        now += LONGEST_PAUSE;
        pause.begin(now);
        assert_eq!(pause.until, Some(now + FIRST_PAUSE));
    }
}
