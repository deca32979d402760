//! Reads that hang: the threads that hang in them, and the processes that they read. Takes the time as an argument.

use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::parse;
use crate::stats::Stats;

/// Time after which a read counts as hung, unless its thread waits for a CPU. A read normally takes microseconds.
pub(crate) const DEADLINE: Duration = Duration::from_millis(50);
/// Maximum number of abandoned threads of this program. At the maximum no further helper or worker is started.
pub(crate) const STUCK_MAX: usize = 8;
/// Time during which the arguments of a process whose read hung are not read again, in milliseconds.
const SKIP_MS: u64 = 10_000;
/// Maximum number of processes that are skipped at a time.
const SLOTS: usize = 64;

const NS_PER_MS: u64 = 1_000_000;
/// Bits for a time in milliseconds since boot, enough for 139 years. The other 22 bits hold a pid.
const TIME_BITS: u32 = 42;
const TIME_MASK: u64 = (1 << TIME_BITS) - 1;

static STUCK: AtomicUsize = AtomicUsize::new(0);

/// Returns the number of abandoned threads of this program whose read still hangs.
pub(crate) fn stuck_threads() -> usize {
    STUCK.load(Ordering::Relaxed)
}

/// Processes whose arguments are not read for a while, because a read of them hung.
#[derive(Debug)]
pub(crate) struct HungReads {
    stats: Arc<Stats>,
    /// Packed pids, each with the end of its time in milliseconds. 0: free.
    slots: [AtomicU64; SLOTS],
    next: AtomicUsize,
}

impl HungReads {
    pub(crate) fn new(stats: Arc<Stats>) -> Self {
        Self { stats, slots: [const { AtomicU64::new(0) }; SLOTS], next: AtomicUsize::new(0) }
    }

    /// Skips a process for ten seconds. If all slots are taken, replaces the oldest.
    pub(crate) fn skip(&self, pid: u32, now_ns: u64) {
        let slot = self.next.fetch_add(1, Ordering::Relaxed) % SLOTS;
        self.slots[slot].store(pack(pid, now_ns / NS_PER_MS + SKIP_MS), Ordering::Relaxed);
    }

    /// Returns true if the process is skipped.
    pub(crate) fn is_skipped(&self, pid: u32, now_ns: u64) -> bool {
        // The common case: no read has ever hung.
        if self.next.load(Ordering::Relaxed) == 0 {
            return false;
        }
        let matches = |slot: &AtomicU64| {
            let (skipped, until_ms) = unpack(slot.load(Ordering::Relaxed));
            skipped == pid && now_ns / NS_PER_MS < until_ms
        };
        self.slots.iter().any(matches)
    }

    /// Counts one read that was given up, because it hung or was expected to hang.
    pub(crate) fn count(&self) {
        self.stats.capture_timeouts.count();
    }
}

/// The state of a reading thread, shared with the thread that waits for it.
#[derive(Debug, Default)]
pub(crate) struct ReadState {
    /// 0: idle. [`ABANDONED`]: abandoned. Otherwise the packed pid, and the start of the read in milliseconds.
    reading: AtomicU64,
    /// The open stat file of the thread; `None` if it cannot be opened. Unset until the thread has started.
    stat: OnceLock<Option<OwnedFd>>,
}

const ABANDONED: u64 = u64::MAX;

impl ReadState {
    /// Records the start of a read. The reading thread calls this.
    pub(crate) fn begin(&self, pid: u32, now_ns: u64) {
        self.reading.store(pack(pid, now_ns / NS_PER_MS), Ordering::Relaxed);
    }

    /// Records the end of a read. The reading thread calls this. Returns true if the thread was abandoned meanwhile,
    /// and must exit.
    pub(crate) fn end(&self) -> bool {
        let is_abandoned = self.reading.swap(0, Ordering::AcqRel) == ABANDONED;
        if is_abandoned {
            STUCK.fetch_sub(1, Ordering::Relaxed);
        }
        is_abandoned
    }

