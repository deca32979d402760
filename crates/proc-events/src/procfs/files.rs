//! What `/proc` says of one process: first all of it is read, then it is understood. In between nothing is allocated: what
//! ends at once would be gone by then.

use std::io::Write;
use std::os::fd::OwnedFd;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use super::parse::{self, Stat};
use crate::model::event::ProcessInfo;
use crate::model::interest::{Field, Fields};

/// The bytes of arguments that are kept of one process, unless the options say otherwise.
pub const DEFAULT_MAX_ARGV_BYTES: usize = 64 << 10;
/// The bytes of `cmdline` that are read to complete a name that the kernel has cut.
const NAME_SOURCE_MAX: usize = 4096;

/// More than each of these ever is.
const STAT_MAX: usize = 4096;
const STATUS_MAX: usize = 8192;
const CGROUP_MAX: usize = 64 * 1024;
const PATH_MAX: usize = 4096;

/// Reads the beginning of a process's `cmdline`, of at most so many bytes. That read may never return, because it waits
/// for the memory lock of that process. The other files take no such lock.
pub(super) trait ReadCmdline {
    fn read_cmdline(&mut self, root: &OwnedFd, pid: u32, limit: usize, text: &mut FileBuffer);
}

/// Reads it at once, on the calling thread.
pub(super) struct Direct;

impl ReadCmdline for Direct {
    fn read_cmdline(&mut self, root: &OwnedFd, pid: u32, limit: usize, text: &mut FileBuffer) {
        text.read(root, pid, "cmdline", limit);
    }
}

/// The files of one process, as bytes.
#[derive(Debug)]
pub(super) struct ProcFiles {
    stat: FileBuffer,
    cmdline: FileBuffer,
    exe: FileBuffer,
    cwd: FileBuffer,
    cgroup: FileBuffer,
    status: FileBuffer,
    /// The files that tell of the program were read from two programs, or while one replaced the other.
    is_torn: bool,
}

impl ProcFiles {
    pub(super) fn new() -> Self {
        let [stat, cmdline, exe, cwd, cgroup, status] = std::array::from_fn(|_| FileBuffer::new());
        Self { stat, cmdline, exe, cwd, cgroup, status, is_torn: false }
    }

    /// Reads `fields` from their files, in the order in which an ending process loses them: the links and the arguments go
    /// with its memory, the rest stays until the process is reaped. The arguments come first, because they tell most, to
    /// any user.
    ///
    /// `checks`: the process may call exec meanwhile, and what comes of two programs is not to be taken for one.
    ///
    /// # Errors
    /// Where its stat cannot be read.
    pub(super) fn read(
        &mut self,
        root: &OwnedFd,
        pid: u32,
        fields: Fields,
        max_argv_bytes: usize,
        cmdline: &mut impl ReadCmdline,
        checks: bool,
    ) -> Result<(), Errno> {
        for text in [&mut self.cmdline, &mut self.exe, &mut self.cwd, &mut self.cgroup, &mut self.status] {
            text.clear();
        }
        let tells_of_program =
            [Field::Argv, Field::Exe, Field::Name].into_iter().any(|field| fields.has(field));
        let mut before = None;
        if checks && tells_of_program {
            self.stat.try_read(root, pid, "stat", STAT_MAX)?;
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
        self.stat.try_read(root, pid, "stat", STAT_MAX)?;
        let name_is_cut = fields.has(Field::Name) && self.stat().is_some_and(|stat| stat.may_be_cut());
        if name_is_cut && !fields.has(Field::Argv) {
            cmdline.read_cmdline(root, pid, NAME_SOURCE_MAX, &mut self.cmdline);
        }
        if name_is_cut && !fields.has(Field::Exe) {
            self.exe.read_link(root, pid, "exe");
        }
        let after = self.stat().map(|stat| (stat.program, stat.is_mid_exec));
        self.is_torn = matches!((before, after), (Some(before), Some(after)) if is_torn(before, after));
        if fields.has(Field::Cgroup) {
            self.cgroup.read(root, pid, "cgroup", CGROUP_MAX);
        }
        if fields.has(Field::Uid) || fields.has(Field::Gid) {
            self.status.read(root, pid, "status", STATUS_MAX);
        }
        Ok(())
    }

    /// The stat that was read last.
    pub(super) fn stat(&self) -> Option<Stat<'_>> {
        parse::stat(self.stat.bytes())
    }

