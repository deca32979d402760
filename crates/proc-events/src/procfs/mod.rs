//! The proc file system: the details of one process, and snapshots of all processes.

mod cmdline;
mod file_buffer;
mod files;
mod hung;
pub mod parse;
mod raw;
mod reader;

use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustc_hash::FxHashSet;
use rustix::fs::{Mode, OFlags, PROC_SUPER_MAGIC, RawDir};
use rustix::io::Errno;
use rustix::time::ClockId;

use crate::error::{Error, ErrorCode};
use crate::model::event::ProcessInfo;
use crate::model::interest::Fields;
use crate::model::snapshot::{KnownProcesses, ObservedProcess, Snapshot};
use crate::stats::Stats;
use crate::sys::pidfd;
use parse::Stat;
use reader::ReadResult;

pub use files::DEFAULT_MAX_ARGV_BYTES;
pub(crate) use hung::{DEADLINE, HungReads, ReadState, STUCK_MAX, stuck_threads};
pub(crate) use raw::RawDetails;
pub(crate) use reader::DirectReader;
pub use reader::Reader;

/// Longest time that a snapshot waits in one go for reads that hang. A snapshot has a thread of its own.
const SNAPSHOT_BURST: Duration = Duration::from_secs(1);
/// Longest time that any other reader waits in one go.
const BURST: Duration = Duration::from_millis(200);

/// A mounted proc file system.
#[derive(Debug)]
pub struct Procfs {
    root: OwnedFd,
    nanoseconds_per_tick: u64,
    /// Maximum number of bytes of text that are kept of the arguments of a process.
    max_argv_bytes: usize,
    hung: Arc<HungReads>,
}

