//! Matches records with exits. Pure: no I/O, and time is an argument.
//!
//! The kernel queues the record of a process before it reports the exit, and it gives out the pid again only after that.
//! So the first record of a pid belongs to its first exit, as long as no record and no exit is missing. Some are missing
//! after a loss, and when reading begins. Then two facts decide:
//! - An exit before that time has no record.
//! - A record that may belong to a process which was created after the exit does not count.

use rustc_hash::FxHashMap;

use super::wire::Record;
use crate::model::event::ExitStatus;
use crate::model::usage::ResourceUsage;

/// The longest time from the record of a process to its exit that is usual, in nanoseconds. The process closes its files
/// in between.
const CLOSING_NS: u64 = 1_000_000_000;
/// The largest number of records that wait for their exit.
const PENDING_MAX: usize = 1 << 16;

/// An exit whose cost is asked for.
#[derive(Clone, Copy, Debug)]
pub struct ExitedProcess {
    /// The process id.
    pub pid: u32,
    /// Time of the exit, in nanoseconds.
    pub exit_ns: u64,
    /// A time at which the process is known to have run, in nanoseconds; 0: unknown.
    pub began_ns: u64,
    /// The wait status; `None`: unknown.
    pub status: Option<ExitStatus>,
}

/// The records that wait for the exit of a process.
#[derive(Debug, Default)]
pub struct UsageMatcher {
    pending: FxHashMap<u32, Pending>,
    /// Exits until this time have no record here.
    complete_from_ns: u64,
}

/// The records of one pid. There is more than one if the pid was reused before its exit was read.
#[derive(Debug)]
struct Pending {
    first: Received,
    later: Vec<Received>,
}

/// A record, and the time at which it had been received.
#[derive(Clone, Copy, Debug)]
struct Received {
    record: Record,
    until_ns: u64,
}

impl Received {
    /// Returns true if a process of an earlier time than `began_ns` has left this record.
    const fn is_before(&self, began_ns: u64) -> bool {
        self.until_ns < began_ns
    }

    /// Returns true if the process may have been created after `exit_ns`.
    const fn may_begin_after(&self, exit_ns: u64) -> bool {
        self.until_ns.saturating_sub(self.record.elapsed_ns) > exit_ns
    }

    fn contradicts(&self, exit: &ExitedProcess) -> bool {
        self.record.status.zip(exit.status).is_some_and(|(one, other)| one != other)
    }
}

impl UsageMatcher {
    /// Forgets all records. Those of exits until `now_ns` are missing from now on.
    pub fn reset(&mut self, now_ns: u64) {
        self.pending.clear();
        self.complete_from_ns = now_ns;
    }

    /// Returns true if an exit at this time may have a record.
    pub const fn covers(&self, exit_ns: u64) -> bool {
        exit_ns > self.complete_from_ns
    }

    /// Adds a record that was received by `until_ns`. Returns false if too many records wait, so that their exits must be
    /// missing.
    #[must_use]
    pub fn add(&mut self, record: Record, until_ns: u64) -> bool {
        let received = Received { record, until_ns };
        match self.pending.get_mut(&record.pid) {
            Some(pending) => pending.later.push(received),
            None => {
                let pending = Pending { first: received, later: Vec::new() };
                self.pending.insert(record.pid, pending);
            }
        }
        self.pending.len() <= PENDING_MAX
    }

    /// Returns the number of pids whose records wait for an exit.
    pub fn len(&self) -> usize {
        self.pending.len()
    }

    /// Returns true if no record waits.
    pub fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    /// Takes the record of a process that has exited.
    pub fn take(&mut self, exit: &ExitedProcess) -> Option<ResourceUsage> {
        if !self.covers(exit.exit_ns) {
            return None;
        }
        let is_certain = exit.exit_ns > self.complete_from_ns.saturating_add(CLOSING_NS);
        loop {
            let first = self.pending.get(&exit.pid)?.first;
            if !is_certain && first.may_begin_after(exit.exit_ns) {
                return None;
            }
            self.remove_first(exit.pid);
            // The exit of an earlier process is missing.
            if !first.is_before(exit.began_ns) && !first.contradicts(exit) {
                return Some(first.record.usage);
            }
        }
    }

    fn remove_first(&mut self, pid: u32) {
        match self.pending.get_mut(&pid) {
            Some(Pending { first, later }) if !later.is_empty() => *first = later.remove(0),
            _ => {
                self.pending.remove(&pid);
            }
        }
    }
}
