//! The counters of one reader, written by its thread and read by any.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// Counters that are still being counted.
        #[derive(Debug, Default)]
        pub struct Stats { $($(#[$doc])* pub $name: Counter,)* }

        /// The counters at one moment.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Counts { $($(#[$doc])* pub $name: u64,)* }

        impl Stats {
            /// The counters as they stand.
            pub fn counts(&self) -> Counts {
                Counts { $($name: self.$name.get(),)* }
            }
        }
        impl Counts {
            /// What was counted since `earlier`.
            #[must_use]
            pub const fn since(&self, earlier: &Self) -> Self {
                Self { $($name: self.$name.saturating_sub(earlier.$name),)* }
            }
        }
    };
}

counters! {
    /// Messages of processes that were read.
    events,
    /// Execs among them.
    exec,
    /// Exits of processes among them.
    exit,
    /// Times that the source was opened anew.
    restart,
    /// Times that opening it anew failed.
    reinit_failed,
    /// Snapshots that could not be taken.
    process_scan_failed,
    /// Events that the socket dropped.
    lost_socket,
    /// Snapshots reconciled after a loss.
    resync,
    /// Datagrams that did not come from the kernel, or were malformed.
    rejected,
    /// Messages that were dropped: of a kind that this version does not know, those that came twice, reports of what had
    /// been reported before, and exits of leaders that made way for the exec of another thread.
    ignored,
    /// Details that were given up because the read did not return in time, or would not have.
    capture_timeouts,
}

/// One counter. Relaxed order is enough: no counter says anything about another.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Counts one.
    pub fn count(&self) {
        self.add(1);
    }
    /// Counts `n`.
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }
    /// The count.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
