//! A loss that is noticed before everything that was sent before it has been read.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use proc_events::connector::source::{Batch, DatagramSource};
use proc_events::connector::wire::{self, DATAGRAM_LEN, what};
use proc_events::delivery::queue::SubscriberQueue;
use proc_events::model::now::Now;
use proc_events::model::snapshot::{ObservedProcess, Snapshot};
use proc_events::pipeline::Pipeline;
use proc_events::process::inspector::{Exec, Liveness, ProcessInspector};
use proc_events::stats::Stats;
use proc_events::sys::datagram::Datagram;
use proc_events::{EventData, EventTypes, ExitStatus, Fields, Interest, Notification};
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

impl DatagramSource for Receiver {
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

impl ProcessInspector for Nobody {
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

#[test]
fn an_exit_that_had_no_room_behind_a_backlog_is_made_right() {
    let (stats, mut queues) = (Stats::default(), Vec::new());
    let interest = Interest { types: EventTypes::LIFECYCLE, fields: Fields::NONE };
    let queue = Arc::new(SubscriberQueue::new(100, interest, Box::new(|| {})));
    queue.deliver_scan(std::iter::empty(), 1);
    queues.push(Arc::clone(&queue));
    let socket = Rc::new(Socket::default());
    let mut pipeline = Pipeline::new(Nobody, &mut queues, interest, &stats);
    pipeline.attach(Some(Receiver(Rc::clone(&socket))));

    // The queue is full of older reports, then an exec; its exit has no room.
    for pid in 2..=5 {
        let exec = wire::datagram(what::PROC_EVENT_EXEC, pid, u64::from(pid), &[pid, pid]);
        socket.waiting.borrow_mut().push_back(exec);
    }
    socket.drops.set(4);

    // A turn of the reader ends before the queue does, and it has noticed the loss.
    pipeline.drain(2).unwrap();
    let mut now = Instant::now();
    while !socket.is_exhausted.get() || pipeline.resync.due().is_some() {
        if pipeline.begin_snapshot_if_due(Now { instant: now, monotonic_ns: 1_000 }).unwrap() {
            pipeline
                .finish_snapshot(Ok(Snapshot::default()), Now { instant: now, monotonic_ns: 1_000 })
                .unwrap();
            pipeline
                .finish_snapshot_if_due(Now { instant: now + Duration::from_secs(1), monotonic_ns: 1_000 })
                .unwrap();
        } else {
            pipeline.drain(2).unwrap();
        }
        now = pipeline.resync.due().map_or(now, |due| due.max(now));
    }

    let mut notifications = Vec::new();
    queue.take(100, &mut notifications);
    let told = |is_it: fn(&EventData) -> bool| {
        let reported = |notification: &&Notification| matches!(notification, Notification::Event(event) if is_it(&event.data));
        notifications.iter().filter(reported).count()
    };
    assert_eq!(told(|kind| matches!(kind, EventData::Exec { .. })), 4);
    assert_eq!(told(|kind| matches!(kind, EventData::Exit { .. })), 4, "all have ended: {notifications:?}");
    assert!(matches!(notifications.last(), Some(Notification::Loss(loss)) if loss.lost == 4));
    assert!(pipeline.table.is_empty());
}
