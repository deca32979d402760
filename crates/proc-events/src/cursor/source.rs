//! The handle of the cursor's thread: its start, its reports and its end.

use std::io;
use std::os::fd::OwnedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::thread::Builder;

use rustix::event::{EventfdFlags, eventfd};
use rustix::io::Errno;
use tokio::io::unix::AsyncFd;

use super::shared::{CursorOptions, Shared, Wakes, wake};
use super::thread::run;
use crate::model::interest::Fields;
use crate::model::report::ProcessReport;
use crate::stats::Stats;
use crate::sys;
use crate::sys::thread_end::Thread;

/// A read of arguments that takes longer hangs, in nanoseconds.
const HUNG_NS: u64 = 1_000_000_000;
/// Stack size of the thread, in bytes. Everything large is on the heap.
const STACK_SIZE: usize = 256 * 1024;

/// The running thread. Dropping it ends the thread.
#[derive(Debug)]
pub(crate) struct CursorSource {
    shared: Arc<Shared>,
    /// Readable if reports are queued, or the thread has ended.
    woken: AsyncFd<OwnedFd>,
    wakes: Arc<Wakes>,
    thread: Option<Thread>,
}

impl CursorSource {
    /// Starts the thread. Must be called within a tokio runtime. Returns once each process of this pid namespace has a watch. Later changes are
    /// reported.
    ///
    /// # Errors
    /// If the cursor does not work here, or a thread or descriptor is refused.
    pub(crate) fn start(options: CursorOptions, stats: &Arc<Stats>, fields: Fields) -> io::Result<Self> {
        let flags = EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK;
        let wakes = Arc::new([eventfd(0, flags)?, eventfd(0, flags)?]);
        let woken = sys::register(wakes[0].try_clone()?)?;
        let shared = Arc::<Shared>::default();
        shared.fields.store(fields.bits(), Ordering::Relaxed);
        let (for_thread, given, stats) = (Arc::clone(&shared), Arc::clone(&wakes), Arc::clone(stats));
        let thread =
            Thread::spawn(Builder::new().name("proc-events-pid".into()).stack_size(STACK_SIZE), move || {
                // A panic ends the thread, and the reader goes on with snapshots.
                let _ = catch_unwind(AssertUnwindSafe(|| run(options, given, &for_thread, &stats)));
            })?;
        let source = Self { shared, woken, wakes, thread: Some(thread) };
        source.shared.wait_started()?;
        Ok(source)
    }

    /// Waits until reports are queued, or the thread has ended.
    pub(crate) async fn readable(&self) -> io::Result<()> {
        let mut ready = sys::ready(&self.woken).await?;
        match rustix::io::read(&self.woken, &mut [0; 8]) {
            Err(Errno::AGAIN) => ready.clear_ready(),
            Err(Errno::INTR) | Ok(_) => {}
            Err(errno) => return Err(errno.into()),
        }
        Ok(())
    }

