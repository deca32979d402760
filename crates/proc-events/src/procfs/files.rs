//! Reads the `/proc/PID` files of one process.
//!
//! All files are read first, without allocating, and parsed afterwards, because a short-lived process may exit in
//! between.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::io::Errno;

use super::file_buffer::FileBuffer;
use super::ids::IdReader;
use super::name;
use super::open_stats::{OpenStats, STAT_MAX};
use super::parse::{self, COMM_MAX, Stat};
use crate::model::event::ProcessInfo;
use crate::model::interest::{Field, Fields};
use crate::sys::pidfd::PidfdIds;

/// Default maximum of the bytes kept of the arguments of one process.
pub const DEFAULT_MAX_ARGV_BYTES: usize = 64 << 10;
/// Bytes of `cmdline` that are read to complete a comm that the kernel has cut.
const NAME_SOURCE_MAX: usize = 4096;

// Upper bounds on file sizes, in bytes.
const STATUS_MAX: usize = 8192;
const CGROUP_MAX: usize = 64 * 1024;
const LOGIN_UID_MAX: usize = 16;
const COMM_FILE_MAX: usize = 64;

/// The fields that need `stat`. Before the process runs, the name needs its comm alone, whose file costs less.
const STAT_FIELDS: Fields = Fields::NONE.with(Field::Ppid).with(Field::StartTime).with(Field::Comm);

/// The time at which the files of a process are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReadTime {
    /// Before the process runs the program of its last exec.
    BeforeRun,
    /// Soon after an exec was reported. The process runs, and may rename itself or call exec again.
    AfterExec,
    /// At any time. The process may also have overwritten its arguments.
    AnyTime,
}

/// Reads `/proc/PID/cmdline`. The read may never return, because it waits for the memory lock (`mmap_lock`) of the
/// process. The other files take no such lock.
pub(super) trait ReadCmdline {
    /// Reads up to `limit` bytes. On failure the buffer has no content.
    fn read_cmdline(&mut self, root: &OwnedFd, pid: u32, limit: usize, buffer: &mut FileBuffer);
}

/// Reads on the calling thread.
pub(super) struct Direct;

impl ReadCmdline for Direct {
    fn read_cmdline(&mut self, root: &OwnedFd, pid: u32, limit: usize, buffer: &mut FileBuffer) {
        buffer.read(root, pid, "cmdline", limit);
    }
}

/// Buffers for the files of one process.
#[derive(Debug)]
pub(super) struct ProcFiles {
    stat: FileBuffer,
    /// The stat files that stay open; `None`: none does.
    open_stats: Option<OpenStats>,
    comm: FileBuffer,
    cmdline: FileBuffer,
    exe: FileBuffer,
    cwd: FileBuffer,
    cgroup: FileBuffer,
    status: FileBuffer,
    login_uid: FileBuffer,
    id_reader: Arc<IdReader>,
    ids: Option<PidfdIds>,
    time: ReadTime,
    /// True if the process called exec while its files were read, so that they may belong to two programs.
    is_torn: bool,
}

impl ProcFiles {
    pub(super) fn new(id_reader: &Arc<IdReader>) -> Self {
        let [stat, comm, cmdline, exe, cwd, cgroup, status, login_uid] =
            std::array::from_fn(|_| FileBuffer::new());
        let time = ReadTime::AnyTime;
        Self {
            stat,
            open_stats: None,
            comm,
            cmdline,
            exe,
            cwd,
            cgroup,
            status,
            login_uid,
            id_reader: Arc::clone(id_reader),
            ids: None,
            time,
            is_torn: false,
        }
    }

    /// Leaves the stat files of some processes open for the next read of the same ones.
    pub(super) fn keeping_stats_open(self) -> Self {
        Self { open_stats: Some(OpenStats::default()), ..self }
    }

    /// Reads the files of `fields`, in the order in which an exiting process loses them. The arguments and the links
    /// disappear with its memory. The other files stay until the process is reaped. The arguments come first, because
    /// they say the most, and every user may read them.
    ///
    /// Details that may belong to two programs, because the process called exec during the read, are discarded.
    ///
    /// # Errors
    /// The errno of reading `stat`.
    pub(super) fn read(
        &mut self,
        root: &OwnedFd,
        pid: u32,
        fields: Fields,
        max_argv_bytes: usize,
        cmdline: &mut impl ReadCmdline,
        time: ReadTime,
    ) -> Result<(), Errno> {
        self.read_since(root, pid, fields, max_argv_bytes, cmdline, time, None)
    }

