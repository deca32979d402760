//! A mounted proc file system: its root directory, and what applies to every read below it.

use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{Mode, OFlags, PROC_SUPER_MAGIC, RawDir};
use rustix::io::Errno;
use rustix::time::ClockId;

use super::clock::clock_ns;
use super::files::DEFAULT_MAX_ARGV_BYTES;
use super::hung::{HungReads, ReadState};
use super::ids::IdReader;
use super::parse::{self, Stat};
use crate::error::{Error, ErrorCode};
use crate::model::event::ProcessInfo;
use crate::model::snapshot::ObservedProcess;
use crate::stats::Stats;

/// An offset in the root directory that is not behind that of pid 0: `TGID_OFFSET`, `fs/proc/base.c`. It was this before Linux 3.17,
/// and is 1 more since.
const FIRST_PID_OFFSET: u64 = 257;
/// Bytes of a list that are read at once. The kernel takes some 0.1 ms for them.
const LIST_BYTES: usize = 6 * 1024;

/// A mounted proc file system.
#[derive(Debug)]
pub struct Procfs {
    pub(super) root: OwnedFd,
    nanoseconds_per_tick: u64,
    /// Maximum number of bytes of text that are kept of the arguments of a process.
    pub(super) max_argv_bytes: usize,
    hung: Arc<HungReads>,
    pub(super) ids: Arc<IdReader>,
}

impl Procfs {
    /// Opens the proc file system that is mounted at `root`.
    ///
    /// # Errors
    /// [`ErrorCode::ProcUnreadable`] if `root` cannot be opened, or is not a proc file system.
    pub fn open(root: &Path) -> Result<Self, Error> {
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
        let root = rustix::fs::open(root, flags, Mode::empty()).map_err(unreadable("open"))?;
        let kind = rustix::fs::fstatfs(&root).map_err(unreadable("statfs"))?.f_type;
        if kind != PROC_SUPER_MAGIC {
            return Err(Error::detected(ErrorCode::ProcUnreadable, "not a proc file system"));
        }
        let hz = rustix::param::clock_ticks_per_second().max(1);
        let procfs = Self {
            root,
            nanoseconds_per_tick: 1_000_000_000 / hz,
            max_argv_bytes: DEFAULT_MAX_ARGV_BYTES,
            hung: Arc::new(HungReads::new(Arc::default())),
            ids: Arc::default(),
        };
        Ok(Self { ids: Arc::new(IdReader::new(procfs.is_of_own_pid_namespace())), ..procfs })
    }

    /// Sets the maximum number of bytes kept of the arguments of a process, and the counters to use.
    #[must_use]
    pub(crate) fn with(self, max_argv_bytes: usize, stats: &Arc<Stats>) -> Self {
        let hung = Arc::new(HungReads::new(Arc::clone(stats)));
        Self { max_argv_bytes: max_argv_bytes.max(1), hung, ..self }
    }

    /// Returns the processes whose arguments are not read at the moment.
    pub(crate) const fn hung(&self) -> &Arc<HungReads> {
        &self.hung
    }

    /// Lets other threads read the state of the calling thread through `state`.
    pub(crate) fn show_thread(&self, state: &ReadState) {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        // If the stat cannot be opened, a thread that waits for a CPU cannot be distinguished from one that hangs.
        state.show(rustix::fs::openat(&self.root, "thread-self/stat", flags, Mode::empty()).ok());
    }

    /// Opens a file that is not of one process.
    ///
    /// # Errors
    /// The errno of `openat`.
    pub(crate) fn open_file(&self, path: &str) -> Result<OwnedFd, Errno> {
        rustix::fs::openat(&self.root, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
    }

    /// Opens the directory of a process, which stays that of this process if the pid is given out again.
    ///
    /// # Errors
    /// The errno of `openat`.
    pub(crate) fn open_process(&self, pid: u32) -> Result<OwnedFd, Errno> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        rustix::fs::openat(&self.root, pid.to_string(), flags, Mode::empty())
    }

    /// Returns true if this proc file system shows the pid namespace of this process.
    #[must_use]
    pub fn is_of_own_pid_namespace(&self) -> bool {
        let own = rustix::fs::readlinkat(&self.root, "self", Vec::new());
        own.is_ok_and(|pid| parse::number(pid.to_bytes()) == Some(u64::from(std::process::id())))
    }

    /// Lists the pids of all processes, including zombies.
    ///
    /// # Errors
    /// [`ErrorCode::ProcUnreadable`] if the directory cannot be read.
    pub fn pids(&self) -> Result<Vec<u32>, Error> {
        let mut list = self.list()?;
        let mut pids = Vec::new();
        while list.read(&mut pids)? {}
        Ok(pids)
    }

