//! The processes of this machine, as the cursor asks about them.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use rustix::event::epoll;
use rustix::io::Errno;
use rustix::process::{Resource, getrlimit};
use rustix::time::ClockId;

use super::foreign::ForeignPids;
use super::host::{Details, Look, PidHost, PidOwner};
use crate::model::event::ExitStatus;
use crate::model::interest::{Field, Fields};
use crate::model::snapshot::ObservedProcess;
use crate::procfs::{PidList, Procfs, ReadState, Reader, clock_ns, parse};
use crate::sys::thread_end::thread_id;
use crate::sys::{self, pidfd};

/// The files that end with the last process id of the pid namespace that reads them. The second one needs
/// `CONFIG_CHECKPOINT_RESTORE`, and is slower.
const CURSORS: [&str; 2] = ["loadavg", "sys/kernel/ns_last_pid"];
/// Descriptors that are left for files, out of those that one table may have. In a table of the thread's own, half of them are stat
/// files that stay open.
const SPARE_FDS: u64 = 64;
/// The largest number of pidfds in a table of the thread's own.
const OWN_PIDFDS_MAX: u64 = 65_536;
/// The largest number of pidfds in the table of the program. More would make each of its forks slow.
const SHARED_PIDFDS_MAX: u64 = 256;
/// More processes and threads cannot have started since the calling thread.
const STARTED_SINCE_MAX: u32 = 10_000;
/// The largest process id on 64 bits, plus 1: `PID_MAX_LIMIT`, `linux/threads.h`.
const PID_MAX_LIMIT: u32 = 1 << 22;

/// Opens, reads and watches the processes of this pid namespace.
#[derive(Debug)]
pub(super) struct LinuxPids {
    reader: Reader,
    epoll: OwnedFd,
    /// The file that ends with the last process id; `None` for another pid namespace.
    cursor: Option<OwnedFd>,
    /// The processes of another pid namespace, if `/proc` shows those.
    foreign: Option<ForeignPids>,
    /// The number of open pidfds.
    open: u64,
    /// The largest number of pidfds.
    open_max: u64,
    /// The [`Fields`] to read at an exec.
    fields: Arc<AtomicU16>,
    /// True if no other thread has the pidfds.
    has_own_table: bool,
    /// Shows the reader a read of arguments that hangs.
    state: Arc<ReadState>,
    is_abandoned: bool,
}

impl LinuxPids {
    /// Opens the files. `has_own_table`: the calling thread, which has just been started, has a descriptor table of its own.
    ///
    /// # Errors
    /// If there are no pidfds, or no file shows the last process id, or `/proc` cannot be listed.
    pub(super) fn new(
        procfs: &Arc<Procfs>,
        fields: Arc<AtomicU16>,
        state: Arc<ReadState>,
        has_own_table: bool,
    ) -> io::Result<Self> {
        let (cursor, foreign) = if procfs.is_of_own_pid_namespace() {
            pidfd::open(std::process::id())?;
            (Some(open_cursor(procfs).ok_or(io::ErrorKind::Unsupported)?), None)
        } else {
            (None, Some(ForeignPids::new(procfs, clock_ns(ClockId::Monotonic)).map_err(io::Error::other)?))
        };
        Ok(Self {
            // A helper thread would take longer than most processes live. In the table of the program, each open file would make its
            // forks slower.
            reader: if has_own_table { procfs.repeated_reader() } else { procfs.unbounded_reader() },
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            cursor,
            foreign,
            open: 0,
            open_max: pidfd_limit(has_own_table, 0),
            fields,
            has_own_table,
            state,
            is_abandoned: false,
        })
    }

    /// Returns true if a read has returned late, and the reader has abandoned this thread.
    pub(super) const fn is_abandoned(&self) -> bool {
        self.is_abandoned
    }

    /// Leaves so many descriptors of the table to others.
    pub(super) fn reserve(&mut self, descriptors: u64) {
        self.open_max = pidfd_limit(self.has_own_table, descriptors);
        if self.open_max == 0 {
            // Stat files that stay open would leave no descriptor for others.
            self.reader = self.reader.procfs().unbounded_reader();
        }
    }

    pub(super) const fn epoll(&self) -> &OwnedFd {
        &self.epoll
    }

    /// Begins a list of the pids of all processes.
    pub(super) fn list(&self) -> Option<PidList> {
        self.reader.procfs().list().ok()
    }

    /// Returns the path of the program that a process runs. Empty if it is unknown.
    pub(super) fn program_of(&mut self, pid: u32) -> Vec<u8> {
        self.reader.program(pid).to_owned()
    }

    /// Returns the id that was last given out in the pid namespace of this process.
    pub(super) fn last_pid(&self) -> Option<u32> {
        last_pid(self.cursor.as_ref()?)
    }

    /// Returns true if `/proc` shows the processes of another pid namespace. Snapshots must show the exits of older ones.
    pub(super) const fn is_foreign(&self) -> bool {
        self.foreign.is_some()
    }

    /// Returns the pids of the new processes in another pid namespace.
    pub(super) fn foreign_new(&mut self, now_ns: u64) -> Vec<u32> {
        self.foreign.as_mut().map_or_else(Vec::new, |foreign| foreign.take_new(now_ns))
    }

    /// Returns the pids and generations of the processes that have exited, in another pid namespace. Processes of
    /// the own namespace have pidfds.
    pub(super) fn foreign_exits(&mut self, now_ns: u64) -> Vec<(u32, u32)> {
        let Self { foreign, reader, .. } = self;
        let Some(foreign) = foreign else { return Vec::new() };
        foreign.exited(now_ns, |pid| reader.look(pid), is_gone)
    }
}

