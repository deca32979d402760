//! Readers of single processes. [`Reader`] bounds its waits and parses; [`DirectReader`] does neither.

use std::ffi::CString;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use rustix::io::Errno;
use rustix::time::ClockId;

use super::clock::clock_ns;
use super::cmdline::{CmdlineReader, ThreadSpawner};
use super::file_buffer::{FileBuffer, ProcPath};
use super::files::{Direct, ProcFiles, ReadCmdline, ReadTime};
use super::mount::Procfs;
use super::parse::Stat;
use super::raw::{self, RawDetails};
use crate::model::event::ExitStatus;
use crate::model::interest::Fields;
use crate::model::snapshot::{KnownProcess, Look, ObservedProcess};

/// Longest time that a reader waits in one go for reads that hang, unless it takes a snapshot.
const BURST: Duration = Duration::from_millis(200);
/// The least time, in nanoseconds, after which a process may have renamed itself since its exec. A virtual machine may lose its
/// CPU just before a reading.
const RUNS_AFTER_NS: u64 = 100_000;

impl Procfs {
    /// Creates a reader of single processes. The reader bounds its waits: it leaves out arguments that it cannot read
    /// in time.
    #[must_use]
    pub fn reader(self: &Arc<Self>) -> Reader {
        Reader::new(self, BURST, false)
    }

    /// Creates a [`Procfs::reader`] whose helper thread raises its priority.
    pub(crate) fn high_priority_reader(self: &Arc<Self>) -> Reader {
        Reader::new(self, BURST, true)
    }

    /// Creates a [`Procfs::reader`] that reads arguments on the calling thread, and hangs if such a read hangs.
    pub(crate) fn unbounded_reader(self: &Arc<Self>) -> Reader {
        let files = ProcFiles::new(&self.ids);
        Reader { procfs: Arc::clone(self), files, cmdline: Cmdline::SameThread }
    }

    /// Like [`Procfs::unbounded_reader`]. The reader keeps up to 32 files open, so that it reads a process again in less time.
    pub(crate) fn repeated_reader(self: &Arc<Self>) -> Reader {
        let reader = self.unbounded_reader();
        Reader { files: reader.files.keeping_stats_open(), ..reader }
    }

    /// Creates a reader that reads on the calling thread, and hangs if a read hangs. It does not parse.
    pub(crate) fn direct_reader(self: &Arc<Self>) -> DirectReader {
        DirectReader::new(self)
    }
}

/// Reads one process after the other with the same buffers.
#[derive(Debug)]
pub struct Reader {
    procfs: Arc<Procfs>,
    files: ProcFiles,
    cmdline: Cmdline,
}

/// The thread on which arguments are read.
#[derive(Debug)]
enum Cmdline {
    /// A helper, with bounded waits.
    Helper(CmdlineReader),
    /// The thread of the reader, which hangs if a read hangs.
    SameThread,
}

impl ReadCmdline for Cmdline {
    fn read_cmdline(&mut self, root: &OwnedFd, pid: u32, limit: usize, buffer: &mut FileBuffer) {
        match self {
            Self::Helper(helper) => helper.read_cmdline(root, pid, limit, buffer),
            Self::SameThread => Direct.read_cmdline(root, pid, limit, buffer),
        }
    }
}

impl Reader {
    /// Creates a reader. `burst` is the longest time that it waits in one go.
    pub(super) fn new(procfs: &Arc<Procfs>, burst: Duration, raise_priority: bool) -> Self {
        let spawner = ThreadSpawner { procfs: Arc::clone(procfs), raise_priority };
        let cmdline = CmdlineReader::new(spawner, Arc::clone(procfs.hung()), burst);
        let (files, cmdline) = (ProcFiles::new(&procfs.ids), Cmdline::Helper(cmdline));
        Self { procfs: Arc::clone(procfs), files, cmdline }
    }

