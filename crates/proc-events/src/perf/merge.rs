//! Merges the records of several rings by their times. Pure.

use super::record::{Malformed, Record, TaskRecord, records};

/// The records that were read from the rings, and are not taken yet.
#[derive(Debug, Default)]
pub struct Merger {
    waiting: Vec<TaskRecord>,
    lost: u64,
}

impl Merger {
    /// Adds the bytes that were read from one ring.
    ///
    /// # Errors
    /// If they are no records. Those before are added.
    pub fn add(&mut self, bytes: &[u8], clock_offset_ns: i64) -> Result<(), Malformed> {
        for record in records(bytes) {
            match record? {
                Record::Task(mut task) => {
                    task.time_ns = task.time_ns.saturating_add_signed(clock_offset_ns);
                    self.waiting.push(task);
                }
                Record::Lost(count) => self.lost += count,
                Record::Other => {}
            }
        }
        Ok(())
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
        std::mem::replace(&mut self.waiting, later)
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

    /// Returns true if the kernel has dropped records that are not taken by [`Merger::take_lost`].
    #[must_use]
    pub const fn has_lost(&self) -> bool {
        self.lost > 0
    }

    /// Returns the number of records since the last call that the kernel dropped because a ring was full.
    pub const fn take_lost(&mut self) -> u64 {
        std::mem::replace(&mut self.lost, 0)
    }
}

#[cfg(test)]
mod tests {
    use super::super::record::TaskChange;
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
        merger.add(&bytes(&[exit(3, 20), Record::Lost(5), exit(5, 40)]), 0).unwrap();
        assert_eq!(tids(&merger.take(30)), [1, 2, 3, 4]);
        assert!(merger.has_waiting() && tids(merger.waiting()) == [5]);
        assert_eq!((merger.take_lost(), merger.take_lost()), (5, 0));
        assert_eq!(tids(&merger.take(40)), [5]);
        assert!(!merger.has_waiting());
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
