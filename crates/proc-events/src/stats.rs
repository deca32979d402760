//! The counters of one reader. Its threads write them, and any thread reads them.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// The counters of a running reader.
        #[derive(Debug, Default)]
        pub struct Stats { $($(#[$doc])* pub $name: Counter,)* }

        /// A copy of the counters at one moment.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Counts { $($(#[$doc])* pub $name: u64,)* }

        impl Stats {
            /// Copies the counters.
            pub fn counts(&self) -> Counts {
                Counts { $($name: self.$name.get(),)* }
            }
        }
        impl Counts {
            /// Returns the difference to an earlier copy.
            #[must_use]
            pub const fn since(&self, earlier: &Self) -> Self {
                Self { $($name: self.$name.saturating_sub(earlier.$name),)* }
            }
        }
    };
}

counters! {
    /// Number of process events that were received.
    events,
    /// Number of execs.
    exec,
    /// Number of exits of processes.
    exit,
    /// Number of times that the source was reopened.
    restart,
    /// Number of failures to reopen the source.
    reinit_failed,
    /// Number of snapshots that failed.
    process_scan_failed,
    /// Number of events that the kernel dropped, because the socket's receive buffer was full.
    lost_socket,
    /// Number of snapshots that were reconciled after a loss.
    resync,
    /// Number of datagrams that the kernel did not send, or that were malformed.
    rejected,
    /// Number of messages that were ignored: unknown types, duplicates, events that were reported before, and exits of
    /// leaders that a non-leader exec replaced.
    ignored,
    /// Number of processes whose arguments were not read, because a read of that process did not return in time.
    capture_timeouts,
    /// Number of process ids that were given out, and free again before the reader could look at them. Those of threads
    /// are among them.
    unseen,
    /// Number of reported exits whose status could not be had.
    exits_without_status,
    /// Number of exits whose cost was lost, because the kernel dropped records or reports of exits.
    usage_lost,
}

/// A counter. Uses relaxed ordering, because no counter depends on another.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds 1.
    pub fn count(&self) {
        self.add(1);
    }
    /// Adds `n`.
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }
    /// Returns the count.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