    /// Returns the proc file system that is read.
    pub const fn procfs(&self) -> &Arc<Procfs> {
        &self.procfs
    }

    /// Reads `fields` of a process. Returns `None` if the process has exited or is unreadable.
    pub fn observe(&mut self, pid: u32, fields: Fields) -> Option<ObservedProcess> {
        self.read_process(pid, fields).ok().and_then(ReadResult::observed)
    }

    /// Reads `fields` of a process. If it is the `known` process, reads only its stat.
    ///
    /// # Errors
    /// See [`Reader::read_process`].
    pub(super) fn read_unless_known(
        &mut self,
        pid: u32,
        fields: Fields,
        known: Option<&KnownProcess>,
    ) -> Result<ReadResult, Errno> {
        if let Some(known) = known.filter(|_| !fields.is_empty()) {
            let read = self.read_process(pid, Fields::NONE)?;
            if !matches!(&read, ReadResult::Running(seen) if !known.is(seen)) {
                return Ok(read);
            }
        }
        self.read_process(pid, fields)
    }

    /// Reads `fields` of a process.
    ///
    /// # Errors
    /// Only those that concern every process: no descriptor or memory is left.
    pub(super) fn read_process(&mut self, pid: u32, fields: Fields) -> Result<ReadResult, Errno> {
        self.read_at(pid, fields, ReadTime::AnyTime)
    }

    /// Reads `fields` of a process. After an exec, a zombie counts as running.
    fn read_at(&mut self, pid: u32, fields: Fields, time: ReadTime) -> Result<ReadResult, Errno> {
        self.read_since(pid, fields, time, None)
    }

    /// Like [`Reader::read_at`], if the stat was read just now, see [`ProcFiles::read_since`].
    fn read_since(
        &mut self,
        pid: u32,
        fields: Fields,
        time: ReadTime,
        before: Option<(u64, bool)>,
    ) -> Result<ReadResult, Errno> {
        let Self { procfs, files, cmdline } = self;
        let began_ns = clock_ns(ClockId::Monotonic);
        match files.read_since(&procfs.root, pid, fields, procfs.max_argv_bytes, cmdline, time, before) {
            Err(errno @ (Errno::MFILE | Errno::NFILE | Errno::NOMEM)) => return Err(errno),
            Err(Errno::NOENT | Errno::SRCH) => return Ok(ReadResult::Disappeared),
            Err(_) => return Ok(ReadResult::Hidden),
            Ok(()) => {}
        }
        let accepts_zombie = time == ReadTime::AfterExec;
        let Some(stat) = files.stat().filter(|stat| accepts_zombie || !stat.has_exited()) else {
            return Ok(ReadResult::Zombie);
        };
        let read_ns = clock_ns(ClockId::Monotonic);
        let info =
            (!fields.is_empty()).then(|| files.files().info(fields, Some(&stat), procfs.max_argv_bytes));
        let observed = ObservedProcess { began_ns, ..procfs.observed(pid, Some(&stat), info, read_ns) };
        Ok(ReadResult::Running(Box::new(observed)))
    }

    /// Reads `fields` of the process that called exec at `exec_ns`. Returns empty details if the process no longer
    /// exists.
    pub fn capture(&mut self, pid: u32, fields: Fields, exec_ns: u64) -> ObservedProcess {
        let seen = self.read_at(pid, fields, ReadTime::AfterExec).ok().and_then(ReadResult::observed);
        // A process that started after the exec has reused the pid.
        seen.filter(|observed| observed.start_ns <= exec_ns).unwrap_or_else(|| raw::nothing_read(fields))
    }

    /// Reads `fields` of a process that has called exec, as the last look shows. Returns empty details if it no longer exists.
    pub(crate) fn capture_after(
        &mut self,
        last: &ObservedProcess,
        is_mid_exec: bool,
        fields: Fields,
    ) -> ObservedProcess {
        let before = Some((last.program, is_mid_exec));
        let seen = self.read_since(last.pid, fields, ReadTime::AfterExec, before);
        seen.ok().and_then(ReadResult::observed).unwrap_or_else(|| raw::nothing_read(fields))
    }

