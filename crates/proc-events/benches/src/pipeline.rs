//! All of the way from the socket to a subscriber, on a machine where processes only come and go.

use std::cell::Cell;
use std::hint::black_box;
use std::io;
use std::sync::Arc;

use proc_events::connector::source::{Batch, DatagramSource};
use proc_events::connector::wire::{DATAGRAM_LEN, PROC_EVENT};
use proc_events::delivery::queue::SubscriberQueue;
use proc_events::model::snapshot::ObservedProcess;
use proc_events::pipeline::Pipeline;
use proc_events::process::inspector::{Exec, Liveness, ProcessInspector};
use proc_events::stats::Stats;
use proc_events::sys::datagram::Datagram;
use proc_events::{ExitStatus, Fields};
use rustix::io::Errno;

use crate::works::{LIFECYCLE, life};

/// In one turn: the exec and the exit of half as many processes.
pub(crate) const EVENTS: u64 = 64;

/// The same datagrams at every turn, but for their time.
struct Socket {
    datagrams: Vec<[u8; DATAGRAM_LEN]>,
    next: Cell<usize>,
    now_ns: Cell<u64>,
}

impl DatagramSource for Socket {
    fn receive(&self, batch: &mut Batch) -> rustix::io::Result<bool> {
        batch.receive_each(|| {
            let mut bytes = *self.datagrams.get(self.next.get()).ok_or(Errno::AGAIN)?;
            self.next.set(self.next.get() + 1);
            self.now_ns.set(self.now_ns.get() + 10_000);
            bytes[PROC_EVENT + 8..PROC_EVENT + 16].copy_from_slice(&self.now_ns.get().to_ne_bytes());
            Ok(Datagram { bytes, len: DATAGRAM_LEN, port: Some(0) })
        })
    }
    fn exhausted(&self) {
        self.next.set(0);
    }
    fn drops(&self) -> io::Result<u32> {
        Ok(0)
    }
}

/// Whoever is asked about has just ended.
struct Ended;

impl ProcessInspector for Ended {
    type Pidfd = ();

    fn supports_pidfd(&self) -> bool {
        true
    }
    fn liveness(&self, _: u32) -> Liveness<()> {
        Liveness::Exited
    }
    fn zombie_status(&mut self, _: u32) -> Option<Option<ExitStatus>> {
        None
    }
    fn watch_exit(&mut self, _: u32, (): ()) -> io::Result<()> {
        Ok(())
    }
    fn unwatch(&mut self, _: u32) {}
    fn capture(&mut self, _: Exec, _: Fields) -> ObservedProcess {
        ObservedProcess::default()
    }
    fn observe(&mut self, _: u32, _: Fields) -> Option<ObservedProcess> {
        None
    }
    fn exit_status(&mut self, _: u32) -> Option<ExitStatus> {
        None
    }
}

pub(crate) fn receive_and_drain() -> impl FnMut() {
    let queue = Arc::new(SubscriberQueue::new(0, LIFECYCLE, Box::new(|| {})));
    queue.deliver_scan(std::iter::empty(), 1);
    let datagrams = (0..EVENTS as u32 / 2).flat_map(|i| life(1000 + i, 0)).collect();
    let socket = Socket { datagrams, next: Cell::new(0), now_ns: Cell::new(1 << 40) };
    // The program ends with it.
    let queues = Box::leak(Box::new(vec![Arc::clone(&queue)]));
    let stats = Box::leak(Box::new(Stats::default()));
    let mut pipeline = Pipeline::new(Ended, queues, LIFECYCLE, stats);
    pipeline.attach(Some(socket));
    let mut notifications = Vec::new();
    move || {
        pipeline.drain(usize::MAX).expect("a socket that does not fail");
        queue.take(usize::MAX, &mut notifications);
        // From the second turn on, when the scan at the start is over.
        debug_assert!(notifications.len() >= EVENTS as usize);
        black_box(&mut notifications).clear();
    }
}
