//! Reads one file of `/proc/PID` into a reusable buffer.

use std::io::Write;
use std::os::fd::OwnedFd;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

/// Length of the longest path that a link is read of, in bytes.
const PATH_MAX: usize = 4096;
/// Bytes of memory that a buffer keeps from one process to the next.
const RETAINED_MAX: usize = (64 << 10) + 4096;

/// The part of a file that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    Nothing,
    /// The file is longer than the limit.
    Beginning,
    All,
}

/// The content of one file.
#[derive(Debug)]
pub(super) struct FileBuffer {
    /// Memory. Only the first `len` bytes are content.
    bytes: Vec<u8>,
    len: usize,
    extent: Extent,
}

impl FileBuffer {
    pub(super) fn new() -> Self {
        Self { bytes: vec![0; 4096], len: 0, extent: Extent::Nothing }
    }

    /// Forgets the content, and keeps the memory.
    pub(super) const fn clear(&mut self) {
        self.len = 0;
        self.extent = Extent::Nothing;
    }

    /// Replaces the content by that of a whole file.
    pub(super) fn set(&mut self, content: &[u8]) {
        if self.bytes.len() < content.len() {
            self.bytes.resize(content.len(), 0);
        }
        self.bytes[..content.len()].copy_from_slice(content);
        (self.len, self.extent) = (content.len(), Extent::All);
    }

    /// Returns the content; empty if nothing was read.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    /// Returns true if the file is longer than what was read.
    pub(super) fn is_cut(&self) -> bool {
        self.extent == Extent::Beginning
    }

    /// Returns the content; `None` if nothing was read.
    pub(super) fn content(&self) -> Option<&[u8]> {
        (self.extent != Extent::Nothing).then(|| self.bytes())
    }

    /// Reads up to `limit` bytes of a file. On failure the buffer has no content.
    pub(super) fn read(&mut self, root: &OwnedFd, pid: u32, file: &str, limit: usize) {
        let _ = self.try_read(root, pid, file, limit);
    }

    /// Reads up to `limit` bytes of a file, and returns the open file. On failure the buffer has no content.
    ///
    /// # Errors
    /// The errno of `openat` or `pread`.
    pub(super) fn try_read(
        &mut self,
        root: &OwnedFd,
        pid: u32,
        file: &str,
        limit: usize,
    ) -> Result<OwnedFd, Errno> {
        self.clear();
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let file = rustix::fs::openat(root, ProcPath::new(pid, file).as_bytes(), flags, Mode::empty())?;
        self.read_open(&file, limit)?;
        Ok(file)
    }

    /// Reads up to `limit` bytes of an open file, from its beginning.
    ///
    /// # Errors
    /// The errno of `pread`.
    pub(super) fn read_open(&mut self, file: &OwnedFd, limit: usize) -> Result<(), Errno> {
        self.clear();
        // Release the memory of a previous, very long file.
        if self.bytes.len() > RETAINED_MAX {
            self.bytes.truncate(RETAINED_MAX);
            self.bytes.shrink_to_fit();
        }
        self.extent = loop {
            if self.len > limit {
                self.len = limit;
                break Extent::Beginning;
            }
            if self.len == self.bytes.len() {
                self.bytes.resize(2 * self.len, 0);
            }
            // Read one byte beyond the limit, to find out if the file is longer.
            let end = self.bytes.len().min(limit + 1);
            match rustix::io::pread(file, &mut self.bytes[self.len..end], self.len as u64) {
                Ok(read) => {
                    let is_short = read < end - self.len;
                    self.len += read;
                    // The kernel fills these files in one go, so that a short read is the end.
                    if is_short {
                        break Extent::All;
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

    /// Reads the target of a link. On failure the buffer has no content.
    pub(super) fn read_link(&mut self, root: &OwnedFd, pid: u32, file: &str) {
        self.clear();
        let path = ProcPath::new(pid, file);
        let target = &mut self.bytes[..PATH_MAX];
        if let Ok(len) = rustix::fs::readlinkat_raw(root, path.as_bytes(), target) {
            (self.len, self.extent) = (len, Extent::All);
        }
    }
}

/// The path `PID/file`, without an allocation.
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
    fn a_file_is_read_up_to_the_limit() {
        let root = rustix::fs::open("/proc", OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).unwrap();
        let pid = std::process::id();
        let mut buffer = FileBuffer::new();
        buffer.read(&root, pid, "status", 10);
        assert_eq!((buffer.content().map(<[u8]>::len), buffer.extent), (Some(10), Extent::Beginning));
        buffer.read(&root, pid, "status", 8192);
        assert!(buffer.content().is_some_and(|text| text.len() > 10) && buffer.extent == Extent::All);
        buffer.read(&root, pid, "none", 10);
        assert_eq!(buffer.content(), None);
    }
}
