//! Counts losses, so that each one is reported once.

/// Losses since the start: counted by the kernel, repaired by resyncs, reported to subscribers.
#[derive(Debug)]
pub(super) struct LossLedger {
    counted: u64,
    repaired: u64,
    reported: u64,
}

impl LossLedger {
    pub(super) const fn new() -> Self {
        Self { counted: 0, repaired: 0, reported: 0 }
    }

    /// Counts events that the kernel dropped.
    pub(super) const fn count(&mut self, lost: u64) {
        self.counted += lost;
    }

    /// Counts events that a resync recovered. A recovered event was lost, even if no counter saw it.
    pub(super) const fn repair(&mut self, recovered: u64) {
        self.repaired += recovered;
    }

    /// Returns the number of lost events to report, and counts them as reported.
    pub(super) fn take_unreported(&mut self) -> u64 {
        let lost = self.counted.max(self.repaired).saturating_sub(self.reported);
        self.reported += lost;
        lost
    }
}
