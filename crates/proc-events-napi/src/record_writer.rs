//! The way from a subscription's queue into the memory that JavaScript reads.

use std::fmt;

use napi::bindgen_prelude::Uint32Array;
use proc_events::{Notification, Subscription};

use crate::convert;

/// Words before the records: the first says where these end, until JavaScript has answered them all and writes 0.
const FIRST: usize = 1;

/// A subscription, and what was taken from it.
pub(crate) struct RecordWriter {
    pub(crate) subscription: Subscription,
    /// Where records are copied to.
    pub(crate) words: Uint32Array,
    /// Taken from the queue, and copied as far as `copied`.
    notifications: Vec<Notification>,
    copied: usize,
    /// Whether these were all there were.
    is_all: bool,
}

impl fmt::Debug for RecordWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordWriter").field("subscription", &self.subscription).finish_non_exhaustive()
    }
}

impl RecordWriter {
    pub(crate) const fn new(subscription: Subscription, words: Uint32Array) -> Self {
        Self { subscription, words, notifications: Vec::new(), copied: 0, is_all: false }
    }

    /// How many notices are still to be copied.
    pub(crate) fn waiting(&self) -> usize {
        self.notifications.len() - self.copied
    }

    /// Copies records if JavaScript is done with those before. Returns where they end, and whether they are all there are.
    pub(crate) fn fill_if_free(&mut self) -> (i32, bool) {
        if self.words.first().is_none_or(|end| *end != 0) { (0, false) } else { self.fill() }
    }

    /// Copies records. Returns where they end, or how long the array must be, negative, for one of them; and whether they
    /// are all there are.
    pub(crate) fn fill(&mut self) -> (i32, bool) {
        #[expect(
            unsafe_code,
            reason = "the types cannot tell that JavaScript leaves the array alone meanwhile"
        )]
        // SAFETY: this runs on JavaScript's thread, and JavaScript gets no turn before it returns.
        let words = unsafe { self.words.as_mut() };
        if self.copied == self.notifications.len() {
            let most = (words.len() / convert::HEAD).max(1);
            self.notifications.clear();
            // After a longer array there is room for more than this one can hold.
            self.notifications.shrink_to(most);
            self.copied = 0;
            self.is_all = self.subscription.take(most, &mut self.notifications);
        }
        let subscriber = self.subscription.id();
        let mut end = FIRST;
        for notification in self.notifications.iter().skip(self.copied) {
            let length = convert::length(notification, subscriber);
            let Some(place) = words.get_mut(end..end + length) else {
                if end == FIRST {
                    return (-((FIRST + length) as i32), false);
                }
                break;
            };
            convert::write(notification, subscriber, place);
            end += length;
            self.copied += 1;
        }
        let end = if end == FIRST { 0 } else { end };
        if let Some(first) = words.first_mut() {
            *first = end as u32;
        }
        (end as i32, self.is_all && self.waiting() == 0)
    }
}
