//! All of the way from the socket to a subscriber, on a machine where processes only come and go.

use std::cell::Cell;
use std::hint::black_box;
use std::io;
use std::sync::Arc;

use proc_events::door::{Batch, Datagram, Door, Exec, Presence, Processes};
use proc_events::hearing::Hearing;
use proc_events::outbox::Outbox;
use proc_events::procfs::Sighting;
use proc_events::stats::Stats;
use proc_events::wire::{DATAGRAM_LEN, PROC_EVENT};
use proc_events::{ExitStatus, Fields};
use rustix::io::Errno;

use crate::works::{LIFE, life};

/// In one turn: the exec and the exit of half as many processes.
pub(crate) const EVENTS: u64 = 64;

/// The same datagrams at every turn, but for their time.
struct Socket {
    datagrams: Vec<[u8; DATAGRAM_LEN]>,
    next: Cell<usize>,
    now_ns: Cell<u64>,
}

impl Door for Socket {
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

impl Processes for Ended {
    type Pidfd = ();

    fn can_tell(&self) -> bool {
        true
    }
    fn presence(&self, _: u32) -> Presence<()> {
        Presence::Ended
    }
    fn corpse(&mut self, _: u32) -> Option<Option<ExitStatus>> {
        None
    }
    fn await_end(&mut self, _: u32, (): ()) -> io::Result<()> {
        Ok(())
    }
    fn forget(&mut self, _: u32) {}
    fn capture(&mut self, _: Exec, _: Fields) -> Sighting {
        Sighting::default()
    }
    fn sight(&mut self, _: u32, _: Fields) -> Option<Sighting> {
        None
    }
    fn exit_status(&mut self, _: u32) -> Option<ExitStatus> {
        None
    }
}

pub(crate) fn hear_and_take() -> impl FnMut() {
    let outbox = Arc::new(Outbox::new(0, LIFE, Box::new(|| {})));
    outbox.release(std::iter::empty(), 1);
    let datagrams = (0..EVENTS as u32 / 2).flat_map(|i| life(1000 + i, 0)).collect();
    let socket = Socket { datagrams, next: Cell::new(0), now_ns: Cell::new(1 << 40) };
    // The program ends with it.
    let outboxes = Box::leak(Box::new(vec![Arc::clone(&outbox)]));
    let stats = Box::leak(Box::new(Stats::default()));
    let mut hearing = Hearing::new(Ended, outboxes, LIFE, stats);
    hearing.adopt(Some(socket));
    let mut notices = Vec::new();
    move || {
        hearing.drain(usize::MAX).expect("a socket that does not fail");
        outbox.take(usize::MAX, &mut notices);
        // From the second turn on, when the scan at the start is over.
        debug_assert!(notices.len() >= EVENTS as usize);
        black_box(&mut notices).clear();
    }
}
