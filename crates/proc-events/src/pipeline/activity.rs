//! Detects that the kernel has stopped sending: a listener can go silent without any error.

use std::time::Duration;

/// After this long without a message, the reader tests whether the kernel still sends.
pub(crate) const SELF_TEST_INTERVAL: Duration = Duration::from_secs(10);

/// Records whether a message has arrived.
#[derive(Debug, Default)]
pub(crate) struct ActivityFlag {
    is_set: bool,
}

impl ActivityFlag {
    /// Records a message.
    pub(crate) const fn set(&mut self) {
        self.is_set = true;
    }

    /// Returns true if a message has arrived since the last call.
    pub(crate) const fn take(&mut self) -> bool {
        std::mem::replace(&mut self.is_set, false)
    }
}
