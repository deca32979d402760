//! A loss that is noticed before everything that was sent before it has been read.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use proc_events::door::{Batch, Datagram, Door, Exec, Presence, Processes};
use proc_events::hearing::Hearing;
use proc_events::outbox::Outbox;
use proc_events::procfs::{Sighting, Snapshot};
use proc_events::stats::Stats;
use proc_events::wire::{self, DATAGRAM_LEN, what};
use proc_events::{EventKind, ExitStatus, Fields, Interest, Kinds, Notice};
use rustix::io::Errno;
use tokio::time::Instant;

/// What waits in the socket, and what had no room in it.
#[derive(Default)]
struct Socket {
    waiting: RefCell<VecDeque<[u8; DATAGRAM_LEN]>>,
    drops: Cell<u32>,
    is_exhausted: Cell<bool>,
}

struct Receiver(Rc<Socket>);

impl Door for Receiver {
    fn receive(&self, batch: &mut Batch) -> rustix::io::Result<bool> {
        let mut waiting = self.0.waiting.borrow_mut();
        batch.receive_each(|| {
            let bytes = waiting.pop_front().ok_or(Errno::AGAIN)?;
            Ok(Datagram { bytes, len: DATAGRAM_LEN, port: Some(0) })
        })
    }
    fn exhausted(&self) {
        self.0.is_exhausted.set(true);
    }
    fn drops(&self) -> io::Result<u32> {
        Ok(self.0.drops.get())
    }
}

/// Nothing runs any more.
struct Nobody;

impl Processes for Nobody {
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

#[test]
fn an_exit_that_had_no_room_behind_a_backlog_is_made_right() {
    let (stats, mut outboxes) = (Stats::default(), Vec::new());
    let interest = Interest { kinds: Kinds::LIFE, fields: Fields::NONE };
    let outbox = Arc::new(Outbox::new(100, interest, Box::new(|| {})));
    outbox.release(std::iter::empty(), 1);
    outboxes.push(Arc::clone(&outbox));
    let socket = Rc::new(Socket::default());
    let mut hearing = Hearing::new(Nobody, &mut outboxes, interest, &stats);
    hearing.adopt(Some(Receiver(Rc::clone(&socket))));

    // The queue is full of older reports, then an exec; its exit has no room.
    for pid in 2..=5 {
        let exec = wire::datagram(what::PROC_EVENT_EXEC, pid, u64::from(pid), &[pid, pid]);
        socket.waiting.borrow_mut().push_back(exec);
    }
    socket.drops.set(4);

    // A turn of the reader ends before the queue does, and it has noticed the loss.
    hearing.drain(2).unwrap();
    let mut now = Instant::now();
    while !socket.is_exhausted.get() || hearing.resync.due().is_some() {
        if hearing.begin_snapshot_if_due(now, 1_000).unwrap() {
            hearing.settle(Ok(Snapshot::default()), now, 1_000).unwrap();
            hearing.settle_if_due(now + Duration::from_secs(1), 1_000).unwrap();
        } else {
            hearing.drain(2).unwrap();
        }
        now = hearing.resync.due().map_or(now, |due| due.max(now));
    }

    let mut notices = Vec::new();
    outbox.take(100, &mut notices);
    let told = |is_it: fn(&EventKind) -> bool| {
        let is_told = |notice: &&Notice| matches!(notice, Notice::Event(event) if is_it(&event.kind));
        notices.iter().filter(is_told).count()
    };
    assert_eq!(told(|kind| matches!(kind, EventKind::Exec { .. })), 4);
    assert_eq!(told(|kind| matches!(kind, EventKind::Exit { .. })), 4, "all have ended: {notices:?}");
    assert!(matches!(notices.last(), Some(Notice::Loss(loss)) if loss.lost == 4));
    assert!(hearing.table.is_empty());
}
