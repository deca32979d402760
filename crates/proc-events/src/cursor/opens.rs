//! Wakes the cursor when a program is opened, by inotify: an exec opens the program, then its interpreter, and the new
//! program opens the list of libraries.

use std::io;
use std::os::fd::OwnedFd;

use rustix::fs::inotify::{self, CreateFlags, WatchFlags};

/// The largest number of watches. All programs of a user share 8,192 or more.
const WATCHES_MAX: usize = 64;
/// Number of programs in known directories after which only each so many of them is looked at.
const FAMILIAR_MAX: u32 = 64;
/// Number of wake-ups in a row without a new process after which a directory is no longer watched.
const USELESS_MAX: u32 = 512;

/// The list of libraries, which a dynamically linked program opens when it begins to run.
const LIBRARIES: &str = "/etc/ld.so.cache";
/// The interpreters, which the exec of a dynamically linked program opens before.
const INTERPRETERS: [&str; 5] = [
    "/lib64/ld-linux-x86-64.so.2",
    "/lib/ld-linux-aarch64.so.1",
    "/lib/ld-musl-x86_64.so.1",
    "/lib/ld-musl-aarch64.so.1",
    "/lib/ld-linux-armhf.so.3",
];
/// Directories that have most programs. `/bin` and `/sbin` are links to others on most machines, but not in most containers.
const DIRECTORIES: [&str; 6] =
    ["/usr/bin", "/usr/sbin", "/bin", "/sbin", "/usr/local/bin", "/usr/local/sbin"];

/// Watches the opening of programs.
#[derive(Debug)]
pub(super) struct OpenWatcher {
    inotify: OwnedFd,
    /// The watches, each with the number of its useless wake-ups in a row.
    watches: Vec<(i32, u32)>,
    /// The directories that are watched, or were and proved useless.
    directories: Vec<Vec<u8>>,
    /// The watches of the last wake-up.
    woken: Vec<i32>,
    /// The watch of [`LIBRARIES`].
    libraries: Option<i32>,
    /// The number of programs since the last one in a new directory.
    familiar: u32,
}

impl OpenWatcher {
    /// Watches the interpreters, and the directories that have most programs.
    pub(super) fn new() -> io::Result<Self> {
        let inotify = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?;
        let (watches, directories, woken) = (Vec::new(), Vec::new(), Vec::new());
        let mut watcher = Self { inotify, watches, directories, woken, libraries: None, familiar: 0 };
        watcher.libraries = watcher.watch(LIBRARIES.as_bytes(), WatchFlags::OPEN);
        for file in INTERPRETERS {
            watcher.watch(file.as_bytes(), WatchFlags::OPEN);
        }
        for directory in DIRECTORIES {
            watcher.watch_directory(directory.as_bytes());
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

    /// Returns true if the directory of the next program is worth a look: another one can be watched, and new ones were not
    /// rare lately.
    pub(super) const fn wants_directory(&mut self) -> bool {
        self.familiar += 1;
        self.has_room() && (self.familiar < FAMILIAR_MAX || self.familiar.is_multiple_of(FAMILIAR_MAX))
    }

    const fn has_room(&self) -> bool {
        self.directories.len() < WATCHES_MAX - INTERPRETERS.len()
    }

    fn watch(&mut self, path: &[u8], flags: WatchFlags) -> Option<i32> {
        let watch = inotify::add_watch(&self.inotify, path, flags).ok();
        if let Some(watch) = watch {
            // Two paths of one file have one watch.
            if !self.watches.iter().any(|&(known, _)| known == watch) {
                self.watches.push((watch, 0));
            }
        }
        watch
    }

    /// Watches the directory of a program, unless it is watched, or there is no room.
    pub(super) fn watch_directory_of(&mut self, program: &[u8]) {
        // The link of a program in another mount namespace may have no absolute path.
        if let Some(end) = program.iter().rposition(|&byte| byte == b'/').filter(|&end| end > 0) {
            self.watch_directory(&program[..end]);
        }
    }

    fn watch_directory(&mut self, directory: &[u8]) {
        if self.has_room() && !self.directories.iter().any(|known| known == directory) {
            self.familiar = 0;
            self.directories.push(directory.to_owned());
            self.watch(directory, WatchFlags::OPEN | WatchFlags::ONLYDIR);
        }
    }

    /// Reads the pending wake-ups. Returns true if a program has begun to run.
    pub(super) fn drain(&mut self) -> bool {
        let mut space = Vec::with_capacity(4096);
        let mut events = inotify::Reader::new(&self.inotify, space.spare_capacity_mut());
        while let Ok(event) = events.next() {
            if self.woken.last() != Some(&event.wd()) {
                self.woken.push(event.wd());
            }
            // The rest wakes the thread again.
            if events.is_buffer_empty() {
                break;
            }
        }
        self.libraries.is_some_and(|libraries| self.woken.contains(&libraries))
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
