//! Parses datagrams of taskstats.
//!
//! A datagram is `struct nlmsghdr` (`linux/netlink.h`), `struct genlmsghdr` (`linux/genetlink.h`) and attributes, in host
//! byte order. The attributes are an aggregate of the thread that exits, and behind it one of its process, if that has
//! had other threads. An aggregate has the id and a `struct taskstats` (`linux/taskstats.h`), which later kernels extend.

use std::ops::Range;

use crate::model::event::ExitStatus;
use crate::model::usage::ResourceUsage;
use crate::sys::datagram::{u16_at, u32_at};

/// Length of the longest datagram that is read, in bytes. One of a process with threads has 1,144 bytes on Linux 6.18.
pub const DATAGRAM_LEN: usize = 1984;

/// Size of `struct nlmsghdr` and `struct genlmsghdr`, in bytes.
const HEADERS: usize = 20;
/// Size of `struct nlattr`, in bytes.
const ATTRIBUTE_HEAD: usize = 4;
/// `NLA_TYPE_MASK`, `linux/netlink.h`
const ATTRIBUTE_TYPE_MASK: u16 = 0x3fff;

/// Attributes, `linux/taskstats.h`
const TASKSTATS_TYPE_STATS: u16 = 3;
const TASKSTATS_TYPE_AGGR_PID: u16 = 4;
const TASKSTATS_TYPE_AGGR_TGID: u16 = 5;

/// The first version that has [`LAST_THREAD`] and the id of the process: Linux 5.19.
const VERSION_MIN: u16 = 12;
/// `AGROUP`, `linux/acct.h`, in `ac_flag`: this thread is the last one of its process.
pub(super) const LAST_THREAD: u8 = 0x20;

/// `struct taskstats`, `linux/taskstats.h`
mod taskstats {
    use super::Range;
    pub(super) const VERSION: Range<usize> = 0..2;
    pub(super) const AC_EXITCODE: Range<usize> = 4..8;
    pub(super) const AC_FLAG: usize = 8;
    pub(super) const CPU_DELAY_TOTAL: usize = 24;
    pub(super) const CPU_RUN_VIRTUAL_TOTAL: usize = 72;
    pub(super) const AC_MINFLT: usize = 168;
    pub(super) const AC_MAJFLT: usize = 176;
    pub(super) const HIWATER_RSS: usize = 200;
    pub(super) const READ_BYTES: usize = 248;
    pub(super) const WRITE_BYTES: usize = 256;
    pub(super) const NVCSW: usize = 272;
    pub(super) const NIVCSW: usize = 280;
    pub(super) const AC_TGID: Range<usize> = 368..372;
    pub(super) const AC_TGETIME: usize = 376;
    /// The end of the last field that is read.
    pub(super) const LEN_MIN: usize = 384;
}

/// The record of the last thread of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// The process id.
    pub pid: u32,
    /// Time from the creation of the process to the record, in nanoseconds, rounded down.
    pub elapsed_ns: u64,
    /// The wait status of the thread. `None` for a process that has had other threads: it may be that of another one.
    pub status: Option<ExitStatus>,
    /// The cost.
    pub usage: ResourceUsage,
}

/// The statistics of one thread or process, and where they are in the datagram.
#[derive(Clone, Copy)]
pub(super) struct Stats<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Stats<'_> {
    fn u64(&self, at: usize) -> u64 {
        self.bytes.get(at..at + 8).and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_ne_bytes)
    }

    /// Returns the id of the process.
    pub(super) fn pid(&self) -> u32 {
        u32_at(self.bytes, taskstats::AC_TGID)
    }

    /// Returns true if the kernel writes all fields that are read.
    pub(super) fn is_supported(&self) -> bool {
        u16_at(self.bytes, taskstats::VERSION) >= VERSION_MIN && self.bytes.len() >= taskstats::LEN_MIN
    }

    /// Returns true if the kernel has counted CPU time. It may not have done so yet for a thread that never waited.
    pub(super) fn has_cpu_time(&self) -> bool {
        self.u64(taskstats::CPU_RUN_VIRTUAL_TOTAL) > 0
    }

    /// Returns the offset of the flags in the datagram.
    pub(super) const fn flags_at(&self) -> usize {
        self.at + taskstats::AC_FLAG
    }

    fn is_last_thread(&self) -> bool {
        self.bytes.get(taskstats::AC_FLAG).is_some_and(|flags| flags & LAST_THREAD != 0)
    }
}

/// Parses a datagram. Returns `None` unless it is the record of the last thread of a process. Does not panic on any
/// input.
#[must_use]
pub fn parse(datagram: &[u8]) -> Option<Record> {
    let [thread, process] = stats(datagram);
    let thread = thread.filter(|thread| thread.is_supported() && thread.is_last_thread())?;
    // These add up all threads.
    let total = process.unwrap_or(thread);
    let is_single = process.is_none();
    let of_single = |at| is_single.then(|| thread.u64(at));
    let usage = ResourceUsage {
        cpu_ns: total.u64(taskstats::CPU_RUN_VIRTUAL_TOTAL),
        // A thread of the kernel has no memory of its own.
        max_rss_bytes: Some(thread.u64(taskstats::HIWATER_RSS).saturating_mul(1024))
            .filter(|&bytes| bytes > 0),
        read_bytes: of_single(taskstats::READ_BYTES),
        write_bytes: of_single(taskstats::WRITE_BYTES),
        minor_faults: of_single(taskstats::AC_MINFLT),
        major_faults: of_single(taskstats::AC_MAJFLT),
        voluntary_switches: Some(total.u64(taskstats::NVCSW)),
        involuntary_switches: Some(total.u64(taskstats::NIVCSW)),
        cpu_delay_ns: Some(total.u64(taskstats::CPU_DELAY_TOTAL)),
    };
    Some(Record {
        pid: thread.pid(),
        elapsed_ns: thread.u64(taskstats::AC_TGETIME).saturating_mul(1000),
        status: is_single.then(|| ExitStatus(u32_at(thread.bytes, taskstats::AC_EXITCODE))),
        usage,
    })
}

/// Returns the statistics of the thread and of its process, as far as the datagram has them.
pub(super) fn stats(datagram: &[u8]) -> [Option<Stats<'_>>; 2] {
    let mut found = [None; 2];
    for (kind, aggregate, at) in attributes(datagram, HEADERS) {
        let place = match kind {
            TASKSTATS_TYPE_AGGR_PID => 0,
            TASKSTATS_TYPE_AGGR_TGID => 1,
            _ => continue,
        };
        let inner = attributes(aggregate, 0).find(|(kind, ..)| *kind == TASKSTATS_TYPE_STATS);
        found[place] = inner.map(|(_, bytes, offset)| Stats { bytes, at: at + offset });
    }
    found
}

/// Yields the attributes from offset `at` on: type, content, and the offset of the content.
pub(super) fn attributes(bytes: &[u8], mut at: usize) -> impl Iterator<Item = (u16, &[u8], usize)> {
    std::iter::from_fn(move || {
        let head = bytes.get(at..at + ATTRIBUTE_HEAD)?;
        let length = usize::from(u16_at(head, 0..2));
        let content = bytes.get(at + ATTRIBUTE_HEAD..at + length)?;
        let content_at = at + ATTRIBUTE_HEAD;
        at += length.next_multiple_of(4);
        Some((u16_at(head, 2..4) & ATTRIBUTE_TYPE_MASK, content, content_at))
    })
}
