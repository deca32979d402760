//! One thread on each CPU that reads the details of what calls exec there, at once: it is woken on that very CPU, ahead
//! of the process, which has not run one instruction of its new program when everything about it has been read. A single
//! thread would mostly be woken on another CPU, and race against the process.
//!
//! Each has a socket with a filter of its own, and the stream of events is none of its business: the reader's thread
//! takes what was found here when it comes to that exec, and reads for itself what was not.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, OnceLock};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use neli::connector::ProcEvent;
use rustc_hash::FxHashMap;
use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use rustix::io::Errno;
use rustix::thread::{CpuSet, sched_setaffinity};

use crate::door::{Datagram, Exec};
use crate::interest::Fields;
use crate::priority::{Priority, Schedule};
use crate::procfs::{self, Procfs, Sighting};
use crate::socket::{overhear, recv};
use crate::wire;

/// The kernel offers each event to each of these sockets, for a tenth of a microsecond: that has to stay little.
const CPUS_MAX: usize = 16;
/// How many finds wait for the reader's thread at most, for each CPU, and how many bytes of arguments.
const FINDS_MAX: usize = 512;
const BYTES_MAX: usize = 4 << 20;
/// How long a find is waited for: far longer than it takes. Two threads that look up the same process at once wait for
/// each other in the kernel, and while one here waits, the process runs.
const PATIENCE: Duration = Duration::from_millis(2);
/// Everything large is on the heap.
const STACK_SIZE: usize = 256 * 1024;

/// What was read of a process, with the number of its exec among the messages of the CPU.
type Find = (u32, Sighting);

/// The threads, as far as they could be had.
#[derive(Debug)]
pub(super) struct Scouts {
    of_cpu: FxHashMap<u32, Scout>,
    fields: Arc<AtomicU16>,
    /// Readable once they are to end.
    stop: OwnedFd,
    cpus: usize,
}

#[derive(Debug)]
struct Scout {
    finds: Finds<Receiver<Find>>,
    /// How it is scheduled, once it is on its CPU.
    priority: Arc<OnceLock<Priority>>,
    thread: Option<JoinHandle<()>>,
}

impl Scouts {
    /// Starts one on each CPU. `clock_offset_ns` is added to the kernel's times.
    pub(super) fn start(
        procfs: &Arc<Procfs>,
        proc_root: &Path,
        clock_offset_ns: i64,
        fields: Fields,
    ) -> io::Result<Self> {
        let cpus = online_cpus().filter(|cpus| cpus.len() <= CPUS_MAX).unwrap_or_default();
        let mut scouts = Self {
            of_cpu: FxHashMap::default(),
            fields: Arc::new(AtomicU16::new(fields.bits())),
            stop: eventfd(0, EventfdFlags::CLOEXEC)?,
            cpus: cpus.len(),
        };
        for cpu in cpus {
            let (finds, queue) = sync_channel(FINDS_MAX);
            let bytes = Arc::new(AtomicUsize::new(0));
            let priority = Arc::new(OnceLock::new());
            let lookout = Lookout {
                procfs: procfs.reader(),
                socket: overhear(proc_root, cpu).map_err(io::Error::other)?,
                stop: scouts.stop.try_clone()?,
                fields: Arc::clone(&scouts.fields),
                clock_offset_ns,
                finds,
                bytes: Arc::clone(&bytes),
            };
            let its_priority = Arc::clone(&priority);
            // Under the name of the thread that starts it: giving itself one would be an event.
            let thread = Builder::new().stack_size(STACK_SIZE).spawn(move || {
                let mut only = CpuSet::new();
                only.set(cpu as usize);
                // A CPU that this program may not run on is left to the reader's thread.
                if sched_setaffinity(None, &only).is_ok() {
                    let mut schedule = Schedule::of_this_thread();
                    schedule.hurry();
                    let _ = its_priority.set(schedule.priority());
                    lookout.keep();
                }
            })?;
            let finds = Finds { queue, front: None, is_silent: false, bytes };
            scouts.of_cpu.insert(cpu, Scout { finds, priority, thread: Some(thread) });
        }
        Ok(scouts)
    }

    /// What is to be read from now on.
    pub(super) fn read(&self, fields: Fields) {
        self.fields.store(fields.bits(), Ordering::Relaxed);
    }

    /// How they are scheduled; `None` as long as there is not one on every CPU.
    pub(super) fn priority(&self) -> Option<Priority> {
        let mut priorities = self.of_cpu.values().map(|scout| scout.priority.get().copied());
        let first = priorities.next().filter(|_| self.of_cpu.len() == self.cpus)?;
        if priorities.all(|priority| priority.is_some()) { first } else { None }
    }

    /// What was found of the process that made this call.
    pub(super) fn found(&mut self, exec: Exec) -> Option<Sighting> {
        let Scout { finds, priority, .. } = self.of_cpu.get_mut(&exec.cpu)?;
        finds.take(exec.seq, priority.get().map_or(Duration::ZERO, |_| PATIENCE))
    }
}

impl Drop for Scouts {
    fn drop(&mut self) {
        // An eventfd takes a one at any time.
        let _ = rustix::io::write(&self.stop, &1u64.to_ne_bytes());
        for thread in self.of_cpu.values_mut().filter_map(|scout| scout.thread.take()) {
            let _ = thread.join();
        }
    }
}

/// What one thread works with.
#[derive(Debug)]
struct Lookout {
    procfs: procfs::Reader,
    socket: OwnedFd,
    stop: OwnedFd,
    fields: Arc<AtomicU16>,
    clock_offset_ns: i64,
    finds: SyncSender<Find>,
    bytes: Arc<AtomicUsize>,
}