    /// Returns the files as they were read.
    pub(super) fn files(&self) -> Files<'_> {
        Files {
            stat: self.stat.bytes(),
            cmdline: self.cmdline.content(),
            is_cmdline_cut: self.cmdline.read == Read::Beginning,
            exe: self.exe.content(),
            cwd: self.cwd.content(),
            cgroup: self.cgroup.content(),
            status: self.status.content(),
            is_torn: self.is_torn,
        }
    }
}

/// The program's identity, and whether the kernel was about to replace it, before and after the reading.
const fn is_torn(before: (u64, bool), after: (u64, bool)) -> bool {
    // 0: the process has ended meanwhile, or this reader may not see it.
    before.1 || after.1 || before.0 != 0 && after.0 != 0 && before.0 != after.0
}

/// The contents of the files of one process.
#[derive(Clone, Copy, Debug)]
pub(super) struct Files<'a> {
    pub(super) stat: &'a [u8],
    pub(super) cmdline: Option<&'a [u8]>,
    pub(super) is_cmdline_cut: bool,
    pub(super) exe: Option<&'a [u8]>,
    pub(super) cwd: Option<&'a [u8]>,
    pub(super) cgroup: Option<&'a [u8]>,
    pub(super) status: Option<&'a [u8]>,
    pub(super) is_torn: bool,
}

impl Files<'_> {
    /// `fields` of the process, as far as they were read; `stat` is its own.
    pub(super) fn info(&self, fields: Fields, stat: &Stat<'_>, max_argv_bytes: usize) -> ProcessInfo {
        let cmdline = self.cmdline.unwrap_or_default();
        // An ended process has an empty cmdline. Only for a kernel thread does empty mean "no arguments".
        let has_argv = !cmdline.is_empty() || stat.is_kernel_thread();
        let name = || {
            if stat.may_be_cut() {
                parse::full_name(stat.comm, cmdline, self.exe.unwrap_or_default())
            } else {
                parse::readable(stat.comm)
            }
        };
        let ids = self.status.and_then(parse::real_ids);
        let asks = |field| fields.has(field).then_some(());
        let asks_program = |field| asks(field).filter(|()| !self.is_torn);
        ProcessInfo {
            requested: fields,
            name: asks_program(Field::Name).map(|()| name()),
            ppid: asks(Field::Ppid).map(|()| stat.ppid),
            exe: asks_program(Field::Exe).and(self.exe).map(parse::readable),
            argv: asks_program(Field::Argv)
                .filter(|()| has_argv)
                .map(|()| parse::argv(cmdline, self.is_cmdline_cut, max_argv_bytes)),
            cwd: self.cwd.map(parse::readable),
            uid: asks(Field::Uid).and(ids).map(|ids| ids.0),
            gid: asks(Field::Gid).and(ids).map(|ids| ids.1),
            cgroup: self.cgroup.and_then(parse::cgroup_path).map(parse::readable),
            start_time: asks(Field::StartTime).map(|()| stat.start_time),
        }
    }
}

/// How much of a file was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Read {
    Nothing,
    Beginning,
    All,
}

/// One file.
#[derive(Debug)]
pub(super) struct FileBuffer {
    /// Kept for its length: only the first `len` bytes are of the file.
    bytes: Vec<u8>,
    len: usize,
    read: Read,
}

impl FileBuffer {
    pub(super) fn new() -> Self {
        Self { bytes: vec![0; 4096], len: 0, read: Read::Nothing }
    }

    pub(super) const fn clear(&mut self) {
        self.len = 0;
        self.read = Read::Nothing;
    }

    fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    fn content(&self) -> Option<&[u8]> {
        (self.read != Read::Nothing).then(|| self.bytes())
    }

    pub(super) fn read(&mut self, root: &OwnedFd, pid: u32, file: &str, limit: usize) {
        // What could not be read is not there.
        let _ = self.try_read(root, pid, file, limit);
    }

