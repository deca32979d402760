//! Counts how long processes live, for the rest between two looks.

use super::CursorTracker;
use crate::cursor::rest::Lives;

impl<H> CursorTracker<H> {
    /// Sets the time below which a life is short, in nanoseconds.
    pub const fn set_short_ns(&mut self, short_ns: u64) {
        self.short_ns = short_ns;
    }

    /// Returns the processes that were new or have ended since the last call.
    pub fn take_lives(&mut self) -> Lives {
        std::mem::take(&mut self.lives)
    }

    /// Counts a process that has ended, or that was gone before it could be looked at.
    pub(super) fn count_end(&mut self, lived_ns: u64) {
        self.lives.ended += 1;
        self.lives.short += u32::from(lived_ns < self.short_ns);
    }
}
