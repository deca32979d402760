//! Matches records with exits. Pure: no I/O, and time is an argument.
//!
//! The kernel queues the record of a process before it reports the exit, and it gives out the pid again only after that.
//! So the first record of a pid belongs to its first exit, as long as no record and no exit is missing. Some are missing
//! after a loss, and when reading begins. Then these rules decide:
//! - An exit before that time has no record.
//! - Soon after it, a record does not count if it may be that of a process which was created after the exit. Then all
//!   records of the pid are forgotten, as after a loss.
//! - A process that is known to have run after that time has a record, whenever it exits.

use rustc_hash::FxHashMap;

use super::wire::Record;
use crate::model::event::ExitStatus;
use crate::model::usage::ResourceUsage;

/// The longest time from the record of a process to its exit, in nanoseconds. The process closes its files in between. If
/// that takes longer, a wrong match still needs a pid that is reused before its exit is read.
const CLOSING_NS: u64 = 1_000_000_000;
/// The same when reading begins, where the first processes are often short-lived and read late.
const CLOSING_AT_START_NS: u64 = 20_000_000;
/// The largest number of records that wait for their exit.
const PENDING_MAX: usize = 1 << 16;
/// The largest number of pids whose records were forgotten.
const FORGOTTEN_MAX: usize = 1024;
/// Time after which a pid whose records were forgotten counts as any other, in nanoseconds. Exits are read earlier.
const FORGOTTEN_NS: u64 = 60_000_000_000;

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
    /// All pids.
    all: Coverage,
    /// The pids whose records were forgotten later.
    forgotten: FxHashMap<u32, Coverage>,
    /// Time at which the last read began.
    read_began_ns: u64,
}

/// The exits that have a record.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::struct_field_names, reason = "each is a time, and its name ends with the unit")]
pub(super) struct Coverage {
    /// Exits until this time have none.
    begins_ns: u64,
    /// Exits after this time have one. Those in between may have one.
    certain_exit_ns: u64,
    /// Processes that ran after this time have one.
    certain_run_ns: u64,
}

impl Coverage {
    /// Records that were queued until `begins_ns` are missing, and others that were queued until `certain_run_ns` may be.
    const fn new(begins_ns: u64, certain_run_ns: u64, closing_ns: u64) -> Self {
        Self { begins_ns, certain_exit_ns: begins_ns.saturating_add(closing_ns), certain_run_ns }
    }

    /// Returns the exits that have a record which is queued from `now_ns` on.
    pub(super) const fn since_opening(now_ns: u64) -> Self {
        Self::new(now_ns, now_ns, CLOSING_AT_START_NS)
    }

    /// Returns true if the record of the process may be missing.
    pub(super) const fn may_lack(&self, exit: &ExitedProcess) -> bool {
        exit.exit_ns <= self.certain_exit_ns && exit.began_ns <= self.certain_run_ns
    }
}

/// The records of one pid. There is more than one if the pid was reused before its exit was read.
#[derive(Debug)]
struct Pending {
    first: Received,
    later: Vec<Received>,
}

impl Pending {
    /// Returns the time at which all of them had been received.
    fn until_ns(&self) -> u64 {
        self.later.last().unwrap_or(&self.first).until_ns
    }
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
    /// Returns a matcher for records that are queued from `now_ns` on.
    #[must_use]
    pub fn new(now_ns: u64) -> Self {
        Self { all: Coverage::since_opening(now_ns), ..Self::default() }
    }

    /// Forgets all records that were queued until `from_ns`, and those that were received until `until_ns`.
    pub fn reset(&mut self, from_ns: u64, until_ns: u64) {
        *self = Self { all: Coverage::new(from_ns, until_ns, CLOSING_NS), ..Self::default() };
    }

    /// Must be called before records are received. Those that were received before were queued before `now_ns`.
    pub fn begin_read(&mut self, now_ns: u64) {
        self.read_began_ns = now_ns;
        if self.forgotten.len() > FORGOTTEN_MAX {
            self.forgotten.retain(|_, coverage| coverage.begins_ns.saturating_add(FORGOTTEN_NS) > now_ns);
        }
    }

    /// Adds a record that was received by `until_ns`. Returns false if too many records wait, so that their exits must be
    /// missing.
    #[must_use]
    pub fn add(&mut self, record: Record, until_ns: u64) -> bool {
        let received = Received { record, until_ns };
        if let Some(pending) = self.pending.get_mut(&record.pid) {
            pending.later.push(received);
        } else {
            self.pending.insert(record.pid, Pending { first: received, later: Vec::new() });
        }
        self.pending.len() <= PENDING_MAX
    }

    /// Takes the record of a process that has exited. All records that were queued before the exit must be added.
    pub fn take(&mut self, exit: &ExitedProcess) -> Option<ResourceUsage> {
        let coverage = *self.forgotten.get(&exit.pid).unwrap_or(&self.all);
        if exit.exit_ns <= coverage.begins_ns {
            return None;
        }
        loop {
            let first = self.pending.get(&exit.pid)?.first;
            if coverage.may_lack(exit) && first.may_begin_after(exit.exit_ns) {
                let until_ns = self.pending.remove(&exit.pid).map_or(u64::MAX, |pending| pending.until_ns());
                self.forgotten.insert(exit.pid, Coverage::new(self.read_began_ns, until_ns, CLOSING_NS));
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
