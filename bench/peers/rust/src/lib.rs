//! The records of every Rust peer, and its end. At SIGTERM it writes the records (see `records.ts`) to a file.

use std::{
    io::{self, Write},
    sync::atomic::{AtomicBool, Ordering},
};

static IS_OVER: AtomicBool = AtomicBool::new(false);

extern "C" fn end(_signal: libc::c_int) {
    IS_OVER.store(true, Ordering::Relaxed);
}

/// The seen events, and the file that gets them.
pub struct Records {
    file: String,
    has_clock: bool,
    seen: Vec<[u32; 3]>,
}

impl Records {
    /// Reads the arguments. From now on SIGTERM ends the loop, because it interrupts the blocking call.
    pub fn begin() -> Self {
        let mut arguments = std::env::args().skip(1);
        let file = arguments.next().expect("a file for the records");
        let has_clock = arguments.next().as_deref() == Some("1");
        // SAFETY: the handler only stores to an atomic; zero is a valid sigaction, without SA_RESTART.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = end as *const () as usize;
            libc::sigaction(libc::SIGTERM, &raw const action, std::ptr::null_mut());
        }
        Self { file, has_clock, seen: Vec::with_capacity(1 << 16) }
    }

    pub fn is_over(&self) -> bool {
        IS_OVER.load(Ordering::Relaxed)
    }

    /// Records an event of kind 1 (exec) or 2 (exit). Exits of threads are ignored.
    pub fn add(&mut self, tid: u32, pid: u32, kind: u32, timestamp_ns: u64) {
        if tid == pid {
            let late = if self.has_clock { since(timestamp_ns) } else { 0 };
            self.seen.push([pid, kind, late]);
        }
    }

    pub fn write(self) -> io::Result<()> {
        let bytes: Vec<u8> = self.seen.iter().flatten().flat_map(|word| word.to_ne_bytes()).collect();
        std::fs::File::create(self.file)?.write_all(&bytes)
    }
}

fn since(timestamp_ns: u64) -> u32 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `now` is a valid timespec for the call to fill.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut now) };
    let now = now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64;
    u32::try_from(now.saturating_sub(timestamp_ns)).unwrap_or(u32::MAX)
}

/// Tells the bench that this peer listens.
pub fn ready() {
    println!("ready");
}
