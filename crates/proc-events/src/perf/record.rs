//! Decodes the records of perf events, `linux/perf_event.h`. Pure functions of bytes, which do not panic on any input.

/// Size of `struct perf_event_header`, in bytes.
const HEADER_LEN: usize = 8;
/// Size of the time at the end of each record, in bytes.
const TIME_LEN: usize = 8;
/// `TASK_COMM_LEN`, `linux/sched.h`
const COMM_LEN: usize = 16;
/// `PERF_RECORD_MISC_COMM_EXEC`
const MISC_COMM_EXEC: u16 = 1 << 13;

/// `enum perf_event_type`
pub mod kind {
    #![expect(missing_docs, reason = "the names of the kernel's header")]
    pub const PERF_RECORD_LOST: u32 = 2;
    pub const PERF_RECORD_COMM: u32 = 3;
    pub const PERF_RECORD_EXIT: u32 = 4;
    pub const PERF_RECORD_FORK: u32 = 7;
    pub const PERF_RECORD_MMAP2: u32 = 10;
}

/// Offset of the file name in a record of [`kind::PERF_RECORD_MMAP2`].
const MMAP2_NAME: usize = 72;

/// A change of a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskRecord {
    /// Time of the change, in nanoseconds on `CLOCK_MONOTONIC`.
    pub time_ns: u64,
    /// The process id: that of the new process for a fork.
    pub pid: u32,
    /// The thread id.
    pub tid: u32,
    /// The change.
    pub change: TaskChange,
}

/// The change that a record reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TaskChange {
    /// The task was created. It is a thread if its process is its parent's.
    Forked {
        /// The process id of the parent.
        ppid: u32,
    },
    /// The process called exec.
    Execed {
        /// The new comm, padded with NUL.
        comm: [u8; COMM_LEN],
    },
    /// The thread renamed itself.
    Renamed {
        /// The new comm, padded with NUL.
        comm: [u8; COMM_LEN],
    },
    /// The process mapped a file to execute it. The first one after an exec is the program.
    Mapped {
        /// The path of the file.
        path: Box<[u8]>,
    },
    /// The thread exited.
    Exited {
        /// The process id of the parent; 0 if it is outside of the pid namespace.
        ppid: u32,
    },
}

/// A decoded record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// A change of a task.
    Task(TaskRecord),
    /// The ring was full, so that the kernel dropped this many records.
    Lost(u64),
    /// A record of no interest.
    Other,
}

/// The bytes are no records. Where the next one begins is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// Decodes the records in `bytes`, one after the other. Ends after the first malformed one.
pub fn records(mut bytes: &[u8]) -> impl Iterator<Item = Result<Record, Malformed>> {
    std::iter::from_fn(move || {
        if bytes.is_empty() {
            return None;
        }
        let len = number::<2>(bytes, 6).map_or(0, |len| len as usize);
        let Some((record, rest)) = bytes.split_at_checked(len).filter(|_| len >= HEADER_LEN) else {
            bytes = &[];
            return Some(Err(Malformed));
        };
        bytes = rest;
        Some(decode(record).ok_or(Malformed))
    })
}

/// Returns `None` if the record is shorter than its type says.
fn decode(record: &[u8]) -> Option<Record> {
    let (kind, misc) = (number::<4>(record, 0)? as u32, number::<2>(record, 4)? as u16);
    if kind == kind::PERF_RECORD_LOST {
        return number::<8>(record, 16).map(Record::Lost);
    }
    let (body, time) = record.split_at_checked(record.len().checked_sub(TIME_LEN)?)?;
    let word = |offset| number::<4>(body, offset).map(|word| word as u32);
    let (pid, tid) = match kind {
        kind::PERF_RECORD_COMM | kind::PERF_RECORD_MMAP2 => (word(8)?, word(12)?),
        kind::PERF_RECORD_FORK | kind::PERF_RECORD_EXIT => (word(8)?, word(16)?),
        _ => return Some(Record::Other),
    };
    // The kernel's number of a task outside of the pid namespace is 0, and that of one that is gone is -1.
    if pid == 0 || pid == u32::MAX {
        return Some(Record::Other);
    }
    let change = match kind {
        kind::PERF_RECORD_FORK => TaskChange::Forked { ppid: word(12)? },
        kind::PERF_RECORD_EXIT => TaskChange::Exited { ppid: word(12)? },
        kind::PERF_RECORD_COMM => {
            let comm = padded(body.get(16..)?);
            if misc & MISC_COMM_EXEC == 0 {
                TaskChange::Renamed { comm }
            } else {
                TaskChange::Execed { comm }
            }
        }
        _ => {
            let path = until_nul(body.get(MMAP2_NAME..)?);
            // Memory without a file has the name `//anon` or `[vdso]`.
            if !path.starts_with(b"/") || path.starts_with(b"//") {
                return Some(Record::Other);
            }
            TaskChange::Mapped { path: path.into() }
        }
    };
    Some(Record::Task(TaskRecord { time_ns: number::<8>(time, 0)?, pid, tid, change }))
}

