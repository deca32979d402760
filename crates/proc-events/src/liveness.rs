//! When to doubt that the kernel still reports: a listener can go deaf without any error.

use std::time::Duration;

use tokio::time::Instant;

/// Silence for this long is looked into.
const SILENCE: Duration = Duration::from_secs(10);

/// What was heard, and when that is to be looked at.
#[derive(Debug)]
pub(crate) struct Liveness {
    has_heard: bool,
    look_at: Instant,
}

impl Liveness {
    pub(crate) fn new() -> Self {
        Self { has_heard: false, look_at: Instant::now() + SILENCE }
    }

    /// Something was heard from the kernel.
    pub(crate) const fn heard(&mut self) {
        self.has_heard = true;
    }

    /// When to look.
    pub(crate) const fn due(&self) -> Instant {
        self.look_at
    }

    /// Whether nothing was heard for so long that it has to be looked into. To be asked when it is due.
    pub(crate) fn is_silent(&mut self) -> bool {
        self.look_at = Instant::now() + SILENCE;
        !std::mem::take(&mut self.has_heard)
    }

    /// Whether something was heard since the last look, or since this was asked.
    pub(crate) const fn has_heard(&mut self) -> bool {
        std::mem::replace(&mut self.has_heard, false)
    }
}
