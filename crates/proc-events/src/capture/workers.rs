//! Capture workers: one thread per CPU that reads the details of each process that calls exec on that CPU.
//!
//! The kernel wakes the worker on the CPU of the exec, ahead of the process. The worker has read everything before the
//! process runs one instruction of its new program. A single thread would mostly be woken on another CPU, and race
//! against the process.
//!
//! Each worker has a socket with its own BPF program. The reader thread takes the captured details when it handles the
//! exec, and reads missing details by itself. Workers run ahead of all ordinary threads. They therefore only copy
//! bytes, and the reader thread parses them.
//!
//! A read of the arguments does not return while the process holds its mmap lock, for example in a page fault on a file
//! system that has stopped answering. The reader thread then abandons the worker, and starts another one in its place.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use rustc_hash::FxHashMap;
use rustix::event::{EventfdFlags, eventfd};
use rustix::time::ClockId;

use super::cpus::Cpus;
use super::worker::{WorkerContext, WorkerHandle};
use crate::model::interest::Fields;
use crate::process::inspector::Exec;
use crate::procfs::{Procfs, RawDetails, STUCK_MAX, clock_ns, stuck_threads};
use crate::sys::scheduling::Priority;

/// Minimum time between two attempts to start a worker, in nanoseconds.
const START_RETRY_NS: u64 = 1_000_000_000;

/// The capture workers of all CPUs on which this program may run. Some may be missing, because they could not be
/// started.
#[derive(Debug)]
pub(crate) struct CaptureWorkers {
    by_cpu: FxHashMap<u32, WorkerHandle>,
    /// CPUs whose worker is not started yet, or was abandoned.
    cpus_without_worker: Vec<u32>,
    /// Time of the next attempt to start a worker, in nanoseconds on `CLOCK_MONOTONIC`; 0: at once.
    next_start_ns: u64,
    /// Earliest time at which the CPUs are read again because of an exec, in nanoseconds on `CLOCK_MONOTONIC`.
    next_refresh_ns: u64,
    context: WorkerContext,
    /// The CPUs that were online when they were read last. Empty if there are too many for workers.
    online_cpus: Vec<u32>,
    /// Reads the CPUs. A function, so that a test can stand in for other machines.
    read_cpus: fn() -> Cpus,
}

impl CaptureWorkers {
    /// Starts one worker on each CPU on which this program may run.
    pub(crate) fn start(procfs: &Arc<Procfs>, proc_root: &Path, fields: Fields) -> io::Result<Self> {
        Self::start_on(Cpus::of_this_thread, procfs, proc_root, fields)
    }

    fn start_on(
        read_cpus: fn() -> Cpus,
        procfs: &Arc<Procfs>,
        proc_root: &Path,
        fields: Fields,
    ) -> io::Result<Self> {
        let Cpus { online, allowed } = read_cpus();
        let context = WorkerContext {
            procfs: Arc::clone(procfs),
            proc_root: proc_root.to_owned(),
            fields: Arc::new(AtomicU16::new(fields.bits())),
            stop: eventfd(0, EventfdFlags::CLOEXEC)?,
            queued_bytes: Arc::default(),
        };
        let mut workers = Self {
            by_cpu: FxHashMap::default(),
            cpus_without_worker: allowed,
            next_start_ns: 0,
            next_refresh_ns: 0,
            context,
            online_cpus: online,
            read_cpus,
        };
        while workers.start_missing()? {}
        Ok(workers)
    }

    /// Starts a worker on each CPU that has come online. What cannot be started is tried again later.
    pub(crate) fn start_on_new_cpus(&mut self) {
        self.read_cpus_again();
        while let Ok(true) = self.start_missing() {}
    }

    fn read_cpus_again(&mut self) {
        let Cpus { online, allowed } = (self.read_cpus)();
        self.online_cpus = online;
        self.cpus_without_worker = allowed.into_iter().filter(|cpu| !self.by_cpu.contains_key(cpu)).collect();
    }

    /// Reads the CPUs again if an exec comes from one that was not online before.
    fn notice_cpu(&mut self, cpu: u32) {
        let now_ns = clock_ns(ClockId::Monotonic);
        // A container may show fewer CPUs than send execs.
        if !self.online_cpus.is_empty() && !self.online_cpus.contains(&cpu) && now_ns >= self.next_refresh_ns
        {
            self.next_refresh_ns = now_ns + START_RETRY_NS;
            self.read_cpus_again();
        }
    }

    /// Starts one missing worker. Returns false if none is missing, or if it is too early or impossible to start one.
    fn start_missing(&mut self) -> io::Result<bool> {
        if stuck_threads() >= STUCK_MAX {
            return Ok(false);
        }
        let now_ns = clock_ns(ClockId::Monotonic);
        let Some(&cpu) = self.cpus_without_worker.last().filter(|_| now_ns >= self.next_start_ns) else {
            return Ok(false);
        };
        self.next_start_ns = now_ns + START_RETRY_NS;
        self.by_cpu.insert(cpu, self.context.start(cpu)?);
        self.cpus_without_worker.pop();
        self.next_start_ns = 0;
        Ok(true)
    }

