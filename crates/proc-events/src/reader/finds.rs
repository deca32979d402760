//! Details that were read on a CPU, on their way to the reader's thread.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::Receiver;
use std::time::Duration;

use crate::procfs::RawDetails;

/// The details of a process, with the number of its exec among the messages of the CPU; `None` if they were not read.
pub(super) type Find<T = RawDetails> = (u32, Option<T>);

/// Details that take so many bytes of memory.
pub(super) trait Weigh {
    fn weight(&self) -> usize;
}
impl Weigh for RawDetails {
    fn weight(&self) -> usize {
        self.weight()
    }
}

/// The finds of one CPU, in the order of its execs.
#[derive(Debug)]
pub(super) struct Finds<Q: Queue<T>, T: Weigh = RawDetails> {
    pub(super) queue: Q,
    /// The first one, if it belongs to an exec that was not heard yet.
    front: Option<Find<T>>,
    /// One was waited for in vain, and none has come since.
    is_silent: bool,
    /// The bytes that wait, on all CPUs together.
    bytes: Arc<AtomicUsize>,
}

/// Where finds come from.
pub(super) trait Queue<T> {
    fn next(&mut self, patience: Duration) -> Option<Find<T>>;
}
impl<T> Queue<T> for Receiver<Find<T>> {
    fn next(&mut self, patience: Duration) -> Option<Find<T>> {
        self.recv_timeout(patience).ok()
    }
}
impl<T> Queue<T> for VecDeque<Find<T>> {
    fn next(&mut self, _: Duration) -> Option<Find<T>> {
        self.pop_front()
    }
}

impl<T: Weigh, Q: Queue<T>> Finds<Q, T> {
    pub(super) const fn new(queue: Q, bytes: Arc<AtomicUsize>) -> Self {
        Self { queue, front: None, is_silent: false, bytes }
    }

    /// The find of this exec. Earlier ones are of no use any more.
    pub(super) fn take(&mut self, seq: u32, patience: Duration) -> Option<T> {
        loop {
            // After a stop of the whole program, say, thousands were missed: they are not waited for one by one.
            let patience = if self.is_silent { Duration::ZERO } else { patience };
            let find = self.front.take().or_else(|| self.queue.next(patience));
            self.is_silent = find.is_none();
            let (found, details) = find?;
            // The kernel's numbers start again at zero after the last one.
            if found.wrapping_sub(seq).cast_signed() > 0 {
                self.front = Some((found, details));
                return None;
            }
            self.bytes.fetch_sub(details.as_ref().map_or(0, T::weight), Ordering::Relaxed);
            if found == seq {
                return details;
            }
        }
    }
}

impl<T: Weigh, Q: Queue<T>> Drop for Finds<Q, T> {
    /// Finds that are not taken any more no longer count.
    fn drop(&mut self) {
        while let Some((_, details)) = self.front.take().or_else(|| self.queue.next(Duration::ZERO)) {
            self.bytes.fetch_sub(details.as_ref().map_or(0, T::weight), Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_millis(2);

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
        let mut finds = Finds::new(queue, Arc::clone(&bytes));
        let mut pid = |seq| finds.take(seq, Duration::ZERO).map(|Bytes(pid)| pid);
        assert_eq!(pid(u32::MAX - 1), None);
        assert_eq!(pid(u32::MAX), Some(u32::MAX));
        assert_eq!([pid(2), pid(4), pid(5), pid(9), pid(10)], [None, Some(4), None, Some(9), None]);
        assert_eq!(bytes.load(Ordering::Relaxed), 0, "what was taken or dropped no longer counts");
    }

    #[test]
    fn finds_that_are_dropped_no_longer_count() {
        let queue: VecDeque<_> = [3, 4, 5].map(|seq| (seq, Some(Bytes(seq)))).into();
        let bytes = Arc::new(AtomicUsize::new(40));
        let mut finds = Finds::new(queue, Arc::clone(&bytes));
        assert!(finds.take(2, Duration::ZERO).is_none());
        drop(finds);
        assert_eq!(bytes.load(Ordering::Relaxed), 10, "those of another CPU still wait");
    }

    #[test]
    fn a_thread_that_has_kept_one_waiting_is_waited_for_again_once_it_has_found_something() {
        struct Asked(VecDeque<Find<Bytes>>, Vec<Duration>);
        impl Queue<Bytes> for Asked {
            fn next(&mut self, patience: Duration) -> Option<Find<Bytes>> {
                self.1.push(patience);
                self.0.pop_front()
            }
        }
        let queue = Asked(VecDeque::new(), Vec::new());
        let mut finds = Finds::new(queue, Arc::default());
        for seq in 1..4 {
            assert!(finds.take(seq, PATIENCE).is_none());
        }
        finds.queue.0.push_back((2, None));
        assert!(finds.take(4, PATIENCE).is_none());
        let none = Duration::ZERO;
        assert_eq!(finds.queue.1, [PATIENCE, none, none, none, PATIENCE]);
    }
}
