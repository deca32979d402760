//! One capture worker: its thread, and the handle that the reader thread holds of it.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, OnceLock};
use std::thread::Builder;
use std::time::{Duration, Instant};

use neli::connector::ProcEvent;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::thread::{sched_getcpu, sched_setaffinity};
use rustix::time::ClockId;

use super::cpus::only;
use super::queue::{CaptureQueue, Captured, queued_memory};
use crate::connector::bpf;
use crate::connector::wire;
use crate::connector::{open_exec_listener, recv};
use crate::model::interest::Fields;
use crate::procfs::{DEADLINE, DirectReader, Procfs, RawDetails, ReadState, clock_ns};
use crate::sys;
use crate::sys::datagram::Datagram;
use crate::sys::scheduling::{Priority, ThreadScheduling};
use crate::sys::thread_end::Thread;

/// Memory use of all queues, in bytes, at which the workers stop reading. It is enough for a second of 20,000 execs, because the
/// reader thread may sleep or get no CPU for some time.
const MAX_QUEUED_BYTES: usize = 8 << 20;
/// Maximum time that the reader thread waits for the details of one exec. A capture takes far less. If both threads
/// read the same process at once, they block each other in the kernel, and the process runs meanwhile.
const CAPTURE_TIMEOUT: Duration = Duration::from_millis(2);
/// Maximum time that the reader thread waits at shutdown for a worker that is not stuck, but gets no CPU.
const JOIN_TIMEOUT: Duration = Duration::from_secs(1);
/// Stack size of a worker, in bytes. Everything large is on the heap.
const STACK_SIZE: usize = 256 * 1024;

/// Everything that a new worker needs.
#[derive(Debug)]
pub(super) struct WorkerContext {
    pub(super) procfs: Arc<Procfs>,
    pub(super) proc_root: PathBuf,
    pub(super) fields: Arc<AtomicU16>,
    /// An eventfd that becomes readable when the workers must stop.
    pub(super) stop: OwnedFd,
    /// Memory use of all queues, in bytes.
    pub(super) queued_bytes: Arc<AtomicUsize>,
}

#[derive(Debug)]
pub(super) struct WorkerHandle {
    queue: CaptureQueue<Receiver<Captured>>,
    /// The priority of the worker. Empty until the worker runs on its CPU.
    pub(super) priority: Arc<OnceLock<Priority>>,
    pub(super) state: Arc<ReadState>,
    socket: Arc<OwnedFd>,
    thread: Thread,
}

impl WorkerHandle {
    /// Takes the captured details of an exec, and waits for them if the worker runs.
    pub(super) fn take(&mut self, seq: u32) -> Option<RawDetails> {
        let timeout = self.priority.get().map_or(Duration::ZERO, |_| CAPTURE_TIMEOUT);
        self.queue.take(seq, timeout)
    }

    /// Waits for a worker that was stopped. Detaches it if it is stuck or late.
    pub(super) fn join(self) {
        let began = Instant::now();
        loop {
            match self.queue.channel.recv_timeout(DEADLINE) {
                // The worker drops its sender last, so it has released everything.
                Err(RecvTimeoutError::Disconnected) => return self.thread.join(),
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
    pub(super) fn detach(self) {
        // If this fails, the socket retains no more than its receive buffer holds.
        let _ = sys::attach_filter(self.socket.as_fd(), &bpf::execs_on(u32::MAX));
    }
}

impl WorkerContext {
    /// Starts the worker of a CPU.
    pub(super) fn start(&self, cpu: u32) -> io::Result<WorkerHandle> {
        let (sender, receiver) = channel();
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
            cpu,
            sender,
        };
        let worker_priority = Arc::clone(&priority);
        // The thread keeps the name of its parent, because the kernel would report a change.
        let thread = Thread::spawn(Builder::new().stack_size(STACK_SIZE), move || {
            // If the program may no longer run on this CPU, the worker ends and the reader thread reads the details.
            if pin(cpu) {
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

/// Pins this thread to a CPU. Returns false if that is not permitted.
fn pin(cpu: u32) -> bool {
    only(cpu).is_some_and(|only| sched_setaffinity(None, &only).is_ok())
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
    cpu: u32,
    /// Declared last, because it must be dropped last: its disconnection says that the worker has released everything.
    sender: Sender<Captured>,
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
                    // The CPU was offline, and the kernel has moved this thread away from it for good.
                    if sched_getcpu() != self.cpu as usize {
                        pin(self.cpu);
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
        // If the queues are full, the reader thread reads the details that are left by then.
        if self.queued_bytes.load(Ordering::Relaxed) >= MAX_QUEUED_BYTES {
            return false;
        }
        let mut details = None;
        if !self.procfs.procfs().hung().is_skipped(pid, now_ns) {
            self.state.begin(pid, now_ns);
            details = self.procfs.read(pid, fields, message.timestamp_ns);
            if self.state.end() {
                return true;
            }
        }
        let bytes = queued_memory(details.as_ref());
        self.queued_bytes.fetch_add(bytes, Ordering::Relaxed);
        if self.sender.send((message.seq, details)).is_err() {
            self.queued_bytes.fetch_sub(bytes, Ordering::Relaxed);
        }
        false
    }
}
