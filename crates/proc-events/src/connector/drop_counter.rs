//! Counts what the kernel dropped, by the socket's own drop counter. (The sequence numbers in the messages cannot tell:
//! the kernel counts before it filters, so every event that the filter drops is a hole in them.)

/// The socket's drop counter (`SK_MEMINFO_DROPS`), which starts at 0, only grows, and wraps at 2^32.
#[derive(Debug, Default)]
pub struct DropCounter {
    last: u32,
}

impl DropCounter {
    /// How many events were dropped since the last look.
    pub const fn observe(&mut self, now: u32) -> u32 {
        let dropped = now.wrapping_sub(self.last);
        self.last = now;
        dropped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_drop_counter_wraps() {
        let mut drops = DropCounter::default();
        assert_eq!(drops.observe(u32::MAX - 1), u32::MAX - 1);
        assert_eq!(drops.observe(3), 5);
        assert_eq!(drops.observe(3), 0);
    }
}