impl Lookout {
    /// The thread's body.
    fn keep(mut self) {
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
                    if let Some(message) = datagram.as_ref().and_then(Datagram::message) {
                        self.hear(message);
                    }
                }
                // What was lost here, the reader's thread reads.
                Err(Errno::NOBUFS) => {}
                Err(_) => return,
            }
        }
    }

    fn hear(&mut self, datagram: &[u8]) {
        let Ok(message) = wire::parse(datagram) else { return };
        let ProcEvent::Exec { process_tgid, .. } = message.event else { return };
        let exec_ns = message.timestamp_ns.saturating_add_signed(self.clock_offset_ns);
        let fields = Fields::from_bits(self.fields.load(Ordering::Relaxed));
        let mut sighting = self.procfs.capture(process_tgid as u32, fields, exec_ns);
        // Where there is no room the reader's thread will have to see what is left.
        if self.bytes.load(Ordering::Relaxed) > BYTES_MAX {
            sighting = Sighting::default();
        }
        let weight = weight(&sighting);
        self.bytes.fetch_add(weight, Ordering::Relaxed);
        if self.finds.try_send((message.seq, sighting)).is_err() {
            self.bytes.fetch_sub(weight, Ordering::Relaxed);
        }
    }
}

/// The finds of one CPU, in the order of its execs.
#[derive(Debug)]
struct Finds<Q> {
    queue: Q,
    /// The first one, if it belongs to an exec that was not heard yet.
    front: Option<Find>,
    /// One was waited for in vain, and none has come since.
    is_silent: bool,
    bytes: Arc<AtomicUsize>,
}

/// Where finds come from.
trait Queue {
    fn next(&mut self, patience: Duration) -> Option<Find>;
}
impl Queue for Receiver<Find> {
    fn next(&mut self, patience: Duration) -> Option<Find> {
        self.recv_timeout(patience).ok()
    }
}
impl Queue for VecDeque<Find> {
    fn next(&mut self, _: Duration) -> Option<Find> {
        self.pop_front()
    }
}

impl<Q: Queue> Finds<Q> {
    /// The find of this exec. Earlier ones are of no use any more.
    fn take(&mut self, seq: u32, patience: Duration) -> Option<Sighting> {
        loop {
            // After a stop of the whole program, say, thousands were missed: they are not waited for one by one.
            let patience = if self.is_silent { Duration::ZERO } else { patience };
            let find = self.front.take().or_else(|| self.queue.next(patience));
            self.is_silent = find.is_none();
            let (found, sighting) = find?;
            // The kernel's numbers start again at zero after the last one.
            if found.wrapping_sub(seq).cast_signed() > 0 {
                self.front = Some((found, sighting));
                return None;
            }
            self.bytes.fetch_sub(weight(&sighting), Ordering::Relaxed);
            if found == seq {
                return Some(sighting);
            }
        }
    }
}

fn weight(sighting: &Sighting) -> usize {
    let argv = sighting.process.as_ref().and_then(|process| process.argv.as_ref());
    argv.map_or(0, |argv| argv.text.len())
}

/// The CPUs that run processes; `None` where that is not shown.
fn online_cpus() -> Option<Vec<u32>> {
    numbers(std::fs::read_to_string("/sys/devices/system/cpu/online").ok()?.trim_end())
}

/// The numbers of a list as the kernel writes it: `0-3,6`.
fn numbers(list: &str) -> Option<Vec<u32>> {
    let range = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        Some(first.parse::<u32>().ok()?..=last.parse().ok()?)
    };
    let ranges: Option<Vec<_>> = list.split(',').map(range).collect();
    Some(ranges?.into_iter().flatten().take(CPUS_MAX + 1).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_cpus_is_read_as_the_kernel_writes_it() {
        assert_eq!(numbers("0"), Some(vec![0]));
        assert_eq!(numbers("0-2,5"), Some(vec![0, 1, 2, 5]));
        assert_eq!(numbers("0-4294967295").map(|cpus| cpus.len()), Some(CPUS_MAX + 1));
        assert_eq!((numbers(""), numbers("0-x")), (None, None));
    }

    #[test]
    fn a_find_is_taken_at_its_exec_and_earlier_ones_are_dropped() {
        let of = |pid| Sighting { pid, ..Sighting::default() };
        let queue: VecDeque<Find> = [u32::MAX, 0, 3, 4, 9].map(|seq| (seq, of(seq))).into();
        let mut finds = Finds { queue, front: None, is_silent: false, bytes: Arc::default() };
        let mut pid = |seq| finds.take(seq, Duration::ZERO).map(|sighting| sighting.pid);
        assert_eq!(pid(u32::MAX - 1), None);
        assert_eq!(pid(u32::MAX), Some(u32::MAX));
        assert_eq!([pid(2), pid(4), pid(5), pid(9), pid(10)], [None, Some(4), None, Some(9), None]);
    }

    #[test]
    fn a_thread_that_has_kept_one_waiting_is_waited_for_again_once_it_has_found_something() {
        struct Asked(VecDeque<Find>, Vec<Duration>);
        impl Queue for Asked {
            fn next(&mut self, patience: Duration) -> Option<Find> {
                self.1.push(patience);
                self.0.pop_front()
            }
        }
        let queue = Asked(VecDeque::new(), Vec::new());
        let mut finds = Finds { queue, front: None, is_silent: false, bytes: Arc::default() };
        for seq in 1..4 {
            assert!(finds.take(seq, PATIENCE).is_none());
        }
        finds.queue.0.push_back((2, Sighting::default()));
        assert!(finds.take(4, PATIENCE).is_none());
        let none = Duration::ZERO;
        assert_eq!(finds.queue.1, [PATIENCE, none, none, none, PATIENCE]);
    }
}
