//! The door to `/proc`: one process's details, or one look at all processes.

mod cmdline;
mod files;
mod hung;
pub mod parse;
mod raw;

use crate::model::snapshot::KnownProcess;
use crate::model::snapshot::KnownProcesses;
use crate::model::snapshot::ObservedProcess;
use crate::model::snapshot::Snapshot;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustc_hash::FxHashSet;
use rustix::fs::{AtFlags, Mode, OFlags, PROC_SUPER_MAGIC, RawDir};
use rustix::io::Errno;
use rustix::time::ClockId;

use crate::error::{Error, ErrorCode};
use crate::model::event::{ExitStatus, ProcessInfo};
use crate::model::interest::Fields;
use crate::stats::Stats;
use crate::sys::pidfd;
use cmdline::{CmdlineReader, Threads};
use files::{Direct, ProcFiles, ProcPath};
use parse::Stat;

pub use files::DEFAULT_MAX_ARGV_BYTES;
pub(crate) use hung::{DEADLINE, HungReads, ReadState, STUCK_MAX, stuck_threads};
pub(crate) use raw::RawDetails;

/// The longest time that a snapshot waits at once for processes that do not answer: it is on a thread of its own.
const SNAPSHOT_BURST: Duration = Duration::from_secs(1);
/// The longest time that any other caller does.
const BURST: Duration = Duration::from_millis(200);

/// A `/proc` file system.
#[derive(Debug)]
pub struct Procfs {
    root: OwnedFd,
    nanoseconds_per_tick: u64,
    /// The bytes of text that are kept of the arguments of a process, at most.
    max_argv_bytes: usize,
    hung: Arc<HungReads>,
}

impl Procfs {
    /// Opens the `/proc` that is mounted at `root`.
    ///
    /// # Errors
    /// [`ErrorCode::ProcUnreadable`] where that is no `/proc`.
    pub fn open(root: &Path) -> Result<Self, Error> {
        let unreadable = |syscall| move |errno| Error::new(ErrorCode::ProcUnreadable, syscall, errno);
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
        let root =
            rustix::fs::open(root, flags, Mode::empty()).map_err(unreadable("open the proc file system"))?;
        let kind = rustix::fs::fstatfs(&root).map_err(unreadable("statfs the proc file system"))?.f_type;
        if kind != PROC_SUPER_MAGIC {
            return Err(Error::shown_by(ErrorCode::ProcUnreadable, "statfs: not a proc file system"));
        }
        let hz = rustix::param::clock_ticks_per_second().max(1);
        Ok(Self {
            root,
            nanoseconds_per_tick: 1_000_000_000 / hz,
            max_argv_bytes: DEFAULT_MAX_ARGV_BYTES,
            hung: Arc::new(HungReads::new(Arc::default())),
        })
    }

    /// Keeps at most so many bytes of the arguments of a process, and counts what it gives up in `stats`.
    #[must_use]
    pub(crate) fn with(self, max_argv_bytes: usize, stats: &Arc<Stats>) -> Self {
        let hung = Arc::new(HungReads::new(Arc::clone(stats)));
        Self { max_argv_bytes: max_argv_bytes.max(1), hung, ..self }
    }

    /// The processes whose arguments are not read for a while.
    pub(crate) const fn hung(&self) -> &Arc<HungReads> {
        &self.hung
    }

    /// Lets others ask for the state of the calling thread.
    pub(crate) fn show_thread(&self, state: &ReadState) {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        // Where it is not shown, a thread that waits for a CPU cannot be told from one that hangs.
        state.show(rustix::fs::openat(&self.root, "thread-self/stat", flags, Mode::empty()).ok());
    }

    /// Whether this `/proc` shows the pid namespace that this process is in.
    #[must_use]
    pub fn is_of_own_pid_namespace(&self) -> bool {
        let own = rustix::fs::readlinkat(&self.root, "self", Vec::new());
        own.is_ok_and(|pid| parse::number(pid.to_bytes()) == Some(u64::from(std::process::id())))
    }