    /// Like [`ProcFiles::read`], if the stat was read just now: its [`Stat::program`] and [`Stat::is_mid_exec`].
    ///
    /// # Errors
    /// The errno of reading `stat`.
    #[expect(clippy::too_many_arguments, reason = "those of `read`, and one more")]
    pub(super) fn read_since(
        &mut self,
        root: &OwnedFd,
        pid: u32,
        fields: Fields,
        max_argv_bytes: usize,
        cmdline: &mut impl ReadCmdline,
        time: ReadTime,
        mut before: Option<(u64, bool)>,
    ) -> Result<(), Errno> {
        let Self { comm, cmdline: arguments, exe, cwd, cgroup, status, login_uid, .. } = self;
        for buffer in [&mut self.stat, comm, arguments, exe, cwd, cgroup, status, login_uid] {
            buffer.clear();
        }
        (self.time, self.ids) = (time, None);
        let reads_program =
            [Field::Argv, Field::Exe, Field::Name, Field::Comm].into_iter().any(|field| fields.has(field));
        if time != ReadTime::BeforeRun && reads_program && before.is_none() {
            self.read_stat_file(root, pid)?;
            before = self.stat().map(|stat| (stat.program, stat.is_mid_exec));
        }
        if fields.has(Field::Argv) {
            cmdline.read_cmdline(root, pid, max_argv_bytes, &mut self.cmdline);
        }
        if fields.has(Field::Exe) {
            self.exe.read_link(root, pid, "exe");
        }
        if fields.has(Field::Cwd) {
            self.cwd.read_link(root, pid, "cwd");
        }
        // Before the process runs, its identity is certain.
        if time != ReadTime::BeforeRun || !STAT_FIELDS.intersection(fields).is_empty() || fields.is_empty() {
            self.read_stat_file(root, pid)?;
        } else if fields.has(Field::Name) {
            self.read_comm(root, pid)?;
        }
        if fields.has(Field::Name) {
            self.read_name_sources(root, pid, fields, cmdline);
        }
        let after = self.stat().map(|stat| (stat.program, stat.is_mid_exec));
        self.is_torn = matches!((before, after), (Some(before), Some(after)) if is_torn(before, after));
        if self.id_reader.serves(fields) {
            self.ids = self.id_reader.read(pid);
        }
        if fields.has(Field::Cgroup) {
            self.id_reader.read_cgroup(root, pid, self.ids, CGROUP_MAX, &mut self.cgroup);
            // Hierarchies of version 1 show an exiting process in their root.
            let is_root = parse::cgroup_path(self.cgroup.bytes()) == Some(b"/");
            if is_root && time != ReadTime::BeforeRun && is_exiting(root, pid) {
                self.cgroup.clear();
            }
        }
        if self.ids.is_none() && (fields.has(Field::Uid) || fields.has(Field::Gid)) {
            self.status.read(root, pid, "status", STATUS_MAX);
        }
        if fields.has(Field::LoginUid) {
            self.login_uid.read(root, pid, "loginuid", LOGIN_UID_MAX);
        }
        Ok(())
    }

    /// Marks a reading that began before the process ran as one that may have ended after it, and reads what its identity and
    /// its name need then.
    ///
    /// # Errors
    /// The errno of reading `stat`.
    pub(super) fn extend_after_exec(
        &mut self,
        root: &OwnedFd,
        pid: u32,
        fields: Fields,
        cmdline: &mut impl ReadCmdline,
    ) -> Result<(), Errno> {
        self.time = ReadTime::AfterExec;
        if self.stat().is_none() {
            self.read_stat_file(root, pid)?;
        }
        if fields.has(Field::Name) {
            self.read_name_sources(root, pid, fields, cmdline);
        }
        Ok(())
    }

    /// Reads the comm of a process from its own file. Reads `stat` instead if that shows it differently.
    fn read_comm(&mut self, root: &OwnedFd, pid: u32) -> Result<(), Errno> {
        self.comm.try_read(root, pid, "comm", COMM_FILE_MAX)?;
        // `stat` escapes these characters.
        if self.comm().is_none_or(|comm| comm.iter().any(|byte| matches!(byte, b'\n' | b'\\'))) {
            self.comm.clear();
            self.read_stat_file(root, pid)?;
        }
        Ok(())
    }

    /// Returns the comm that was read from its own file.
    fn comm(&self) -> Option<&[u8]> {
        self.comm.content().and_then(parse::comm)
    }

    /// Reads the files that the name needs besides the comm: if the kernel may have cut it, or if the process may have
    /// changed it.
    fn read_name_sources(
        &mut self,
        root: &OwnedFd,
        pid: u32,
        fields: Fields,
        cmdline: &mut impl ReadCmdline,
    ) {
        let of_stat = self.stat().map(|stat| (stat.may_be_cut(), !stat.is_kernel_thread()));
        // A kernel thread does not call exec.
        let of_comm = || self.comm().map(|comm| (comm.len() == COMM_MAX, true));
        let Some((may_be_cut, is_user)) = of_stat.or_else(of_comm) else { return };
        let may_be_renamed = is_user && self.time != ReadTime::BeforeRun;
        if (may_be_cut || may_be_renamed) && !fields.has(Field::Exe) {
            self.exe.read_link(root, pid, "exe");
        }
        let is_renamed = may_be_renamed
            && self.stat().is_some_and(|stat| !name::is_of_executable(stat.comm, self.exe.bytes()));
        if (may_be_cut || is_renamed) && !fields.has(Field::Argv) {
            cmdline.read_cmdline(root, pid, NAME_SOURCE_MAX, &mut self.cmdline);
        }
    }