impl Procfs {
    /// Opens the proc file system that is mounted at `root`.
    ///
    /// # Errors
    /// [`ErrorCode::ProcUnreadable`] if `root` cannot be opened, or is not a proc file system.
    pub fn open(root: &Path) -> Result<Self, Error> {
        let unreadable = |syscall| {
            move |errno| Error::from_errno(ErrorCode::ProcUnreadable, syscall, "the proc file system", errno)
        };
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
        let root = rustix::fs::open(root, flags, Mode::empty()).map_err(unreadable("open"))?;
        let kind = rustix::fs::fstatfs(&root).map_err(unreadable("statfs"))?.f_type;
        if kind != PROC_SUPER_MAGIC {
            return Err(Error::detected(ErrorCode::ProcUnreadable, "not a proc file system"));
        }
        let hz = rustix::param::clock_ticks_per_second().max(1);
        Ok(Self {
            root,
            nanoseconds_per_tick: 1_000_000_000 / hz,
            max_argv_bytes: DEFAULT_MAX_ARGV_BYTES,
            hung: Arc::new(HungReads::new(Arc::default())),
        })
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

    /// Returns true if this proc file system shows the pid namespace of this process.
    #[must_use]
    pub fn is_of_own_pid_namespace(&self) -> bool {
        let own = rustix::fs::readlinkat(&self.root, "self", Vec::new());
        own.is_ok_and(|pid| parse::number(pid.to_bytes()) == Some(u64::from(std::process::id())))
    }

    /// Reads `fields` of every process that runs now. Processes among `known` are returned without details.
    ///
    /// Setting `cancelled` ends the snapshot early. It then contains only the processes read so far.
    ///
    /// # Errors
    /// [`ErrorCode::ProcUnreadable`] if the directory cannot be read, or no descriptor or memory is left.
    pub fn snapshot(
        self: &Arc<Self>,
        fields: Fields,
        known: &KnownProcesses,
        cancelled: &AtomicBool,
    ) -> Result<Snapshot, Error> {
        let mut reader = self.reader_with(SNAPSHOT_BURST, false);
        let mut snapshot = Snapshot::default();
        for pid in self.pids()? {
            if cancelled.load(Ordering::Relaxed) {
                break;
            }
            match reader.read_unless_known(pid, fields, known.get(&pid)).map_err(unreadable_process)? {
                ReadResult::Running(observed) => snapshot.processes.push(*observed),
                ReadResult::Disappeared => snapshot.unread.push(pid),
                ReadResult::Zombie | ReadResult::Hidden => {}
            }
        }
        Ok(snapshot)
    }

    /// Lists the pids of all processes, including zombies.
    ///
    /// # Errors
    /// [`ErrorCode::ProcUnreadable`] if the directory cannot be read.
    pub fn pids(&self) -> Result<Vec<u32>, Error> {
        let unreadable = |syscall| {
            move |errno| Error::from_errno(ErrorCode::ProcUnreadable, syscall, "the proc file system", errno)
        };
        // Open the directory again, because descriptors that share a file description share its position.
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
        let directory =
            rustix::fs::openat(&self.root, ".", flags, Mode::empty()).map_err(unreadable("open"))?;
        let mut space = Vec::with_capacity(32 * 1024);
        let mut entries = RawDir::new(directory, space.spare_capacity_mut());
        let mut pids = Vec::new();
        while let Some(entry) = entries.next() {
            let entry = entry.map_err(unreadable("getdents"))?;
            pids.extend(parse::number(entry.file_name().to_bytes()).and_then(|pid| u32::try_from(pid).ok()));
        }
        Ok(pids)
    }

    /// Returns those of `pids` whose process has exited, including zombies, and the pids that now belong to a thread.
    ///
    /// # Errors
    /// [`ErrorCode::ProcUnreadable`] if the directory cannot be read, or no descriptor or memory is left.
    pub fn exited_among(self: &Arc<Self>, pids: &[u32]) -> Result<Vec<u32>, Error> {
        let listed: FxHashSet<u32> = self.pids()?.into_iter().collect();
        let is_own = self.is_of_own_pid_namespace();
        let mut reader = self.reader();
        let mut exited = Vec::new();
        for &pid in pids {
            let has_exited = match pidfd::open_if_running(pid) {
                // A pidfd also shows processes that `/proc` hides from this user.
                Ok(running) if is_own => running.is_none(),
                _ if !listed.contains(&pid) => true,
                _ => {
                    let read = reader.read_process(pid, Fields::NONE, false).map_err(unreadable_process)?;
                    !matches!(read, ReadResult::Running(_))
                }
            };
            if has_exited {
                exited.push(pid);
            }
        }
        Ok(exited)
    }

    /// Creates a reader of single processes. The reader bounds its waits: it leaves out arguments that it cannot read
    /// in time.
    #[must_use]
    pub fn reader(self: &Arc<Self>) -> Reader {
        self.reader_with(BURST, false)
    }

    /// Creates a [`Procfs::reader`] whose helper thread raises its priority.
    pub(crate) fn high_priority_reader(self: &Arc<Self>) -> Reader {
        self.reader_with(BURST, true)
    }

    fn reader_with(self: &Arc<Self>, burst: Duration, raise_priority: bool) -> Reader {
        Reader::new(self, burst, raise_priority)
    }

    /// Creates a reader that reads on the calling thread, and hangs if a read hangs.
    pub(crate) fn direct_reader(self: &Arc<Self>) -> DirectReader {
        DirectReader::new(self)
    }

    fn observed(
        &self,
        pid: u32,
        stat: &Stat<'_>,
        info: Option<ProcessInfo>,
        read_ns: u64,
    ) -> ObservedProcess {
        ObservedProcess {
            pid,
            ppid: stat.ppid,
            session: stat.session,
            start_time: stat.start_time,
            start_ns: self.start_ns(stat.start_time),
            never_execed: stat.never_execed() || stat.is_kernel_thread(),
            leader_exited: stat.leader_has_exited(),
            program: stat.program,
            comm: stat.padded_comm(),
            process: info.map(Arc::new),
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

fn unreadable_process(errno: Errno) -> Error {
    Error::from_errno(ErrorCode::ProcUnreadable, "open", "a process's stat", errno)
}

/// Returns the time of `clock`, in nanoseconds.
pub(crate) fn clock_ns(clock: ClockId) -> u64 {
    let now = rustix::time::clock_gettime(clock);
    (now.tv_sec as u64).saturating_mul(1_000_000_000).saturating_add(now.tv_nsec as u64)
}