    /// Every process that is running now, with `fields` of each that is not `known`. `cancelled` ends it early, with what
    /// it has.
    ///
    /// # Errors
    /// [`ErrorCode::ProcUnreadable`] where the directory cannot be read.
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
                ReadResult::Ended | ReadResult::Hidden => {}
            }
        }
        Ok(snapshot)
    }

    /// The ids of all processes listed, ended ones that were not collected among them.
    ///
    /// # Errors
    /// [`ErrorCode::ProcUnreadable`] where the directory cannot be read.
    pub fn pids(&self) -> Result<Vec<u32>, Error> {
        let unreadable =
            |errno| Error::new(ErrorCode::ProcUnreadable, "getdents the proc file system", errno);
        // A description of its own, since the position in the directory belongs to the description.
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
        let directory = rustix::fs::openat(&self.root, ".", flags, Mode::empty()).map_err(unreadable)?;
        let mut space = Vec::with_capacity(32 * 1024);
        let mut entries = RawDir::new(directory, space.spare_capacity_mut());
        let mut pids = Vec::new();
        while let Some(entry) = entries.next() {
            let entry = entry.map_err(unreadable)?;
            pids.extend(parse::number(entry.file_name().to_bytes()).and_then(|pid| u32::try_from(pid).ok()));
        }
        Ok(pids)
    }

    /// Those of `pids` whose process has ended: an ended one that was not collected yet is among them, and a number
    /// that only a thread has now.
    ///
    /// # Errors
    /// [`ErrorCode::ProcUnreadable`] where the directory cannot be read, or no descriptor is left to look at a process.
    pub fn ended_among(self: &Arc<Self>, pids: &[u32]) -> Result<Vec<u32>, Error> {
        let listed: FxHashSet<u32> = self.pids()?.into_iter().collect();
        let is_own = self.is_of_own_pid_namespace();
        let mut reader = self.reader();
        let mut ended = Vec::new();
        for &pid in pids {
            let has_ended = match pidfd::running(pid) {
                // This also sees what is hidden from this user.
                Ok(running) if is_own => running.is_none(),
                _ if !listed.contains(&pid) => true,
                _ => {
                    let read = reader.read_process(pid, Fields::NONE, false).map_err(unreadable_process)?;
                    !matches!(read, ReadResult::Running(_))
                }
            };
            if has_ended {
                ended.push(pid);
            }
        }
        Ok(ended)
    }

    /// Reads one process after the other, with one buffer for all. It never waits without a bound: arguments that cannot be
    /// read in time are left out.
    #[must_use]
    pub fn reader(self: &Arc<Self>) -> Reader {
        self.reader_with(BURST, false)
    }

    /// As [`Procfs::reader`], and asks for a CPU sooner than others get one.
    pub(crate) fn hurried_reader(self: &Arc<Self>) -> Reader {
        self.reader_with(BURST, true)
    }

    fn reader_with(self: &Arc<Self>, burst: Duration, raise_priority: bool) -> Reader {
        let threads = Threads { procfs: Arc::clone(self), raise_priority };
        let cmdline = CmdlineReader::new(threads, Arc::clone(&self.hung), burst);
        Reader { procfs: Arc::clone(self), record: ProcFiles::new(), cmdline }
    }

    /// Reads one process after the other on the calling thread, which hangs where a process does.
    pub(crate) fn direct_reader(self: &Arc<Self>) -> DirectReader {
        DirectReader { procfs: Arc::clone(self), record: ProcFiles::new() }
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
            leader_exited: stat.leader_has_ended(),
            program: stat.program,
            comm: stat.padded_comm(),
            process: info.map(Arc::new),
            read_ns,
        }
    }

    /// A creation time in nanoseconds on `CLOCK_MONOTONIC`, which stands still while the machine sleeps.
    fn start_ns(&self, start_time: u64) -> u64 {
        // In this order: with an interruption between the two this errs towards the past. Later than what the process
        // itself has done, it would be taken for another.
        let awake = clock_ns(ClockId::Monotonic);
        let slept = clock_ns(ClockId::Boottime).saturating_sub(awake);
        start_time.saturating_mul(self.nanoseconds_per_tick).saturating_sub(slept)
    }
}

/// Reads one process after the other.
#[derive(Debug)]
pub struct Reader {
    procfs: Arc<Procfs>,
    record: ProcFiles,
    cmdline: CmdlineReader,
}

impl Reader {
    /// Where it reads.
    pub const fn procfs(&self) -> &Arc<Procfs> {
        &self.procfs
    }

    /// The process as a snapshot sees it; `None` if it has ended, or cannot be read.
    pub fn observe(&mut self, pid: u32, fields: Fields) -> Option<ObservedProcess> {
        self.read_process(pid, fields, false).ok().and_then(ReadResult::observed)
    }

    /// Reads `fields` of a process, unless it is the `known` one: of that, only its stat is read.
    fn read_unless_known(
        &mut self,
        pid: u32,
        fields: Fields,
        known: Option<&KnownProcess>,
    ) -> Result<ReadResult, Errno> {
        if let Some(known) = known.filter(|_| !fields.is_empty()) {
            let read = self.read_process(pid, Fields::NONE, false)?;
            if !matches!(&read, ReadResult::Running(seen) if !known.is(seen)) {
                return Ok(read);
            }
        }
        self.read_process(pid, fields, false)
    }

