//! Merges the records of several rings by their times. Pure.

use super::record::{Malformed, Record, TaskChange, TaskRecord, records};

/// A task changes in the same way again only after a longer time, in nanoseconds.
const SAME_NS: u64 = 20_000;

/// The records that were read from the rings, and are not taken yet.
#[derive(Debug, Default)]
pub struct Merger {
    waiting: Vec<TaskRecord>,
}

impl Merger {
    /// Adds the bytes that were read from one ring. Returns the number of records that the kernel dropped because the ring was
    /// full.
    ///
    /// # Errors
    /// If they are no records. Those before are added.
    pub fn add(&mut self, bytes: &[u8], clock_offset_ns: i64) -> Result<u64, Malformed> {
        let mut lost = 0;
        for record in records(bytes) {
            match record? {
                Record::Task(task) => self.push(task, clock_offset_ns),
                Record::Lost(count) => lost += count,
                Record::Other => {}
            }
        }
        Ok(lost)
    }

    /// Adds the records of mapped files from the ring of such an event, which repeats forks and exits. Returns true if records were
    /// dropped. Those after that are left out: the first one of an exec may not be its program.
    ///
    /// # Errors
    /// As [`Merger::add`].
    pub fn add_mappings(&mut self, bytes: &[u8], clock_offset_ns: i64) -> Result<bool, Malformed> {
        let mut has_lost = false;
        for record in records(bytes) {
            match record? {
                Record::Task(task) if !has_lost && matches!(task.change, TaskChange::Mapped { .. }) => {
                    self.push(task, clock_offset_ns);
                }
                Record::Lost(_) => has_lost = true,
                Record::Task(_) | Record::Other => {}
            }
        }
        Ok(has_lost)
    }

    fn push(&mut self, mut task: TaskRecord, clock_offset_ns: i64) {
        task.time_ns = task.time_ns.saturating_add_signed(clock_offset_ns);
        self.waiting.push(task);
    }

    /// Takes the records up to `until_ns` in the order of their times. All rings must have been read since that time.
    ///
    /// A record that another one caused is later than it, and was written later. If it is not after `until_ns`, the other one
    /// was read, too, from whichever ring. Records after that time wait for the next read of all rings.
    pub fn take(&mut self, until_ns: u64) -> Vec<TaskRecord> {
        // Stable, because records of one ring with equal times are in their order.
        self.waiting.sort_by_key(|record| record.time_ns);
        let end = self.waiting.partition_point(|record| record.time_ns <= until_ns);
        let later = self.waiting.split_off(end);
        let mut records = std::mem::replace(&mut self.waiting, later);
        // A task that was created while its parent got its events may have two of them.
        records.dedup_by(|next, record| {
            let TaskRecord { time_ns, pid, tid, change } = record;
            (*pid, *tid) == (next.pid, next.tid)
                && *change == next.change
                && next.time_ns < *time_ns + SAME_NS
        });
        records
    }

    /// Returns true if records wait for the next read.
    #[must_use]
    pub const fn has_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Returns the records that wait for the next read.
    #[must_use]
    pub fn waiting(&self) -> &[TaskRecord] {
        &self.waiting
    }
}

#[cfg(test)]
mod tests {
    use super::super::record::encode::encode;
    use super::*;

    fn exit(tid: u32, time_ns: u64) -> Record {
        Record::Task(TaskRecord { time_ns, pid: 7, tid, change: TaskChange::Exited { ppid: 1 } })
    }

    fn bytes(records: &[Record]) -> Vec<u8> {
        records.iter().flat_map(encode).collect()
    }

    fn tids(records: &[TaskRecord]) -> Vec<u32> {
        records.iter().map(|record| record.tid).collect()
    }

    #[test]
    fn records_of_two_rings_are_in_the_order_of_their_times() {
        let mut merger = Merger::default();
        merger.add(&bytes(&[exit(1, 10), exit(2, 10), exit(4, 30)]), 0).unwrap();
        let lost = merger.add(&bytes(&[exit(3, 20), Record::Lost(5), exit(5, 40)]), 0).unwrap();
        assert_eq!(lost, 5);
        assert_eq!(tids(&merger.take(30)), [1, 2, 3, 4]);
        assert!(merger.has_waiting() && tids(merger.waiting()) == [5]);
        assert_eq!(tids(&merger.take(40)), [5]);
        assert!(!merger.has_waiting());
    }

    #[test]
    fn record_of_a_second_event_is_dropped() {
        let mut merger = Merger::default();
        merger.add(&bytes(&[exit(1, 10), exit(1, 11), exit(2, 12), exit(2, 12 + SAME_NS)]), 0).unwrap();
        assert_eq!(tids(&merger.take(2 * SAME_NS)), [1, 2, 2]);
    }

    #[test]
    fn only_mapped_files_are_taken_from_their_ring() {
        let mapping = || TaskChange::Mapped { path: b"/bin/true".as_slice().into() };
        let mapped = Record::Task(TaskRecord { time_ns: 15, pid: 7, tid: 7, change: mapping() });
        let mut merger = Merger::default();
        merger.add(&bytes(&[exit(1, 20)]), 0).unwrap();
        let later = Record::Task(TaskRecord { time_ns: 16, pid: 8, tid: 8, change: mapping() });
        assert!(!merger.add_mappings(&bytes(&[mapped.clone(), exit(1, 20)]), 0).unwrap());
        assert_eq!(tids(&merger.take(30)), [7, 1]);
        assert!(merger.add_mappings(&bytes(&[mapped, Record::Lost(5), later]), 0).unwrap());
        assert_eq!(tids(&merger.take(30)), [7], "the others may be libraries");
    }

    #[test]
    fn record_that_is_read_late_is_before_those_that_waited() {
        let mut merger = Merger::default();
        merger.add(&bytes(&[exit(2, 20)]), 0).unwrap();
        assert!(merger.take(10).is_empty());
        merger.add(&bytes(&[exit(1, 15)]), 0).unwrap();
        assert_eq!(tids(&merger.take(20)), [1, 2]);
    }

    #[test]
    fn times_are_those_of_this_time_namespace() {
        let mut merger = Merger::default();
        merger.add(&bytes(&[exit(1, 10)]), -3).unwrap();
        assert_eq!(merger.take(7)[0].time_ns, 7);
    }

    #[test]
    fn records_before_a_malformed_one_count() {
        let mut merger = Merger::default();
        let mut bytes = bytes(&[exit(1, 10), exit(2, 20)]);
        bytes.truncate(bytes.len() - 1);
        assert_eq!(merger.add(&bytes, 0), Err(Malformed));
        assert_eq!(tids(&merger.take(20)), [1]);
    }
}