/// Returns the number of `N` bytes at this offset.
fn number<const N: usize>(bytes: &[u8], offset: usize) -> Option<u64> {
    let mut number = [0; 8];
    let source = bytes.get(offset..offset + N)?;
    // In the host's byte order, the low bytes of a big-endian number come last.
    let target = if cfg!(target_endian = "big") { 8 - N..8 } else { 0..N };
    number.get_mut(target)?.copy_from_slice(source);
    Some(u64::from_ne_bytes(number))
}

fn until_nul(bytes: &[u8]) -> &[u8] {
    bytes.split(|&byte| byte == 0).next().unwrap_or_default()
}

/// Returns a comm, cut to 15 bytes and padded with NUL.
fn padded(bytes: &[u8]) -> [u8; COMM_LEN] {
    let mut comm = [0; COMM_LEN];
    comm.iter_mut().zip(until_nul(bytes)).take(COMM_LEN - 1).for_each(|(to, &from)| *to = from);
    comm
}

/// Encodes records as the kernel does, for tests.
pub mod encode {
    use super::{COMM_LEN, MISC_COMM_EXEC, Record, TaskChange, TaskRecord, kind};

    /// Returns the bytes of a record of this type.
    #[must_use]
    pub fn record(kind: u32, misc: u16, body: &[u8], time_ns: u64) -> Vec<u8> {
        let len = 8 + body.len().next_multiple_of(8) + 8;
        let mut bytes = Vec::with_capacity(len);
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(misc.to_ne_bytes());
        bytes.extend((len as u16).to_ne_bytes());
        bytes.extend(body);
        bytes.resize(len - 8, 0);
        bytes.extend(time_ns.to_ne_bytes());
        bytes
    }