    /// Reads `fields` of a process. An error is none of the process's own. `though_ended`: a zombie counts as running.
    fn read_process(&mut self, pid: u32, fields: Fields, though_ended: bool) -> Result<ReadResult, Errno> {
        let Self { procfs, record, cmdline } = self;
        match record.read(&procfs.root, pid, fields, procfs.max_argv_bytes, cmdline, true) {
            Err(errno @ (Errno::MFILE | Errno::NFILE | Errno::NOMEM)) => return Err(errno),
            Err(Errno::NOENT | Errno::SRCH) => return Ok(ReadResult::Disappeared),
            Err(_) => return Ok(ReadResult::Hidden),
            Ok(()) => {}
        }
        let Some(stat) = record.stat().filter(|stat| though_ended || !stat.has_ended()) else {
            return Ok(ReadResult::Ended);
        };
        let read_ns = clock_ns(ClockId::Monotonic);
        let info = (!fields.is_empty()).then(|| record.files().info(fields, &stat, procfs.max_argv_bytes));
        Ok(ReadResult::Running(Box::new(procfs.observed(pid, &stat, info, read_ns))))
    }

    /// `fields` of the process that called exec at `exec_ns`, as far as they can still be read.
    pub fn capture(&mut self, pid: u32, fields: Fields, exec_ns: u64) -> ObservedProcess {
        let seen = self.read_process(pid, fields, true).ok().and_then(ReadResult::observed);
        // One that was created later has only inherited the pid.
        seen.filter(|observed| observed.start_ns <= exec_ns).unwrap_or_else(|| raw::nothing_read(fields))
    }

    /// How a process has ended that was not collected yet; `Some(None)` where that may not be seen, `None` where there is
    /// no such process.
    pub fn zombie_status(&mut self, pid: u32) -> Option<Option<ExitStatus>> {
        let status = self.zombie_stat(pid)?.exit_status;
        // To others the kernel shows 0, which is no lie only to the user whose process it was.
        let owner =
            rustix::fs::statat(&self.procfs.root, ProcPath::new(pid, "").as_bytes(), AtFlags::empty());
        let user = rustix::process::geteuid();
        let is_shown = user.is_root() || owner.is_ok_and(|owner| owner.st_uid == user.as_raw());
        Some(status.or(is_shown.then_some(0)).map(ExitStatus))
    }

    /// How a process that was not collected yet has ended; `None` where that was well, or may not be seen.
    pub fn exit_status(&mut self, pid: u32) -> Option<ExitStatus> {
        self.zombie_stat(pid)?.exit_status.map(ExitStatus)
    }

    fn zombie_stat(&mut self, pid: u32) -> Option<Stat<'_>> {
        self.record.read(&self.procfs.root, pid, Fields::NONE, 0, &mut Direct, false).ok()?;
        self.record.stat().filter(Stat::has_ended)
    }
}

/// The result of reading one process.
enum ReadResult {
    Running(Box<ObservedProcess>),
    /// It is a zombie.
    Ended,
    /// It was reaped.
    Disappeared,
    /// This user may not read it.
    Hidden,
}

impl ReadResult {
    fn observed(self) -> Option<ObservedProcess> {
        if let Self::Running(observed) = self { Some(*observed) } else { None }
    }
}

fn unreadable_process(errno: Errno) -> Error {
    Error::new(ErrorCode::ProcUnreadable, "open a process's stat", errno)
}

/// Reads one process after the other, and makes no sense of what it reads.
#[derive(Debug)]
pub(crate) struct DirectReader {
    procfs: Arc<Procfs>,
    record: ProcFiles,
}

impl DirectReader {
    pub(crate) const fn procfs(&self) -> &Arc<Procfs> {
        &self.procfs
    }

    /// `fields` of a process that has just called exec; `None` if it cannot be read any more.
    pub(crate) fn read(&mut self, pid: u32, fields: Fields) -> Option<RawDetails> {
        let Self { procfs, record } = self;
        // The process has not run yet, so that it cannot have called exec again.
        record.read(&procfs.root, pid, fields, procfs.max_argv_bytes, &mut Direct, false).ok()?;
        Some(RawDetails::copy(&record.files(), fields, clock_ns(ClockId::Monotonic)))
    }
}

/// Nanoseconds on `clock`.
pub(crate) fn clock_ns(clock: ClockId) -> u64 {
    let now = rustix::time::clock_gettime(clock);
    (now.tv_sec as u64).saturating_mul(1_000_000_000).saturating_add(now.tv_nsec as u64)
}
