//! One thread on each CPU that reads the details of what calls exec there, at once: it is woken on that very CPU, ahead
//! of the process, which has not run one instruction of its new program when everything about it has been read. A single
//! thread would mostly be woken on another CPU, and race against the process.
//!
//! Each has a socket with a filter of its own, and the stream of events is none of its business: the reader's thread
//! takes what was found here when it comes to that exec, and reads for itself what was not. These threads run ahead of all
//! ordinary ones, so that they only copy bytes: the reader's thread makes sense of them.
//!
//! A read of a process that holds on to its memory lock does not return. The reader's thread abandons a thread that waits
//! in one, and starts another in its place.

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

/// How many captured wait for the reader's thread at most, for each CPU; and how many bytes of all CPUs, before nothing more is
/// read here.
const CAPTURED_MAX: usize = 512;
const BYTES_MAX: usize = 8 << 20;
/// How long a find is waited for: far longer than it takes. Two threads that look up the same process at once wait for
/// each other in the kernel, and while one here waits, the process runs.
const CAPTURE_TIMEOUT: Duration = Duration::from_millis(2);
/// How long a thread is waited for at the end that is not stuck, but gets no CPU.
const END_CAPTURE_TIMEOUT: Duration = Duration::from_secs(1);
/// The least time between two attempts to start a thread that could not be had.
const RETRY_NS: u64 = 1_000_000_000;
/// Everything large is on the heap.
const STACK_SIZE: usize = 256 * 1024;

/// The threads, as far as they could be had.
#[derive(Debug)]
pub(crate) struct CaptureWorkers {
    of_cpu: FxHashMap<u32, WorkerHandle>,
    /// CPUs whose thread was abandoned when no other could be started.
    vacant: Vec<u32>,
    /// When to try again to start one, after that has failed; 0: at once.
    retry_ns: u64,
    tools: Tools,
    online: usize,
}

/// The things that a thread is started with.
#[derive(Debug)]
struct Tools {
    procfs: Arc<Procfs>,
    proc_root: PathBuf,
    fields: Arc<AtomicU16>,
    /// Readable once they are to end.
    stop: OwnedFd,
    /// The bytes that wait for the reader's thread.
    bytes: Arc<AtomicUsize>,
}

#[derive(Debug)]
struct WorkerHandle {
    captured: CaptureQueue<Receiver<Captured>>,
    /// How it is scheduled, once it is on its CPU.
    priority: Arc<OnceLock<Priority>>,
    state: Arc<ReadState>,
    socket: Arc<OwnedFd>,
    thread: JoinHandle<()>,
}

impl CaptureWorkers {
    /// Starts one on each CPU that this program may run on.
    pub(crate) fn start(procfs: &Arc<Procfs>, proc_root: &Path, fields: Fields) -> io::Result<Self> {
        let Cpus { online, own } = Cpus::of_this_thread();
        let tools = Tools {
            procfs: Arc::clone(procfs),
            proc_root: proc_root.to_owned(),
            fields: Arc::new(AtomicU16::new(fields.bits())),
            stop: eventfd(0, EventfdFlags::CLOEXEC)?,
            bytes: Arc::default(),
        };
        let mut workers = Self { of_cpu: FxHashMap::default(), vacant: own, retry_ns: 0, tools, online };
        while workers.fill_vacancy()? {}
        Ok(workers)
    }

    /// Returns true if there may be another.
    fn fill_vacancy(&mut self) -> io::Result<bool> {
        if stuck_threads() >= STUCK_MAX {
            return Ok(false);
        }
        let now_ns = clock_ns(ClockId::Monotonic);
        let Some(&cpu) = self.vacant.last().filter(|_| now_ns >= self.retry_ns) else { return Ok(false) };
        self.retry_ns = now_ns + RETRY_NS;
        self.of_cpu.insert(cpu, self.tools.start(cpu)?);
        self.vacant.pop();
        self.retry_ns = 0;
        Ok(true)
    }

    /// What is to be read from now on.
    pub(crate) fn set_fields(&self, fields: Fields) {
        self.tools.fields.store(fields.bits(), Ordering::Relaxed);
    }

    /// How they are scheduled; `None` as long as there is not one on every CPU of the machine.
    pub(crate) fn priority(&self) -> Option<Priority> {
        let mut priorities = self.of_cpu.values().map(|worker| worker.priority.get().copied());
        let first = priorities.next().filter(|_| self.of_cpu.len() == self.online)?;
        if priorities.all(|priority| priority.is_some()) { first } else { None }
    }

    /// What was found of the process that made this call.
    pub(crate) fn found(&mut self, exec: Exec) -> Option<RawDetails> {
        let Some(WorkerHandle { captured, priority, .. }) = self.of_cpu.get_mut(&exec.cpu) else {
            // The reader's thread reads for a CPU whose thread cannot be started now.
            let _ = self.fill_vacancy();
            return None;
        };
        let found = captured.take(exec.seq, priority.get().map_or(Duration::ZERO, |_| CAPTURE_TIMEOUT));
        if found.is_none() {
            self.replace_if_hung(exec.cpu);
        }
        found
    }