    /// Sets the fields to read from now on.
    pub(crate) fn set_fields(&self, fields: Fields) {
        self.context.fields.store(fields.bits(), Ordering::Relaxed);
    }

    /// Returns the priority of the workers. Returns `None` unless a worker runs on every online CPU.
    pub(crate) fn priority(&self) -> Option<Priority> {
        let priority_of = |cpu| self.by_cpu.get(cpu)?.priority.get().copied();
        let mut priorities = self.online_cpus.iter().map(priority_of);
        let first = priorities.next()??;
        priorities.all(|priority| priority.is_some()).then_some(first)
    }

    /// Takes the captured details of the process that made this exec. Replaces the worker if it is stuck.
    pub(crate) fn take(&mut self, exec: Exec) -> Option<RawDetails> {
        let Some(worker) = self.by_cpu.get_mut(&exec.cpu) else {
            self.notice_cpu(exec.cpu);
            // Without a worker the reader thread reads the details, so a failure to start one has no effect.
            let _ = self.start_missing();
            return None;
        };
        let details = worker.take(exec.seq);
        if details.is_none() {
            self.replace_if_stuck(exec.cpu);
        }
        details
    }

    fn replace_if_stuck(&mut self, cpu: u32) {
        let now_ns = clock_ns(ClockId::Monotonic);
        let Some(state) = self.by_cpu.get(&cpu).map(|worker| &worker.state) else { return };
        let Some(reading) = state.hung(now_ns).filter(|reading| state.abandon(*reading)) else { return };
        self.context.procfs.hung().skip(reading.pid, now_ns);
        self.context.procfs.hung().count();
        if let Some(worker) = self.by_cpu.remove(&cpu) {
            worker.detach();
            self.cpus_without_worker.push(cpu);
            let _ = self.start_missing();
        }
    }
}

impl Drop for CaptureWorkers {
    fn drop(&mut self) {
        // Adding 1 to an eventfd fails only at its maximum, and then it is readable already.
        let _ = rustix::io::write(&self.context.stop, &1u64.to_ne_bytes());
        self.by_cpu.drain().for_each(|(_, worker)| worker.join());
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    thread_local! {
        /// The number of CPUs of the machine under test.
        static ONLINE: std::cell::Cell<u32> = const { std::cell::Cell::new(1) };
    }

    fn cpus() -> Cpus {
        let online: Vec<_> = (0..ONLINE.get()).collect();
        Cpus { allowed: online.clone(), online }
    }

    /// Starts workers on the first CPU only, as if the second one came later. Returns `None` where this user may not
    /// listen to the connector, or where there is no second CPU.
    fn on_first_cpu() -> Option<CaptureWorkers> {
        let root = Path::new("/proc");
        let has_two = Cpus::of_this_thread().allowed.starts_with(&[0, 1]);
        let procfs = Arc::new(Procfs::open(root).ok().filter(|_| has_two)?);
        ONLINE.set(1);
        let workers = CaptureWorkers::start_on(cpus, &procfs, root, Fields::NONE).ok()?;
        wait_for_priority(&workers);
        assert_eq!(workers.by_cpu.len(), 1);
        Some(workers)
    }

    fn wait_for_priority(workers: &CaptureWorkers) {
        let began = Instant::now();
        while workers.priority().is_none() {
            assert!(began.elapsed() < Duration::from_secs(10), "a worker is missing");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn exec_on(cpu: u32) -> Exec {
        Exec { pid: 0, cpu, seq: 0, timestamp_ns: 0 }
    }

    #[test]
    fn an_exec_on_a_cpu_that_has_come_online_starts_a_worker_there() {
        let Some(mut workers) = on_first_cpu() else { return };
        assert!(workers.take(exec_on(1)).is_none(), "the CPU is not online yet");
        assert_eq!(workers.by_cpu.len(), 1);
        ONLINE.set(2);
        workers.next_refresh_ns = 0;
        assert!(workers.take(exec_on(1)).is_none(), "a reader thread reads the first one");
        assert!(workers.by_cpu.contains_key(&1));
        wait_for_priority(&workers);
    }

    #[test]
    fn priority_is_unknown_until_a_cpu_that_has_come_online_has_a_worker() {
        let Some(mut workers) = on_first_cpu() else { return };
        ONLINE.set(2);
        workers.read_cpus_again();
        assert_eq!((workers.priority(), &*workers.cpus_without_worker), (None, &[1][..]));
        workers.start_on_new_cpus();
        wait_for_priority(&workers);
        // A CPU that goes offline keeps its worker, and needs none.
        ONLINE.set(1);
        workers.start_on_new_cpus();
        assert!(workers.priority().is_some());
        assert_eq!((workers.by_cpu.len(), workers.cpus_without_worker.len()), (2, 0));
    }
}
