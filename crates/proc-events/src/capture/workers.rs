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
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, OnceLock};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use neli::connector::ProcEvent;
use rustc_hash::FxHashMap;
use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use rustix::io::Errno;
use rustix::thread::sched_setaffinity;
use rustix::time::ClockId;

use super::cpus::{Cpus, only};
use super::queue::{CaptureQueue, Captured};
use crate::connector::bpf;
use crate::connector::wire;
use crate::connector::{open_exec_listener, recv};
use crate::model::interest::Fields;
use crate::process::inspector::Exec;
use crate::procfs::{
    DEADLINE, DirectReader, Procfs, RawDetails, ReadState, STUCK_MAX, clock_ns, stuck_threads,
};
use crate::sys;
use crate::sys::datagram::Datagram;
use crate::sys::scheduling::{Priority, ThreadScheduling};

/// Maximum number of processes in the queue of one worker.
const CAPTURE_QUEUE_LEN: usize = 512;
/// Memory use of all queues, in bytes, at which the workers stop reading.
const MAX_QUEUED_BYTES: usize = 8 << 20;
/// Maximum time that the reader thread waits for the details of one exec. A capture takes far less. If both threads
/// read the same process at once, they block each other in the kernel, and the process runs meanwhile.
const CAPTURE_TIMEOUT: Duration = Duration::from_millis(2);
/// Maximum time that the reader thread waits at shutdown for a worker that is not stuck, but gets no CPU.
const JOIN_TIMEOUT: Duration = Duration::from_secs(1);
/// Minimum time between two attempts to start a worker, in nanoseconds.
const START_RETRY_NS: u64 = 1_000_000_000;
/// Stack size of a worker, in bytes. Everything large is on the heap.
const STACK_SIZE: usize = 256 * 1024;

/// The capture workers of all CPUs on which this program may run. Some may be missing, because they could not be
/// started.
#[derive(Debug)]
pub(crate) struct CaptureWorkers {
    by_cpu: FxHashMap<u32, WorkerHandle>,
    /// CPUs whose worker is not started yet, or was abandoned.
    cpus_without_worker: Vec<u32>,
    /// Time of the next attempt to start a worker, in nanoseconds on `CLOCK_MONOTONIC`; 0: at once.
    next_start_ns: u64,
    context: WorkerContext,
    online_cpus: usize,
}

/// Everything that a new worker needs.
#[derive(Debug)]
struct WorkerContext {
    procfs: Arc<Procfs>,
    proc_root: PathBuf,
    fields: Arc<AtomicU16>,
    /// An eventfd that becomes readable when the workers must stop.
    stop: OwnedFd,
    /// Memory use of all queues, in bytes.
    queued_bytes: Arc<AtomicUsize>,
}

#[derive(Debug)]
struct WorkerHandle {
    queue: CaptureQueue<Receiver<Captured>>,
    /// The priority of the worker. Empty until the worker runs on its CPU.
    priority: Arc<OnceLock<Priority>>,
    state: Arc<ReadState>,
    socket: Arc<OwnedFd>,
    thread: JoinHandle<()>,
}

impl CaptureWorkers {
    /// Starts one worker on each CPU on which this program may run.
    pub(crate) fn start(procfs: &Arc<Procfs>, proc_root: &Path, fields: Fields) -> io::Result<Self> {
        let Cpus { online, allowed } = Cpus::of_this_thread();
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
            context,
            online_cpus: online,
        };
        while workers.start_missing()? {}
        Ok(workers)
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

    /// Returns the priority of the workers. Returns `None` unless a worker runs on every CPU of the machine.
    pub(crate) fn priority(&self) -> Option<Priority> {
        let mut priorities = self.by_cpu.values().map(|worker| worker.priority.get().copied());
        let first = priorities.next().filter(|_| self.by_cpu.len() == self.online_cpus)?;
        if priorities.all(|priority| priority.is_some()) { first } else { None }
    }

