//! Perf events that report the forks, execs, renames and exits of tasks, and the ring buffers that they write to.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};

use super::check;

/// `PERF_TYPE_SOFTWARE`, `linux/perf_event.h`
const TYPE_SOFTWARE: u32 = 1;
/// `PERF_COUNT_SW_DUMMY`, `linux/perf_event.h`
const COUNT_SW_DUMMY: u64 = 9;
/// `PERF_FORMAT_TOTAL_TIME_ENABLED`, `linux/perf_event.h`
const FORMAT_TIME_ENABLED: u64 = 1;
/// `PERF_SAMPLE_TIME`, `linux/perf_event.h`
const SAMPLE_TIME: u64 = 1 << 2;
/// `exclude_kernel`, `exclude_hv`, `watermark`, `sample_id_all`, `use_clockid`: bits of `struct perf_event_attr`,
/// `linux/perf_event.h`
const FLAGS: u64 = 1 << 5 | 1 << 6 | 1 << 14 | 1 << 18 | 1 << 25;
/// `comm`, `task`, `comm_exec`
const TASKS: u64 = 1 << 9 | 1 << 13 | 1 << 24;
/// `mmap`, `mmap2`
const MAPPINGS: u64 = 1 << 8 | 1 << 23;
/// `inherit`, `linux/perf_event.h`
const INHERIT: u64 = 1 << 1;
/// `PERF_FLAG_FD_CLOEXEC`, `linux/perf_event.h`
const FD_CLOEXEC: libc::c_ulong = 1 << 3;
/// `PERF_EVENT_IOC_SET_OUTPUT`, `linux/perf_event.h`: `_IO('$', 5)`
const SET_OUTPUT: libc::Ioctl = 0x2405;
/// `PERF_EVENT_IOC_DISABLE`, `linux/perf_event.h`: `_IO('$', 1)`
#[cfg(test)]
const DISABLE: libc::Ioctl = 0x2401;
/// Offset of `data_head` in `struct perf_event_mmap_page`, `linux/perf_event.h`
const DATA_HEAD: usize = 1024;
/// Offset of `data_tail` in `struct perf_event_mmap_page`, `linux/perf_event.h`
const DATA_TAIL: usize = 1032;

/// The third version of `struct perf_event_attr`, `linux/perf_event.h`, of Linux 4.1.
#[derive(Default)]
#[repr(C)]
struct EventAttr {
    kind: u32,
    size: u32,
    config: u64,
    sample_period: u64,
    sample_type: u64,
    read_format: u64,
    flags: u64,
    wakeup_watermark: u32,
    bp_type: u32,
    config1: u64,
    config2: u64,
    branch_sample_type: u64,
    sample_regs_user: u64,
    sample_stack_user: u32,
    clockid: i32,
}

/// The tasks that an event reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// All tasks.
    System,
    /// A thread, and all threads and processes that it and they create from now on. 0: the calling thread.
    Thread(u32),
}

/// The changes that an event reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Changes {
    /// Forks, execs, renames and exits.
    Tasks,
    /// Files that are mapped to be executed, as programs are.
    Mappings,
    /// Both.
    All,
    /// Nothing: the ring is that of other events.
    None,
}

/// Opens an event that reports tasks while they run on one CPU. Its records have the time on `CLOCK_MONOTONIC` at their end.
/// Once at least `wake_bytes` are not read, its descriptor is readable.
///
/// # Errors
/// `EACCES` or `EPERM` if it is not permitted; `ESRCH` if there is no such thread; `ENODEV` if the CPU is offline.
pub(crate) fn open_task_event(
    scope: Scope,
    changes: Changes,
    cpu: u32,
    wake_bytes: u32,
) -> io::Result<OwnedFd> {
    let (pid, inherit) = match scope {
        Scope::System => (-1, 0),
        Scope::Thread(tid) => (tid as libc::pid_t, INHERIT),
    };
    let kinds = match changes {
        Changes::Tasks => TASKS,
        Changes::Mappings => MAPPINGS,
        Changes::All => TASKS | MAPPINGS,
        Changes::None => 0,
    };
    let attr = EventAttr {
        kind: TYPE_SOFTWARE,
        size: size_of::<EventAttr>() as u32,
        config: COUNT_SW_DUMMY,
        sample_type: SAMPLE_TIME,
        read_format: FORMAT_TIME_ENABLED,
        flags: FLAGS | kinds | inherit,
        wakeup_watermark: wake_bytes,
        clockid: libc::CLOCK_MONOTONIC,
        ..EventAttr::default()
    };
    // SAFETY: the kernel reads `size` bytes, the size of the live structure.
    let fd = unsafe {
        libc::syscall(libc::SYS_perf_event_open, &raw const attr, pid, cpu as libc::c_int, -1, FD_CLOEXEC)
    };
    check(fd as libc::c_int)?;
    // SAFETY: the call returned a new descriptor, which nothing else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as libc::c_int) })
}

/// Makes an event write to the ring buffer of another one of the same CPU.
pub(crate) fn write_to_ring_of(event: BorrowedFd<'_>, owner: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: the call accesses no memory of this process.
    check(unsafe { libc::ioctl(event.as_raw_fd(), SET_OUTPUT, owner.as_raw_fd()) })
}

/// Returns for how long an event has been enabled, in nanoseconds. Returns `None` if it cannot be read. The time stands still once
/// the CPU of the event was offline.
pub(crate) fn enabled_ns_of(event: BorrowedFd<'_>) -> Option<u64> {
    let mut words = [0; 16];
    let len = rustix::io::read(event, &mut words).ok()?;
    // The value of the event comes first.
    let time = words.get(8..len)?.first_chunk()?;
    Some(u64::from_ne_bytes(*time))
}

