//! The reader's thread: whoever starts it, and however it is let go, it ends. With the real `/proc`, polled, which takes
//! no permission.

#![expect(clippy::unwrap_used, reason = "in a test, a panic is the report")]

use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use proc_events::{EventTypes, Fields, Interest, Notification, Options, SourceKind, Subscription};

/// An interval that no other test has, so that the reader is this test's own.
fn subscribe(interval_ms: u64) -> (Subscription, Receiver<()>) {
    let options = Options {
        source: SourceKind::Polling,
        polling_interval: Duration::from_millis(interval_ms),
        ..Options::default()
    };
    let (bell, rung) = channel();
    let interest = Interest { types: EventTypes::LIFECYCLE, fields: Fields::NONE };
    let subscription = Subscription::new(options, 0, interest, Box::new(move || bell.send(()).unwrap_or(())));
    (subscription, rung)
}

fn wait_for(subscription: &Subscription, rung: &Receiver<()>, is_it: fn(&Notification) -> bool) {
    let mut notifications = Vec::new();
    while !notifications.iter().any(is_it) {
        notifications.clear();
        subscription.take(usize::MAX, &mut notifications);
        if notifications.is_empty() {
            rung.recv_timeout(Duration::from_secs(10)).unwrap();
        }
    }
}

fn readers() -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let comm = |task: std::io::Result<std::fs::DirEntry>| std::fs::read(task.unwrap().path().join("comm"));
    tasks.filter_map(|task| comm(task).ok()).filter(|comm| comm == b"proc-events\n").count()
}

#[test]
fn whatever_is_asked_of_it_after_the_stop_the_reader_ends() {
    for round in 0..20 {
        let (subscription, rung) = subscribe(10_000 + round);
        wait_for(&subscription, &rung, |notification| matches!(notification, Notification::Opened { .. }));
        subscription.stop();
        subscription.set_interest(Interest { types: EventTypes::ALL, fields: Fields::ALL });
        subscription.scan(7);
        // Asks a second time, and waits for the thread.
        drop(subscription);
        assert_eq!(readers(), 0);
    }
}
