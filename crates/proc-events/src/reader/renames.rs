//! Follows renames only as long as they are few.
//!
//! A captured comm needs the renames of all main threads. A process that renames itself in a loop would fill the socket's
//! buffer with them. The reader then has the kernel drop renames for a while, and reads the comms from a snapshot afterwards.

use std::time::Duration;

use tokio::time::Instant;

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
    /// Begins a pause.
    pub(super) fn begin(&mut self, now: Instant) {
        // The loop has gone on if it is noticed again so soon.
        let previous = self.last.filter(|(ended, length)| now < *ended + *length);
        let length = previous.map_or(FIRST_PAUSE, |(_, length)| (2 * length).min(LONGEST_PAUSE));
        self.until = Some(now + length);
        self.last = Some((now + length, length));
    }

    /// Returns true if the pause ends now.
    pub(super) fn end_if_due(&mut self, now: Instant) -> bool {
        self.until.take_if(|until| *until <= now).is_some()
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