    /// Returns the bytes of a record. [`Record::Other`] is a sample.
    #[must_use]
    pub fn encode(record_: &Record) -> Vec<u8> {
        let words = |words: &[u32]| words.iter().flat_map(|word| word.to_ne_bytes()).collect::<Vec<u8>>();
        let TaskRecord { time_ns, pid, tid, change } = match record_ {
            Record::Task(task) => task,
            Record::Lost(count) => {
                let body = [7u64, *count].iter().flat_map(|word| word.to_ne_bytes()).collect::<Vec<u8>>();
                return record(kind::PERF_RECORD_LOST, 0, &body, 0);
            }
            Record::Other => return record(9, 0, &[], 0),
        };
        let (pid, tid, time_ns) = (*pid, *tid, *time_ns);
        let comm = |comm: &[u8; COMM_LEN]| [words(&[pid, tid]), comm.to_vec()].concat();
        match change {
            TaskChange::Forked { ppid } => {
                let body = [words(&[pid, *ppid, tid, *ppid]), time_ns.to_ne_bytes().to_vec()].concat();
                record(kind::PERF_RECORD_FORK, 0, &body, time_ns)
            }
            TaskChange::Exited { ppid } => {
                let body = [words(&[pid, *ppid, tid, *ppid]), time_ns.to_ne_bytes().to_vec()].concat();
                record(kind::PERF_RECORD_EXIT, 0, &body, time_ns)
            }
            TaskChange::Execed { comm: name } => {
                record(kind::PERF_RECORD_COMM, MISC_COMM_EXEC, &comm(name), time_ns)
            }
            TaskChange::Renamed { comm: name } => record(kind::PERF_RECORD_COMM, 0, &comm(name), time_ns),
            TaskChange::Mapped { path } => {
                let body = [words(&[pid, tid]), vec![0; 56], path.to_vec(), vec![0]].concat();
                record(kind::PERF_RECORD_MMAP2, 0, &body, time_ns)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::encode::{encode, record};
    use super::*;

    fn comm(name: &str) -> [u8; COMM_LEN] {
        padded(name.as_bytes())
    }

    fn all() -> Vec<Record> {
        let task = |tid, change| Record::Task(TaskRecord { time_ns: 1 << 40, pid: 70_000, tid, change });
        vec![
            task(70_000, TaskChange::Forked { ppid: 1 }),
            task(70_001, TaskChange::Forked { ppid: 70_000 }),
            task(70_001, TaskChange::Execed { comm: comm("true") }),
            Record::Lost(u64::MAX),
            task(70_001, TaskChange::Renamed { comm: comm("fifteen-bytes-..") }),
            Record::Other,
            task(70_001, TaskChange::Mapped { path: b"/usr/bin/\xfftrue".as_slice().into() }),
            task(70_000, TaskChange::Exited { ppid: 1 }),
        ]
    }

    #[test]
    fn records_decode_as_the_kernel_encodes_them() {
        let bytes: Vec<u8> = all().iter().flat_map(encode).collect();
        assert_eq!(records(&bytes).collect::<Result<Vec<_>, _>>(), Ok(all()));
    }

    /// Written by Linux 6.18 on x86-64 for a static program, `/tmp/perf/tiny`.
    #[test]
    fn records_of_a_real_kernel_decode() {
        #[rustfmt::skip]
        let bytes = [
            7, 0, 0, 0, 0, 0, 40, 0, 150, 46, 0, 0, 149, 46, 0, 0, 150, 46, 0, 0, 149, 46, 0, 0, 145, 117, 167, 52, 192, 11, 0,
            0, 26, 115, 167, 52, 192, 11, 0, 0,
            3, 0, 0, 0, 0, 32, 32, 0, 150, 46, 0, 0, 150, 46, 0, 0, 116, 105, 110, 121, 0, 0, 0, 0, 181, 206, 171, 52, 192, 11,
            0, 0,
            10, 0, 0, 0, 2, 0, 96, 0, 150, 46, 0, 0, 150, 46, 0, 0, 0, 16, 64, 0, 0, 0, 0, 0, 0, 16, 0, 0, 0, 0, 0, 0, 0, 16, 0,
            0, 0, 0, 0, 0, 254, 0, 0, 0, 0, 0, 0, 0, 15, 194, 160, 0, 0, 0, 0, 0, 171, 165, 161, 53, 0, 0, 0, 0, 5, 0, 0, 0, 2,
            0, 0, 0, 47, 116, 109, 112, 47, 112, 101, 114, 102, 47, 116, 105, 110, 121, 0, 0, 233, 83, 172, 52, 192, 11, 0, 0,
            4, 0, 0, 0, 0, 0, 40, 0, 150, 46, 0, 0, 149, 46, 0, 0, 150, 46, 0, 0, 149, 46, 0, 0, 246, 169, 176, 52, 192, 11, 0,
            0, 248, 167, 176, 52, 192, 11, 0, 0,
        ];
        let (pid, ppid) = (11926, 11925);
        let task = |time_ns, change| Ok(Record::Task(TaskRecord { time_ns, pid, tid: pid, change }));
        let expected = [
            task(12_920_145_015_578, TaskChange::Forked { ppid }),
            task(12_920_145_301_173, TaskChange::Execed { comm: comm("tiny") }),
            task(12_920_145_335_273, TaskChange::Mapped { path: b"/tmp/perf/tiny".as_slice().into() }),
            task(12_920_145_618_936, TaskChange::Exited { ppid }),
        ];
        if cfg!(target_endian = "little") {
            assert_eq!(records(&bytes).collect::<Vec<_>>(), expected);
        }
    }

    #[test]
    fn truncated_records_are_malformed_and_never_panic() {
        for record in all() {
            let whole = encode(&record);
            for len in 1..whole.len() {
                assert_eq!(
                    records(&whole[..len]).collect::<Vec<_>>(),
                    [Err(Malformed)],
                    "{len} bytes of {record:?}"
                );
                // A length that agrees, and a body that is too short.
                let mut short = whole[..len].to_vec();
                if let Some(length) = short.get_mut(6..8) {
                    length.copy_from_slice(&(len as u16).to_ne_bytes());
                }
                assert!(records(&short).count() == 1);
            }
        }
        assert_eq!(records(&[0; 64]).collect::<Vec<_>>(), [Err(Malformed)], "a length of 0 never ends");
    }

    #[test]
    fn tasks_outside_of_the_namespace_unknown_types_and_anonymous_memory_are_of_no_interest() {
        for pid in [0, u32::MAX] {
            let task = TaskRecord { time_ns: 1, pid, tid: pid, change: TaskChange::Exited { ppid: 1 } };
            assert_eq!(records(&encode(&Record::Task(task))).collect::<Vec<_>>(), [Ok(Record::Other)]);
        }
        for kind in [0, 1, 5, 9, 22, u32::MAX] {
            assert_eq!(records(&record(kind, 0, &[1; 40], 1)).collect::<Vec<_>>(), [Ok(Record::Other)]);
        }
        for name in ["//anon", "[vdso]", ""] {
            let path = name.as_bytes().into();
            let task = TaskRecord { time_ns: 1, pid: 7, tid: 7, change: TaskChange::Mapped { path } };
            assert_eq!(records(&encode(&Record::Task(task))).collect::<Vec<_>>(), [Ok(Record::Other)]);
        }
    }
}
