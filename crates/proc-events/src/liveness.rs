//! When to doubt that the kernel still reports: a listener can go deaf without any error.

use std::time::Duration;

/// Silence for this long is looked into.
pub(crate) const SILENCE: Duration = Duration::from_secs(10);

/// Whether anything was heard.
#[derive(Debug, Default)]
pub(crate) struct Liveness {
    has_heard: bool,
}

impl Liveness {
    /// Something was heard from the kernel.
    pub(crate) const fn heard(&mut self) {
        self.has_heard = true;
    }

    /// Whether something was heard since the last look, or since this was asked.
    pub(crate) const fn has_heard(&mut self) -> bool {
        std::mem::replace(&mut self.has_heard, false)
    }
}