    /// Takes the captured details of the process that made this exec. Replaces the worker if it is stuck.
    pub(crate) fn take(&mut self, exec: Exec) -> Option<RawDetails> {
        let Some(WorkerHandle { queue, priority, .. }) = self.by_cpu.get_mut(&exec.cpu) else {
            // Without a worker the reader thread reads the details, so a failure to start one has no effect.
            let _ = self.start_missing();
            return None;
        };
        let timeout = priority.get().map_or(Duration::ZERO, |_| CAPTURE_TIMEOUT);
        let details = queue.take(exec.seq, timeout);
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

impl WorkerHandle {
    /// Waits for a worker that was stopped. Detaches it if it is stuck or late.
    fn join(self) {
        let began = Instant::now();
        loop {
            match self.queue.channel.recv_timeout(DEADLINE) {
                // The worker drops its sender last, so it has released everything.
                Err(RecvTimeoutError::Disconnected) => return drop(self.thread.join()),
                Err(RecvTimeoutError::Timeout) => {
                    let reading = self.state.current().filter(|_| !self.state.is_runnable());
                    let is_abandoned = reading.is_some_and(|reading| self.state.abandon(reading));
                    if is_abandoned || began.elapsed() > JOIN_TIMEOUT {
                        return self.detach();
                    }
                }
                Ok(_) => {}
            }
        }
    }

    /// Detaches the worker, which closes its socket when its read returns. Until then the socket must receive nothing.
    fn detach(self) {
        // If this fails, the socket retains no more than its receive buffer holds.
        let _ = sys::attach_filter(self.socket.as_fd(), &bpf::execs_on(u32::MAX));
    }
}

impl WorkerContext {
    /// Starts the worker of a CPU.
    fn start(&self, cpu: u32) -> io::Result<WorkerHandle> {
        let (sender, receiver) = sync_channel(CAPTURE_QUEUE_LEN);
        let priority = Arc::new(OnceLock::new());
        let state = Arc::new(ReadState::default());
        let socket = Arc::new(open_exec_listener(&self.proc_root, cpu).map_err(io::Error::other)?);
        let worker = Worker {
            procfs: self.procfs.direct_reader(),
            state: Arc::clone(&state),
            socket: Arc::clone(&socket),
            stop: self.stop.try_clone()?,
            fields: Arc::clone(&self.fields),
            queued_bytes: Arc::clone(&self.queued_bytes),
            sender,
        };
        let worker_priority = Arc::clone(&priority);
        // The thread keeps the name of its parent, because the kernel would report a change.
        let thread = Builder::new().stack_size(STACK_SIZE).spawn(move || {
            // If the program may no longer run on this CPU, the worker ends and the reader thread reads the details.
            if only(cpu).is_some_and(|only| sched_setaffinity(None, &only).is_ok()) {
                let mut scheduling = ThreadScheduling::of_this_thread();
                scheduling.raise();
                let _ = worker_priority.set(scheduling.priority());
                worker.run();
            }
        })?;
        let queue = CaptureQueue::new(receiver, Arc::clone(&self.queued_bytes));
        Ok(WorkerHandle { queue, priority, state, socket, thread })
    }
}

/// The state of one worker thread.
#[derive(Debug)]
struct Worker {
    procfs: DirectReader,
    state: Arc<ReadState>,
    socket: Arc<OwnedFd>,
    stop: OwnedFd,
    fields: Arc<AtomicU16>,
    queued_bytes: Arc<AtomicUsize>,
    /// Declared last, because it must be dropped last: its disconnection says that the worker has released everything.
    sender: SyncSender<Captured>,
}

impl Worker {
    /// Handles datagrams until the worker is stopped or abandoned.
    fn run(mut self) {
        self.procfs.procfs().show_thread(&self.state);
        loop {
            let mut ready =
                [PollFd::new(&self.socket, PollFlags::IN), PollFd::new(&self.stop, PollFlags::IN)];
            match poll(&mut ready, None) {
                Err(Errno::INTR) => continue,
                Ok(_) if ready[1].revents().is_empty() => {}
                _ => return,
            }
            match recv(self.socket.as_fd()) {
                Ok(datagram) => {
                    if let Some(message) = datagram.as_ref().and_then(Datagram::message)
                        && self.handle_datagram(message)
                    {
                        return;
                    }
                }
                // The socket dropped datagrams. The reader thread reads the details of their processes.
                Err(Errno::NOBUFS) => {}
                Err(_) => return,
            }
        }
    }

    /// Reads and sends the details of a process that called exec. Returns true if the reader thread has abandoned this
    /// worker.
    fn handle_datagram(&mut self, datagram: &[u8]) -> bool {
        let Ok(message) = wire::parse(datagram) else { return false };
        let ProcEvent::Exec { process_tgid, .. } = message.event else { return false };
        let pid = process_tgid as u32;
        let now_ns = clock_ns(ClockId::Monotonic);
        let fields = Fields::from_bits(self.fields.load(Ordering::Relaxed));
        let mut details = None;
        // If the queues are full, the reader thread reads the details that are left by then.
        if self.queued_bytes.load(Ordering::Relaxed) < MAX_QUEUED_BYTES
            && !self.procfs.procfs().hung().is_skipped(pid, now_ns)
        {
            self.state.begin(pid, now_ns);
            details = self.procfs.read(pid, fields, message.timestamp_ns);
            if self.state.end() {
                return true;
            }
        }
        let bytes = details.as_ref().map_or(0, RawDetails::weight);
        self.queued_bytes.fetch_add(bytes, Ordering::Relaxed);
        if self.sender.try_send((message.seq, details)).is_err() {
            self.queued_bytes.fetch_sub(bytes, Ordering::Relaxed);
        }
        false
    }
}
