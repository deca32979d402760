//! The end of a thread. `pthread_join` returns while the kernel still frees what the thread had, such as perf events: it is
//! still in `/proc/self/task` then, and counts against limits.

use std::thread::sleep;
use std::time::{Duration, Instant};

/// The longest wait. A thread without CPU time ends later.
const TIMEOUT: Duration = Duration::from_secs(1);
/// The time between two looks.
const INTERVAL: Duration = Duration::from_micros(100);

/// Returns the id of the calling thread.
pub(crate) fn thread_id() -> libc::pid_t {
    rustix::thread::gettid().as_raw_nonzero().get()
}

/// Waits until a joined thread of this process is gone, for at most a second.
pub(crate) fn wait_until_gone(tid: libc::pid_t) {
    let began = Instant::now();
    while tid > 0 && exists(tid) && began.elapsed() < TIMEOUT {
        sleep(INTERVAL);
    }
}

fn exists(tid: libc::pid_t) -> bool {
    let process = rustix::process::getpid().as_raw_nonzero().get();
    // SAFETY: the system call accesses no memory, and signal 0 only checks.
    unsafe { libc::syscall(libc::SYS_tgkill, process, tid, 0) == 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joined_thread_is_gone() {
        assert!(exists(thread_id()));
        let thread = std::thread::spawn(thread_id);
        let tid = thread.join().unwrap();
        wait_until_gone(tid);
        assert!(!exists(tid));
    }
}
