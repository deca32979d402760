//! Stat files that stay open for the next read, which then takes less than half the time.

use std::os::fd::OwnedFd;

use rustix::io::Errno;

use super::file_buffer::FileBuffer;

/// The largest number of open files. The kernel keeps a page for each.
const OPEN_STATS_MAX: usize = 32;
/// Upper bound on the size of a stat file, in bytes.
pub(super) const STAT_MAX: usize = 4096;

/// Open stat files, each with its pid: for each value of pid modulo 32, that of the process that was read last. The file of an ended
/// process stays open until another one takes its place. A process that becomes hidden while its file is open stays readable.
#[derive(Debug, Default)]
pub(super) struct OpenStats {
    files: [Option<(u32, OwnedFd)>; OPEN_STATS_MAX],
}

impl OpenStats {
    /// Reads the stat of a process, and leaves its file open.
    ///
    /// # Errors
    /// The errno of `openat` or `pread`.
    pub(super) fn read(&mut self, root: &OwnedFd, pid: u32, buffer: &mut FileBuffer) -> Result<(), Errno> {
        let place = &mut self.files[pid as usize % OPEN_STATS_MAX];
        if let Some((_, file)) = place.as_ref().filter(|(known, _)| *known == pid) {
            match buffer.read_open(file, STAT_MAX) {
                // It belongs to a process that is reaped. The pid may belong to another one.
                Err(Errno::SRCH) => {}
                result => return result,
            }
        }
        *place = None;
        *place = Some((pid, buffer.try_read(root, pid, "stat", STAT_MAX)?));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use rustix::fs::{Mode, OFlags};

    use super::*;

    fn root() -> OwnedFd {
        rustix::fs::open("/proc", OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).unwrap()
    }

    fn begins_with(buffer: &FileBuffer, pid: u32) -> bool {
        buffer.bytes().starts_with(format!("{pid} (").as_bytes())
    }

    #[test]
    fn stat_is_read_again_from_the_open_file_until_the_process_is_reaped() {
        let (root, mut stats, mut buffer) = (root(), OpenStats::default(), FileBuffer::new());
        let mut child = Command::new("/bin/sleep").arg("60").spawn().unwrap();
        let pid = child.id();
        // Only the open file can be read from another directory.
        let elsewhere = rustix::fs::open("/", OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).unwrap();
        for root in [&root, &elsewhere] {
            assert_eq!(stats.read(root, pid, &mut buffer), Ok(()));
            assert!(begins_with(&buffer, pid));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let result = stats.read(&root, pid, &mut buffer);
        assert!(matches!(result, Err(Errno::NOENT | Errno::SRCH)), "{result:?}");
        assert!(buffer.content().is_none() && stats.files.iter().flatten().next().is_none());
    }

    #[test]
    fn open_file_of_a_reaped_process_is_not_taken_for_that_of_the_next_with_its_pid() {
        let (root, mut stats, mut buffer) = (root(), OpenStats::default(), FileBuffer::new());
        let mut child = Command::new("/bin/sleep").arg("60").spawn().unwrap();
        let file = buffer.try_read(&root, child.id(), "stat", STAT_MAX).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        let pid = std::process::id();
        stats.files[pid as usize % OPEN_STATS_MAX] = Some((pid, file));
        assert_eq!(stats.read(&root, pid, &mut buffer), Ok(()));
        assert!(begins_with(&buffer, pid));
    }

    #[test]
    fn each_of_more_processes_than_open_files_is_read() {
        let (root, mut stats, mut buffer) = (root(), OpenStats::default(), FileBuffer::new());
        let mut children: Vec<_> =
            (0..OPEN_STATS_MAX + 8).map(|_| Command::new("/bin/sleep").arg("60").spawn().unwrap()).collect();
        for child in children.iter().chain(&children) {
            assert_eq!(stats.read(&root, child.id(), &mut buffer), Ok(()));
            assert!(begins_with(&buffer, child.id()));
        }
        for child in &mut children {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
}
