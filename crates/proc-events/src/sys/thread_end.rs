//! Threads of the core, and their end. `pthread_join` returns while the kernel still frees what the thread had, such as perf
//! events: it is still in `/proc/self/task` then, and counts against limits.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::thread::{Builder, JoinHandle, sleep};
use std::time::{Duration, Instant};

/// The longest wait. A thread without CPU time ends later.
const TIMEOUT: Duration = Duration::from_secs(1);
/// The time between two looks.
const INTERVAL: Duration = Duration::from_micros(100);

/// A thread that leaves no trace once it is joined. Dropping this detaches it.
#[derive(Debug)]
pub(crate) struct Thread {
    handle: JoinHandle<()>,
    /// 0 until the thread runs.
    tid: Arc<AtomicI32>,
}

impl Thread {
    /// Starts a thread, as `builder` describes it.
    ///
    /// # Errors
    /// If the system refuses a thread.
    pub(crate) fn spawn(builder: Builder, body: impl FnOnce() + Send + 'static) -> io::Result<Self> {
        let tid = Arc::<AtomicI32>::default();
        let own = Arc::clone(&tid);
        let handle = builder.spawn(move || {
            own.store(thread_id(), Ordering::Relaxed);
            body();
        })?;
        Ok(Self { handle, tid })
    }

    /// Waits until the thread has ended, and then for at most a second until it is gone. Ignores a panic.
    pub(crate) fn join(self) {
        let _ = self.handle.join();
        let (tid, began) = (self.tid.load(Ordering::Relaxed), Instant::now());
        while tid > 0 && exists(tid) && began.elapsed() < TIMEOUT {
            sleep(INTERVAL);
        }
    }
}

/// Returns the id of the calling thread.
pub(crate) fn thread_id() -> libc::pid_t {
    rustix::thread::gettid().as_raw_nonzero().get()
}

fn exists(tid: libc::pid_t) -> bool {
    let process = rustix::process::getpid().as_raw_nonzero().get();
    // SAFETY: the system call accesses no memory, and signal 0 only checks.
    unsafe { libc::syscall(libc::SYS_tgkill, process, tid, 0) == 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::path::Path;

    #[test]
    fn joined_thread_is_gone() {
        assert!(exists(thread_id()));
        // A joined thread of the standard library is still there in some of these rounds.
        for round in 0..200 {
            let thread = Thread::spawn(Builder::new(), || {}).unwrap();
            let tid = Arc::clone(&thread.tid);
            thread.join();
            let tid = tid.load(Ordering::Relaxed);
            assert!(!Path::new("/proc/self/task").join(tid.to_string()).exists(), "round {round}");
        }
    }

    #[test]
    fn thread_that_panics_is_joined() {
        Thread::spawn(Builder::new(), || panic!("on purpose")).unwrap().join();
    }
}
