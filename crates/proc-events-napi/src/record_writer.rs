//! Copies records from a subscription's queue into the memory that JavaScript reads.

use std::fmt;

use napi::bindgen_prelude::Uint32Array;
use proc_events::{Notification, Subscription, realtime_offset_ns};

use crate::record;

/// Index of the first record in the array. The words before it are:
/// - the end index of the records, until JavaScript has handled them and writes 0;
/// - the low and the high half of [`realtime_offset_ns`] at the time of the copy.
const FIRST: usize = 3;

/// A subscription, and the notifications taken from its queue that are still to be copied.
pub(crate) struct RecordWriter {
    pub(crate) subscription: Subscription,
    /// The array that records are copied to.
    pub(crate) words: Uint32Array,
    /// Notifications taken from the queue. The first `copied` of them are already copied.
    notifications: Vec<Notification>,
    copied: usize,
    /// True if the queue was empty after the last take.
    drained: bool,
    /// Number of batches that were copied.
    pub(crate) batches: u64,
    /// Number of records of the largest batch.
    pub(crate) largest_batch: u64,
}

impl fmt::Debug for RecordWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordWriter").field("subscription", &self.subscription).finish_non_exhaustive()
    }
}

impl RecordWriter {
    pub(crate) const fn new(subscription: Subscription, words: Uint32Array) -> Self {
        Self {
            subscription,
            words,
            notifications: Vec::new(),
            copied: 0,
            drained: false,
            batches: 0,
            largest_batch: 0,
        }
    }

    /// Returns the number of notifications that are taken and not copied yet.
    pub(crate) fn pending(&self) -> usize {
        self.notifications.len() - self.copied
    }

    /// Does the same as [`RecordWriter::fill`] if JavaScript has handled the previous records, else returns `(0,
    /// false)`.
    pub(crate) fn fill_if_free(&mut self) -> (i32, bool) {
        if self.words.first().is_none_or(|end| *end != 0) { (0, false) } else { self.fill() }
    }

    /// Copies whole records. Returns their end index, and true if no record is left.
    ///
    /// Special end indexes:
    /// - 0: no record was queued;
    /// - -n: the next record needs an array of n words.
    pub(crate) fn fill(&mut self) -> (i32, bool) {
        #[expect(unsafe_code, reason = "the type cannot express that JavaScript does not run meanwhile")]
        // SAFETY: this runs on JavaScript's thread, and JavaScript does not run before it returns.
        let words = unsafe { self.words.as_mut() };
        if self.copied == self.notifications.len() {
            let most = (words.len() / record::HEAD).max(1);
            self.notifications.clear();
            // The previous array may have been longer.
            self.notifications.shrink_to(most);
            self.copied = 0;
            self.drained = self.subscription.take(most, &mut self.notifications);
        }
        let subscriber = self.subscription.id();
        let (mut end, already_copied) = (FIRST, self.copied);
        for notification in self.notifications.iter().skip(self.copied) {
            let length = record::length(notification, subscriber);
            let Some(target) = words.get_mut(end..end + length) else {
                if end == FIRST {
                    return (-((FIRST + length) as i32), false);
                }
                break;
            };
            record::write(notification, subscriber, target);
            end += length;
            self.copied += 1;
        }
        let end = if end == FIRST { 0 } else { end };
        self.batches += u64::from(end > 0);
        self.largest_batch = self.largest_batch.max((self.copied - already_copied) as u64);
        if let Some([first, low, high]) = words.first_chunk_mut() {
            let offset_ns = realtime_offset_ns();
            (*first, *low, *high) = (end as u32, offset_ns as u32, (offset_ns >> 32) as u32);
        }
        (end as i32, self.drained && self.pending() == 0)
    }
}
