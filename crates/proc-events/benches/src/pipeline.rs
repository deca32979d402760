//! The whole way from the socket to a subscriber, on a machine whose processes only exec and exit.

use std::hint::black_box;
use std::sync::Arc;

use proc_events::connector::wire::{DATAGRAM_LEN, PROC_EVENT};
use proc_events::delivery::queue::SubscriberQueue;
use proc_events::pipeline::Pipeline;
use proc_events::stats::Stats;
use proc_events::sys::datagram::Datagram;

use crate::backend::{FakeBackend, FakeKernel, FakeMachine};
use crate::works::{LIFECYCLE, exec_and_exit};

/// The number of events at once: the execs and the exits of half as many processes.
pub(crate) const EVENTS: u64 = 64;

/// A machine without processes. It sends the same datagrams at each drain, except for their times.
struct RepeatingMachine {
    kernel: FakeKernel,
    datagrams: Vec<[u8; DATAGRAM_LEN]>,
    next: usize,
    now_ns: u64,
}

impl FakeMachine for RepeatingMachine {
    fn kernel(&mut self) -> &mut FakeKernel {
        &mut self.kernel
    }

    fn next_datagram(&mut self) -> Option<Datagram> {
        let mut bytes = *self.datagrams.get(self.next)?;
        self.next += 1;
        self.now_ns += 10_000;
        bytes[PROC_EVENT + 8..PROC_EVENT + 16].copy_from_slice(&self.now_ns.to_ne_bytes());
        Some(Datagram { bytes, len: DATAGRAM_LEN, port: Some(0) })
    }
}

pub(crate) fn receive_and_drain() -> impl FnMut() {
    let queue = Arc::new(SubscriberQueue::new(1 << 16, LIFECYCLE, Box::new(|| {})));
    queue.deliver_scan(std::iter::empty(), 1);
    let datagrams = (0..EVENTS as u32 / 2).flat_map(|i| exec_and_exit(1000 + i, 0)).collect();
    let machine = RepeatingMachine { kernel: FakeKernel::default(), datagrams, next: 0, now_ns: 1 << 40 };
    let backend = FakeBackend::new(machine);
    // Leaked, because the pipeline lives until the program exits.
    let queues = Box::leak(Box::new(vec![Arc::clone(&queue)]));
    let stats = Box::leak(Box::new(Stats::default()));
    let mut pipeline = Pipeline::new(backend.clone(), queues, LIFECYCLE, stats);
    pipeline.attach(Some(backend.clone()));
    let mut notifications = Vec::new();
    move || {
        backend.machine().next = 0;
        pipeline.drain(usize::MAX).expect("a fake socket without faults");
        queue.take(usize::MAX, &mut notifications);
        debug_assert!(notifications.len() >= EVENTS as usize);
        black_box(&mut notifications).clear();
    }
}