    /// Begins a list of the pids of all processes, including zombies.
    ///
    /// # Errors
    /// [`ErrorCode::ProcUnreadable`] if the directory cannot be opened.
    pub(crate) fn list(&self) -> Result<PidList, Error> {
        self.numbers(".", LIST_BYTES)
    }

    /// Begins a list that is read in parts of so many bytes.
    ///
    /// # Errors
    /// [`ErrorCode::ProcUnreadable`] if the directory cannot be opened.
    pub(crate) fn short_list(&self, bytes: usize) -> Result<PidList, Error> {
        self.numbers(".", bytes)
    }

    /// Lists the thread ids of a process. Returns none if it is gone or hidden.
    pub(crate) fn threads(&self, pid: u32) -> Vec<u32> {
        let mut threads = Vec::new();
        if let Ok(mut list) = self.numbers(&format!("{pid}/task"), LIST_BYTES) {
            while list.read(&mut threads).unwrap_or(false) {}
        }
        threads
    }

    /// Begins a list of the numbers among the names of a directory.
    fn numbers(&self, directory: &str, bytes: usize) -> Result<PidList, Error> {
        // Open the directory again, because descriptors that share a file description share its position.
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
        let directory =
            rustix::fs::openat(&self.root, directory, flags, Mode::empty()).map_err(unreadable("open"))?;
        Ok(PidList { directory, space: Vec::with_capacity(bytes) })
    }

    /// Combines what was read of a process. `read_ns` is the time after the read. Without the stat, the identity of the
    /// process is unknown.
    pub(super) fn observed(
        &self,
        pid: u32,
        stat: Option<&Stat<'_>>,
        info: Option<ProcessInfo>,
        read_ns: u64,
    ) -> ObservedProcess {
        let Some(stat) = stat else {
            return ObservedProcess {
                pid,
                process: info.map(Arc::new),
                read_ns,
                ..ObservedProcess::default()
            };
        };
        ObservedProcess {
            pid,
            ppid: stat.ppid,
            session: stat.session,
            start_time: stat.start_time,
            start_ns: self.start_ns(stat.start_time),
            never_execed: stat.never_execed() || stat.is_kernel_thread(),
            is_kernel_thread: stat.is_kernel_thread(),
            leader_exited: stat.leader_has_exited(),
            program: stat.program,
            comm: stat.padded_comm(),
            process: info.map(Arc::new),
            began_ns: 0,
            read_ns,
        }
    }

    /// Converts a start time in ticks to nanoseconds on `CLOCK_MONOTONIC`, which does not advance during suspend.
    fn start_ns(&self, start_time: u64) -> u64 {
        // Read the monotonic clock first. An interruption between the two reads then makes the result too early, never
        // too late. A process that starts later than its own exec would be taken for another one.
        let awake = clock_ns(ClockId::Monotonic);
        let slept = clock_ns(ClockId::Boottime).saturating_sub(awake);
        start_time.saturating_mul(self.nanoseconds_per_tick).saturating_sub(slept)
    }
}

/// A list that is read in parts.
#[derive(Debug)]
pub(crate) struct PidList {
    directory: OwnedFd,
    space: Vec<u8>,
}

impl PidList {
    /// Goes on with this pid, or the next larger one, and perhaps the one before it. Returns false if the directory cannot be moved in.
    pub(crate) fn skip_to(&self, pid: u32) -> bool {
        let offset = u64::from(pid) + FIRST_PID_OFFSET;
        rustix::fs::seek(&self.directory, rustix::fs::SeekFrom::Start(offset)).is_ok()
    }

    /// Appends the next pids, at most some 200, in ascending order. Returns false at the end.
    ///
    /// # Errors
    /// [`ErrorCode::ProcUnreadable`] if the directory cannot be read.
    pub(crate) fn read(&mut self, pids: &mut Vec<u32>) -> Result<bool, Error> {
        let mut entries = RawDir::new(&self.directory, self.space.spare_capacity_mut());
        while let Some(entry) = entries.next() {
            let entry = entry.map_err(unreadable("getdents"))?;
            pids.extend(parse::number(entry.file_name().to_bytes()).and_then(|pid| u32::try_from(pid).ok()));
            if entries.is_buffer_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Returns a function that makes the [`Error`] of a system call on the root directory.
fn unreadable(syscall: &'static str) -> impl Fn(Errno) -> Error {
    move |errno| Error::from_errno(ErrorCode::ProcUnreadable, syscall, "the proc file system", errno)
}