    /// Reads the path of the program that a process runs. Empty if it is unknown.
    pub(crate) fn program(&mut self, pid: u32) -> &[u8] {
        self.files.read_program(&self.procfs.root, pid)
    }

    /// Reads the stat of a process, which may be a zombie. Returns `None` if it is gone or hidden.
    pub(crate) fn look(&mut self, pid: u32) -> Option<Look> {
        let Self { procfs, files, .. } = self;
        let stat = files.read_stat(&procfs.root, pid)?;
        let (is_mid_exec, is_exiting) = (stat.is_mid_exec, stat.is_exiting());
        let (is_zombie, status) = (stat.has_exited(), stat.exit_status);
        let observed = procfs.observed(pid, Some(&stat), None, clock_ns(ClockId::Monotonic));
        let status = if is_zombie { self.visible_status(pid, status) } else { None };
        Some(Look { observed, is_mid_exec, is_exiting, is_zombie, status })
    }

    /// Returns the exit status of a zombie. Returns `Some(None)` if this user may not see the status, and `None` if
    /// there is no such zombie.
    pub fn zombie_status(&mut self, pid: u32) -> Option<Option<ExitStatus>> {
        let status = self.zombie_stat(pid)?.exit_status;
        Some(self.visible_status(pid, status))
    }

    /// Returns the status of a zombie whose stat shows `status`, if this user may see it.
    fn visible_status(&self, pid: u32, status: Option<u32>) -> Option<ExitStatus> {
        // The kernel shows 0 to a reader that may not trace the process: another user, or root without its capabilities.
        // The same check guards this link.
        let is_visible = || {
            let link = ProcPath::new(pid, "ns/user");
            is_shown(&rustix::fs::readlinkat(&self.procfs.root, link.as_bytes(), Vec::new()))
        };
        status.or_else(|| is_visible().then_some(0)).map(ExitStatus)
    }

    /// Returns the exit status of a zombie. Returns `None` if the status is 0, if this user may not see it, or if there
    /// is no such zombie.
    pub fn exit_status(&mut self, pid: u32) -> Option<ExitStatus> {
        self.zombie_stat(pid)?.exit_status.map(ExitStatus)
    }

    fn zombie_stat(&mut self, pid: u32) -> Option<Stat<'_>> {
        self.files.read_stat(&self.procfs.root, pid).filter(Stat::has_exited)
    }
}

/// Returns true if the kernel has shown a link of a process. Linux 5.10 shows an empty one to a reader that may not trace
/// the process, and later kernels fail.
fn is_shown(link: &rustix::io::Result<CString>) -> bool {
    link.as_ref().is_ok_and(|target| !target.is_empty())
}

/// The result of reading one process.
pub(super) enum ReadResult {
    Running(Box<ObservedProcess>),
    Zombie,
    /// The process does not exist, or no longer does.
    Disappeared,
    /// This user may not read the process.
    Hidden,
}

impl ReadResult {
    fn observed(self) -> Option<ObservedProcess> {
        if let Self::Running(observed) = self { Some(*observed) } else { None }
    }
}

/// Reads one process after the other, without parsing.
#[derive(Debug)]
pub(crate) struct DirectReader {
    procfs: Arc<Procfs>,
    files: ProcFiles,
}

impl DirectReader {
    pub(super) fn new(procfs: &Arc<Procfs>) -> Self {
        Self { procfs: Arc::clone(procfs), files: ProcFiles::new(&procfs.ids) }
    }

    /// Returns the proc file system that is read.
    pub(crate) const fn procfs(&self) -> &Arc<Procfs> {
        &self.procfs
    }