    /// Replaces the stat.
    ///
    /// # Errors
    /// The errno of reading `stat`.
    fn read_stat_file(&mut self, root: &OwnedFd, pid: u32) -> Result<(), Errno> {
        match &mut self.open_stats {
            Some(open) => open.read(root, pid, &mut self.stat),
            None => self.stat.try_read(root, pid, "stat", STAT_MAX).map(drop),
        }
    }

    /// Reads the stat alone. Returns `None` if the process is gone or hidden.
    pub(super) fn read_stat(&mut self, root: &OwnedFd, pid: u32) -> Option<Stat<'_>> {
        self.read(root, pid, Fields::NONE, 0, &mut Direct, ReadTime::AnyTime).ok()?;
        self.stat()
    }

    /// Reads the path of the program. Empty if it is unknown.
    pub(super) fn read_program(&mut self, root: &OwnedFd, pid: u32) -> &[u8] {
        self.exe.read_link(root, pid, "exe");
        self.exe.bytes()
    }

    /// Parses the stat that was read last.
    pub(super) fn stat(&self) -> Option<Stat<'_>> {
        parse::stat(self.stat.bytes())
    }

    /// Returns the contents that were read last.
    pub(super) fn files(&self) -> Files<'_> {
        Files {
            stat: self.stat.content(),
            comm: self.comm(),
            cmdline: self.cmdline.content(),
            is_cmdline_cut: self.cmdline.is_cut(),
            exe: self.exe.content(),
            cwd: self.cwd.content(),
            cgroup: self.cgroup.content(),
            status: self.status.content(),
            login_uid: self.login_uid.content(),
            ids: self.ids,
            time: self.time,
            is_torn: self.is_torn,
        }
    }
}

/// Returns true if the process exits or has exited.
fn is_exiting(root: &OwnedFd, pid: u32) -> bool {
    let mut stat = FileBuffer::new();
    let read = stat.try_read(root, pid, "stat", STAT_MAX);
    read.is_err() || parse::stat(stat.bytes()).is_none_or(|stat| stat.is_exiting())
}

/// Returns true if the process called exec between the two stats. Each is ([`Stat::program`], [`Stat::is_mid_exec`]).
const fn is_torn(before: (u64, bool), after: (u64, bool)) -> bool {
    // A program of 0 proves nothing: the process has exited in between, or this user may not see it.
    before.1 || after.1 || before.0 != 0 && after.0 != 0 && before.0 != after.0
}

/// The contents of the files of one process. `None` stands for a file that was not read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Files<'a> {
    pub(super) stat: Option<&'a [u8]>,
    /// The comm, if it was read without `stat`.
    pub(super) comm: Option<&'a [u8]>,
    pub(super) cmdline: Option<&'a [u8]>,
    pub(super) is_cmdline_cut: bool,
    pub(super) exe: Option<&'a [u8]>,
    pub(super) cwd: Option<&'a [u8]>,
    pub(super) cgroup: Option<&'a [u8]>,
    pub(super) status: Option<&'a [u8]>,
    pub(super) login_uid: Option<&'a [u8]>,
    pub(super) ids: Option<PidfdIds>,
    pub(super) time: ReadTime,
    pub(super) is_torn: bool,
}

