//! The end of the reader thread. The tests poll the real `/proc`, because that needs no permission.

#![expect(clippy::unwrap_used, reason = "in a test, a panic is the report")]

use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use proc_events::{EventTypes, Fields, Interest, Notification, Options, SourceKind, Subscription};

/// Subscribes with an interval that no other test has, so that the test has a reader thread of its own.
fn subscribe(interval_ms: u64) -> (Subscription, Receiver<()>) {
    let options = Options {
        source: SourceKind::Polling,
        polling_interval: Duration::from_millis(interval_ms),
        ..Options::default()
    };
    let (wake, woken) = channel();
    let interest = Interest { types: EventTypes::LIFECYCLE, fields: Fields::NONE, recapture: false };
    let subscription = Subscription::new(options, 0, interest, Box::new(move || wake.send(()).unwrap_or(())));
    (subscription, woken)
}

fn wait_for(subscription: &Subscription, woken: &Receiver<()>, is_last: fn(&Notification) -> bool) {
    let mut notifications = Vec::new();
    while !notifications.iter().any(is_last) {
        notifications.clear();
        subscription.take(usize::MAX, &mut notifications);
        if notifications.is_empty() {
            woken.recv_timeout(Duration::from_secs(10)).unwrap();
        }
    }
}

/// Returns the number of reader threads.
fn readers() -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let comm = |task: std::io::Result<std::fs::DirEntry>| std::fs::read(task.unwrap().path().join("comm"));
    tasks.filter_map(|task| comm(task).ok()).filter(|comm| comm == b"proc-events\n").count()
}

#[test]
fn reader_ends_after_stop_whatever_commands_follow() {
    for round in 0..20 {
        let (subscription, woken) = subscribe(10_000 + round);
        wait_for(&subscription, &woken, |notification| matches!(notification, Notification::Opened { .. }));
        subscription.stop();
        subscription.set_interest(Interest { types: EventTypes::ALL, fields: Fields::ALL, recapture: false });
        subscription.scan(7);
        // Stops it again, and waits for the thread.
        drop(subscription);
        assert_eq!(readers(), 0);
    }
}