/// Makes an event report nothing more.
#[cfg(test)]
pub(crate) fn disable(event: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: the call accesses no memory of this process.
    check(unsafe { libc::ioctl(event.as_raw_fd(), DISABLE, 0) })
}

/// The ring buffer of an event, and the event.
#[derive(Debug)]
pub(crate) struct Ring {
    event: OwnedFd,
    map: std::ptr::NonNull<u8>,
    page_size: usize,
    /// Size of the data behind the first page, in bytes: a power of 2.
    data_len: usize,
}

impl Ring {
    /// Maps a ring of `pages` pages, a power of 2.
    ///
    /// # Errors
    /// `EPERM` if this user may lock no further memory.
    pub(crate) fn new(event: OwnedFd, pages: usize) -> io::Result<Self> {
        let page_size = rustix::param::page_size();
        let data_len = page_size * pages;
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: a new mapping at an address of the kernel's choice overlaps no other memory.
        let map = unsafe {
            let (none, fd) = (std::ptr::null_mut(), event.as_raw_fd());
            libc::mmap(none, page_size + data_len, protection, libc::MAP_SHARED, fd, 0)
        };
        match std::ptr::NonNull::new(map.cast()) {
            Some(start) if map != libc::MAP_FAILED => Ok(Self { event, map: start, page_size, data_len }),
            _ => Err(io::Error::last_os_error()),
        }
    }

    /// Appends the new records to `bytes`, and frees their place. Returns false if the kernel claims more than the ring holds.
    pub(crate) fn take(&self, bytes: &mut Vec<u8>) -> bool {
        let head = self.position(DATA_HEAD).load(Ordering::Acquire);
        let tail = self.position(DATA_TAIL).load(Ordering::Relaxed);
        let len = head.wrapping_sub(tail) as usize;
        if len > self.data_len {
            return false;
        }
        for (first, len) in parts(tail, len, self.data_len) {
            bytes.extend_from_slice(self.data(first, len));
        }
        self.position(DATA_TAIL).store(head, Ordering::Release);
        true
    }

    fn position(&self, offset: usize) -> &AtomicU64 {
        // SAFETY: both offsets are within the first page of the mapping.
        let position = unsafe { self.map.add(offset) };
        // SAFETY: the page has an aligned number there, for as long as `self` lives. The kernel changes it atomically.
        unsafe { position.cast::<AtomicU64>().as_ref() }
    }

    /// Returns a part of the data, between the tail and the head.
    fn data(&self, first: usize, len: usize) -> &[u8] {
        debug_assert!(first + len <= self.data_len);
        // SAFETY: the range is within the mapping, as the caller has checked.
        let start = unsafe { self.map.add(self.page_size + first) };
        // SAFETY: the kernel does not write behind the tail until the tail is moved, which only `take` does, later.
        unsafe { std::slice::from_raw_parts(start.as_ptr(), len) }
    }
}

/// Returns the one or two parts of a ring that hold `len` bytes from `tail` on: the offset and the length of each.
const fn parts(tail: u64, len: usize, data_len: usize) -> [(usize, usize); 2] {
    let first = tail as usize & (data_len - 1);
    let before_wrap = if len < data_len - first { len } else { data_len - first };
    [(first, before_wrap), (0, len - before_wrap)]
}

impl AsFd for Ring {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.event.as_fd()
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        // SAFETY: the mapping has this size, and no reference to it outlives `self`.
        let _ = unsafe { libc::munmap(self.map.as_ptr().cast(), self.page_size + self.data_len) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_behind_the_end_of_the_ring_are_at_its_start() {
        assert_eq!(parts(0, 8, 64), [(0, 8), (0, 0)]);
        assert_eq!(parts(64 * 3 + 56, 8, 64), [(56, 8), (0, 0)]);
        assert_eq!(parts(64 * 3 + 56, 24, 64), [(56, 8), (0, 16)]);
        assert_eq!(parts(u64::MAX - 7, 64, 64), [(56, 8), (0, 56)]);
    }

    #[test]
    fn event_of_this_thread_reports_its_renames_until_it_is_disabled() {
        // The event is that of one CPU, and the scheduler may move the thread to another one.
        let cpu = current_cpu();
        let mut cpus = rustix::thread::CpuSet::new();
        cpus.set(cpu as usize);
        rustix::thread::sched_setaffinity(None, &cpus).unwrap();
        // Some sandboxes refuse it: there is nothing to test.
        let Ok(event) = open_task_event(Scope::Thread(0), Changes::Tasks, cpu, 1) else { return };
        let ring = Ring::new(event, 1).unwrap();
        let mut bytes = Vec::new();
        let mut rename = || {
            bytes.clear();
            rustix::thread::set_name(c"perf-test").unwrap();
            assert!(ring.take(&mut bytes));
            bytes.windows(9).any(|text| text == b"perf-test")
        };
        assert!(rename());
        let enabled_ns = enabled_ns_of(ring.as_fd()).unwrap();
        rename();
        assert!(enabled_ns_of(ring.as_fd()).unwrap() > enabled_ns);
        disable(ring.as_fd()).unwrap();
        assert!(!rename());
        let enabled_ns = enabled_ns_of(ring.as_fd()).unwrap();
        assert!(!rename());
        assert_eq!(enabled_ns_of(ring.as_fd()), Some(enabled_ns));
    }

    fn current_cpu() -> u32 {
        rustix::thread::sched_getcpu() as u32
    }
}