    /// Takes the queued reports.
    pub(crate) fn take_reports(&self) -> Vec<ProcessReport> {
        std::mem::take(&mut *self.shared.reports.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Sets the fields to read at an exec.
    pub(crate) fn set_fields(&self, fields: Fields) {
        self.shared.fields.store(fields.bits(), Ordering::Relaxed);
    }

    /// Sets if renames are to be reported, where records of the kernel show them.
    pub(crate) fn set_wants_renames(&self, wants_renames: bool) {
        self.shared.wants_renames.store(wants_renames, Ordering::Relaxed);
    }

    /// Returns true while the kernel's records show processes.
    pub(crate) fn is_recorded(&self) -> bool {
        self.shared.is_recorded.load(Ordering::Relaxed)
    }

    /// Returns the number of records since the last call that the kernel has dropped.
    pub(crate) fn take_lost(&self) -> u64 {
        self.shared.lost.swap(0, Ordering::Relaxed)
    }

    /// Makes the thread look at once.
    pub(crate) fn look_now(&self) {
        wake(&self.wakes[1]);
    }

    /// Returns true if the thread has ended, so that nothing more is reported.
    pub(crate) fn has_ended(&self) -> bool {
        self.shared.has_ended.load(Ordering::Acquire)
    }

    /// Abandons the thread if a read of arguments hangs. Returns true if it did.
    pub(crate) fn abandon_if_hung(&mut self, now_ns: u64) -> bool {
        let reading = &self.shared.reading;
        let hung = reading.hung(now_ns.saturating_sub(HUNG_NS));
        let is_abandoned = hung.is_some_and(|hung| reading.abandon(hung));
        if is_abandoned {
            self.thread = None;
        }
        is_abandoned
    }

    /// Returns true if some processes are not watched, because no descriptor is left or they are of another pid namespace.
    pub(crate) fn is_limited(&self) -> bool {
        self.shared.is_limited.load(Ordering::Relaxed)
    }
}

impl Drop for CursorSource {
    fn drop(&mut self) {
        let Self { shared, thread, .. } = self;
        shared.must_end.store(true, Ordering::Release);
        wake(&self.wakes[1]);
        if let Some(thread) = thread.take().filter(|_| shared.wait_ended()) {
            // The thread catches its own panics.
            thread.join();
        } else if let Some(reading) = shared.reading.current() {
            shared.reading.abandon(reading);
        }
        // The thread may outlive this, and must not drop it.
        drop(shared.given_back.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}

#[cfg(test)]
mod tests {
    use super::super::shared::END_TIMEOUT;
    use super::*;

    use std::process::Command;
    use std::time::{Duration, Instant};

    use crate::model::effort::Effort;
    use crate::model::event::Origin;
    use crate::model::report::Change;

    fn start(uses_perf: bool) -> Option<CursorSource> {
        let options = CursorOptions {
            proc_root: "/proc".into(),
            max_argv_bytes: 4096,
            effort: Effort::Normal,
            raise_priority: false,
            interval: Duration::from_millis(250),
            uses_perf,
        };
        // Some sandboxes hide the last process id: there is nothing to test.
        CursorSource::start(options, &Arc::default(), Fields::NONE).ok()
    }

    fn with_runtime(test: impl Future<Output = ()>) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.unwrap().block_on(test);
    }

    #[test]
    fn reports_of_a_child_wake_the_reader_in_their_order() {
        with_runtime(async {
            let Some(source) = start(false) else { return };
            let mut child = Command::new("/bin/sleep").arg("0.05").spawn().unwrap();
            let pid = child.id();
            let waiter = std::thread::spawn(move || child.wait().unwrap());
            let mut seen = Vec::new();
            while !seen.contains(&"exited") {
                source.readable().await.unwrap();
                let reports = source.take_reports();
                seen.extend(reports.iter().filter(|report| report.pid == pid).map(
                    |report| match report.change {
                        Change::Forked(_) => "forked",
                        Change::Execed(_) => "execed",
                        Change::Exited { .. } => "exited",
                        Change::Renamed { .. } => "renamed",
                    },
                ));
            }
            assert_eq!(seen, ["forked", "execed", "exited"]);
            assert!(waiter.join().unwrap().success());
        });
    }

    /// Runs a program, and returns the origins of what is reported of it.
    async fn origins_of_a_child(source: &CursorSource) -> Vec<Origin> {
        let mut child = Command::new("/bin/sleep").arg("0.05").spawn().unwrap();
        let pid = child.id();
        let waiter = std::thread::spawn(move || child.wait().unwrap());
        let mut origins = Vec::new();
        let mut has_exited = false;
        while !has_exited {
            source.readable().await.unwrap();
            for report in source.take_reports().into_iter().filter(|report| report.pid == pid) {
                origins.push(report.origin);
                has_exited |= matches!(report.change, Change::Exited { status: Some(_), .. });
            }
        }
        waiter.join().unwrap();
        origins
    }

    #[test]
    fn thread_goes_on_with_the_cursor_once_the_kernel_records_nothing_more() {
        with_runtime(async {
            let Some(source) = start(true) else { return };
            // Some sandboxes refuse perf events: there is nothing to test.
            if !source.is_recorded() {
                return;
            }
            assert_eq!(origins_of_a_child(&source).await, [Origin::Kernel; 3]);
            source.shared.disables_perf.store(true, Ordering::Relaxed);
            source.look_now();
            while source.is_recorded() {
                source.readable().await.unwrap();
            }
            assert_eq!(origins_of_a_child(&source).await, [Origin::Polling; 3]);
        });
    }

    #[test]
    fn thread_that_hangs_in_a_read_is_abandoned_and_delays_nothing() {
        with_runtime(async {
            let Some(mut source) = start(false) else { return };
            let now_ns = 10 * HUNG_NS;
            source.shared.reading.show(None);
            assert!(!source.abandon_if_hung(now_ns));
            source.shared.reading.begin(7, now_ns);
            assert!(!source.abandon_if_hung(now_ns + HUNG_NS), "it is not late yet");
            assert!(source.abandon_if_hung(now_ns + 2 * HUNG_NS));
            let shared = Arc::clone(&source.shared);
            let began = Instant::now();
            drop(source);
            assert!(began.elapsed() < END_TIMEOUT);
            assert!(shared.reading.end(), "the thread must end once the read returns");
            assert!(shared.wait_ended(), "and it does");
        });
    }
}
