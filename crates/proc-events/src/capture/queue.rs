//! Details that were read on a CPU, on their way to the reader's thread.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::Receiver;
use std::time::Duration;

use crate::procfs::RawDetails;

/// The details of a process, with the number of its exec among the messages of the CPU; `None` if they were not read.
pub(super) type Captured<T = RawDetails> = (u32, Option<T>);

/// Details that take so many bytes of memory.
pub(super) trait Weigh {
    fn weight(&self) -> usize;
}
impl Weigh for RawDetails {
    fn weight(&self) -> usize {
        self.weight()
    }
}

/// The captured of one CPU, in the order of its execs.
#[derive(Debug)]
pub(super) struct CaptureQueue<Q: Queue<T>, T: Weigh = RawDetails> {
    pub(super) queue: Q,
    /// The first one, if it belongs to an exec that was not heard yet.
    next_captured: Option<Captured<T>>,
    /// One was waited for in vain, and none has come since.
    is_silent: bool,
    /// The bytes that wait, on all CPUs together.
    bytes: Arc<AtomicUsize>,
}

/// Where captured come from.
pub(super) trait Queue<T> {
    fn next(&mut self, timeout: Duration) -> Option<Captured<T>>;
}
impl<T> Queue<T> for Receiver<Captured<T>> {
    fn next(&mut self, timeout: Duration) -> Option<Captured<T>> {
        self.recv_timeout(timeout).ok()
    }
}
impl<T> Queue<T> for VecDeque<Captured<T>> {
    fn next(&mut self, _: Duration) -> Option<Captured<T>> {
        self.pop_front()
    }
}

impl<T: Weigh, Q: Queue<T>> CaptureQueue<Q, T> {
    pub(super) const fn new(queue: Q, bytes: Arc<AtomicUsize>) -> Self {
        Self { queue, next_captured: None, is_silent: false, bytes }
    }

    /// The find of this exec. Earlier ones are of no use any more.
    pub(super) fn take(&mut self, seq: u32, timeout: Duration) -> Option<T> {
        loop {
            // After a stop of the whole program, say, thousands were missed: they are not waited for one by one.
            let timeout = if self.is_silent { Duration::ZERO } else { timeout };
            let find = self.next_captured.take().or_else(|| self.queue.next(timeout));
            self.is_silent = find.is_none();
            let (found, details) = find?;
            // The kernel's numbers start again at zero after the last one.
            if found.wrapping_sub(seq).cast_signed() > 0 {
                self.next_captured = Some((found, details));
                return None;
            }
            self.bytes.fetch_sub(details.as_ref().map_or(0, T::weight), Ordering::Relaxed);
            if found == seq {
                return details;
            }
        }
    }
}

impl<T: Weigh, Q: Queue<T>> Drop for CaptureQueue<Q, T> {
    /// Finds that are not taken any more no longer count.
    fn drop(&mut self) {
        while let Some((_, details)) = self.next_captured.take().or_else(|| self.queue.next(Duration::ZERO)) {
            self.bytes.fetch_sub(details.as_ref().map_or(0, T::weight), Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAPTURE_TIMEOUT: Duration = Duration::from_millis(2);

    #[derive(Debug)]
    struct Bytes(u32);
    impl Weigh for Bytes {
        fn weight(&self) -> usize {
            10
        }
    }

    #[test]
    fn a_find_is_taken_at_its_exec_and_earlier_ones_are_dropped() {
        let queue: VecDeque<_> = [u32::MAX, 0, 3, 4, 9].map(|seq| (seq, Some(Bytes(seq)))).into();
        let bytes = Arc::new(AtomicUsize::new(50));
        let mut captured = CaptureQueue::new(queue, Arc::clone(&bytes));
        let mut pid = |seq| captured.take(seq, Duration::ZERO).map(|Bytes(pid)| pid);
        assert_eq!(pid(u32::MAX - 1), None);
        assert_eq!(pid(u32::MAX), Some(u32::MAX));
        assert_eq!([pid(2), pid(4), pid(5), pid(9), pid(10)], [None, Some(4), None, Some(9), None]);
        assert_eq!(bytes.load(Ordering::Relaxed), 0, "what was taken or dropped no longer counts");
    }

    #[test]
    fn finds_that_are_dropped_no_longer_count() {
        let queue: VecDeque<_> = [3, 4, 5].map(|seq| (seq, Some(Bytes(seq)))).into();
        let bytes = Arc::new(AtomicUsize::new(40));
        let mut captured = CaptureQueue::new(queue, Arc::clone(&bytes));
        assert!(captured.take(2, Duration::ZERO).is_none());
        drop(captured);
        assert_eq!(bytes.load(Ordering::Relaxed), 10, "those of another CPU still wait");
    }

    #[test]
    fn a_thread_that_has_kept_one_waiting_is_waited_for_again_once_it_has_found_something() {
        struct Asked(VecDeque<Captured<Bytes>>, Vec<Duration>);
        impl Queue<Bytes> for Asked {
            fn next(&mut self, timeout: Duration) -> Option<Captured<Bytes>> {
                self.1.push(timeout);
                self.0.pop_front()
            }
        }
        let queue = Asked(VecDeque::new(), Vec::new());
        let mut captured = CaptureQueue::new(queue, Arc::default());
        for seq in 1..4 {
            assert!(captured.take(seq, CAPTURE_TIMEOUT).is_none());
        }
        captured.queue.0.push_back((2, None));
        assert!(captured.take(4, CAPTURE_TIMEOUT).is_none());
        let none = Duration::ZERO;
        assert_eq!(captured.queue.1, [CAPTURE_TIMEOUT, none, none, none, CAPTURE_TIMEOUT]);
    }
}