    /// Reads a file, up to `limit` bytes.
    fn try_read(&mut self, root: &OwnedFd, pid: u32, file: &str, limit: usize) -> Result<(), Errno> {
        self.clear();
        // After a very long argument vector it is given back.
        if self.bytes.len() > KEPT_MAX {
            self.bytes.truncate(KEPT_MAX);
            self.bytes.shrink_to_fit();
        }
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let file = rustix::fs::openat(root, ProcPath::new(pid, file).as_bytes(), flags, Mode::empty())?;
        self.read = loop {
            if self.len > limit {
                self.len = limit;
                break Read::Beginning;
            }
            if self.len == self.bytes.len() {
                self.bytes.resize(2 * self.len, 0);
            }
            // One byte more than the limit tells whether there is more.
            let end = self.bytes.len().min(limit + 1);
            match rustix::io::read(&file, &mut self.bytes[self.len..end]) {
                Ok(read) => {
                    let is_short = read < end - self.len;
                    self.len += read;
                    // The files read here are written by the kernel in one go: a short read is the end.
                    if is_short {
                        break Read::All;
                    }
                }
                Err(Errno::INTR) => {}
                Err(errno) => {
                    self.len = 0;
                    return Err(errno);
                }
            }
        };
        Ok(())
    }

    fn read_link(&mut self, root: &OwnedFd, pid: u32, file: &str) {
        self.clear();
        let path = ProcPath::new(pid, file);
        let space = &mut self.bytes[..PATH_MAX];
        if let Ok(len) = rustix::fs::readlinkat_raw(root, path.as_bytes(), space) {
            self.len = len;
            self.read = Read::All;
        }
    }
}

/// The bytes of memory that a file keeps from one process to the next.
const KEPT_MAX: usize = (64 << 10) + 4096;

/// `PID/file`, without an allocation.
pub(super) struct ProcPath {
    bytes: [u8; 24],
    len: usize,
}

impl ProcPath {
    pub(super) fn new(pid: u32, file: &str) -> Self {
        let mut bytes = [0; 24];
        let mut rest = &mut bytes[..];
        write!(rest, "{pid}/{file}").expect("ten digits and the longest file name used here fit");
        let len = 24 - rest.len();
        Self { bytes, len }
    }
    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_read_of_two_programs_is_torn() {
        let [first, second, unseen, replaced] = [(1, false), (2, false), (0, false), (0, true)];
        assert!(is_torn(first, second) && is_torn(first, replaced) && is_torn(replaced, second));
        assert!(!is_torn(first, first) && !is_torn(unseen, unseen));
        assert!(!is_torn(first, unseen), "it has ended meanwhile, and was read before");
    }

    #[test]
    fn torn_details_are_those_of_the_program() {
        let stat = b"42 (sh) S 1 1 1 0 0 0 0 0 0 0 3 4 0 0 20 0 7 0 9 18 19 20 5 7 6\n";
        let files = Files {
            stat,
            cmdline: Some(b"sh\0"),
            is_cmdline_cut: false,
            exe: Some(b"/bin/sh"),
            cwd: Some(b"/"),
            cgroup: Some(b"0::/a\n"),
            status: Some(b"Uid:\t5\nGid:\t6\n"),
            is_torn: true,
        };
        let stat = parse::stat(stat).expect("it is whole");
        let whole = Files { is_torn: false, ..files }.info(Fields::ALL, &stat, 100);
        let torn = files.info(Fields::ALL, &stat, 100);
        assert!(whole.name.is_some() && whole.exe.is_some() && whole.argv.is_some());
        assert_eq!(torn, ProcessInfo { name: None, exe: None, argv: None, ..whole });
    }

    #[test]
    fn a_file_is_read_as_far_as_the_limit() {
        let root = rustix::fs::open("/proc", OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
            .expect("it is there");
        let pid = std::process::id();
        let mut text = FileBuffer::new();
        text.read(&root, pid, "status", 10);
        assert_eq!((text.content().map(<[u8]>::len), text.read), (Some(10), Read::Beginning));
        text.read(&root, pid, "status", STATUS_MAX);
        assert!(text.content().is_some_and(|text| text.len() > 10) && text.read == Read::All);
        text.read(&root, pid, "none", 10);
        assert_eq!(text.content(), None);
    }
}