    fn replace_if_hung(&mut self, cpu: u32) {
        let now_ns = clock_ns(ClockId::Monotonic);
        let Some(state) = self.of_cpu.get(&cpu).map(|worker| &worker.state) else { return };
        let Some(reading) = state.hung(now_ns).filter(|reading| state.abandon(*reading)) else { return };
        self.tools.procfs.hung().skip(reading.pid, now_ns);
        self.tools.procfs.hung().count();
        if let Some(worker) = self.of_cpu.remove(&cpu) {
            worker.leave();
            self.vacant.push(cpu);
            let _ = self.fill_vacancy();
        }
    }
}

impl Drop for CaptureWorkers {
    fn drop(&mut self) {
        // An eventfd takes a one at any time.
        let _ = rustix::io::write(&self.tools.stop, &1u64.to_ne_bytes());
        self.of_cpu.drain().for_each(|(_, worker)| worker.end());
    }
}

impl WorkerHandle {
    /// Waits for the thread, which was told to end, unless it is stuck.
    fn end(self) {
        let began = Instant::now();
        loop {
            match self.captured.queue.recv_timeout(DEADLINE) {
                // It has let go of everything.
                Err(RecvTimeoutError::Disconnected) => return drop(self.thread.join()),
                Err(RecvTimeoutError::Timeout) => {
                    let reading = self.state.current().filter(|_| !self.state.is_runnable());
                    let is_abandoned = reading.is_some_and(|reading| self.state.abandon(reading));
                    if is_abandoned || began.elapsed() > END_CAPTURE_TIMEOUT {
                        return self.leave();
                    }
                }
                Ok(_) => {}
            }
        }
    }

    /// Leaves the thread alone. It closes its socket when its read returns; until then nothing is to be sent there.
    fn leave(self) {
        // Should this fail, no more is kept for it than its receive buffer takes.
        let _ = sys::attach_filter(self.socket.as_fd(), &bpf::execs_on(u32::MAX));
    }
}

impl Tools {
    fn start(&self, cpu: u32) -> io::Result<WorkerHandle> {
        let (captured, queue) = sync_channel(CAPTURED_MAX);
        let priority = Arc::new(OnceLock::new());
        let state = Arc::new(ReadState::default());
        let socket = Arc::new(open_exec_listener(&self.proc_root, cpu).map_err(io::Error::other)?);
        let lookout = Worker {
            procfs: self.procfs.direct_reader(),
            state: Arc::clone(&state),
            socket: Arc::clone(&socket),
            stop: self.stop.try_clone()?,
            fields: Arc::clone(&self.fields),
            bytes: Arc::clone(&self.bytes),
            captured,
        };
        let its_priority = Arc::clone(&priority);
        // Under the name of the thread that starts it: giving itself one would be an event.
        let thread = Builder::new().stack_size(STACK_SIZE).spawn(move || {
            // A CPU that this program may not run on any more is left to the reader's thread.
            if only(cpu).is_some_and(|only| sched_setaffinity(None, &only).is_ok()) {
                let mut schedule = ThreadScheduling::of_this_thread();
                schedule.raise();
                let _ = its_priority.set(schedule.priority());
                lookout.keep();
            }
        })?;
        Ok(WorkerHandle {
            captured: CaptureQueue::new(queue, Arc::clone(&self.bytes)),
            priority,
            state,
            socket,
            thread,
        })
    }
}

/// What one thread works with.
#[derive(Debug)]
struct Worker {
    procfs: DirectReader,
    state: Arc<ReadState>,
    socket: Arc<OwnedFd>,
    stop: OwnedFd,
    fields: Arc<AtomicU16>,
    bytes: Arc<AtomicUsize>,
    /// The last that it lets go of: the reader's thread then knows that all else is gone.
    captured: SyncSender<Captured>,
}

impl Worker {
    /// The thread's body.
    fn keep(mut self) {
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
                // What was lost here, the reader's thread reads.
                Err(Errno::NOBUFS) => {}
                Err(_) => return,
            }
        }
    }

    /// Returns true if the thread was abandoned meanwhile.
    fn handle_datagram(&mut self, datagram: &[u8]) -> bool {
        let Ok(message) = wire::parse(datagram) else { return false };
        let ProcEvent::Exec { process_tgid, .. } = message.event else { return false };
        let pid = process_tgid as u32;
        let now_ns = clock_ns(ClockId::Monotonic);
        let fields = Fields::from_bits(self.fields.load(Ordering::Relaxed));
        let mut details = None;
        // Where there is no room the reader's thread will have to see what is left.
        if self.bytes.load(Ordering::Relaxed) < BYTES_MAX
            && !self.procfs.procfs().hung().is_skipped(pid, now_ns)
        {
            self.state.begin(pid, now_ns);
            details = self.procfs.read(pid, fields);
            if self.state.end() {
                return true;
            }
        }
        let weight = details.as_ref().map_or(0, RawDetails::weight);
        self.bytes.fetch_add(weight, Ordering::Relaxed);
        if self.captured.try_send((message.seq, details)).is_err() {
            self.bytes.fetch_sub(weight, Ordering::Relaxed);
        }
        false
    }
}
