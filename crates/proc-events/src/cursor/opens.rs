//! Wakes the cursor when a program is opened, by inotify: an exec opens the program, then its interpreter, and the new
//! program opens the list of libraries.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::inotify::{self, CreateFlags, WatchFlags};

/// The largest number of watches. All programs of a user share 8,192 or more.
const WATCHES_MAX: usize = 64;
/// Number of wake-ups in a row without a new process after which a directory is no longer watched.
const USELESS_MAX: u32 = 512;

/// Files that each exec of a dynamically linked program opens.
const FILES: [&str; 6] = [
    "/etc/ld.so.cache",
    "/lib64/ld-linux-x86-64.so.2",
    "/lib/ld-linux-aarch64.so.1",
    "/lib/ld-musl-x86_64.so.1",
    "/lib/ld-musl-aarch64.so.1",
    "/lib/ld-linux-armhf.so.3",
];
/// Directories that have most programs.
const DIRECTORIES: [&str; 4] = ["/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin"];

/// Watches the opening of programs.
#[derive(Debug)]
pub(super) struct OpenWatcher {
    inotify: OwnedFd,
    /// The watches, each with the number of its useless wake-ups in a row.
    watches: Vec<(i32, u32)>,
    /// The directories that are watched, or were and proved useless.
    directories: Vec<PathBuf>,
    /// The watches of the last wake-up.
    woken: Vec<i32>,
}

impl OpenWatcher {
    /// Watches the interpreters, and the directories that have most programs.
    pub(super) fn new() -> io::Result<Self> {
        let inotify = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?;
        let (watches, directories, woken) = (Vec::new(), Vec::new(), Vec::new());
        let mut watcher = Self { inotify, watches, directories, woken };
        for file in FILES {
            watcher.watch(Path::new(file), WatchFlags::OPEN);
        }
        for directory in DIRECTORIES {
            watcher.watch_directory(Path::new(directory));
        }
        Ok(watcher)
    }

    pub(super) const fn fd(&self) -> &OwnedFd {
        &self.inotify
    }

    /// Returns true if nothing is watched.
    pub(super) fn is_blind(&self) -> bool {
        self.watches.is_empty()
    }

    /// Returns true if another directory can be watched.
    pub(super) const fn has_room(&self) -> bool {
        self.directories.len() < WATCHES_MAX - FILES.len()
    }

    fn watch(&mut self, path: &Path, flags: WatchFlags) {
        if let Ok(watch) = inotify::add_watch(&self.inotify, path, flags) {
            // Two paths of one file have one watch.
            if !self.watches.iter().any(|&(known, _)| known == watch) {
                self.watches.push((watch, 0));
            }
        }
    }

    /// Watches the directory of a program, unless it is watched, or there is no room.
    pub(super) fn watch_directory_of(&mut self, program: &Path) {
        if let Some(directory) = program.parent().filter(|directory| directory.is_absolute()) {
            self.watch_directory(directory);
        }
    }

    fn watch_directory(&mut self, directory: &Path) {
        if self.has_room() && !self.directories.iter().any(|known| known == directory) {
            self.directories.push(directory.to_owned());
            self.watch(directory, WatchFlags::OPEN | WatchFlags::ONLYDIR);
        }
    }

    /// Reads the pending wake-ups.
    pub(super) fn drain(&mut self) {
        let mut space = Vec::with_capacity(4096);
        let mut events = inotify::Reader::new(&self.inotify, space.spare_capacity_mut());
        while let Ok(event) = events.next() {
            if self.woken.last() != Some(&event.wd()) {
                self.woken.push(event.wd());
            }
        }
    }

    /// Counts the last wake-ups as useful or useless. Directories that are opened for other purposes are no longer watched.
    pub(super) fn judge(&mut self, is_useful: bool) {
        let Self { inotify, watches, woken, .. } = self;
        watches.retain_mut(|(watch, useless)| {
            if woken.contains(watch) {
                *useless = if is_useful { 0 } else { *useless + 1 };
            }
            let is_kept = *useless <= USELESS_MAX;
            if !is_kept {
                // The watch may be gone with its directory.
                let _ = inotify::remove_watch(&*inotify, *watch);
            }
            is_kept
        });
        woken.clear();
    }
}
