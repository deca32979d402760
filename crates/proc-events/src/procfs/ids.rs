//! The ids of a process from its pidfd, and its cgroup from a cache. One `ioctl` replaces the files `status` and `cgroup`,
//! which the kernel formats line by line.

use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use rustc_hash::FxHashMap;

use super::file_buffer::FileBuffer;
use crate::model::interest::{Field, Fields};
use crate::sys::pidfd::{self, PidfdIds};

/// Maximum number of cgroups in the cache.
const CGROUPS_MAX: usize = 1024;
/// Maximum length of a cached file, in bytes.
const CACHED_MAX: usize = 1024;

/// Reads the ids of processes. Shared by all readers of one proc file system.
#[derive(Debug, Default)]
pub(super) struct IdReader {
    /// False before Linux 6.13, and for the `/proc` of another pid namespace.
    is_supported: bool,
    /// The content of `/proc/PID/cgroup`, by the id of the cgroup. Ids are never reused.
    cgroups: RwLock<FxHashMap<u64, Arc<[u8]>>>,
    /// True once a process was seen whose id of the cgroup does not determine the content.
    has_other_hierarchies: AtomicBool,
}

impl IdReader {
    /// Creates a reader for the pid namespace of this process, if `is_own_namespace`.
    pub(super) fn new(is_own_namespace: bool) -> Self {
        let is_supported = is_own_namespace && pidfd::ids(std::process::id()).is_some();
        Self { is_supported, ..Self::default() }
    }

    /// Returns true if the ids of a process help to read these fields.
    pub(super) fn serves(&self, fields: Fields) -> bool {
        fields.has(Field::Uid)
            || fields.has(Field::Gid)
            || fields.has(Field::Cgroup) && !self.has_other_hierarchies.load(Ordering::Relaxed)
    }

    /// Reads the ids of a process. Returns `None` if the kernel does not support it, or if the process has been reaped.
    pub(super) fn read(&self, pid: u32) -> Option<PidfdIds> {
        if self.is_supported { pidfd::ids(pid) } else { None }
    }

    /// Reads `/proc/PID/cgroup`, or takes it from the cache if `ids` say which cgroup it is.
    pub(super) fn read_cgroup(
        &self,
        root: &OwnedFd,
        pid: u32,
        ids: Option<PidfdIds>,
        limit: usize,
        buffer: &mut FileBuffer,
    ) {
        let cached = ids.and_then(|ids| self.lock_shared().get(&ids.cgroup_id).map(Arc::clone));
        if let Some(cached) = cached {
            return buffer.set(&cached);
        }
        buffer.read(root, pid, "cgroup", limit);
        if !has_one_hierarchy(buffer.bytes()) {
            // A failed read is empty, and says nothing.
            if !buffer.bytes().is_empty() {
                self.has_other_hierarchies.store(true, Ordering::Relaxed);
            }
            return;
        }
        let Some(ids) = ids.filter(|_| is_cacheable(buffer.bytes())) else { return };
        // The process may have moved to another cgroup between the two readings.
        if self.read(pid).is_some_and(|after| after.cgroup_id == ids.cgroup_id) {
            let mut cgroups = self.cgroups.write().unwrap_or_else(PoisonError::into_inner);
            if cgroups.len() >= CGROUPS_MAX {
                cgroups.clear();
            }
            cgroups.insert(ids.cgroup_id, buffer.bytes().into());
        }
    }

    fn lock_shared(&self) -> std::sync::RwLockReadGuard<'_, FxHashMap<u64, Arc<[u8]>>> {
        self.cgroups.read().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns true if the content shows one hierarchy only, that of version 2, whose cgroups have the ids.
fn has_one_hierarchy(content: &[u8]) -> bool {
    content.starts_with(b"0::") && content.iter().position(|&byte| byte == b'\n') == Some(content.len() - 1)
}

/// Returns true if the id of the cgroup determines the content: there is one hierarchy, and the cgroup was not deleted.
fn is_cacheable(content: &[u8]) -> bool {
    has_one_hierarchy(content) && !content.ends_with(b" (deleted)\n") && content.len() <= CACHED_MAX
}

#[cfg(test)]
mod tests {
    use rustix::fs::{Mode, OFlags};

    use super::*;

    #[test]
    fn only_cgroups_of_version_2_are_cached() {
        assert!(is_cacheable(b"0::/a\n"));
        for content in
            [&b""[..], b"0::/a (deleted)\n", b"1:cpu:/a\n0::/a\n", b"0::/a\n1:cpu:/a\n", b"1:cpu:/a\n"]
        {
            assert!(!is_cacheable(content));
        }
        assert!(!is_cacheable(&[b"0::/", &[b'a'; CACHED_MAX][..], b"\n"].concat()));
    }

    #[test]
    fn ids_and_cgroup_are_those_of_the_files() {
        let root = rustix::fs::open("/proc", OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).unwrap();
        let (pid, reader, mut buffer) = (std::process::id(), IdReader::new(true), FileBuffer::new());
        let ids = reader.read(pid);
        let file = std::fs::read("/proc/self/cgroup").unwrap();
        for _ in 0..2 {
            reader.read_cgroup(&root, pid, ids, 4096, &mut buffer);
            assert_eq!(buffer.content(), Some(&*file));
        }
        let cgroup = Fields::NONE.with(Field::Cgroup);
        assert_eq!(reader.serves(cgroup), has_one_hierarchy(&file));
        assert!(reader.serves(cgroup.with(Field::Uid)) && !reader.serves(Fields::NONE.with(Field::Name)));
        let Some(ids) = ids else { return };
        let uid = rustix::process::getuid().as_raw();
        let ppid = rustix::process::getppid().map_or(0, |pid| pid.as_raw_nonzero().get() as u32);
        assert_eq!((ids.ppid, ids.uid, ids.gid), (ppid, uid, rustix::process::getgid().as_raw()));
        assert_eq!(reader.lock_shared().len(), usize::from(is_cacheable(&file)));
        assert!(IdReader::new(false).read(pid).is_none());
    }
}
