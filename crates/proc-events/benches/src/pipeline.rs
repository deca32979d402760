//! The whole way from the socket to a subscriber, on a machine where processes only start and exit.

use std::cell::RefCell;
use std::hint::black_box;
use std::rc::Rc;
use std::sync::Arc;

use proc_events::connector::wire::{DATAGRAM_LEN, PROC_EVENT};
use proc_events::delivery::queue::SubscriberQueue;
use proc_events::pipeline::Pipeline;
use proc_events::stats::Stats;
use proc_events::sys::datagram::Datagram;
use rustix::io::Errno;

use crate::fake_backend::{FakeBackend, FakeMachine};
use crate::works::{LIFECYCLE, life};

/// Events of one round: an exec and an exit for each of half as many processes.
pub(crate) const EVENTS: u64 = 64;

/// A socket that yields the same datagrams in each round, with later times.
struct Replay {
    datagrams: Vec<[u8; DATAGRAM_LEN]>,
    next: usize,
    now_ns: u64,
}

impl FakeMachine for Replay {
    fn recvfrom(&mut self) -> Result<Datagram, Errno> {
        let mut bytes = *self.datagrams.get(self.next).ok_or(Errno::AGAIN)?;
        self.next += 1;
        self.now_ns += 10_000;
        bytes[PROC_EVENT + 8..PROC_EVENT + 16].copy_from_slice(&self.now_ns.to_ne_bytes());
        Ok(Datagram { bytes, len: DATAGRAM_LEN, port: Some(0) })
    }
    fn exhausted(&mut self) {
        self.next = 0;
    }
}

pub(crate) fn receive_and_drain() -> impl FnMut() {
    let queue = Arc::new(SubscriberQueue::new(0, LIFECYCLE, Box::new(|| {})));
    queue.deliver_scan(std::iter::empty(), 1);
    let datagrams = (0..EVENTS as u32 / 2).flat_map(|i| life(1000 + i, 0)).collect();
    let replay = Replay { datagrams, next: 0, now_ns: 1 << 40 };
    let backend = FakeBackend(Rc::new(RefCell::new(replay)));
    // Lives as long as the program.
    let queues = Box::leak(Box::new(vec![Arc::clone(&queue)]));
    let stats = Box::leak(Box::new(Stats::default()));
    let mut pipeline = Pipeline::new(backend.clone(), queues, LIFECYCLE, stats);
    pipeline.attach(Some(backend));
    let mut notifications = Vec::new();
    move || {
        pipeline.drain(usize::MAX).expect("a socket that does not fail");
        queue.take(usize::MAX, &mut notifications);
        // From the second round on, the bootstrap scan is over.
        debug_assert!(notifications.len() >= EVENTS as usize);
        black_box(&mut notifications).clear();
    }
}
