//! When to doubt that the kernel still reports: a listener can go deaf without any error.

use std::time::Duration;

/// Silence for this long is looked into.
pub(crate) const SELF_TEST_INTERVAL: Duration = Duration::from_secs(10);

/// Whether anything was heard.
#[derive(Debug, Default)]
pub(crate) struct ActivityFlag {
    take_activity: bool,
}

impl ActivityFlag {
    /// Something was heard from the kernel.
    pub(crate) const fn heard(&mut self) {
        self.take_activity = true;
    }

    /// Whether something was heard since the last look, or since this was asked.
    pub(crate) const fn take_activity(&mut self) -> bool {
        std::mem::replace(&mut self.take_activity, false)
    }
}
