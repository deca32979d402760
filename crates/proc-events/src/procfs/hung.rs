//! Reads that do not return: the threads that wait in them, and the processes that they were about. Takes the time as an
//! argument.

use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::parse;
use crate::stats::Stats;

/// The time after which a read counts as hung, unless its thread only waits for a CPU. A read takes some microseconds.
pub(crate) const DEADLINE: Duration = Duration::from_millis(50);
/// Abandoned threads of this program at most: past it, none is started that might become another.
pub(crate) const STUCK_MAX: usize = 8;
/// The time during which a process is not asked for its arguments again.
const SKIPPED_MS: u64 = 10_000;
/// Processes that are skipped at a time.
const SLOTS: usize = 64;

const NS_PER_MS: u64 = 1_000_000;
/// A pid has 22 bits, and a time in milliseconds since boot fits into the rest for 139 years.
const TIME_BITS: u32 = 42;
const TIME_MASK: u64 = (1 << TIME_BITS) - 1;

static STUCK: AtomicUsize = AtomicUsize::new(0);

/// The threads of this program that were abandoned and have not come back.
pub(crate) fn stuck_threads() -> usize {
    STUCK.load(Ordering::Relaxed)
}

/// The processes whose arguments are not read for a while, because a read of them did not return.
#[derive(Debug)]
pub(crate) struct HungReads {
    stats: Arc<Stats>,
    /// Each a pid, and until when; 0: free.
    slots: [AtomicU64; SLOTS],
    next: AtomicUsize,
}

impl HungReads {
    pub(crate) fn new(stats: Arc<Stats>) -> Self {
        Self { stats, slots: [const { AtomicU64::new(0) }; SLOTS], next: AtomicUsize::new(0) }
    }

    /// Skips a process from now on. Of more than there is room for, the oldest is forgotten.
    pub(crate) fn skip(&self, pid: u32, now_ns: u64) {
        let slot = self.next.fetch_add(1, Ordering::Relaxed) % SLOTS;
        self.slots[slot].store(pack(pid, now_ns / NS_PER_MS + SKIPPED_MS), Ordering::Relaxed);
    }

    /// Returns true if the process is skipped.
    pub(crate) fn is_skipped(&self, pid: u32, now_ns: u64) -> bool {
        // Nearly always nothing has ever hung.
        if self.next.load(Ordering::Relaxed) == 0 {
            return false;
        }
        let is_it = |slot: &AtomicU64| {
            let (skipped, until_ms) = unpack(slot.load(Ordering::Relaxed));
            skipped == pid && now_ns / NS_PER_MS < until_ms
        };
        self.slots.iter().any(is_it)
    }

    /// Counts details that were given up.
    pub(crate) fn count(&self) {
        self.stats.capture_timeouts.count();
    }
}

/// A thread that reads, as the thread sees it that relies on it.
#[derive(Debug, Default)]
pub(crate) struct ReadState {
    /// 0: it reads nothing; [`ABANDONED`]; or the pid that it reads, and since when.
    reading: AtomicU64,
    /// Its own stat; `None` where that is not shown. Empty until the thread has begun.
    stat: OnceLock<Option<OwnedFd>>,
}

const ABANDONED: u64 = u64::MAX;

impl ReadState {
    /// Called by the thread: it begins to read.
    pub(crate) fn begin(&self, pid: u32, now_ns: u64) {
        self.reading.store(pack(pid, now_ns / NS_PER_MS), Ordering::Relaxed);
    }

    /// Called by the thread: the read has returned. Returns true if the thread was abandoned meanwhile, and is to end.
    pub(crate) fn end(&self) -> bool {
        let is_abandoned = self.reading.swap(0, Ordering::AcqRel) == ABANDONED;
        if is_abandoned {
            STUCK.fetch_sub(1, Ordering::Relaxed);
        }
        is_abandoned
    }

    /// Called by the thread: lets its state be asked for.
    pub(crate) fn show(&self, stat: Option<OwnedFd>) {
        let _ = self.stat.set(stat);
    }

    /// The process that it has read for too long, if any.
    pub(crate) fn hung(&self, now_ns: u64) -> Option<Reading> {
        let reading = self.reading.load(Ordering::Relaxed);
        let (pid, since_ms) = unpack(reading);
        let is_late = (now_ns / NS_PER_MS).saturating_sub(since_ms) >= DEADLINE.as_millis() as u64;
        let is_hung = reading != 0 && reading != ABANDONED && is_late && !self.is_runnable();
        is_hung.then_some(Reading { pid, reading })
    }

    /// Abandons the thread. Returns false if its read has just returned.
    pub(crate) fn abandon(&self, Reading { reading, .. }: Reading) -> bool {
        STUCK.fetch_add(1, Ordering::Relaxed);
        let result = self.reading.compare_exchange(reading, ABANDONED, Ordering::AcqRel, Ordering::Relaxed);
        if result.is_err() {
            STUCK.fetch_sub(1, Ordering::Relaxed);
        }
        result.is_ok()
    }

    /// The read that is under way.
    pub(crate) fn current(&self) -> Option<Reading> {
        let reading = self.reading.load(Ordering::Relaxed);
        (reading != 0 && reading != ABANDONED).then(|| Reading { pid: unpack(reading).0, reading })
    }

    /// Returns true if the thread runs, or waits for nothing but a CPU, as one does that has not begun.
    pub(crate) fn is_runnable(&self) -> bool {
        let Some(stat) = self.stat.get() else { return true };
        let mut text = [0; 512];
        let stat = stat.as_ref().and_then(|stat| rustix::io::pread(stat, &mut text, 0).ok());
        stat.and_then(|len| parse::stat(&text[..len])).is_some_and(|stat| stat.state == b'R')
    }
}

/// One read of a thread.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading {
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
    fn skipped_processes_take_a_fixed_room() {
        let hung = HungReads::new(Arc::default());
        (1..=1000).for_each(|pid| hung.skip(pid, SECOND));
        let skipped: Vec<_> = (1..=1000).filter(|&pid| hung.is_skipped(pid, SECOND)).collect();
        assert_eq!(skipped, (937..=1000).collect::<Vec<_>>());
    }

    #[test]
    fn a_read_that_has_returned_abandons_nobody() {
        let state = ReadState::default();
        let late = |ms: u64| SECOND + ms * NS_PER_MS;
        assert!(state.hung(SECOND).is_none());
        state.begin(7, SECOND);
        assert!(state.hung(late(200)).is_none(), "the thread has not begun");
        state.show(None);
        assert!(state.hung(late(49)).is_none());
        let first = state.hung(late(50)).unwrap();
        assert_eq!(first.pid, 7);
        assert!(!state.end());
        state.begin(8, late(60));
        assert!(!state.abandon(first), "that is another read");
        let second = state.hung(late(200)).unwrap();
        assert!(state.abandon(second));
        assert!(state.hung(late(300)).is_none(), "nobody waits for it any more");
        assert!(state.end(), "the thread is to end");
    }
}