/// Returns true if the process with this directory is reaped. A hidden one has no files either, but its directory is hidden, too.
fn is_gone(directory: &OwnedFd) -> bool {
    let stat = rustix::fs::statat(directory, "stat", rustix::fs::AtFlags::empty());
    matches!(stat, Err(Errno::NOENT | Errno::SRCH)) && rustix::fs::fstat(directory).is_ok()
}

/// Opens the file that ends with the last process id.
fn open_cursor(procfs: &Procfs) -> Option<OwnedFd> {
    let own = thread_id() as u32;
    CURSORS.iter().find_map(|path| {
        let file = procfs.open_file(path).ok()?;
        // Some sandboxes show 0, and lxcfs an old id.
        last_pid(&file).is_some_and(|last| (own..own + STARTED_SINCE_MAX).contains(&last)).then_some(file)
    })
}

/// Returns the largest number of pidfds, if others use `reserved` descriptors of the same table.
fn pidfd_limit(has_own_table: bool, reserved: u64) -> u64 {
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let most = if has_own_table { OWN_PIDFDS_MAX } else { SHARED_PIDFDS_MAX };
    limit.saturating_sub(SPARE_FDS).saturating_sub(reserved).min(most)
}

/// Returns the number at the end of a file.
fn last_pid(file: &OwnedFd) -> Option<u32> {
    let mut buffer = [0; 128];
    let len = rustix::io::pread(file, &mut buffer, 0).ok()?;
    let text = buffer.get(..len)?.trim_ascii_end();
    parse::number(text.rsplit(|&byte| byte == b' ').next()?).map(|pid| pid as u32)
}

impl PidHost for LinuxPids {
    type Pidfd = OwnedFd;

    fn pid_max(&mut self) -> u32 {
        let read = || {
            let file = self.reader.procfs().open_file("sys/kernel/pid_max").ok()?;
            let mut buffer = [0; 16];
            let len = rustix::io::read(&file, &mut buffer).ok()?;
            parse::number(buffer.get(..len)?.trim_ascii_end()).map(|max| max as u32)
        };
        read().unwrap_or(PID_MAX_LIMIT)
    }

    fn open(&mut self, pid: u32) -> PidOwner<OwnedFd> {
        // In another pid namespace, each process takes two descriptors.
        if self.open >= if self.is_foreign() { self.open_max / 2 } else { self.open_max } {
            return PidOwner::Unknown;
        }
        if self.is_foreign() {
            return match self.reader.procfs().open_process(pid) {
                Ok(directory) => {
                    self.open += 1;
                    PidOwner::Process(directory)
                }
                Err(Errno::NOENT | Errno::SRCH) => PidOwner::Free,
                Err(_) => PidOwner::Unknown,
            };
        }
        match pidfd::open(pid) {
            Ok(pidfd) => {
                self.open += 1;
                PidOwner::Process(pidfd)
            }
            Err(Errno::SRCH) => PidOwner::Free,
            Err(Errno::INVAL | Errno::NOENT) => PidOwner::Thread,
            Err(_) => PidOwner::Unknown,
        }
    }

    fn is_free(&mut self, pid: u32) -> bool {
        if self.is_foreign() {
            let directory = self.reader.procfs().open_process(pid);
            return matches!(directory, Err(Errno::NOENT | Errno::SRCH));
        }
        pidfd::is_gone(pid)
    }

    fn watch(&mut self, pid: u32, generation: u32, pidfd: &OwnedFd) -> bool {
        if let Some(foreign) = &mut self.foreign {
            let Ok(copy) = pidfd.try_clone() else { return false };
            foreign.watch(pid, generation, pidfd.as_raw_fd(), copy, clock_ns(ClockId::Monotonic));
            return true;
        }
        let data = epoll::EventData::new_u64(u64::from(generation) << 32 | u64::from(pid));
        epoll::add(&self.epoll, pidfd, data, epoll::EventFlags::IN | epoll::EventFlags::ET).is_ok()
    }

    fn close(&mut self, pidfd: OwnedFd) {
        self.open -= 1;
        if let Some(foreign) = &mut self.foreign {
            return foreign.forget(pidfd.as_raw_fd());
        }
        // A forked child may hold a copy, so that closing this one would not end the watch. The call fails if there is none.
        if !self.has_own_table {
            let _ = epoll::delete(&self.epoll, &pidfd);
        }
    }

    fn has_exited(&mut self, pidfd: &OwnedFd) -> bool {
        if self.is_foreign() {
            return is_gone(pidfd);
        }
        pidfd::has_exited(pidfd)
    }

    fn reaped_status(&mut self, pidfd: &OwnedFd) -> Option<ExitStatus> {
        if self.is_foreign() {
            return None;
        }
        sys::pidfd_exit_status(pidfd.as_fd()).ok().flatten().map(ExitStatus)
    }

    fn keeps_statuses(&self) -> bool {
        !self.is_foreign()
    }

    fn look(&mut self, pid: u32) -> Option<Look> {
        self.reader.look(pid)
    }

    fn details(&mut self, look: &Look) -> Details {
        let fields = Fields::from_bits(self.fields.load(Ordering::Relaxed));
        let known = &look.observed;
        if fields.is_empty() {
            return Details { observed: known.clone(), is_complete: true };
        }
        self.state.begin(known.pid, clock_ns(ClockId::Monotonic));
        let mut observed = self.reader.capture_after(known, look.is_mid_exec, fields);
        self.is_abandoned |= self.state.end();
        if observed.start_time != known.start_time {
            observed = ObservedProcess { process: observed.process, ..known.clone() };
        }
        let argv = observed.process.as_ref().and_then(|info| info.argv.as_ref());
        Details { is_complete: !fields.has(Field::Argv) || argv.is_some(), observed }
    }
}
