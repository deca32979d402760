//! What `/proc` says of one process: first all of it is read, then it is understood. In between nothing is allocated: what
//! ends at once would be gone by then.

use std::io::Write;
use std::os::fd::OwnedFd;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use super::parse::{self, Stat};
use crate::event::ProcessInfo;
use crate::interest::{Field, Fields};

/// The longest argument vector that is kept whole, in bytes. What is longer is cut, and marked so.
pub const ARGV_MAX: usize = 1 << 20;

/// More than each of these ever is.
const STAT_MAX: usize = 4096;
const STATUS_MAX: usize = 8192;
const CGROUP_MAX: usize = 64 * 1024;
const PATH_MAX: usize = 4096;

/// The files of one process, as bytes.
#[derive(Debug)]
pub(super) struct Record {
    stat: Text,
    cmdline: Text,
    exe: Text,
    cwd: Text,
    cgroup: Text,
    status: Text,
}

impl Record {
    pub(super) fn new() -> Self {
        let text = || Text { bytes: Vec::with_capacity(4096), read: Read::Nothing };
        Self { stat: text(), cmdline: text(), exe: text(), cwd: text(), cgroup: text(), status: text() }
    }

    /// Reads what `fields` are made of, in the order in which an ending process gives it up: the links and the arguments go
    /// with its memory, the rest stays until it was collected. The arguments ahead of all: they tell most, to any user.
    ///
    /// # Errors
    /// Where its stat cannot be read.
    pub(super) fn read(&mut self, root: &OwnedFd, pid: u32, fields: Fields) -> Result<(), Errno> {
        for text in [&mut self.cmdline, &mut self.exe, &mut self.cwd, &mut self.cgroup, &mut self.status] {
            text.read = Read::Nothing;
        }
        if fields.has(Field::Argv) {
            self.cmdline.read(root, pid, "cmdline", ARGV_MAX);
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
            self.cmdline.read(root, pid, "cmdline", ARGV_MAX);
        }
        if name_is_cut && !fields.has(Field::Exe) {
            self.exe.read_link(root, pid, "exe");
        }
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
        parse::stat(&self.stat.bytes)
    }

    /// `fields` of the process, as far as they were read; `stat` is its own.
    pub(super) fn info(&self, fields: Fields, stat: &Stat<'_>) -> ProcessInfo {
        let cmdline = self.cmdline.content().unwrap_or_default();
        let exe = self.exe.content();
        // Nothing at all is what an ended process has left of its arguments.
        let has_argv = !cmdline.is_empty() || stat.is_kernel_thread();
        let name = || {
            if stat.may_be_cut() {
                parse::full_name(stat.comm, cmdline, exe.unwrap_or_default())
            } else {
                parse::readable(stat.comm)
            }
        };
        let ids = self.status.content().and_then(parse::real_ids);
        let asks = |field| fields.has(field).then_some(());
        ProcessInfo {
            asked: fields,
            name: asks(Field::Name).map(|()| name()),
            ppid: asks(Field::Ppid).map(|()| stat.ppid),
            exe: asks(Field::Exe).and(exe).map(parse::readable),
            argv: asks(Field::Argv)
                .filter(|()| has_argv)
                .map(|()| parse::argv(cmdline, self.cmdline.read == Read::Beginning)),
            cwd: self.cwd.content().map(parse::readable),
            uid: asks(Field::Uid).and(ids).map(|ids| ids.0),
            gid: asks(Field::Gid).and(ids).map(|ids| ids.1),
            cgroup: self.cgroup.content().and_then(parse::cgroup_path).map(parse::readable),
            start_time: asks(Field::StartTime).map(|()| stat.start_time),
        }
    }
}

/// How much of a file was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Read {
    Nothing,
    Beginning,
    All,
}

/// One file.
#[derive(Debug)]
struct Text {
    /// Kept for its capacity.
    bytes: Vec<u8>,
    read: Read,
}

impl Text {
    fn content(&self) -> Option<&[u8]> {
        (self.read != Read::Nothing).then_some(&self.bytes)
    }

    fn read(&mut self, root: &OwnedFd, pid: u32, file: &str, limit: usize) {
        // What could not be read is not there.
        let _ = self.try_read(root, pid, file, limit);
    }

    /// Reads a file, up to `limit` bytes.
    fn try_read(&mut self, root: &OwnedFd, pid: u32, file: &str, limit: usize) -> Result<(), Errno> {
        let Self { bytes, read } = self;
        bytes.clear();
        // After a very long argument vector it is given back.
        bytes.shrink_to(64 * 1024);
        *read = Read::Nothing;
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let file = rustix::fs::openat(root, Name::new(pid, file).as_bytes(), flags, Mode::empty())?;
        *read = loop {
            if bytes.len() > limit {
                bytes.truncate(limit);
                break Read::Beginning;
            }
            bytes.reserve(4096);
            let space = bytes.capacity() - bytes.len();
            match rustix::io::read(&file, rustix::buffer::spare_capacity(bytes)) {
                // The files read here are written by the kernel in one go: a short read is the end.
                Ok(len) if len < space && bytes.len() <= limit => break Read::All,
                Ok(_) | Err(Errno::INTR) => {}
                Err(errno) => return Err(errno),
            }
        };
        Ok(())
    }

    fn read_link(&mut self, root: &OwnedFd, pid: u32, file: &str) {
        let Self { bytes, read } = self;
        bytes.clear();
        bytes.reserve(PATH_MAX);
        let space = rustix::buffer::spare_capacity(bytes);
        let is_read = rustix::fs::readlinkat_raw(root, Name::new(pid, file).as_bytes(), space).is_ok();
        *read = if is_read { Read::All } else { Read::Nothing };
    }
}

/// `PID/file`, without an allocation.
pub(super) struct Name {
    bytes: [u8; 24],
    len: usize,
}

impl Name {
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
