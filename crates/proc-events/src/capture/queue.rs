//! The queue of captured details from one worker to the reader thread.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::Receiver;
use std::time::Duration;

use crate::procfs::RawDetails;

/// The sequence number of an exec on its CPU, and the details of its process; `None` if they were not read.
pub(super) type Captured<T = RawDetails> = (u32, Option<T>);

/// A value with a known memory use.
pub(super) trait MemoryUse {
    /// Returns the memory use, in bytes.
    fn memory_bytes(&self) -> usize;
}
impl MemoryUse for RawDetails {
    fn memory_bytes(&self) -> usize {
        self.weight()
    }
}

/// Returns the memory use of an exec in a queue, in bytes.
pub(super) fn queued_memory<T: MemoryUse>(details: Option<&T>) -> usize {
    size_of::<Captured<T>>() + details.map_or(0, T::memory_bytes)
}

/// The captured details of one CPU, in the order of their execs.
#[derive(Debug)]
pub(super) struct CaptureQueue<C: Channel<T>, T: MemoryUse = RawDetails> {
    pub(super) channel: C,
    /// Received details that belong to a later exec than the last one taken.
    early: Option<Captured<T>>,
    /// True if the last wait for the worker timed out.
    has_timed_out: bool,
    /// Memory use of the execs in the queues of all CPUs, in bytes.
    queued_bytes: Arc<AtomicUsize>,
}

/// The receiving end of a channel of captured details.
pub(super) trait Channel<T> {
    /// Receives the next details. Waits for at most `timeout`.
    fn next(&mut self, timeout: Duration) -> Option<Captured<T>>;
}
impl<T> Channel<T> for Receiver<Captured<T>> {
    fn next(&mut self, timeout: Duration) -> Option<Captured<T>> {
        self.recv_timeout(timeout).ok()
    }
}
impl<T> Channel<T> for VecDeque<Captured<T>> {
    fn next(&mut self, _: Duration) -> Option<Captured<T>> {
        self.pop_front()
    }
}

impl<T: MemoryUse, C: Channel<T>> CaptureQueue<C, T> {
    pub(super) const fn new(channel: C, queued_bytes: Arc<AtomicUsize>) -> Self {
        Self { channel, early: None, has_timed_out: false, queued_bytes }
    }

    /// Takes the details of the exec `seq`, and drops those of earlier execs. Waits for the worker for at most
    /// `timeout`.
    pub(super) fn take(&mut self, seq: u32, timeout: Duration) -> Option<T> {
        loop {
            // After one timeout, do not wait again until the worker sends. Otherwise the reader would wait once for
            // each of thousands of execs, for example after the whole program was stopped.
            let timeout = if self.has_timed_out { Duration::ZERO } else { timeout };
            let captured = self.early.take().or_else(|| self.channel.next(timeout));
            self.has_timed_out = captured.is_none();
            let (captured_seq, details) = captured?;
            // Compare as signed, because the kernel's sequence numbers wrap around.
            if captured_seq.wrapping_sub(seq).cast_signed() > 0 {
                self.early = Some((captured_seq, details));
                return None;
            }
            self.queued_bytes.fetch_sub(queued_memory(details.as_ref()), Ordering::Relaxed);
            if captured_seq == seq {
                return details;
            }
        }
    }
}

impl<T: MemoryUse, C: Channel<T>> Drop for CaptureQueue<C, T> {
    /// Subtracts the remaining details from `queued_bytes`.
    fn drop(&mut self) {
        while let Some((_, details)) = self.early.take().or_else(|| self.channel.next(Duration::ZERO)) {
            self.queued_bytes.fetch_sub(queued_memory(details.as_ref()), Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAPTURE_TIMEOUT: Duration = Duration::from_millis(2);

    #[derive(Debug)]
    struct Bytes(u32);
    impl MemoryUse for Bytes {
        fn memory_bytes(&self) -> usize {
            10
        }
    }

    #[test]
    fn details_are_taken_at_their_exec_and_earlier_ones_are_dropped() {
        let channel: VecDeque<_> = [u32::MAX, 0, 3, 4, 9].map(|seq| (seq, Some(Bytes(seq)))).into();
        let bytes = Arc::new(AtomicUsize::new(5 * queued_memory(Some(&Bytes(0)))));
        let mut queue = CaptureQueue::new(channel, Arc::clone(&bytes));
        let mut pid = |seq| queue.take(seq, Duration::ZERO).map(|Bytes(pid)| pid);
        assert_eq!(pid(u32::MAX - 1), None);
        assert_eq!(pid(u32::MAX), Some(u32::MAX));
        assert_eq!([pid(2), pid(4), pid(5), pid(9), pid(10)], [None, Some(4), None, Some(9), None]);
        assert_eq!(bytes.load(Ordering::Relaxed), 0, "taken and dropped details do not count");
    }

    #[test]
    fn details_of_a_dropped_queue_do_not_count() {
        let channel: VecDeque<_> = [3, 4, 5].map(|seq| (seq, Some(Bytes(seq)))).into();
        let each = queued_memory(Some(&Bytes(0)));
        let bytes = Arc::new(AtomicUsize::new(4 * each));
        let mut queue = CaptureQueue::new(channel, Arc::clone(&bytes));
        assert!(queue.take(2, Duration::ZERO).is_none());
        drop(queue);
        assert_eq!(bytes.load(Ordering::Relaxed), each, "details of another CPU remain");
    }

    #[test]
    fn worker_that_timed_out_is_waited_for_again_after_it_sends() {
        struct TimeoutRecorder(VecDeque<Captured<Bytes>>, Vec<Duration>);
        impl Channel<Bytes> for TimeoutRecorder {
            fn next(&mut self, timeout: Duration) -> Option<Captured<Bytes>> {
                self.1.push(timeout);
                self.0.pop_front()
            }
        }
        let recorder = TimeoutRecorder(VecDeque::new(), Vec::new());
        let bytes = Arc::new(AtomicUsize::new(queued_memory::<Bytes>(None)));
        let mut queue = CaptureQueue::new(recorder, bytes);
        for seq in 1..4 {
            assert!(queue.take(seq, CAPTURE_TIMEOUT).is_none());
        }
        queue.channel.0.push_back((2, None));
        assert!(queue.take(4, CAPTURE_TIMEOUT).is_none());
        let zero = Duration::ZERO;
        assert_eq!(queue.channel.1, [CAPTURE_TIMEOUT, zero, zero, zero, CAPTURE_TIMEOUT]);
    }
}
