//! Counts the datagrams that the kernel dropped, by the socket's own drop counter.
//!
//! Sequence numbers cannot count losses: the kernel numbers events before it filters them, so that every filtered event
//! leaves a gap.

/// Differences of the socket's drop counter (`SK_MEMINFO_DROPS`), which starts at 0 and wraps at 2^32.
#[derive(Debug, Default)]
pub struct DropCounter {
    last: u32,
}

impl DropCounter {
    /// Takes the counter's present value, and returns the number of datagrams dropped since the previous call.
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
    fn a_wrapped_counter_gives_the_right_difference() {
        let mut drops = DropCounter::default();
        assert_eq!(drops.observe(u32::MAX - 1), u32::MAX - 1);
        assert_eq!(drops.observe(3), 5);
        assert_eq!(drops.observe(3), 0);
    }
}