    /// Sets the stat file of the thread. The reading thread calls this when it starts.
    pub(crate) fn show(&self, stat: Option<OwnedFd>) {
        let _ = self.stat.set(stat);
    }

    /// Returns the present read if it hangs.
    pub(crate) fn hung(&self, now_ns: u64) -> Option<PendingRead> {
        let reading = self.reading.load(Ordering::Relaxed);
        let (pid, since_ms) = unpack(reading);
        let is_late = (now_ns / NS_PER_MS).saturating_sub(since_ms) >= DEADLINE.as_millis() as u64;
        let is_hung = reading != 0 && reading != ABANDONED && is_late && !self.is_runnable();
        is_hung.then_some(PendingRead { pid, reading })
    }

    /// Abandons the thread in this read. Returns false if the read has returned meanwhile.
    pub(crate) fn abandon(&self, PendingRead { reading, .. }: PendingRead) -> bool {
        STUCK.fetch_add(1, Ordering::Relaxed);
        let result = self.reading.compare_exchange(reading, ABANDONED, Ordering::AcqRel, Ordering::Relaxed);
        if result.is_err() {
            STUCK.fetch_sub(1, Ordering::Relaxed);
        }
        result.is_ok()
    }

    /// Returns the present read.
    pub(crate) fn current(&self) -> Option<PendingRead> {
        let reading = self.reading.load(Ordering::Relaxed);
        (reading != 0 && reading != ABANDONED).then(|| PendingRead { pid: unpack(reading).0, reading })
    }

    /// Returns true if the thread runs or waits for a CPU. A thread that has not started counts as waiting for a CPU.
    pub(crate) fn is_runnable(&self) -> bool {
        let Some(stat) = self.stat.get() else { return true };
        let mut buffer = [0; 512];
        let stat = stat.as_ref().and_then(|stat| rustix::io::pread(stat, &mut buffer, 0).ok());
        stat.and_then(|len| parse::stat(&buffer[..len])).is_some_and(|stat| stat.state == b'R')
    }
}

/// One read, identified by its pid and start.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PendingRead {
    pub(crate) pid: u32,
    reading: u64,
}

const fn pack(pid: u32, ms: u64) -> u64 {
    (pid as u64) << TIME_BITS | ms & TIME_MASK
}

const fn unpack(packed: u64) -> (u32, u64) {
    ((packed >> TIME_BITS) as u32, packed & TIME_MASK)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn a_process_is_skipped_for_ten_seconds() {
        let hung = HungReads::new(Arc::default());
        assert!(!hung.is_skipped(7, SECOND));
        hung.skip(7, SECOND);
        assert!(hung.is_skipped(7, 2 * SECOND) && !hung.is_skipped(8, 2 * SECOND));
        assert!(!hung.is_skipped(7, 11 * SECOND));
    }

    #[test]
    fn skipped_processes_take_bounded_memory() {
        let hung = HungReads::new(Arc::default());
        (1..=1000).for_each(|pid| hung.skip(pid, SECOND));
        let skipped: Vec<_> = (1..=1000).filter(|&pid| hung.is_skipped(pid, SECOND)).collect();
        assert_eq!(skipped, (937..=1000).collect::<Vec<_>>());
    }

    #[test]
    fn a_thread_is_abandoned_only_in_the_read_that_hangs() {
        let state = ReadState::default();
        let late = |ms: u64| SECOND + ms * NS_PER_MS;
        assert!(state.hung(SECOND).is_none());
        state.begin(7, SECOND);
        assert!(state.hung(late(200)).is_none(), "the thread has not started");
        state.show(None);
        assert!(state.hung(late(49)).is_none());
        let first = state.hung(late(50)).unwrap();
        assert_eq!(first.pid, 7);
        assert!(!state.end());
        state.begin(8, late(60));
        assert!(!state.abandon(first), "the thread is in another read");
        let second = state.hung(late(200)).unwrap();
        assert!(state.abandon(second));
        assert!(state.hung(late(300)).is_none(), "it is abandoned already");
        assert!(state.end(), "the thread must exit");
    }
}