    /// Reads `fields` of a process that called exec at `exec_ns`, just now. Returns `None` if the process is unreadable.
    pub(crate) fn read(&mut self, pid: u32, fields: Fields, exec_ns: u64) -> Option<RawDetails> {
        let Self { procfs, files } = self;
        // The process has not run since its exec, so it cannot have called exec again.
        files
            .read(&procfs.root, pid, fields, procfs.max_argv_bytes, &mut Direct, ReadTime::BeforeRun)
            .ok()?;
        let read_ns = clock_ns(ClockId::Monotonic);
        if read_ns.saturating_sub(exec_ns) > RUNS_AFTER_NS {
            files.extend_after_exec(&procfs.root, pid, fields, &mut Direct).ok()?;
        }
        Some(RawDetails::copy(&files.files(), fields, read_ns))
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::path::Path;
    use std::process::{Command, Stdio};

    use super::*;
    use crate::model::interest::Field;

    #[test]
    fn a_link_is_shown_unless_it_is_empty_or_fails() {
        assert!(is_shown(&Ok(c"user:[4026531837]".into())));
        assert!(!is_shown(&Ok(CString::default())));
        assert!(!is_shown(&Err(Errno::ACCESS)));
    }

    #[test]
    fn details_that_are_read_too_late_have_the_name_of_the_program() {
        let procfs = Arc::new(Procfs::open(Path::new("/proc")).expect("/proc is mounted"));
        let script = "printf renamed > /proc/$$/comm; echo ok; read end";
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("sh runs");
        let mut answer = String::new();
        let output = child.stdout.take().expect("it is piped");
        BufReader::new(output).read_line(&mut answer).expect("sh answers");
        let name = |exec_ns| {
            let fields = Fields::NONE.with(Field::Name);
            let details = procfs.direct_reader().read(child.id(), fields, exec_ns).expect("it runs");
            let observed = details.observed(&procfs, child.id(), u64::MAX).expect("it is the same");
            observed.process.and_then(|process| process.name.clone()).expect("it has a name")
        };
        let names = [name(u64::MAX), name(0)];
        drop(child.stdin.take());
        child.wait().expect("it ends");
        assert_eq!((&*answer, &*names[0]), ("ok\n", "renamed"));
        assert_ne!(&*names[1], "renamed");
    }

    #[test]
    fn the_file_of_the_comm_gives_the_same_name_as_stat() {
        let procfs = Arc::new(Procfs::open(Path::new("/proc")).expect("/proc is mounted"));
        let folder = std::env::temp_dir().join(format!("proc-events-comm-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("it can be created");
        for (file, is_cheap) in [
            ("short", true),
            ("exactly-fifteen", true),
            ("more-than-fifteen-bytes", true),
            ("back\\slash", false),
        ] {
            let path = folder.join(file);
            // Not a copy, which another thread's child may still have open for writing.
            std::os::unix::fs::symlink("/bin/sleep", &path).expect("it can be linked");
            let mut child = Command::new(&path).arg("60").spawn().expect("it runs");
            let read = |fields| {
                let details = procfs.direct_reader().read(child.id(), fields, u64::MAX).expect("it runs");
                let observed = details.observed(&procfs, child.id(), u64::MAX).expect("it is the same");
                (observed.start_time != 0, observed.process.and_then(|process| process.name.clone()))
            };
            let name = Fields::NONE.with(Field::Name);
            // The exec may still be under way when `spawn` returns.
            let began = std::time::Instant::now();
            let mut whole = read(name.with(Field::StartTime));
            while whole.1.is_none() && began.elapsed() < Duration::from_secs(10) {
                std::thread::yield_now();
                whole = read(name.with(Field::StartTime));
            }
            let cheap = read(name);
            child.kill().and_then(|()| child.wait()).expect("it ends");
            assert!(whole.0 && whole.1.is_some(), "{whole:?}");
            assert_eq!(cheap, (!is_cheap, whole.1), "{file}");
        }
        std::fs::remove_dir_all(&folder).expect("it can be removed");
    }
}