impl Files<'_> {
    /// Parses `fields`. `stat` is the parsed [`Files::stat`].
    pub(super) fn info(&self, fields: Fields, stat: Option<&Stat<'_>>, max_argv_bytes: usize) -> ProcessInfo {
        let cmdline = self.cmdline.unwrap_or_default();
        // An exited process has an empty cmdline. Only for a kernel thread does empty mean "no arguments".
        let is_kernel_thread = stat.is_some_and(Stat::is_kernel_thread);
        let has_argv = !cmdline.is_empty() || is_kernel_thread;
        let exe = self.exe.unwrap_or_default();
        let name = |stat: &Stat<'_>| match self.time {
            _ if is_kernel_thread => parse::readable(stat.comm),
            ReadTime::BeforeRun => name::at_exec(stat.comm, cmdline, exe),
            // Without the executable, the comm says more than the first argument, which may be anything.
            ReadTime::AfterExec if exe.is_empty() => name::at_exec(stat.comm, cmdline, exe),
            ReadTime::AfterExec => name::after_exec(stat.comm, cmdline, exe),
            ReadTime::AnyTime => name::since_exec(stat.comm, cmdline, exe),
        };
        let name_at_exec = || self.comm.map(|comm| name::at_exec(comm, cmdline, exe));
        let argv = || {
            let argv = parse::argv(cmdline, self.is_cmdline_cut, max_argv_bytes);
            let is_title = self.time == ReadTime::AnyTime
                && stat.is_some_and(|stat| name::is_title(stat.comm, cmdline, exe));
            if is_title { argv.without_padding(1) } else { argv }
        };
        let of_status = || self.status.and_then(parse::real_ids);
        let ids = self.ids.map(|ids| (ids.uid, ids.gid)).or_else(of_status);
        let requested = |field| fields.has(field).then_some(());
        let requested_untorn = |field| requested(field).filter(|()| !self.is_torn);
        let of_stat = |field| requested(field).and(stat);
        ProcessInfo {
            requested: fields,
            name: requested_untorn(Field::Name).and_then(|()| stat.map(name).or_else(name_at_exec)),
            ppid: of_stat(Field::Ppid).map(|stat| stat.ppid),
            exe: requested_untorn(Field::Exe).and(self.exe).map(parse::readable),
            argv: requested_untorn(Field::Argv).filter(|()| has_argv).map(|()| argv()),
            cwd: self.cwd.map(parse::readable),
            uid: requested(Field::Uid).and(ids).map(|ids| ids.0),
            gid: requested(Field::Gid).and(ids).map(|ids| ids.1),
            cgroup: self.cgroup.and_then(parse::cgroup_path).map(parse::readable),
            start_time: of_stat(Field::StartTime).map(|stat| stat.start_time),
            comm: requested_untorn(Field::Comm).and(stat).map(|stat| parse::readable(stat.comm)),
            login_uid: self.login_uid.and_then(parse::login_uid),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_two_programs_are_torn() {
        let [first, second, unseen, replaced] = [(1, false), (2, false), (0, false), (0, true)];
        assert!(is_torn(first, second) && is_torn(first, replaced) && is_torn(replaced, second));
        assert!(!is_torn(first, first) && !is_torn(unseen, unseen));
        assert!(!is_torn(first, unseen), "the process was read first, and exited then");
    }

    /// The comm of the process is `new` and its first argument is `old`. Its program may be unknown.
    #[test]
    fn name_of_a_renamed_process_depends_on_what_was_read() {
        use ReadTime::{AfterExec, AnyTime, BeforeRun};
        let stat = b"42 (new) S 1 1 1 0 0 0 0 0 0 0 3 4 0 0 20 0 7 0 9 18 19 20 5 7 6\n";
        for (time, exe, expected) in [
            (BeforeRun, Some(&b"/bin/prog"[..]), "new"),
            (AfterExec, Some(b"/bin/prog"), "prog"),
            (AnyTime, Some(b"/bin/prog"), "prog"),
            // Another user's process, or one that exits.
            (AfterExec, None, "new"),
            (AnyTime, None, "old"),
        ] {
            let files = Files {
                stat: Some(stat),
                comm: None,
                cmdline: Some(b"old\0"),
                is_cmdline_cut: false,
                exe,
                cwd: None,
                cgroup: None,
                status: None,
                login_uid: None,
                ids: None,
                time,
                is_torn: false,
            };
            let stat = parse::stat(stat).unwrap();
            let info = files.info(Fields::NONE.with(Field::Name), Some(&stat), 100);
            assert_eq!(info.name.as_deref(), Some(expected), "{time:?} {exe:?}");
        }
    }

    #[test]
    fn torn_files_give_no_name_comm_exe_or_argv() {
        let stat = b"42 (sh) S 1 1 1 0 0 0 0 0 0 0 3 4 0 0 20 0 7 0 9 18 19 20 5 7 6\n";
        let files = Files {
            stat: Some(stat),
            comm: None,
            cmdline: Some(b"sh\0"),
            is_cmdline_cut: false,
            exe: Some(b"/bin/sh"),
            cwd: Some(b"/"),
            cgroup: Some(b"0::/a\n"),
            status: Some(b"Uid:\t5\nGid:\t6\n"),
            login_uid: Some(b"7"),
            ids: None,
            time: ReadTime::AfterExec,
            is_torn: true,
        };
        let stat = parse::stat(stat).unwrap();
        let whole = Files { is_torn: false, ..files }.info(Fields::ALL, Some(&stat), 100);
        let torn = files.info(Fields::ALL, Some(&stat), 100);
        assert!(whole.name.is_some() && whole.exe.is_some() && whole.argv.is_some());
        assert_eq!(torn, ProcessInfo { name: None, comm: None, exe: None, argv: None, ..whole });
    }
}
